//! The journal on a simulated disk that loses power, fails syncs, fills up and stops at any operation: nothing acknowledged is
//! ever lost, recovery drops nothing that is proven durable, a failed fdatasync ends everything, and the chain stays whole.
//! `FAILSTOP_SEEDS=10000` runs longer.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

#[path = "../../../tests/sim/disk.rs"]
#[expect(dead_code, reason = "the disk is shared with the simulation of the engine, which uses the rest")]
mod disk;

use disk::{Faults, Random, SimDisk};
use failstop_journal::{
    Importance, Journal, JournalError, OpenError, Record, Recovered, Settings, Verdict, Wall, recover,
};
use std::collections::BTreeMap;
use std::io;

/// What the world outside remembers of one journal.
#[derive(Default)]
struct World {
    /// Acknowledged records: sequence number to payload and hash.
    acknowledged: BTreeMap<u64, (String, String)>,
    epoch: u64,
    now: u64,
    next: u64,
}

/// How often each interesting thing was reached, so that nothing holds vacuously.
#[derive(Debug, Default)]
struct Reached {
    new: u32,
    clean: u32,
    unclean: u32,
    torn: u32,
    interrupted: u32,
    sync_failed: u32,
    full: u32,
    last_words: u32,
    power_lost: u32,
    process_died: u32,
    rolled: u32,
    during_start: u32,
}

impl Reached {
    fn verdict(&mut self, verdict: &Verdict, at: &str) {
        match verdict {
            Verdict::New => self.new += 1,
            Verdict::Clean => self.clean += 1,
            Verdict::Unclean => self.unclean += 1,
            Verdict::TornTail(_) => self.torn += 1,
            Verdict::Interrupted(_) => self.interrupted += 1,
            Verdict::Damaged(damage) => panic!("{at}: a clean journal was accused: {damage}"),
        }
    }
}

fn settings() -> Settings {
    let mut settings = Settings::new("sim", "boot", "test");
    settings.roll_bytes = 4096;
    settings.ballast_bytes = 8192;
    settings
}

