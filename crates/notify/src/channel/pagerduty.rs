//! PagerDuty, in two ways: Events v2 by an integration's routing key, which keeps an incident by our own key; or the REST
//! API by an API key, which also tells whether the incident is there.

use crate::answer::Answer;
use crate::heart::What;
use crate::message::Message;
use crate::notice::Severity;
use crate::render::Measure;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::http::{Http, Method, Request, Response};
use failstop_settings::{
    Choice, Consistent, Kind as Problem, Places, Reading, Secret as Place, Url, exactly_one, section, within,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest summary, characters.
pub(crate) const SUMMARY_MAX: usize = 1_024;

/// The longest title of an incident, characters.
const TITLE_MAX: usize = 1_024;

/// The longest details, characters; far below 512 KB whatever the characters are.
const DETAILS_MAX: usize = 8_000;

/// 120 events a minute an integration.
pub(crate) const SPACING: Duration = Duration::from_millis(500);

/// PagerDuty's advice after a 429 without a time of its own is to wait minutes.
const LIMITED: Duration = Duration::from_secs(60);

/// Events v2.
#[derive(Clone)]
pub struct PagerdutyEvents {
    /// The routing key of an integration of type Events API v2.
    pub routing_key: Secret,
    /// Where the API is, without a slash at its end.
    pub api_base: String,
}

/// The REST API.
#[derive(Clone)]
pub struct PagerdutyRest {
    /// An API key that may write.
    pub api_key: Secret,
    /// The service that gets the incidents.
    pub service_id: String,
    /// The address of a user of the account, in whose name incidents are opened.
    pub from: String,
    /// `high` or `low`.
    pub urgency: String,
    /// Where the API is, without a slash at its end.
    pub api_base: String,
}

impl PagerdutyEvents {
    /// Where the API is unless the configuration says otherwise.
    pub const API_BASE: &'static str = "https://events.pagerduty.com";

    /// The request.
    pub(crate) fn request(&self, message: &Message) -> Request {
        let notice = &message.order.notice;
        let action = match message.order.what {
            What::Trigger | What::Update | What::Reminder | What::Escalation | What::Refresh => "trigger",
            What::Acknowledge => "acknowledge",
            What::Resolve => "resolve",
        };
        let mut body = json!({
            "routing_key": self.routing_key.expose(),
            "event_action": action,
            "dedup_key": message.order.key,
        });
        if action == "trigger"
            && let Some(map) = body.as_object_mut()
        {
            let source = if notice.system.is_empty() { "failstop" } else { notice.system.as_str() };
            let mut payload = json!({
                "summary": Measure::Chars.cut(&message.text.headline, SUMMARY_MAX),
                "source": source,
                "severity": match notice.severity {
                    Severity::Critical => "critical",
                    Severity::Warning => "warning",
                    Severity::Info => "info",
                },
            });
            if let (Some(payload), false) = (payload.as_object_mut(), message.order.plain) {
                payload.insert("timestamp".into(), json!(notice.occurred_at));
                payload.insert("group".into(), json!(notice.system));
                payload.insert("class".into(), json!(notice.cause));
                payload.insert("component".into(), json!(notice.component.as_deref().unwrap_or(source)));
                payload.insert("custom_details".into(), details(message));
                if let Some(runbook) = notice.runbook.as_ref().filter(|url| url.starts_with("http")) {
                    map.insert("links".into(), json!([{ "href": runbook, "text": "runbook" }]));
                }
                map.insert("client".into(), "failstop".into());
            }
            map.insert("payload".into(), payload);
        }
        Request::json(format!("{}/v2/enqueue", self.api_base.trim_end_matches('/')), &body)
    }

    /// What an answer means. 202 says that the event was taken, not that anybody was paged.
    pub(crate) fn answer(response: &Response) -> Answer {
        match response.status {
            202 => Answer::ok(),
            200..=299 => Answer::Ambiguous { reason: format!("HTTP {}, and not PagerDuty's answer", response.status) },
            429 => limited(response),
            _ => response.by_status(&said(response)),
        }
    }
}

fn details(message: &Message) -> Value {
    let text = message.text.fit(DETAILS_MAX, Measure::Chars);
    let notice = &message.order.notice;
    json!({
        "text": text,
        "recommended_action": notice.recommended_action,
        "root_cause": notice.root_cause,
        "environment": notice.environment,
        "drill": notice.drill,
        "trace_id": notice.trace_id,
    })
}

fn limited(response: &Response) -> Answer {
    Answer::RetryAfter {
        after: response.retry_after.unwrap_or(LIMITED),
        reason: "HTTP 429: too many events".to_owned(),
    }
}

/// The short part of an error.
fn said(response: &Response) -> String {
    let body = response.json();
    let error = if body["error"].is_object() { &body["error"] } else { &body };
    let first = error["errors"][0].as_str().unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    [message, first].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

impl PagerdutyRest {
    /// Where the API is unless the configuration says otherwise.
    pub const API_BASE: &'static str = "https://api.pagerduty.com";

    fn call(&self, path: &str, body: &Value) -> Request {
        let request = Request::json(format!("{}{path}", self.api_base.trim_end_matches('/')), body);
        self.signed(request)
    }

    fn signed(&self, request: Request) -> Request {
        request
            .with("authorization", format!("Token token={}", self.api_key.expose()))
            .with("accept", "application/vnd.pagerduty+json;version=2")
            .with("from", self.from.as_str())
    }

    /// Opens the incident.
    pub(crate) fn open(&self, message: &Message) -> Request {
        let details = if message.order.plain {
            message.text.headline.clone()
        } else {
            message.text.fit(DETAILS_MAX, Measure::Chars)
        };
        let body = json!({ "incident": {
            "type": "incident",
            "title": Measure::Chars.cut(&message.text.headline, TITLE_MAX),
            "service": { "id": self.service_id, "type": "service_reference" },
            "urgency": self.urgency,
            "incident_key": message.order.key,
            "body": { "type": "incident_body", "details": details },
        } });
        self.call("/incidents", &body)
    }

    /// Asks for the open incident with our key.
    pub(crate) fn find(&self, message: &Message) -> Request {
        let base = self.api_base.trim_end_matches('/');
        let key = crate::mask::percent_encoded(message.order.key.as_str());
        let open = "statuses%5B%5D=triggered&statuses%5B%5D=acknowledged";
        self.signed(Request::get(format!("{base}/incidents?incident_key={key}&{open}")))
    }

    fn put_status(&self, id: &str, status: &str) -> Request {
        let body = json!({ "incident": { "type": "incident_reference", "status": status } });
        self.call(&format!("/incidents/{}", crate::mask::percent_encoded(id)), &body).by(Method::Put)
    }

    fn note(&self, id: &str, message: &Message) -> Request {
        let content = message.text.fit(DETAILS_MAX, Measure::Chars);
        let path = format!("/incidents/{}/notes", crate::mask::percent_encoded(id));
        self.call(&path, &json!({ "note": { "content": content } }))
    }

    /// Sends one message.
    pub(crate) async fn send(&self, http: &Http, message: &Message, within: Duration) -> Answer {
        if message.order.what == What::Trigger && message.order.receipt.is_none() {
            return match http.send(self.open(message), within).await {
                // It was opened by an attempt whose answer was lost, or by the other watchdog.
                Ok(response) if is_there_already(&response) => self.found(http, message, within).await,
                Ok(response) => Self::opened(&response),
                Err(fault) => fault.into(),
            };
        }
        let id = match &message.order.receipt {
            Some(id) => id.clone(),
            None => match self.found(http, message, within).await {
                Answer::Ok { receipt: Some(id) } => id,
                // Nothing open to change: somebody resolved it there.
                Answer::Ok { receipt: None } => return Answer::ok(),
                other => return other,
            },
        };
        let request = match message.order.what {
            What::Trigger | What::Update | What::Reminder | What::Escalation | What::Refresh => self.note(&id, message),
            What::Acknowledge => self.put_status(&id, "acknowledged"),
            What::Resolve => self.put_status(&id, "resolved"),
        };
        match http.send(request, within).await {
            Ok(response) => Self::changed(&response),
            Err(fault) => fault.into(),
        }
    }

    /// Looks the open incident up; the receipt is its id.
    pub(crate) async fn found(&self, http: &Http, message: &Message, within: Duration) -> Answer {
        match http.send(self.find(message), within).await {
            Ok(response) if response.status == 200 => {
                let body = response.json();
                match body["incidents"].as_array() {
                    Some(found) => Answer::Ok {
                        receipt: found.first().and_then(|incident| incident["id"].as_str()).map(str::to_owned),
                    },
                    None => Answer::Ambiguous { reason: "HTTP 200, and not PagerDuty's answer".to_owned() },
                }
            }
            Ok(response) if response.status == 429 => limited(&response),
            Ok(response) => response.by_status(&said(&response)),
            Err(fault) => fault.into(),
        }
    }

    pub(crate) fn opened(response: &Response) -> Answer {
        match response.status {
            200 | 201 => match response.json()["incident"]["id"].as_str() {
                Some(id) => Answer::Ok { receipt: Some(id.to_owned()) },
                None => Answer::Ambiguous { reason: "no id in the answer; not PagerDuty's".to_owned() },
            },
            429 => limited(response),
            200..=299 => Answer::Ambiguous { reason: format!("HTTP {}, and not PagerDuty's answer", response.status) },
            _ => response.by_status(&said(response)),
        }
    }

    pub(crate) fn changed(response: &Response) -> Answer {
        let body = response.json();
        match response.status {
            200..=299 if body["incident"].is_object() || body["note"].is_object() => Answer::ok(),
            200..=299 => Answer::Ambiguous { reason: format!("HTTP {}, and not PagerDuty's answer", response.status) },
            429 => limited(response),
            // It is resolved there already, or was removed: there is nothing left to change.
            400 if said(response).to_ascii_lowercase().contains("already resolved") => Answer::ok(),
            404 => Answer::ok(),
            _ => response.by_status(&said(response)),
        }
    }
}

/// PagerDuty refuses a second open incident with one key on one service.
fn is_there_already(response: &Response) -> bool {
    let said = said(response).to_ascii_lowercase();
    response.status == 400 && (said.contains("already exists") || said.contains("matching dedup key"))
}

/// How loudly PagerDuty pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// At once.
    High,
    /// Without noise.
    Low,
}

impl Choice for Urgency {
    const WORDS: &'static [(&'static str, Self)] = &[("high", Self::High), ("low", Self::Low)];
    const WANTED: &'static str = "\"high\" or \"low\"";
}

