//! Snapshots on a simulated disk that stops at every operation, loses power, fails syncs and fills up: a snapshot that the journal names
//! is always there, whole, and what replay gives; nothing else is ever in its way. `FAILSTOP_SEEDS=10000` runs longer.

use crate::disk::{Faults, Random, SimDisk};
use crate::keeper::{DECLARED, Failure, Keeper, NOW, SECOND, posting, settings};
use failstop_journal::snapshot::StoreError;
use failstop_journal::verify::Options;
use failstop_journal::verify::deep::{DeepOptions, verify_deep};
use failstop_journal::{OpenError, Outcome, Wall, recover};

fn later(now: u64) -> DeepOptions {
    DeepOptions { strict: true, now: Wall(now + 1_000 * SECOND) }
}

/// What the disk holds is in order, and a start goes on from it.
fn is_sound(disk: &SimDisk, now: u64, at: &str) -> Keeper<SimDisk> {
    let recovered = recover(disk.clone(), settings(), None).unwrap();
    let keeper = match Keeper::start(disk, recovered, now) {
        Ok(keeper) => keeper,
        Err(failure) => panic!("{at}: {failure:?}"),
    };
    let report = verify_deep(disk, &Options { threads: 1, sums: true }, &later(now)).unwrap();
    assert_eq!(report.result, Outcome::Intact, "{at}: {:#?}", report.violations);
    assert_eq!(report.deep.unwrap().snapshots as usize, keeper.named.len() + report_unnamed(disk, &keeper), "{at}");
    keeper
}

/// Files that a crash left between the rename and the record.
fn report_unnamed(disk: &SimDisk, keeper: &Keeper<SimDisk>) -> usize {
    let listed = failstop_journal::snapshot::list(disk).unwrap();
    listed.iter().filter(|(seq, _)| !keeper.named.contains(seq)).count()
}

/// Books something and takes a snapshot, again and again, until something fails.
fn live(keeper: &mut Keeper<SimDisk>, random: &mut Random, rounds: u64) -> Result<(), Failure> {
    for _ in 0..rounds {
        let id = format!("{}", keeper.journal.durable().seq);
        keeper.write("ledger.posted", &posting(&id, "main", &format!("{}.25", random.below(50))))?;
        if random.one_in(2) {
            match keeper.snapshot(None) {
                // Free space, then again: nothing else depends on it.
                Err(Failure::Store(StoreError::NoSpace { .. })) => {}
                other => other?,
            }
        }
        if random.one_in(4) {
            keeper.retire(2)?;
        }
    }
    Ok(())
}

fn begin(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    let mut keeper = is_sound(&disk, NOW, "new");
    for (kind, payload) in DECLARED {
        keeper.write(kind, payload).unwrap();
    }
    keeper.snapshot(Some("2027-01-14")).unwrap();
    keeper.snapshot(None).unwrap();
    disk
}

/// Every operation of a snapshot and of a retirement, each once the last thing that the machine did.
#[test]
fn a_crash_at_any_operation_leaves_a_state_to_go_on_from() {
    let mut stopped = 0;
    for seed in 0..8 {
        for operation in 0.. {
            let disk = begin(seed);
            let mut keeper = is_sound(&disk, NOW + 500 * SECOND, "before");
            let start = disk.operations();
            disk.set_faults(Faults { crash_at: Some(start + operation), ..Faults::default() });
            let outcome = keeper.snapshot(None).and_then(|()| keeper.retire(2)).and_then(|()| keeper.snapshot(None));
            drop(keeper);
            if outcome.is_ok() {
                assert!(operation > 20, "{operation} operations");
                break;
            }
            stopped += 1;
            if seed % 2 == 0 {
                disk.power_cycle()
            } else {
                disk.process_restart()
            }
            let at = format!("seed {seed}, operation {operation}");
            let mut again = is_sound(&disk, NOW + 900 * SECOND, &at);
            again.write("x.note", "{}").unwrap();
            again.snapshot(None).unwrap_or_else(|failure| panic!("{at}: {failure:?}"));
            drop(again);
            drop(is_sound(&disk, NOW + 990 * SECOND, &at));
        }
    }
    assert!(stopped > 100, "{stopped}");
}

#[test]
fn no_history_of_crashes_is_accused_and_no_named_snapshot_is_lost() {
    let seeds = std::env::var("FAILSTOP_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let (mut failed_syncs, mut full, mut power, mut unnamed) = (0, 0, 0, 0);
    for seed in 0..seeds {
        let disk = begin(seed);
        let mut random = Random::new(seed ^ 0x5eed);
        let mut now = NOW + 100 * SECOND;
        for life in 0..5 {
            let at = format!("seed {seed}, life {life}");
            let faults = Faults {
                crash_at: random.one_in(2).then(|| disk.operations() + random.below(90)),
                fail_sync: random.one_in(4).then(|| disk.syncs() + random.below(25)),
                space: random.one_in(4).then(|| 4_000 + random.below(20_000)),
                short_writes: random.one_in(2),
            };
            disk.set_faults(faults);
            let recovered = match recover(disk.clone(), settings(), None) {
                Ok(recovered) => recovered,
                Err(OpenError::Storage { .. } | OpenError::Verify(_)) => continue,
                Err(error) => panic!("{at}: {error}"),
            };
            if let Ok(mut keeper) = Keeper::start(&disk, recovered, now) {
                match live(&mut keeper, &mut random, 20) {
                    Ok(()) => {}
                    Err(Failure::Take(error)) => panic!("{at}: {error}"),
                    Err(Failure::Open(error)) => panic!("{at}: {error}"),
                    Err(Failure::Store(StoreError::Exists { path })) => panic!("{at}: {path} is there"),
                    Err(Failure::Journal(error)) => full += u32::from(error.is_no_space()),
                    Err(Failure::Store(_)) => failed_syncs += u32::from(!disk.crashed()),
                }
            }
            if random.one_in(3) {
                disk.process_restart();
            } else {
                disk.power_cycle();
                power += 1;
            }
            disk.set_faults(Faults::default());
            now += 1_000 * SECOND;
            let keeper = is_sound(&disk, now, &at);
            unnamed += report_unnamed(&disk, &keeper);
            drop(keeper);
            now += 1_000 * SECOND;
        }
    }
    println!("{failed_syncs} failed syncs, {full} times full, {power} losses of power, {unnamed} unnamed files");
    assert!(failed_syncs > 0 && full > 0 && power > 0 && unnamed > 0, "sometimes");
}
