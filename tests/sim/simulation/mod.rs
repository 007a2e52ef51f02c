//! Long random histories of the core and the journal together, on a simulated disk: crashes, power loss, failed fsyncs, a
//! full disk, restarts. One seed, one history; a failing one names its seed.
//!
//! `FAILSTOP_SEEDS=10000` runs that many (default 200); `FAILSTOP_SEED=N` only that one.

mod life;
mod world;

use std::collections::BTreeSet;
use world::World;

const LIVES: u64 = 5;

/// What must have been met over all seeds, so that nothing holds vacuously.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Met {
    TornTail,
    Unclean,
    Clean,
    FailedSync,
    DiskFull,
    LastWords,
    FullDiskInTheJournal,
    CrashInRecovery,
    PowerLoss,
    ActiveAfterARelease,
    KillSwitchOverARestart,
    LatchedHaltOverARestart,
    LostUnacknowledged,
    EverythingRecovered,
}

const ALL: [Met; 14] = [
    Met::TornTail,
    Met::Unclean,
    Met::Clean,
    Met::FailedSync,
    Met::DiskFull,
    Met::LastWords,
    Met::FullDiskInTheJournal,
    Met::CrashInRecovery,
    Met::PowerLoss,
    Met::ActiveAfterARelease,
    Met::KillSwitchOverARestart,
    Met::LatchedHaltOverARestart,
    Met::LostUnacknowledged,
    Met::EverythingRecovered,
];

#[test]
fn nothing_acknowledged_is_lost_and_recovered_state_is_replay() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seeds = match number("FAILSTOP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FAILSTOP_SEEDS").unwrap_or(200),
    };
    let mut met = BTreeSet::new();
    let mut records = 0;
    for seed in seeds.clone() {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..LIVES {
                world.life();
            }
            (world.met, world.acknowledged)
        });
        match outcome {
            Ok((seen, acknowledged)) => {
                met.extend(seen);
                records += acknowledged;
            }
            Err(panic) => {
                eprintln!("seed {seed}: run again with FAILSTOP_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("simulation: {} seeds, {records} records acknowledged at their ends", seeds.clone().count());
    if seeds.count() >= 100 {
        for wanted in ALL {
            assert!(met.contains(&wanted), "no seed reached {wanted:?}");
        }
    }
}
