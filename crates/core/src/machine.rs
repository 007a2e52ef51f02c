//! The machine itself: one owner of all state, stepped by its host. What each input means is in the modules by concern;
//! here is the order in which a step looks at them.

use crate::component::Component;
use crate::configure::Coming;
use crate::dependency::Dependency;
use crate::effect::{Effect, Page};
use crate::halt::{Cause, Trigger};
use crate::health::{Aged, Watch};
use crate::id::Slot;
use crate::input::{CheckClass, Input};
use crate::ledger::{Grievance, Standings, Writing};
use crate::limits::Limits;
use crate::memory::Recorded;
use crate::operator::Orders;
use crate::permission::{Mode, Permission};
use crate::policy::Policy;
use crate::record::{ClearedBy, Record};
use crate::renewal::Permit;
use crate::startup::Life;
use crate::time::Monotonic;
use crate::turn::{TEXT_MAX_BYTES, Turn, clip};
use crate::two_key::SecondKey;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The core. See the crate's first lines for the contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Core {
    pub(crate) policy: Arc<Policy>,
    /// The policy that takes its place once its record is durable.
    pub(crate) coming: Option<Coming>,
    pub(crate) recorded: Recorded,
    pub(crate) standing: Standings,
    pub(crate) writing: Writing,
    pub(crate) life: Life,
    pub(crate) components: Vec<Component>,
    /// By index of the policy.
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) watch: Watch,
    pub(crate) limits: Limits,
    pub(crate) permit: Permit,
    pub(crate) operator: Orders,
    pub(crate) second_key: SecondKey,
    /// Causes that the host judges and that hold now, with what was seen.
    pub(crate) judged: BTreeMap<(Cause, Option<Slot>), String>,
    /// Fail-safe triggers that the host judges and that hold now.
    pub(crate) triggers: BTreeMap<Trigger, String>,
    /// The permission as it was recorded last.
    noted: Permission,
    /// The time of the last step.
    now: Monotonic,
    /// No later than this something is to be looked at again.
    pub(crate) due: Option<Monotonic>,
    /// Whether this step changed anything that decisions hang on.
    pub(crate) dirty: bool,
}

/// How often a step goes round until nothing changes any more. Each round needs a change of a halt or a component, so
/// two or three are the rule.
const MAX_ROUNDS: usize = 16;

