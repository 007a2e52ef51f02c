//! Discord: an executed webhook. Nobody is mentioned, whatever the text says.

use crate::answer::Answer;
use crate::heart::What;
use crate::message::Message;
use crate::notice::Severity;
use crate::render::Measure;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::http::{Request, Response};
use failstop_settings::{Consistent, Secret as Place, section, within};
use serde_json::json;
use std::time::Duration;

/// The longest content, UTF-16 code units.
pub(crate) const CONTENT_MAX: usize = 2_000;

/// The longest description of an embed.
pub(crate) const DESCRIPTION_MAX: usize = 4_096;

/// Five requests in two seconds a webhook were seen to pass; half of that is enough.
pub(crate) const SPACING: Duration = Duration::from_millis(800);

/// A Discord webhook.
#[derive(Clone)]
pub struct Discord {
    /// The webhook's URL, which is a secret.
    pub webhook_url: Secret,
}

impl Discord {
    /// The request. `wait=true` makes Discord answer only when the message is there.
    pub(crate) fn request(&self, message: &Message) -> Request {
        let escape = |text: &str, most| Measure::Markdown.escape(&Measure::Markdown.cut(text, most));
        let headline = format!("**{}**", escape(&message.text.headline, CONTENT_MAX - 4));
        let mut body = json!({ "content": headline, "allowed_mentions": { "parse": [] } });
        if let (Some(map), false) = (body.as_object_mut(), message.order.plain) {
            let text = message.text.fit(DESCRIPTION_MAX, Measure::Markdown);
            let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
            let color = match (message.order.what, message.order.notice.severity) {
                (What::Resolve, _) => 0x002e_7d32,
                (_, Severity::Critical) => 0x00c6_2828,
                (_, Severity::Warning) => 0x00ef_6c00,
                (_, Severity::Info) => 0x0054_6e7a,
            };
            map.insert("embeds".into(), json!([{ "description": Measure::Markdown.escape(rest), "color": color }]));
        }
        Request::json(self.url("", "wait=true"), &body)
    }

    /// Asks for a message that was posted.
    pub(crate) fn read_back(&self, receipt: &str) -> Request {
        Request::get(self.url(&format!("/messages/{}", crate::mask::percent_encoded(receipt)), ""))
    }

    fn url(&self, path: &str, more: &str) -> String {
        let (base, query) = self.webhook_url.expose().split_once('?').unwrap_or((self.webhook_url.expose(), ""));
        let query: Vec<&str> = [query, more].into_iter().filter(|part| !part.is_empty()).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{}", base.trim_end_matches('/'), query.join("&"))
    }

    /// What an answer means.
    pub(crate) fn answer(response: &Response) -> Answer {
        let body = response.json();
        let said = body["message"].as_str().unwrap_or_default();
        match response.status {
            204 => Answer::ok(),
            200 => match body["id"].as_str() {
                Some(id) => Answer::Ok { receipt: Some(id.to_owned()) },
                None => Answer::Ambiguous { reason: "HTTP 200, and not Discord's answer".to_owned() },
            },
            201..=299 => Answer::Ambiguous { reason: format!("HTTP {}, and not Discord's answer", response.status) },
            429 => {
                // Seconds, with a fraction.
                let asked = body["retry_after"].as_f64().filter(|seconds| seconds.is_finite() && *seconds > 0.0);
                let asked = asked.map(|seconds| Duration::from_secs_f64(seconds.min(3_600.0)));
                let after = asked.or(response.retry_after).unwrap_or(Duration::from_secs(5));
                Answer::RetryAfter { after, reason: format!("HTTP 429: {said}") }
            }
            _ => response.by_status(said),
        }
    }
}

section! {
    /// A Discord webhook.
    pub struct DiscordTable {
        /// The webhook's URL, which is a secret.
        webhook_url: Place, required { env = "DISCORD_WEBHOOK_URL" };
        /// How long one attempt may take.
        timeout: Duration, default "10s", within("1s", "2m");
    }
}

impl Consistent for DiscordTable {}

impl DiscordTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let webhook_url = crate::settings::reveal_url("webhook_url", &self.webhook_url)?;
        Ok(Revealed { kind: crate::Kind::Discord(Discord { webhook_url }), timeout: self.timeout })
    }
}
