//! A crash, an error of the disk and a full disk at every system call of a recovery, a roll, a snapshot and a checkpoint, on the real
//! program: `strace` kills it at the call, or has the call fail. The next start ends in a state that the invariants allow.
//!
//! `FAILSTOP_EXHAUSTIVE=1` takes every call of each kind; otherwise the first of each kind.

use crate::storage::{acknowledged, everything_acknowledged_is_there, recording, verified};
use crate::system::{PATIENCE, System, failstop, has_halt, signal};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What is injected into.
const CALLS: [&str; 8] = ["openat", "write", "fdatasync", "fsync", "rename", "unlink", "ftruncate", "chmod"];

/// What happens there.
const FAULTS: [&str; 3] = ["signal=KILL", "error=EIO", "error=ENOSPC"];

/// So many records sooner or later a first snapshot may be taken.
const NEAR: u64 = 20;

/// No scenario has more calls of a kind.
const MOST: u32 = 200;

fn exhaustive() -> bool {
    std::env::var_os("FAILSTOP_EXHAUSTIVE").is_some()
}

/// `strace` with one fault at the `nth` call of a kind that touches one of these paths.
fn faulty(system: &System, paths: &[PathBuf], call: &str, fault: &str, nth: u32) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(system.path("strace.log"));
    // Some kinds do not exist on every processor.
    strace.args(["-e", &format!("trace=?{call}"), "-e", &format!("inject=?{call}:{fault}:when={nth}")]);
    for path in paths {
        strace.arg("-P").arg(path);
    }
    strace.arg(failstop()).current_dir(system.path("")).env("NO_PROXY", "127.0.0.1");
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    strace
}

/// Whether the fault happened.
fn happened(system: &System, fault: &str) -> bool {
    let log = fs::read_to_string(system.path("strace.log")).unwrap_or_default();
    let _ = fs::remove_file(system.path("strace.log"));
    if fault.starts_with("signal") { log.contains("killed by SIGKILL") } else { log.contains("(INJECTED)") }
}