fn seeds() -> u64 {
    std::env::var("FAILSTOP_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

#[test]
fn no_crash_loses_what_was_acknowledged() {
    let mut reached = Reached::default();
    for seed in 0..seeds() {
        run(seed, &mut reached);
    }
    println!("{reached:?}");
    let Reached { new, clean, unclean, torn, interrupted, sync_failed, full, last_words, .. } = reached;
    let Reached { power_lost, process_died, rolled, during_start, .. } = reached;
    for (what, count) in [
        ("new", new),
        ("clean", clean),
        ("unclean", unclean),
        ("torn tail", torn),
        ("interrupted creation", interrupted),
        ("failed sync", sync_failed),
        ("full disk", full),
        ("last words on a full disk", last_words),
        ("power lost", power_lost),
        ("process died", process_died),
        ("rolled", rolled),
        ("crash during a start", during_start),
    ] {
        assert!(count > 0, "sometimes: {what}");
    }
}

fn run(seed: u64, reached: &mut Reached) {
    let disk = SimDisk::new(seed);
    let mut random = Random::new(seed ^ 0xabcd);
    let mut world = World { now: 1_800_000_000_000_000_000, ..World::default() };
    for life in 0..6 {
        let faults = Faults {
            crash_at: random.one_in(2).then(|| disk.operations() + random.below(60)),
            fail_sync: random.one_in(4).then(|| disk.syncs() + random.below(25)),
            space: random.one_in(5).then(|| 12_000 + random.below(12_000)),
            short_writes: random.one_in(2),
        };
        disk.set_faults(faults);
        live(&disk, &mut random, &mut world, reached, &format!("seed {seed}, life {life}"));
        if random.one_in(3) {
            disk.process_restart();
            reached.process_died += 1;
        } else {
            disk.power_cycle();
            reached.power_lost += 1;
        }
        // Sometimes the next life finds the disk as it was left, and may crash during its repair.
        if random.one_in(2) {
            check(&disk, &world, reached, &format!("seed {seed}, after life {life}"));
        }
    }
    disk.power_cycle();
    check(&disk, &world, reached, &format!("seed {seed}, at the end"));
}

/// One process: opens, writes, and ends somehow.
fn live(disk: &SimDisk, random: &mut Random, world: &mut World, reached: &mut Reached, at: &str) {
    let recovered = match recover(disk.clone(), settings(), None) {
        Ok(recovered) => recovered,
        Err(OpenError::Storage { .. } | OpenError::Verify(_)) => {
            reached.during_start += 1;
            return;
        }
        Err(error) => panic!("{at}: {error}"),
    };
    reached.verdict(recovered.verdict(), at);
    holds(&recovered, world, at);
    world.epoch = world.epoch.max(recovered.last_epoch()) + 1;
    let mut journal = match recovered.start(world.epoch, Wall(world.now)) {
        Ok(journal) => journal,
        Err(_) => {
            reached.during_start += 1;
            return;
        }
    };
    for _ in 0..random.below(30) {
        world.now += random.below(7_200_000_000_000);
        match batch(&mut journal, random, world, Importance::Ordinary) {
            Ok(()) => {}
            Err(error) if error.is_no_space() => {
                reached.full += 1;
                if batch(&mut journal, random, world, Importance::LastWords).is_ok() {
                    reached.last_words += 1;
                }
                let refused = journal.stage(Wall(world.now), "x.note", "{}", Importance::Ordinary);
                assert!(refused.is_err(), "{at}: an ordinary record after the disk was found full");
                return;
            }
            Err(_) => {
                ended(&mut journal, disk, world, at);
                reached.sync_failed += u32::from(!disk.crashed());
                return;
            }
        }
    }
    if random.one_in(2) && journal.seal(Wall(world.now)).is_ok() {
        reached.rolled += u32::try_from(disk.paths().len() / 4).unwrap();
    }
}

/// Writes some records and remembers them once they are durable.
fn batch(
    journal: &mut Journal<SimDisk>,
    random: &mut Random,
    world: &mut World,
    importance: Importance,
) -> Result<(), JournalError> {
    let mut written = Vec::new();
    let count = if importance == Importance::LastWords { 1 } else { 1 + random.below(5) };
    for _ in 0..count {
        world.next += 1;
        let fill = "y".repeat(usize::try_from(random.below(900)).unwrap());
        let payload = format!("{{\"n\":{},\"fill\":\"{fill}\"}}", world.next);
        let seq = journal.stage(Wall(world.now), "x.note", &payload, importance)?;
        written.push((seq, payload));
    }
    let durable = journal.commit()?;
    assert_eq!(written.last().unwrap().0, durable.seq);
    for (seq, payload) in written {
        let head = if seq == durable.seq { durable.hash.to_string() } else { String::new() };
        world.acknowledged.insert(seq, (payload, head));
    }
    Ok(())
}

/// After a failure that is not "disk full" nothing is written or acknowledged any more.
fn ended(journal: &mut Journal<SimDisk>, disk: &SimDisk, world: &World, at: &str) {
    let operations = disk.operations();
    assert!(journal.stage(Wall(world.now), "x.note", "{}", Importance::LastWords).is_err(), "{at}");
    assert!(journal.commit().is_err(), "{at}");
    assert!(journal.seal(Wall(world.now)).is_err(), "{at}");
    assert_eq!(disk.operations(), operations, "{at}: the disk was touched after a failed write or fdatasync");
}

/// What recovery hands out holds everything acknowledged, densely and in order.
fn holds(recovered: &Recovered<SimDisk>, world: &World, at: &str) {
    let mut expected = 1;
    let (mut durable, mut epoch) = (0, 0);
    let mut seen = BTreeMap::new();
    recovered
        .replay(|record: Record<'_>| -> Result<(), io::Error> {
            assert_eq!(record.seq, expected, "{at}: sequence numbers are dense");
            assert!(record.durable < record.seq && record.durable >= durable, "{at}: d");
            assert!(record.epoch >= epoch, "{at}: epoch");
            (expected, durable, epoch) = (record.seq + 1, record.durable, record.epoch);
            seen.insert(record.seq, (record.payload.to_owned(), record.head.to_string()));
            Ok(())
        })
        .unwrap();
    assert_eq!(recovered.last().seq + 1, expected, "{at}: the chain goes on after the last record");
    for (seq, (payload, head)) in &world.acknowledged {
        let Some((found, found_head)) = seen.get(seq) else { panic!("{at}: acknowledged record {seq} is lost") };
        assert_eq!(found, payload, "{at}: record {seq}");
        assert!(head.is_empty() || head == found_head, "{at}: the head of {seq}");
    }
}

/// Between two lives: a recovery on the quiet disk finds everything, and its own repair is seen as clean by the next one.
fn check(disk: &SimDisk, world: &World, reached: &mut Reached, at: &str) {
    let recovered = recover(disk.clone(), settings(), None).unwrap();
    reached.verdict(recovered.verdict(), at);
    holds(&recovered, world, at);
    let again = recover(disk.clone(), settings(), None).unwrap();
    assert!(
        matches!(again.verdict(), Verdict::New | Verdict::Clean | Verdict::Unclean),
        "{at}: repaired, but {:?}",
        again.verdict()
    );
    // A new journal draws a new identity each time.
    assert!(again.last() == recovered.last() || again.last().seq == 0, "{at}");
}
