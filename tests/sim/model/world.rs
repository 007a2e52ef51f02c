//! The world of the model check: the core under a host whose engine may freeze, crash and restart, and whose host rules a
//! mutant may break.

use failstop_core::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The quantum: half a lease.
pub const QUANTUM: Duration = Duration::from_secs(1);
pub const LEASE: Duration = Duration::from_secs(2);
/// Components: one asks, one trades by itself.
pub const COMPONENTS: usize = 2;

/// A rule of the host that a mutant breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// None: the host as it shall be.
    None,
    /// I1: the reader lets a permit pass at its deadline.
    ReaderForgetsTheTime,
    /// I2: the deadline counts from the moment of writing, not from the step that decided it.
    DeadlineFromTheWrite,
    /// I3: a record counts as durable when it is queued.
    DurableTooEarly,
    /// I4: the page keeps a right that it once gave.
    PageNeverNarrows,
    /// I5: a page is written only once the records before it are durable.
    PageWaitsForTheJournal,
    /// I6: the start does not look for the latch.
    LatchIgnoredAtStart,
    /// I6: the page is written over whatever stands there.
    PageWrittenBlindly,
    /// I7: the same epoch again.
    EpochReused,
    /// I13: the host says that the witness acknowledged what it has not seen.
    WitnessedTooEarly,
}

/// The permit page in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MappedPage {
    pub rights: [Rights; COMPONENTS + 1],
    pub deadline: Monotonic,
}

impl MappedPage {
    pub fn fresh() -> Self {
        Self { rights: [Rights::NONE; COMPONENTS + 1], deadline: Monotonic::from_nanos(0) }
    }
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub core: Core,
    pub now: Monotonic,
    /// The journal on disk.
    pub journal: Vec<Record>,
    /// How many of its records are the present life's.
    pub own: u64,
    /// Records emitted and not durable.
    pub waiting: Vec<Record>,
    pub page: MappedPage,
    /// What the engine itself wrote last: it replaces nothing else.
    pub wrote: MappedPage,
    /// Pages that a broken host holds back.
    pub held_back: Vec<Page>,
    /// The kill switch's latch on disk, and whether the engine knows of it.
    pub latch: bool,
    pub latch_known: bool,
    /// Somebody outside has revoked the page and is about to write the latch.
    pub engaging: bool,
    /// Files in `latches/`.
    pub latches: BTreeSet<Cause>,
    /// Effects that a frozen engine has not carried out.
    pub frozen: Option<Vec<Effect>>,
    pub dead: bool,
    pub failed: bool,
    /// The journal failed since the disk is full: it takes last words.
    pub full: bool,
    pub checked: bool,
    pub alive: [Option<Instance>; COMPONENTS],
    pub dying: [bool; COMPONENTS],
    /// When the engine last took a step.
    pub stepped: Monotonic,
    pub epoch: u64,
    pub ticks: u8,
    pub incidents: u8,
    pub restarts: u8,
    pub engagements: u8,
    /// Whether releases wait for a witness.
    pub two_key: bool,
    /// The last order of this life that waits for it, and how many records of this life it has seen.
    pub ordered: u64,
    pub witnessed: u64,
    /// A release was carried out that the witness had not seen.
    pub unwitnessed: bool,
    /// The kill switch was engaged since the last order that waits was given, and was released by an order from before.
    pub engaged_again: bool,
    pub engagement_lost: bool,
    /// Facts for `sometimes`.
    pub seen: BTreeSet<Seen>,
}

/// What a history has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen {
    Cleared(Cause),
    Lapsed,
    Restarted,
}

fn policy(two_key: bool) -> Policy {
    let hour = Duration::from_secs(3600);
    let component = |name: &str, orders| ComponentPolicy {
        name: ComponentName(name.to_owned()),
        orders,
        essential: true,
        restart: RestartPolicy::Always,
        backoff_initial: QUANTUM,
        backoff_max: QUANTUM,
        backoff_reset_after: hour,
        start_limit: 2,
        start_limit_within: hour,
        stop_grace: QUANTUM,
        readiness: false,
        start_period: hour,
        liveness: None,
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
        // Each quantum renews, and a step on a quantum is no late one: only a frozen engine stands still.
        renew: Duration::from_millis(950),
        components: vec![component("asks", Orders::Asks), component("direct", Orders::Direct)],
        dependencies: Vec::new(),
        limits: SystemLimits::default(),
        health: HealthPolicy {
            market_data_max_age: hour,
            feeds: Vec::new(),
            journal_max_age: hour,
            errors_per_minute: 10,
            queue_stalled_after: hour,
            every: hour,
            clear_after: QUANTUM,
        },
        failsafe: FailsafePolicy {
            market_data_max_age: hour,
            journal_max_age: hour,
            snapshot_max_age: hour,
            unhealthy_for: hour,
        },
        halts: BTreeMap::new(),
        two_key: two_key.then_some(hour),
        heartbeat_every: hour,
        environment_latched: false,
        shutdown_within: Duration::from_secs(3600),
        jitter_seed: 1,
    }
}

