//! One journal record as one line for people: when, which number, what about, and what happened in words.
//!
//! It reads the record's own JSON and knows no other version's types: what it does not know it prints as it stands.

use super::duration::span;
use super::number::{counted, size};
use super::text::printable;
use serde::Deserialize;
use serde_json::Value;

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

/// `2026-11-07T21:04:11.123Z      18441  permission  observe-only -> active`, without a line feed.
pub fn line(envelope: &Envelope) -> String {
    let (subject, words) = describe(&envelope.t, &envelope.b);
    let line =
        format!("{:<24}  {:>7}  {:<10}  {}", milliseconds(&envelope.ts), envelope.seq, printable(&subject), printable(&words));
    line.trim_end().to_owned()
}

/// A journal time cut to milliseconds: `2026-11-07T00:05:00.123Z`.
fn milliseconds(ts: &str) -> String {
    match (ts.get(..23), ts.ends_with('Z')) {
        (Some(head), true) if ts.len() > 24 => format!("{head}Z"),
        _ => printable(ts).into_owned(),
    }
}

/// What the record is about, and what happened.
fn describe(kind: &str, body: &Value) -> (String, String) {
    let b = Body(body);
    let component = || b.text("component");
    match kind {
        "engine.started" => ("engine".into(), format!("started, epoch {}, mode at most {}", b.text("epoch"), b.text("mode_ceiling"))),
        "engine.stopped" => ("engine".into(), format!("stopped on request, permission {}", b.text("permission"))),
        "halt.raised" => ("halt".into(), halt(&b)),
        "halt.cleared" => ("halt".into(), format!("h-{} {} cleared {}", b.text("id"), b.text("cause"), cleared_by(&body["by"]))),
        "permission.changed" => ("permission".into(), format!("{} -> {}", b.text("from"), b.text("to"))),
        "mode.set" => ("mode".into(), format!("{} by {}{}", b.text("mode"), b.text("by"), b.reason())),
        "component.started" => (component(), started(&b)),
        "component.start_failed" => (component(), format!("could not be started: {}", b.text("error"))),
        "component.ready" => (component(), format!("ready after {}", b.millis("after_ms"))),
        "component.stopping" => (component(), format!("stopping{}", b.reason())),
        "component.killed" => (component(), format!("killed{}", b.reason())),
        "component.exited" => (component(), exited(&b)),
        "health.changed" => ("health".into(), health(&b)),
        "heartbeat" => ("heartbeat".into(), format!("permission {}, health {}", b.text("permission"), b.thousandths("overall"))),
        "permit.lapsed" => ("permit".into(), format!("lapsed {}", counted(b.number("times").unwrap_or(0), "time"))),
        "check.finished" => ("checks".into(), match body.get("failure").and_then(Value::as_str) {
            Some(failure) => format!("{} failed: {failure}", b.text("class")),
            None => format!("{} passed", b.text("class")),
        }),
        "maintenance" => {
            let on = body["on"].as_bool() == Some(true);
            ("engine".into(), format!("maintenance {} by {}{}", if on { "begins" } else { "ends" }, b.text("by"), b.reason()))
        }
        "operator.order" => ("operator".into(), format!("{} by {}{}", b.text("order"), b.text("by"), b.reason())),
        "operator.refused" => {
            let reasons: Vec<&str> = body["refusals"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            ("operator".into(), format!("{} by {} refused: {}", b.text("order"), b.text("by"), reasons.join("; ")))
        }
        "seg.open" => ("journal".into(), segment_opened(&b)),
        "seg.close" => {
            let records = counted(b.number("records").unwrap_or(0), "record");
            ("journal".into(), format!("segment sealed, {records}, {}", size(b.number("bytes").unwrap_or(0))))
        }
        other => (other.to_owned(), body.to_string()),
    }
}

fn halt(b: &Body<'_>) -> String {
    let about = b.0.get("component").and_then(Value::as_str).map(|name| format!(" {name}")).unwrap_or_default();
    let trigger = b.0.get("trigger").and_then(Value::as_str).map(|name| format!(" ({name})")).unwrap_or_default();
    let latched = if b.0["latched"].as_bool() == Some(true) { "latched" } else { "clears by itself" };
    format!("h-{} {}{trigger}{about}: {}, {latched}: {}", b.text("id"), b.text("cause"), b.text("cap"), b.text("evidence"))
}

fn cleared_by(by: &Value) -> String {
    match by.get("operator") {
        Some(operator) => format!("by {}: {}", Body(operator).text("who"), Body(operator).text("reason")),
        None => "by itself".to_owned(),
    }
}

fn started(b: &Body<'_>) -> String {
    match b.number("restart") {
        None | Some(0) => format!("started, pid {}", b.text("pid")),
        Some(restart) => format!("started again, pid {}, restart {restart}", b.text("pid")),
    }
}

fn exited(b: &Body<'_>) -> String {
    let how = match (b.0.get("signal").and_then(Value::as_i64), b.0.get("status").and_then(Value::as_i64)) {
        (Some(signal), _) => format!("exited by signal {signal}"),
        (None, Some(status)) => format!("exited with status {status}"),
        (None, None) => "exited".to_owned(),
    };
    let asked = if b.0["requested"].as_bool() == Some(true) { "requested" } else { "not requested" };
    let next = match &b.0["next"] {
        Value::String(next) => match next.as_str() {
            "restart_now" => "restarting now".to_owned(),
            "stay" => "stays down".to_owned(),
            "start_limit" => "stays down: the start limit is spent".to_owned(),
            "not_allowed" => "stays down until the permission and the mode let it run".to_owned(),
            other => other.to_owned(),
        },
        next => match next.get("restart_after_ms") {
            Some(_) => format!("restarting after {}", Body(next).millis("restart_after_ms")),
            None => "what follows is not said".to_owned(),
        },
    };
    format!("{how} ({asked}), up {}; {next}", b.millis("up_ms"))
}

fn health(b: &Body<'_>) -> String {
    let reasons: Vec<&str> = b.0["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let colon = if reasons.is_empty() { "" } else { ": " };
    format!("{} ({}){colon}{}", b.text("status"), b.thousandths("overall"), reasons.join("; "))
}

fn segment_opened(b: &Body<'_>) -> String {
    let torn = if b.0.get("torn").is_some_and(|torn| !torn.is_null()) { ", a torn end before it was cut off" } else { "" };
    format!("segment {} opened by {}{torn}", b.text("seg"), b.text("writer"))
}

/// A record's body, read leniently: what is missing is said as `?`.
struct Body<'a>(&'a Value);

impl Body<'_> {
    fn text(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => "?".to_owned(),
            Some(other) => other.to_string(),
        }
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.0.get(key).and_then(Value::as_u64)
    }

    fn reason(&self) -> String {
        match self.0.get("reason").and_then(Value::as_str) {
            Some(reason) if !reason.is_empty() => format!(": {reason}"),
            _ => String::new(),
        }
    }

    /// Milliseconds as a span.
    #[expect(clippy::cast_precision_loss, reason = "for people, who do not read the 53rd bit")]
    fn millis(&self, key: &str) -> String {
        self.number(key).map_or_else(|| "?".to_owned(), |millis| span(millis as f64 / 1_000.0))
    }

    /// Thousandths as `0.50`.
    fn thousandths(&self, key: &str) -> String {
        self.number(key).map_or_else(|| "?".to_owned(), |n| format!("{}.{:02}", n / 1_000, n % 1_000 / 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_core::{
        AfterExit, Cause, ClearedBy, ComponentName, Epoch, Halt, HaltId, HealthStatus, Instance, Mode, Permission, Record,
        Scope, Trigger,
    };

    fn say(record: &Record) -> String {
        let Ok(Value::Object(mut parts)) = serde_json::to_value(record) else { panic!("a record is an object") };
        let (t, b) = (parts.remove("t").unwrap_or_default(), parts.remove("b").unwrap_or_default());
        let ts = "2026-11-07T21:04:11.123456789Z".to_owned();
        line(&Envelope { seq: 18_441, ts, t: t.as_str().unwrap_or_default().to_owned(), b })
    }

    /// Each of the core's records, so that a change of a field's name shows here.
    #[test]
    fn every_record_of_the_core_has_its_sentence() {
        let bot = || ComponentName("bot".to_owned());
        let halt = Halt {
            id: HaltId(31),
            cause: Cause::Failsafe,
            component: Some(bot()),
            scope: Scope::System,
            cap: Permission::Shutdown,
            latched: true,
            trigger: Some(Trigger::MarketData),
            evidence: "binance is 10 min old".to_owned(),
        };
        let operator = ClearedBy::Operator { who: "ann (1000)".to_owned(), reason: "feed is back".to_owned() };
        let exited = |status, signal, requested, next| Record::ComponentExited {
            component: bot(),
            instance: Instance(2),
            status,
            signal,
            requested,
            failure: true,
            up_ms: 148_000,
            next,
        };
        let (by, reason) = ("ann (1000)".to_owned(), "drill".to_owned());
        let records = [
            Record::EngineStarted { epoch: Epoch(7), mode_ceiling: Mode::Dry },
            Record::EngineStopped { permission: Permission::Active },
            Record::HaltRaised(halt),
            Record::HaltCleared { id: HaltId(31), cause: Cause::Failsafe, by: operator },
            Record::HaltCleared { id: HaltId(32), cause: Cause::Starting, by: ClearedBy::Itself },
            Record::PermissionChanged { from: Permission::ObserveOnly, to: Permission::Active },
            Record::ModeSet { mode: Mode::Live, by: by.clone(), reason: reason.clone() },
            Record::ComponentStarted { component: bot(), instance: Instance(1), pid: 77, restart: 0 },
            Record::ComponentStarted { component: bot(), instance: Instance(2), pid: 78, restart: 1 },
            Record::ComponentStartFailed { component: bot(), instance: Instance(3), error: "no such file".to_owned() },
            Record::ComponentReady { component: bot(), instance: Instance(2), after_ms: 41 },
            Record::ComponentStopping { component: bot(), instance: Instance(2), reason: "engine stops".to_owned() },
            Record::ComponentKilled { component: bot(), instance: Instance(2), reason: "no beat for 5 s".to_owned() },
            exited(None, Some(9), false, AfterExit::RestartNow),
            exited(Some(1), None, false, AfterExit::RestartAfterMs(2_000)),
            exited(Some(0), None, true, AfterExit::Stay),
            exited(Some(1), None, false, AfterExit::StartLimit),
            exited(Some(1), None, false, AfterExit::NotAllowed),
            Record::HealthChanged { status: HealthStatus::Critical, overall: 0, reasons: vec!["a".into(), "b".into()] },
            Record::HealthChanged { status: HealthStatus::Healthy, overall: 1_000, reasons: vec![] },
            Record::Heartbeat { permission: Permission::Active, overall: 505 },
            Record::PermitLapsed { times: 3 },
            Record::CheckFinished { class: "integrity".to_owned(), failure: None },
            Record::CheckFinished { class: "environment".to_owned(), failure: Some("kraken is down".to_owned()) },
            Record::Maintenance { on: true, by: by.clone(), reason: reason.clone() },
            Record::OperatorOrder { order: "resume h-31".to_owned(), by: by.clone(), reason },
            Record::OperatorRefused { order: "resume h-31".to_owned(), by, refusals: vec!["it holds".to_owned()] },
        ];
        let text: Vec<String> = records.iter().map(say).collect();
        insta::assert_snapshot!(text.join("\n"), @"");
    }

    #[test]
    fn what_is_unknown_or_incomplete_is_printed_as_it_stands() {
        let envelope = |t: &str, b| Envelope { seq: 1, ts: "soon".to_owned(), t: t.to_owned(), b };
        let own = line(&envelope("x.rebalance", serde_json::json!({"side": "buy\u{1b}"})));
        assert!(own.ends_with(r#"x.rebalance  {"side":"buy\u001b"}"#), "{own}");
        assert!(line(&envelope("component.exited", Value::Null)).contains('?'));
    }
}
