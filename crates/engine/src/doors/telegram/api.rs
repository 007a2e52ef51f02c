//! Telegram's bot API as this door needs it: `getUpdates` by long polling, and `sendMessage`. Bounded in time and size; no redirect is
//! followed; the token, which is part of the URL, stands in nothing that is shown.

use super::update;
use crate::outside;
use failstop_view::printable::printable;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// The most that is read of an answer, bytes.
pub(super) const ANSWER_MAX: usize = 256 * 1024;

/// How much longer than Telegram was asked to wait an answer may take.
const SLACK: Duration = Duration::from_secs(10);

/// How long an unused connection is kept: longer than one question waits, so that most need no new one.
const IDLE_MAX: Duration = Duration::from_secs(90);

/// The longest text of Telegram's that is repeated, characters.
const SAID_MAX: usize = 200;

/// The shortest and the longest pause that Telegram can ask for.
const RETRY_AFTER: (u64, u64) = (1, 600);

/// What is asked of `getUpdates`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// From this update on, which confirms those before it; below zero: so many from the end, which forgets those before them.
    pub offset: Option<i64>,
    /// How many at most.
    pub limit: u32,
    /// How long Telegram waits for one.
    pub wait: Duration,
}

/// Updates that came.
#[derive(Debug)]
pub(super) enum Came {
    /// All of them.
    Whole(Vec<Value>),
    /// More bytes than are read; the number of the first one, where it could be found.
    TooLarge {
        /// Telegram's number of it.
        first: Option<i64>,
    },
}

/// Why nothing came. No words of it hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It cannot be asked.
    #[error("{0}")]
    Unusable(String),
    /// No answer.
    #[error("{0}")]
    Unreached(&'static str),
    /// An answer that refuses.
    #[error("{}", refusal(.code, .said))]
    Refused {
        /// HTTP's or Telegram's own code.
        code: u64,
        /// Telegram's words.
        said: String,
        /// How long to wait, where it says so.
        after: Option<Duration>,
    },
    /// An answer that is not Telegram's.
    #[error("what answers at `api_base` is not Telegram's API: {0}")]
    Foreign(&'static str),
}

/// What a refusal means, and what to do about it.
fn refusal(code: &u64, said: &str) -> String {
    match *code {
        401 | 404 => {
            format!("Telegram does not take the bot's token ({code}): correct it, or make a new one with @BotFather")
        }
        409 => format!(
            "somebody else takes this bot's messages (409: {said}): give each system that takes commands a bot of its own, stop the \
             other program, or remove the bot's webhook"
        ),
        429 => format!("Telegram wants to be asked less often (429: {said})"),
        500..=599 => format!("Telegram has a fault of its own ({code})"),
        _ => format!("Telegram refuses ({code}: {said})"),
    }
}

/// A bot.
#[derive(Clone)]
pub(super) struct Api {
    client: reqwest::Client,
    /// With the token in it.
    base: reqwest::Url,
}

impl Api {
    /// The bot of this token.
    ///
    /// # Errors
    /// Why there is none, in words without the token.
    pub fn new(token: &str, api_base: &str, ca_file: Option<&Path>) -> Result<Self, String> {
        if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-')) {
            return Err("the token holds what no token of a Telegram bot holds".to_owned());
        }
        let base =
            reqwest::Url::parse(&format!("{api_base}/bot{token}/")).map_err(|_| "`api_base` is no URL".to_owned())?;
        let client = outside::client(ca_file, Some(IDLE_MAX))?;
        Ok(Self { client, base })
    }

    /// `getUpdates`: messages alone.
    pub async fn updates(&self, question: Question) -> Result<Came, Fault> {
        let body = json!({
            "offset": question.offset,
            "limit": question.limit,
            "timeout": question.wait.as_secs(),
            "allowed_updates": ["message"],
        });
        match self.ask("getUpdates", &body, question.wait + SLACK).await? {
            Answer::Good(Value::Array(updates)) => Ok(Came::Whole(updates)),
            Answer::Good(_) => Err(Fault::Foreign("its updates are no list")),
            Answer::TooLarge(beginning) => Ok(Came::TooLarge { first: update::first_id(&beginning) }),
        }
    }

    /// `sendMessage`: plain text, in a private chat.
    pub async fn send(&self, user: i64, text: &str) -> Result<(), Fault> {
        let body = json!({ "chat_id": user, "text": text, "link_preview_options": { "is_disabled": true } });
        self.ask("sendMessage", &body, SLACK).await.map(drop)
    }

    async fn ask(&self, method: &str, body: &Value, within: Duration) -> Result<Answer, Fault> {
        let asked = timeout(within, self.exchange(method, body)).await;
        asked.unwrap_or(Err(Fault::Unreached("Telegram does not answer in time")))
    }

    async fn exchange(&self, method: &str, body: &Value) -> Result<Answer, Fault> {
        let url = self.base.join(method).map_err(|_| Fault::Unreached("`api_base` is no URL"))?;
        let request = self.client.post(url).header("content-type", "application/json").body(body.to_string());
        let mut response = request.send().await.map_err(|error| unreached(&error))?;
        let status = u64::from(response.status().as_u16());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreached(&error))? {
            let room = ANSWER_MAX.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                return match status {
                    200 => Ok(Answer::TooLarge(body)),
                    code => Err(Fault::Refused { code, said: String::new(), after: None }),
                };
            }
        }
        answer(status, &body)
    }
}

