//! The engine's own notes in the journal (`x.failstop.…`) in words.

use super::number::{counted, size};
use serde_json::Value;

/// What the note is about, and what happened; `None` for what is none of these.
pub fn describe(kind: &str, body: &Value) -> Option<(&'static str, String)> {
    Some(match kind.strip_prefix("x.failstop.")? {
        "alert" => {
            let [alert, change, severity] = ["alert", "change", "severity"].map(|key| word(body, key));
            ("alert", format!("{alert}: {change} ({severity}){}", traced(body)))
        }
        "breaker_tripped" => ("breaker", format!("{}: what only shows gives way", load(body))),
        "breaker_stays" => ("breaker", format!("{}: what only shows stays shed until it is reset", load(body))),
        "breaker_recovered" => ("breaker", format!("{}: everything is shown again", load(body))),
        "breaker_reset" => ("breaker", format!("reset by {}", word(body, "by"))),
        "config" => ("config", format!("the file is not in force: {}", word(body, "refused"))),
        "control" => ("control", given(body)),
        "control_declined" => {
            let [control, by, why] = ["control", "by", "why"].map(|key| word(body, key));
            ("control", format!("{control} by {by} refused: {why}"))
        }
        "control_forbidden" => {
            let [control, by, role, needs] = ["control", "by", "role", "needs"].map(|key| word(body, key));
            ("control", format!("{control} refused to {by} ({role}): it needs {needs}"))
        }
        "control_refused" => ("control", format!("turned away {}: {}", word(body, "peer"), word(body, "why"))),
        "control_unproved" => {
            ("control", format!("a request from {} proved nothing: {}", word(body, "peer"), word(body, "why")))
        }
        "emergency_begun" => ("emergency", format!("{}actions begin: {}", drill(body), names(body, "actions"))),
        "emergency_action" => ("emergency", format!("{}{}: {}", drill(body), word(body, "name"), outcome(body))),
        "emergency_ended" => {
            let [done, failed] = ["done", "failed"].map(|key| word(body, key));
            ("emergency", format!("{}actions ended: {done} done, {failed} failed", drill(body)))
        }
        "end_announced" => {
            let [kind, by, until] = ["kind", "by", "until"].map(|key| word(body, key));
            ("engine", format!("{kind} asked for by {by}, expected until {until}"))
        }
        "figures" => ("figures", figures(body)),
        "guard_died" => {
            ("guard", format!("pid {} died: every component was killed and the engine ended", word(body, "pid")))
        }
        "guard_runs" => ("guard", "runs again".to_owned()),
        "guard_stopped" => ("guard", format!("pid {} was stopped", word(body, "pid"))),
        "journal_retired" => {
            let [jid, seq, head, by, reason] = ["jid", "seq", "head", "by", "reason"].map(|key| word(body, key));
            ("journal", format!("follows {jid}, retired at seq {seq} head {head} by {by}: {reason}"))
        }
        "leftover_killed" => ("engine", format!("killed what an earlier run left behind: {}", process(body))),
        "snapshot_failed" => ("snapshot", format!("not made: {}", word(body, "error"))),
        "snapshot_wanted" => ("snapshot", format!("asked for by {}: {}", word(body, "by"), word(body, "reason"))),
        "stray_killed" => {
            let more = body["more"].as_u64().filter(|more| *more > 0);
            let more = more.map_or_else(String::new, |more| format!(", and {more} like it since the last such record"));
            ("engine", format!("killed what had left its tree: {}{more}", process(body)))
        }
        "suspense" => ("ledger", format!("suspense: {}", word(body, "detail"))),
        "threshold" => {
            let [figure, level, what] = ["figure", "level", "what"].map(|key| word(body, key));
            ("threshold", format!("{figure} is {level}: {what}"))
        }
        "trace" => ("trace", format!("{} was raised by a request{}", word(body, "halt"), traced(body))),
        _ => return None,
    })
}

/// `, trace 4bf92f35`: as much of it as people type.
fn traced(body: &Value) -> String {
    let short = body["trace_id"].as_str().map(|trace| trace.get(..8).unwrap_or(trace));
    short.map_or_else(String::new, |short| format!(", trace {short}"))
}

/// A control that somebody gave.
fn given(body: &Value) -> String {
    let [control, by, role] = ["control", "by", "role"].map(|key| word(body, key));
    match body["reason"].as_str() {
        Some(reason) if !reason.is_empty() => format!("{control} by {by} ({role}): {reason}"),
        Some(_) | None => format!("{control} by {by} ({role})"),
    }
}

/// How busy the host was: thousandths of its processors and of its memory, and of what failstop itself may use.
fn load(body: &Value) -> String {
    let part = |name: &str, key: &str| {
        let thousandths = body[key].as_u64()?;
        Some(format!("{name} {}.{} %", thousandths / 10, thousandths % 10))
    };
    let parts = [part("processors", "cpu"), part("memory", "memory"), part("failstop's own cap", "own")];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() { "load not known".to_owned() } else { known.join(", ") }
}

fn drill(body: &Value) -> &'static str {
    if body["drill"] == true { "drill: " } else { "" }
}

