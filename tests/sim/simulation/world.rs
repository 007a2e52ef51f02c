//! What outlives a process of the simulation: the disk, the latches beside the journal, and what is known to be durable.

use super::Met;
use super::life::Life;
use crate::disk::{Faults, Random, SimDisk};
use failstop_core::*;
use failstop_journal::{Journal, Settings, Verdict, Wall, recover};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub const COMPONENTS: usize = 2;
pub const LEASE: Duration = Duration::from_secs(2);

fn policy() -> Policy {
    let second = Duration::from_secs(1);
    let component = |name: &str, orders, liveness| ComponentPolicy {
        name: ComponentName(name.to_owned()),
        orders,
        essential: orders == Orders::Asks,
        restart: RestartPolicy::Always,
        backoff_initial: second,
        backoff_max: 10 * second,
        backoff_reset_after: 60 * second,
        start_limit: 4,
        start_limit_within: 300 * second,
        stop_grace: 5 * second,
        readiness: orders == Orders::Asks,
        start_period: 30 * second,
        liveness,
        progress_within: None,
        limits: ComponentLimits::default(),
        needs: Vec::new(),
        depends_on: Vec::new(),
        on_dependency_exit: DependencyExit::Keep,
        reload: None,
        pre_stop: None,
        post_stop: None,
    };
    Policy {
        mode_ceiling: Mode::Live,
        lease: LEASE,
        renew: second / 2,
        components: vec![
            component("asks", Orders::Asks, Some(Liveness::Watchdog(60 * second))),
            component("direct", Orders::Direct, None),
        ],
        dependencies: vec![DependencyPolicy { name: "venue".to_owned(), timeout: 10 * second }],
        limits: SystemLimits::default(),
        health: HealthPolicy {
            market_data_max_age: 60 * second,
            feeds: Vec::new(),
            journal_max_age: 120 * second,
            errors_per_minute: 10,
            queue_stalled_after: 60 * second,
            every: 30 * second,
            clear_after: 5 * second,
        },
        failsafe: FailsafePolicy {
            market_data_max_age: 240 * second,
            journal_max_age: 600 * second,
            snapshot_max_age: 3600 * second,
            unhealthy_for: 240 * second,
        },
        halts: BTreeMap::new(),
        two_key: None,
        heartbeat_every: 5 * second,
        environment_latched: false,
        shutdown_within: Duration::from_secs(3600),
        jitter_seed: 3,
    }
}

fn settings() -> Settings {
    Settings { roll_bytes: 6000, ballast_bytes: 4096, ..Settings::new("sim", "boot", "simulation") }
}

/// What outlives a life.
pub struct World {
    pub random: Random,
    pub disk: SimDisk,
    pub now: Monotonic,
    pub wall: u64,
    pub epoch: u64,
    /// Every record that was handed to the journal and may be in it, oldest first.
    pub handed: Vec<Record>,
    /// How many of them were acknowledged.
    pub acknowledged: usize,
    /// The kill switch's latch and the halts' latches, kept beside the journal.
    pub latch: bool,
    pub latches: BTreeMap<Cause, String>,
    /// Whether a failing sync or a full disk is planned for this life.
    pub faulty: bool,
    pub met: BTreeSet<Met>,
}

