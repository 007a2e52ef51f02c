#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod blind;
mod foreign;
mod word;

use super::*;
use crate::clock;
use crate::permit::{PermitWriter, Terms};
use crate::process::cgroup::SystemCgroup;
use crate::process::leftovers::find_system;
use crate::process::mark::SystemMark;
use crate::runtime_dir::{EngineInfo, EngineState, ProcessRef};
use failstop_client::permit::layout::Word;
use failstop_client::permit::{Intent, PermitPage, Verdict as PermitVerdict};
use failstop_core::{Epoch, Page, Rights};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const GENEROUS: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(60);
const TRADE: Rights = Rights { open: true, reduce: true, live: true, revoked: false };
const STAND_IN_IS_UP: &str = "the stand-in publishes and spawns";
const ROLE: &str = "FAILSTOP_TEST_STAND_IN";
/// A user that owns nothing here.
const STRANGER: u32 = 12_345;

/// A system in two directories of its own.
struct System {
    root: tempfile::TempDir,
    mark: SystemMark,
}

impl System {
    fn new(name: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("state")).unwrap();
        std::fs::create_dir(root.path().join("run")).unwrap();
        let unique = root.path().file_name().unwrap().to_string_lossy().into_owned();
        Self { mark: SystemMark { name: name.to_owned(), jid: unique }, root }
    }

    fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn run(&self) -> PathBuf {
        self.root.path().join("run")
    }

    fn info(&self, engine: ProcessRef) -> EngineInfo {
        EngineInfo {
            system: self.mark.name.clone(),
            jid: self.mark.jid.clone(),
            mark: self.mark.to_string(),
            epoch: 1,
            engine,
            guard: None,
            boot_id: EngineInfo::this_boot(),
            state_dir: self.state(),
            runtime_dir: self.run(),
            cgroup: None,
            control_socket: self.run().join("control.sock"),
            observe: None,
            control: None,
            version: String::new(),
            started: String::new(),
        }
    }

    /// An engine that is gone: a number that this process has, with another start time.
    fn dead_engine(&self) {
        let mut gone = ProcessRef::this().unwrap();
        gone.start_time += 1;
        self.info(gone).publish().unwrap();
    }

    fn component(&self, program: &str, arguments: &[&str]) -> Child {
        Command::new(program).args(arguments).envs(self.mark.variables("bot", 1)).stdin(Stdio::null()).spawn().unwrap()
    }

    fn writer(&self) -> PermitWriter {
        let terms = Terms { epoch: Epoch(1), lease: LEASE, mode: 0o600 };
        PermitWriter::create(&self.run().join("permit"), terms, LatchProbe::open(&self.state()).unwrap()).unwrap()
    }

    fn engage(&self) -> Report {
        engage(Some(&self.state()), &[self.run()], &Caller::this(), "a test")
    }
}

/// Records a process as the engine does that starts it.
fn record(system: &System, process: &Child) -> crate::process::procfs::ProcessId {
    use crate::process::register::{Recorded, Register};
    let id = crate::process::procfs::stat(i32::try_from(process.id()).unwrap()).unwrap().id;
    let mut register = Register::begin(&system.run()).unwrap();
    register.started(Recorded { id, component: "bot".to_owned(), instance: 1 }).unwrap();
    id
}

fn publish(writer: &mut PermitWriter) {
    let now = clock::now();
    // A refusal is what the tests are about; they look at the page.
    let _ = writer.publish(&Page { rights: [TRADE; 32], deadline: now.plus(LEASE) }, now);
}

fn wait_until(condition: impl Fn() -> bool) {
    let until = Instant::now() + GENEROUS;
    while !condition() {
        assert!(Instant::now() < until, "it did not come to that in time");
        std::thread::yield_now();
    }
}

/// Whether it was, within a generous time; it is ended here otherwise, so that a failed test leaves nothing behind.
fn is_killed(child: &mut Child) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let until = Instant::now() + GENEROUS;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return status.signal() == Some(9);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = (child.kill(), child.wait());
    false
}

