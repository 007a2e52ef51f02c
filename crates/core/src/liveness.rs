//! Readiness and signs of life: who is ready, who missed a deadline, and what follows.

use crate::component::Phase;
use crate::halt::Cause;
use crate::id::{Instance, Slot};
use crate::input::Sign;
use crate::ledger::Grievance;
use crate::machine::Core;
use crate::policy::Liveness;
use crate::record::Record;
use crate::time::Monotonic;
use crate::turn::{TEXT_MAX_BYTES, Turn, clip, span};
use core::time::Duration;

/// So much longer than its start period a start or a reload may take in all, however often a component asks for more time.
pub const MAX_EXTENSION: Duration = Duration::from_secs(3600);

/// A beat may be put off to so many of its spans after the last one. For a stop see [`Core::stop_begins`].
pub const BEATS_MAX: u32 = 2;

impl Core {
    /// Takes a sign of the present instance.
    pub(crate) fn sign(&mut self, turn: &mut Turn<'_>, slot: Slot, instance: Instance, sign: Sign) {
        let Some(index) = self.present(slot, instance) else { return };
        match sign {
            Sign::Ready => self.became_ready(turn, index),
            Sign::Beat => {
                self.gave_sign(turn, index);
                self.spoke(index, |cause| cause == Cause::Hung);
                self.rearm_beat(turn, index, |liveness| match liveness {
                    Liveness::Watchdog(span) => Some(span),
                    Liveness::Heartbeat(_) | Liveness::Probe => None,
                });
            }
            Sign::Heartbeat(progress) => {
                self.gave_sign(turn, index);
                self.spoke(index, |cause| cause == Cause::HeartbeatLost);
                self.rearm_beat(turn, index, |liveness| match liveness {
                    Liveness::Heartbeat(span) => Some(span),
                    Liveness::Watchdog(_) | Liveness::Probe => None,
                });
                if let Some(progress) = progress {
                    self.progressed(turn, index, progress);
                }
            }
            Sign::ProbePassed => {
                self.gave_sign(turn, index);
                self.spoke(index, |cause| cause == Cause::Hung);
            }
            Sign::WatchdogTrigger => self.hangs(turn, index, Cause::Hung, "it said itself that it hangs".to_owned()),
            Sign::ExtendTimeout(by) => self.extend(turn, index, by.min(MAX_EXTENSION)),
            Sign::WatchdogSpan(span) => self.shorten_beat(turn, index, span),
            Sign::Stopping => self.announced_stop(turn, index),
            Sign::Reloading(since) => self.announced_reload(turn, index, since),
            Sign::Failing(what) => self.says_it_fails(index, &what),
            Sign::MainProcess(pid) => self.main_changed(turn, index, pid),
            Sign::Tick { feed, fresh } => {
                if fresh {
                    self.gave_sign(turn, index);
                }
                self.ticked(turn, index, feed, fresh);
            }
            Sign::Queue { state, depth } => self.queue_reported(turn, index, state, depth),
            Sign::Error { severity, fatal, message } => self.error_reported(turn, index, severity, fatal, message),
            Sign::Part { name, health, critical } => self.part_reported(index, name, health, critical),
            Sign::PartGone { name } => self.part_gone(index, name),
            Sign::Halt { cap, reason } => {
                let evidence = clip(reason, TEXT_MAX_BYTES);
                if cap < crate::Permission::Active {
                    self.raise(
                        turn,
                        Grievance { cap: Some(cap), ..Grievance::about(Cause::BotRequest, slot, evidence) },
                    );
                }
            }
        }
    }

    /// A component became ready: its deadlines start, and its ages count anew where failstop had kept it stopped.
    pub(crate) fn became_ready(&mut self, turn: &mut Turn<'_>, index: usize) {
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        match component.phase {
            Phase::Starting { .. } => {}
            Phase::Ready => return self.reload_over(turn, index),
            Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leaving { .. }
            | Phase::Down
            | Phase::Waiting { .. } => {
                return;
            }
        }
        component.phase = Phase::Ready;
        component.ready_since = Some(turn.now);
        component.fresh = false;
        component.arm_beat(turn.now, policy.liveness);
        component.progress_by = policy.progress_within.map(|span| turn.now.plus(span));
        let after = component.started.map_or(Duration::ZERO, |started| turn.now.since(started));
        let was_kept = core::mem::replace(&mut component.kept_stopped, false);
        let (name, instance) = (policy.name.clone(), component.instance);
        if was_kept {
            self.watch.ages_anew(turn.now, index);
        }
        self.dirty = true;
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.record(turn, Record::ComponentReady { component: name, instance, after_ms });
    }

