//! The configuration changes while the engine runs: by its file, by signal, by command; whole or not at all.

use crate::bookkeeper::Bookkeeper;
use crate::gate::{GATE, order, price};
use crate::system::{System, signal};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const ONE: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"none\"\nstop_grace = \"5s\"\n\
                   [health]\nerrors_per_minute = 10\n[limits]\nsample_every = \"1s\"\n\
                   [alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"DIR/alerts.jsonl\"\n";

fn text_of(system: &System) -> String {
    fs::read_to_string(system.path("failstop.toml")).unwrap()
}

/// Puts a text in the place of the file, as an editor does.
fn write(system: &System, text: &str) {
    fs::write(system.path("failstop.toml~"), text).unwrap();
    fs::rename(system.path("failstop.toml~"), system.path("failstop.toml")).unwrap();
}

fn edit(system: &System, from: &str, to: &str) -> String {
    let before = text_of(system);
    let text = before.replace(from, to);
    assert_ne!(text, before, "{from}");
    write(system, &text);
    text
}

#[track_caller]
fn good(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn value(system: &System, key: &str) -> String {
    good(&system.run("config get", &[key])).trim().to_owned()
}

#[track_caller]
fn wait_value(system: &System, key: &str, wanted: &str) {
    crate::system::until(
        || format!("{key} = {wanted}, it is {}; log:\n{}", value(system, key), system.log()),
        || (value(system, key) == wanted).then_some(()),
    );
}

fn sha256(status: &Value) -> String {
    status["config"]["sha256"].as_str().unwrap().to_owned()
}

/// Types of messages about the configuration that were delivered.
fn told(system: &System) -> Vec<String> {
    let text = fs::read_to_string(system.path("alerts.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_config =
        lines.filter(|line| line["data"]["key"].as_str().is_some_and(|key| key.contains("/configuration/")));
    of_config.map(|line| line["type"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn wait_told(system: &System, wanted: &[&str]) {
    crate::system::until(
        || format!("{wanted:?}, told is {:?}; log:\n{}", told(system), system.log()),
        || (told(system) == wanted).then_some(()),
    );
}

/// Waits until these versions are kept, beside the loop.
#[track_caller]
fn wait_versions(system: &System, wanted: &[u64]) -> Value {
    system.until(&format!("the versions {wanted:?}"), || {
        let history: Value = serde_json::from_str(&good(&system.run("config history", &["--format", "json"]))).unwrap();
        let number = |one: &Value| one["number"].as_u64().unwrap();
        let numbers: Vec<u64> = history.as_array().unwrap().iter().map(number).collect();
        (numbers == wanted).then_some(history)
    })
}

#[test]
fn a_live_key_is_taken_and_said_everywhere() {
    let mut system = System::new(ONE);
    let status = system.start().wait_active();
    let (before, seq, pid) = (sha256(&status), system.next_seq(), system.pid_of("bot"));
    edit(&system, "errors_per_minute = 10", "errors_per_minute = 7");
    let record = system.wait_record(seq, "config.changed", |_| true);
    let key = serde_json::json!({ "key": "health.errors_per_minute", "from": "10", "to": "7" });
    assert_eq!((&record["b"]["keys"], &record["b"]["by"]), (&serde_json::json!([key]), &"an edit of the file".into()));
    let status = system.wait_status("the new text", |status| sha256(status) != before);
    assert_eq!(record["b"]["sha256"], status["config"]["sha256"]);
    assert_eq!(status["config"]["fault"], Value::Null);
    assert_eq!(value(&system, "health.errors_per_minute"), "7");
    system.wait_log("health.errors_per_minute 10 -> 7");
    let (_, thresholds) = system.get("/api/thresholds");
    let thresholds: Value = serde_json::from_str(&thresholds).unwrap();
    let judged =
        thresholds["thresholds"].as_array().unwrap().iter().find(|one| one["key"] == "health.errors_per_minute");
    assert_eq!(judged.unwrap()["above"], 7.0);
    let (_, metrics) = system.get("/metrics");
    assert!(metrics.contains("failstop_config_last_reload_successful 1\n"), "{metrics}");
    assert!(metrics.contains(&format!("failstop_config_info{{sha256=\"{}\"}} 1\n", sha256(&status))));
    assert_eq!(system.pid_of("bot"), pid, "nothing was restarted");
    assert_eq!(system.stop(), 0);
    assert!(told(&system).is_empty());
}

#[test]
fn a_probe_the_log_and_a_limit_go_by_what_is_said_now() {
    let bot = "orders = \"none\"\nliveness = { exec = [\"./alive.sh\"], interval = \"1h\" }\nlimits = { memory_max = \"500MB\" }\n";
    let mut system = System::new(&ONE.replace("orders = \"none\"\n", bot));
    fs::write(system.path("alive.sh"), "#!/bin/sh\necho asked >> asked\n").unwrap();
    fs::set_permissions(system.path("alive.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    system.start().wait_active();
    let asked = || fs::read_to_string(system.path("asked")).unwrap_or_default().lines().count();
    let bounds = |status: &Value| status["components"][0]["memory_max_bytes"].as_u64();
    system.wait_status("the limit of the start", |status| bounds(status) == Some(500_000_000));
    system.until("the question once it is ready", || (asked() > 0).then_some(()));
    assert!(!system.log().contains("a probe was tried"), "that is for those who look for faults");
    let text = text_of(&system)
        .replace("interval = \"1h\"", "interval = \"100ms\"")
        .replace("memory_max = \"500MB\"", "memory_max = \"400MB\"");
    let pid = system.pid_of("bot");
    write(&system, &format!("{text}[log]\nlevel = \"debug\"\n"));
    system.wait_status("the limit of now", |status| bounds(status) == Some(400_000_000));
    system.wait_log("a probe was tried");
    system.until("questions, one each 100 ms", || (asked() >= 4).then_some(()));
    assert_eq!(system.pid_of("bot"), pid, "nothing was restarted");
    let (_, thresholds) = system.get("/api/thresholds");
    let thresholds: Value = serde_json::from_str(&thresholds).unwrap();
    let all = thresholds["thresholds"].as_array().unwrap();
    let judged = all.iter().find(|one| one["key"] == "component.limits.memory_max");
    assert_eq!(judged.unwrap()["above"], 4e8);
    assert_eq!(system.stop(), 0);
}

#[test]
fn one_critical_key_refuses_the_whole_change_until_it_is_put_back() {
    let mut system = System::new(ONE);
    let before = sha256(&system.start().wait_active());
    let original = text_of(&system);
    let both = original
        .replace("mode = \"dry\"", "mode = \"live\"")
        .replace("errors_per_minute = 10", "errors_per_minute = 7");
    write(&system, &both);
    let status = system.wait_status("the refusal", |status| !status["config"]["fault"].is_null());
    assert!(status["config"]["fault"].as_str().unwrap().contains("system.mode"), "{status:#}");
    assert_eq!(status["config"]["pending_restart"], serde_json::json!(["system.mode"]));
    assert_eq!(sha256(&status), before);
    assert_eq!(value(&system, "health.errors_per_minute"), "10", "nothing of it is taken");
    let difference = system.run("config diff", &[]);
    let shown = String::from_utf8(difference.stdout).unwrap();
    assert_eq!(difference.status.code(), Some(1));
    assert!(
        shown.contains("critical   system.mode") && shown.contains("live       health.errors_per_minute"),
        "{shown}"
    );
    let refused = system.run("config reload", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("needs a restart"));
    wait_told(&system, &["incident.trigger"]);
    let (_, metrics) = system.get("/metrics");
    assert!(metrics.contains("failstop_config_last_reload_successful 0\n"));
    write(&system, &original);
    system.wait_status("the end of it", |status| status["config"]["fault"].is_null());
    wait_told(&system, &["incident.trigger", "incident.resolve"]);
    assert!(system.records().iter().all(|record| record["t"] != "config.changed"));
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_file_that_is_not_valid_changes_nothing_and_a_mended_one_is_taken() {
    let mut system = System::new(ONE);
    system.start().wait_active();
    let seq = system.next_seq();
    edit(&system, "errors_per_minute = 10", "errors_per_minuet = 7");
    let status = system.wait_status("the fault", |status| !status["config"]["fault"].is_null());
    let fault = status["config"]["fault"].as_str().unwrap();
    assert!(fault.contains("did you mean `errors_per_minute`?"), "{fault}");
    assert_eq!(value(&system, "health.errors_per_minute"), "10");
    let refused = system.run("config reload", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("errors_per_minuet = 7"), "with the line");
    wait_told(&system, &["incident.trigger"]);
    edit(&system, "errors_per_minuet = 7", "errors_per_minute = 8");
    system.wait_record(seq, "config.changed", |_| true);
    system.wait_status("the end of it", |status| status["config"]["fault"].is_null());
    assert_eq!(value(&system, "health.errors_per_minute"), "8");
    wait_told(&system, &["incident.trigger", "incident.resolve"]);
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_wrong_line_with_a_secret_in_it_is_shown_to_whoever_asks_alone() {
    let mut system = System::new(ONE);
    system.start().wait_active();
    edit(&system, "orders = \"none\"\n", "orders = \"none\"\nenv.VENUE_KEY = \"geheim-4711\n");
    let status = system.wait_status("the fault", |status| !status["config"]["fault"].is_null());
    let fault = status["config"]["fault"].as_str().unwrap();
    assert!(fault.contains("not valid TOML") && fault.contains("failstop.toml:"), "{fault}");
    wait_told(&system, &["incident.trigger"]);
    let refused = system.run("config reload", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("geheim-4711"), "with the line");
    system.wait_record(1, "x.failstop.config", |_| true);
    for text in [
        status.to_string(),
        system.status().unwrap().to_string(),
        fs::read_to_string(system.path("alerts.jsonl")).unwrap(),
        format!("{:?}", system.records()),
        system.log(),
    ] {
        assert!(!text.contains("geheim-4711"), "{text}");
    }
    assert_eq!(system.stop(), 0);
}

#[test]
fn without_hot_reload_a_signal_or_a_command_takes_it() {
    let mut system = System::new(&format!("{ONE}[config]\nhot_reload = false\n"));
    system.start().wait_active();
    let seq = system.next_seq();
    edit(&system, "errors_per_minute = 10", "errors_per_minute = 7");
    let shown = good(&system.run("config diff", &[]));
    assert!(shown.contains("10 -> 7") && shown.contains("next: failstop config reload"), "{shown}");
    assert_eq!(value(&system, "health.errors_per_minute"), "10", "nobody asked");
    signal(system.guard_pid(), libc::SIGHUP);
    let record = system.wait_record(seq, "config.changed", |_| true);
    assert_eq!(record["b"]["by"], "SIGHUP");
    edit(&system, "errors_per_minute = 7", "errors_per_minute = 6");
    let shown = good(&system.run("config reload", &[]));
    assert!(shown.contains("7 -> 6") && shown.ends_with("in force\n"), "{shown}");
    assert_eq!(value(&system, "health.errors_per_minute"), "6");
    assert_eq!(good(&system.run("config diff", &[])), "what the file says is in force\n");
    assert_eq!(system.stop(), 0);
}

#[test]
fn versions_are_kept_and_an_earlier_one_comes_back() {
    // It takes what it is told to take: whether it notices the file before that is a matter of speed.
    let mut system = System::new(&format!("{ONE}[config]\nhot_reload = false\n"));
    system.start().wait_active();
    let first = text_of(&system);
    fs::set_permissions(system.path("failstop.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    let shown = good(&system.run("config set", &["health.errors_per_minute", "7"]));
    assert!(shown.contains("10 -> 7"), "{shown}");
    assert_eq!(text_of(&system), first.replace("errors_per_minute = 10", "errors_per_minute = 7"));
    good(&system.run("config set", &["component.bot.stop_grace", "9s"]));
    assert_eq!(value(&system, "component.bot.stop_grace"), "\"9s\"");
    let history = wait_versions(&system, &[3, 2, 1]);
    assert_eq!(history[0]["is_file"], true);
    assert!(good(&system.run("config rollback", &["1"])).contains("version 1 again"));
    assert_eq!(text_of(&system), first);
    assert_eq!(fs::metadata(system.path("failstop.toml")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(value(&system, "component.bot.stop_grace"), "\"5s\"");
    wait_versions(&system, &[4, 3, 2, 1]);
    // Out of a file that is none.
    write(&system, "[system\n");
    let shown = good(&system.run("config rollback", &[]));
    assert!(shown.contains("not in force, is version 5\n") && shown.contains("version 4 again"), "{shown}");
    assert_eq!(text_of(&system), first);
    system.wait_status("no fault", |status| status["config"]["fault"].is_null());
    // Which is kept for whoever wrote it, and is nothing to go back to.
    let history = wait_versions(&system, &[5, 4, 3, 2, 1]);
    let was_in_force: Vec<bool> =
        history.as_array().unwrap().iter().map(|one| one["was_in_force"].as_bool().unwrap()).collect();
    assert_eq!(was_in_force, [false, true, true, true, true]);
    assert_eq!(fs::read_to_string(system.path("state/config/v-00000005.aside.toml")).unwrap(), "[system\n");
    assert!(good(&system.run("config rollback", &[])).contains("version 3 again"));
    assert!(good(&system.run("config rollback", &["4"])).contains("version 4 again"));
    assert_eq!(text_of(&system), first);
    // A key that is wrong is not written at all.
    let refused = system.run("config set", &["health.errors_per_minute", "many"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(text_of(&system), first);
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_is_set_for_this_life_alone_holds_over_later_changes_of_the_file() {
    let mut system = System::new(ONE);
    system.start().wait_active();
    let before = text_of(&system);
    good(&system.run("config set", &["health.errors_per_minute", "3", "--no-persist"]));
    assert_eq!(text_of(&system), before);
    let seq = system.next_seq();
    edit(&system, "stop_grace = \"5s\"", "stop_grace = \"6s\"");
    let record = system.wait_record(seq, "config.changed", |_| true);
    assert_eq!(record["b"]["keys"].as_array().unwrap().len(), 1, "{record}");
    assert_eq!(value(&system, "health.errors_per_minute"), "3");
    assert_eq!(system.stop(), 0);
    system.start().wait_active();
    assert_eq!(value(&system, "health.errors_per_minute"), "10");
    assert_eq!(system.stop(), 0);
}

/// `strace` on the engine's recorder: from here on the journal takes its time to be durable. On that thread alone, since commands
/// take an engine that is being traced for one that is stopped.
struct Slow(Child);

impl Slow {
    fn journal_of(system: &System) -> Self {
        let threads = fs::read_dir(format!("/proc/{}/task", system.engine_pid())).unwrap();
        let mut threads = threads.map(|thread| thread.unwrap());
        let is_recorder =
            |thread: &fs::DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap() == "recorder\n";
        let recorder = threads.find(is_recorder).unwrap().file_name();
        let mut strace = Command::new("strace");
        strace.arg("-o").arg(system.path("strace.log")).args(["-e", "trace=fdatasync"]);
        strace.args(["-e", "inject=fdatasync:delay_enter=1500000", "-p"]).arg(recorder);
        let mut strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(strace.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("attached"), "{line}");
        Self(strace)
    }
}

impl Drop for Slow {
    /// It lets go of the engine.
    fn drop(&mut self) {
        signal(i32::try_from(self.0.id()).unwrap(), libc::SIGTERM);
        self.0.wait().unwrap();
    }
}

#[test]
fn nothing_that_was_set_is_lost_while_a_change_before_it_waits_for_its_record() {
    let mut system = System::new(ONE);
    system.start().wait_active();
    let slow = Slow::journal_of(&system);
    let set = |key: &str, value: &str| {
        let mut command = system.command("config set");
        command.args([key, value, "--no-persist"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    // At once, and the file changes in the same moment: before, between, or after, as it happens.
    let errors = set("health.errors_per_minute", "3");
    let seq = system.next_seq();
    edit(&system, "stop_grace = \"5s\"", "stop_grace = \"6s\"");
    let every = set("limits.sample_every", "2s");
    let stalled = set("health.queue_stalled_after", "70s");
    for (child, change) in [(errors, "10 -> 3"), (every, "\"1s\" -> \"2s\""), (stalled, "\"70s\"")] {
        let output = child.wait_with_output().unwrap();
        let shown = good(&output);
        assert!(shown.contains(change), "{shown}\n{}", system.log());
    }
    system.wait_record(seq, "config.changed", |body| body.to_string().contains("component.bot.stop_grace"));
    drop(slow);
    for (key, value) in [
        ("health.errors_per_minute", "3"),
        ("limits.sample_every", "\"2s\""),
        ("health.queue_stalled_after", "\"70s\""),
        ("component.bot.stop_grace", "\"6s\""),
    ] {
        wait_value(&system, key, value);
    }
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_mounted_config_map_is_followed_and_never_written() {
    let mut system = System::new(ONE);
    // As the kubelet mounts one: failstop.toml -> ..data/failstop.toml, ..data -> ..1/.
    let root = system.path("");
    let version = |name: &str, text: &str| {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("failstop.toml"), text).unwrap();
    };
    let swap = |name: &str, link: &Path| {
        symlink(name, root.join("link~")).unwrap();
        fs::rename(root.join("link~"), link).unwrap();
    };
    let first = text_of(&system);
    version("..1", &first);
    swap("..1", &root.join("..data"));
    swap("..data/failstop.toml", &root.join("failstop.toml"));
    system.start().wait_active();
    let seq = system.next_seq();
    version("..2", &first.replace("errors_per_minute = 10", "errors_per_minute = 7"));
    swap("..2", &root.join("..data"));
    system.wait_record(seq, "config.changed", |body| body["keys"][0]["to"] == "7");
    let refused = system.run("config set", &["health.errors_per_minute", "5"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("ConfigMap") && told.contains("kubectl"), "{told}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_limit_of_the_gate_binds_from_the_next_order_on() {
    let mut desk = Bookkeeper::new(GATE);
    desk.system.start();
    desk.system.wait_active();
    assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
    assert_eq!(desk.say(&order("p-1", "buy", "1"))["allow"], true);
    good(&desk.system.run("config set", &["gate.limits.order_notional", "500"]));
    let refused = desk.say(&order("p-2", "buy", "1"));
    assert_eq!(refused["allow"], false, "{refused}");
    assert_eq!(desk.say(&order("p-3", "buy", "0.1"))["allow"], true);
    good(&desk.system.run("config set", &["gate.limits.order_notional", "waived"]));
    let again = desk.say(&order("p-4", "buy", "1"));
    assert_eq!(again["allow"], true, "{again}");
    assert_eq!(desk.system.stop(), 0);
}
