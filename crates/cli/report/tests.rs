#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use serde_json::json;

fn at(clock: &str) -> Timestamp {
    format!("2026-11-07T{clock}Z").parse().unwrap()
}

/// Sums up records, each with the time of day at which it was written.
fn summed(from: &str, records: &[(&str, &str, Value)]) -> Summing {
    let mut summing = Summing::new(at(from));
    for (clock, kind, body) in records {
        let envelope = Envelope { seq: 1, ts: String::new(), t: (*kind).to_owned(), b: body.clone() };
        summing.seen(kind, at(clock));
        if Summing::reads(kind) {
            summing.take(&envelope, at(clock));
        }
    }
    summing
}

fn started(epoch: u64) -> Value {
    json!({ "epoch": epoch, "mode_ceiling": "dry" })
}

fn halt(id: u64, cause: &str) -> Value {
    json!({ "id": id, "cause": cause, "scope": "system", "cap": "observe-only", "latched": true, "evidence": "seen" })
}

#[test]
fn times_are_those_of_the_permission_and_a_dead_engine_ended_with_its_last_sign() {
    let beat = |permission: &str| json!({ "permission": permission, "overall": 1000 });
    let records = [
        ("00:00:00", "seg.open", json!({ "jid": "ab".repeat(16) })),
        ("00:00:00", "engine.started", started(1)),
        ("00:00:10", "permission.changed", json!({ "from": "observe-only", "to": "active" })),
        ("00:01:00", "heartbeat", beat("active")),
        ("00:01:30", "x.note", json!({})),
        // It dies. A minute later the next life begins.
        ("00:02:30", "seg.open", json!({ "jid": "ab".repeat(16) })),
        ("00:02:30", "engine.started", started(2)),
        ("00:02:40", "permission.changed", json!({ "from": "observe-only", "to": "shutdown" })),
        ("00:03:40", "engine.stopped", json!({ "permission": "shutdown" })),
        ("00:03:40", "seg.close", json!({})),
    ];
    let report = summed("00:00:00", &records).report(at("00:05:00"), Some(false));
    let of = |span: Span| span.seconds;
    let sums = report.permission;
    assert_eq!((of(sums.active), of(sums.observe_only), of(sums.shutdown)), (80.0, 20.0, 60.0));
    assert_eq!((of(sums.down), of(sums.unknown), of(sums.reduce_only)), (140.0, 0.0, 0.0));
    assert!((sums.down.share - 140.0 / 300.0).abs() < 1e-9);
    assert_eq!((report.engine.starts, report.engine.died, report.engine.epoch), (2, 1, Some(2)));
    assert_eq!(report.journal, Some("ab".repeat(16)));

    // The same journal while an engine runs: the last word holds until now.
    let report = summed("00:00:00", &records[..5]).report(at("00:05:00"), Some(true));
    assert_eq!((of(report.permission.active), of(report.permission.down)), (290.0, 0.0));
    // And with none that runs: it has been down since its last record.
    let report = summed("00:00:00", &records[..5]).report(at("00:05:00"), Some(false));
    assert_eq!((of(report.permission.active), of(report.permission.down)), (80.0, 210.0));
    // Where nobody knows: neither is said of the time since.
    let report = summed("00:00:00", &records[..5]).report(at("00:05:00"), None);
    let sums = report.permission;
    assert_eq!((of(sums.active), of(sums.down), of(sums.unknown), report.engine.runs), (80.0, 0.0, 210.0, None));
    // Unless the engine ended as it should.
    let report = summed("00:00:00", &records).report(at("00:05:00"), None);
    assert_eq!((of(report.permission.down), of(report.permission.unknown)), (140.0, 0.0));
}

#[test]
fn what_was_before_says_how_things_stood_and_counts_for_nothing() {
    let records = [
        ("00:00:00", "engine.started", started(1)),
        ("00:00:00", "permission.changed", json!({ "from": "observe-only", "to": "active" })),
        ("00:00:30", "halt.raised", halt(1, "hung")),
        ("00:00:30", "component.started", json!({ "component": "bot", "instance": 1, "pid": 7, "restart": 0 })),
        ("00:02:00", "halt.cleared", json!({ "id": 1, "cause": "hung", "by": "itself" })),
        ("00:02:10", "halt.cleared", json!({ "id": 9, "cause": "clock", "by": "itself" })),
        ("00:02:20", "halt.raised", halt(2, "hung")),
    ];
    let report = summed("00:01:00", &records).report(at("00:03:00"), Some(true));
    assert_eq!(report.permission.active.seconds, 120.0);
    assert_eq!((report.records, report.engine.starts), (3, 0));
    assert!(report.components.is_empty());
    let hung = report.halts["hung"];
    assert_eq!((hung.times, hung.standing, hung.seconds), (1, 1, 60.0 + 40.0));
    assert_eq!(report.halts["clock"].seconds, 70.0, "raised before the journal is read from: since then at least");
}

