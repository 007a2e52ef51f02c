//! What an answer says: the health body and the beat of the live stream, read into facts. Unknown fields are skipped, a
//! missing or wrong one is a fault with its name.

use super::fault::{Fault, Stage};
use super::order::Shown;
use super::time::Wall;
use serde::Deserialize;
use serde_json::Value;

/// The longest piece of an answer that is kept for people, bytes.
const SHOWN_MAX: usize = 400;

/// The verdict that an answer carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Good,
    /// It works, with reasons to look.
    Degraded(String),
}

/// What a health answer says beyond its verdict. Each is absent where the answer does not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When the answer was made.
    pub made: Option<Wall>,
    /// The fencing epoch.
    pub epoch: Option<u64>,
    /// The journal's head.
    pub shown: Option<Shown>,
    /// When market data arrived last, as text: only whether it moves matters.
    pub last_market_data: Option<String>,
    /// The kill switch.
    pub kill_switch: Option<bool>,
    /// The permission.
    pub permission: Option<String>,
    /// The nonce that it echoes.
    pub nonce: Option<String>,
    /// A stop or a restart that is coming.
    pub announced: Option<Announced>,
    /// The maintenance window that its engine has.
    pub maintenance: Option<Window>,
}

/// A health answer: its facts, and its verdict or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it says, as far as it could be read.
    pub facts: Facts,
    /// The verdict.
    pub verdict: Result<Verdict, Fault>,
    /// The answer for people: masked and shortened.
    pub shown: String,
}

/// Reads a health answer. `status` is the HTTP status.
pub fn health(status: u16, body: &[u8]) -> Reading {
    let shown = for_people(body);
    let failed = |facts: Facts, stage, detail: String| Reading {
        facts,
        verdict: Err(Fault::new(stage, detail)),
        shown: shown.clone(),
    };
    // Whoever says that answers: it is well enough for that, and nothing is known but that we are not let in.
    if matches!(status, 401 | 403) {
        return failed(
            Facts::default(),
            Stage::Access,
            format!("HTTP {status}: it lets nobody in with this token: {shown}"),
        );
    }
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let Ok(Value::Object(answer)) = parsed else {
        let (stage, why) = match (status, body.is_empty()) {
            (200..=299, true) => (Stage::Body, "the answer has no body".to_owned()),
            (200..=299, false) => (Stage::Body, "the answer is not a JSON object".to_owned()),
            _ => (Stage::Status, format!("HTTP {status} without a verdict in the body")),
        };
        return failed(Facts::default(), stage, why);
    };
    let facts = facts(&answer);
    let reasons = reasons(&answer);
    let with = |word: &str| if reasons.is_empty() { word.to_owned() } else { format!("{word}: {reasons}") };
    match answer.get("status").and_then(Value::as_str) {
        Some(word @ ("critical" | "error" | "unhealthy" | "down" | "fail")) => {
            failed(facts, Stage::Verdict, with(word))
        }
        Some(word @ ("healthy" | "ok" | "up" | "pass" | "degraded" | "warning" | "warn")) => {
            if !(200..=299).contains(&status) {
                return failed(facts, Stage::Status, format!("HTTP {status}, though the body says {word}"));
            }
            let verdict = match word {
                "degraded" | "warning" | "warn" => Verdict::Degraded(with(word)),
                _ => Verdict::Good,
            };
            Reading { facts, verdict: Ok(verdict), shown }
        }
        Some(other) => failed(
            facts,
            Stage::Body,
            format!("its `status` is \"{}\", which is no verdict", for_people(other.as_bytes())),
        ),
        None => failed(facts, Stage::Body, "the answer has no `status`".to_owned()),
    }
}

