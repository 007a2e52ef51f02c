//! One component's life: what it is doing, and its starts, stops and kills. When it may run is
//! [`crate::hindrance`]'s, how it ends [`crate::departure`]'s.
//!
//! ```text
//!            spawn                Ready                 stop
//!   Down ----------> Starting -----------> Ready -----------------> Stopping --- exit ---> Leaving
//!    ^  ^               |                   |  exit, hang               | grace over         | grace over
//!    |  |               | exit, too late    v                           v                    v
//!    |  +---------- Waiting <---- tree gone ------------------------- Killing <--------------+
//!    +------------------------------ tree gone -------------------------+-- tree gone -- Leaving
//! ```

use crate::dependency::{EarlyEnds, Silence};
use crate::effect::Effect;
use crate::halt::Cause;
use crate::hindrance::Hindrance;
use crate::hook::RunningHook;
use crate::id::{Instance, Slot};
use crate::input::{OutOfMemory, QueueState};
use crate::liveness::BEATS_MAX;
use crate::machine::Core;
use crate::policy::{ComponentPolicy, Liveness, Orders};
use crate::record::Record;
use crate::reload::Reloading;
use crate::time::Monotonic;
use crate::turn::Turn;
use core::time::Duration;
use std::collections::VecDeque;

/// What a component is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Nothing of it runs. It is started as soon as it may, unless its restart policy is spent.
    Down,
    /// Nothing of it runs; it is started when this time has come and it may.
    Waiting { due: Monotonic },
    /// Started, and not ready yet; killed at the deadline.
    Starting { deadline: Monotonic },
    /// Ready.
    Ready,
    /// It was sent its stop signal, or announced its end itself; killed at `kill_at`, which it may put off to `latest` at
    /// most.
    Stopping { kill_at: Monotonic, latest: Monotonic, requested: bool },
    /// Its tree is being killed. `exited` says what follows once its main process is gone.
    Killing { requested: bool, exited: Option<Next> },
    /// Its main process ended in time after its stop signal; what it left has the rest of the grace, and is killed then.
    Leaving { kill_at: Monotonic, requested: bool, exited: Next },
}

/// What follows once nothing of the tree is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Next {
    /// Down, and started again as soon as it may.
    Down,
    /// Started at this time.
    At(Monotonic),
    /// Its restart policy says no more.
    Spent,
}

/// A component's state beside its policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Component {
    pub phase: Phase,
    pub instance: Instance,
    pub pid: Option<u32>,
    pub started: Option<Monotonic>,
    /// When this instance became ready; kept over its end until the next start.
    pub ready_since: Option<Monotonic>,
    /// When it last gave any sign of life.
    pub last_sign: Option<Monotonic>,
    /// Whether it ever gave a sign in this epoch.
    pub ever_signed: bool,
    /// Whether this instance gave a sign since it became ready.
    pub fresh: bool,
    /// By when the next required beat must come.
    pub beat_by: Option<Monotonic>,
    /// A shorter beat deadline that it asked for itself.
    pub beat_span: Option<Duration>,
    /// Its last progress counter.
    pub progress: Option<u64>,
    /// By when the counter must have moved.
    pub progress_by: Option<Monotonic>,
    /// Times of the starts that count towards the start limit, oldest first; at most [`MAX_STARTS_KEPT`].
    pub starts: VecDeque<Monotonic>,
    /// Exits in a row that nobody asked for, since it was last ready for long enough.
    pub in_a_row: u32,
    /// Whether the next start follows an exit that nobody asked for.
    pub after_failure: bool,
    /// Whether it is being killed because it hangs: its successor is started at once, since the deadline that it missed
    /// keeps restarts apart already, and the start limit bounds them.
    pub hangs: bool,
    /// Whether it is being stopped for what it uses: its end is a failure whatever its status, and it is started again.
    pub over_limit: bool,
    /// When it was last stopped for what it used.
    pub limit_restart: Option<Monotonic>,
    /// What is known of a kill for want of memory in this instance's tree.
    pub out_of_memory: Option<OutOfMemory>,
    /// Restarts that nobody asked for, in this epoch.
    pub restarts: u32,
    /// The latest that an extension may put `beat_by` off to.
    pub beat_latest: Option<Monotonic>,
    /// A reload that it was asked for, or began by itself.
    pub reload: Option<Reloading>,
    /// What it said of its failure, for the record of its end.
    pub failing: Option<String>,
    /// The hook that runs.
    pub hook: Option<RunningHook>,
    /// Whether a process of this instance ran, so that its end is worth a hook.
    pub ran: bool,
    /// How this instance ended, for its last hook.
    pub end: String,
    /// Its restart policy says no more starts.
    pub spent: bool,
    /// Whether an operator asked for a restart and waits for the stop.
    pub restarting: bool,
    /// Whether failstop itself keeps it stopped, until it is ready again: ages are not judged meanwhile.
    pub kept_stopped: bool,
    /// When its own stale source last stopped it, for a `direct` one.
    pub stale_stop: Option<Monotonic>,
    /// Its execution queue, once reported.
    pub queue: Option<Queue>,
    /// A missed deadline of it whose verdict waits for an answer of its dependencies.
    pub silence: Option<Silence>,
    /// Its silence is a dependency's fault, until that is back.
    pub excused: bool,
    /// Early ends of it that may not count, as its dependencies will show.
    pub early_ends: Option<EarlyEnds>,
    /// The instance that reported an unrecoverable error, if one did.
    pub fatal: Option<Instance>,
}

