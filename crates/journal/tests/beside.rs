//! Verification beside a writer that appends, rolls, seals and starts again: never an accusation, whole or incremental, and what
//! was durable before it began is always in it.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_journal::verify::{Checkpoint, Options, Outcome};
use failstop_journal::{Disk, Importance, Settings, Wall, recover, verify, verify_since};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The writer ends after so many records, whatever else happens; `FAILSTOP_SEEDS` of the long run takes more.
fn records() -> u64 {
    if std::env::var_os("FAILSTOP_SEEDS").is_some() { 600_000 } else { 60_000 }
}

fn settings() -> Settings {
    let mut settings = Settings::new("demo", "boot", "test");
    (settings.ballast_bytes, settings.roll_bytes) = (0, 96 << 10);
    settings
}

/// Lives of a writer, one after the other; some end in order, some without.
fn write(state: &Path, durable: &AtomicU64, over: &AtomicBool) {
    let (mut written, mut epoch) = (0, 0);
    while written < records() {
        epoch += 1;
        let mut journal = recover(Disk::new(state), settings(), None).unwrap().start(epoch, Wall::now()).unwrap();
        for _ in 0..2_000 {
            for number in 0..written % 7 + 1 {
                // Lines of very different lengths, so that writes end everywhere in a page.
                let payload = format!("{{\"n\":{number},\"x\":\"{}\"}}", "y".repeat(written as usize * 31 % 700));
                journal.stage(Wall::now(), "x.note", &payload, Importance::Ordinary).unwrap();
                written += 1;
            }
            durable.store(journal.commit().unwrap().seq, Ordering::Release);
        }
        if epoch % 2 == 0 {
            durable.store(journal.seal(Wall::now()).unwrap().seq, Ordering::Release);
        }
    }
    over.store(true, Ordering::Release);
}

#[test]
fn a_journal_that_is_being_written_is_never_accused() {
    // In memory: what is tested is what a reader sees while a writer writes, not the disk.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let state = dir.path();
    let (durable, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| write(state, &durable, &over));
        while durable.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        let (mut rounds, mut incremental) = (0u64, 0u64);
        let mut checkpoint: Option<Checkpoint> = None;
        while !over.load(Ordering::Acquire) {
            let before = durable.load(Ordering::Acquire);
            let options = Options { threads: 1 + rounds as usize % 3, sums: rounds % 2 == 0 };
            let report = match &checkpoint {
                Some(checkpoint) if rounds % 4 != 0 => {
                    incremental += 1;
                    verify_since(state, checkpoint, Wall::now(), &options, &|_| {})
                }
                _ => verify(state, &options, &|_| {}),
            };
            let report = report.unwrap();
            assert_eq!(report.result, Outcome::Intact, "round {rounds}: {:?} {:?}", report.violations, report.notes);
            let head = report.head.unwrap().seq;
            assert!(head >= before, "round {rounds}: {before} records were durable, {head} were found");
            let used = checkpoint.as_ref().filter(|_| report.since.is_some());
            let next = Checkpoint::of(state, &report, used, Wall::now()).unwrap();
            // What a checkpoint trusts is durable: never more than the writer knows to be.
            if let Some(next) = &next {
                assert!(next.seq <= durable.load(Ordering::Acquire), "round {rounds}");
            }
            checkpoint = next.or(checkpoint);
            rounds += 1;
        }
        println!("{rounds} verifications, {incremental} of them incremental");
        assert!(rounds > 10 && incremental > 5);
    });
}
