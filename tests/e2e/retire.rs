//! A journal that does not verify is put aside, and the system trades again by a new one that names it.

use crate::system::{System, has_halt};
use std::fs;
use std::path::PathBuf;

const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n";

/// Flips a bit in the body of the journal's second record.
fn damage(system: &System) {
    let path = system.path("state/journal/j-0000000000000001.ndjson");
    let mut bytes = fs::read(&path).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let at = second + bytes[second..].windows(5).position(|five| five == b"\"b\":{").unwrap() + 6;
    bytes[at] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
}

fn retire(system: &System) -> (Option<i32>, String) {
    let output = system.run("journal retire", &["--reason", "bit rot", "--confirm", &system.name]);
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (output.status.code(), said)
}

fn resume(system: &System) -> (Option<i32>, String) {
    let output = system.run("resume", &["--reason", "looked", "--confirm", &system.name]);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_damaged_journal_is_retired_and_the_system_trades_again_with_its_latches_kept() {
    let mut system = System::new(BOT);
    system.start();
    system.wait_active();
    assert_eq!(system.run("stop", &["bot", "--reason", "odd"]).status.code(), Some(0));
    assert_eq!(system.stop(), 0);
    damage(&system);
    system.start();
    let old = system.wait_status("the halt", |status| has_halt(status, "integrity"));
    let (code, said) = resume(&system);
    assert_eq!(code, Some(1), "{said}");

    let (code, said) = retire(&system);
    assert!(code == Some(1) && said.contains(&system.engine_pid().to_string()), "{code:?}: {said}");
    assert!(!system.path("state/retired").exists());
    assert_eq!(system.stop(), 0);

    let (code, said) = retire(&system);
    assert_eq!(code, Some(0), "{said}");
    for part in ["unread     ", "carried    halt h-", "integrity", "component bot is kept stopped", "new-journal"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let folder = said.lines().find_map(|line| line.strip_prefix("moved to   ")).map(PathBuf::from).unwrap();
    let state = folder.to_str().unwrap();
    let verify = |state: &str| {
        let mut command = std::process::Command::new(crate::system::failstop());
        command.args(["verify-data", "--deep", "--state", state]).output().unwrap().status.code()
    };
    assert_eq!(verify(state), Some(1), "the damage is still there, and shows");
    assert_eq!(verify(system.path("state").to_str().unwrap()), Some(0));

    system.start();
    let status = system.wait_status("the checks", |status| !has_halt(status, "starting"));
    assert!(has_halt(&status, "integrity") && has_halt(&status, "new-journal"), "{status}");
    assert_ne!(status["journal"]["jid"], old["journal"]["jid"]);
    assert_eq!(status["permission"], "observe-only");
    assert_eq!(system.pid_of("bot"), None, "it is kept stopped");
    let (code, said) = resume(&system);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(system.run("start", &["bot", "--reason", "looked"]).status.code(), Some(0));
    system.wait_active();
    assert_eq!(system.stop(), 0);
    assert_eq!(verify(system.path("state").to_str().unwrap()), Some(0));
}

#[test]
fn no_engine_starts_beside_a_retirement_that_was_interrupted() {
    let mut system = System::new(BOT);
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    let full = system.path("state/retired");
    // The first thing that it makes after its plan.
    fs::write(&full, "in its way").unwrap();
    let (code, said) = retire(&system);
    assert!(code == Some(3) && said.contains("until the same command completes it"), "{code:?}: {said}");
    let run = system.run("run", &[]);
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.code() == Some(6) && said.contains("half retired"), "{said}");
    assert_eq!(system.run("verify-data", &[]).status.code(), Some(0), "nothing was moved yet");
    fs::remove_file(&full).unwrap();
    let (code, said) = retire(&system);
    assert!(code == Some(0) && said.contains("now complete"), "{code:?}: {said}");
    system.start();
    system.wait_status("the halt", |status| has_halt(status, "new-journal"));
    assert_eq!(resume(&system).0, Some(0));
    system.wait_active();
    assert_eq!(system.stop(), 0);
}