#[test]
fn a_dead_engine_its_components_end_and_the_latch_stands() {
    let system = System::new("dead");
    system.dead_engine();
    let mut writer = system.writer();
    publish(&mut writer);
    let page = PermitPage::open(writer.path()).unwrap();
    assert_eq!(page.check(1, Intent::Open), PermitVerdict::Live);
    let mut bot = system.component("sleep", &["600"]);
    // Ignores SIGTERM in a session of its own, with a child.
    let mut stubborn = system.component("setsid", &["sh", "-c", "trap '' TERM HUP; sleep 600 & wait; sleep 600"]);
    let other = System::new("other");
    let mut stranger = other.component("sleep", &["600"]);

    let report = system.engage();
    assert_eq!(report.verdict(), Verdict::Done, "{:#?}", report.lines());
    assert_eq!(report.engine, Some(EngineState::Gone));
    assert_eq!(page.word(1), Some(Word::REVOKED));
    assert!(read_latch(&system.state()).is_engaged());
    assert!(is_killed(&mut bot) && is_killed(&mut stubborn));
    assert!(find_system(&system.mark).unwrap().is_empty());
    assert!(stranger.try_wait().unwrap().is_none(), "another system is left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();

    let again = system.engage();
    assert_eq!(again.verdict(), Verdict::Done);
    assert!(matches!(again.latch, Some(Ok(Written::Already { first: Some(_) }))), "{:?}", again.latch);
}

#[test]
fn what_shed_its_environment_is_found_below_the_engine() {
    let system = System::new("shed");
    let me = ProcessRef::this().unwrap();
    // Other tests' children hang off this process too, so a shell stands in for the engine.
    let mut engine = Command::new("sh").args(["-c", "env -i sleep 600 & wait"]).spawn().unwrap();
    let pid = i32::try_from(engine.id()).unwrap();
    system.info(ProcessRef::of(pid).unwrap().unwrap()).publish().unwrap();
    let child = || {
        crate::process::procfs::all().unwrap().into_iter().find(|child| {
            crate::process::procfs::stat(*child).is_ok_and(|stat| stat.parent == pid && stat.comm == "sleep")
        })
    };
    wait_until(|| child().is_some());
    let report = system.engage();
    assert_eq!((report.verdict(), report.engine), (Verdict::Done, Some(EngineState::Running)));
    assert_eq!(report.processes.unwrap().killed, 1);
    assert!(engine.wait().unwrap().success(), "the engine itself was not killed: it saw its child end");
    assert_ne!(me.pid, pid);
}

#[test]
fn a_tree_that_keeps_growing_is_killed_to_the_last() {
    let system = System::new("growing");
    system.dead_engine();
    // Each generation starts the next in a session of its own and ends: nothing stays below its parent.
    let script = r#"i=0; while [ $i -lt 100 ]; do setsid sleep 600 & i=$((i+1)); done; exec sleep 600"#;
    let mut bot = system.component("sh", &["-c", script]);
    wait_until(|| find_system(&system.mark).unwrap().len() >= 20);
    let report = system.engage();
    assert_eq!(report.verdict(), Verdict::Done, "{:#?}", report.lines());
    assert!(is_killed(&mut bot));
    assert!(find_system(&system.mark).unwrap().is_empty());
}

#[test]
fn a_cgroup_is_killed_in_one_stroke_but_never_with_the_engine_in_it() {
    let system = System::new("cgroup");
    let Ok(cgroup) = SystemCgroup::make(&system.mark, 1) else { return };
    // The engine itself stands in the cgroup: a mistake that must not cost it its life.
    let script = "read go; env -i setsid sleep 600; exit 0";
    let mut engine = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
    std::fs::write(cgroup.path().join("cgroup.procs"), engine.id().to_string()).unwrap();
    engine.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let pid = i32::try_from(engine.id()).unwrap();
    let mut info = system.info(ProcessRef::of(pid).unwrap().unwrap());
    info.cgroup = Some(cgroup.path().to_owned());
    info.publish().unwrap();
    let members = || std::fs::read_to_string(cgroup.path().join("cgroup.procs")).unwrap().lines().count();
    wait_until(|| members() == 2);
    let report = system.engage();
    assert_eq!((report.verdict(), report.engine), (Verdict::Done, Some(EngineState::Running)));
    assert!(engine.wait().unwrap().success());

    // Without the engine in it: known by nothing but its cgroup.
    let mut orphan = Command::new("sleep").arg("600").env_clear().spawn().unwrap();
    std::fs::write(cgroup.path().join("cgroup.procs"), orphan.id().to_string()).unwrap();
    info.engine.start_time += 1;
    info.publish().unwrap();
    assert_eq!(system.engage().verdict(), Verdict::Done);
    assert!(is_killed(&mut orphan));
    crate::process::cgroup::remove_tree(cgroup.path()).unwrap();
}

#[test]
fn another_users_processes_are_told_and_not_waited_for_in_vain() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // Run by nobody against a component of root's: the record names it, the signal is refused.
    let system = System::new("foreign");
    system.dead_engine();
    let mut bot = system.component("sleep", &["600"]);
    let id = record(&system, &bot);
    for path in [system.root.path().to_owned(), system.run(), system.run().join("processes")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let answer = as_nobody(&system, &system.run());
    let _ = (bot.kill(), bot.wait());
    if let Some(answer) = answer {
        assert!(answer.contains("verdict Nothing"), "{answer}");
        assert!(answer.contains(&format!("pid {} (sleep) is another user's: run this as root", id.pid)), "{answer}");
    }
}

/// Engages as the user nobody, by running this program again; `None` where that cannot be done.
fn as_nobody(system: &System, run: &Path) -> Option<String> {
    // The build's own directory may be closed to others.
    let program = system.root.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .args(["--exact", "kill_switch::tests::engager", "--nocapture", "--test-threads=1"])
        .env(ROLE, system.state())
        .env("FAILSTOP_TEST_RUN", run)
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Not a test of its own: what the one above runs as another user.
#[test]
fn engager() {
    let (Some(state), Some(run)) = (std::env::var_os(ROLE), std::env::var_os("FAILSTOP_TEST_RUN")) else { return };
    let report = engage(Some(Path::new(&state)), &[PathBuf::from(run)], &Caller::this(), "a test");
    println!("verdict {:?}\n{}", report.verdict(), report.lines().join("\n"));
}

/// Not a test of its own: what the one below runs where the disk is full.
#[test]
fn latcher() {
    let Some(state) = std::env::var_os("FAILSTOP_TEST_FULL").map(PathBuf::from) else { return };
    let engagement = Engagement { by: "root (0)".into(), reason: "a test".into(), time: "now".into() };
    let written = write_latch(&state, &engagement);
    println!("written {written:?}, engaged {}", read_latch(&state).is_engaged());
}

#[test]
fn a_full_disk_still_takes_the_latch_or_says_that_it_does_not() {
    // Mounts of its own, so that nothing is left behind. Where that is not allowed there is nothing to see.
    let root = tempfile::tempdir().unwrap();
    // On a file system in memory even one more name for a file takes an inode: then the failure must be told.
    for (room, expected) in
        [("size=8k", "written Ok(WithoutWords), engaged true"), ("nr_inodes=4", "written Err(Write")]
    {
        let fill = "touch LOCK; { head -c 100000 /dev/zero >fill; touch 1 2 3 4 5; } 2>/dev/null";
        let script = format!("mount -t tmpfs -o {room} none . && cd \"$PWD\" && {{ {fill}; exec \"$0\" \"$@\"; }}");
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "kill_switch::tests::latcher", "--nocapture", "--test-threads=1"])
            .env("FAILSTOP_TEST_FULL", root.path())
            .current_dir(root.path())
            .output();
        let Ok(output) = output else { return };
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || !nix::unistd::geteuid().is_root() {
            return;
        }
        assert!(said.contains(expected), "{room}: {said}");
    }
}

