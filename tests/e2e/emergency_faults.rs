//! Emergency actions on the worst day: no disk for their marks, no journal, no process to be had, nobody who reads what they say.

use crate::emergency::{action, done, ended, engage, records, release, stop_by_socket, system, until};
use crate::system::{System, alive, signal};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

fn alerts(system: &System) -> String {
    String::from_utf8(system.run("alerts list", &[]).stdout).unwrap()
}

fn quiet(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// `strace` that has one call of the engine's fail, once it is attached: to every thread (`-f`) or to that of its loop.
fn with_fault(system: &System, threads: &[&str], calls: &str, fault: &str) -> Child {
    let mut strace = Command::new("strace");
    strace.args(threads).arg("-o").arg(system.path("strace.log"));
    strace.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{fault}"), "-p"]);
    strace.arg(system.engine_pid().to_string());
    let mut strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = [0_u8; 64];
    // Its first words say that it is attached.
    assert!(strace.stderr.as_mut().unwrap().read(&mut said).unwrap() > 0);
    strace
}

#[test]
fn marks_that_cannot_be_kept_have_nothing_run_again_and_are_told() {
    let mut system = system(&(action("cancel", "note; echo bye", "") + &action("fails", "exit 4", "")));
    system.start();
    system.wait_active();
    fs::remove_dir_all(system.path("state/emergency")).unwrap();
    fs::write(system.path("state/emergency"), "").unwrap();
    stop_by_socket(&system);
    until("people are told", &system, || alerts(&system).contains("emergency actions"));
    let told = alerts(&system);
    assert!(told.contains("1 of 2 emergency actions FAILED"), "{told}");
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    assert!(!records(&system, "ended")[0]["not_kept"].is_null());
    assert_eq!(system.stop(), 5);
    assert_eq!(done(&system), ["cancel kill-switch 0 1"]);
    let log = system.log();
    assert_eq!(log.matches("kill-switch: running cancel, fails").count(), 1, "{log}");
    assert!(log.contains("fails: failed after") && !log.contains("NOT RUN") && !log.contains("given up"), "{log}");
}

#[test]
fn after_a_failure_of_the_journal_people_are_told_how_they_ended() {
    let dies = "[[component]]\nname = \"bot\"\ncommand = [\"python3\", \"recorder.py\", \"DIR/acknowledged\"]\norders = \"asks\"\n";
    let mut system = System::new(&format!("{dies}{}", action("cancel", "note; exit 4", "")));
    fs::write(system.path("recorder.py"), crate::storage::RECORDER).unwrap();
    system.start();
    system.wait_active();
    let mut strace = with_fault(&system, &["-f"], "fdatasync", "error=EIO:when=20");
    assert_eq!(system.wait_end(), 6, "{}", system.log());
    let _ = strace.kill();
    let _ = strace.wait();
    assert_eq!(done(&system), ["cancel failsafe 0 1"]);
    let log = system.log();
    assert!(log.contains("cancel: failed after"), "{log}");
    let told = alerts(&system);
    assert!(told.contains("1 of 1 emergency actions FAILED"), "{told}\n{log}");
}

#[test]
fn a_process_that_cannot_be_had_at_once_is_tried_for_again() {
    let mut system = system(&action("cancel", "note", ""));
    system.start();
    system.wait_active();
    let mut strace = with_fault(&system, &[], "clone3,vfork,clone", "error=EAGAIN:when=1");
    stop_by_socket(&system);
    until("it is run", &system, || done(&system).len() == 1);
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    let traced = fs::read_to_string(system.path("strace.log")).unwrap();
    let _ = strace.kill();
    let _ = strace.wait();
    assert!(traced.contains("(INJECTED)"), "{traced}");
    assert!(system.log().contains("no process could be started"), "{}", system.log());
    assert!(!alerts(&system).contains("NOT RUN"));
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_fail_safe_shutdown_cancels_nothing_while_a_bot_that_places_orders_lives() {
    let dies = "[[component]]\nname = \"dies\"\ncommand = [\"sh\", \"-c\", \"while [ ! -e DIR/die ]; do sleep 0.02; done; exit 1\"]\n\
                orders = \"none\"\nstart_limit = { starts = 1, within = \"300s\" }\nbackoff = { initial = \"10ms\" }\n";
    let bot =
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ignore-term\"]\norders = \"asks\"\nstop_grace = \"2s\"\n";
    let script = "note; if kill -0 $(cat DIR/botpid); then echo lives; else echo gone; fi >> DIR/done";
    let mut system = System::new(&format!("{bot}{dies}{}", action("cancel", script, "")));
    system.start();
    system.wait_active();
    fs::write(system.path("botpid"), system.pid_of("bot").unwrap().to_string()).unwrap();
    fs::write(system.path("die"), "").unwrap();
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    assert_eq!(done(&system), ["cancel failsafe 0 1", "gone"]);
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_drill_begins_nothing_once_the_kill_switch_is_engaged() {
    let waits = "[ $FAILSTOP_DRILL = 0 ] || { touch DIR/waiting; exec sleep 1000; }";
    let actions =
        action("cancel", "note", "") + &action("waits", waits, "timeout = \"5m\"") + &action("third", "note", "");
    // Also of a system that has no state yet in which a latch could be seen.
    for was_started in [false, true] {
        let mut system = system(&actions);
        if was_started {
            system.start();
            system.wait_active();
            assert_eq!(system.stop(), 0);
        }
        let drill = quiet(system.command("kill-switch drill"));
        until("the drill is in its second action", &system, || system.path("waiting").exists());
        engage(&system, 0);
        let said = ended(&drill.wait_with_output().unwrap(), 1);
        assert!(said.contains("1 done, 2 not"), "{said}");
        assert_eq!(done(&system), ["cancel drill 1 1", "cancel kill-switch 0 1", "third kill-switch 0 1"]);
        if was_started {
            let run = fs::read(system.path("state/emergency/run-drill.json")).unwrap();
            let run: Value = serde_json::from_slice(&run).unwrap();
            assert_eq!(run["steps"][2]["ended"]["outcome"]["outcome"], "interrupted", "{run}");
            assert!(run["finished"].is_null(), "it did not come to its end: {run}");
        }
    }
}

#[test]
fn who_interrupts_a_drill_ends_it_with_everything_below_it() {
    let system = system(&action("waits", "echo $$ > DIR/waiting; exec sleep 1000", "timeout = \"5m\""));
    let mut command = system.command("kill-switch drill");
    command.process_group(0);
    let mut drill = quiet(command);
    until("it is begun", &system, || fs::read_to_string(system.path("waiting")).is_ok_and(|text| text.ends_with('\n')));
    let pid = fs::read_to_string(system.path("waiting")).unwrap().trim().parse().unwrap();
    // As a terminal does: to the whole group.
    let group = nix::unistd::Pid::from_raw(i32::try_from(drill.id()).unwrap());
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGINT).unwrap();
    drill.wait().unwrap();
    until("the action is gone", &system, || !alive(pid));
}

/// A pipe that holds nothing more, and whose other end is read by nobody until it is dropped.
fn full_pipe() -> (std::io::PipeReader, OwnedFd) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: flags of an open descriptor.
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    while writer.write(&[b'x'; 512]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    // SAFETY: as above.
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, 0) };
    (reader, writer.into())
}

