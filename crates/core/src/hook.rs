//! Programs of the user's at the end of a component: one before the stop signal, one when nothing is left. And the end of
//! the whole stop.
//!
//! A hook never holds up what tightens. Before the signal one runs only in an orderly stop of a component that may go on
//! running, and where that ends meanwhile the signal goes out at once. Under the kill switch none runs.

use crate::component::{Next, Phase};
use crate::effect::Effect;
use crate::id::{Instance, Slot};
use crate::input::{Exit, Hook, HookOutcome};
use crate::machine::Core;
use crate::record::Record;
use crate::time::Monotonic;
use crate::turn::{TEXT_MAX_BYTES, Turn, clip};
use core::time::Duration;

/// A hook that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RunningHook {
    pub which: Hook,
    pub begun: Monotonic,
    pub deadline: Monotonic,
    /// Whether it was ordered killed: nothing waits for it any more.
    pub over: bool,
    /// Whether that was because its time was up.
    pub timed_out: bool,
}

impl RunningHook {
    fn new(which: Hook, now: Monotonic, timeout: Duration) -> Self {
        Self { which, begun: now, deadline: now.plus(timeout), over: false, timed_out: false }
    }
}

impl Core {
    /// Runs the hook before the stop signal, where this stop has one. The signal follows it.
    pub(crate) fn begin_pre_stop(&mut self, turn: &mut Turn<'_>, index: usize, was_ready: bool, reason: &str) -> bool {
        let lets_run = self.is_let_run(index);
        let (Some(component), Some(policy), Some(slot)) =
            (self.components.get_mut(index), self.policy.components.get(index), Slot::component(index))
        else {
            return false;
        };
        let Some(timeout) = policy.pre_stop.filter(|_| was_ready && lets_run) else { return false };
        if let Phase::Stopping { kill_at, latest, requested: _ } = &mut component.phase {
            (*kill_at, *latest) = (kill_at.plus(timeout), latest.plus(timeout));
        }
        component.hook = Some(RunningHook::new(Hook::PreStop, turn.now, timeout));
        let (instance, pid) = (component.instance, component.pid);
        turn.push(Effect::RunHook { slot, instance, hook: Hook::PreStop, reason: reason.to_owned(), pid });
        true
    }

    /// Whether nothing waits any longer for the hook before the stop signal: its time is up, or the component may not run.
    pub(crate) fn pre_stop_is_over(&self, now: Monotonic, index: usize) -> bool {
        let Some(component) = self.components.get(index) else { return false };
        component.hook.as_ref().is_some_and(|hook| {
            hook.which == Hook::PreStop && !hook.over && (now >= hook.deadline || !self.is_let_run(index))
        })
    }

    pub(crate) fn end_pre_stop(&mut self, turn: &mut Turn<'_>, index: usize) {
        let (Some(component), Some(slot)) = (self.components.get_mut(index), Slot::component(index)) else { return };
        let Some(hook) = &mut component.hook else { return };
        hook.over = true;
        hook.timed_out = turn.now >= hook.deadline;
        let instance = component.instance;
        turn.push(Effect::KillHook { slot, instance });
        self.send_stop(turn, index);
    }

    /// The stop signal, now that the hook before it is over. Its grace counts from here.
    fn send_stop(&mut self, turn: &mut Turn<'_>, index: usize) {
        let (Some(component), Some(slot)) = (self.components.get(index), Slot::component(index)) else { return };
        let Phase::Stopping { requested, .. } = component.phase else { return };
        let (stopping, instance) = (self.stop_begins(turn.now, index, requested), component.instance);
        if let Some(component) = self.components.get_mut(index) {
            component.phase = stopping;
        }
        self.dirty = true;
        turn.push(Effect::Stop { slot, instance });
    }

