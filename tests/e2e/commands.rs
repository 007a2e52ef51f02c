//! `failstop stop`, `start`, `restart` and `reload`: answered when done, with words, JSON and an exit status; what an operator
//! stopped stays stopped, and everybody sees by whom and why.

use crate::system::{System, has_halt, signal};
use serde_json::Value;
use std::fs;
use std::process::Output;

const TWO: &str = concat!(
    "[[component]]\nname = \"scanner\"\ncommand = [\"BOT\"]\norders = \"none\"\n",
    "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\ndepends_on = [\"scanner\"]\n",
);

fn component<'a>(status: &'a Value, name: &str) -> &'a Value {
    status["components"].as_array().unwrap().iter().find(|component| component["name"] == name).unwrap()
}

#[track_caller]
fn ends(output: &Output, status: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "out: {text}\nerr: {error}");
    format!("{text}{error}")
}

#[test]
fn stopped_started_and_restarted_and_answered_when_it_is_done() {
    let mut system = System::new(TWO);
    system.start();
    system.wait_active();
    let first = system.pid_of("bot").unwrap();
    let text = ends(&system.run("restart", &["bot", "--reason", "new parameters"]), 0);
    let second = system.pid_of("bot").unwrap();
    assert!(second != first && text.contains(&format!("ready, pid {second}")), "{text}");
    system.wait_record(0, "operator.order", |order| order["reason"] == "new parameters");

    let text = ends(&system.run("stop", &["scanner", "bot", "--reason", "rate limits"]), 0);
    assert!(text.contains("scanner   stopped") && text.contains("bot       stopped"), "{text}");
    assert!(system.survivors().is_empty(), "done means that nothing of it runs");
    let status = system.status().unwrap();
    assert_eq!(component(&status, "bot")["held"]["reason"], "rate limits");
    let shown = system.run("status", &[]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("kept stopped by") && shown.contains("rate limits"), "{shown}");
    let since = |status: &Value| component(status, "bot")["held"]["since"].as_str().unwrap().to_owned();
    assert!(shown.contains(" since ") && since(&status).ends_with('Z'), "{shown}");
    let stopped = |record: &Value| record["t"] == "component.held" && record["b"]["component"] == "bot";
    let written = system.records().into_iter().find(stopped).unwrap();

    // Over a restart of the engine, too.
    assert_eq!(system.stop(), 0);
    system.start();
    let status = system.wait_status("checked", |status| status["permission"] == "active");
    assert_eq!(component(&status, "bot")["state"], "stopped");
    let (written, since) = (written["ts"].as_str().unwrap(), since(&status));
    assert!(written.starts_with(since.trim_end_matches('Z')), "since {since}, and it was stopped at {written}");
    let by = component(&status, "bot")["held"]["by"].as_str().unwrap().to_owned();
    assert!(by.contains('(') && by.ends_with(')'), "{by}");

    // It loosens: somebody must say why.
    let text = ends(&system.run("start", &["scanner"]), 1);
    assert!(text.contains("--reason"), "{text}");
    let output = system.run("start", &["bot", "scanner", "--reason", "raised", "--format", "json"]);
    let report: Value = serde_json::from_str(&ends(&output, 0)).unwrap();
    assert_eq!(report["result"], "done");
    for outcome in report["components"].as_array().unwrap() {
        assert_eq!((&outcome["outcome"], &outcome["state"]), (&"done".into(), &"ready".into()), "{report}");
    }
    ends(&system.run("start", &["bot"]), 0);
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_start_says_what_it_waits_for() {
    let mut system = System::new(TWO);
    system.start();
    system.wait_active();
    ends(&system.run("stop", &["bot", "scanner"]), 0);
    let output = system.run("start", &["bot", "--reason", "go", "--format", "json"]);
    let report: Value = serde_json::from_str(&ends(&output, 1)).unwrap();
    assert_eq!(report["result"], "waiting");
    assert!(report["components"][0]["reasons"][0].as_str().unwrap().contains("scanner"), "{report}");
    assert_eq!(component(&system.status().unwrap(), "bot")["waits_for"], serde_json::json!(["scanner"]));
    ends(&system.run("start", &["scanner", "--reason", "go"]), 0);
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_name_that_is_no_components_changes_nothing_and_names_those_that_are() {
    let mut system = System::new(TWO);
    system.start();
    system.wait_active();
    let from = system.next_seq();
    let text = ends(&system.run("stop", &["bot", "scaner"]), 2);
    assert!(text.contains("no component named scaner") && text.contains("scanner, bot"), "{text}");
    let held = |record: &Value| record["seq"].as_u64() >= Some(from) && record["t"] == "component.held";
    assert!(!system.records().iter().any(held), "nothing of a mistyped list is done");
    assert_eq!(system.stop(), 0);
    let text = ends(&system.run("restart", &["bot"]), 3);
    assert!(text.contains("failstop run"), "{text}");
}

#[test]
fn a_restart_whose_start_fails_is_no_success() {
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"/bin/sh\", \"DIR/bot.sh\"]\norders = \"asks\"\n\
         readiness = { notify = true }\n",
    );
    fs::write(system.path("bot.sh"), "test -e broken && exit 3\nsystemd-notify --ready\nexec sleep 1000\n").unwrap();
    system.start();
    system.wait_active();
    fs::write(system.path("broken"), "").unwrap();
    let text = ends(&system.run("restart", &["bot", "--reason", "upgrade"]), 1);
    assert!(text.contains("its start failed"), "{text}");
    assert_eq!(system.stop(), 0);
}

/// A bot that counts its reloads; with `announced` it says so over sd_notify.
fn reloads(announced: bool) -> System {
    let notify = if announced { "reload_notify = true\nreadiness = { notify = true }\n" } else { "" };
    let system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"/bin/sh\", \"DIR/bot.sh\"]\norders = \"asks\"\n\
         reload_signal = \"SIGHUP\"\nstart_period = \"3s\"\n{notify}\
         [[component]]\nname = \"other\"\ncommand = [\"BOT\"]\norders = \"none\"\n"
    ));
    let (before, after) =
        if announced { ("systemd-notify RELOADING=1;", "; test -e stuck || systemd-notify --ready") } else { ("", "") };
    let script = format!(
        "trap '{before} echo again >> reloads{after}' HUP\n{}while :; do sleep 0.05; done\n",
        if announced { "systemd-notify --ready\n" } else { "touch trapped\n" }
    );
    fs::write(system.path("bot.sh"), script).unwrap();
    system
}