/// An execution queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    pub state: QueueState,
    pub depth: u64,
    /// When it last got shorter or was empty.
    pub progress: Monotonic,
}

/// An orderly stop takes so many grace periods at most, however often a component asks for more time.
pub const STOP_GRACES_MAX: u32 = 2;

/// The most start times that are kept: a start limit above this is judged as this.
pub(crate) const MAX_STARTS_KEPT: usize = 64;

impl Component {
    pub fn new() -> Self {
        Self {
            phase: Phase::Down,
            instance: Instance(0),
            pid: None,
            started: None,
            ready_since: None,
            last_sign: None,
            ever_signed: false,
            fresh: false,
            beat_by: None,
            beat_span: None,
            progress: None,
            progress_by: None,
            starts: VecDeque::new(),
            in_a_row: 0,
            after_failure: false,
            hangs: false,
            over_limit: false,
            limit_restart: None,
            out_of_memory: None,
            restarts: 0,
            beat_latest: None,
            reload: None,
            failing: None,
            hook: None,
            ran: false,
            end: String::new(),
            spent: false,
            restarting: false,
            kept_stopped: true,
            stale_stop: None,
            queue: None,
            silence: None,
            excused: false,
            early_ends: None,
            fatal: None,
        }
    }

    /// An operator resumed it: its failures are forgotten.
    pub fn forgive(&mut self) {
        self.starts.clear();
        self.in_a_row = 0;
        self.spent = false;
        self.after_failure = false;
        self.limit_restart = None;
        self.early_ends = None;
        if let Phase::Waiting { .. } = self.phase {
            self.phase = Phase::Down;
        }
    }

    /// Whether a process of it may be alive.
    pub fn is_running(&self) -> bool {
        match self.phase {
            Phase::Starting { .. }
            | Phase::Ready
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leaving { .. } => true,
            Phase::Down | Phase::Waiting { .. } => false,
        }
    }

    pub fn is_ready(&self) -> bool {
        match self.phase {
            Phase::Ready => true,
            Phase::Starting { .. }
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leaving { .. }
            | Phase::Down
            | Phase::Waiting { .. } => false,
        }
    }

    /// Whether it is ready and gave a fresh sign, where it ever gave signs in this epoch.
    pub fn is_ready_and_fresh(&self) -> bool {
        self.is_ready() && (self.fresh || !self.ever_signed)
    }

    /// The next required beat counts from `now`.
    pub(crate) fn arm_beat(&mut self, now: Monotonic, liveness: Option<Liveness>) {
        let span = match liveness {
            Some(Liveness::Heartbeat(span) | Liveness::Watchdog(span)) => Some(self.beat_span.unwrap_or(span)),
            Some(Liveness::Probe) | None => None,
        };
        self.beat_by = span.map(|span| now.plus(span));
        self.beat_latest = span.map(|span| now.plus(span.saturating_mul(BEATS_MAX)));
    }