#[derive(Debug)]
enum Answer {
    Good(Value),
    TooLarge(Vec<u8>),
}

/// What an answer says.
fn answer(status: u64, body: &[u8]) -> Result<Answer, Fault> {
    let mut answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    match (status, answer.get("ok").and_then(Value::as_bool)) {
        (200, Some(true)) => match answer.get_mut("result") {
            Some(result) => Ok(Answer::Good(result.take())),
            None => Err(Fault::Foreign("it has no result")),
        },
        (200, None) => Err(Fault::Foreign("it does not say whether it is well")),
        // It is what its own code says.
        (_, Some(false)) => {
            let code = answer.get("error_code").and_then(Value::as_u64).unwrap_or(status);
            let said = answer.get("description").and_then(Value::as_str).unwrap_or_default();
            let said = printable(said).chars().take(SAID_MAX).collect();
            let (least, most) = RETRY_AFTER;
            let after = answer.pointer("/parameters/retry_after").and_then(Value::as_u64);
            Err(Fault::Refused { code, said, after: after.map(|after| Duration::from_secs(after.clamp(least, most))) })
        }
        (code, Some(true) | None) => Err(Fault::Refused { code, said: String::new(), after: None }),
    }
}

/// A library's own words may hold the URL.
fn unreached(error: &reqwest::Error) -> Fault {
    Fault::Unreached(if error.is_connect() {
        "there is no connection to Telegram: check name, network and proxy"
    } else {
        "the connection to Telegram ended before an answer"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u64, said: &str, after: Option<u64>) -> Result<Value, Fault> {
        Err(Fault::Refused { code, said: said.to_owned(), after: after.map(Duration::from_secs) })
    }

    #[test]
    fn every_answer_means_something() {
        let says = |status: u64, body: &str| match answer(status, body.as_bytes()) {
            Ok(Answer::Good(value)) => Ok(value),
            Ok(Answer::TooLarge(_)) => Ok(Value::Null),
            Err(fault) => Err(fault),
        };
        assert_eq!(says(200, r#"{"ok":true,"result":[]}"#), Ok(json!([])));
        assert_eq!(says(200, r#"{"ok":true}"#), Err(Fault::Foreign("it has no result")));
        for foreign in ["", "<html>", "{", "[]", "null", r#"{"ok":"true","result":[]}"#, r#"{"ok":1}"#] {
            let why = "it does not say whether it is well";
            assert_eq!(says(200, foreign), Err(Fault::Foreign(why)), "{foreign}");
        }
        let unauthorized = r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#;
        assert_eq!(says(401, unauthorized), refused(401, "Unauthorized", None));
        assert_eq!(says(200, unauthorized), refused(401, "Unauthorized", None), "its own code decides");
        let flood = |after: &str| format!(r#"{{"ok":false,"error_code":429,"parameters":{{"retry_after":{after}}}}}"#);
        assert_eq!(says(429, &flood("35")), refused(429, "", Some(35)));
        assert_eq!(says(429, &flood("0")), refused(429, "", Some(1)));
        assert_eq!(says(429, &flood("99999999")), refused(429, "", Some(600)));
        for wrong in ["-1", "\"35\"", "1.5", "null", "[]"] {
            assert_eq!(says(429, &flood(wrong)), refused(429, "", None), "{wrong}");
        }
        assert_eq!(says(502, "<html>bad gateway</html>"), refused(502, "", None));
        assert_eq!(says(302, ""), refused(302, "", None));
    }

    #[test]
    fn what_is_said_is_short_on_one_line_and_without_the_token() {
        let long = json!({ "ok": false, "error_code": 400, "description": format!("a\n{}", "b".repeat(10_000)) });
        let fault = answer(400, long.to_string().as_bytes()).map(drop).map_err(|fault| fault.to_string());
        let words = fault.err().unwrap_or_default();
        assert!(words.len() < 300 && !words.contains('\n'), "{words}");
        for token in ["1:a/../b", "1:a?b", "1:a b", "ä", "1:a#"] {
            let why = Api::new(token, "https://api.telegram.org", None).err().unwrap_or_default();
            assert_eq!(why, "the token holds what no token of a Telegram bot holds", "{token}");
        }
        let why = Api::new("1:abc", "no url", None).err().unwrap_or_default();
        assert!(!why.contains("abc") && !why.is_empty(), "{why}");
    }
}
