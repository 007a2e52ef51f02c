//! `failstop report`, on files.

use crate::folder::Folder;
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;

/// A line as the journal has it, but for its hash, written at that time of 7 November.
fn line(seq: u64, clock: &str, kind: &str, body: &Value) -> String {
    let hash = "0".repeat(64);
    format!(
        "{{\"seq\":{seq},\"d\":0,\"ep\":1,\"ts\":\"2026-11-07T{clock}.000000000Z\",\"t\":\"{kind}\",\"b\":{body},\"h\":\"{hash}\"}}\n"
    )
}

/// A day with a bit of everything: two lives of the engine, the second of which ended as it should.
fn a_day() -> Folder {
    let folder = Folder::with_system();
    let halt = |id: u64, cause: &str| json!({ "id": id, "cause": cause, "scope": "system", "cap": "observe-only", "latched": true, "evidence": "seen" });
    let alert = |change: &str| json!({ "alert": "demo/hung/bot/1-1", "change": change, "severity": "critical", "trace_id": "ab" });
    let figures = |memory: u64, requests: u64, errors: u64| json!({ "seconds": 3600, "memory_peak_bytes": memory, "errors_per_minute_peak": 7, "api_requests_rose": requests, "api_errors_rose": errors });
    let outcome = |id: &str, outcome: &str| json!({ "id": id, "outcome": outcome });
    let records = [
        ("00:00:00", "seg.open", json!({ "jid": "ab".repeat(16) })),
        ("00:00:00", "engine.started", json!({ "epoch": 1, "mode_ceiling": "live" })),
        ("00:00:10", "permission.changed", json!({ "from": "observe-only", "to": "active" })),
        ("00:00:11", "component.started", json!({ "component": "bot", "instance": 1, "pid": 7, "restart": 0 })),
        ("01:00:00", "x.failstop.figures", figures(412_000_000, 1_000, 2)),
        ("02:00:00", "halt.raised", halt(1, "hung")),
        ("02:00:00", "permission.changed", json!({ "from": "active", "to": "observe-only" })),
        ("02:00:00", "x.failstop.alert", alert("trigger")),
        (
            "02:00:01",
            "component.exited",
            json!({
                "component": "bot", "instance": 1, "status": null, "signal": 9, "requested": false, "killed": true, "failure": true,
                "up_ms": 7_190_000, "next": "restart_now"
            }),
        ),
        ("02:00:02", "component.started", json!({ "component": "bot", "instance": 2, "pid": 8, "restart": 1 })),
        ("02:30:00", "x.failstop.control", json!({ "control": "resume", "by": "ana", "trace_id": "cd" })),
        (
            "02:30:00",
            "halt.cleared",
            json!({ "id": 1, "cause": "hung", "by": { "operator": { "who": "ana", "reason": "known" } } }),
        ),
        ("02:30:00", "permission.changed", json!({ "from": "observe-only", "to": "active" })),
        ("02:30:00", "x.failstop.alert", alert("resolve")),
        ("03:00:00", "order.outcome", outcome("1", "filled")),
        ("03:00:00", "order.outcome", outcome("2", "rejected")),
        ("03:00:00", "x.failstop.figures", figures(300_000_000, 2_000, 3)),
        ("04:00:00", "heartbeat", json!({ "permission": "active", "overall": 1000 })),
        // It dies, and is started an hour later.
        ("05:00:00", "seg.open", json!({ "jid": "ab".repeat(16) })),
        ("05:00:00", "engine.started", json!({ "epoch": 2, "mode_ceiling": "live" })),
        ("06:00:00", "engine.stopped", json!({ "permission": "observe-only" })),
        ("06:00:00", "seg.close", json!({})),
    ];
    let lines: String = (1..).zip(&records).map(|(seq, (clock, kind, body))| line(seq, clock, kind, body)).collect();
    folder.write("state/journal/j-0000000000000001.ndjson", &lines);
    folder
}

#[test]
fn a_dead_engines_journal_says_how_it_went() {
    let folder = a_day();
    let json = folder.run(&["report", "--since", "2026-11-07", "--format", "json"]).ends(0).quiet().out;
    let report: Value = serde_json::from_str(&json).unwrap();
    let seconds = |name: &str| report["permission"][name]["seconds"].as_f64().unwrap();
    assert_eq!(seconds("active"), 2.0 * 3600.0 - 10.0 + 1.5 * 3600.0);
    assert_eq!(seconds("observe-only"), 10.0 + 1800.0 + 3600.0);
    assert!(seconds("down") > 3600.0, "and since it was stopped");
    assert_eq!(
        (&report["engine"]["starts"], &report["engine"]["died"], &report["engine"]["runs"]),
        (&2.into(), &1.into(), &false.into())
    );
    assert_eq!(
        report["components"]["bot"],
        json!({ "starts": 2, "ended_by_itself": 0, "killed": 1, "out_of_memory": 0 })
    );
    assert_eq!(report["halts"]["hung"], json!({ "times": 1, "standing": 0, "seconds": 1800.0 }));
    assert_eq!(report["alerts"]["hung"], json!({ "critical": 1, "warning": 0, "info": 0, "over": 1 }));
    assert_eq!(report["orders"]["2026-11-07"], json!({ "ended": 2, "succeeded": 1 }));
    assert_eq!(report["api"]["2026-11-07"], json!({ "requests": 3_000, "errors": 5 }));
    assert_eq!(report["memory_peak"], json!({ "value": 412_000_000, "at": "2026-11-07T01:00:00Z" }));
    assert_eq!((&report["controls"]["resume"], &report["records"]), (&1.into(), &22.into()));
    assert_eq!((&report["system"], &report["journal"]), (&folder.name.clone().into(), &"ab".repeat(16).into()));
}