impl World {
    pub fn new(mutant: Mutant, two_key: bool) -> Self {
        let live = Record::ModeSet { mode: Mode::Live, by: String::new(), reason: String::new() };
        let mut world = Self {
            core: Core::new(policy(two_key)),
            now: Monotonic::from_nanos(3_600_000_000_000),
            journal: vec![live],
            own: 0,
            waiting: Vec::new(),
            page: MappedPage::fresh(),
            wrote: MappedPage::fresh(),
            held_back: Vec::new(),
            latch: false,
            latch_known: false,
            engaging: false,
            latches: BTreeSet::new(),
            frozen: None,
            dead: true,
            failed: false,
            full: false,
            checked: false,
            alive: [None; COMPONENTS],
            dying: [false; COMPONENTS],
            stepped: Monotonic::from_nanos(0),
            epoch: 0,
            ticks: 0,
            incidents: 0,
            restarts: 0,
            engagements: 0,
            two_key,
            ordered: 0,
            witnessed: 0,
            unwitnessed: false,
            engaged_again: false,
            engagement_lost: false,
            seen: BTreeSet::new(),
        };
        world.start(mutant);
        world
    }

    pub fn start(&mut self, mutant: Mutant) {
        self.core = Core::new(policy(self.two_key));
        for record in &self.journal {
            self.core.replay(record);
        }
        self.own = 0;
        (self.ordered, self.witnessed) = (0, 0);
        self.engaged_again = false;
        self.waiting.clear();
        // A new epoch is a new file, and leftovers were killed before: nobody reads the old page any more.
        self.page = MappedPage::fresh();
        self.wrote = MappedPage::fresh();
        self.held_back.clear();
        self.dead = false;
        self.failed = false;
        self.full = false;
        self.checked = false;
        self.frozen = None;
        self.alive = [None; COMPONENTS];
        self.dying = [false; COMPONENTS];
        if mutant != Mutant::EpochReused || self.epoch == 0 {
            self.epoch += 1;
        }
        let look = mutant != Mutant::LatchIgnoredAtStart;
        self.latch_known = self.latch;
        let start = Start {
            epoch: Epoch(self.epoch),
            kill_switch: (self.latch && look).then(|| ("o".to_owned(), "r".to_owned())),
            latches: self.latches.iter().map(|cause| (*cause, "latched".to_owned())).collect(),
            new_journal: false,
            unclean: None,
            damage: None,
        };
        self.step(mutant, Input::Start(start));
    }