/// Judges the answer of a plain HTTP target: a status of 200 to 299 and, where one is wanted, a piece of text in the body.
///
/// # Errors
/// A fault of the stage `status` or `body`.
pub fn plain(status: u16, body: &[u8], contains: Option<&str>) -> Result<(), Fault> {
    if !(200..=299).contains(&status) {
        return Err(Fault::new(Stage::Status, format!("HTTP {status}")));
    }
    match contains {
        Some(wanted) if !body.windows(wanted.len().max(1)).any(|piece| piece == wanted.as_bytes()) => {
            Err(Fault::new(Stage::Body, format!("the body does not contain \"{}\"", for_people(wanted.as_bytes()))))
        }
        Some(_) | None => Ok(()),
    }
}

fn facts(answer: &serde_json::Map<String, Value>) -> Facts {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    Facts {
        made: text("timestamp").and_then(|at| wall(&at)),
        epoch: answer.get("epoch").and_then(Value::as_u64),
        shown: answer.get("journal").and_then(|journal| {
            Some(Shown {
                jid: journal.get("jid")?.as_str()?.to_owned(),
                seq: journal.get("seq")?.as_u64()?,
                head: journal.get("head")?.as_str()?.to_owned(),
                asked: None,
            })
        }),
        last_market_data: text("last_market_data"),
        kill_switch: answer.get("kill_switch").and_then(Value::as_bool),
        permission: text("permission"),
        nonce: text("nonce"),
        announced: answer.get("announced").and_then(announced),
        // Words that are not known are none: what is not understood does not keep people from being told.
        maintenance: answer.get("maintenance").and_then(|window| Window::deserialize(window).ok()),
    }
}

/// An announcement, as far as it can be read. Whoever announces an end in words that are not known means at least that it ends:
/// that is a stop, which forbids most.
fn announced(value: &Value) -> Option<Announced> {
    let object = value.as_object()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = match object.get("kind").and_then(Value::as_str) {
        Some("restart") => AnnouncedKind::Restart,
        Some(_) | None => AnnouncedKind::Stop,
    };
    Some(Announced { kind, until: text("until"), by: text("by") })
}

fn reasons(answer: &serde_json::Map<String, Value>) -> String {
    let list = |key: &str| -> Vec<String> {
        let texts = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Object(halt) => halt.get("cause").and_then(Value::as_str).map(str::to_owned),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        };
        answer
            .get(key)
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(texts).collect())
            .unwrap_or_default()
    };
    let mut reasons = list("reasons");
    let halts = list("halts");
    if !halts.is_empty() {
        reasons.push(format!("halts {}", halts.join(", ")));
    }
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        reasons.push(error.to_owned());
    }
    for_people(reasons.join("; ").as_bytes())
}

/// One beat of the live stream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Beat {
    /// The system's name.
    pub system: String,
    /// The fencing epoch.
    pub epoch: u64,
    /// The last durable sequence number.
    pub seq: u64,
    /// The hash of that record.
    pub head: String,
    /// The journal's id; empty from an engine that does not say it.
    #[serde(default)]
    pub jid: String,
    /// The permission.
    #[serde(default)]
    pub permission: String,
    /// The verdict.
    #[serde(default)]
    pub status: String,
    /// The effective mode.
    #[serde(default)]
    pub mode: String,
    /// The kill switch.
    #[serde(default)]
    pub kill_switch: Option<bool>,
    /// A stop or a restart that is coming.
    #[serde(default)]
    pub announced: Option<Announced>,
    /// The maintenance window that its engine has.
    #[serde(default)]
    pub maintenance: Option<Window>,
    /// When it was made, RFC 3339.
    pub at: String,
}

/// A maintenance window of an engine: until its end alerts that can wait are held back, and what fails is not started again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Window {
    /// Its end, RFC 3339.
    pub until: String,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A stop or a restart on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Announced {
    /// Which of the two.
    pub kind: AnnouncedKind,
    /// Until when it is expected to be away, RFC 3339; absent: unknown.
    #[serde(default)]
    pub until: Option<String>,
    /// Who asked for it: [`BY_SIGNAL`] where that was whoever sent the process a signal.
    #[serde(default)]
    pub by: Option<String>,
}

