//! Real processes: one that obeys, one that ignores SIGTERM, one with children that outlive it; and never two copies.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use std::future::Future;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

/// A unit whose start command writes its own pid file and then does what the script says.
fn units(folder: &Path, script: &str, grace_ms: u64) -> Units {
    let pid_file = folder.join("bot.pid");
    let unit = Unit {
        name: "bot".to_owned(),
        source: PidSource::File(pid_file.clone()),
        stop: None,
        start: Some(sh(&format!("echo $$ > {}; {script}", pid_file.display()))),
        grace: Duration::from_millis(grace_ms),
    };
    Units { units: vec![unit], state_dir: folder.join("actuate") }
}

/// Ends what a test started, whatever became of it.
struct Ends<'a>(&'a Units);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let _ = run(self.0.stop("bot", None, true));
    }
}

#[test]
fn a_unit_that_obeys_is_stopped_by_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let units = units(folder.path(), "exec sleep 60", 5000);
    let _ends = Ends(&units);
    let started = run(units.start("bot")).unwrap();
    assert!(started.started.is_some() && !started.gone);
    let receipt = run(units.stop("bot", None, false)).unwrap();
    assert_eq!((receipt.gone, receipt.how.as_str(), receipt.left.len()), (true, "SIGTERM", 0));
    assert_eq!(run(units.stop("bot", None, false)).unwrap().how, "already gone");
}

#[test]
fn one_that_ignores_sigterm_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let child = folder.path().join("child.pid");
    let script = format!(
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' & while :; do sleep 1; done",
        child.display()
    );
    let units = units(folder.path(), &script, 300);
    let _ends = Ends(&units);
    run(units.start("bot")).unwrap();
    let grandchild: i32 = fs::read_to_string(&child).unwrap().trim().parse().unwrap();
    let grandchild = Process::of(grandchild).unwrap();
    let receipt = run(units.stop("bot", None, false)).unwrap();
    assert_eq!((receipt.gone, receipt.how.as_str()), (true, "SIGKILL"), "{receipt:?}");
    assert!(!grandchild.is_alive());
}

#[test]
fn a_child_that_outlives_its_parent_is_not_overlooked() {
    let folder = tempfile::tempdir().unwrap();
    let child = folder.path().join("child.pid");
    let script =
        format!("sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' & exec sleep 60", child.display());
    let units = units(folder.path(), &script, 300);
    let _ends = Ends(&units);
    run(units.start("bot")).unwrap();
    let orphan = Process::of(fs::read_to_string(&child).unwrap().trim().parse().unwrap()).unwrap();
    let receipt = run(units.stop("bot", None, false)).unwrap();
    assert!(receipt.gone && !orphan.is_alive(), "{receipt:?}");
}

#[test]
fn a_second_copy_is_never_started() {
    let folder = tempfile::tempdir().unwrap();
    let units = units(folder.path(), "exec sleep 60", 5000);
    let _ends = Ends(&units);
    let pid = run(units.start("bot")).unwrap().started.unwrap();
    for _ in 0..3 {
        assert_eq!(run(units.start("bot")), Err(Refused::Lives(format!("process {pid}"))));
    }
    // Without its pid file it is still known by who was started.
    fs::remove_file(folder.path().join("bot.pid")).unwrap();
    assert!(matches!(run(units.start("bot")), Err(Refused::Lives(_))));
    // Stopped (frozen) is alive.
    Process::of(pid).unwrap().hold().unwrap().signal(libc::SIGSTOP).unwrap();
    assert!(matches!(run(units.start("bot")), Err(Refused::Lives(_))));
    assert!(run(units.stop("bot", None, false)).unwrap().gone, "SIGKILL ends a frozen one too");
    assert!(run(units.start("bot")).is_ok());
}

#[test]
fn two_requests_at_once_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let units = units(folder.path(), "exec sleep 60", 5000);
    let _ends = Ends(&units);
    let (one, two) = run(async { tokio::join!(units.start("bot"), units.start("bot")) });
    assert!(one.is_ok());
    assert_eq!(two, Err(Refused::Busy));
}

#[test]
fn a_child_between_its_fork_and_its_exec_keeps_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let units = units(folder.path(), "exec sleep 60", 5000);
    let locked = units.lock(&units.units[0]).unwrap();
    // What such a child has: the same open file.
    let _inherited = locked.0.try_clone().unwrap();
    assert!(matches!(units.lock(&units.units[0]), Err(Refused::Busy)));
    drop(locked);
    assert!(units.lock(&units.units[0]).is_ok());
}

