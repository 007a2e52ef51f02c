//! What components print reaches whoever it is for, and never holds a component up.

use crate::system::{PATIENCE, System, alive, failstop, signal};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

/// Prints numbered lines, says so in the file `printed`, and lives on.
fn printing(count: u32, output: &str) -> System {
    System::new(&format!(
        "[[component]]\nname = \"bot\"\norders = \"none\"\n\
         command = [\"/bin/sh\", \"-c\", \"seq -f 'line %.0f of a bot that has much to say' {count}; touch printed; exec sleep 1000\"]\n\
         [output]\n{output}\n[limits]\nsample_every = \"1s\"\n"
    ))
}

#[track_caller]
fn wait_for(what: &str, system: &System, mut done: impl FnMut() -> bool) {
    system.until(what, || done().then_some(()));
}

#[test]
fn following_over_rotations_loses_no_line_and_repeats_none() {
    const LINES: u32 = 20_000;
    // A hundred files of 16 KiB hold all of it: what is missing then was lost by whoever reads.
    let mut system = printing(LINES, "max_size = \"16KiB\"\nfiles = 100");
    std::fs::create_dir_all(system.path("state/logs")).unwrap();
    let mut follow = system.command("logs --follow --lines 1000000 bot").stdout(Stdio::piped()).spawn().unwrap();
    let printed = BufReader::new(follow.stdout.take().unwrap());
    system.start();
    let mut next = 1;
    for line in printed.lines().map(Result::unwrap).filter(|line| !line.starts_with("-- failstop")) {
        assert_eq!(line, format!("line {next} of a bot that has much to say"));
        next += 1;
        if next > LINES {
            break;
        }
    }
    assert_eq!(next, LINES + 1);
    signal(i32::try_from(follow.id()).unwrap(), libc::SIGTERM);
    follow.wait().unwrap();
    assert!(system.path("state/logs/bot.log.5").exists(), "it was rotated meanwhile");

    // And without an engine.
    assert_eq!(system.stop(), 0);
    let logs = |arguments: &[&str]| {
        let output = system.run("logs", arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let last = format!("line {LINES} of a bot that has much to say");
    let few = logs(&["bot", "--lines", "3"]);
    assert!(few.lines().count() == 3 && few.contains("-- failstop 2"), "{few}");
    let all = logs(&["--since", "1h"]);
    assert!(all.lines().count() > 20_000 && all.contains(&format!("bot | {last}\n")), "{}", all.lines().count());
    assert_eq!(logs(&["--since", "2100-01-01"]), "");
    let unknown = system.run("logs", &["bto"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(unknown.status.code() == Some(2) && said.contains("there is output of: bot"), "{said}");
}

#[test]
fn the_journal_daemon_gets_every_line_with_its_fields() {
    let script = r#"
import json, sys
print("plain")
print("<3>urgent", file=sys.stderr, flush=True)
print(json.dumps({"level": "warning", "message": "spread is wide", "pair": "BTC/USD", "COMPONENT": "other"}))
for n in range(2000):
    print(json.dumps({"severity": "debug", "msg": "tick", "n": n}))
sys.stdout.flush()
import time; time.sleep(1000)
"#;
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\norders = \"none\"\ncommand = [\"python3\", \"-c\", '''{script}''']\n\
         [output]\nto = [\"journal\"]\njournal_socket = \"DIR/journal\"\n"
    ));
    let daemon = UnixDatagram::bind(system.path("journal")).unwrap();
    daemon.set_read_timeout(Some(PATIENCE)).unwrap();
    system.start();
    let mut buffer = vec![0; 65_536];
    let mut entries = Vec::new();
    let mut ticks = 0;
    while ticks < 2_000 {
        let length = daemon.recv(&mut buffer).unwrap();
        let entry = String::from_utf8(buffer[..length].to_vec()).unwrap();
        let fields: Vec<&str> = entry.lines().collect();
        assert!(fields.contains(&"COMPONENT=bot") && fields.contains(&"SYSLOG_IDENTIFIER=bot"), "{entry}");
        assert!(fields.contains(&format!("FAILSTOP_SYSTEM={}", system.name).as_str()), "{entry}");
        if fields.contains(&"MESSAGE=tick") {
            assert!(fields.contains(&format!("N={ticks}").as_str()) && fields.contains(&"PRIORITY=7"), "{entry}");
            ticks += 1;
        }
        entries.push(entry);
    }
    for (message, field) in [
        ("plain", "PRIORITY=6"),
        ("urgent", "PRIORITY=3"),
        ("spread is wide", "PRIORITY=4"),
        ("spread is wide", "PAIR=BTC/USD"),
        ("spread is wide", "BOT_COMPONENT=other"),
    ] {
        let found = entries.iter().find(|entry| entry.starts_with(&format!("MESSAGE={message}\n")));
        let entry = found.unwrap_or_else(|| panic!("nothing says {message}"));
        assert!(entry.lines().any(|line| line == field), "{entry}");
    }
    assert!(entries.iter().any(|entry| entry.starts_with("MESSAGE=-- failstop start 1: ")));
    assert!(!system.path("state/logs/bot.log").exists(), "asked for the journal alone");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_standard_output_that_is_the_journals_gets_entries_and_no_text() {
    use std::os::linux::fs::MetadataExt as _;
    let mut system = printing(3, "to = [\"stdout\"]\njournal_socket = \"DIR/journal\"");
    let daemon = UnixDatagram::bind(system.path("journal")).unwrap();
    daemon.set_read_timeout(Some(PATIENCE)).unwrap();
    std::fs::write(system.path("run.log"), "").unwrap();
    let stream = std::fs::metadata(system.path("run.log")).unwrap();
    let named = format!("{}:{}", stream.st_dev(), stream.st_ino());
    system.start_with(&[], &[("JOURNAL_STREAM", &named)]);
    let mut buffer = [0; 4_096];
    let mut next = 1;
    while next <= 3 {
        let length = daemon.recv(&mut buffer).unwrap();
        let entry = String::from_utf8_lossy(&buffer[..length]).into_owned();
        next += u32::from(entry.starts_with(&format!("MESSAGE=line {next} of a bot that has much to say\n")));
    }
    system.wait_active();
    assert!(system.log().contains("checks") && !system.log().contains("much to say"), "{}", system.log());
    assert_eq!(system.stop(), 0);
}

#[test]
fn check_says_that_nobody_takes_entries() {
    let system = printing(1, "to = [\"journal\"]\njournal_socket = \"nobody\"");
    let check = system.run("check", &["--offline", "--only", "output", "--format", "json"]);
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(report["checks"][0]["outcome"], "warning", "{report}");
    assert!(report["checks"][0]["reason"].as_str().unwrap().contains("nobody"), "{report}");
}

/// Started beside the fixture: a test's own way to start it.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).unwrap();
        if alive(pid) {
            signal(pid, libc::SIGTERM);
        }
        drop(self.0.wait());
    }
}

#[test]
fn whoever_does_not_read_standard_output_holds_nobody_up() {
    let system = printing(200_000, "to = [\"stdout\", \"files\"]");
    let mut run = Run(system.command("run").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut unread = run.0.stdout.take().unwrap();
    wait_for("all being printed", &system, || system.path("printed").exists());
    system.wait_active();
    wait_for("the last line in the file", &system, || {
        let log = std::fs::read_to_string(system.path("state/logs/bot.log")).unwrap_or_default();
        log.contains("line 200000 ") || log.contains("were dropped")
    });
    let mut first = [0; 1];
    unread.read_exact(&mut first).unwrap();
}

#[test]
fn a_full_disk_of_logs_holds_nobody_up_and_is_said() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let system = printing(50_000, "");
    std::fs::create_dir_all(system.path("state/logs")).unwrap();
    let log = std::fs::File::create(system.path("run.log")).unwrap();
    // A file system of its own in a mount namespace of its own.
    let script =
        format!("mount -t tmpfs -o size=64k tmpfs state/logs && exec {} run --config failstop.toml", failstop());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).current_dir(system.path("")).stdin(Stdio::null());
    let run = Run(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    wait_for("all being printed", &system, || system.path("printed").exists());
    system.wait_active();
    wait_for("what is said of it", &system, || system.log().contains("bytes did not reach the log files"));
    drop(run);
    system.wait_no_survivors(PATIENCE);
}
