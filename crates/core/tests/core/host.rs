//! A host in memory: keeps time, a process table without processes, and a journal that is durable when a test says so.

use failstop_core::*;
use std::collections::BTreeMap;
use std::time::Duration;

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);

pub fn slot(index: usize) -> Slot {
    Slot::component(index).unwrap()
}

pub fn storage_failed(evidence: &str, last_words: bool) -> Input {
    Input::StorageFailed { evidence: evidence.to_owned(), last_words }
}

/// A component with the shipped numbers.
pub fn component(name: &str, orders: Orders) -> ComponentPolicy {
    ComponentPolicy {
        name: ComponentName(name.to_owned()),
        orders,
        essential: true,
        restart: RestartPolicy::Always,
        backoff_initial: SECOND,
        backoff_max: MINUTE,
        backoff_reset_after: MINUTE,
        start_limit: 5,
        start_limit_within: 5 * MINUTE,
        pre_stop: None,
        post_stop: None,
        stop_grace: 10 * SECOND,
        readiness: false,
        start_period: MINUTE,
        liveness: None,
        progress_within: None,
        limits: ComponentLimits::default(),
        needs: Vec::new(),
        depends_on: Vec::new(),
        on_dependency_exit: DependencyExit::Keep,
        reload: None,
    }
}

/// The shipped numbers, live, with these components.
pub fn policy(components: Vec<ComponentPolicy>) -> Policy {
    Policy {
        mode_ceiling: Mode::Live,
        lease: 2 * SECOND,
        renew: SECOND / 2,
        components,
        dependencies: Vec::new(),
        health: HealthPolicy {
            market_data_max_age: 5 * MINUTE,
            feeds: Vec::new(),
            journal_max_age: 10 * MINUTE,
            errors_per_minute: 10,
            queue_stalled_after: MINUTE,
            every: 30 * SECOND,
            clear_after: MINUTE,
        },
        failsafe: FailsafePolicy {
            market_data_max_age: 10 * MINUTE,
            journal_max_age: 15 * MINUTE,
            snapshot_max_age: 25 * 60 * MINUTE,
            unhealthy_for: 5 * MINUTE,
        },
        limits: SystemLimits::default(),
        halts: BTreeMap::new(),
        two_key: None,
        heartbeat_every: 30 * SECOND,
        environment_latched: false,
        shutdown_within: 60 * MINUTE,
        jitter_seed: 7,
    }
}

/// With the memory above which everything is shut down, as its limits have it.
pub fn with_emergencies(mut policy: Policy) -> Policy {
    let governed = policy.limits.memory_max.is_some();
    policy.limits.emergency = memory_emergency(Some(policy.limits.memory_warn), governed);
    for limits in policy.components.iter_mut().map(|component| &mut component.limits) {
        limits.emergency = memory_emergency(limits.memory_warn, governed || limits.memory_max.is_some());
    }
    policy
}

pub fn asks() -> Vec<ComponentPolicy> {
    vec![component("bot", Orders::Asks)]
}

/// A start at which nothing was found that is worth telling.
pub fn plain(epoch: Epoch) -> Start {
    Start { epoch, kill_switch: None, latches: Vec::new(), new_journal: false, unclean: None, damage: None }
}

/// The fake host.
pub struct Host {
    pub core: Core,
    pub policy: Policy,
    pub now: Monotonic,
    /// Everything emitted, in order.
    pub log: Vec<Effect>,
    /// Every record with its ticket.
    pub journal: Vec<(Ticket, Record)>,
    pub durable: Ticket,
    /// Whether records become durable in the moment of their emission.
    pub prompt: bool,
    /// Whether spawned processes appear and killed trees vanish at once.
    pub obliging: bool,
    /// Components that end on their stop signal.
    pub polite: bool,
    /// Whether a component that ends on its stop signal leaves processes that do not.
    pub leaves_some_behind: bool,
    /// What dependencies say when they are asked at once: `None` is nothing at all.
    pub dependencies_answer: Option<bool>,
    pub epoch: u64,
    pub exit: Option<ExitReason>,
    requests: u64,
}

impl Host {
    pub fn new(policy: Policy) -> Self {
        Self {
            core: Core::new(policy.clone()),
            policy,
            now: Monotonic::from_nanos(1_000_000_000_000),
            log: Vec::new(),
            journal: Vec::new(),
            durable: Ticket(0),
            prompt: true,
            obliging: true,
            polite: true,
            leaves_some_behind: false,
            dependencies_answer: Some(true),
            epoch: 0,
            exit: None,
            requests: 0,
        }
    }

