//! Emergency actions run when everything is to end, whatever the engine is doing: once for an engagement, each with its time, and
//! without holding up the end of the bot.

use crate::system::{PATIENCE, System, alive, signal};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Output, Stdio};

const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ignore-term\"]\norders = \"asks\"\n";

/// An action that is a line of shell; `note` in it is what tells that it ran.
pub fn action(name: &str, script: &str, more: &str) -> String {
    let note = "echo $FAILSTOP_ACTION $FAILSTOP_EMERGENCY $FAILSTOP_DRILL $FAILSTOP_BEGINNING >> DIR/done";
    let script = script.replace("note", note);
    format!(
        "[[emergency.action]]\nname = \"{name}\"\nkind = \"cancel-all\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n{more}\n"
    )
}

pub fn system(actions: &str) -> System {
    System::new(&format!("{BOT}{actions}"))
}

pub fn done(system: &System) -> Vec<String> {
    let text = fs::read_to_string(system.path("done")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
pub fn engage(system: &System, exit: i32) -> String {
    ended(&system.run("kill-switch engage", &["--reason", "test"]), exit)
}

#[track_caller]
pub fn ended(output: &Output, exit: i32) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    said
}

#[track_caller]
pub fn until(what: &str, system: &System, mut holds: impl FnMut() -> bool) {
    system.until(what, || holds().then_some(()));
}

pub fn records(system: &System, kind: &str) -> Vec<Value> {
    let kind = format!("x.failstop.emergency_{kind}");
    system.records().into_iter().filter(|record| record["t"] == *kind).map(|record| record["b"].clone()).collect()
}

#[track_caller]
pub fn release(system: &System) {
    let name = system.name.clone();
    ended(&system.run("kill-switch release", &["--reason", "over", "--confirm", &name]), 0);
}

/// The emergency stop by the control socket: nobody but the engine knows of it.
pub fn stop_by_socket(system: &System) {
    let mut stream = UnixStream::connect(system.path("run/control.sock")).unwrap();
    let body = r#"{"reason":"test"}"#;
    let head = "POST /api/control/emergency-stop HTTP/1.1\r\nhost: failstop\r\nconnection: close\r\ncontent-type: application/json";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn an_engine_that_runs_and_commands_that_race_run_each_once() {
    let mut system = system(&(action("first", "note", "") + &action("second", "sleep 0.2; note", "")));
    system.start();
    system.wait_active();
    let spawn = || {
        let mut command = system.command("kill-switch engage");
        command.args(["--reason", "test"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    for command in [spawn(), spawn()] {
        let said = ended(&command.wait_with_output().unwrap(), 0);
        assert!(said.contains("second: done after"), "{said}");
        assert!(said.contains("positions at the venue stay as they are"), "{said}");
    }
    let each = ["first kill-switch 0 1", "second kill-switch 0 1"];
    assert_eq!(done(&system), each);
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    let actions = records(&system, "action");
    assert_eq!(actions.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(
        (&actions[0]["outcome"], &actions[0]["status"], &actions[0]["drill"]),
        (&"done".into(), &0.into(), &false.into())
    );
    assert_eq!(records(&system, "begun").len(), 1);
    // Once for an engagement, however often it is engaged and started.
    assert!(engage(&system, 0).contains("were run for this engagement"));
    assert_eq!(system.stop(), 5);
    system.start();
    system.wait_status("the kill switch", |status| status["kill_switch"] == true);
    engage(&system, 0);
    assert_eq!(done(&system), each);
    let status = String::from_utf8(system.run("kill-switch status", &[]).stdout).unwrap();
    assert!(status.contains("first: done after"), "{status}");
    // Another engagement is another run.
    release(&system);
    system.wait_active();
    engage(&system, 0);
    assert_eq!(done(&system).len(), 4);
    until("the journal has both", &system, || records(&system, "ended").len() == 2);
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_frozen_engine_has_them_run_by_the_command_and_runs_nothing_when_it_wakes() {
    let mut system = system(&action("cancel", "note", ""));
    system.start();
    system.wait_active();
    let engine = system.engine_pid();
    signal(engine, libc::SIGSTOP);
    engage(&system, 0);
    assert_eq!(done(&system), ["cancel kill-switch 0 1"]);
    signal(engine, libc::SIGCONT);
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    assert_eq!(system.stop(), 5);
    assert_eq!(done(&system).len(), 1);
}

#[test]
fn a_dead_engine_has_them_run_by_the_command_and_the_next_one_takes_them_in() {
    let mut system = system(&action("cancel", "echo bye; note", ""));
    system.start();
    system.wait_active();
    signal(system.engine_pid(), libc::SIGKILL);
    system.wait_end();
    engage(&system, 0);
    for _ in 0..2 {
        system.start();
        until("the journal has it", &system, || records(&system, "ended").len() == 1);
        assert_eq!(system.stop(), 5);
    }
    assert_eq!(records(&system, "action").len(), 1);
    assert_eq!(records(&system, "action")[0]["said"][0], "bye");
    assert_eq!(done(&system), ["cancel kill-switch 0 1"]);
}

#[test]
fn a_system_that_was_never_started_and_a_configuration_that_cannot_be_read() {
    let mut system = system(&action("cancel", "note", ""));
    let sound = fs::read_to_string(system.path("failstop.toml")).unwrap();
    let broken = format!("{sound}\nnonsense = = 3\n");
    // Nothing was ever written down: it is said, and no good news.
    fs::write(system.path("failstop.toml"), &broken).unwrap();
    let said = engage(&system, 1);
    assert!(said.contains("not run: ") && said.contains("failstop.toml cannot be used"), "{said}");
    fs::write(system.path("failstop.toml"), &sound).unwrap();
    engage(&system, 0);
    assert_eq!(done(&system).len(), 1);
    system.start();
    system.wait_status("the kill switch", |status| status["kill_switch"] == true);
    release(&system);
    system.wait_active();
    assert_eq!(system.stop(), 0);
    // By now a start has written it down.
    fs::write(system.path("failstop.toml"), &broken).unwrap();
    let said = engage(&system, 0);
    assert!(said.contains("these are the actions of the last start"), "{said}");
    assert_eq!(done(&system).len(), 2);
    let refused = ended(&system.run("kill-switch drill", &[]), 1);
    assert!(refused.contains("is engaged"), "{refused}");
}

#[test]
fn one_that_hangs_holds_up_neither_the_end_of_the_bot_nor_the_next_one_and_ends_with_everything_below_it() {
    let hang = "echo stuck; (setsid sleep 1000 & echo $! > DIR/below); echo $$ > DIR/hangs; exec sleep 1000";
    let mut system = system(
        &(action("hangs", hang, "timeout = \"2s\"")
            + &action("fails", "echo no such order >&2; exit 4", "tries = 2")
            + &action("last", "note", "")),
    );
    system.start();
    system.wait_active();
    let command = {
        let mut command = system.command("kill-switch engage");
        command.args(["--reason", "test"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    system.wait_no_survivors(PATIENCE);
    let status: Value = {
        let output = system.run("kill-switch status", &["--format", "json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert!(status["emergency"]["run"]["steps"][0]["ended"].is_null(), "the bot was gone first: {status}");
    let said = ended(&command.wait_with_output().unwrap(), 1);
    assert!(said.contains("hangs: failed after 2.") && said.contains("killed with everything below it"), "{said}");
    assert!(
        said.contains("> stuck") && said.contains("and 2 tries: exit status 4") && said.contains("> no such order"),
        "{said}"
    );
    assert!(said.contains("open orders and positions at the venue stay as they are"), "{said}");
    for name in ["hangs", "below"] {
        let pid = fs::read_to_string(system.path(name)).unwrap().trim().parse().unwrap();
        assert!(!alive(pid), "{name}");
    }
    assert_eq!(done(&system), ["last kill-switch 0 1"]);
    let alerts = || String::from_utf8(system.run("alerts list", &[]).stdout).unwrap();
    until("people are told", &system, || alerts().contains("2 of 3 emergency actions FAILED"));
    release(&system);
    until("and that it is over", &system, || {
        !alerts().contains("emergency actions FAILED") || alerts().contains("over")
    });
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_it_leaves_in_the_background_is_killed_and_what_it_prints_holds_nobody_up() {
    let noisy = "yes no order is open | head -c 20000000; exit 3";
    let system = system(
        &(action(
            "forks",
            "setsid sh -c 'echo $$ > DIR/bg; exec sleep 1000' & while [ ! -s DIR/bg ]; do :; done; note",
            "",
        ) + &action("noisy", noisy, "success = [0, 3]")
            + &action("gone", "exit 0", "").replace("\"sh\"", "\"./nowhere\"")),
    );
    let said = engage(&system, 1);
    assert!(said.contains("forks: done after") && said.contains("1 process that it left was killed"), "{said}");
    assert!(said.contains("noisy: done after"), "{said}");
    assert!(said.contains("gone: failed after") && said.contains("not started: ./nowhere not found"), "{said}");
    let pid = fs::read_to_string(system.path("bg")).unwrap().trim().parse().unwrap();
    assert!(!alive(pid));
    let run = fs::read_to_string(system.path("state/emergency/run-kill-switch.json")).unwrap();
    assert!(run.len() < 20_000, "{} bytes", run.len());
    let run: Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["steps"][1]["ended"]["said_bytes"], 20_000_000);
}

#[test]
fn an_engine_that_dies_in_the_middle_leaves_the_rest_to_the_next_one() {
    let mut system = system(
        &(action("first", "note", "")
            + &action("second", "note; [ $FAILSTOP_BEGINNING -ge 2 ] || exec sleep 1000", "timeout = \"5m\"")
            + &action("third", "note", "")),
    );
    system.start();
    system.wait_active();
    stop_by_socket(&system);
    until("the second is begun", &system, || done(&system).len() == 2);
    signal(system.engine_pid(), libc::SIGKILL);
    system.wait_end();
    assert_eq!(done(&system).len(), 2);
    system.start();
    until("all are run", &system, || records(&system, "ended").len() == 1);
    let all = ["first kill-switch 0 1", "second kill-switch 0 1", "second kill-switch 0 2", "third kill-switch 0 1"];
    assert_eq!(done(&system), all);
    assert_eq!(records(&system, "action")[1]["beginnings"], 2);
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_command_that_is_killed_leaves_them_running_and_a_stop_waits_for_those_of_the_engine() {
    let waits = "note; while [ ! -e DIR/go ]; do sleep 0.02; done; echo over >> DIR/done";
    let mut system = system(&action("waits", waits, "timeout = \"5m\""));
    let mut command = system.command("kill-switch engage");
    command.args(["--reason", "test"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut command = command.spawn().unwrap();
    until("it is begun", &system, || done(&system).len() == 1);
    command.kill().unwrap();
    command.wait().unwrap();
    // The engine that is started meanwhile finds it at work, and refuses to release.
    system.start();
    system.wait_status("the kill switch", |status| status["kill_switch"] == true);
    let name = system.name.clone();
    let refused = ended(&system.run("kill-switch release", &["--reason", "over", "--confirm", &name]), 1);
    assert!(refused.contains("emergency actions still run"), "{refused}");
    fs::write(system.path("go"), "").unwrap();
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    assert_eq!(done(&system), ["waits kill-switch 0 1", "over"]);
    until("nobody runs them", &system, || {
        system.run("kill-switch release", &["--reason", "over", "--confirm", &name]).status.code() == Some(0)
    });
    system.wait_active();
    fs::remove_file(system.path("go")).unwrap();
    stop_by_socket(&system);
    until("it is begun again", &system, || done(&system).len() == 3);
    signal(system.guard_pid(), libc::SIGTERM);
    system.wait_log("asked for by a signal");
    system.wait_no_survivors(PATIENCE);
    assert!(alive(system.guard_pid()), "what is being done at the venue is not cut off");
    fs::write(system.path("go"), "").unwrap();
    assert_eq!(system.wait_end(), 5);
    assert_eq!(done(&system).last().map(String::as_str), Some("over"));
}

#[test]
fn a_command_spares_those_that_the_engine_runs() {
    let waits = "note; while [ ! -e DIR/go ]; do sleep 0.02; done";
    let mut system = system(&action("waits", waits, "timeout = \"5m\""));
    system.start();
    system.wait_active();
    stop_by_socket(&system);
    until("it is begun", &system, || done(&system).len() == 1);
    let mut command = system.command("kill-switch engage");
    command.args(["--reason", "me, too"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut command = command.spawn().unwrap();
    let mut said = BufReader::new(command.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for their end") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it waits for what runs already");
    }
    fs::write(system.path("go"), "").unwrap();
    said.read_to_string(&mut line).unwrap();
    assert_eq!(command.wait().unwrap().code(), Some(0), "{line}");
    assert!(line.contains("waits: done after"), "{line}");
    assert_eq!(done(&system), ["waits kill-switch 0 1"]);
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_drill_rehearses_them_and_changes_nothing() {
    let mut system = system(
        &(action("cancel", "note; [ ! -e DIR/fail ] || exit 7", "")
            + &action("waits", "[ ! -e DIR/wait ] || { touch DIR/waiting; exec sleep 1000; }", "timeout = \"5m\"")),
    );
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    let said = ended(&system.run("kill-switch drill", &[]), 0);
    assert!(said.contains("nothing is revoked") && said.contains("2 done, 0 not"), "{said}");
    assert_eq!(done(&system), ["cancel drill 1 1"]);
    assert!(!system.path("state/kill-switch").exists());
    assert_eq!(system.wait_active()["kill_switch"], false);
    assert_eq!(system.pid_of("bot"), Some(bot));
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    assert!(records(&system, "action").iter().all(|record| record["drill"] == true && record["cause"] == "drill"));
    fs::write(system.path("fail"), "").unwrap();
    let said = ended(&system.run("kill-switch drill", &[]), 1);
    assert!(said.contains("exit status 7") && said.contains("1 done, 1 not"), "{said}");
    fs::remove_file(system.path("fail")).unwrap();
    // A drill holds up nothing real.
    fs::write(system.path("wait"), "").unwrap();
    let mut drill = system.command("kill-switch drill");
    let drill = drill.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the drill is in its second action", &system, || system.path("waiting").exists());
    fs::remove_file(system.path("wait")).unwrap();
    engage(&system, 0);
    let said = ended(&drill.wait_with_output().unwrap(), 1);
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(done(&system).last().map(String::as_str), Some("cancel kill-switch 0 1"));
    let refused = ended(&system.run("kill-switch drill", &[]), 1);
    assert!(refused.contains("is engaged"), "{refused}");
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_fail_safe_shutdown_runs_them_once_and_a_kill_switch_its_own() {
    let dies = "[[component]]\nname = \"dies\"\ncommand = [\"false\"]\norders = \"none\"\nstart_limit = { starts = 1, within = \"300s\" }\n\
                backoff = { initial = \"10ms\" }\n";
    let actions = action("both", "note", "") + &action("only", "note", "when = [\"failsafe\"]");
    let mut system = System::new(&format!("{dies}{actions}"));
    system.start();
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    let each = ["both failsafe 0 1", "only failsafe 0 1"];
    assert_eq!(done(&system), each);
    assert_eq!(system.stop(), 5);
    system.start();
    system.wait_status("shutdown", |status| status["permission"] == "shutdown");
    engage(&system, 0);
    until("the journal has the kill switch's, too", &system, || records(&system, "ended").len() == 2);
    assert_eq!(done(&system), ["both failsafe 0 1", "only failsafe 0 1", "both kill-switch 0 1"]);
    assert_eq!(system.stop(), 5);
}

#[test]
fn root_runs_what_is_somebody_elses_as_that_one() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can be root");
        return;
    }
    const USER: u32 = 12_345;
    let who = "id -u > DIR/who; exit 0";
    let mut system = system(&action("who", who, "")).run_as(USER);
    let run = |system: &System| {
        let mut command = std::process::Command::new(crate::system::failstop());
        command.args(["kill-switch", "engage", "--reason", "test", "--config"]).arg(system.path("failstop.toml"));
        command.output().unwrap()
    };
    ended(&run(&system), 0);
    assert_eq!(fs::read_to_string(system.path("who")).unwrap().trim(), USER.to_string());
    let owner = |path: &Path| std::os::unix::fs::MetadataExt::uid(&fs::metadata(path).unwrap());
    for file in ["state/emergency", "state/emergency/lock", "state/emergency/run-kill-switch.json"] {
        assert_eq!(owner(&system.path(file)), USER, "{file}");
    }
    // So that user's engine takes it in.
    system.start();
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    assert_eq!(system.stop(), 5);
}

#[test]
fn root_gets_the_owner_of_a_configuration_nothing_that_is_not_that_ones() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can be root");
        return;
    }
    const USER: u32 = 12_345;
    let roots = tempfile::tempdir().unwrap();
    let at = |name: &str| roots.path().join(name);
    fs::write(at("keys"), "KEY=roots own\n").unwrap();
    // Anybody may pass to what root alone may enter.
    fs::set_permissions(roots.path(), fs::Permissions::from_mode(0o711)).unwrap();
    fs::create_dir(at("private")).unwrap();
    fs::set_permissions(at("private"), fs::Permissions::from_mode(0o700)).unwrap();
    let action = |name: &str, more: &str| {
        action(name, "note; env > DIR/env", more).replace("ROOTS", roots.path().to_str().unwrap())
    };
    let actions = action("keys", "env_file = \"ROOTS/keys\"")
        + &action("link", "env_file = \"link\"")
        + &action("pipe", "env_file = \"pipe\"")
        + &action("folder", "working_dir = \"ROOTS/private\"")
        + &action("inherits", "inherit_env = [\"SECRET\"]\nenv_file = \"own\"");
    let system = system(&actions).run_as(USER);
    let theirs = |name: &str| std::os::unix::fs::lchown(system.path(name), Some(USER), Some(USER)).unwrap();
    symlink(at("keys"), system.path("link")).unwrap();
    nix::unistd::mkfifo(&system.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(system.path("own"), "OWN=1\n").unwrap();
    for name in ["link", "pipe", "own"] {
        theirs(name);
    }
    let run = || {
        let mut command = std::process::Command::new(crate::system::failstop());
        command.args(["kill-switch", "engage", "--reason", "test", "--config"]).arg(system.path("failstop.toml"));
        command.env("SECRET", "roots own").output().unwrap()
    };
    let said = ended(&run(), 1);
    for (name, why) in [
        ("keys", "keys is root (0)'s"),
        ("link", "link is no regular file"),
        ("pipe", "pipe is no regular file"),
        ("folder", "private: Permission denied"),
    ] {
        let line = said.lines().find(|line| line.contains(&format!(" {name}: "))).unwrap_or_default();
        assert!(line.contains(why), "{name}: {said}");
    }
    assert_eq!(done(&system), ["inherits kill-switch 0 1"], "{said}");
    let given = fs::read_to_string(system.path("env")).unwrap();
    assert!(given.contains("OWN=1") && !given.contains("roots own"), "{given}");
    // What others may write is nobody's word; and a link of theirs leads root nowhere.
    fs::remove_dir_all(system.path("state")).unwrap();
    fs::set_permissions(system.path("failstop.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    let said = ended(&run(), 1);
    assert!(said.contains("not run: ") && said.contains("may be written by others"), "{said}");
    fs::set_permissions(system.path("failstop.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    symlink(at("private"), system.path("state/emergency")).unwrap();
    let said = ended(&run(), 1);
    assert!(said.contains("is a symbolic link, which root does not follow"), "{said}");
    assert_eq!(done(&system).len(), 2, "it is run all the same: {said}");
    assert_eq!(fs::read_dir(at("private")).unwrap().count(), 0);
}

/// A venue in a file, in the place of ccxt.
const CCXT: &str = r#"
import json, os
class BaseError(Exception): pass
class OrderNotFound(BaseError): pass
class kraken:
    def __init__(self, settings):
        assert (settings["apiKey"], settings["secret"]) == ("key", "a secret of its own")
        print("with", settings["secret"])
    def fetch_open_orders(self):
        return json.load(open(os.environ["BOOK"]))
    def cancel_order(self, id, symbol):
        left = [order for order in self.fetch_open_orders() if order["id"] != id]
        json.dump(left, open(os.environ["BOOK"], "w"))
        if id == "gone":
            raise OrderNotFound(id)
"#;

#[test]
fn the_example_cancels_what_is_open_and_in_a_drill_nothing() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/emergency");
    let text = fs::read_to_string(examples.join("failstop-emergency.toml")).unwrap();
    let script = examples.join("cancel_all.py");
    let text = text.replace("/opt/demo/cancel_all.py", script.to_str().unwrap());
    let text = text.replace("/etc/failstop/venue-emergency.env", "venue.env");
    let text =
        text.replace("timeout = \"20s\"", "timeout = \"20s\"\nenv = { PYTHONPATH = \"DIR\", BOOK = \"DIR/book\" }");
    let system = system(&text);
    fs::write(system.path("ccxt.py"), CCXT).unwrap();
    fs::write(system.path("venue.env"), "VENUE_KEY=key\nVENUE_SECRET=\"a secret of its own\"\n").unwrap();
    let orders = r#"[{"id": "1", "symbol": "BTC/USD"}, {"id": "gone", "symbol": "BTC/USD"}]"#;
    fs::write(system.path("book"), orders).unwrap();
    ended(&system.run("kill-switch drill", &[]), 0);
    assert_eq!(fs::read_to_string(system.path("book")).unwrap(), orders);
    engage(&system, 0);
    assert_eq!(fs::read_to_string(system.path("book")).unwrap(), "[]");
    let run = fs::read_to_string(system.path("state/emergency/run-kill-switch.json")).unwrap();
    assert!(run.contains("with ***") && run.contains("0 open orders left"), "{run}");
    assert!(!run.contains("a secret of its own"), "{run}");
}