#[test]
fn never_started_and_nothing_known() {
    let system = System::new("fresh");
    let report = system.engage();
    assert_eq!((report.verdict(), report.engine), (Verdict::Done, None));
    assert!(!report.processes_known);
    assert!(read_latch(&system.state()).is_engaged(), "the next start finds it");
    assert!(report.lines().join("\n").contains("the next start obeys the latch"));

    let nothing = engage(None, &[], &Caller::this(), "a test");
    assert_eq!(nothing.verdict(), Verdict::Nothing);
    let said = nothing.lines().join("\n");
    assert!(said.contains("--state DIR") && said.contains("nothing keeps the next start from trading"), "{said}");
    assert!(!said.contains("obeys the latch"), "there is none: {said}");
}

#[test]
fn a_state_directory_that_takes_no_latch_still_stops_everything() {
    let system = System::new("unwritable");
    system.info(ProcessRef { start_time: 1, ..ProcessRef::this().unwrap() }).publish().unwrap();
    let mut writer = system.writer();
    publish(&mut writer);
    let mut bot = system.component("sleep", &["600"]);
    let elsewhere = system.root.path().join("missing");
    let report = engage(Some(&elsewhere), &[system.run()], &Caller::this(), "a test");
    assert_eq!(report.verdict(), Verdict::Incomplete);
    assert!(matches!(report.latch, Some(Err(LatchError::Write { .. }))), "{:?}", report.latch);
    assert!(is_killed(&mut bot));
    assert_eq!(PermitPage::open(writer.path()).unwrap().word(1), Some(Word::REVOKED));
    assert_eq!(engage(Some(&elsewhere), &[], &Caller::this(), "a test").verdict(), Verdict::Nothing);
}

#[test]
fn a_page_that_cannot_be_revoked_is_told() {
    let system = System::new("odd-page");
    std::fs::write(system.run().join("permit"), "not a page").unwrap();
    let report = system.engage();
    assert_eq!(report.verdict(), Verdict::Incomplete);
    assert!(report.lines()[0].contains("not revoked"), "{:?}", report.lines());
}

#[test]
fn who_calls() {
    let caller = Caller::this();
    assert_eq!(caller.uid, nix::unistd::getuid().as_raw());
    if caller.uid == 0 {
        assert_eq!(caller.to_string(), "root (0)");
    }
    assert_eq!(Caller { uid: 77, name: None }.to_string(), "user 77");
}

