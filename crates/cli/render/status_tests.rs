//! What `failstop status` prints for a system in trouble, and for one that is well.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use crate::render::wrap::wrap;
use failstop_client::status::{CustomMetric, Status};

/// A status as an engine would answer it, in the published JSON form.
pub(in crate::render) fn sample() -> Status {
    serde_json::from_value(serde_json::json!({
        "system": "demo", "epoch": 7, "permission": "observe-only", "mode": "dry", "kill_switch": false,
        "health": {"status": "healthy", "overall_health": 1.0, "reasons": []},
        "halts": [{"id": "h-31", "cause": "heartbeat-lost", "cap": "observe-only", "latched": true,
            "since": "2026-11-07T20:51:07Z", "component": "bot",
            "evidence": "the bot beat last at 20:49:07Z; it was restarted and is healthy",
            "next": "failstop resume --halt h-31 --reason \"...\" --confirm demo"}],
        "components": [
            {"name": "bot", "state": "ready", "pid": 20718, "restarts": 2, "ready": true, "last_sign_seconds": 4.2,
                "memory_bytes": 412_000_000, "memory_max_bytes": 1_800_000_000_u64, "cpu_seconds": 61.0,
                "cpu_percent": 3.2},
            {"name": "scanner", "state": "ready", "pid": 20719, "restarts": 0, "ready": true,
                "memory_bytes": 88_000_000, "cpu_seconds": 0.4, "cpu_percent": 0.1}],
        "feeds": {"binance": 2.4, "kraken": null},
        "journal": {"seq": 18441, "head": "9f2c41abdeadbeef", "jid": "00"},
        "uptime_seconds": 11_520.0,
        "coverage": [{"component": "bot", "enforced": ["permit", "restart"], "monitored": ["heartbeat 2 min"],
            "not_covered": []}]
    }))
    .unwrap()
}

/// A maintenance window that leaves trading alone.
pub(in crate::render) fn window() -> MaintenanceSummary {
    MaintenanceSummary {
        until: "2026-11-07T21:30:00.000Z".to_owned(),
        by: "ana (1000)".to_owned(),
        reason: "a new disk".to_owned(),
        keep_trading: true,
    }
}

fn plain(status: &Status, layout: Layout) -> String {
    let now = "2026-11-07T21:05:10Z".parse().unwrap();
    anstream::adapter::strip_str(&text(status, now, layout)).to_string()
}