section! {
    /// PagerDuty: Events v2 by a routing key, or incidents by an API key.
    pub struct PagerdutyTable {
        /// The routing key of an integration of type Events API v2.
        routing_key: Option<Place>, absent { env = "PAGERDUTY_ROUTING_KEY" };
        /// An API key that may write, instead of a routing key.
        api_key: Option<Place>, absent { env = "PAGERDUTY_API_KEY" };
        /// With an API key: the service that gets the incidents.
        service_id: Option<String>, absent "PABC123";
        /// With an API key: the address of a user, in whose name incidents are opened.
        from: Option<String>, absent "ops@example.com";
        /// With an API key: how loudly it pages.
        urgency: Urgency, default "high";
        /// Where Events v2 is.
        api_base: Url, default "https://events.pagerduty.com";
        /// With an API key: where the REST API is.
        rest_base: Url, default "https://api.pagerduty.com";
        /// How long one attempt may take.
        timeout: Duration, default "10s", within("1s", "2m");
    }
}

impl Consistent for PagerdutyTable {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [("routing_key", self.routing_key.is_some()), ("api_key", self.api_key.is_some())];
        exactly_one(&ways, "routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }", places, reading);
        for (name, given) in [("service_id", self.service_id.is_some()), ("from", self.from.is_some())] {
            if self.api_key.is_some() && !given {
                let message = format!("{} has an API key and no `{name}`", places.label);
                reading.refuse(Problem::Missing, &places.first_of(&["api_key"]), message, format!("add `{name}`"));
            }
        }
    }
}

impl PagerdutyTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let kind = match (&self.routing_key, &self.api_key) {
            (Some(key), _) => crate::Kind::PagerdutyEvents(PagerdutyEvents {
                routing_key: crate::settings::reveal("routing_key", key)?,
                api_base: self.api_base.to_string(),
            }),
            (None, Some(key)) => crate::Kind::PagerdutyRest(PagerdutyRest {
                api_key: crate::settings::reveal("api_key", key)?,
                service_id: self.service_id.clone().unwrap_or_default(),
                from: self.from.clone().unwrap_or_default(),
                urgency: match self.urgency {
                    Urgency::High => "high".to_owned(),
                    Urgency::Low => "low".to_owned(),
                },
                api_base: self.rest_base.to_string(),
            }),
            (None, None) => return Err(Faults::of("it has neither routing_key nor api_key")),
        };
        Ok(Revealed { kind, timeout: self.timeout })
    }
}
