//! Slack, in two ways: an incoming webhook, which only takes messages; or a bot's `chat.postMessage`, which keeps one message
//! an incident up to date and puts everything else about it into its thread.

use crate::answer::Answer;
use crate::heart::What;
use crate::message::Message;
use crate::notice::Severity;
use crate::render::Measure;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::http::{Http, Request, Response};
use failstop_settings::{
    Consistent, Kind as Problem, Places, Reading, Secret as Place, Url, exactly_one, section, within,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest text, characters after escaping; well under what Slack was seen to refuse.
pub(crate) const TEXT_MAX: usize = 3_500;

/// Slack takes about one message a second in a channel.
pub(crate) const SPACING: Duration = Duration::from_secs(1);

/// An incoming webhook.
#[derive(Clone)]
pub struct SlackWebhook {
    /// The webhook's URL, which is a secret.
    pub webhook_url: Secret,
}

/// A bot with the right `chat:write`.
#[derive(Clone)]
pub struct SlackBot {
    /// The bot's token, `xoxb-...`.
    pub bot_token: Secret,
    /// The channel's id, or its name with `#`.
    pub channel: String,
    /// Where the API is, without a slash at its end.
    pub api_base: String,
}

fn text_of(message: &Message) -> String {
    if message.order.plain {
        return Measure::Slack.escape(&Measure::Slack.cut(&message.text.headline, 500));
    }
    // The stars count too.
    let fitted = message.text.fit(TEXT_MAX - 2, Measure::Slack);
    let escaped = Measure::Slack.escape(&fitted);
    match escaped.split_once('\n') {
        Some((headline, rest)) if !headline.contains('*') => format!("*{headline}*\n{rest}"),
        Some(_) | None => escaped,
    }
}

fn color(message: &Message) -> &'static str {
    match (message.order.what, message.order.notice.severity) {
        (What::Resolve, _) => "#2e7d32",
        (_, Severity::Critical) => "#c62828",
        (_, Severity::Warning) => "#ef6c00",
        (_, Severity::Info) => "#546e7a",
    }
}

impl SlackWebhook {
    /// The request.
    pub(crate) fn request(&self, message: &Message) -> Request {
        let text = text_of(message);
        let body = if message.order.plain {
            json!({ "text": text })
        } else {
            let (headline, rest) = text.split_once('\n').unwrap_or((&text, ""));
            json!({ "text": headline, "attachments": [{ "color": color(message), "text": rest, "fallback": headline }] })
        };
        Request::json(self.webhook_url.expose().to_owned(), &body)
    }

    /// What an answer means.
    pub(crate) fn answer(response: &Response) -> Answer {
        let text = response.text();
        if response.status == 200 && text == "ok" {
            return Answer::ok();
        }
        let body = response.json();
        let word = body["error"].as_str().unwrap_or(&text);
        // Only Slack's own words are repeated.
        let word = if is_word(word) { word } else { "" };
        match (response.status, word) {
            (429, _) | (_, "rate_limited" | "ratelimited") => {
                let asked = response.retry_after.or_else(|| body["retry_after"].as_f64().and_then(positive));
                let after = asked.unwrap_or(Duration::from_secs(30));
                Answer::RetryAfter { after, reason: format!("HTTP {}: {word}", response.status) }
            }
            (500..=599, _) => response.by_status(word),
            (_, "invalid_payload" | "no_text" | "too_many_attachments" | "invalid_blocks" | "msg_too_long") => {
                Answer::fix_payload(format!("HTTP {}: {word}", response.status))
            }
            (200..=299, "") => {
                Answer::Ambiguous { reason: format!("HTTP {}, and not Slack's answer", response.status) }
            }
            (200..=299, _) => Answer::permanent(format!("{word}; make a new webhook in Slack and set `webhook_url`")),
            (status, "") => Response { status, ..response.clone() }.by_status(""),
            (400..=499, _) => Answer::permanent(format!("{word}; make a new webhook in Slack and set `webhook_url`")),
            (_, _) => response.by_status(word),
        }
    }
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn positive(seconds: f64) -> Option<Duration> {
    (seconds.is_finite() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.clamp(1.0, 3_600.0)))
}

impl SlackBot {
    /// Where the API is unless the configuration says otherwise.
    pub const API_BASE: &'static str = "https://slack.com/api";

    /// Sends one message: the first as it is, every other one as an update of the first and an answer in its thread.
    pub(crate) async fn send(&self, http: &Http, message: &Message, within: Duration) -> Answer {
        if let Some((channel, ts)) = thread(message) {
            // Updating twice changes nothing, so it comes first: a crash between the two repeats only this.
            match http.send(self.update(message, channel, ts), within).await {
                Ok(response) => match Self::answer(&response) {
                    // The first message may have been deleted; the thread still takes answers, or says why not.
                    Answer::Ok { .. } | Answer::Permanent { .. } | Answer::FixPayload { .. } => {}
                    later @ (Answer::Retry { .. }
                    | Answer::RetryAfter { .. }
                    | Answer::Ambiguous { .. }
                    | Answer::Migrate { .. }) => return later,
                },
                Err(fault) => return fault.into(),
            }
        }
        match http.send(self.post(message), within).await {
            Ok(response) => Self::answer(&response),
            Err(fault) => fault.into(),
        }
    }