#[test]
fn a_pid_file_of_somebody_else_s_process_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let units = units(folder.path(), "exec sleep 60", 5000);
    let path = folder.path().join("bot.pid");
    let own = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
    fs::write(&path, format!("{} {}", own.pid, own.start_time + 1)).unwrap();
    assert!(units.status("bot").unwrap().gone);
    fs::write(&path, own.pid.to_string()).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    assert!(units.status("bot").unwrap().gone, "it started after the file was written");
    fs::write(&path, "junk").unwrap();
    assert!(units.status("bot").unwrap().gone);
}

#[test]
fn an_engine_of_another_epoch_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let process = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
    let info = serde_json::json!({
        "epoch": 7, "mark": "demo/none-such", "engine": process, "guard": null, "boot_id": clock::boot_id(), "cgroup": null,
        "state_dir": folder.path(),
    });
    fs::write(folder.path().join("engine.json"), info.to_string()).unwrap();
    let unit = Unit {
        name: "bot".to_owned(),
        source: PidSource::Engine(folder.path().to_owned()),
        stop: None,
        start: None,
        grace: Duration::from_secs(5),
    };
    let units = Units { units: vec![unit], state_dir: folder.path().join("actuate") };
    assert_eq!(run(units.stop("bot", Some(6), false)), Err(Refused::Epoch { expected: 6, found: 7 }));
    assert!(process.is_alive());
    // A zombie is dead: nobody but this test waits for it.
    assert!(run(units.stop("bot", Some(7), false)).unwrap().gone);
    assert_eq!(run(units.start("bot")), Err(Refused::NoStart));
    child.wait().unwrap();
}

#[test]
fn a_start_command_that_fails_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut units = units(folder.path(), "exit 3", 5000);
    assert!(matches!(run(units.start("bot")), Err(Refused::Failed(why)) if why.contains("exit status: 3")));
    units.units[0].start = Some(vec!["/no/such/program".to_owned()]);
    assert!(matches!(run(units.start("bot")), Err(Refused::Failed(why)) if why.contains("No such file")));
    assert_eq!(run(units.start("other")), Err(Refused::Unknown("other".to_owned())));
}

/// A unit of an engine that has ended, with a start command that leaves a mark; and what its folder says.
struct Ended {
    folder: tempfile::TempDir,
    units: Units,
}

impl Ended {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        let unit = Unit {
            name: "bot".to_owned(),
            source: PidSource::Engine(folder.path().join("run")),
            stop: None,
            start: Some(sh(&format!("touch {}", folder.path().join("ran").display()))),
            grace: Duration::from_secs(5),
        };
        let units = Units { units: vec![unit], state_dir: folder.path().join("actuate") };
        Self { folder, units }
    }

    fn write(&self, name: &str, value: &serde_json::Value) {
        fs::write(self.folder.path().join("run").join(name), value.to_string()).unwrap();
    }

    fn last_word(&self, epoch: u64, kind: &str, by: &str) {
        let state_dir = self.folder.path().join("state");
        self.write(
            "ended.json",
            &serde_json::json!({
                "mark": "demo/none-such", "epoch": epoch, "kind": kind, "by": by, "reason": "new disk",
                "at": "2026-11-10T01:33:07Z", "state_dir": state_dir,
            }),
        );
    }

    /// An engine of this epoch that has this process.
    fn engine(&self, epoch: u64, process: Process) {
        self.write(
            "engine.json",
            &serde_json::json!({
                "epoch": epoch, "mark": "demo/none-such", "engine": process, "boot_id": clock::boot_id(),
                "state_dir": self.folder.path(),
            }),
        );
    }

    fn starts(&self) -> bool {
        let started = run(self.units.start("bot"));
        let ran = fs::remove_file(self.folder.path().join("ran")).is_ok();
        assert_eq!(started.is_ok(), ran, "{started:?}");
        ran
    }
}