    /// Notes a sign of life. Nothing else changes, but for the first one after readiness.
    fn gave_sign(&mut self, turn: &Turn<'_>, index: usize) {
        let Some(component) = self.components.get_mut(index) else { return };
        component.last_sign = Some(turn.now);
        if !component.ever_signed {
            component.ever_signed = true;
            self.dirty = true;
        }
        if !component.fresh && component.is_ready() {
            component.fresh = true;
            self.dirty = true;
        }
        if self.watch.clock_jumped.is_some() {
            self.dirty = true;
        }
    }

    fn rearm_beat(&mut self, turn: &Turn<'_>, index: usize, span_of: impl FnOnce(Liveness) -> Option<Duration>) {
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        if !component.is_ready() {
            return;
        }
        let Some(span) = policy.liveness.and_then(span_of) else { return };
        let by = turn.now.plus(component.beat_span.unwrap_or(span));
        if component.beat_by.is_none_or(|before| by < before) {
            self.dirty = true;
        }
        component.arm_beat(turn.now, policy.liveness);
    }

    fn progressed(&mut self, turn: &Turn<'_>, index: usize, progress: u64) {
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        if component.progress == Some(progress) {
            return;
        }
        component.progress = Some(progress);
        if component.is_ready() {
            component.progress_by = policy.progress_within.map(|span| turn.now.plus(span));
        }
        self.spoke(index, |cause| cause == Cause::NoProgress);
    }

    fn extend(&mut self, turn: &Turn<'_>, index: usize, by: Duration) {
        let start_period = self.policy.components.get(index).map_or(Duration::ZERO, |policy| policy.start_period);
        let Some(component) = self.components.get_mut(index) else { return };
        let until = turn.now.plus(by);
        match &mut component.phase {
            Phase::Starting { deadline } => {
                // From its birth, so that a start that is asked for again and again is one that fails.
                let latest = component.started.unwrap_or(turn.now).plus(start_period + MAX_EXTENSION);
                *deadline = (*deadline).max(until.min(latest));
            }
            Phase::Stopping { kill_at, latest, requested: _ } => *kill_at = (*kill_at).max(until.min(*latest)),
            Phase::Ready => {
                let latest = component.beat_latest;
                component.beat_by =
                    component.beat_by.map(|before| before.max(latest.map_or(before, |latest| until.min(latest))));
                if let Some(reload) = &mut component.reload {
                    reload.deadline = reload.deadline.max(until.min(reload.begun.plus(start_period + MAX_EXTENSION)));
                }
            }
            Phase::Killing { .. } | Phase::Leaving { .. } | Phase::Down | Phase::Waiting { .. } => {}
        }
    }

    /// A component may ask for a shorter beat deadline than configured, never for a longer one.
    fn shorten_beat(&mut self, turn: &Turn<'_>, index: usize, asked: Duration) {
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        let Some(Liveness::Watchdog(configured)) = policy.liveness else { return };
        if asked.is_zero() {
            return;
        }
        let span = asked.min(configured);
        component.beat_span = Some(span);
        if component.is_ready() {
            component.arm_beat(turn.now, policy.liveness);
        }
        self.dirty = true;
    }

    /// It says that it is about to end: no rights any more, and its grace period starts.
    fn announced_stop(&mut self, turn: &Turn<'_>, index: usize) {
        let stopping = self.stop_begins(turn.now, index, false);
        let Some(component) = self.components.get_mut(index) else { return };
        match component.phase {
            Phase::Ready => {
                component.phase = stopping;
                self.dirty = true;
            }
            Phase::Starting { .. }
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leaving { .. }
            | Phase::Down
            | Phase::Waiting { .. } => {}
        }
    }

    /// The liveness probe failed its number of times.
    pub(crate) fn liveness_failed(&mut self, turn: &mut Turn<'_>, slot: Slot, instance: Instance, evidence: String) {
        let Some(index) = self.present(slot, instance) else { return };
        if self.components.get(index).is_some_and(|component| component.is_ready()) {
            self.missed(turn, index, Cause::Hung, clip(evidence, TEXT_MAX_BYTES));
        }
    }

    /// A component shows no life: the halt, and its tree is killed at once. The restart follows once it is gone.
    pub(crate) fn hangs(&mut self, turn: &mut Turn<'_>, index: usize, cause: Cause, evidence: String) {
        let Some(component) = self.components.get(index) else { return };
        match component.phase {
            Phase::Ready | Phase::Starting { .. } | Phase::Stopping { .. } => {}
            Phase::Killing { .. } | Phase::Leaving { .. } | Phase::Down | Phase::Waiting { .. } => return,
        }
        let Some(slot) = Slot::component(index) else { return };
        self.kill(turn, index, false, &evidence);
        if let Some(component) = self.components.get_mut(index) {
            component.hangs = true;
        }
        self.raise(turn, Grievance::about(cause, slot, evidence));
    }