#[test]
fn output_that_nobody_takes_holds_no_action_up() {
    // More words than a pipe holds: each has what every action said.
    let says = "note; printf '%0200d\\n' 1 2 3 4 5 6";
    let many: String = (0..16).map(|n| action(&format!("a{n}"), says, "")).collect();
    let system = system(&many);
    let (reader, writer) = full_pipe();
    let mut command = system.command("kill-switch engage");
    command.args(["--reason", "test"]).stdin(Stdio::null()).stdout(Stdio::from(writer)).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    until("every one is run", &system, || done(&system).len() == 16);
    until("and it is written down", &system, || {
        let run = fs::read(system.path("state/emergency/run-kill-switch.json")).unwrap_or_default();
        serde_json::from_slice::<Value>(&run).is_ok_and(|run| run["finished"].is_string())
    });
    drop(reader);
    child.wait().unwrap();
}

#[test]
fn what_a_dead_runner_left_is_killed_before_its_action_is_begun_again() {
    let forks = "setsid sh -c 'echo $$ > DIR/below; exec sleep 1000' & while [ ! -s DIR/below ]; do :; done; note; \
                 [ $FAILSTOP_BEGINNING -ge 2 ] || exec sleep 1000";
    let script = format!(
        "if [ $FAILSTOP_BEGINNING -ge 2 ]; then grep -qs sleep /proc/$(cat DIR/below)/cmdline && echo lives >> DIR/done; note; else {forks}; fi"
    );
    let system = system(&action("forks", &script, "timeout = \"5m\""));
    let first = {
        let mut command = system.command("kill-switch engage");
        command.args(["--reason", "test"]);
        quiet(command)
    };
    until("it is begun", &system, || done(&system).len() == 1);
    let below: i32 = fs::read_to_string(system.path("below")).unwrap().trim().parse().unwrap();
    let status = system.run("kill-switch status", &["--format", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    signal(i32::try_from(status["emergency"]["running"].as_i64().unwrap()).unwrap(), libc::SIGKILL);
    first.wait_with_output().unwrap();
    engage(&system, 0);
    let lives = alive(below);
    if lives {
        signal(below, libc::SIGKILL);
    }
    assert_eq!(done(&system), ["forks kill-switch 0 1", "forks kill-switch 0 2"]);
    assert!(!lives);
}

#[test]
fn a_latch_without_words_is_another_one_after_a_release_that_a_crash_cut_short() {
    let mut system = system(&action("cancel", "note", ""));
    system.start();
    system.wait_active();
    fs::write(system.path("state/kill-switch"), "").unwrap();
    until("the journal has it", &system, || records(&system, "ended").len() == 1);
    let file = system.path("state/emergency/run-kill-switch.json");
    let run = fs::read(&file).unwrap();
    release(&system);
    system.wait_active();
    assert_eq!(system.stop(), 0);
    // As a crash after the latch was gone would have left it.
    fs::write(&file, run).unwrap();
    system.start();
    system.wait_active();
    fs::write(system.path("state/kill-switch"), "").unwrap();
    until("it is run for this one, too", &system, || done(&system).len() == 2);
    until("the journal has it, too", &system, || records(&system, "ended").len() == 2);
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_command_that_could_not_write_the_latch_to_its_end_runs_nothing_beside_the_engine() {
    let mut system = system(&action("cancel", "note", ""));
    system.start();
    system.wait_active();
    // It looks at the latch after everything was run.
    let engine = system.engine_pid();
    signal(engine, libc::SIGSTOP);
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(system.path("strace.log")).args(["-e", "trace=fsync", "-e", "inject=fsync:error=EIO"]);
    strace.arg(crate::system::failstop()).args(["kill-switch", "engage", "--reason", "test", "--config"]);
    let said = ended(&strace.arg(system.path("failstop.toml")).stdin(Stdio::null()).output().unwrap(), 1);
    signal(engine, libc::SIGCONT);
    assert!(said.contains("could not be written"), "{said}");
    system.wait_status("the kill switch", |status| status["kill_switch"] == true);
    assert_eq!(system.stop(), 5);
    assert_eq!(done(&system), ["cancel kill-switch 0 1"], "{said}");
}

#[test]
fn what_an_action_prints_is_covered_wherever_it_is_kept() {
    let address = "0x52908400098527886E0F7030069857D2E4169EE7";
    let keys = "env = { OWN_KEY = \"hunter2-own\" }\ninherit_env = [\"VENUE_*\"]";
    let script = format!("echo paid to {address} by $OWN_KEY and $VENUE_KEY; note");
    let mut system = system(&action("pays", &script, keys));
    system.start();
    system.wait_active();
    // So the command has to run it, whose environment it inherits.
    signal(system.engine_pid(), libc::SIGSTOP);
    let mut command = system.command("kill-switch engage");
    let said = command.args(["--reason", "test"]).env("VENUE_KEY", "hunter2-inherited").stdin(Stdio::null()).output();
    signal(system.engine_pid(), libc::SIGCONT);
    let said = ended(&said.unwrap(), 0);
    until("the journal has it", &system, || records(&system, "action").len() == 1);
    assert_eq!(records(&system, "action")[0]["said"], serde_json::json!(["paid to …169EE7 by *** and ***"]));
    let kept = fs::read_to_string(system.path("state/emergency/run-kill-switch.json")).unwrap();
    let journal: String = system.records().iter().map(|record| record["b"].to_string()).collect();
    for text in [&said, &kept, &journal, &system.log()] {
        assert!(!text.contains(&address[2..20]) && !text.contains("hunter2"), "{text}");
    }
    assert_eq!(system.stop(), 5);
}