    /// Started, checks passed; in dry mode, since no ceremony was held.
    pub fn started(policy: Policy) -> Self {
        let mut host = Self::new(policy);
        host.start(plain(Epoch(1)));
        host.pass_checks();
        host
    }

    /// Started, checks passed, live.
    pub fn live(policy: Policy) -> Self {
        let mut host = Self::started(policy);
        host.order(Order::Mode(Mode::Live)).expect("live");
        host
    }

    pub fn start(&mut self, start: Start) -> Vec<Effect> {
        self.epoch = start.epoch.0;
        self.send(Input::Start(start))
    }

    pub fn plain_start(&mut self) -> Vec<Effect> {
        let epoch = Epoch(self.epoch + 1);
        self.start(plain(epoch))
    }

    pub fn pass_checks(&mut self) {
        self.send(Input::Checked { class: CheckClass::Environment, outcome: Ok(()) });
        self.send(Input::Checked { class: CheckClass::Integrity, outcome: Ok(()) });
    }

    /// The process dies and starts again from what was durable.
    pub fn crash_and_start(&mut self, start: impl FnOnce(Epoch) -> Start) {
        let durable = self.durable;
        self.journal.retain(|(ticket, _)| *ticket <= durable);
        let mut core = Core::new(self.policy.clone());
        for (_, record) in &self.journal {
            core.replay(&over_the_wire(record));
        }
        // The old life's tickets mean nothing to the new one.
        for (ticket, _) in &mut self.journal {
            *ticket = Ticket(0);
        }
        self.durable = Ticket(0);
        self.core = core;
        let start = start(Epoch(self.epoch + 1));
        self.start(start);
    }

    pub fn crash_and_plain_start(&mut self) {
        self.crash_and_start(plain);
    }