/// Not a test of its own: what the race below runs in another process. It publishes and spawns without a pause, by the
/// engine's rules: the latch is looked at before each publication, and before and after each spawn.
#[test]
fn stand_in() {
    let Some(root) = std::env::var_os(ROLE).map(PathBuf::from) else { return };
    let mark = std::env::var("FAILSTOP_TEST_MARK").unwrap();
    let (name, jid) = mark.split_once('/').unwrap();
    let mark = SystemMark { name: name.to_owned(), jid: jid.to_owned() };
    let state = root.join("state");
    let latch = LatchProbe::open(&state).unwrap();
    let terms = Terms { epoch: Epoch(1), lease: LEASE, mode: 0o600 };
    let permit = root.join("run/permit");
    let mut writer = PermitWriter::create(&permit, terms, LatchProbe::open(&state).unwrap()).unwrap();
    let mut children: Vec<Child> = Vec::new();
    let mut open = true;
    println!("{STAND_IN_IS_UP}");
    loop {
        publish(&mut writer);
        open &= !writer.is_revoked() && !latch.engaged();
        if open {
            let command = Command::new("sleep").arg("30").envs(mark.variables("bot", 1)).spawn();
            children.extend(command);
            open &= !latch.engaged();
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
        let keep = if open { 3 } else { 0 };
        while children.len() > keep {
            let mut oldest = children.remove(0);
            let _ = oldest.kill();
            let _ = oldest.wait();
        }
    }
}

/// The stand-in, and that it ends with the test.
struct StandIn {
    child: Child,
    /// Kept open, so that nothing it prints ends it.
    _said: BufReader<ChildStdout>,
}

impl StandIn {
    fn start(system: &System) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill_switch::tests::stand_in", "--nocapture", "--test-threads=1"])
            .env(ROLE, system.root.path())
            .env("FAILSTOP_TEST_MARK", system.mark.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        assert!(said.by_ref().lines().map_while(Result::ok).any(|line| line.contains(STAND_IN_IS_UP)));
        let engine = ProcessRef::of(i32::try_from(child.id()).unwrap()).unwrap().unwrap();
        system.info(engine).publish().unwrap();
        Self { child, _said: said }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small generator, so that a failing round can be run again.
fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn spin(microseconds: u64) {
    let until = Instant::now() + Duration::from_micros(microseconds);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// The engine is frozen at any moment, the kill switch is engaged, and the engine is continued at any moment of that.
/// Whatever the moment: the latch is on disk, the page is and stays revoked, and no component process is left.
fn race(rounds: u64, freeze: bool) {
    let mut slowest_denial = Duration::ZERO;
    let mut slowest_stop = Duration::ZERO;
    for round in 0..rounds {
        let system = System::new("race");
        let engine = StandIn::start(&system);
        spin(mixed(round) % 3_000);
        if freeze {
            engine.signal(Signal::SIGSTOP);
        }
        let wake_after = mixed(round + 1_000_000) % 6_000;
        let report = std::thread::scope(|scope| {
            scope.spawn(|| {
                spin(wake_after);
                engine.signal(Signal::SIGCONT);
            });
            system.engage()
        });
        assert_eq!(report.verdict(), Verdict::Done, "round {round}: {:#?}", report.lines());
        slowest_denial = slowest_denial.max(report.denied_after);
        slowest_stop = slowest_stop.max(report.stopped_after);
        assert!(read_latch(&system.state()).is_engaged(), "round {round}");
        assert_closed(&system, round);
        // One that the engine spawned between two looks is ended by the engine itself, at once.
        let until = Instant::now() + GENEROUS;
        while !find_system(&system.mark).unwrap().is_empty() {
            assert!(Instant::now() < until, "round {round}: a component lives on");
        }
        assert_closed(&system, round);
        assert_eq!(report_engine(&system), EngineState::Running, "round {round}: the engine itself was not killed");
    }
    println!(
        "{rounds} rounds: denied after at most {slowest_denial:?}, last process gone after at most {slowest_stop:?}"
    );
}

fn assert_closed(system: &System, round: u64) {
    let page = PermitPage::open(&system.run().join("permit")).unwrap();
    for slot in 0..32 {
        assert_eq!(page.word(slot), Some(Word::REVOKED), "round {round}, slot {slot}");
    }
}

fn report_engine(system: &System) -> EngineState {
    EngineInfo::read(Path::new(&system.run())).unwrap().engine_state()
}

#[test]
fn continued_at_the_worst_moment() {
    race(20, true);
}

#[test]
fn engaged_while_the_engine_runs() {
    race(20, false);
}

/// The long form of the two above; `cargo test -p failstop-engine kill_switch -- --ignored`.
#[test]
#[ignore = "takes half a minute"]
fn two_hundred_rounds_of_each_race() {
    race(200, true);
    race(200, false);
}