fn names(body: &Value, key: &str) -> String {
    let names = body[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// How an emergency action ended.
fn outcome(body: &Value) -> String {
    let how = match (body["done"] == true, body["outcome"].as_str()) {
        (true, _) => "done".to_owned(),
        (false, Some(how)) => format!("FAILED ({how})"),
        (false, None) => "FAILED".to_owned(),
    };
    body["took_ms"].as_u64().map_or_else(|| how.clone(), |took| format!("{how} after {took} ms"))
}

/// An hour's figures.
fn figures(body: &Value) -> String {
    let number = |key: &str| body[key].as_u64();
    let parts = [
        number("memory_peak_bytes").map(|bytes| format!("memory at most {}", size(bytes))),
        number("errors_per_minute_peak").map(|errors| format!("{} a minute at most", counted(errors, "error"))),
        number("api_requests").map(|requests| counted(requests, "request")),
        number("api_errors").map(|errors| counted(errors, "API error")),
    ];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() { "none of the last hour are known".to_owned() } else { known.join(", ") }
}

fn process(body: &Value) -> String {
    let of = body["component"].as_str().map_or_else(String::new, |component| format!(" of {component}"));
    format!("pid {} {}{of}", word(body, "pid"), word(body, "program"))
}

/// A value of the body as a word; what is missing is said as `?`.
pub fn word(body: &Value, key: &str) -> String {
    match &body[key] {
        Value::String(text) => text.clone(),
        Value::Null => "?".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(kind: &str, body: &Value) -> String {
        describe(&format!("x.failstop.{kind}"), body)
            .map_or_else(String::new, |(topic, words)| format!("{topic}: {words}"))
    }

    #[test]
    fn what_the_engine_notes_of_itself_has_words() {
        for (kind, body, words) in [
            (
                "breaker_tripped",
                json!({"cpu": 993, "memory": 70, "own": null}),
                "breaker: processors 99.3 %, memory 7.0 %: what only shows gives way",
            ),
            ("breaker_stays", json!({}), "breaker: load not known: what only shows stays shed until it is reset"),
            ("breaker_recovered", json!({"cpu": 5}), "breaker: processors 0.5 %: everything is shown again"),
            ("breaker_reset", json!({"by": "root (0)"}), "breaker: reset by root (0)"),
            ("config", json!({"refused": "mend it"}), "config: the file is not in force: mend it"),
            ("emergency_begun", json!({"drill": true, "actions": ["a", "b"]}), "emergency: drill: actions begin: a, b"),
            (
                "emergency_action",
                json!({"name": "cancel", "done": true, "took_ms": 12}),
                "emergency: cancel: done after 12 ms",
            ),
            ("emergency_action", json!({"name": "cancel", "done": false}), "emergency: cancel: FAILED"),
            (
                "emergency_action",
                json!({"name": "cancel", "done": false, "outcome": "timed-out", "took_ms": 9}),
                "emergency: cancel: FAILED (timed-out) after 9 ms",
            ),
            ("emergency_ended", json!({"done": 2, "failed": 0}), "emergency: actions ended: 2 done, 0 failed"),
            (
                "control_declined",
                json!({"control": "mode live", "by": "root (0)", "why": "the configuration says dry"}),
                "control: mode live by root (0) refused: the configuration says dry",
            ),
            (
                "end_announced",
                json!({"kind": "restart", "by": "root (0)", "until": "2026-11-07T21:04:11Z", "reason": ""}),
                "engine: restart asked for by root (0), expected until 2026-11-07T21:04:11Z",
            ),
            (
                "figures",
                json!({"seconds": 3600, "memory_peak_bytes": 44_000_000, "errors_per_minute_peak": 1}),
                "figures: memory at most 44 MB, 1 error a minute at most",
            ),
            ("figures", json!({"seconds": 3600}), "figures: none of the last hour are known"),
            ("guard_died", json!({"pid": 7}), "guard: pid 7 died: every component was killed and the engine ended"),
            ("guard_stopped", json!({"pid": 7, "woken": true}), "guard: pid 7 was stopped"),
            (
                "journal_retired",
                json!({"jid": "3f6c", "seq": 812, "head": "9f2c", "by": "root (0)", "reason": "bit rot"}),
                "journal: follows 3f6c, retired at seq 812 head 9f2c by root (0): bit rot",
            ),
            (
                "leftover_killed",
                json!({"pid": 7, "program": "python3", "component": "bot"}),
                "engine: killed what an earlier run left behind: pid 7 python3 of bot",
            ),
            (
                "stray_killed",
                json!({"pid": 7, "program": "sh", "component": null}),
                "engine: killed what had left its tree: pid 7 sh",
            ),
            (
                "stray_killed",
                json!({"pid": 7, "program": "sh", "component": null, "more": 3_599}),
                "engine: killed what had left its tree: pid 7 sh, and 3599 like it since the last such record",
            ),
            ("snapshot_failed", json!({"error": "the disk is full"}), "snapshot: not made: the disk is full"),
            (
                "threshold",
                json!({"figure": "success_rate", "level": "critical", "what": "80 % of 40"}),
                "threshold: success_rate is critical: 80 % of 40",
            ),
        ] {
            assert_eq!(said(kind, &body), words);
        }
        assert!(
            describe("x.failstop.later", &json!({})).is_none(),
            "what this version does not know is shown as it is"
        );
        assert!(describe("x.alert", &json!({})).is_none(), "a bot's own record is not failstop's");
    }
}