#[test]
fn people_read_it_from_the_permission_down() {
    let folder = a_day();
    let out = folder.run(&["report", "--since", "2026-11-07T00:00:00Z", "--offline"]).ends(0).quiet().out;
    // How long ago that was is another at each run: the header, and the time since.
    let fixed: Vec<&str> = out
        .lines()
        .skip(2)
        .filter(|line| !line.contains("down") && !line.contains("active") && !line.contains("observe-only"))
        .collect();
    insta::assert_snapshot!(fixed.join("\n"));
    assert!(
        out.starts_with(&format!("{}   2026-11-07 00:00Z to ", folder.name))
            && out.contains("whether an engine runs is not known"),
        "{out}"
    );
    assert!(out.contains("\npermission     active") && out.contains("3 h 29 min"), "{out}");
}

/// Holds the instance lock as an engine does.
fn hold_lock(path: &Path) -> File {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
    // SAFETY: plain data; all zeros covers the whole file from its start.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = libc::F_WRLCK as libc::c_short;
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_OFD_SETLK(&range)).unwrap();
    file
}

#[test]
fn of_an_engine_that_does_not_answer_nothing_is_said_but_why() {
    let folder = a_day();
    // Its last word is that it is active.
    let text = std::fs::read_to_string(folder.path("state/journal/j-0000000000000001.ndjson")).unwrap();
    let until = text.lines().position(|line| line.contains("\"heartbeat\"")).unwrap();
    let alive: String = text.lines().take(until + 1).map(|line| format!("{line}\n")).collect();
    folder.write("state/journal/j-0000000000000001.ndjson", &alive);
    let arguments = ["report", "--since", "2026-11-07", "--format", "json"];
    let spans = |report: &str| {
        let report: Value = serde_json::from_str(report).unwrap();
        let seconds = |name: &str| report["permission"][name]["seconds"].as_f64().unwrap();
        (report["engine"]["runs"].clone(), seconds("down") > 3_600.0, seconds("unknown") > 3_600.0)
    };
    // Nobody holds the lock: none runs.
    assert_eq!(spans(&folder.run(&arguments).ends(0).quiet().out), (json!(false), true, false));
    // Somebody does, and there is no socket.
    let _held = hold_lock(&folder.path("state/LOCK"));
    let ran = folder.run(&arguments).ends(0);
    assert_eq!(spans(&ran.out), (Value::Null, false, true));
    assert!(
        ran.err.starts_with("warning: what an engine says is not in this: ") && ran.err.contains("next: "),
        "{}",
        ran.err
    );
    // A copy says nothing of the engine that it is of.
    let arguments = [&arguments[..], &["--offline"]].concat();
    assert_eq!(spans(&folder.run(&arguments).ends(0).quiet().out), (Value::Null, false, true));
}

#[test]
fn what_cannot_be_read_is_told_and_what_is_no_time_is_refused() {
    let folder = a_day();
    folder.write("state/journal/j-0000000000000100.ndjson", "garbage\n");
    let ran = folder.run(&["report", "--since", "2026-11-07", "--offline"]).ends(1);
    assert!(ran.err.contains("1 line of the journal is no record") && ran.err.contains("verify-data"), "{}", ran.err);
    assert!(ran.out.contains("permission"), "what could be read is summed up: {}", ran.out);
    folder.run(&["report", "--since", "soon"]).ends(2);
    folder.run(&["report", "--since", "2999-01-01"]).ends(2);
    let nothing = Folder::with_system().run(&["report"]).ends(3);
    assert!(nothing.err.contains("state/journal: No such file") && nothing.err.contains("next: "), "{}", nothing.err);
}

#[test]
fn the_crontab_line_as_a_user_copies_it() {
    let folder = a_day();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cron/report")).unwrap();
    let jobs: Vec<&str> = text.lines().filter(|line| line.contains("  failstop  ")).collect();
    let [job] = jobs[..] else { panic!("{jobs:?}") };
    assert_eq!(job.split("  ").next().unwrap().split(' ').count(), 5, "when, in five fields: {job}");
    let command = job.split("  failstop  ").nth(1).unwrap();
    let arguments: Vec<&str> = command.strip_prefix("failstop ").unwrap().split(' ').collect();
    let arguments: Vec<&str> = arguments
        .into_iter()
        .map(|argument| if argument == "/etc/failstop/demo.toml" { "failstop.toml" } else { argument })
        .collect();
    let ran = folder.run(&arguments).ends(0).quiet();
    assert!(ran.out.starts_with(&folder.name), "{}", ran.out);
}