#[test]
fn a_journal_that_is_younger_than_the_time_begins_it() {
    let records = [
        ("10:00:00", "engine.started", started(1)),
        ("10:30:00", "engine.stopped", json!({ "permission": "observe-only" })),
    ];
    let report = summed("00:00:00", &records).report(at("11:00:00"), Some(false));
    assert_eq!(report.from, at("10:00:00").to_string());
    assert_eq!((report.permission.observe_only.share, report.permission.down.share), (0.5, 0.5));
    let empty = summed("00:00:00", &[]).report(at("11:00:00"), Some(false));
    assert_eq!((empty.records, empty.permission.down.share), (0, 1.0));
}

#[test]
fn a_clock_that_goes_back_takes_nothing_away() {
    let records = [
        ("00:10:00", "engine.started", started(1)),
        ("00:20:00", "permission.changed", json!({ "from": "observe-only", "to": "active" })),
        ("00:15:00", "permission.changed", json!({ "from": "active", "to": "observe-only" })),
        ("00:16:00", "halt.raised", halt(1, "clock")),
        ("00:14:00", "halt.cleared", json!({ "id": 1, "cause": "clock", "by": "itself" })),
    ];
    let report = summed("00:10:00", &records).report(at("00:30:00"), Some(true));
    assert_eq!((report.permission.observe_only.seconds, report.permission.active.seconds), (1_200.0, 0.0));
    assert_eq!((report.halts["clock"].times, report.halts["clock"].seconds), (1, 0.0));
}

#[test]
fn ends_orders_alerts_and_controls_are_counted() {
    let exited = |requested: bool, killed: bool, memory: Value| {
        json!({
            "component": "bot", "instance": 1, "status": null, "signal": 9, "requested": requested, "killed": killed,
            "failure": true, "out_of_memory": memory, "up_ms": 5, "next": "restart-now"
        })
    };
    let outcome = |id: &str, outcome: &str| json!({ "id": id, "outcome": outcome });
    let alert = |change: &str| json!({ "alert": "demo/hung/bot/7-31", "change": change, "severity": "critical" });
    let records = [
        ("00:00:00", "engine.started", started(1)),
        ("00:00:01", "component.started", json!({ "component": "bot", "instance": 1, "pid": 7, "restart": 0 })),
        ("00:00:02", "order.outcome", outcome("1", "accepted")),
        ("00:00:03", "order.outcome", outcome("1", "filled")),
        ("00:00:04", "order.outcome", outcome("2", "unknown")),
        ("00:00:05", "order.resolved", outcome("2", "rejected")),
        ("00:00:06", "x.failstop.alert", alert("trigger")),
        ("00:00:07", "x.failstop.alert", alert("update")),
        ("00:00:08", "x.failstop.alert", alert("resolve")),
        ("00:00:09", "x.failstop.control", json!({ "control": "resume" })),
        ("00:00:10", "x.failstop.control", json!({ "control": "resume" })),
        ("00:00:10", "x.failstop.control_declined", json!({ "control": "resume", "why": "it is stale" })),
    ];
    let mut all = records.to_vec();
    let next = serde_json::to_value(failstop_core::AfterExit::RestartNow).unwrap();
    for mut body in
        [exited(false, false, Value::Null), exited(true, false, Value::Null), exited(false, true, Value::Null)]
    {
        body["next"] = next.clone();
        all.push(("00:00:11", "component.exited", body));
    }
    let report = summed("00:00:00", &all).report(at("00:01:00"), Some(true));
    let bot = report.components["bot"];
    assert_eq!((bot.starts, bot.ended_by_itself, bot.killed, bot.out_of_memory), (1, 1, 1, 0));
    assert_eq!(report.orders["2026-11-07"], OrderSums { ended: 2, succeeded: 1 });
    assert_eq!(report.alerts["hung"], AlertSums { critical: 1, warning: 0, info: 0, over: 1 });
    assert_eq!((report.controls["resume"], report.controls_refused["resume"]), (2, 1));
}

#[test]
fn a_kill_switch_that_no_engine_was_asked_for_is_counted_as_engaged_on_the_host() {
    let halt =
        |id: u64, by: &str| json!({ "id": id, "cause": "kill-switch", "evidence": format!("engaged by {by}: r") });
    let cleared = |id: u64| json!({ "id": id, "cause": "kill-switch" });
    let stop = |by: &str| json!({ "control": "emergency stop", "by": by });
    let records = [
        ("00:00:00", "engine.started", started(1)),
        ("00:00:01", "x.failstop.control", stop("token ana")),
        ("00:00:01", "halt.raised", halt(1, "token ana")),
        ("00:00:02", "halt.cleared", cleared(1)),
        ("00:00:03", "halt.raised", halt(2, "root (0)")),
        // Engaged already: this raises nothing, and is not the engagement after the release.
        ("00:00:04", "x.failstop.control", stop("root (0)")),
        ("00:00:05", "halt.cleared", cleared(2)),
        ("00:00:06", "halt.raised", halt(3, "root (0)")),
        ("00:00:07", "halt.cleared", cleared(3)),
        // Somebody else was first.
        ("00:00:08", "x.failstop.control", stop("token ana")),
        ("00:00:08", "halt.raised", halt(4, "root (0)")),
    ];
    let report = summed("00:00:00", &records).report(at("00:01:00"), Some(true));
    assert_eq!((report.controls["emergency stop"], report.controls["kill-switch engage"]), (3, 3));
}