    /// What follows its end is decided only now.
    pub fn follow(&mut self, next: Next) {
        match &mut self.phase {
            Phase::Killing { exited: Some(exited), requested: _ } | Phase::Leaving { exited, .. } => *exited = next,
            Phase::Down | Phase::Waiting { .. } => {
                self.phase = match next {
                    Next::Down | Next::Spent => Phase::Down,
                    Next::At(due) => Phase::Waiting { due },
                }
            }
            // It runs again: whatever the answer meant for its next start, it has come too late.
            Phase::Killing { exited: None, .. } | Phase::Starting { .. } | Phase::Ready | Phase::Stopping { .. } => {}
        }
    }

    /// Whether nothing of it is started before its dependencies have answered.
    pub fn is_held_back(&self) -> bool {
        self.early_ends.as_ref().is_some_and(EarlyEnds::holds_back)
    }

    pub(crate) fn forget_instance(&mut self) {
        self.pid = None;
        self.fresh = false;
        self.beat_by = None;
        self.beat_latest = None;
        self.beat_span = None;
        self.reload = None;
        self.failing = None;
        self.progress = None;
        self.progress_by = None;
        self.queue = None;
        self.over_limit = false;
        self.out_of_memory = None;
    }
}

impl Core {
    /// The component in this slot, if the slot is one.
    pub(crate) fn at(&self, slot: Slot) -> Option<(usize, &Component)> {
        let index = slot.index()?;
        self.components.get(index).map(|component| (index, component))
    }

    /// The index of the component in `slot` if `instance` is its present one.
    pub(crate) fn present(&self, slot: Slot, instance: Instance) -> Option<usize> {
        self.at(slot).filter(|(_, component)| component.instance == instance && component.is_running()).map(|(i, _)| i)
    }

    /// Whether a component that depends on this one may still be alive.
    fn has_running_dependents(&self, index: usize) -> bool {
        self.policy
            .components
            .iter()
            .zip(&self.components)
            .any(|(policy, component)| policy.depends_on.contains(&index) && component.is_running())
    }

    /// Starts, stops and kills what the present state asks for.
    pub(crate) fn settle_components(&mut self, turn: &mut Turn<'_>) {
        let at_once = self.kills_at_once(turn.now);
        for index in 0..self.components.len() {
            let hindrance = self.hindrance(index);
            let Some(component) = self.components.get_mut(index) else { continue };
            match component.phase {
                Phase::Starting { .. } | Phase::Ready => {
                    if let Some(why) = at_once {
                        self.kill(turn, index, true, why);
                    } else if component.restarting {
                        self.stop(turn, index, "an operator asked for a restart");
                    } else if let Some(hindrance) = hindrance
                        && (hindrance != Hindrance::EngineStopping || !self.has_running_dependents(index))
                    {
                        self.note_stale_stop(turn, index, hindrance);
                        self.stop(turn, index, hindrance.reason());
                    }
                }
                Phase::Stopping { kill_at, latest: _, requested } => {
                    if let Some(why) = at_once {
                        self.kill(turn, index, requested, why);
                    } else if self.pre_stop_is_over(turn.now, index) {
                        self.end_pre_stop(turn, index);
                    } else if turn.now >= kill_at {
                        self.kill(turn, index, requested, "it did not stop within its grace period");
                    } else {
                        self.bound_stop(turn.now, index);
                    }
                }
                Phase::Leaving { kill_at, requested, exited } => {
                    let late = "processes that it left did not end within its grace period";
                    if at_once.is_some() || turn.now >= kill_at {
                        self.kill(turn, index, requested, at_once.unwrap_or(late));
                        if let Some(component) = self.components.get_mut(index) {
                            component.phase = Phase::Killing { requested, exited: Some(exited) };
                        }
                    } else {
                        if self.pre_stop_is_over(turn.now, index) {
                            self.end_pre_stop(turn, index);
                        }
                        self.bound_stop(turn.now, index);
                    }
                }
                Phase::Killing { .. } => self.bound_post_stop(turn, index, at_once.is_some()),
                Phase::Down | Phase::Waiting { .. } => match hindrance {
                    Some(hindrance) => {
                        component.kept_stopped = true;
                        component.restarting = false;
                        if hindrance == Hindrance::EngineStopping {
                            component.phase = Phase::Down;
                        }
                    }
                    None => {
                        if self.is_due(turn.now, index) {
                            self.spawn(turn, index);
                        }
                    }
                },
            }
        }
    }

