//! One journal record as one line for people: when, which number, what about, and what happened in words.
//!
//! The words for the core's records are those that `failstop run` prints. What this version does not know it prints as
//! it stands in the journal.

use super::booked;
use super::notes::{self, word};
use super::number::{counted, size};
use failstop_engine::announce;
use failstop_engine::printable::printable;
use serde::Deserialize;
use serde_json::{Value, json};

/// The envelope of a journal line.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    /// The sequence number.
    pub seq: u64,
    /// Wall time, RFC 3339 UTC.
    pub ts: String,
    /// The record's type.
    pub t: String,
    /// Its body.
    pub b: Value,
}

/// `2026-11-07T21:04:11.123Z    18441  permission   observe-only -> active`, without a line feed.
pub fn line(envelope: &Envelope) -> String {
    let (topic, words) = describe(&envelope.t, &envelope.b);
    let (topic, words) = (printable(&topic), printable(&words));
    let line = format!("{:<24}  {:>7}  {topic:<11}  {words}", milliseconds(&envelope.ts), envelope.seq);
    line.trim_end().to_owned()
}

/// A journal time cut to milliseconds: `2026-11-07T00:05:00.123Z`.
fn milliseconds(ts: &str) -> String {
    match ts.get(..23) {
        Some(head) if ts.len() > 24 && ts.ends_with('Z') => format!("{head}Z"),
        _ => printable(ts).into_owned(),
    }
}

/// What the record is about, and what happened.
fn describe(kind: &str, body: &Value) -> (String, String) {
    let record = serde_json::from_value(json!({ "t": kind, "b": body })).ok();
    if let Some(line) = record.as_ref().and_then(|record| announce::line(record, "NAME")) {
        return (line.topic, line.text);
    }
    let (topic, words) = match kind {
        "engine.started" => {
            ("engine", format!("started, epoch {}, mode at most {}", word(body, "epoch"), word(body, "mode_ceiling")))
        }
        "heartbeat" => {
            let health = body["overall"].as_u64().map_or_else(|| "?".to_owned(), hundredths);
            ("heartbeat", format!("permission {}, health {health}", word(body, "permission")))
        }
        "seg.open" => {
            let torn = if body["torn"].is_null() { "" } else { "; the torn end before it was cut off and kept" };
            ("journal", format!("segment {} opened{torn}", word(body, "seg")))
        }
        "seg.close" => {
            let number = |key: &str| body[key].as_u64().unwrap_or(0);
            ("journal", format!("segment sealed, {}, {}", counted(number("records"), "record"), size(number("bytes"))))
        }
        other => {
            if let Some((topic, words)) = notes::describe(other, body) {
                return (topic.to_owned(), words);
            }
            let payload = body.to_string();
            return booked::describe(other, &payload).unwrap_or_else(|| (other.to_owned(), payload));
        }
    };
    (topic.to_owned(), words)
}

/// Thousandths as `0.50`.
fn hundredths(thousandths: u64) -> String {
    format!("{}.{:02}", thousandths / 1_000, thousandths % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_core::{AfterExit, ComponentName, Epoch, Instance, Mode, Permission, Record};

    fn say(record: &Record) -> String {
        let mut value = serde_json::to_value(record).unwrap_or_default();
        let (t, b) = (value["t"].take(), value["b"].take());
        let ts = "2026-11-07T21:04:11.123456789Z".to_owned();
        line(&Envelope { seq: 18_441, ts, t: t.as_str().unwrap_or_default().to_owned(), b })
    }

    #[test]
    fn records_of_the_core_have_their_sentences() {
        let bot = || ComponentName("bot".to_owned());
        let records = [
            Record::EngineStarted { epoch: Epoch(7), mode_ceiling: Mode::Dry },
            Record::PermissionChanged { from: Permission::ObserveOnly, to: Permission::Active },
            Record::ComponentExited {
                component: bot(),
                instance: Instance(2),
                status: None,
                signal: Some(9),
                requested: false,
                killed: false,
                failure: true,
                out_of_memory: None,
                said: None,
                up_ms: 148_000,
                next: AfterExit::RestartNow,
            },
            Record::ComponentReady { component: bot(), instance: Instance(3), after_ms: 41 },
            Record::Heartbeat { permission: Permission::Active, overall: 505 },
        ];
        let text: Vec<String> = records.iter().map(say).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        2026-11-07T21:04:11.123Z    18441  engine       started, epoch 7, mode at most dry
        2026-11-07T21:04:11.123Z    18441  permission   observe-only -> active
        2026-11-07T21:04:11.123Z    18441  bot          exited by signal 9 (SIGKILL) (not requested), up 2 min 28 s; restarting now
        2026-11-07T21:04:11.123Z    18441  bot          ready after 41 ms
        2026-11-07T21:04:11.123Z    18441  heartbeat    permission active, health 0.50
        "#);
    }

    #[test]
    fn controls_say_who_gave_them_and_who_might_not() {
        let say = |t: &str, b: Value| line(&Envelope { seq: 1, ts: "soon".to_owned(), t: t.to_owned(), b });
        let by = |more: Value| {
            let mut body = json!({"control": "resume", "by": "token ana", "role": "admin", "trace_id": "ab"});
            body.as_object_mut()
                .into_iter()
                .for_each(|body| body.extend(more.as_object().cloned().unwrap_or_default()));
            body
        };
        for (t, body, words) in [
            ("x.failstop.control", by(json!({"reason": "known"})), "control      resume by token ana (admin): known"),
            ("x.failstop.control", by(json!({"reason": ""})), "control      resume by token ana (admin)"),
            (
                "x.failstop.control_forbidden",
                by(json!({"needs": "super-admin"})),
                "control      resume refused to token ana (admin): it needs super-admin",
            ),
            (
                "x.failstop.control_refused",
                json!({"peer": "bot (1001), process 4242", "why": "process 4242 belongs to a component", "before": 0}),
                "control      turned away bot (1001), process 4242: process 4242 belongs to a component",
            ),
            (
                "x.failstop.alert",
                json!({"alert": "demo/hung/bot/7-31", "change": "trigger", "severity": "critical", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}),
                "alert        demo/hung/bot/7-31: trigger (critical), trace 4bf92f35",
            ),
            (
                "x.failstop.trace",
                json!({"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "halt": "h-7"}),
                "h-7 was raised by a request, trace 4bf92f35",
            ),
            (
                "x.failstop.control_unproved",
                json!({"peer": "10.0.0.9", "why": "no token"}),
                "control      a request from 10.0.0.9 proved nothing: no token",
            ),
        ] {
            let line = say(t, body);
            assert!(line.ends_with(words), "{line}");
        }
    }

    #[test]
    fn what_is_unknown_or_incomplete_is_printed_as_it_stands() {
        let envelope = |t: &str, b| Envelope { seq: 1, ts: "soon".to_owned(), t: t.to_owned(), b };
        let own = line(&envelope("x.rebalance", json!({"side": "buy\u{1b}"})));
        assert!(own.ends_with(r#"x.rebalance  {"side":"buy\u001b"}"#), "{own}");
        assert!(line(&envelope("heartbeat", Value::Null)).ends_with("permission ?, health ?"));
        assert!(line(&envelope("component.exited", Value::Null)).ends_with("component.exited  null"));
        assert!(!line(&envelope("a\nb", json!("\u{9b}31m"))).contains(['\n', '\u{9b}']));
    }
}
