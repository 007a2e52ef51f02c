//! What was acknowledged is there, whatever is killed and whatever the disk does.

use crate::rounds;
use crate::system::{PATIENCE, System, failstop, has_halt, signal};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A component that records events as fast as they are acknowledged, and prints what was.
pub const RECORDER: &str = r#"
import json, os, socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect(os.environ["FAILSTOP_SOCKET"])
lines = stream.makefile("rb")
acknowledged = open(sys.argv[1], "a", buffering=1)
pad = "y" * int(sys.argv[2]) if len(sys.argv) > 2 else ""
number = 0
while True:
    number += 1
    mark = f"{os.environ['FAILSTOP_EPOCH']}-{os.getpid()}-{number}"
    request = {"type": "event", "id": number, "name": "x.test", "data": {"mark": mark, "pad": pad}}
    stream.sendall(json.dumps(request).encode() + b"\n")
    while True:
        answer = json.loads(lines.readline())
        if answer.get("id") == number:
            break
    if answer["ok"]:
        acknowledged.write(f"{answer['seq']} {mark}\n")
"#;

pub fn recording() -> System {
    let system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"python3\", \"recorder.py\", \"DIR/acknowledged\"]\norders = \"asks\"\n",
        "[journal]\nsegment_max = \"128KiB\"\n",
    ));
    std::fs::write(system.path("recorder.py"), RECORDER).unwrap();
    system
}

pub fn acknowledged(system: &System) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(system.path("acknowledged")).unwrap_or_default();
    // The last line may be cut: its writer was killed.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |line: &str| line.split_once(' ').map(|(seq, mark)| (seq.parse().unwrap(), mark.to_owned()));
    whole.lines().filter_map(parse).collect()
}

#[track_caller]
pub fn everything_acknowledged_is_there(system: &System) {
    let records = system.records();
    for (seq, mark) in acknowledged(system) {
        let record = records.get(usize::try_from(seq).unwrap() - 1);
        let found = record.map(|record| (record["seq"].as_u64(), record["b"]["mark"].as_str().map(str::to_owned)));
        assert_eq!(found, Some((Some(seq), Some(mark))));
    }
}

/// Both verifiers, and they agree.
#[track_caller]
pub fn verified(system: &System) {
    let ours = system.run("verify-data", &["--format", "json"]);
    assert_eq!(ours.status.code(), Some(0), "{}", String::from_utf8_lossy(&ours.stdout));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify_journal.py");
    let theirs = Command::new("python3").arg(script).arg(system.path("state")).output().unwrap();
    assert_eq!(theirs.status.code(), Some(0), "{}", String::from_utf8_lossy(&theirs.stdout));
}

#[test]
fn an_engine_killed_at_random_moments_loses_nothing_that_it_acknowledged() {
    let mut system = recording();
    for round in 0..rounds(8) {
        let before = acknowledged(&system).len();
        system.start();
        let what = format!("an acknowledgement in round {round}");
        system.until(&what, || (acknowledged(&system).len() > before).then_some(()));
        std::thread::sleep(Duration::from_micros(u64::from(round) * 7_919 % 100_000));
        let engine = system.engine_pid();
        signal(engine, libc::SIGKILL);
        assert_eq!(system.wait_end(), 7);
        system.wait_no_survivors(PATIENCE);
        everything_acknowledged_is_there(&system);
    }
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    everything_acknowledged_is_there(&system);
    verified(&system);
}