fn decode(kind: &str, payload: &str) -> Record {
    serde_json::from_str(&format!("{{\"t\":\"{kind}\",\"b\":{payload}}}")).unwrap()
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            disk: SimDisk::new(seed ^ 0x5eed),
            now: Monotonic::from_nanos(1_000_000_000_000),
            wall: 1_790_000_000_000_000_000,
            epoch: 0,
            handed: Vec::new(),
            acknowledged: 0,
            latch: false,
            latches: BTreeMap::new(),
            faulty: false,
            met: BTreeSet::new(),
        }
    }

    pub fn wall(&mut self) -> Wall {
        self.wall += 1_000_003;
        Wall(self.wall)
    }

    /// The machine or the process goes down, one way or the other.
    pub fn go_down(&mut self) {
        self.faulty = false;
        if self.random.one_in(2) {
            self.met.insert(Met::PowerLoss);
            self.disk.power_cycle();
        } else {
            self.disk.process_restart();
        }
    }

    pub fn plan_faults(&mut self) {
        let random = &mut self.random;
        let faults = Faults {
            crash_at: random.one_in(2).then(|| self.disk.operations() + random.below(160)),
            fail_sync: random.one_in(4).then(|| self.disk.syncs() + random.below(60)),
            space: random.one_in(6).then(|| 20_000 + random.below(20_000)),
            short_writes: random.one_in(2),
        };
        self.faulty = faults.fail_sync.is_some() || faults.space.is_some();
        self.disk.set_faults(faults);
    }

    /// Opens the journal as a start of the engine does. `None`: went down while doing so.
    pub fn open(&mut self) -> Option<(Journal<SimDisk>, Core)> {
        let proven = self.acknowledged;
        let recovered = match recover(self.disk.clone(), settings(), None) {
            Ok(recovered) => recovered,
            Err(error) => {
                assert!(self.disk.crashed() || self.is_faulty(), "recovery gave up on a sound disk: {error}");
                return None;
            }
        };
        match recovered.verdict() {
            Verdict::New => assert_eq!(proven, 0, "I9: acknowledged records are gone"),
            Verdict::Clean => self.note(Met::Clean),
            Verdict::Unclean => self.note(Met::Unclean),
            Verdict::TornTail(_) => self.note(Met::TornTail),
            Verdict::Interrupted(_) => {}
            Verdict::Damaged(violation) => panic!("a crash is taken for damage: {violation:?}"),
        }
        let mut core = Core::new(policy());
        let mut fold = Recorded::new();
        let mut found = Vec::new();
        let mut before = (0, 0, 0);
        recovered
            .replay(|record| {
                assert_eq!(record.seq, before.0 + 1, "I12: seq is dense");
                assert!(record.durable < record.seq && record.durable >= before.1, "I12: d < seq and never falls");
                assert!(record.epoch >= before.2, "I12: the epoch never falls");
                before = (record.seq, record.durable, record.epoch);
                if !record.is_own() {
                    let record = decode(record.kind, record.payload);
                    core.replay(&record);
                    fold.apply(&record);
                    found.push(record);
                }
                Ok::<(), std::io::Error>(())
            })
            .ok()?;
        assert!(found.len() >= proven, "I8, I9: {proven} records were acknowledged and {} are there", found.len());
        assert!(found.len() <= self.handed.len(), "records that nobody handed over");
        assert_eq!(found[..], self.handed[..found.len()], "what came back is not what was written");
        assert_eq!(core.recorded(), &fold, "I11: recovered state is the replay");
        self.note(if found.len() < self.handed.len() { Met::LostUnacknowledged } else { Met::EverythingRecovered });
        self.handed.truncate(found.len());
        let epoch = self.epoch.max(recovered.last_epoch()) + 1;
        self.epoch = epoch;
        let wall = self.wall();
        match recovered.start(epoch, wall) {
            Ok(journal) => Some((journal, core)),
            Err(error) => {
                assert!(self.disk.crashed() || self.is_faulty(), "no start on a sound disk: {error}");
                None
            }
        }
    }

    /// Whether a fault was planned for this life.
    pub fn is_faulty(&self) -> bool {
        self.faulty
    }

    pub fn note(&mut self, met: Met) {
        self.met.insert(met);
    }

    pub fn life(&mut self) {
        self.plan_faults();
        let mut tries = 0;
        let (journal, core) = loop {
            match self.open() {
                Some(opened) => break opened,
                None => {
                    self.note(Met::CrashInRecovery);
                    self.go_down();
                    tries += 1;
                    assert!(tries < 10, "the journal does not open again");
                }
            }
        };
        // What was found is durable from here on: recovery wrote behind it and synced.
        self.acknowledged = self.handed.len();
        let durable = core.recorded().clone();
        if durable.halts.values().any(|halt| halt.latched) {
            self.note(Met::LatchedHaltOverARestart);
        }
        let start = Start {
            epoch: Epoch(self.epoch),
            kill_switch: self.latch.then(|| ("o".to_owned(), "r".to_owned())),
            latches: self.latches.iter().map(|(cause, evidence)| (*cause, evidence.clone())).collect(),
            new_journal: self.handed.is_empty(),
            unclean: None,
            damage: None,
        };
        let latched = self.latch;
        let mut life = Life {
            world: self,
            core,
            journal,
            waiting: VecDeque::new(),
            durable,
            running: [None; COMPONENTS],
            dying: [false; COMPONENTS],
            failed: false,
            takes_last_words: false,
            told_silent: false,
            released: false,
            over: None,
        };
        life.step(Input::Start(start));
        if latched {
            assert!(life.core.kill_switch(), "I6: the kill switch was forgotten");
            life.world.note(Met::KillSwitchOverARestart);
        }
        life.live();
        let (over, unwritten) = (life.over, life.waiting.is_empty());
        let recorded = life.core.recorded().clone();
        // A release of the kill switch may be durable while its latch is still being removed.
        let settled = unwritten && !life.failed && !life.world.disk.crashed() && !life.core.kill_switch();
        if over == Some(ExitReason::Requested) || over == Some(ExitReason::RequestedInShutdown) {
            let wall = life.world.wall();
            let _ = life.journal.seal(wall);
        }
        let durable = life.durable.clone();
        drop(life.journal);
        if settled {
            assert_eq!(recorded, durable, "I11: with everything durable the core holds what a replay gives");
        }
        self.go_down();
    }
}