    /// Whether a component that may run is to be started now.
    fn is_due(&self, now: Monotonic, index: usize) -> bool {
        let (Some(component), Some(policy)) = (self.components.get(index), self.policy.components.get(index)) else {
            return false;
        };
        let due = match component.phase {
            Phase::Down => !component.spent,
            Phase::Waiting { due } => now >= due,
            Phase::Starting { .. }
            | Phase::Ready
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leaving { .. } => false,
        };
        due && self.nothing_holds_back(component, policy)
    }

    /// Whether nothing but time keeps one that may run from its start.
    fn nothing_holds_back(&self, component: &Component, policy: &ComponentPolicy) -> bool {
        !component.is_held_back() && self.dependencies_ready(policy) && !self.restart_suppressed(component)
    }

    /// A maintenance window holds back restarts that nobody asked for.
    pub(crate) fn restart_suppressed(&self, component: &Component) -> bool {
        component.after_failure && self.recorded.maintenance.is_some()
    }

    /// Whether nothing of it runs, and the maintenance window keeps it so.
    pub(crate) fn waits_for_window(&self, component: &Component) -> bool {
        match component.phase {
            Phase::Waiting { .. } => self.restart_suppressed(component),
            Phase::Down
            | Phase::Starting { .. }
            | Phase::Ready
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leaving { .. } => false,
        }
    }

    /// When a waiting component is to be started, if only time is missing.
    pub(crate) fn spawn_due(&self, index: usize) -> Option<Monotonic> {
        let (component, policy) = (self.components.get(index)?, self.policy.components.get(index)?);
        match component.phase {
            Phase::Waiting { due } if self.hindrance(index).is_none() && self.nothing_holds_back(component, policy) => {
                Some(due)
            }
            Phase::Waiting { .. }
            | Phase::Down
            | Phase::Starting { .. }
            | Phase::Ready
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leaving { .. } => None,
        }
    }

    fn spawn(&mut self, turn: &mut Turn<'_>, index: usize) {
        let (Some(component), Some(policy), Some(slot)) =
            (self.components.get_mut(index), self.policy.components.get(index), Slot::component(index))
        else {
            return;
        };
        component.forget_instance();
        component.instance = Instance(component.instance.0 + 1);
        component.started = Some(turn.now);
        component.ran = false;
        component.hook = None;
        component.ready_since = None;
        component.phase = Phase::Starting { deadline: turn.now.plus(policy.start_period) };
        component.restarting = false;
        if component.after_failure {
            component.restarts = component.restarts.saturating_add(1);
        }
        if component.starts.len() >= MAX_STARTS_KEPT {
            component.starts.pop_front();
        }
        component.starts.push_back(turn.now);
        self.dirty = true;
        turn.push(Effect::Spawn { slot, instance: component.instance });
        self.limits.begins(index);
    }

    /// The stop of `index` as it begins now. It may be put off until its grace has passed a second time, but not at all
    /// where it may not run: no component grants itself time that a halt took from it.
    pub(crate) fn stop_begins(&self, now: Monotonic, index: usize, requested: bool) -> Phase {
        let grace = self.policy.components.get(index).map_or(Duration::ZERO, |policy| policy.stop_grace);
        let kill_at = now.plus(grace);
        let latest = if self.is_let_run(index) { now.plus(grace.saturating_mul(STOP_GRACES_MAX)) } else { kill_at };
        Phase::Stopping { kill_at, latest, requested }
    }

