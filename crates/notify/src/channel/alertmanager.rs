//! Prometheus Alertmanager: every member of the cluster is told by itself, never one for all. It forgets what is not repeated,
//! so an open incident is posted again before half of its `resolve_timeout`; the end is the same labels with an `endsAt`.
//!
//! The set of labels is the identity, and the severity is one of them, since people route by it. An incident that got worse is
//! therefore ended under its former severity and begun under the present one, in one request.

use crate::answer::Answer;
use crate::heart::What;
use crate::message::Message;
use crate::notice::Severity;
use crate::render::Measure;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::http::{Request, Response};
use failstop_settings::{Consistent, Secret as Place, Url, section, within};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The longest annotation, characters.
const ANNOTATION_MAX: usize = 4_000;

/// An Alertmanager or a cluster of them.
#[derive(Clone)]
pub struct Alertmanager {
    /// The base URL of every member, as its peers know them; never that of a load balancer.
    pub members: Vec<String>,
    /// `resolve_timeout` of its configuration.
    pub resolve_timeout: Duration,
    /// The value of the header Authorization, if it wants one: `Bearer ...`, `Basic ...`.
    pub authorization: Option<Secret>,
}

impl Alertmanager {
    /// Alertmanager's own default of `resolve_timeout`.
    pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);

    /// How often open incidents are posted again.
    pub(crate) fn refresh(&self) -> Duration {
        (self.resolve_timeout * 2 / 5).max(Duration::from_secs(1))
    }

    /// The request for one member.
    pub(crate) fn request(&self, message: &Message, member: &str) -> Request {
        let (order, notice) = (&message.order, &message.order.notice);
        let over = order.what == What::Resolve;
        let ended = order.resolved_at.unwrap_or(message.now);
        let alert = |severity: Severity, ended_at: Option<jiff::Timestamp>| {
            let mut alert = json!({
                "labels": labels(message, severity),
                "annotations": annotations(message),
                "startsAt": order.opened_at,
            });
            if let (Some(map), Some(at)) = (alert.as_object_mut(), ended_at) {
                map.insert("endsAt".into(), json!(at));
            }
            alert
        };
        // What it is now: for an end, the worst that it was.
        let present = if over { order.severities.last().copied().unwrap_or(notice.severity) } else { notice.severity };
        let former = order.severities.iter().filter(|severity| **severity != present);
        let mut alerts: Vec<Value> = former.map(|severity| alert(*severity, Some(message.now.max(ended)))).collect();
        alerts.push(alert(present, over.then_some(ended)));
        let request = Request::json(format!("{}/api/v2/alerts", member.trim_end_matches('/')), &Value::from(alerts));
        match &self.authorization {
            Some(value) => request.with("authorization", value.expose()),
            None => request,
        }
    }

    /// Asks one member for the alert.
    pub(crate) fn read_back(&self, message: &Message, member: &str) -> Request {
        let filter = crate::mask::percent_encoded(&format!("incident=\"{}\"", message.order.key));
        let request = Request::get(format!("{}/api/v2/alerts?filter={filter}", member.trim_end_matches('/')));
        match &self.authorization {
            Some(value) => request.with("authorization", value.expose()),
            None => request,
        }
    }

    /// What an answer means.
    pub(crate) fn answer(response: &Response) -> Answer {
        match response.status {
            200 => Answer::ok(),
            201..=299 => {
                Answer::Ambiguous { reason: format!("HTTP {}, and not Alertmanager's answer", response.status) }
            }
            _ => {
                let body = response.json();
                response.by_status(body.as_str().unwrap_or_default())
            }
        }
    }
}

fn labels(message: &Message, severity: Severity) -> Value {
    let (order, notice) = (&message.order, &message.order.notice);
    let name = if notice.cause.is_empty() { "failstop" } else { notice.cause.as_str() };
    let mut labels = Map::new();
    let mut label = |name: &str, value: &str| {
        // An empty label is no label to Alertmanager.
        if !value.is_empty() {
            labels.insert(name.to_owned(), value.into());
        }
    };
    label("alertname", name);
    label("incident", order.key.as_str());
    label("severity", severity.name());
    label("system", &notice.system);
    label("component", notice.component.as_deref().unwrap_or_default());
    label("environment", &notice.environment);
    label("drill", if notice.drill { "true" } else { "" });
    Value::Object(labels)
}

fn annotations(message: &Message) -> Value {
    let notice = &message.order.notice;
    let mut annotations = Map::new();
    let mut annotation = |name: &str, value: &str| {
        if !value.is_empty() {
            annotations.insert(name.to_owned(), Measure::Chars.cut(value, ANNOTATION_MAX).into());
        }
    };
    annotation("summary", &notice.title);
    if !message.order.plain {
        annotation("description", &notice.message);
        annotation("root_cause", notice.root_cause.as_deref().unwrap_or_default());
        annotation("action", notice.recommended_action.as_deref().unwrap_or_default());
        annotation("runbook_url", notice.runbook.as_deref().unwrap_or_default());
        annotation("trace_id", notice.trace_id.as_deref().unwrap_or_default());
    }
    Value::Object(annotations)
}

section! {
    /// Prometheus Alertmanager.
    pub struct AlertmanagerTable {
        /// The base URL of every member of the cluster; never that of a load balancer.
        members: Vec<Url>, required ["http://alertmanager:9093"];
        /// The value of the header Authorization, if it wants one.
        authorization: Option<Place>, absent { env = "ALERTMANAGER_AUTHORIZATION" };
        /// resolve_timeout of its configuration; open incidents are posted again before half of it.
        resolve_timeout: Duration, default "5m", within("30s", "24h");
        /// How long one attempt may take.
        timeout: Duration, default "10s", within("1s", "2m");
    }
}

impl Consistent for AlertmanagerTable {}

impl AlertmanagerTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let authorization = match &self.authorization {
            Some(place) => Some(crate::settings::reveal("authorization", place)?),
            None => None,
        };
        let members = self.members.iter().map(ToString::to_string).collect();
        let alertmanager = Alertmanager { members, resolve_timeout: self.resolve_timeout, authorization };
        Ok(Revealed { kind: crate::Kind::Alertmanager(alertmanager), timeout: self.timeout })
    }
}