/// Runs `each` for every call, until it says that there is no further one of its kind.
fn at_every_call(what: &str, mut each: impl FnMut(&str, &str, u32) -> bool) {
    let mut faults = 0;
    for call in CALLS {
        for fault in FAULTS {
            for nth in 1..=MOST {
                if !each(call, fault, nth) {
                    break;
                }
                faults += 1;
                if !exhaustive() {
                    break;
                }
            }
        }
    }
    println!("{what}: {faults} faults");
    assert!(faults >= 12, "{what}: only {faults} faults happened");
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Guard and engine of the life that an `engine.json` tells of.
fn processes(system: &System) -> Vec<i32> {
    let text = fs::read_to_string(system.path("run/engine.json")).unwrap_or_default();
    let info: Value = serde_json::from_str(&text).unwrap_or_default();
    ["guard", "engine"].iter().filter_map(|who| i32::try_from(info[*who]["pid"].as_i64()?).ok()).collect()
}

/// Runs the engine under a fault; until it ends by that, or answers, or `enough`; then it is stopped. Whether the fault happened.
fn life(system: &System, mut strace: Command, fault: &str, enough: impl Fn() -> bool) -> bool {
    let mut child = strace.args(["run", "--config", "failstop.toml"]).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    let mut asked = false;
    loop {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        if !asked && enough() {
            asked = true;
            if let Some(guard) = processes(system).first() {
                signal(*guard, libc::SIGTERM);
            }
        }
        if Instant::now() > end {
            processes(system).into_iter().for_each(|pid| signal(pid, libc::SIGKILL));
            child.wait().unwrap();
            panic!("a life under a fault does not end");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    system.wait_no_survivors(PATIENCE);
    happened(system, fault)
}

/// The next start finds a sound journal, and whatever halts it is not its integrity.
fn next_start(system: &mut System, what: &str) {
    system.start();
    let status = system.wait_status("checks that have run", |status| !has_halt(status, "starting"));
    let halts = status["halts"].as_array().unwrap();
    // A journal that could not be read under the fault is halted for that; never is it held to be damaged.
    let sound = |halt: &Value| halt["cause"] != "integrity" || halt["evidence"].as_str().unwrap().contains("(os error");
    assert!(halts.iter().all(sound), "{what}: {status}\n{}", system.log());
    let stopped = system.stop();
    assert!(stopped == 0 || stopped == 5, "{what}: {stopped}");
    verified(system);
}

#[test]
fn a_recovery_may_fail_at_any_call() {
    let mut system = recording();
    system.start();
    system.wait_active();
    system.until("twenty that are acknowledged", || (acknowledged(&system).len() >= 20).then_some(()));
    processes(&system).into_iter().rev().for_each(|pid| signal(pid, libc::SIGKILL));
    system.wait_end();
    system.wait_no_survivors(PATIENCE);
    // A torn end that nothing proves to have been durable.
    let folder = system.path("state/journal");
    let mut segments: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some());
    let last = segments.into_iter().max().unwrap();
    let whole = fs::read(&last).unwrap();
    let kept = whole.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let next = system.next_seq();
    fs::write(&last, [&whole[..kept], b"{\"seq\":", next.to_string().as_bytes(), b",\"d\":1,\"ep\":1"].concat())
        .unwrap();
    let template = system.path("template");
    copy(&system.path("state"), &template);
    let runtime = system.path("run-template");
    copy(&system.path("run"), &runtime);
    // Without its bot: what is acknowledged is what was before.
    let config = fs::read_to_string(system.path("failstop.toml")).unwrap();
    fs::write(system.path("failstop.toml"), config.replace("orders = \"asks\"", "orders = \"direct\"")).unwrap();
    let name = last.file_name().unwrap().to_str().unwrap().to_owned();
    let paths = [
        folder.clone(),
        last.clone(),
        folder.join("SHA256SUMS"),
        folder.join("SHA256SUMS.tmp"),
        folder.join(failstop_journal::segment_name(next)),
        system.path("state/torn"),
        system.path("state/torn").join(format!("{name}.{kept}.torn")),
        system.path("state/checkpoints/trusted.ckpt.tmp"),
        system.path("state/checkpoints/trusted.ckpt"),
    ];
    at_every_call("recovery", |call, fault, nth| {
        copy(&template, &system.path("state"));
        copy(&runtime, &system.path("run"));
        let what = format!("{fault} at {call} {nth}");
        let strace = faulty(&system, &paths, call, fault, nth);
        let hit = life(&system, strace, fault, || system.status().is_some());
        everything_acknowledged_is_there(&system);
        next_start(&mut system, &what);
        everything_acknowledged_is_there(&system);
        hit
    });
}

#[test]
fn a_roll_may_fail_at_any_call() {
    let mut system = recording();
    // Long records: a segment is full soon.
    let config = fs::read_to_string(system.path("failstop.toml")).unwrap();
    let config = config.replace("/acknowledged\"]", "/acknowledged\", \"20000\"]");
    assert!(config.contains("20000"), "{config}");
    fs::write(system.path("failstop.toml"), config).unwrap();
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    let template = system.path("template");
    copy(&system.path("state"), &template);
    // Its permit page, too: the durable mark there would prove that a state put back is an old one.
    let runtime = system.path("run-template");
    copy(&system.path("run"), &runtime);
    let acknowledged_before = fs::read_to_string(system.path("acknowledged")).unwrap_or_default();
    let folder = system.path("state/journal");
    let first = folder.join(failstop_journal::segment_name(system.next_seq()));
    let paths = [folder.clone(), first.clone(), folder.join("SHA256SUMS"), folder.join("SHA256SUMS.tmp")];
    let rolled = |system: &System| {
        let sums = fs::read_to_string(system.path("state/journal/SHA256SUMS")).unwrap_or_default();
        sums.contains(first.file_name().unwrap().to_str().unwrap())
    };
    at_every_call("roll", |call, fault, nth| {
        copy(&template, &system.path("state"));
        copy(&runtime, &system.path("run"));
        fs::write(system.path("acknowledged"), &acknowledged_before).unwrap();
        let what = format!("{fault} at {call} {nth}");
        let strace = faulty(&system, &paths, call, fault, nth);
        let hit = life(&system, strace, fault, || rolled(&system));
        everything_acknowledged_is_there(&system);
        next_start(&mut system, &what);
        everything_acknowledged_is_there(&system);
        // Writes come by the hundred there, and each is like the one before.
        hit && (call != "write" && call != "fdatasync" || nth < 12)
    });
}

#[test]
fn a_snapshot_may_fail_at_any_call() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"none\"\n");
    // The first start of all takes one before anything trades: its name is that of the record it was taken at, nearly the same each
    // time.
    system.start();
    system.wait_active();
    let taken = |system: &System| {
        let records = system.records().into_iter();
        records.filter(|record| record["t"] == "snapshot.taken").map(|record| record["b"].clone()).collect::<Vec<_>>()
    };
    let seq = taken(&system)[0]["seq"].as_u64().unwrap();
    assert_eq!(system.stop(), 0);
    let folder = system.path("state/snapshots");
    let mut paths = vec![system.path("state"), folder.clone()];
    for near in seq.saturating_sub(NEAR)..=seq + NEAR {
        let name = failstop_journal::snapshot::snapshot_name(near);
        paths.push(folder.join(format!("{name}.tmp")));
        paths.push(folder.join(name));
    }
    at_every_call("snapshot", |call, fault, nth| {
        for gone in ["state", "run"] {
            fs::remove_dir_all(system.path(gone)).unwrap();
        }
        let what = format!("{fault} at {call} {nth}");
        let strace = faulty(&system, &paths, call, fault, nth);
        let hit = life(&system, strace, fault, || {
            let log = fs::read_to_string(system.path("strace.log")).unwrap_or_default();
            (log.contains("(INJECTED)") || !taken(&system).is_empty()) && system.status().is_some()
        });
        next_start(&mut system, &what);
        // What the journal names is there, whole, and the same by replay; a snapshot that failed is made up for.
        let deep = system.run("verify-data", &["--deep", "--strict", "--format", "json"]);
        assert_eq!(deep.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&deep.stdout));
        let named = taken(&system);
        assert!(!named.is_empty(), "{what}");
        for taken in named {
            assert!(folder.join(taken["file"].as_str().unwrap()).exists(), "{what}: {taken}");
        }
        hit
    });
}