#[test]
fn guard_and_engine_killed_together_and_leftovers_are_gone_before_the_next_start() {
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"lock\", \"DIR/lock\", \"ignore-term\"]\norders = \"asks\"\n",
    );
    for _ in 0..rounds(3) {
        system.start();
        system.wait_active();
        let engine = system.engine_pid();
        signal(system.guard_pid(), libc::SIGSTOP);
        signal(engine, libc::SIGKILL);
        signal(system.guard_pid(), libc::SIGKILL);
        // Started again at once, while what was killed may still be on its way out and holding the lock.
        system.wait_end();
    }
    system.start();
    system.wait_active();
    assert!(!system.path("lock.shout").exists(), "two copies ran at a time");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_failed_fdatasync_closes_the_gate_and_ends_with_6() {
    let mut system = recording();
    system.start();
    system.wait_active();
    let engine = system.engine_pid();
    let mut strace = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=20", "-p"])
        .arg(engine.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(system.wait_end(), 6, "{}", system.log());
    let _ = strace.kill();
    let _ = strace.wait();
    system.wait_no_survivors(PATIENCE);
    everything_acknowledged_is_there(&system);
    // The latch outlives it; the next start is shut down until an operator resumes.
    system.start();
    let status = system.wait_status("storage", |status| has_halt(status, "storage"));
    assert_eq!(status["permission"], "shutdown");
    let name = system.name.clone();
    let resumed = system.run("resume", &["--reason", "disk replaced", "--confirm", &name]);
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
    system.wait_active();
    assert_eq!(system.stop(), 0);
    verified(&system);
    assert!(system.log().contains("alert  CRITICAL"), "the halt is told: {}", system.log());
    nobody_is_told_that_the_engine_died(&system);
}

#[test]
fn a_journal_file_that_is_removed_under_the_engine_is_found_with_the_next_record() {
    let mut system = recording();
    system.start();
    system.wait_active();
    for entry in std::fs::read_dir(system.path("state/journal")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            std::fs::remove_file(path).unwrap();
        }
    }
    // The component records as fast as it can.
    assert_eq!(system.wait_end(), 6, "{}", system.log());
    system.wait_no_survivors(PATIENCE);
    assert!(system.log().contains("the file was removed or renamed"), "{}", system.log());
    nobody_is_told_that_the_engine_died(&system);
}

/// An engine that ended because of its disk ended as it should.
#[track_caller]
fn nobody_is_told_that_the_engine_died(system: &System) {
    assert!(
        !system.log().contains("engine-died") && !system.log().contains("did not end as it should"),
        "{}",
        system.log()
    );
}

#[test]
fn a_full_disk_closes_the_gate_loses_nothing_and_is_in_the_journal() {
    // A file system of its own in a mount namespace of its own: `unshare` needs root.
    let mut system = recording();
    std::fs::create_dir(system.path("state")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=2m tmpfs state && {} run --config failstop.toml --set journal.ballast=1MiB; \
         status=$?; mkdir -p kept && cp -r state/. kept/; exit $status",
        failstop()
    );
    let mut run = Command::new("unshare");
    run.args(["--mount", "sh", "-c", &script]).current_dir(system.path("")).process_group(0);
    let mut child = run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut log = Vec::new();
    for line in output.lines() {
        log.push(line.unwrap());
    }
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(6), "{}", log.join("\n"));
    system.wait_no_survivors(PATIENCE);
    // Everything that was acknowledged is in the copy of that file system.
    std::fs::remove_dir(system.path("state")).unwrap();
    std::fs::rename(system.path("kept"), system.path("state")).unwrap();
    assert!(!acknowledged(&system).is_empty());
    everything_acknowledged_is_there(&system);
    verified(&system);
    // The last words: why, what followed, and a seal behind them.
    let records = system.records();
    let of = |kind: &str| {
        records.iter().filter(|record| record["t"] == kind).map(|record| record["b"].clone()).collect::<Vec<_>>()
    };
    assert!(of("halt.raised").iter().any(|halt| halt["cause"] == "storage"), "{records:#?}");
    assert_eq!(of("permission.changed").last().unwrap()["to"], "shutdown");
    assert_eq!(of("component.exited").last().unwrap()["component"], "bot");
    assert_eq!(records.last().unwrap()["t"], "seg.close");
    // The next start takes the halt from there, once.
    system.start();
    let status = system.wait_status("an answer", |_| true);
    let storage = |status: &serde_json::Value| {
        status["halts"].as_array().unwrap().iter().filter(|halt| halt["cause"] == "storage").count()
    };
    assert_eq!((status["permission"].as_str(), storage(&status)), (Some("shutdown"), 1));
    assert_eq!(system.stop(), 5);
    nobody_is_told_that_the_engine_died(&system);
}