    /// Judges every deadline of every component.
    pub(crate) fn judge_deadlines(&mut self, turn: &mut Turn<'_>) {
        self.settle_questions(turn);
        for index in 0..self.components.len() {
            let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
            else {
                continue;
            };
            match component.phase {
                Phase::Starting { deadline } => {
                    if turn.now >= deadline {
                        let reason = format!("it was not ready within {}", span(policy.start_period));
                        self.kill(turn, index, false, &reason);
                    }
                }
                Phase::Ready => {
                    let beat_missed = component.beat_by.is_some_and(|by| turn.now >= by);
                    let stuck = component.progress_by.is_some_and(|by| turn.now >= by);
                    let reload_late = component.reload.is_some_and(|reload| turn.now >= reload.deadline);
                    // Judged once; where a dependency is to blame, afresh once that is back.
                    component.beat_by = component.beat_by.filter(|_| !beat_missed);
                    component.progress_by = component.progress_by.filter(|_| !stuck);
                    if let Some(reload) = component.reload.as_mut().filter(|_| reload_late) {
                        reload.deadline = turn.now.plus(policy.start_period);
                    }
                    if beat_missed {
                        let within = component.beat_span.or(match policy.liveness {
                            Some(Liveness::Heartbeat(span) | Liveness::Watchdog(span)) => Some(span),
                            Some(Liveness::Probe) | None => None,
                        });
                        let within = within.map(|within| format!(" within {}", span(within))).unwrap_or_default();
                        let (cause, evidence) = match policy.liveness {
                            Some(Liveness::Heartbeat(_)) => (Cause::HeartbeatLost, format!("no heartbeat{within}")),
                            Some(Liveness::Watchdog(_) | Liveness::Probe) | None => {
                                (Cause::Hung, format!("no beat{within}"))
                            }
                        };
                        self.missed(turn, index, cause, evidence);
                    } else if stuck {
                        let within = policy.progress_within.map(span).unwrap_or_default();
                        let evidence = format!("it beats, but its progress has stood still for {within}");
                        self.missed(turn, index, Cause::NoProgress, evidence);
                    } else if reload_late {
                        let within = span(policy.start_period);
                        let evidence = format!("it was asked to reload and was not ready again within {within}");
                        self.missed(turn, index, Cause::Hung, evidence);
                    }
                }
                // Its grace is judged where components are settled.
                Phase::Stopping { .. }
                | Phase::Killing { .. }
                | Phase::Leaving { .. }
                | Phase::Down
                | Phase::Waiting { .. } => {}
            }
        }
    }

    /// The deadlines of every component.
    pub(crate) fn deadlines_due(&self, add: &mut impl FnMut(Monotonic)) {
        self.questions_due(add);
        for component in &self.components {
            match component.phase {
                Phase::Starting { deadline } => add(deadline),
                Phase::Stopping { kill_at, .. } | Phase::Leaving { kill_at, .. } => {
                    add(kill_at);
                    if let Some(hook) = &component.hook
                        && !hook.over
                    {
                        add(hook.deadline);
                    }
                }
                Phase::Ready => {
                    if let Some(by) = component.beat_by {
                        add(by);
                    }
                    if let Some(by) = component.progress_by {
                        add(by);
                    }
                    if let Some(reload) = component.reload {
                        add(reload.deadline);
                    }
                }
                Phase::Killing { .. } => {
                    if let Some(hook) = &component.hook
                        && !hook.over
                    {
                        add(hook.deadline);
                    }
                }
                Phase::Down | Phase::Waiting { .. } => {}
            }
        }
    }

    /// Deadlines count anew from now: after a gap in time, or when a needed dependency is back.
    pub(crate) fn rearm_deadlines(&mut self, turn: &Turn<'_>, which: impl Fn(usize) -> bool) {
        for index in (0..self.components.len()).filter(|index| which(*index)) {
            let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
            else {
                continue;
            };
            component.silence = None;
            match &mut component.phase {
                Phase::Starting { deadline } => *deadline = (*deadline).max(turn.now.plus(policy.start_period)),
                Phase::Ready => {
                    component.arm_beat(turn.now, policy.liveness);
                    if let Some(reload) = &mut component.reload {
                        reload.deadline = turn.now.plus(policy.start_period);
                    }
                    component.progress_by = policy.progress_within.map(|span| turn.now.plus(span));
                }
                Phase::Stopping { .. }
                | Phase::Killing { .. }
                | Phase::Leaving { .. }
                | Phase::Down
                | Phase::Waiting { .. } => {}
            }
        }
        self.dirty = true;
    }
}
