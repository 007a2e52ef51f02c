//! Signed questions to an engine's control listener and to a responder on a bot's host.

use crate::client::{self, Answer, Ask, Endpoint, Tls};
use crate::clock::wall_ms;
use crate::heart::reading::for_people;
use failstop_client::signed::{ANSWER_HEADER, Key, Nonce, Request};
use std::rc::Rc;
use std::time::Duration;

/// Time for one question.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Somebody who is asked with signed requests.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Where; its path is the prefix of every target.
    pub endpoint: Endpoint,
    /// Who it is: a system's name, or `actuate/NAME`.
    pub audience: String,
    /// The key that both hold.
    pub key: Rc<Key>,
    /// TLS.
    pub tls: Rc<Tls>,
}

/// What a question came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// 200.
    Yes(serde_json::Value),
    /// 409: the world is not what was thought.
    Conflict(String),
    /// 409, because it was stopped on purpose: how, for people.
    StoppedOnPurpose(String),
    /// Anything else, and no answer at all.
    No(String),
}

/// The part of a 409 that tells one from the other.
#[derive(serde::Deserialize)]
struct Conflict {
    #[serde(default)]
    stopped_on_purpose: Option<String>,
}

impl Asking {
    /// Asks once; a POST only where the connection stands at once, so that no order waits for a cable. `signed_answer`: whether an
    /// answer without a good signature is no answer.
    pub async fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Vec<u8>,
        most: usize,
        timeout: Duration,
        signed_answer: bool,
    ) -> Result<Answer, String> {
        let target = format!("{}{path}", self.endpoint.path.trim_end_matches('/'));
        let mut nonce = [0u8; 16];
        getrandom::fill(&mut nonce).map_err(|error| format!("the system gives no random bytes: {error}"))?;
        let nonce = Nonce(nonce);
        let request = Request { audience: &self.audience, method, target: &target, body: &body };
        let header = self.key.sign(&request, wall_ms(), nonce).map_err(|error| error.to_string())?;
        let ask = Ask {
            method,
            headers: vec![("authorization", header), ("content-type", "application/json".to_owned())],
            body,
        };
        let endpoint = self.endpoint.at(target);
        let answered = if method == "POST" {
            client::order(&endpoint, &self.tls, &ask, most, timeout).await
        } else {
            client::once(&endpoint, &self.tls, &ask, most, timeout).await
        };
        let answer = answered.map_err(|fault| format!("{}: {fault}", self.endpoint.shown()))?;
        if signed_answer {
            let signature = answer.headers.get(ANSWER_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !self.key.is_answer(nonce, answer.status, &answer.body, signature) {
                return Err(format!(
                    "{}: HTTP {} without a good signature: {}",
                    self.endpoint.shown(),
                    answer.status,
                    for_people(&answer.body)
                ));
            }
        }
        Ok(answer)
    }

    /// Asks for something to be done.
    pub async fn order(&self, path: &str, body: &serde_json::Value, timeout: Duration, signed_answer: bool) -> Said {
        let body = body.to_string().into_bytes();
        match self.ask("POST", path, body, client::HEALTH_MAX, timeout, signed_answer).await {
            Err(why) => Said::No(why),
            Ok(answer) if answer.status == 200 => match serde_json::from_slice(&answer.body) {
                Ok(value) => Said::Yes(value),
                Err(_) => Said::No("its answer is not JSON".to_owned()),
            },
            Ok(answer) if answer.status == 409 => match serde_json::from_slice(&answer.body) {
                Ok(Conflict { stopped_on_purpose: Some(how) }) => Said::StoppedOnPurpose(for_people(how.as_bytes())),
                Ok(Conflict { stopped_on_purpose: None }) | Err(_) => Said::Conflict(for_people(&answer.body)),
            },
            Ok(answer) => Said::No(format!("HTTP {}: {}", answer.status, for_people(&answer.body))),
        }
    }

    /// Raw journal lines from this record on, at most so many bytes (65 536 to 1 048 576). Nothing where the journal ends before
    /// it.
    ///
    /// # Errors
    /// Why there are none, for people.
    pub async fn journal(&self, from_seq: u64, limit: usize) -> Result<Vec<u8>, String> {
        let path = format!("/api/journal?from_seq={from_seq}&limit={limit}");
        let most = limit + 2 * failstop_journal::LINE_MAX;
        let answer = self.ask("GET", &path, Vec::new(), most, TIMEOUT, false).await?;
        let ends_at = || answer.headers.get("failstop-seq")?.to_str().ok()?.parse::<u64>().ok();
        match answer.status {
            200 => Ok(answer.body),
            // Its head is below that record. (409 without this is a journal that is damaged there.)
            409 if ends_at().is_some_and(|seq| seq < from_seq) => Ok(Vec::new()),
            status => Err(format!("HTTP {status}: {}", for_people(&answer.body))),
        }
    }
}