/// A deadline that stays due although it was looked at is looked at again after this; never a busy loop.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Core {
    /// A core that has seen nothing: `observe-only`, nothing published.
    pub fn new(policy: Policy) -> Self {
        let watch = Watch::new(&policy);
        let components = policy.components.iter().take(crate::MAX_COMPONENTS).map(|_| Component::new()).collect();
        let dependencies = vec![Dependency::default(); policy.dependencies.len()];
        Self {
            policy: Arc::new(policy),
            coming: None,
            recorded: Recorded::new(),
            standing: Standings::new(),
            writing: Writing::default(),
            life: Life::default(),
            components,
            dependencies,
            watch,
            limits: Limits::default(),
            permit: Permit::default(),
            operator: Orders::default(),
            second_key: SecondKey::default(),
            judged: BTreeMap::new(),
            triggers: BTreeMap::new(),
            noted: Permission::ObserveOnly,
            now: Monotonic::default(),
            due: None,
            dirty: false,
        }
    }

    /// Takes one record of the journal, before the first step. The same state as from the inputs that made it.
    pub fn replay(&mut self, record: &Record) {
        self.recorded.apply(record);
    }

    /// Takes one fact at time `now` and appends the orders that follow to `out`.
    pub fn step(&mut self, now: Monotonic, input: Input, out: &mut Vec<Effect>) {
        if self.life.exited {
            return;
        }
        let first = out.len();
        let mut turn = Turn { now: self.forward(now), out };
        self.now = turn.now;
        self.notice_standstill(turn.now);
        self.take(&mut turn, input);
        if self.dirty || self.due.is_some_and(|due| turn.now >= due) {
            self.settle(&mut turn, first);
        }
    }

    fn take(&mut self, turn: &mut Turn<'_>, input: Input) {
        if self.life.epoch.is_none() {
            // Nothing is decided before the start; the host's first input is `Start`.
            if let Input::Start(start) = input {
                self.start(turn, start);
            }
            return;
        }
        match input {
            Input::Start(_) | Input::Wake => {}
            Input::Durable(ticket) => {
                if self.writing.failed.is_none() {
                    self.durable(turn, ticket);
                }
            }
            Input::Witnessed(ticket) => self.witnessed(turn, ticket),
            Input::StorageFailed { evidence, last_words } => self.storage_failed(turn, evidence, last_words),
            Input::Checked { class, outcome } => {
                if class == CheckClass::Integrity && outcome.is_ok() {
                    self.judged.remove(&(Cause::Integrity, None));
                }
                self.checked(turn, class, outcome);
            }
            Input::Spawned { slot, instance, pid } => self.spawned(turn, slot, instance, pid),
            Input::SpawnFailed { slot, instance, error } => self.spawn_failed(turn, slot, instance, error),
            Input::OutOfMemory { slot, instance, certainty } => {
                if let Some(component) = self.present(slot, instance).and_then(|index| self.components.get_mut(index)) {
                    component.out_of_memory = Some(certainty);
                }
            }
            Input::Usage(sample) => self.usage(turn, &sample),
            Input::Exited { slot, instance, exit } => self.exited(turn, slot, instance, exit),
            Input::TreeGone { slot, instance } => self.tree_gone(turn, slot, instance),
            Input::HookEnded { slot, instance, hook, outcome } => self.hook_ended(turn, slot, instance, hook, outcome),
            Input::Sign { slot, instance, sign } => self.sign(turn, slot, instance, sign),
            Input::LivenessFailed { slot, instance, evidence } => self.liveness_failed(turn, slot, instance, evidence),
            Input::Dependency { index, up, evidence } => self.dependency(turn, index, up, evidence),
            Input::DependencyTried { index, answered } => self.dependency_tried(turn, index, answered),
            Input::KillSwitchSeen { by, reason } => self.kill_switch_seen(turn, by, reason),
            Input::KillSwitchLatchRemoved => self.kill_switch_latch_removed(turn),
            Input::Operator { request, by, reason, order } => self.operate(turn, request, by, reason, order),
            Input::StopRequested => {
                self.life.stopping = true;
                self.dirty = true;
            }
            Input::ReloadRequested => self.reload_all(turn),
            Input::Configure(configuration) => self.configure(turn, *configuration),
            Input::Raise { cause, slot, evidence } => self.raised_by_host(turn, cause, slot, evidence),
            Input::Passed { cause, slot } => {
                self.judged.remove(&(cause, slot));
                self.dirty = true;
            }
            Input::Trigger { trigger, evidence } => {
                let evidence = clip(evidence, TEXT_MAX_BYTES);
                self.triggers.insert(trigger, evidence.clone());
                self.trip(turn, trigger, evidence);
            }
            Input::TriggerPassed(trigger) => {
                self.triggers.remove(&trigger);
            }
            Input::SnapshotTaken { age } => {
                self.watch.last_snapshot = Some(Aged { told: turn.now, age });
                self.dirty = true;
            }
            Input::ClockJumped { by, evidence } => {
                let evidence = clip(evidence, TEXT_MAX_BYTES);
                self.clock_jumped(turn, by, &evidence);
            }
            Input::Crossed(crossed) => self.crossed(crossed),
            Input::TradingDay => self.trading_day(turn),
        }
    }

    /// Our time for the host's: the same, unless the host's clock ever went backwards.
    fn forward(&mut self, host: Monotonic) -> Monotonic {
        let now = host.plus(self.life.lag);
        if now < self.now {
            self.life.lag = self.life.lag.saturating_add(self.now.since(now));
            self.life.lag_is_new = true;
            self.dirty = true;
            self.now
        } else {
            now
        }
    }

    /// The host's time for ours.
    pub(crate) fn host_time(&self, at: Monotonic) -> Monotonic {
        at.minus(self.life.lag)
    }

    /// The time of the last step.
    pub(crate) fn last_step(&self) -> Monotonic {
        self.now
    }

    fn raised_by_host(&mut self, turn: &mut Turn<'_>, cause: Cause, slot: Option<Slot>, evidence: String) {
        let evidence = clip(evidence, TEXT_MAX_BYTES);
        // A slot that is no component's is about the system.
        let slot = slot.filter(|slot| self.name_of(*slot).is_some());
        match cause {
            Cause::KillSwitch => self.kill_switch_seen(turn, "failstop".to_owned(), evidence),
            Cause::Failsafe => self.trip(turn, Trigger::Limit, evidence),
            Cause::Integrity
            | Cause::Storage
            | Cause::Witness
            | Cause::NewJournal
            | Cause::OrdersInDoubt
            | Cause::HeartbeatLost
            | Cause::NoProgress
            | Cause::Hung
            | Cause::ComponentFailed
            | Cause::Unhealthy
            | Cause::Starting
            | Cause::Environment
            | Cause::ComponentDown
            | Cause::Reclaiming
            | Cause::DailyLoss
            | Cause::Maintenance
            | Cause::Clock
            | Cause::Overload
            | Cause::BotRequest => {
                self.judged.insert((cause, slot), evidence.clone());
                self.raise(turn, Grievance { slot, ..Grievance::of(cause, evidence) });
                self.dirty = true;
            }
        }
    }

    fn clock_jumped(&mut self, turn: &mut Turn<'_>, by: Duration, evidence: &str) {
        self.watch.clock_jumped = Some(turn.now);
        self.watch.all_ages_anew(turn.now);
        self.forget_spans_of_use();
        for component in &mut self.components {
            if let Some(queue) = &mut component.queue {
                queue.progress = turn.now;
            }
        }
        self.rearm_deadlines(turn, |_| true);
        let evidence = format!("{evidence} ({})", crate::turn::span(by));
        self.raise(turn, Grievance::of(Cause::Clock, evidence));
    }

    fn trading_day(&mut self, turn: &mut Turn<'_>) {
        self.judged.retain(|(cause, _), _| *cause != Cause::DailyLoss);
        let ids: Vec<_> =
            self.recorded.halts.values().filter(|halt| halt.cause == Cause::DailyLoss).map(|halt| halt.id).collect();
        for id in ids {
            self.clear(turn, id, ClearedBy::Itself);
        }
        self.dirty = true;
    }

    /// Looks at everything until nothing changes any more, then publishes.
    fn settle(&mut self, turn: &mut Turn<'_>, first: usize) {
        if self.life.epoch.is_none() {
            return;
        }
        if self.life.lag_is_new {
            self.life.lag_is_new = false;
            self.trip(turn, Trigger::ClockBackwards, "the monotonic clock went backwards");
        }
        self.judge_lapse(turn);
        let catching_up = self.is_catching_up();
        if !catching_up {
            self.judge_deadlines(turn);
            self.settle_second_key(turn);
        }
        self.settle_maintenance(turn);
        if !self.stands_at_all(Cause::Clock) {
            self.watch.clock_jumped = None;
        }
        for _ in 0..MAX_ROUNDS {
            self.dirty = false;
            if !catching_up {
                self.settle_health(turn);
                self.settle_failsafe(turn);
                self.settle_conditions(turn);
            }
            self.settle_components(turn);
            if !self.dirty {
                break;
            }
        }
        let permission = self.recorded.permission();
        if permission != self.noted {
            let from = core::mem::replace(&mut self.noted, permission);
            self.record(turn, Record::PermissionChanged { from, to: permission });
        }
        self.settle_heartbeat(turn);
        self.settle_alerts(turn);
        self.settle_exit(turn);
        self.publish(turn, first);
        self.due = self.next_due(turn.now);
    }

    fn next_due(&self, now: Monotonic) -> Option<Monotonic> {
        if self.life.exited {
            return None;
        }
        let mut due: Option<Monotonic> = None;
        let mut add = |at: Monotonic| due = Some(due.map_or(at, |before| before.min(at)));
        for index in 0..self.components.len() {
            if let Some(at) = self.spawn_due(index) {
                add(at);
            }
        }
        if let Some(until) = self.life.catching_up_until {
            add(until);
        } else {
            self.deadlines_due(&mut add);
            self.verdict_due(now, &mut add);
            self.failsafe_due(now, &mut add);
            self.conditions_due(now, &mut add);
            if let Some(at) = self.second_key_due() {
                add(at);
            }
        }
        self.shutdown_due(now, &mut add);
        self.alerts_due(now, &mut add);
        if self.writing.failed.is_none() {
            add(self.life.heartbeat_at);
            if let Some(at) = self.verdict_record_due() {
                add(at);
            }
        }
        if let Some(at) = self.lapse_record_due() {
            add(at);
        }
        if let Some(at) = self.renewal_due(now) {
            add(at);
        }
        due.map(|at| if at <= now { now.plus(LOOK_AGAIN) } else { at })
    }

    /// When to call [`Core::step`] with [`Input::Wake`] at the latest.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.due.map(|at| self.host_time(at))
    }

    /// The permission: the minimum over standing halts; `observe-only` at most before the start.
    pub fn permission(&self) -> Permission {
        let permission = self.recorded.permission();
        if self.life.epoch.is_none() { permission.min(Permission::ObserveOnly) } else { permission }
    }

    /// The effective mode.
    pub fn mode(&self) -> Mode {
        self.effective_mode()
    }

    /// Whether a kill-switch halt stands. It stands until its release is durable and its latch is gone from the disk.
    pub fn kill_switch(&self) -> bool {
        self.kill_switch_stands()
    }

    /// The page as last published, if any was.
    pub fn page(&self) -> Option<&Page> {
        self.permit.page.as_ref()
    }

    /// What the journal would bring back if everything emitted were durable, but for what still waits to loosen.
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }
}
