//! Every history with a bounded number of incidents, checked exhaustively: the same core as in the engine, two
//! components, time in halves of the lease, and a host whose engine may freeze, crash and restart anywhere, whose
//! fsync may fail, and whose kill switch is engaged from outside at any point.
//!
//! For each invariant there is a host that breaks the rule behind it; the check must find that.
//!
//! An incident is anything but time passing, the journal catching up, processes ending and checks passing. Two of them in
//! every order and at every moment, over three quanta; `FAILSTOP_MODEL=full` takes four quanta and some minutes.

use failstop_core::*;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The quantum: half a lease.
const QUANTUM: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(2);
/// Components: one asks, one trades by itself.
const COMPONENTS: usize = 2;
/// Records that may wait for their durability at once.
const WAITING_MAX: usize = 6;

/// A rule of the host that a mutant breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
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
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Tick,
    Durable,
    AllDurable,
    Checks,
    Gone(usize),
    Exits(usize),
    Raise(Cause),
    Passes(Cause),
    Resume,
    Release,
    Live,
    Dry,
    RevokedOutside,
    LatchedOutside,
    /// The engine stops between a step and its effects, for as long as the world likes.
    Freezes,
    Thaws,
    FsyncFails,
    Crashes,
    Starts,
}

/// The permit page in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct MappedPage {
    rights: [Rights; COMPONENTS + 1],
    deadline: Monotonic,
}

impl MappedPage {
    fn fresh() -> Self {
        Self { rights: [Rights::NONE; COMPONENTS + 1], deadline: Monotonic::from_nanos(0) }
    }
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    core: Core,
    now: Monotonic,
    /// The journal on disk.
    journal: Vec<Record>,
    /// How many of its records are the present life's.
    own: u64,
    /// Records emitted and not durable.
    waiting: Vec<Record>,
    page: MappedPage,
    /// What the engine itself wrote last: it replaces nothing else.
    wrote: MappedPage,
    /// Pages that a broken host holds back.
    held_back: Vec<Page>,
    /// The kill switch's latch on disk, and whether the engine knows of it.
    latch: bool,
    latch_known: bool,
    /// Somebody outside has revoked the page and is about to write the latch.
    engaging: bool,
    /// Files in `latches/`.
    latches: BTreeSet<Cause>,
    /// Effects that a frozen engine has not carried out.
    frozen: Option<Vec<Effect>>,
    dead: bool,
    failed: bool,
    checked: bool,
    alive: [Option<Instance>; COMPONENTS],
    dying: [bool; COMPONENTS],
    /// When the engine last took a step.
    stepped: Monotonic,
    epoch: u64,
    ticks: u8,
    incidents: u8,
    restarts: u8,
    engagements: u8,
    /// Facts for `sometimes`.
    seen: BTreeSet<Seen>,
}

/// What a history has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Seen {
    Cleared(Cause),
    Lapsed,
    Restarted,
}

#[derive(Clone, Debug)]
struct Bound {
    incidents: u8,
    ticks: u8,
    restarts: u8,
    causes: Vec<Cause>,
    mutant: Mutant,
}

fn policy() -> Policy {
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
        needs: Vec::new(),
        depends_on: Vec::new(),
    };
    Policy {
        mode_ceiling: Mode::Live,
        lease: LEASE,
        renew: Duration::from_millis(900),
        components: vec![component("asks", Orders::Asks), component("direct", Orders::Direct)],
        dependencies: Vec::new(),
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
        heartbeat_every: hour,
        environment_latched: false,
        jitter_seed: 1,
    }
}

impl World {
    fn new(mutant: Mutant) -> Self {
        let live = Record::ModeSet { mode: Mode::Live, by: String::new(), reason: String::new() };
        let mut world = Self {
            core: Core::new(policy()),
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
            checked: false,
            alive: [None; COMPONENTS],
            dying: [false; COMPONENTS],
            stepped: Monotonic::from_nanos(0),
            epoch: 0,
            ticks: 0,
            incidents: 0,
            restarts: 0,
            engagements: 0,
            seen: BTreeSet::new(),
        };
        world.start(mutant);
        world
    }

