//! One name follows a request or an incident through journal, log, alert, answer and command line; and of a wallet only the last
//! characters are anywhere.

use crate::system::System;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

const ALERTS: &str = "[alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"DIR/alerts.jsonl\"\n\
                      [log]\nformat = \"json\"\n";
const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"none\"\n";
const WALLET: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

/// What was delivered: the cause and the trace of each message.
fn told(system: &System) -> Vec<(String, String)> {
    let text = fs::read_to_string(system.path("alerts.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.map(|line| (word(&line["data"]["cause"]), word(&line["data"]["trace_id"]))).collect()
}

#[track_caller]
fn until(what: &str, system: &System, mut holds: impl FnMut() -> bool) {
    system.until(what, || holds().then_some(()));
}

fn events(system: &System, trace: &str) -> Vec<String> {
    let output = system.run("events", &["--trace", trace, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["t"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_request_is_followed_from_its_header_to_the_alert_and_over_a_restart() {
    let mut system = System::new(&format!("{BOT}{ALERTS}"));
    system.start().wait_active();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut stream = UnixStream::connect(system.path("run/control.sock")).unwrap();
    let body = json!({ "reason": format!("{WALLET} is drained") }).to_string();
    write!(
        stream,
        "POST /api/control/emergency-stop HTTP/1.1\r\nhost: failstop\r\nconnection: close\r\ncontent-type: application/json\r\n\
         traceparent: 00-{trace}-00f067aa0ba902b7-01\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("failstop-trace: {trace}")), "{answer}");

    let of_it = ("kill-switch".to_owned(), trace.to_owned());
    until("the alert", &system, || told(&system).contains(&of_it));
    // The engine's log says so in the same name, and shows the end of the wallet alone.
    until("the log", &system, || system.log().matches(trace).count() >= 2);
    assert!(!system.log().contains(WALLET) && system.log().contains("…1BeAed"), "{}", system.log());
    assert!(!fs::read_to_string(system.path("alerts.jsonl")).unwrap().contains(WALLET));
    let (_, status) = system.get("/api/status");
    assert!(!status.contains(WALLET) && status.contains("…1BeAed"), "{status}");
    let listed = String::from_utf8(system.run("alerts list", &["--format", "json"]).stdout).unwrap();
    assert!(listed.contains(trace), "{listed}");

    let recorded = serde_json::to_string(&system.records()).unwrap();
    assert!(!recorded.contains(WALLET) && recorded.contains("…1BeAed is drained"), "{recorded}");

    // By the digits that a phone shows.
    let found = events(&system, &trace[..8]);
    for kind in ["x.failstop.control", "halt.raised", "x.failstop.trace", "x.failstop.alert"] {
        assert!(found.iter().any(|one| one == kind), "{kind}: {found:?}");
    }
    assert!(!found.iter().any(|one| one == "engine.started"), "{found:?}");

    // Another life reads the name in the journal: the end of the incident has it, too.
    assert_eq!(system.stop(), 5);
    system.start();
    system.wait_status("the kill switch", |status| status["kill_switch"] == true);
    let name = system.name.clone();
    let released = system.run("kill-switch release", &["--reason", "over", "--confirm", &name]);
    assert_eq!(released.status.code(), Some(0), "{}", String::from_utf8_lossy(&released.stderr));
    until("the end of it", &system, || told(&system).iter().filter(|one| **one == of_it).count() >= 2);
    until("its record", &system, || events(&system, trace).iter().any(|one| one == "halt.cleared"));
    assert_eq!(system.stop(), 0);
}

#[test]
fn an_incident_that_nobody_asked_for_has_a_name_of_its_own_and_what_the_bot_says_is_covered() {
    let says = json!({ "type": "halt", "cap": "observe-only", "reason": format!("{WALLET} is empty") }).to_string();
    let own = json!({ "type": "event", "name": "x.wallet", "data": { "wallet": WALLET, "order": "a".repeat(64) } })
        .to_string();
    let bot = format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ready\", \"send\", {}, \"send\", {}]\norders = \"none\"\n\
         readiness = {{ notify = true }}\n",
        json!(own),
        json!(says)
    );
    let mut system = System::new(&format!("{bot}{ALERTS}"));
    system.start();
    system.wait_status("the bot's halt", |status| {
        status["halts"]
            .as_array()
            .is_some_and(|halts| !halts.is_empty() && halts.iter().any(|one| one["cause"] == "bot-request"))
    });
    until("the alert", &system, || told(&system).iter().any(|(cause, _)| cause == "bot-request"));
    let trace = told(&system).into_iter().find(|(cause, _)| cause == "bot-request").unwrap().1;
    assert_eq!(trace.len(), 32, "{trace}");
    assert_eq!(events(&system, &trace), ["halt.raised", "x.failstop.alert"]);
    let records: Vec<Value> = system.records();
    let wallet = records.iter().find(|record| record["t"] == "x.wallet").unwrap();
    assert_eq!(wallet["b"], json!({ "wallet": "…1BeAed", "order": "a".repeat(64) }));
    let raised =
        records.iter().find(|record| record["t"] == "halt.raised" && record["b"]["cause"] == "bot-request").unwrap();
    assert_eq!(raised["b"]["evidence"].as_str().map(|text| text.contains("…1BeAed")), Some(true), "{raised}");
    assert!(!fs::read_to_string(system.path("alerts.jsonl")).unwrap().contains(WALLET));
    system.stop();
}

#[test]
fn an_incident_without_a_halt_is_found_by_the_digits_of_its_alert_from_its_beginning_to_its_end() {
    let says = json!({ "type": "metric", "name": "websocket_latency", "value": 2_000 }).to_string();
    let bot = format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ready\", \"send\", {}]\norders = \"none\"\n\
         readiness = {{ notify = true }}\n[limits]\nsample_every = \"1s\"\n[thresholds]\nevery = \"1s\"\n\
         [[metrics.command]]\nname = \"q\"\ncommand = [\"cat\", \"number\"]\ninterval = \"1s\"\n",
        json!(says)
    );
    let mut system = System::new(&format!("{bot}{ALERTS}"));
    system.start();
    for cause in ["metrics-source", "threshold"] {
        until(cause, &system, || told(&system).iter().any(|(of, _)| of == cause));
    }
    let trace = |cause: &str| told(&system).into_iter().find(|(of, _)| of == cause).unwrap().1;
    let (source, figure) = (trace("metrics-source"), trace("threshold"));
    until("the record of the source", &system, || events(&system, &source[..8]) == ["x.failstop.alert"]);
    until("the records of the figure", &system, || {
        events(&system, &figure[..8]) == ["x.failstop.threshold", "x.failstop.alert"]
    });
    assert!(system.log().contains(&source), "{}", system.log());
    fs::write(system.path("number"), "7").unwrap();
    until("the end of it", &system, || events(&system, &source[..8]) == ["x.failstop.alert"; 2]);
    let changes: Vec<Value> = system.records().into_iter().filter(|record| record["b"]["trace_id"] == source).collect();
    let changes: Vec<&Value> = changes.iter().map(|record| &record["b"]["change"]).collect();
    assert_eq!(changes, ["trigger", "resolve"]);
    system.stop();
}

#[test]
fn whoever_wants_addresses_whole_says_so_while_it_runs() {
    let bot = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"none\"\n";
    let mut system = System::new(&format!("{bot}{ALERTS}mask_addresses = true\n"));
    system.start().wait_active();
    let halted = |system: &System, reason: &str| {
        assert_eq!(system.run("maintenance on", &["--for", "1h", "--reason", reason]).status.code(), Some(0));
        let (_, status) = system.get("/api/status");
        assert_eq!(system.run("maintenance off", &[]).status.code(), Some(0));
        status
    };
    assert!(!halted(&system, WALLET).contains(WALLET));
    let set = system.run("config set", &["log.mask_addresses", "false"]);
    assert_eq!(set.status.code(), Some(0), "{}", String::from_utf8_lossy(&set.stderr));
    let status = halted(&system, WALLET);
    assert!(status.contains(WALLET), "{status}");
    system.stop();
}