/// Who an engine says asked for an end that came by SIGTERM or SIGINT.
pub const BY_SIGNAL: &str = "a signal";

/// What is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnouncedKind {
    /// It will be back.
    Restart,
    /// It will not.
    Stop,
}

/// Reads the `data:` of one event.
///
/// # Errors
/// A fault of the stage `body`.
pub fn beat(data: &[u8]) -> Result<Beat, Fault> {
    serde_json::from_slice(data)
        .map_err(|error| Fault::new(Stage::Body, format!("a beat is not what it should be: {error}")))
}

/// The instant that a text names.
pub fn wall(text: &str) -> Option<Wall> {
    text.parse::<jiff::Timestamp>().ok().map(|at| Wall(at.as_millisecond()))
}

/// An answer for people: one line, without control characters, shortened, and with whatever looks like a secret or a wallet
/// masked: of a run of 20 or more letters and digits only the last 6 are kept. Journal heads are told apart elsewhere.
pub fn for_people(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut String| {
        let mixed = run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic());
        if run.len() >= 20 && mixed {
            out.push_str("...");
            out.push_str(&run[run.len() - 6..]);
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            run.push(c);
            continue;
        }
        flush(&mut run, &mut out);
        if out.len() > SHOWN_MAX {
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    flush(&mut run, &mut out);
    if out.len() > SHOWN_MAX {
        let end = (0..=SHOWN_MAX).rev().find(|end| out.is_char_boundary(*end)).unwrap_or(0);
        out.truncate(end);
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> Result<Verdict, Fault> {
        health(status, body.as_bytes()).verdict
    }

    #[test]
    fn the_body_s_word_and_the_status_must_agree() {
        assert_eq!(verdict(200, r#"{"status":"healthy"}"#), Ok(Verdict::Good));
        assert_eq!(verdict(200, r#"{"status":"ok"}"#), Ok(Verdict::Good));
        assert_eq!(
            verdict(200, r#"{"status":"degraded","reasons":["errors 12 a minute"]}"#),
            Ok(Verdict::Degraded("degraded: errors 12 a minute".to_owned()))
        );
        for (status, body, stage, detail) in [
            (
                503,
                r#"{"status":"critical","halts":[{"cause":"failsafe"}]}"#,
                Stage::Verdict,
                "critical: halts failsafe",
            ),
            (500, r#"{"status":"error","error":"no verdict"}"#, Stage::Verdict, "error: no verdict"),
            (200, r#"{"status":"critical"}"#, Stage::Verdict, "critical"),
            (503, r#"{"status":"healthy"}"#, Stage::Status, "HTTP 503, though the body says healthy"),
            (200, "", Stage::Body, "the answer has no body"),
            (200, "OK", Stage::Body, "the answer is not a JSON object"),
            (200, "[]", Stage::Body, "the answer is not a JSON object"),
            (502, "<html>", Stage::Status, "HTTP 502 without a verdict in the body"),
            (401, "no", Stage::Access, "HTTP 401: it lets nobody in with this token: no"),
            (
                403,
                r#"{"status":"critical"}"#,
                Stage::Access,
                r#"HTTP 403: it lets nobody in with this token: {"status":"critical"}"#,
            ),
            (200, "{}", Stage::Body, "the answer has no `status`"),
            (200, r#"{"status":7}"#, Stage::Body, "the answer has no `status`"),
            (200, r#"{"status":"fine"}"#, Stage::Body, "its `status` is \"fine\", which is no verdict"),
        ] {
            assert_eq!(verdict(status, body), Err(Fault::new(stage, detail)), "{body}");
        }
    }

    #[test]
    fn facts_are_read_where_they_are() {
        let body = r#"{"status":"healthy","timestamp":"2026-11-10T02:13:07.123Z","epoch":4,"kill_switch":true,
            "journal":{"seq":9,"head":"ab","jid":"cd"},"last_market_data":"x","permission":"active","nonce":"n",
            "announced":{"kind":"restart","until":"2026-11-10T02:14:00Z","by":"ana (1000)","reason":"new disk"}}"#;
        let facts = health(200, body.as_bytes()).facts;
        assert_eq!(facts.made, Some(Wall(1_794_276_787_123)));
        assert_eq!(facts.epoch, Some(4));
        assert_eq!(facts.shown, Some(Shown { jid: "cd".into(), seq: 9, head: "ab".into(), asked: None }));
        assert_eq!((facts.kill_switch, facts.nonce.as_deref()), (Some(true), Some("n")));
        let until = Some("2026-11-10T02:14:00Z".to_owned());
        let by = Some("ana (1000)".to_owned());
        assert_eq!(facts.announced, Some(Announced { kind: AnnouncedKind::Restart, until, by }));
        assert_eq!(health(200, br#"{"status":"ok","epoch":"x","journal":{"seq":-1}}"#).facts, Facts::default());
    }

    #[test]
    fn a_maintenance_window_is_read_where_it_is_whole() {
        let window = |text: &str| {
            let body = format!(r#"{{"status":"healthy","maintenance":{text}}}"#);
            health(200, body.as_bytes()).facts.maintenance
        };
        let whole = r#"{"until":"2026-11-10T02:14:00Z","by":"ana (1000)","reason":"new disk","keep_trading":true}"#;
        let read = window(whole).map(|window| (window.until, window.by, window.reason));
        assert_eq!(read, Some(("2026-11-10T02:14:00Z".to_owned(), "ana (1000)".to_owned(), "new disk".to_owned())));
        for none in ["null", "true", "{}", r#"{"until":7,"by":"a","reason":"b"}"#] {
            assert_eq!(window(none), None, "{none}");
        }
    }

    #[test]
    fn an_announced_end_that_is_not_understood_is_a_stop() {
        let kind = |text: &str| health(200, text.as_bytes()).facts.announced.map(|announced| announced.kind);
        assert_eq!(kind(r#"{"status":"healthy","announced":null}"#), None);
        assert_eq!(kind(r#"{"status":"healthy","announced":{"kind":"stop"}}"#), Some(AnnouncedKind::Stop));
        assert_eq!(kind(r#"{"status":"healthy","announced":{"kind":"nap","until":7}}"#), Some(AnnouncedKind::Stop));
        assert_eq!(kind(r#"{"status":"healthy","announced":"soon"}"#), None);
    }

    #[test]
    fn what_looks_like_a_secret_is_masked_and_all_is_bounded() {
        let shown =
            for_people(b"wallet 7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU\n\x1b[31m internationalization ok");
        assert_eq!(shown, "wallet ...osgAsU  [31m internationalization ok");
        assert!(for_people(&[0xff; 5000]).len() <= SHOWN_MAX + 3);
        assert!(for_people("ä b ".repeat(500).as_bytes()).len() <= SHOWN_MAX + 3);
    }

    #[test]
    fn a_beat_is_read_and_a_wrong_one_says_why() {
        let text =
            br#"{"system":"demo","epoch":3,"seq":8,"head":"ff","permission":"active","status":"healthy","mode":"dry",
            "announced":{"kind":"restart","until":"2026-11-10T02:13:07Z"},"at":"2026-11-10T02:13:07Z","new":1}"#;
        let read = beat(text).map(|beat| (beat.seq, beat.announced.map(|a| a.kind)));
        assert_eq!(read, Ok((8, Some(AnnouncedKind::Restart))));
        assert!(beat(br#"{"system":"demo"}"#).is_err_and(|fault| fault.detail.contains("missing field `epoch`")));
        assert!(beat(br#"{"announced":{"kind":"nap"}}"#).is_err());
    }
}