#[test]
fn a_checkpoint_may_fail_at_any_call() {
    let mut system = recording();
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    // Absolute, as `strace` compares them.
    let folder = fs::canonicalize(system.path("")).unwrap();
    let checkpoint = folder.join("v.ckpt").to_str().unwrap().to_owned();
    let written = ["--threads", "1", "--quiet", "--since-checkpoint", &checkpoint, "--checkpoint", &checkpoint];
    assert_eq!(system.run("verify-data", &written).status.code(), Some(0));
    let old = fs::read(system.path("v.ckpt")).unwrap();
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    let paths = [folder.join("v.ckpt"), folder.join("v.ckpt.tmp"), folder];
    at_every_call("checkpoint", |call, fault, nth| {
        fs::write(system.path("v.ckpt"), &old).unwrap();
        let what = format!("{fault} at {call} {nth}");
        let mut strace = faulty(&system, &paths, call, fault, nth);
        let status = strace.arg("verify-data").args(["--config", "failstop.toml"]).args(written).status().unwrap();
        let hit = happened(&system, fault);
        // The journal is intact whatever becomes of the checkpoint.
        assert!(
            status.code() == Some(0) || status.code().is_none() || !hit || status.code() == Some(137),
            "{what}: {status}"
        );
        let after = system.run("verify-data", &written);
        let said = String::from_utf8_lossy(&after.stderr).into_owned();
        assert_eq!(
            (after.status.code(), said.as_str()),
            (Some(0), ""),
            "{what}: the checkpoint is the old one or a new one"
        );
        hit
    });
}