    fn start(&mut self, mutant: Mutant) {
        self.core = Core::new(policy());
        for record in &self.journal {
            self.core.replay(record);
        }
        self.own = 0;
        self.waiting.clear();
        // A new epoch is a new file, and leftovers were killed before: nobody reads the old page any more.
        self.page = MappedPage::fresh();
        self.wrote = MappedPage::fresh();
        self.held_back.clear();
        self.dead = false;
        self.failed = false;
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
            unclean: false,
            damage: None,
        };
        self.step(mutant, Input::Start(start));
    }

    /// A step, and every step that the host owes after it.
    fn step(&mut self, mutant: Mutant, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
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
    fn must_tell_of_the_kill_switch(&self) -> bool {
        (self.latch && !self.latch_known) || (self.page != self.wrote && self.page.rights[0].revoked)
    }

    fn carry_out(&mut self, mutant: Mutant, effects: Vec<Effect>, inputs: &mut std::collections::VecDeque<Input>) {
        for effect in effects {
            match effect {
                Effect::Publish(page) if mutant == Mutant::PageWaitsForTheJournal => self.held_back.push(page),
                Effect::Publish(page) => self.write_page(mutant, &page),
                Effect::Record { ticket, record } => {
                    self.waiting.push(record);
                    if mutant == Mutant::DurableTooEarly {
                        inputs.push_back(Input::Durable(ticket));
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
                Effect::Answer { .. } | Effect::Alert(_) => {}
                Effect::Exit(_) => self.dead = true,
            }
        }
    }

    fn write_page(&mut self, mutant: Mutant, page: &Page) {
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

    fn make_durable(&mut self, mutant: Mutant, count: usize) {
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
    fn up_to_a_decision(&self) -> usize {
        self.waiting.iter().position(decides).map_or(self.waiting.len(), |index| index + 1)
    }

    fn durable_fold(&self) -> Recorded {
        let mut fold = Recorded::new();
        for record in &self.journal {
            fold.apply(record);
        }
        fold
    }

    /// What a bot that checks this slot now finds.
    fn check(&self, mutant: Mutant, slot: usize) -> Rights {
        let rights = self.page.rights[slot];
        let in_time = if mutant == Mutant::ReaderForgetsTheTime {
            self.now <= self.page.deadline
        } else {
            self.now < self.page.deadline
        };
        if in_time && !rights.revoked { rights } else { Rights::NONE }
    }

    fn anything_granted(&self, mutant: Mutant) -> bool {
        (0..=COMPONENTS).any(|slot| {
            let rights = self.check(mutant, slot);
            rights.open || rights.reduce
        })
    }

    /// Every slot within what `permission` and `mode` allow.
    fn within(&self, mutant: Mutant, permission: Permission, mode: Mode) -> bool {
        let allowed = Rights::of(permission, mode);
        (0..=COMPONENTS).all(|slot| self.check(mutant, slot).within(allowed))
    }
}

/// Whether a record changes what a replay gives. The others are left out of the model's journal: they are durable like
/// any other, but histories that differ only in them are one.
fn decides(record: &Record) -> bool {
    matches!(
        record,
        Record::EngineStarted { .. } | Record::HaltRaised(_) | Record::HaltCleared { .. } | Record::ModeSet { .. }
    )
}

/// I3's cap: latched halts of the durable journal, of the latches beside it and of the present life.
fn latched_cap(world: &World) -> Permission {
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

impl Model for Bound {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.mutant)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.ticks < self.ticks {
            actions.push(Action::Tick);
        }
        if world.engaging {
            actions.push(Action::LatchedOutside);
        }
        let incident = world.incidents < self.incidents;
        if incident && !world.latch && !world.engaging && world.engagements == 0 {
            actions.push(Action::RevokedOutside);
        }
        if world.dead {
            if world.restarts < self.restarts {
                actions.push(Action::Starts);
            }
            return;
        }
        if world.frozen.is_some() {
            actions.push(Action::Thaws);
            return;
        }
        if !world.failed && !world.waiting.is_empty() {
            actions.push(Action::AllDurable);
            if world.up_to_a_decision() < world.waiting.len() {
                actions.push(Action::Durable);
            }
        }
        if !world.checked {
            actions.push(Action::Checks);
        }
        for index in 0..COMPONENTS {
            if world.dying[index] && world.alive[index].is_some() {
                actions.push(Action::Gone(index));
            }
        }
        if !incident {
            return;
        }
        for (index, alive) in world.alive.iter().enumerate() {
            if alive.is_some() && !world.dying[index] {
                actions.push(Action::Exits(index));
            }
        }
        for cause in &self.causes {
            actions.push(Action::Raise(*cause));
            if world.core.halts().any(|(halt, _)| halt.cause == *cause) {
                actions.push(Action::Passes(*cause));
            }
        }
        if world.core.halts().any(|(halt, _)| halt.latched && halt.cause != Cause::KillSwitch) {
            actions.push(Action::Resume);
        }
        if world.core.kill_switch() {
            actions.push(Action::Release);
        }
        actions.push(if world.core.mode() == Mode::Live { Action::Dry } else { Action::Live });
        if world.ticks < self.ticks {
            actions.push(Action::Freezes);
        }
        actions.push(Action::Crashes);
        if !world.failed {
            actions.push(Action::FsyncFails);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let mutant = self.mutant;
        let order =
            |order| Input::Operator { request: RequestId(1), by: "o".to_owned(), reason: "r".to_owned(), order };
        let mut incident = true;
        match action {
            Action::Tick => {
                incident = false;
                world.ticks += 1;
                world.now = world.now.plus(QUANTUM);
                if !world.dead && world.frozen.is_none() {
                    world.step(mutant, Input::Wake);
                }
            }
            Action::Durable => {
                incident = false;
                world.make_durable(mutant, last.up_to_a_decision());
            }
            Action::AllDurable => {
                incident = false;
                world.make_durable(mutant, last.waiting.len());
            }
            Action::Checks => {
                incident = false;
                world.checked = true;
                world.step(mutant, Input::Checked { class: CheckClass::Integrity, outcome: Ok(()) });
            }
            Action::Gone(index) => {
                incident = false;
                let (slot, instance) = (Slot::component(index).unwrap(), world.alive[index].take().unwrap());
                world.dying[index] = false;
                world.step(mutant, Input::Exited { slot, instance, exit: Exit::Signal(9) });
                world.step(mutant, Input::TreeGone { slot, instance });
            }
            Action::Exits(index) => {
                let (slot, instance) = (Slot::component(index).unwrap(), world.alive[index].unwrap());
                world.step(mutant, Input::Exited { slot, instance, exit: Exit::Status(1) });
            }
            Action::Raise(cause) => {
                world.step(mutant, Input::Raise { cause, slot: None, evidence: "seen".to_owned() });
            }
            Action::Passes(cause) => world.step(mutant, Input::Passed { cause, slot: None }),
            Action::Resume => world.step(mutant, order(Order::Resume(Vec::new()))),
            Action::Release => world.step(mutant, order(Order::KillSwitchRelease)),
            Action::Live => world.step(mutant, order(Order::Mode(Mode::Live))),
            Action::Dry => world.step(mutant, order(Order::Mode(Mode::Dry))),
            Action::RevokedOutside => {
                world.engagements += 1;
                world.engaging = true;
                world.page.rights = [Rights::REVOKED; COMPONENTS + 1];
            }
            Action::LatchedOutside => {
                incident = false;
                world.engaging = false;
                world.latch = true;
                world.latch_known = false;
                // The page may be a new one by now; then everything is killed.
                world.page.rights = [Rights::REVOKED; COMPONENTS + 1];
                for index in 0..COMPONENTS {
                    world.dying[index] = world.alive[index].is_some();
                }
            }
            Action::Freezes => {
                // Between the step that renews and its effects: the worst moment.
                world.ticks += 1;
                world.now = world.now.plus(QUANTUM);
                let mut out = Vec::new();
                world.core.step(world.now, Input::Wake, &mut out);
                world.stepped = world.now;
                world.frozen = Some(out);
            }
            Action::Thaws => {
                incident = false;
                let effects = world.frozen.take()?;
                let mut inputs = std::collections::VecDeque::new();
                world.carry_out(mutant, effects, &mut inputs);
                for input in inputs {
                    world.step(mutant, input);
                }
            }
            Action::FsyncFails => {
                // What was in flight may or may not be on the disk; here it is not, and the latches must do.
                world.failed = true;
                world.waiting.clear();
                world.step(mutant, Input::StorageFailed("EIO".to_owned()));
            }
            Action::Crashes => {
                world.dead = true;
                world.frozen = None;
                world.waiting.clear();
                world.alive = [None; COMPONENTS];
                world.dying = [false; COMPONENTS];
            }
            Action::Starts => {
                incident = false;
                world.restarts += 1;
                world.seen.insert(Seen::Restarted);
                world.start(mutant);
            }
        }
        if incident {
            world.incidents += 1;
        }
        (world != *last).then_some(world)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.waiting.len() <= WAITING_MAX + 8
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("I1", |model: &Self, world: &World| {
                world.now < world.page.deadline || !world.anything_granted(model.mutant)
            }),
            Property::always("I2", |model: &Self, world: &World| {
                let gone = world.dead || world.frozen.is_some();
                !(gone && world.now >= world.stepped.plus(LEASE) && world.anything_granted(model.mutant))
            }),
            Property::always("I3", |model: &Self, world: &World| {
                world.within(model.mutant, latched_cap(world), Mode::Live)
            }),
            Property::always("I4", |model: &Self, world: &World| {
                let halts = world.core.halts().filter(|(halt, _)| halt.scope == Scope::System);
                let least = halts.map(|(halt, _)| halt.cap).min().unwrap_or(Permission::Active);
                let fold = world.durable_fold();
                world.dead
                    || (world.core.permission() == least
                        && world.within(model.mutant, fold.permission(), fold.ceremony))
            }),
            Property::always("I5", |model: &Self, world: &World| {
                world.dead
                    || world.frozen.is_some()
                    || world.within(model.mutant, world.core.permission(), world.core.mode())
            }),
            Property::always("I6", |model: &Self, world: &World| !world.latch || !world.anything_granted(model.mutant)),
            Property::always("I7", |model: &Self, world: &World| {
                let mut last = None;
                let rising = world.journal.iter().all(|record| match record {
                    Record::EngineStarted { epoch, .. } => last.replace(*epoch) < Some(*epoch),
                    _ => true,
                });
                rising && (!world.anything_granted(model.mutant) || last == Some(Epoch(world.epoch)))
            }),
            Property::always("the start gate", |model: &Self, world: &World| {
                world.checked || world.dead || !world.anything_granted(model.mutant)
            }),
            Property::sometimes("active after a release", |_, world: &World| {
                world.seen.contains(&Seen::Cleared(Cause::DailyLoss)) && world.check(Mutant::None, 1).open
            }),
            Property::sometimes("active after the kill switch", |_, world: &World| {
                world.seen.contains(&Seen::Cleared(Cause::KillSwitch)) && world.check(Mutant::None, 1).open
            }),
            Property::sometimes("a latched halt after a restart", |_, world: &World| {
                world.seen.contains(&Seen::Restarted)
                    && world.core.halts().any(|(halt, _)| halt.cause == Cause::OrdersInDoubt)
            }),
            Property::sometimes("a failed journal after a restart", |_, world: &World| {
                world.seen.contains(&Seen::Restarted)
                    && world.core.halts().any(|(halt, _)| halt.cause == Cause::Storage)
            }),
            Property::sometimes("a component failed too often", |_, world: &World| {
                world.core.halts().any(|(halt, _)| halt.cause == Cause::ComponentFailed)
            }),
            Property::sometimes("a lapse", |_, world: &World| world.seen.contains(&Seen::Lapsed)),
            Property::sometimes("a self-clearing halt cleared", |_, world: &World| {
                world.seen.contains(&Seen::Cleared(Cause::Environment))
                    && world.seen.contains(&Seen::Cleared(Cause::Starting))
                    && world.check(Mutant::None, 2).live
            }),
        ]
    }
}

fn bound(mutant: Mutant) -> Bound {
    let full = std::env::var("FAILSTOP_MODEL").is_ok_and(|value| value == "full");
    Bound {
        incidents: 2,
        ticks: if full && mutant == Mutant::None { 4 } else { 3 },
        restarts: 2,
        causes: vec![Cause::DailyLoss, Cause::OrdersInDoubt, Cause::Environment],
        mutant,
    }
}

#[test]
fn every_short_history_keeps_the_invariants() {
    let checker = bound(Mutant::None).checker().threads(2).spawn_dfs().join();
    println!(
        "model: {} distinct states, {} generated, depth {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    assert!(checker.is_done());
    checker.assert_properties();
}

#[test]
fn a_host_that_breaks_a_rule_is_caught() {
    let mutants = [
        ("I1", Mutant::ReaderForgetsTheTime),
        ("I2", Mutant::DeadlineFromTheWrite),
        ("I3", Mutant::DurableTooEarly),
        ("I4", Mutant::PageNeverNarrows),
        ("I5", Mutant::PageWaitsForTheJournal),
        ("I6", Mutant::LatchIgnoredAtStart),
        ("I6", Mutant::PageWrittenBlindly),
        ("I7", Mutant::EpochReused),
    ];
    for (invariant, mutant) in mutants {
        let wanted = BTreeSet::from([invariant]);
        let wanted = HasDiscoveries::AllOf(wanted.into_iter().collect());
        let checker = bound(mutant).checker().threads(2).finish_when(wanted).spawn_bfs().join();
        assert!(checker.discovery(invariant).is_some(), "{mutant:?} goes unnoticed by {invariant}");
        let path = checker.discovery(invariant).unwrap().into_actions();
        println!("model: {mutant:?} breaks {invariant} after {path:?}");
    }
}