    /// One input and what an obliging world answers to its effects. Returns all effects.
    pub fn send(&mut self, input: Input) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.exit.is_some() {
                break;
            }
            let mut out = Vec::new();
            self.core.step(self.now, input, &mut out);
            for effect in &out {
                self.carry_out(effect, &mut inputs);
            }
            all.extend(out);
            if self.prompt && inputs.is_empty() {
                let last = self.journal.last().map_or(Ticket(0), |(ticket, _)| *ticket);
                if last > self.durable {
                    self.durable = last;
                    inputs.push_back(Input::Durable(last));
                }
            }
        }
        self.log.extend(all.iter().cloned());
        all
    }

    fn carry_out(&mut self, effect: &Effect, inputs: &mut std::collections::VecDeque<Input>) {
        match effect {
            Effect::Record { ticket, record } => self.journal.push((*ticket, record.clone())),
            // Durable, and nobody is told.
            Effect::LastWord { record, again: _ } => self.journal.push((Ticket(0), record.clone())),
            Effect::Spawn { slot, instance } if self.obliging => {
                inputs.push_back(Input::Spawned { slot: *slot, instance: *instance, pid: 100 });
            }
            Effect::Stop { slot, instance } if self.obliging && self.polite => {
                inputs.push_back(Input::Exited { slot: *slot, instance: *instance, exit: Exit::Signal(15) });
                if !self.leaves_some_behind {
                    inputs.push_back(Input::TreeGone { slot: *slot, instance: *instance });
                }
            }
            Effect::KillTree { slot, instance } if self.obliging => {
                inputs.push_back(Input::Exited { slot: *slot, instance: *instance, exit: Exit::Signal(9) });
                inputs.push_back(Input::TreeGone { slot: *slot, instance: *instance });
            }
            Effect::KillHook { slot, instance } if self.obliging => {
                let (hook, outcome) = (Hook::PreStop, HookOutcome::Ended(Exit::Signal(9)));
                inputs.push_back(Input::HookEnded { slot: *slot, instance: *instance, hook, outcome });
            }
            Effect::RemoveKillSwitchLatch if self.obliging => inputs.push_back(Input::KillSwitchLatchRemoved),
            Effect::TryDependency { index } => {
                let index = *index;
                inputs.extend(self.dependencies_answer.map(|answered| Input::DependencyTried { index, answered }));
            }
            Effect::Exit(reason) => self.exit = Some(*reason),
            Effect::Spawn { .. }
            | Effect::Stop { .. }
            | Effect::Reload { .. }
            | Effect::RunHook { .. }
            | Effect::KillHook { .. }
            | Effect::KillTree { .. }
            | Effect::RemoveKillSwitchLatch
            | Effect::Publish(_)
            | Effect::Latch(_)
            | Effect::WriteKillSwitchLatch { .. }
            | Effect::RemoveLatches
            | Effect::Ask { .. }
            | Effect::Answer { .. }
            | Effect::Configured
            | Effect::Alert(_) => {}
        }
    }

    /// Everything emitted becomes durable.
    pub fn sync(&mut self) -> Vec<Effect> {
        let last = self.journal.last().map_or(Ticket(0), |(ticket, _)| *ticket);
        self.durable = self.durable.max(last);
        self.send(Input::Durable(self.durable))
    }

    /// Lets time pass, waking the core at its deadlines.
    pub fn pass(&mut self, span: Duration) -> Vec<Effect> {
        let until = self.now.plus(span);
        let mut all = Vec::new();
        let mut wakes = 0;
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= until) {
            assert!(at > self.now, "a deadline that is due must not come back");
            self.now = at;
            all.extend(self.send(Input::Wake));
            wakes += 1;
            assert!(wakes < 1_000_000, "the core asks to be woken without end");
        }
        self.now = until;
        all.extend(self.send(Input::Wake));
        all
    }

    /// The engine stands still so long, wakes late, and has read what waited for it.
    pub fn stands_still(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.send(Input::Wake);
        self.pass(Duration::from_millis(200));
    }

    /// Lets time pass, with a sign of every feed and component named each second.
    pub fn pass_with(&mut self, span: Duration, mut each_second: impl FnMut(&mut Self)) {
        let mut left = span;
        while left > Duration::ZERO {
            let step = left.min(SECOND);
            self.pass(step);
            each_second(self);
            left -= step;
        }
    }

    pub fn sign(&mut self, index: usize, sign: Sign) -> Vec<Effect> {
        let instance = self.instance(index);
        self.send(Input::Sign { slot: slot(index), instance, sign })
    }

    pub fn exits(&mut self, index: usize, exit: Exit) -> Vec<Effect> {
        let instance = self.instance(index);
        self.send(Input::Exited { slot: slot(index), instance, exit })
    }

    pub fn instance(&self, index: usize) -> Instance {
        self.core.components()[index].instance
    }

    pub fn state(&self, index: usize) -> ComponentState {
        self.core.components()[index].state
    }

    /// Gives an order with a reason and returns its answer; panics where there is none yet.
    pub fn order(&mut self, order: Order) -> Result<(), Vec<String>> {
        let effects = self.order_effects(order, "a good reason");
        answer(&effects).expect("an answer")
    }

    pub fn order_effects(&mut self, order: Order, reason: &str) -> Vec<Effect> {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.send(Input::Operator { request, by: "ops (0)".to_owned(), reason: reason.to_owned(), order })
    }

    pub fn resume(&mut self) -> Result<(), Vec<String>> {
        self.order(Order::Resume(Vec::new()))
    }

    pub fn standing(&self) -> Vec<Cause> {
        self.core.halts().map(|(halt, _)| halt.cause).collect()
    }

    pub fn halt(&self, cause: Cause) -> Option<Halt> {
        self.core.halts().find(|(halt, _)| halt.cause == cause).map(|(halt, _)| halt.clone())
    }

    /// The rights that a reader of the slot finds now.
    pub fn rights(&self, slot: usize) -> Rights {
        match self.core.page() {
            Some(page) if self.now < page.deadline => page.rights[slot],
            Some(page) if page.rights[slot].revoked => Rights::REVOKED,
            Some(_) | None => Rights::NONE,
        }
    }

    pub fn records_of(&self, wanted: impl Fn(&Record) -> bool) -> usize {
        self.journal.iter().filter(|(_, record)| wanted(record)).count()
    }
}

/// A record as the journal gives it back.
pub fn over_the_wire(record: &Record) -> Record {
    serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap()
}

pub fn answer(effects: &[Effect]) -> Option<Result<(), Vec<String>>> {
    effects.iter().find_map(|effect| match effect {
        Effect::Answer { outcome, .. } => Some(outcome.clone()),
        _ => None,
    })
}

pub fn spawns(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Spawn { .. })).count()
}

pub fn stops(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Stop { .. })).count()
}

pub fn kills(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::KillTree { .. })).count()
}

/// The last page among the effects.
pub fn page(effects: &[Effect]) -> Option<&Page> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Publish(page) => Some(page),
        _ => None,
    })
}
