//! Where engines have left no word, or none that can be read: the kill switch goes by what the state directory proves, and
//! never says that it is done where it cannot know.

use super::*;
use crate::kill_switch::traces::tests::begin_journal;
use crate::process::lock::{InstanceLock, LOCK_FILE};
use failstop_journal::JOURNAL_DIR;

const HOLDER_IS_UP: &str = "the holder has the lock and a child";
const HOLDER_STATE: &str = "FAILSTOP_TEST_HOLDER";

/// Not a test of its own: an engine as far as its lock and a child without any mark go.
#[test]
fn lock_holder() {
    let Some(state) = std::env::var_os(HOLDER_STATE).map(PathBuf::from) else { return };
    let _lock = InstanceLock::take(&state).unwrap();
    let mut child = Command::new("sleep").arg("600").env_clear().spawn().unwrap();
    println!("{HOLDER_IS_UP}");
    child.wait().unwrap();
}

/// Starts it, with the state directory of this system.
fn holder(system: &System) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill_switch::tests::blind::lock_holder", "--nocapture", "--test-threads=1"])
        .env(HOLDER_STATE, system.state())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    assert!(said.by_ref().lines().map_while(Result::ok).any(|line| line.contains(HOLDER_IS_UP)));
    (child, said)
}

/// The system's mark, with the id that its journal has now.
fn with_journal(system: &mut System) {
    system.mark.jid = begin_journal(&system.state(), &system.mark.name);
}

fn damage_words(system: &System) {
    for dir in [system.state(), system.run()] {
        std::fs::write(dir.join("engine.json"), "{\"system\": \"x").unwrap();
    }
}

#[test]
fn a_frozen_engine_without_a_word_is_known_by_its_lock() {
    let system = System::new("wordless");
    damage_words(&system);
    let (mut engine, _said) = holder(&system);
    let pid = Pid::from_raw(i32::try_from(engine.id()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    // Its own number in a process namespace of its own: it is found all the same.
    std::fs::write(system.state().join(LOCK_FILE), "7 1\n").unwrap();
    wait_until(|| crate::process::procfs::stat(pid.as_raw()).unwrap().state == 'T');
    let report = system.engage();
    let said = report.lines().join("\n");
    assert_eq!((report.verdict(), report.engine), (Verdict::Done, Some(EngineState::Frozen)), "{said}");
    assert_eq!(report.processes.unwrap().killed, 1, "{said}");
    assert!(said.contains("is frozen; it obeys the latch when it wakes"), "{said}");
    kill(pid, Signal::SIGCONT).unwrap();
    assert!(engine.wait().unwrap().success(), "the engine itself was not killed: it saw its child end");
}

#[test]
fn a_component_is_found_by_what_the_journal_says() {
    let mut system = System::new("journal");
    with_journal(&mut system);
    damage_words(&system);
    let mut bot = system.component("setsid", &["sleep", "600"]);
    let report = system.engage();
    assert_eq!(report.verdict(), Verdict::Done, "{:#?}", report.lines());
    assert!(is_killed(&mut bot));
    assert_eq!(system.engage().verdict(), Verdict::Done);
}

#[test]
fn a_component_is_found_by_the_register_beside_a_damaged_word() {
    let system = System::new("register");
    damage_words(&system);
    let mut bot = Command::new("sleep").arg("600").env_clear().spawn().unwrap();
    record(&system, &bot);
    assert_eq!(system.engage().verdict(), Verdict::Done);
    assert!(is_killed(&mut bot));
}

#[test]
fn a_journal_that_does_not_say_whose_it_is_proves_nothing() {
    let mut system = System::new("nameless");
    with_journal(&mut system);
    let mut bot = system.component("sleep", &["600"]);
    for entry in std::fs::read_dir(system.state().join(JOURNAL_DIR)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(path, "zeros").unwrap();
        }
    }
    let report = system.engage();
    let said = report.lines().join("\n");
    assert_eq!(report.verdict(), Verdict::Incomplete, "{said}");
    assert!(said.contains("does not say whose processes to look for"), "{said}");
    assert!(bot.try_wait().unwrap().is_none(), "which is why it is not done");

    // With an engine's own word it is known again.
    system.dead_engine();
    assert_eq!(system.engage().verdict(), Verdict::Done);
    assert!(is_killed(&mut bot));
}

#[test]
fn while_the_lock_is_held_by_nobody_who_is_seen_it_is_not_done() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let system = System::new("unseen");
    damage_words(&system);
    let (mut engine, _said) = holder(&system);
    let lock = system.state().join(LOCK_FILE);
    // Without its guard's number, which is this process's: other tests' children hang off it too.
    std::fs::write(&lock, format!("{} 1\n", engine.id())).unwrap();
    // A stranger's file says nothing about a process of root's.
    std::os::unix::fs::chown(&lock, Some(STRANGER), None).unwrap();
    let report = system.engage();
    let said = report.lines().join("\n");
    assert_eq!((report.verdict(), report.engine), (Verdict::Incomplete, None), "{said}");
    assert!(said.contains(&format!("(pid {}, as it sees itself) holds", engine.id())), "{said}");
    assert!(!said.contains("does not run") && said.contains("none found"), "{said}");
    assert!(engine.try_wait().unwrap().is_none());

    std::os::unix::fs::chown(&lock, Some(0), None).unwrap();
    let report = system.engage();
    assert_eq!((report.verdict(), report.engine), (Verdict::Done, Some(EngineState::Running)), "{:#?}", report.lines());
    assert!(engine.wait().unwrap().success());
}

#[test]
fn a_lock_that_cannot_be_asked_about_is_told() {
    let system = System::new("odd-lock");
    nix::unistd::mkfifo(&system.state().join(LOCK_FILE), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let report = system.engage();
    let said = report.lines().join("\n");
    assert_eq!(report.verdict(), Verdict::Incomplete, "{said}");
    assert!(said.contains("whether one runs cannot be found out"), "{said}");
}
