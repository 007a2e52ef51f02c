//! Telegram: `sendMessage` of a bot. Plain text with entities, never a parse mode, so that no text can be refused for its
//! punctuation. Messages about one incident answer the first one.

use crate::answer::Answer;
use crate::heart::What;
use crate::message::Message;
use crate::notice::Severity;
use crate::render::Measure;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::http::{Request, Response};
use failstop_settings::{Consistent, Secret as Place, Url, section, within};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest text, UTF-16 code units.
pub(crate) const TEXT_MAX: usize = 4_096;

/// Telegram wants no more than one message a second in a chat.
pub(crate) const SPACING: Duration = Duration::from_secs(1);

/// A Telegram bot.
#[derive(Clone)]
pub struct Telegram {
    /// The bot's token.
    pub bot_token: Secret,
    /// Who is written to: a number, or `@name` of a channel.
    pub chat_id: String,
    /// The topic within a group that has topics.
    pub message_thread_id: Option<i64>,
    /// Where the API is, without a slash at its end; another one for a bot server of one's own.
    pub api_base: String,
}

impl Telegram {
    /// Where the API is unless the configuration says otherwise.
    pub const API_BASE: &'static str = "https://api.telegram.org";

    /// A text as long as one message may be, on a character's boundary, and marked where it was cut.
    pub fn cut(text: &str) -> String {
        Measure::Utf16.cut(text, TEXT_MAX)
    }

    /// The request; `chat` is where the chat is now, if it has moved.
    pub(crate) fn request(&self, message: &Message, chat: &str) -> Request {
        let plain = message.order.plain;
        let text = if plain {
            Measure::Utf16.cut(&message.text.headline, 500)
        } else {
            message.text.fit(TEXT_MAX, Measure::Utf16)
        };
        let mut body = json!({
            "chat_id": chat.parse::<i64>().map_or_else(|_| Value::from(chat), Value::from),
            "text": text,
            "link_preview_options": { "is_disabled": true },
            "disable_notification": is_quiet(message),
        });
        if let Some(map) = body.as_object_mut() {
            if !plain {
                let bold = Measure::Utf16.len(text.lines().next().unwrap_or_default());
                map.insert("entities".into(), json!([{ "type": "bold", "offset": 0, "length": bold }]));
            }
            if let Some(thread) = self.message_thread_id {
                map.insert("message_thread_id".into(), thread.into());
            }
            if let Some(first) = message.order.receipt.as_ref().and_then(|receipt| receipt.parse::<i64>().ok()) {
                let parameters = json!({ "message_id": first, "allow_sending_without_reply": true });
                map.insert("reply_parameters".into(), parameters);
            }
        }
        let base = self.api_base.trim_end_matches('/');
        Request::json(format!("{base}/bot{}/sendMessage", self.bot_token.expose()), &body)
    }

    /// What an answer to a request to `chat` means.
    pub(crate) fn answer(response: &Response, chat: &str) -> Answer {
        let body = response.json();
        if response.status == 200 && body["ok"] == Value::Bool(true) {
            return Answer::Ok { receipt: body["result"]["message_id"].as_i64().map(|id| id.to_string()) };
        }
        if let Some(to) = body["parameters"]["migrate_to_chat_id"].as_i64() {
            return Answer::Migrate { from: chat.to_owned(), to: to.to_string() };
        }
        let said = body["description"].as_str().unwrap_or_default();
        if let Some(seconds) = body["parameters"]["retry_after"].as_u64() {
            let after = Duration::from_secs(seconds.clamp(1, 3_600));
            return Answer::RetryAfter { after, reason: format!("HTTP {}: {said}", response.status) };
        }
        // A status of 200 with `ok: false` is what its error code says.
        let code = body["error_code"].as_u64().and_then(|code| u16::try_from(code).ok());
        let status = if response.status == 200 { code.unwrap_or(200) } else { response.status };
        let lower = said.to_ascii_lowercase();
        match status {
            200..=299 => Answer::Ambiguous { reason: format!("HTTP {}, and not Telegram's answer", response.status) },
            400 if GONE.iter().any(|gone| lower.contains(gone)) => {
                Answer::permanent(format!("{said}; check `chat_id` and that the bot is a member there"))
            }
            status => Response { status, ..response.clone() }.by_status(said),
        }
    }
}

/// What a 400 says when it is about the chat and not about the text.
const GONE: [&str; 6] = [
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "message thread not found",
    "not enough rights",
    "have no rights",
];

/// Whether it comes without a sound.
fn is_quiet(message: &Message) -> bool {
    match message.order.what {
        What::Acknowledge | What::Refresh => true,
        What::Trigger | What::Update | What::Reminder | What::Escalation | What::Resolve => {
            message.order.notice.severity == Severity::Info
        }
    }
}

section! {
    /// A Telegram bot.
    pub struct TelegramTable {
        /// The bot's token.
        bot_token: Place, required { env = "TELEGRAM_BOT_TOKEN" };
        /// Who is written to: the number of a chat, or "@name" of a channel.
        chat_id: String, required "123";
        /// The topic, in a group that has topics.
        message_thread_id: Option<u32>, absent 5;
        /// Where the API is.
        api_base: Url, default "https://api.telegram.org";
        /// How long one attempt may take.
        timeout: Duration, default "10s", within("1s", "2m");
    }
}

impl Consistent for TelegramTable {}

impl TelegramTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let telegram = Telegram {
            bot_token: crate::settings::reveal("bot_token", &self.bot_token)?,
            chat_id: self.chat_id.clone(),
            message_thread_id: self.message_thread_id.map(i64::from),
            api_base: self.api_base.to_string(),
        };
        Ok(Revealed { kind: crate::Kind::Telegram(telegram), timeout: self.timeout })
    }
}