    /// A step, and every step that the host owes after it.
    pub fn step(&mut self, mutant: Mutant, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.dead {
                return;
            }
            let mut out = Vec::new();
            self.core.step(self.now, input, &mut out);
            self.stepped = self.now;
            self.carry_out(mutant, out, &mut inputs);
            if inputs.is_empty() && self.must_tell_of_the_kill_switch() {
                self.latch_known = self.latch;
                self.wrote.rights = self.page.rights;
                inputs.push_back(Input::KillSwitchSeen { by: "o".to_owned(), reason: "r".to_owned() });
            }
        }
        if self.core.permit_lapses() > 0 {
            self.seen.insert(Seen::Lapsed);
        }
    }

    /// Whether the page or the disk says what the engine does not know.
    pub fn must_tell_of_the_kill_switch(&self) -> bool {
        (self.latch && !self.latch_known) || (self.page != self.wrote && self.page.rights[0].revoked)
    }

    pub fn carry_out(&mut self, mutant: Mutant, effects: Vec<Effect>, inputs: &mut VecDeque<Input>) {
        for effect in effects {
            match effect {
                Effect::Publish(page) if mutant == Mutant::PageWaitsForTheJournal => self.held_back.push(page),
                Effect::Publish(page) => self.write_page(mutant, &page),
                Effect::Record { ticket, record } => {
                    if self.two_key {
                        self.note_release(ticket, &record);
                        if mutant == Mutant::WitnessedTooEarly && self.ordered == ticket.0 {
                            inputs.push_back(Input::Witnessed(ticket));
                        }
                    }
                    self.waiting.push(record);
                    if mutant == Mutant::DurableTooEarly {
                        inputs.push_back(Input::Durable(ticket));
                    }
                }
                Effect::LastWord { record, again: _ } => {
                    assert!(self.full, "I10: a record after a failed fsync");
                    if decides(&record) {
                        self.journal.push(record);
                    }
                }
                Effect::Latch(halt) => {
                    self.latches.insert(halt.cause);
                }
                Effect::RemoveKillSwitchLatch => {
                    // Only the latch that the engine knows of.
                    if self.latch && self.latch_known {
                        self.latch = false;
                        self.latch_known = false;
                        inputs.push_back(Input::KillSwitchLatchRemoved);
                    } else if !self.latch {
                        inputs.push_back(Input::KillSwitchLatchRemoved);
                    }
                }
                Effect::WriteKillSwitchLatch { .. } => {
                    self.latch = true;
                    self.latch_known = true;
                }
                Effect::RemoveLatches => self.latches.clear(),
                Effect::Spawn { slot, instance } => {
                    let index = slot.index().unwrap();
                    assert!(self.alive[index].is_none(), "two copies");
                    self.alive[index] = Some(instance);
                    self.dying[index] = false;
                    inputs.push_back(Input::Spawned { slot, instance, pid: 1 });
                }
                Effect::Stop { slot, .. } | Effect::KillTree { slot, .. } => self.dying[slot.index().unwrap()] = true,
                Effect::Ask { .. }
                | Effect::Reload { .. }
                | Effect::RunHook { .. }
                | Effect::KillHook { .. }
                | Effect::Answer { .. }
                | Effect::Alert(_)
                | Effect::Configured
                | Effect::TryDependency { .. } => {}
                Effect::Exit(_) => self.dead = true,
            }
        }
    }

    pub fn write_page(&mut self, mutant: Mutant, page: &Page) {
        let ours = self.page == self.wrote && (self.latch_known || !self.latch);
        if !ours && mutant != Mutant::PageWrittenBlindly {
            return;
        }
        for (slot, rights) in self.page.rights.iter_mut().zip(page.rights) {
            let before = *slot;
            *slot = rights;
            if mutant == Mutant::PageNeverNarrows {
                slot.open |= before.open;
                slot.reduce |= before.reduce;
            }
        }
        self.page.deadline = page.deadline;
        if mutant == Mutant::DeadlineFromTheWrite {
            self.page.deadline = page.deadline.max(self.now.plus(LEASE));
        }
        self.wrote = self.page.clone();
    }

    /// The witness sees what is durable, and acknowledges it.
    pub fn witness(&mut self, mutant: Mutant) {
        self.witnessed = self.own;
        self.step(mutant, Input::Witnessed(Ticket(self.own)));
    }

    fn note_release(&mut self, ticket: Ticket, record: &Record) {
        match record {
            Record::OperatorOrder { .. } => {
                self.ordered = ticket.0;
                self.engaged_again = false;
            }
            Record::HaltCleared { cause, by: ClearedBy::Operator { .. }, .. } => {
                self.engagement_lost |= *cause == Cause::KillSwitch && self.engaged_again;
                self.unwitnessed |= self.ordered == 0 || self.witnessed < self.ordered;
            }
            _ => {}
        }
    }

    pub fn make_durable(&mut self, mutant: Mutant, count: usize) {
        for record in self.waiting.drain(..count) {
            if let Record::HaltCleared { cause, .. } = &record {
                self.seen.insert(Seen::Cleared(*cause));
            }
            if decides(&record) {
                self.journal.push(record);
            }
        }
        self.own += u64::try_from(count).unwrap();
        let upto = Ticket(self.own);
        self.step(mutant, Input::Durable(upto));
        if mutant == Mutant::PageWaitsForTheJournal && self.waiting.is_empty() {
            for page in std::mem::take(&mut self.held_back) {
                self.write_page(mutant, &page);
            }
        }
    }

    /// How many waiting records there are up to the first one that changes anything.
    pub fn up_to_a_decision(&self) -> usize {
        self.waiting.iter().position(decides).map_or(self.waiting.len(), |index| index + 1)
    }

    pub fn durable_fold(&self) -> Recorded {
        let mut fold = Recorded::new();
        for record in &self.journal {
            fold.apply(record);
        }
        fold
    }

    /// What a bot that checks this slot now finds.
    pub fn check(&self, mutant: Mutant, slot: usize) -> Rights {
        let rights = self.page.rights[slot];
        let in_time = if mutant == Mutant::ReaderForgetsTheTime {
            self.now <= self.page.deadline
        } else {
            self.now < self.page.deadline
        };
        if in_time && !rights.revoked { rights } else { Rights::NONE }
    }

    pub fn anything_granted(&self, mutant: Mutant) -> bool {
        (0..=COMPONENTS).any(|slot| {
            let rights = self.check(mutant, slot);
            rights.open || rights.reduce
        })
    }

    /// Every slot within what `permission` and `mode` allow.
    pub fn within(&self, mutant: Mutant, permission: Permission, mode: Mode) -> bool {
        let allowed = Rights::of(permission, mode);
        (0..=COMPONENTS).all(|slot| self.check(mutant, slot).within(allowed))
    }
}

/// Whether a record changes what a replay gives. The others are left out of the model's journal: they are durable like
/// any other, but histories that differ only in them are one.
pub fn decides(record: &Record) -> bool {
    matches!(
        record,
        Record::EngineStarted { .. } | Record::HaltRaised(_) | Record::HaltCleared { .. } | Record::ModeSet { .. }
    )
}

/// I3's cap: latched halts of the durable journal, of the latches beside it and of the present life.
pub fn latched_cap(world: &World) -> Permission {
    let mut fold = world.durable_fold();
    if !world.dead {
        for record in &world.waiting {
            if let Record::HaltRaised(_) = record {
                fold.apply(record);
            }
        }
    }
    let latched = fold.halts.values().filter(|halt| halt.latched && halt.scope == Scope::System);
    latched.map(|halt| halt.cap).min().unwrap_or(Permission::Active)
}
