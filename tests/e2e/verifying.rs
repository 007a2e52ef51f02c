//! What an engine does about its journal while it runs: it verifies what is new, reads what is old again, and halts on what it
//! finds.

use crate::system::{System, has_halt};
use failstop_journal::Wall;
use failstop_journal::verify::{CHECKPOINT, Checkpoint};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A system that verifies each second, with two sealed segments of earlier lives.
fn verifying() -> System {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n",
        "[journal]\nverify_every = \"1s\"\n",
    ));
    for _ in 0..2 {
        system.start();
        system.wait_active();
        assert_eq!(system.stop(), 0);
    }
    system.start();
    system.wait_active();
    system
}

fn trusted(system: &System) -> Checkpoint {
    Checkpoint::read(&system.path("state").join(CHECKPOINT)).unwrap()
}

fn first_segment(system: &System) -> PathBuf {
    system.path("state/journal/j-0000000000000001.ndjson")
}

fn integrity(status: &Value) -> bool {
    has_halt(status, "integrity")
}

#[test]
fn the_trusted_checkpoint_follows_the_journal() {
    let mut system = verifying();
    let first = trusted(&system);
    assert!(first.at <= Wall::now() && first.seq > 2);
    // A record each second would do; a resume that is refused writes one too.
    let name = system.name.clone();
    system.wait_status("a later checkpoint", |_| {
        system.run("resume", &["--reason", "nothing", "--confirm", &name]);
        let now = trusted(&system);
        now.seq > first.seq && now.at > first.at
    });
    let last = trusted(&system);
    assert_eq!(system.stop(), 0);
    let since =
        system.run("verify-data", &["--since-checkpoint", "state/checkpoints/trusted.ckpt", "--format", "json"]);
    let report: Value = serde_json::from_slice(&since.stdout).unwrap();
    assert_eq!(
        (report["result"].as_str(), report["since"]["seq"].as_u64()),
        (Some("intact"), Some(trusted(&system).seq))
    );
    // What cannot be used is said and made anew by the next start.
    fs::write(system.path("state").join(CHECKPOINT), "nonsense\n").unwrap();
    system.start();
    system.wait_active();
    assert!(trusted(&system).seq >= last.seq);
    assert_eq!(system.stop(), 0);
}

#[test]
fn damage_to_old_records_halts_a_running_engine() {
    let mut system = verifying();
    let path = first_segment(&system);
    let sound = fs::read(&path).unwrap();
    let mut rotten = sound.clone();
    rotten[700] ^= 1;
    // At once: a verification that reads meanwhile finds the one or the other, never none.
    let put = |bytes: &[u8]| {
        let beside = path.with_extension("beside");
        fs::write(&beside, bytes).unwrap();
        fs::rename(&beside, &path).unwrap();
    };
    let before = trusted(&system);
    put(&rotten);
    let status = system.wait_status("the halt", integrity);
    assert_eq!(status["permission"], "observe-only");
    let from = before.seq;
    let raised = system.wait_record(from, "halt.raised", |halt| halt["cause"] == "integrity");
    let evidence = raised["b"]["evidence"].as_str().unwrap();
    let line = sound[..700].iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!(evidence.contains(&format!("j-0000000000000001.ndjson line {line}, ")), "{evidence}");
    assert!(system.log().contains("alert  CRITICAL"), "{}", system.log());
    // Nothing is trusted that was not verified, and nobody resumes while it is broken.
    let name = system.name.clone();
    let resume = || system.run("resume", &["--reason", "restored from a copy", "--confirm", &name]);
    assert_eq!(resume().status.code(), Some(1));
    assert!(trusted(&system).at >= before.at);
    put(&sound);
    let resumed = resume();
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
    system.wait_active();
    assert_eq!(system.stop(), 0);
}
