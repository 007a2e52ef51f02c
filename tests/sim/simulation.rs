//! Long random histories of the core and the journal together, on a simulated disk: crashes, power loss, failed fsyncs, a
//! full disk, restarts. One seed, one history; a failing one names its seed.
//!
//! `FAILSTOP_SEEDS=10000` runs that many (default 200); `FAILSTOP_SEED=N` only that one.

use crate::disk::{Faults, Random, SimDisk};
use failstop_core::*;
use failstop_journal::{Importance, Journal, JournalError, Settings, Verdict, Wall, recover};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const COMPONENTS: usize = 2;
const LIVES: u64 = 5;
const EVENTS: u64 = 120;
const LEASE: Duration = Duration::from_secs(2);

/// What must have been met over all seeds, so that nothing holds vacuously.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    TornTail,
    Unclean,
    Clean,
    FailedSync,
    DiskFull,
    LastWords,
    CrashInRecovery,
    PowerLoss,
    ActiveAfterARelease,
    KillSwitchOverARestart,
    LatchedHaltOverARestart,
    LostUnacknowledged,
    EverythingRecovered,
}

const ALL: [Met; 13] = [
    Met::TornTail,
    Met::Unclean,
    Met::Clean,
    Met::FailedSync,
    Met::DiskFull,
    Met::LastWords,
    Met::CrashInRecovery,
    Met::PowerLoss,
    Met::ActiveAfterARelease,
    Met::KillSwitchOverARestart,
    Met::LatchedHaltOverARestart,
    Met::LostUnacknowledged,
    Met::EverythingRecovered,
];

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
        needs: Vec::new(),
        depends_on: Vec::new(),
    };
    Policy {
        mode_ceiling: Mode::Live,
        lease: LEASE,
        renew: second / 2,
        components: vec![
            component("asks", Orders::Asks, Some(Liveness::Watchdog(60 * second))),
            component("direct", Orders::Direct, None),
        ],
        dependencies: vec![DependencyPolicy { name: "venue".to_owned() }],
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
        heartbeat_every: 5 * second,
        environment_latched: false,
        jitter_seed: 3,
    }
}

fn settings() -> Settings {
    Settings { roll_bytes: 6000, ballast_bytes: 4096, ..Settings::new("sim", "boot", "simulation") }
}

/// What outlives a life.
struct World {
    random: Random,
    disk: SimDisk,
    now: Monotonic,
    wall: u64,
    epoch: u64,
    /// Every record that was handed to the journal and may be in it, oldest first.
    handed: Vec<Record>,
    /// How many of them were acknowledged.
    acknowledged: usize,
    /// The kill switch's latch and the halts' latches, kept beside the journal.
    latch: bool,
    latches: BTreeMap<Cause, String>,
    /// Whether a failing sync or a full disk is planned for this life.
    faulty: bool,
    met: BTreeSet<Met>,
}

/// One process.
struct Life<'w> {
    world: &'w mut World,
    core: Core,
    journal: Journal<SimDisk>,
    waiting: VecDeque<(Ticket, Record)>,
    /// The fold of what is durable.
    durable: Recorded,
    running: [Option<Instance>; COMPONENTS],
    dying: [bool; COMPONENTS],
    failed: bool,
    released: bool,
    over: Option<ExitReason>,
}

fn encode(record: &Record) -> (String, String) {
    let value = serde_json::to_value(record).unwrap();
    (value["t"].as_str().unwrap().to_owned(), value["b"].to_string())
}