#[test]
fn requests_add_up_over_lives_and_peaks_keep_their_time() {
    let note = |memory: u64, requests: u64, errors: u64| json!({ "seconds": 3600, "memory_peak_bytes": memory, "errors_per_minute_peak": 2, "api_requests_rose": requests, "api_errors_rose": errors });
    let records = [
        ("00:00:00", "x.failstop.figures", note(900, 1_000, 10)),
        ("01:00:00", "x.failstop.figures", note(500, 500, 2)),
        ("02:00:00", "x.failstop.figures", note(700, 300, 1)),
        ("02:30:00", "engine.started", started(2)),
        ("03:00:00", "x.failstop.figures", note(600, 400, 4)),
        ("04:00:00", "x.failstop.figures", json!({ "seconds": 3600 })),
    ];
    let report = summed("00:30:00", &records).report(at("05:00:00"), Some(true));
    assert_eq!(report.api["2026-11-07"], sums::ApiDay { requests: 500 + 300 + 400, errors: 2 + 1 + 4 });
    assert_eq!(report.memory_peak, Some(Peak { value: 700, at: at("02:00:00").to_string() }));
    assert_eq!(report.errors_per_minute_peak.unwrap().value, 2);
}

#[test]
fn memory_does_not_grow_with_the_names_in_a_journal() {
    let mut summing = Summing::new(at("00:00:00"));
    for number in 0..1_000_u64 {
        let take = |summing: &mut Summing, kind: &str, b: Value| {
            summing.take(&Envelope { seq: 1, ts: String::new(), t: kind.to_owned(), b }, at("00:00:01"));
        };
        take(
            &mut summing,
            "component.started",
            json!({ "component": format!("c{number}"), "instance": 1, "pid": 7, "restart": 0 }),
        );
        take(&mut summing, "x.failstop.alert", json!({ "alert": format!("demo/c{number}/1"), "change": "trigger" }));
        take(&mut summing, "x.failstop.control", json!({ "control": format!("c{number}") }));
        take(&mut summing, "halt.raised", halt(number * 2, "hung"));
        take(&mut summing, "halt.raised", halt(number * 2 + 1, "hung"));
    }
    assert_eq!(summing.standing.len(), STANDING_MAX);
    let report = summing.report(at("00:01:00"), Some(true));
    let kept = (report.components.len(), report.alerts.len(), report.controls.len());
    assert_eq!(kept, (APART_MAX + 1, APART_MAX + 1, APART_MAX + 1));
    assert_eq!(report.controls[FURTHER], 1_000 - APART_MAX as u64);
}

#[test]
fn records_are_written_as_they_are_read_here() {
    use failstop_core::{ComponentName, Epoch, Instance, Mode, Permission, Record};
    let permissions = [Permission::Active, Permission::ReduceOnly, Permission::ObserveOnly, Permission::Shutdown];
    let bot = || ComponentName("bot".to_owned());
    let mut records = vec![Record::EngineStarted { epoch: Epoch(7), mode_ceiling: Mode::Dry }];
    records.extend(permissions.map(|to| Record::PermissionChanged { from: Permission::Shutdown, to }));
    records.push(Record::ComponentStarted { component: bot(), instance: Instance(1), pid: 7, restart: 0 });
    records.push(Record::EngineStopped { permission: Permission::Shutdown });
    let mut summing = Summing::new(at("00:00:00"));
    for (minute, record) in records.iter().enumerate() {
        let mut written = serde_json::to_value(record).unwrap();
        let (kind, body) = (written["t"].take(), written["b"].take());
        let (kind, at) = (kind.as_str().unwrap().to_owned(), at(&format!("00:{minute:02}:00")));
        assert!(Summing::reads(&kind), "{kind}");
        summing.seen(&kind, at);
        summing.take(&Envelope { seq: 1, ts: String::new(), t: kind, b: body }, at);
    }
    let report = summing.report(at("00:06:00"), Some(false));
    let minutes = report.permission.named().map(|(_, span)| span.seconds / 60.0);
    // Each for a minute, shutdown for the last two; observe-only before the first is said.
    assert_eq!(minutes, [1.0, 1.0, 2.0, 2.0, 0.0, 0.0]);
    assert_eq!((report.engine.epoch, report.components["bot"].starts), (Some(7), 1));
}