    /// Where it may not run since it began to stop, it has its grace from then on and nothing beyond.
    fn bound_stop(&mut self, now: Monotonic, index: usize) {
        if self.is_let_run(index) {
            return;
        }
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        let bound = now.plus(policy.stop_grace);
        match &mut component.phase {
            Phase::Stopping { kill_at, latest, requested: _ } => {
                *kill_at = (*kill_at).min(bound);
                *latest = (*latest).min(bound);
            }
            Phase::Leaving { kill_at, requested: _, exited: _ } => *kill_at = (*kill_at).min(bound),
            Phase::Down | Phase::Waiting { .. } | Phase::Starting { .. } | Phase::Ready | Phase::Killing { .. } => {}
        }
    }

    fn stop(&mut self, turn: &mut Turn<'_>, index: usize, reason: &str) {
        let stopping = self.stop_begins(turn.now, index, true);
        let (Some(component), Some(policy), Some(slot)) =
            (self.components.get_mut(index), self.policy.components.get(index), Slot::component(index))
        else {
            return;
        };
        let was_ready = component.is_ready();
        component.phase = stopping;
        component.kept_stopped = true;
        component.restarting = false;
        let instance = component.instance;
        let name = policy.name.clone();
        self.dirty = true;
        if !self.begin_pre_stop(turn, index, was_ready, reason) {
            turn.push(Effect::Stop { slot, instance });
        }
        self.record(turn, Record::ComponentStopping { component: name, instance, reason: reason.to_owned() });
    }

    /// Kills the component's whole tree. `requested` says whether somebody wanted it to end; otherwise its end counts
    /// as a failure.
    pub(crate) fn kill(&mut self, turn: &mut Turn<'_>, index: usize, requested: bool, reason: &str) {
        let (Some(component), Some(policy), Some(slot)) =
            (self.components.get_mut(index), self.policy.components.get(index), Slot::component(index))
        else {
            return;
        };
        component.phase = Phase::Killing { requested, exited: None };
        component.kept_stopped |= requested;
        let instance = component.instance;
        let name = policy.name.clone();
        self.dirty = true;
        turn.push(Effect::KillTree { slot, instance });
        self.record(turn, Record::ComponentKilled { component: name, instance, reason: reason.to_owned() });
    }

    pub(crate) fn spawned(&mut self, turn: &mut Turn<'_>, slot: Slot, instance: Instance, pid: u32) {
        let Some(index) = self.present(slot, instance) else { return };
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        component.pid = Some(pid);
        component.ran = true;
        let counted = component.starts.iter().filter(|at| turn.now.since(**at) < policy.start_limit_within).count();
        let restart =
            if component.after_failure { u32::try_from(counted.saturating_sub(1)).unwrap_or(u32::MAX) } else { 0 };
        let (name, readiness) = (policy.name.clone(), policy.readiness);
        let starting = matches!(component.phase, Phase::Starting { .. });
        self.dirty = true;
        self.record(turn, Record::ComponentStarted { component: name, instance, pid, restart });
        if starting && !readiness {
            self.became_ready(turn, index);
        }
    }

    /// A `direct` component is stopped because its own source went stale: twice within 15 minutes is a trigger.
    fn note_stale_stop(&mut self, turn: &mut Turn<'_>, index: usize, hindrance: Hindrance) {
        let Some(policy) = self.policy.components.get(index) else { return };
        if hindrance != Hindrance::NotAllowed || policy.orders != Orders::Direct {
            return;
        }
        if !self.stands_at_all(Cause::Unhealthy) || !self.watch.owns_stale_feed(&self.policy, turn.now, index) {
            return;
        }
        let name = policy.name.0.clone();
        let Some(component) = self.components.get_mut(index) else { return };
        let before = component.stale_stop.replace(turn.now);
        if before.is_some_and(|at| turn.now.since(at) <= STALE_STOPS_WITHIN) {
            let evidence = format!("component {name} was stopped twice within 15 min because its own source was stale");
            self.trip(turn, crate::Trigger::StaleSourceAgain, evidence);
        }
    }
}

/// Two stops of a `direct` component by its own stale source within this span are a fail-safe trigger.
const STALE_STOPS_WITHIN: Duration = Duration::from_secs(15 * 60);