#[test]
fn people_see_permission_then_why_then_what_runs() {
    insta::assert_snapshot!(plain(&sample(), Layout::People), @r#"
    demo   OBSERVE-ONLY   mode dry   up 3 h 12 min   epoch 7

    halts  heartbeat-lost  bot  since 20:51:07Z (14 min 3 s)   latched   observe-only (h-31)
           the bot beat last at 20:49:07Z; it was restarted and is healthy
           next: failstop resume --halt h-31 --reason "..." --confirm demo

    bot       ready   pid 20718   restarts 2   beat 4 s ago   412 MB of 1.8 GB   3 % CPU
    scanner   ready   pid 20719   restarts 0                  88 MB              0 % CPU
    feed      binance: fresh 2 s ago
    feed      kraken: nothing yet
    journal   18 441 records, durable, head 9f2c41ab

    bot       enforced: permit, restart
              monitored: heartbeat 2 min
    "#);
}

#[test]
fn a_maintenance_window_is_said_first_and_what_it_means() {
    let mut status = sample();
    status.halts.clear();
    status.maintenance = Some(window());
    status.components[1].state = "backoff".to_owned();
    let people = plain(&status, Layout::People);
    let first = people.lines().next().unwrap();
    assert!(first.ends_with("epoch 7   maintenance until 21:30:00Z"), "{people}");
    let scanner =
        "not restarted during maintenance, until 21:30:00Z; next: failstop start scanner, or failstop maintenance off";
    for said in [
        "maintenance by ana (1000): a new disk
",
        "Trading goes on. Alerts",
        "next: failstop maintenance off",
        scanner,
    ] {
        assert!(people.contains(said), "{said}: {people}");
    }
    let lines = plain(&status, Layout::Lines);
    let line = "maintenance until 21:30:00Z by ana (1000), trading goes on: a new disk; next: failstop maintenance off, or wait for its end
";
    assert!(lines.contains(line), "{lines}");
    assert!(lines.contains(scanner), "{lines}");
}

#[test]
fn what_is_not_production_says_so() {
    let mut status = sample();
    status.environment = "staging".to_owned();
    assert!(
        plain(&status, Layout::People)
            .starts_with("demo   OBSERVE-ONLY   mode dry   up 3 h 12 min   epoch 7   staging\n")
    );
    assert!(plain(&status, Layout::Lines).contains("\nenvironment staging\n"));
    status.environment = "production".to_owned();
    assert!(plain(&status, Layout::People).lines().next().unwrap().ends_with("epoch 7"));
}

#[test]
fn alerts_have_a_line_where_the_engine_speaks_of_them() {
    let mut status = sample();
    assert!(!plain(&status, Layout::People).contains("alerts"));
    status.alerts.status = "healthy".to_owned();
    status.alerts.open.critical = 1;
    status.alerts.told = vec!["telegram".to_owned(), "pagerduty".to_owned()];
    let text = plain(&status, Layout::People);
    assert!(text.contains("\nalerts    1 open (critical, sent to telegram, pagerduty)\n"), "{text}");
    assert!(plain(&status, Layout::Lines).contains("\nalerts 1 open (critical"));
}

#[test]
fn a_pipe_gets_one_line_a_fact() {
    let text = plain(&sample(), Layout::Lines);
    insta::assert_snapshot!(text, @r#"
    system demo
    permission observe-only
    mode dry
    epoch 7
    uptime 3 h 12 min
    kill-switch off
    health healthy 1.00
    halt h-31 heartbeat-lost component bot cap observe-only latched since 20:51:07Z (14 min 3 s): the bot beat last at 20:49:07Z; it was restarted and is healthy; next: failstop resume --halt h-31 --reason "..." --confirm demo
    component bot ready pid 20718 restarts 2, beat 4 s ago, 412 MB of 1.8 GB, 3 % CPU
    component scanner ready pid 20719 restarts 0, 88 MB, 0 % CPU
    feed binance fresh 2 s ago
    feed kraken nothing yet
    journal seq 18441 head 9f2c41abdeadbeef jid 00
    coverage bot enforced: permit, restart
    coverage bot monitored: heartbeat 2 min
    "#);
}

#[test]
fn a_component_that_may_not_run_says_why() {
    let mut status = sample();
    let scanner = &mut status.components[1];
    (scanner.orders, scanner.state, scanner.pid) = ("direct".to_owned(), "stopped".to_owned(), None);
    for layout in [Layout::Lines, Layout::People] {
        assert!(plain(&status, layout).contains("while the permission is active only"));
    }
    status.permission = "active".to_owned();
    assert!(plain(&status, Layout::People).contains("in mode live only"));
    // Live and active: then it is something else that keeps it.
    status.mode = "live".to_owned();
    assert!(!plain(&status, Layout::People).contains("asks nobody"));
}

#[test]
fn a_component_that_an_operator_keeps_stopped_says_by_whom_since_when_and_why() {
    let mut status = sample();
    let scanner = &mut status.components[1];
    (scanner.state, scanner.pid) = ("stopped".to_owned(), None);
    let mut held =
        serde_json::json!({"by": "ana (1000)", "reason": "rate limits", "since": "2026-11-07T19:00:10.000Z"});
    let mut shown = |held: &serde_json::Value| {
        status.components[1].held = Some(serde_json::from_value(held.clone()).unwrap());
        [Layout::Lines, Layout::People].map(|layout| plain(&status, layout))
    };
    for text in shown(&held) {
        let wanted = "kept stopped by ana (1000) since 19:00:10Z (2 h 5 min): rate limits; next: failstop start scanner --reason \"...\"";
        assert!(text.contains(wanted), "{text}");
    }
    // An engine of before does not say since when.
    held.as_object_mut().unwrap().remove("since");
    for text in shown(&held) {
        assert!(
            text.contains("kept stopped by ana (1000): rate limits; next: failstop start scanner --reason \"...\""),
            "{text}"
        );
    }
}

#[test]
fn every_reason_has_a_line_of_its_own() {
    let mut status = sample();
    status.health.reasons = vec!["one".to_owned(), "two".to_owned()];
    let text = plain(&status, Layout::Lines);
    assert!(text.contains("health healthy 1.00\nhealth-reason one\nhealth-reason two\n"), "{text}");
}

#[test]
fn nothing_a_bot_says_breaks_a_line() {
    let mut status = sample();
    status.components[0].status_text = Some("x\n\x1b[2Jpermission active".to_owned());
    status.halts[0].evidence = "a\nb".to_owned();
    let before = plain(&sample(), Layout::Lines).lines().count();
    for layout in [Layout::Lines, Layout::People] {
        assert!(!plain(&status, layout).contains('\x1b'));
    }
    assert_eq!(plain(&status, Layout::Lines).lines().count(), before);
}

#[test]
fn a_halt_of_another_day_shows_the_day() {
    let now: Timestamp = "2026-11-08T00:00:10Z".parse().unwrap();
    assert_eq!(since("2026-11-07T23:59:10.7Z", now), "since 2026-11-07T23:59:10Z (59 s)");
    assert_eq!(since("yesterday", now), "since yesterday");
}

#[test]
fn the_books_have_lines_where_there_is_something_to_say() {
    let mut status = sample();
    let quiet = plain(&status, Layout::People);
    assert!(!["snapshot", "orders ", "refused", "differs"].iter().any(|word| quiet.contains(word)), "{quiet}");
    status.books.snapshot = Some(failstop_client::books::SnapshotEntry {
        seq: 18_400,
        day: Some("2026-11-06".to_owned()),
        ..Default::default()
    });
    status.health.snapshot_age_seconds = Some(3_700.0);
    (status.books.orders_open, status.books.orders_in_doubt, status.books.violations) = (3, 1, 2);
    status.books.discrepancies = vec!["statement: 0.06 apart".to_owned()];
    let text = plain(&status, Layout::People);
    assert!(text.contains("\nsnapshot   1 h 1 min ago, at record 18 400, closes 2026-11-06\n"), "{text}");
    assert!(text.contains("\norders     3 open, 1 in doubt\n"), "{text}");
    assert!(text.contains("\nbot        ready") && text.contains("\njournal    18 441"), "one column for all: {text}");
    let lines = plain(&status, Layout::Lines);
    assert!(
        lines.contains("\nrefused 2 that would have broken a rule of the books\ndiffers statement: 0.06 apart\n"),
        "{lines}"
    );
}

#[test]
fn a_mode_that_waits_for_its_ceremony_says_so() {
    let mut status = sample();
    let line = "dry, although live is allowed; next: failstop mode live --confirm demo";
    assert!(!plain(&status, Layout::People).contains(line), "of an engine that does not say nothing is said");
    for (mode, ceiling, waits) in [("dry", "dry", false), ("live", "live", false), ("dry", "live", true)] {
        (status.mode, status.mode_ceiling) = (mode.to_owned(), ceiling.to_owned());
        for layout in [Layout::People, Layout::Lines] {
            assert_eq!(plain(&status, layout).contains(line), waits, "{mode} {ceiling}");
        }
    }
}

#[test]
fn a_pipe_gets_what_a_terminal_gets() {
    let mut status = sample();
    let custom =
        |value| CustomMetric { value, unit: "bytes".to_owned(), source: "disk".to_owned(), age_seconds: Some(70.0) };
    status.custom.metrics = [("log_size".to_owned(), custom(Some(1_234.0))), ("load".to_owned(), custom(None))].into();
    status.footprint = Some(
        serde_json::from_value(serde_json::json!({
            "memory_bytes": 9_040_000, "memory_is": "resident", "memory_max_bytes": 50_000_000, "cpu_seconds": 1.0, "cpu_percent": 0.12,
            "cpu_max_percent": 5, "threads": 6, "open_files": 9, "written_bytes": null, "written_in_a_day_bytes": null,
            "written_in_a_day_max_bytes": null, "sent_bytes": 0, "sent_per_second_bytes": null, "sent_per_second_max_bytes": null,
            "over": null
        }))
            .unwrap(),
    );
    status.verified =
        Some(serde_json::from_value(serde_json::json!({"result": "intact", "at": "2026-11-07T21:00:00Z"})).unwrap());
    status.config.sha256 = "ab".repeat(32);
    status.config.fault = Some("needs a restart".to_owned());
    status.config.fault_since = Some("2026-11-07T21:05:00Z".to_owned());
    status.config.pending_restart = vec!["system.mode".to_owned()];
    let people = plain(&status, Layout::People);
    for line in [
        "metric     log_size: 1234 bytes",
        "metric     load: not known, last said 1 min 10 s ago",
        "verified   intact 21:00:00Z",
        "costs      9.0 MB, 0.1 % of a processor, 6 threads",
        "           what the file says is not in force since 21:05:00Z (10 s): needs a restart",
        "           waits for a restart: system.mode",
    ] {
        assert!(people.lines().any(|one| one == line), "{line}: {people}");
    }
    let lines = plain(&status, Layout::Lines);
    for line in [
        "metric log_size 1234 bytes",
        "metric load not known, last said 1 min 10 s ago",
        "verified intact 21:00:00Z",
        "costs 9.0 MB, 0.1 % of a processor, 6 threads",
    ] {
        assert!(lines.lines().any(|one| one == line), "{line}: {lines}");
    }
    assert!(
        lines.contains("\nconfig what the file says is not in force since 21:05:00Z (10 s): needs a restart; waits for a restart: system.mode; next: "),
        "{lines}"
    );
}

#[test]
fn a_narrow_terminal_gets_lines_that_fit_it() {
    let mut status = sample();
    status.components[1].status_text =
        Some("looking through four hundred markets for what nobody else has seen".to_owned());
    let now = "2026-11-07T21:05:10Z".parse().unwrap();
    let narrow = anstream::adapter::strip_str(&wrap(&text(&status, now, Layout::People), 60)).to_string();
    let too_wide = |line: &&str| line.chars().count() > 60 && !line.trim_start().starts_with("next: ");
    assert_eq!(narrow.lines().find(too_wide), None);
    assert!(narrow.contains("\nscanner   ready") && narrow.contains("\n          looking"), "{narrow}");
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&narrow), squeezed(&plain(&status, Layout::People)));
}

#[test]
fn one_order_is_one_order() {
    let mut status = sample();
    let waiting = failstop_client::gate::AwaitingEntry::default();
    let mut gate = failstop_client::gate::GateStatus {
        allowed: 1,
        awaiting: vec![waiting.clone()],
        ..failstop_client::gate::GateStatus::default()
    };
    status.gate = Some(gate.clone());
    let one = plain(&status, Layout::Lines);
    assert!(
        one.contains("gate 1 order allowed, 0 refused, 0 open\n") && one.contains("confirm 1 order waits:"),
        "{one}"
    );
    gate.allowed = 2;
    gate.awaiting.push(waiting);
    status.gate = Some(gate);
    let two = plain(&status, Layout::Lines);
    assert!(two.contains("gate 2 orders allowed, ") && two.contains("confirm 2 orders wait:"), "{two}");
}