fn wait_reloads(system: &System, count: usize) {
    let path = system.path("reloads");
    system.wait_status("a reload", |_| fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == count));
}

#[test]
fn a_reload_reaches_who_wants_it_and_nobody_else() {
    let mut system = reloads(false);
    system.start();
    system.wait_active();
    system.wait_status("the trap", |_| system.path("trapped").exists());
    let (bot, other) = (system.pid_of("bot"), system.pid_of("other"));
    ends(&system.run("reload", &["bot", "--reason", "new pairs"]), 0);
    wait_reloads(&system, 1);
    let text = ends(&system.run("reload", &["other"]), 1);
    assert!(text.contains("reload_signal"), "{text}");
    // SIGHUP for failstop is handed on.
    signal(system.guard_pid(), libc::SIGHUP);
    wait_reloads(&system, 2);
    assert!(system.log().contains("the component that has a `reload_signal` is asked to reload"));
    assert_eq!((system.pid_of("bot"), system.pid_of("other")), (bot, other), "nobody died of it");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_reload_that_is_announced_is_awaited_and_one_that_does_not_end_is_a_hang() {
    let mut system = reloads(true);
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot");
    ends(&system.run("reload", &["bot", "--reason", "new pairs"]), 0);
    assert_eq!(fs::read_to_string(system.path("reloads")).unwrap(), "again\n", "answered when it was over");
    system.wait_record(0, "component.reloading", |_| true);
    system.wait_record(0, "component.reloaded", |_| true);
    assert_eq!(system.pid_of("bot"), bot);
    fs::write(system.path("stuck"), "").unwrap();
    let text = ends(&system.run("reload", &["bot", "--reason", "once more"]), 1);
    assert!(text.contains("it ended meanwhile"), "{text}");
    let status = system.wait_status("hung", |status| has_halt(status, "hung"));
    assert!(status.to_string().contains("was asked to reload"), "{status}");
    assert_eq!(system.stop(), 0);
}