    fn call(&self, method: &str, body: &Value) -> Request {
        Request::json(format!("{}/{method}", self.api_base.trim_end_matches('/')), body)
            .with("authorization", format!("Bearer {}", self.bot_token.expose()))
    }

    pub(crate) fn post(&self, message: &Message) -> Request {
        let mut body = json!({
            "channel": self.channel,
            "text": text_of(message),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if let (Some((channel, ts)), Some(map)) = (thread(message), body.as_object_mut()) {
            map.insert("channel".into(), channel.into());
            map.insert("thread_ts".into(), ts.into());
            // The end and what got worse are for everybody in the channel, not only for who follows the thread.
            let broadcast = matches!(message.order.what, What::Resolve | What::Escalation);
            map.insert("reply_broadcast".into(), broadcast.into());
        }
        self.call("chat.postMessage", &body)
    }

    pub(crate) fn update(&self, message: &Message, channel: &str, ts: &str) -> Request {
        self.call("chat.update", &json!({ "channel": channel, "ts": ts, "text": text_of(message) }))
    }

    /// Asks for the link of a message, which only one that is there has.
    pub(crate) fn read_back(&self, receipt: &str) -> Option<Request> {
        let (channel, ts) = receipt.split_once(':')?;
        let base = self.api_base.trim_end_matches('/');
        let encoded = crate::mask::percent_encoded;
        let url = format!("{base}/chat.getPermalink?channel={}&message_ts={}", encoded(channel), encoded(ts));
        Some(Request::get(url).with("authorization", format!("Bearer {}", self.bot_token.expose())))
    }

    /// What an answer of any method means: `ok`, never the status.
    pub(crate) fn answer(response: &Response) -> Answer {
        let body = response.json();
        if (200..=299).contains(&response.status) && body["ok"] == Value::Bool(true) {
            let receipt = match (body["channel"].as_str(), body["ts"].as_str()) {
                (Some(channel), Some(ts)) => Some(format!("{channel}:{ts}")),
                _ => None,
            };
            return Answer::Ok { receipt };
        }
        let error = body["error"].as_str().filter(|word| is_word(word)).unwrap_or_default();
        let reason = format!("HTTP {}: {error}", response.status);
        match (error, response.status) {
            ("ratelimited" | "rate_limited", _) | (_, 429) => {
                let after = response.retry_after.unwrap_or(Duration::from_secs(30));
                Answer::RetryAfter { after, reason }
            }
            ("internal_error" | "fatal_error", _) => Answer::Ambiguous { reason },
            ("service_unavailable" | "request_timeout", _) => Answer::Retry { reason },
            (
                "msg_too_long"
                | "no_text"
                | "too_many_attachments"
                | "invalid_blocks"
                | "invalid_blocks_format"
                | "msg_blocks_too_long"
                | "invalid_arguments"
                | "invalid_json",
                _,
            ) => Answer::FixPayload { reason },
            ("", 200..=299) => {
                Answer::Ambiguous { reason: format!("HTTP {}, and not Slack's answer", response.status) }
            }
            ("", _) => response.by_status(""),
            (_, _) => Answer::permanent(format!("{error}; check `bot_token`, its rights and `channel`")),
        }
    }
}

fn thread(message: &Message) -> Option<(&str, &str)> {
    message.order.receipt.as_deref()?.split_once(':')
}

section! {
    /// Slack: an incoming webhook, or a bot that keeps one message an incident up to date.
    pub struct SlackTable {
        /// The URL of an incoming webhook, which is a secret.
        webhook_url: Option<Place>, absent { env = "SLACK_WEBHOOK_URL" };
        /// The token of a bot with the right chat:write, instead of a webhook.
        bot_token: Option<Place>, absent { env = "SLACK_BOT_TOKEN" };
        /// Where the bot writes: the id of a channel, or its name with #.
        channel: Option<String>, absent "#alerts";
        /// Where the bot's API is.
        api_base: Url, default "https://slack.com/api";
        /// How long one attempt may take.
        timeout: Duration, default "10s", within("1s", "2m");
    }
}

impl Consistent for SlackTable {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [("webhook_url", self.webhook_url.is_some()), ("bot_token", self.bot_token.is_some())];
        exactly_one(&ways, "webhook_url = { env = \"SLACK_WEBHOOK_URL\" }", places, reading);
        if self.bot_token.is_some() && self.channel.is_none() {
            let message = format!("{} has a bot and no channel to write to", places.label);
            reading.refuse(Problem::Missing, &places.first_of(&["bot_token"]), message, "add `channel = \"#alerts\"`");
        }
    }
}

impl SlackTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let kind = match (&self.webhook_url, &self.bot_token) {
            (Some(url), _) => crate::Kind::SlackWebhook(SlackWebhook {
                webhook_url: crate::settings::reveal_url("webhook_url", url)?,
            }),
            (None, Some(token)) => crate::Kind::SlackBot(SlackBot {
                bot_token: crate::settings::reveal("bot_token", token)?,
                channel: self.channel.clone().unwrap_or_default(),
                api_base: self.api_base.to_string(),
            }),
            (None, None) => return Err(Faults::of("it has neither webhook_url nor bot_token")),
        };
        Ok(Revealed { kind, timeout: self.timeout })
    }
}