fn decode(kind: &str, payload: &str) -> Record {
    serde_json::from_str(&format!("{{\"t\":\"{kind}\",\"b\":{payload}}}")).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
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

    fn wall(&mut self) -> Wall {
        self.wall += 1_000_003;
        Wall(self.wall)
    }

    /// The machine or the process goes down, one way or the other.
    fn go_down(&mut self) {
        self.faulty = false;
        if self.random.one_in(2) {
            self.met.insert(Met::PowerLoss);
            self.disk.power_cycle();
        } else {
            self.disk.process_restart();
        }
    }

    fn plan_faults(&mut self) {
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
    fn open(&mut self) -> Option<(Journal<SimDisk>, Core)> {
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
    fn is_faulty(&self) -> bool {
        self.faulty
    }

    fn note(&mut self, met: Met) {
        self.met.insert(met);
    }

    fn life(&mut self) {
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
            unclean: false,
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

impl Life<'_> {
    fn live(&mut self) {
        for _ in 0..EVENTS {
            if self.over.is_some() || self.world.disk.crashed() {
                return;
            }
            self.event();
        }
        if self.world.random.one_in(2) {
            self.step(Input::StopRequested);
            for _ in 0..40 {
                if self.over.is_some() || self.world.disk.crashed() {
                    return;
                }
                self.commit();
                self.pass(500);
                for index in 0..COMPONENTS {
                    self.gone(index);
                }
            }
            panic!("the engine does not stop: {:?}", self.core.components());
        }
    }

    fn event(&mut self) {
        let index = usize::try_from(self.world.random.below(COMPONENTS as u64)).unwrap();
        let slot = Slot::component(index).unwrap();
        match self.world.random.below(40) {
            0..8 => {
                let ms = self.world.random.below(1500);
                self.pass(ms);
            }
            8..19 => self.commit(),
            19..22 => self.gone(index),
            22..26 => self.sign(index),
            26 => {
                if let Some(instance) = self.running[index] {
                    self.step(Input::Exited { slot, instance, exit: Exit::Signal(11) });
                }
            }
            27 => self.step(Input::Checked { class: CheckClass::Integrity, outcome: Ok(()) }),
            28 => {
                let causes = [Cause::DailyLoss, Cause::OrdersInDoubt, Cause::Environment, Cause::Reclaiming];
                let cause = causes[usize::try_from(self.world.random.below(4)).unwrap()];
                self.step(Input::Raise { cause, slot: None, evidence: "seen".to_owned() });
            }
            29..31 => {
                for cause in [Cause::OrdersInDoubt, Cause::Environment, Cause::Reclaiming] {
                    self.step(Input::Passed { cause, slot: None });
                }
            }
            31..34 => self.order(Order::Resume(Vec::new())),
            34 => self.order(Order::Mode(Mode::Live)),
            35 => {
                if self.world.random.one_in(3) {
                    self.order(Order::KillSwitchEngage);
                }
            }
            36..38 => self.order(Order::KillSwitchRelease),
            38 => {
                let stop = self.world.random.one_in(2);
                self.order(if stop { Order::StopComponent(slot) } else { Order::StartComponent(slot) });
            }
            _ => {
                let up = self.world.random.one_in(2);
                self.step(Input::Dependency { index: 0, up, evidence: "asked".to_owned() });
            }
        }
    }

    fn order(&mut self, order: Order) {
        let input =
            Input::Operator { request: RequestId(1), by: "ops".to_owned(), reason: "because".to_owned(), order };
        self.step(input);
    }

    fn sign(&mut self, index: usize) {
        let Some(instance) = self.running[index] else { return };
        let sign = match self.world.random.below(5) {
            0 | 1 => Sign::Ready,
            2 => Sign::Beat,
            3 => Sign::Tick { feed: "venue".to_owned(), fresh: true },
            _ => Sign::Error { severity: 3, fatal: false, message: "no".to_owned() },
        };
        self.step(Input::Sign { slot: Slot::component(index).unwrap(), instance, sign });
    }

    fn gone(&mut self, index: usize) {
        if self.dying[index]
            && let Some(instance) = self.running[index]
        {
            let slot = Slot::component(index).unwrap();
            self.step(Input::Exited { slot, instance, exit: Exit::Signal(15) });
            self.running[index] = None;
            self.dying[index] = false;
            self.step(Input::TreeGone { slot, instance });
        }
    }

    fn pass(&mut self, ms: u64) {
        let until = self.world.now.plus(Duration::from_millis(ms));
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= until) {
            assert!(at > self.world.now, "a deadline that is due comes back");
            self.world.now = at;
            self.step(Input::Wake);
            if self.over.is_some() {
                return;
            }
        }
        self.world.now = until;
        self.step(Input::Wake);
    }

    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.over.is_some() {
                return;
            }
            let mut out = Vec::new();
            self.core.step(self.world.now, input, &mut out);
            for effect in out {
                self.carry_out(effect, &mut inputs);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, inputs: &mut VecDeque<Input>) {
        match effect {
            Effect::Publish(page) => {
                assert!(page.deadline <= self.world.now.plus(LEASE));
                let allowed = Rights::of(self.durable.permission(), self.durable.ceremony);
                let within = page.rights.iter().all(|rights| rights.within(allowed));
                assert!(within, "I4: more rights than the durable journal allows");
                assert_eq!(self.durable.epoch, Epoch(self.world.epoch), "I7: a permit before its epoch is durable");
                let grants = page.rights.iter().any(|rights| rights.open || rights.reduce);
                assert!(!(grants && self.failed), "I10: a permit after the journal failed");
                assert!(!(grants && self.world.latch), "I6: a permit under the latch");
                if grants && self.released {
                    self.world.note(Met::ActiveAfterARelease);
                }
            }
            Effect::Record { ticket, record } => {
                assert!(!self.failed, "I10: a record after the journal failed");
                self.waiting.push_back((ticket, record));
            }
            Effect::Latch(halt) => {
                self.world.latches.insert(halt.cause, halt.evidence.clone());
                if halt.cause == Cause::Storage {
                    self.last_words(&halt);
                }
            }
            Effect::RemoveLatches => self.world.latches.clear(),
            Effect::RemoveKillSwitchLatch => {
                self.world.latch = false;
                inputs.push_back(Input::KillSwitchLatchRemoved);
            }
            Effect::WriteKillSwitchLatch { .. } => self.world.latch = true,
            Effect::Spawn { slot, instance } => {
                let index = slot.index().unwrap();
                assert!(self.running[index].is_none(), "two copies");
                self.running[index] = Some(instance);
                self.dying[index] = false;
                inputs.push_back(if self.world.random.one_in(8) {
                    self.dying[index] = true;
                    Input::SpawnFailed { slot, instance, error: "ENOENT".to_owned() }
                } else {
                    Input::Spawned { slot, instance, pid: 1 }
                });
            }
            Effect::Stop { slot, .. } | Effect::KillTree { slot, .. } => self.dying[slot.index().unwrap()] = true,
            Effect::Answer { .. } | Effect::Alert(_) => {}
            Effect::Exit(reason) => self.over = Some(reason),
        }
    }

    /// What the recorder does: everything that waits in one batch, one fdatasync, then the acknowledgement.
    fn commit(&mut self) {
        if self.waiting.is_empty() || self.failed {
            return;
        }
        let before = self.world.handed.len();
        let mut seqs = Vec::new();
        let mut last = Ticket(0);
        let batch = std::mem::take(&mut self.waiting);
        let mut outcome = Ok(());
        for (ticket, record) in &batch {
            let (kind, payload) = encode(record);
            let wall = self.world.wall();
            // May roll a segment, and so write and fail, by itself.
            match self.journal.stage(wall, &kind, &payload, Importance::Ordinary) {
                Ok(seq) => seqs.push(seq),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            self.world.handed.push(record.clone());
            last = *ticket;
        }
        match outcome.and_then(|()| self.journal.commit().map(drop)) {
            Ok(()) => {
                self.world.acknowledged = self.world.handed.len();
                for (_, record) in &batch {
                    self.durable.apply(record);
                    if matches!(record, Record::HaltCleared { by: ClearedBy::Operator { .. }, .. }) {
                        self.released = true;
                    }
                }
                self.step(Input::Durable(last));
            }
            Err(_) if self.world.disk.crashed() => {}
            Err(error) => {
                let full = error.is_no_space();
                self.world.note(if full { Met::DiskFull } else { Met::FailedSync });
                if full {
                    // Rolling may have committed the first part; the journal's own position says how much.
                    let durable = self.journal.durable().seq;
                    let kept = seqs.iter().filter(|seq| **seq <= durable).count();
                    self.world.handed.truncate(before + kept);
                }
                self.step(Input::StorageFailed(error.to_string()));
                self.failed = true;
                if !full {
                    let wall = self.world.wall();
                    let refused = self.journal.stage(wall, "x.after", "{}", Importance::LastWords);
                    assert!(matches!(refused, Err(JournalError::Poisoned)), "I10: an append after a failed fsync");
                    assert!(self.journal.commit().is_err(), "I10: an acknowledgement after a failed fsync");
                }
            }
        }
    }

    /// The halt itself, into the space that the ballast gave back.
    fn last_words(&mut self, halt: &Halt) {
        let record = Record::HaltRaised(halt.clone());
        let (kind, payload) = encode(&record);
        let wall = self.world.wall();
        if self.journal.stage(wall, &kind, &payload, Importance::LastWords).is_err() {
            return;
        }
        self.world.handed.push(record);
        if self.journal.commit().is_ok() {
            self.world.acknowledged = self.world.handed.len();
            self.world.note(Met::LastWords);
        }
    }
}

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