#[test]
fn what_was_stopped_on_purpose_is_not_started() {
    let ended = Ended::new();
    assert!(ended.starts(), "nothing is known of an end");
    ended.last_word(7, "stop", "ana (1000)");
    let how = "epoch 7 at 2026-11-10T01:33:07Z by ana (1000): new disk".to_owned();
    assert_eq!(run(ended.units.start("bot")), Err(Refused::StoppedOnPurpose(how.clone())));
    assert_eq!(ended.units.status("bot").unwrap().stopped_on_purpose, Some(how.clone()));
    let stopped = run(ended.units.stop("bot", Some(7), false)).unwrap();
    assert_eq!((stopped.gone, stopped.stopped_on_purpose), (true, Some(how)), "the ladder is told on the rung before");
    ended.last_word(7, "restart", "ana (1000)");
    assert!(ended.starts(), "it is to be started again");
    ended.last_word(7, "nap", "ana (1000)");
    assert!(!ended.starts(), "what is not known to be a restart is a stop");
    // A signal of somebody else is one, too.
    ended.last_word(7, "stop", BY_SIGNAL);
    assert!(!ended.starts());
    ended.write("ended.json", &serde_json::json!({ "epoch": 7 }));
    assert!(!ended.starts(), "whoever cannot tell takes it for a stop");
}

#[test]
fn a_later_life_takes_the_last_word_of_an_earlier_one_away() {
    let dead = Process { pid: i32::MAX, start_time: 1 };
    let ended = Ended::new();
    ended.last_word(7, "stop", "ana (1000)");
    ended.engine(8, dead);
    assert!(ended.starts(), "epoch 8 was killed");
    ended.engine(7, dead);
    assert!(!ended.starts(), "killed in the last moment of its own stop");
    ended.engine(6, dead);
    assert!(!ended.starts());
}

#[test]
fn the_responder_s_own_stop_is_told_from_a_person_s() {
    for (by, own) in [(BY_SIGNAL, true), ("ana (1000)", false)] {
        let ended = Ended::new();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        ended.engine(7, Process::of(i32::try_from(child.id()).unwrap()).unwrap());
        assert!(run(ended.units.stop("bot", Some(7), false)).unwrap().gone);
        child.wait().unwrap();
        fs::remove_file(ended.folder.path().join("run/engine.json")).unwrap();
        ended.last_word(7, "stop", by);
        assert_eq!(ended.starts(), own, "{by}");
        // What it ended once says nothing of a later life.
        ended.last_word(8, "stop", by);
        assert!(!ended.starts(), "{by}");
    }
}

#[test]
fn a_stop_command_may_ask_in_its_own_name() {
    let mut ended = Ended::new();
    ended.units.units[0].stop = Some(sh("exit 0"));
    ended.units.units[0].grace = Duration::from_millis(100);
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    ended.engine(7, Process::of(i32::try_from(child.id()).unwrap()).unwrap());
    assert!(run(ended.units.stop("bot", Some(7), false)).unwrap().gone);
    child.wait().unwrap();
    ended.last_word(7, "stop", "root (0)");
    assert!(ended.starts());
}

#[test]
fn the_kill_switch_of_an_engine_that_ended_is_found_by_its_last_word() {
    let ended = Ended::new();
    let state = ended.folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("kill-switch"), "").unwrap();
    ended.last_word(7, "restart", "ana (1000)");
    assert_eq!(run(ended.units.start("bot")), Err(Refused::KillSwitch(state.join("kill-switch"))));
}

#[test]
fn a_kill_switch_that_was_engaged_meanwhile_is_not_overruled() {
    let folder = tempfile::tempdir().unwrap();
    let (run_dir, state_dir) = (folder.path().join("run"), folder.path().join("state"));
    fs::create_dir_all(&run_dir).unwrap();
    fs::create_dir_all(&state_dir).unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let process = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
    let info = serde_json::json!({
        "epoch": 7, "mark": "demo/none-such", "engine": process, "boot_id": clock::boot_id(), "state_dir": state_dir,
    });
    fs::write(run_dir.join("engine.json"), info.to_string()).unwrap();
    let ran = folder.path().join("ran");
    let unit = Unit {
        name: "bot".to_owned(),
        source: PidSource::Engine(run_dir),
        stop: None,
        start: Some(sh(&format!("touch {}", ran.display()))),
        grace: Duration::from_secs(5),
    };
    let units = Units { units: vec![unit], state_dir: folder.path().join("actuate") };
    let latch = state_dir.join("kill-switch");
    fs::write(&latch, "").unwrap();
    let refused = Refused::KillSwitch(latch.clone());
    assert_eq!(run(units.stop("bot", Some(7), false)), Err(refused.clone()));
    assert!(process.is_alive());
    assert!(run(units.stop("bot", Some(7), true)).unwrap().gone, "a kill is what the kill switch wants");
    child.wait().unwrap();
    assert_eq!(run(units.start("bot")), Err(refused));
    assert!(!ran.exists());
    fs::remove_file(&latch).unwrap();
    assert!(run(units.start("bot")).is_ok() && ran.exists());
}