    /// Nothing of an instance is left: runs the hook for that, where there is one. What follows waits for it.
    pub(crate) fn begin_post_stop(&mut self, turn: &mut Turn<'_>, index: usize, next: Next) -> bool {
        let none_runs = self.kill_switch_stands();
        let (Some(component), Some(policy), Some(slot)) =
            (self.components.get_mut(index), self.policy.components.get(index), Slot::component(index))
        else {
            return false;
        };
        let requested = match component.phase {
            Phase::Killing { requested, .. } | Phase::Leaving { requested, .. } => requested,
            Phase::Down | Phase::Waiting { .. } | Phase::Starting { .. } | Phase::Ready | Phase::Stopping { .. } => {
                false
            }
        };
        let ran = core::mem::replace(&mut component.ran, false);
        let Some(timeout) = policy.post_stop.filter(|_| ran && !none_runs) else {
            component.hook = None;
            return false;
        };
        component.phase = Phase::Killing { requested, exited: Some(next) };
        component.hook = Some(RunningHook::new(Hook::PostStop, turn.now, timeout));
        let (instance, reason) = (component.instance, core::mem::take(&mut component.end));
        self.dirty = true;
        turn.push(Effect::RunHook { slot, instance, hook: Hook::PostStop, reason, pid: None });
        true
    }

    /// Kills the last hook when its time is up, or when nothing may take time any more.
    pub(crate) fn bound_post_stop(&mut self, turn: &mut Turn<'_>, index: usize, at_once: bool) {
        let (Some(component), Some(slot)) = (self.components.get_mut(index), Slot::component(index)) else { return };
        let Some(hook) = component.hook.as_mut().filter(|hook| hook.which == Hook::PostStop && !hook.over) else {
            return;
        };
        if at_once || turn.now >= hook.deadline {
            hook.over = true;
            hook.timed_out = turn.now >= hook.deadline;
            let instance = component.instance;
            self.dirty = true;
            turn.push(Effect::KillTree { slot, instance });
        }
    }

    /// A hook is over: the stop signal follows the first, and what is left of the tree goes with the last.
    pub(crate) fn hook_ended(
        &mut self,
        turn: &mut Turn<'_>,
        slot: Slot,
        instance: Instance,
        hook: Hook,
        outcome: HookOutcome,
    ) {
        let Some(index) = self.present(slot, instance) else { return };
        let Some(component) = self.components.get_mut(index) else { return };
        let Some(ended) = component.hook.take_if(|running| running.which == hook) else { return };
        let Some(name) = self.name_of(slot).cloned() else { return };
        let (status, signal, error) = match outcome {
            HookOutcome::Ended(Exit::Status(status)) => (Some(status), None, None),
            HookOutcome::Ended(Exit::Signal(signal)) => (None, Some(signal), None),
            HookOutcome::Ended(Exit::Unknown) => (None, None, None),
            HookOutcome::NotStarted(error) => (None, None, Some(clip(error, TEXT_MAX_BYTES))),
        };
        self.dirty = true;
        let took_ms = u64::try_from(turn.now.since(ended.begun).as_millis()).unwrap_or(u64::MAX);
        let timed_out = ended.timed_out;
        self.record(
            turn,
            Record::ComponentHook { component: name, instance, hook, status, signal, error, timed_out, took_ms },
        );
        match hook {
            Hook::PreStop if !ended.over => self.send_stop(turn, index),
            Hook::PreStop => {}
            // Whatever it left must be gone before a successor runs.
            Hook::PostStop => turn.push(Effect::KillTree { slot, instance }),
        }
    }

    /// Why everything is killed without any grace, if so: the kill switch, or an end of the engine that took too long.
    pub(crate) fn kills_at_once(&mut self, now: Monotonic) -> Option<&'static str> {
        if self.kill_switch_stands() {
            return Some("the kill switch is engaged");
        }
        if !self.life.exiting() && self.writing.failed.is_none() {
            return None;
        }
        let stop_by = *self.life.stop_by.get_or_insert(now.plus(self.policy.shutdown_within));
        (now >= stop_by).then_some("the engine ends, and the time for that is over")
    }

    /// When everything that is left is killed.
    pub(crate) fn shutdown_due(&self, now: Monotonic, add: &mut impl FnMut(Monotonic)) {
        if let Some(stop_by) = self.life.stop_by
            && now < stop_by
            && !self.all_down()
        {
            add(stop_by);
        }
    }
}
