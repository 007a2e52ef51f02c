//! ntfy: a JSON message to a topic of a server. On a public server the topic is the password, so it is a secret.

use crate::answer::Answer;
use crate::heart::What;
use crate::message::Message;
use crate::notice::Severity;
use crate::render::Measure;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::http::{Request, Response};
use failstop_settings::{Consistent, Secret as Place, Url, section, within};
use serde_json::json;
use std::time::Duration;

/// The longest title, bytes.
pub(crate) const TITLE_MAX: usize = 1_024;

/// The longest message, bytes; a longer one becomes an attachment.
pub(crate) const MESSAGE_MAX: usize = 4_000;

/// A topic of an ntfy server.
#[derive(Clone)]
pub struct Ntfy {
    /// The server, without a slash at its end.
    pub server: String,
    /// The topic.
    pub topic: Secret,
    /// An access token, where the server wants one.
    pub token: Option<Secret>,
}

impl Ntfy {
    /// The public server.
    pub const SERVER: &'static str = "https://ntfy.sh";

    /// The request.
    pub(crate) fn request(&self, message: &Message) -> Request {
        let notice = &message.order.notice;
        let text = message.text.fit(MESSAGE_MAX, Measure::Bytes);
        let body = text.split_once('\n').map_or(text.as_str(), |(_, body)| body);
        let priority = match (message.order.what, notice.severity) {
            (What::Resolve | What::Acknowledge | What::Refresh, _) | (_, Severity::Info) => 3,
            (_, Severity::Warning) => 4,
            (_, Severity::Critical) => 5,
        };
        let mut body = json!({
            "topic": self.topic.expose(),
            "title": Measure::Bytes.cut(&message.text.headline, TITLE_MAX),
            "message": if message.order.plain { message.order.key.as_str() } else { body },
            "priority": priority,
        });
        if let (Some(map), Some(url), false) = (body.as_object_mut(), &notice.runbook, message.order.plain)
            && url.starts_with("http")
        {
            map.insert("click".into(), url.as_str().into());
        }
        self.signed(Request::json(format!("{}/", self.server.trim_end_matches('/')), &body))
    }

    /// Asks for a message that was published.
    pub(crate) fn read_back(&self, receipt: &str) -> Request {
        let encoded = crate::mask::percent_encoded;
        let server = self.server.trim_end_matches('/');
        let topic = encoded(self.topic.expose());
        self.signed(Request::get(format!("{server}/{topic}/json?poll=1&id={}", encoded(receipt))))
    }

    fn signed(&self, request: Request) -> Request {
        match &self.token {
            Some(token) => request.with("authorization", format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    /// What an answer means.
    pub(crate) fn answer(response: &Response) -> Answer {
        let body = response.json();
        match response.status {
            200 => match body["id"].as_str() {
                Some(id) => Answer::Ok { receipt: Some(id.to_owned()) },
                None => Answer::Ambiguous { reason: "HTTP 200, and not ntfy's answer".to_owned() },
            },
            201..=299 => Answer::Ambiguous { reason: format!("HTTP {}, and not ntfy's answer", response.status) },
            _ => response.by_status(body["error"].as_str().unwrap_or_default()),
        }
    }
}

section! {
    /// ntfy.
    pub struct NtfyTable {
        /// The server.
        server: Url, default "https://ntfy.sh";
        /// The topic; who knows it can read it, so it is a secret.
        topic: Place, required { env = "NTFY_TOPIC" };
        /// An access token, if the server wants one.
        token: Option<Place>, absent { env = "NTFY_TOKEN" };
        /// How long one attempt may take.
        timeout: Duration, default "10s", within("1s", "2m");
    }
}

impl Consistent for NtfyTable {}

impl NtfyTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let token = match &self.token {
            Some(place) => Some(crate::settings::reveal("token", place)?),
            None => None,
        };
        let topic = crate::settings::reveal("topic", &self.topic)?;
        let ntfy = Ntfy { server: self.server.to_string(), topic, token };
        Ok(Revealed { kind: crate::Kind::Ntfy(ntfy), timeout: self.timeout })
    }
}
