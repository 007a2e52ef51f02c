//! How a start of a component ends: what its exit means, what follows, and when nothing of it is left.

use crate::component::{Next, Phase};
use crate::effect::Effect;
use crate::halt::Cause;
use crate::id::{Instance, Slot};
use crate::input::Exit;
use crate::ledger::Grievance;
use crate::machine::Core;
use crate::record::{AfterExit, Record};
use crate::restart::{End, limit_spent};
use crate::turn::{TEXT_MAX_BYTES, Turn, clip};
use core::time::Duration;

impl Core {
    pub(crate) fn spawn_failed(&mut self, turn: &mut Turn<'_>, slot: Slot, instance: Instance, error: String) {
        let Some(index) = self.present(slot, instance) else { return };
        let Some(name) = self.name_of(slot).cloned() else { return };
        let error = clip(error, TEXT_MAX_BYTES);
        let evidence = format!("it could not be started: {error}");
        self.record(turn, Record::ComponentStartFailed { component: name, instance, error });
        let requested = self.end_was_requested(index);
        let end = End { requested, failure: true, ran: false, evidence: &evidence };
        let (next, after) = self.decide_after_exit(turn, index, &end);
        if let Some(component) = self.components.get_mut(index) {
            component.phase = Phase::Killing { requested, exited: Some(next) };
        }
        self.dirty = true;
        self.note_outage(turn, slot, requested, after, &evidence);
    }

    fn end_was_requested(&self, index: usize) -> bool {
        match self.components.get(index).map(|component| component.phase) {
            Some(
                Phase::Stopping { requested, .. } | Phase::Killing { requested, .. } | Phase::Leaving { requested, .. },
            ) => requested,
            Some(Phase::Down | Phase::Waiting { .. } | Phase::Starting { .. } | Phase::Ready) | None => false,
        }
    }

    /// The main process is gone: what follows is decided and recorded now, and happens once the tree is gone.
    pub(crate) fn exited(&mut self, turn: &mut Turn<'_>, slot: Slot, instance: Instance, exit: Exit) {
        let Some(index) = self.present(slot, instance) else { return };
        let Some(component) = self.components.get(index) else { return };
        let (requested, was_killing, was_ready, grace) = match component.phase {
            Phase::Killing { exited: Some(_), .. } | Phase::Leaving { .. } | Phase::Down | Phase::Waiting { .. } => {
                return;
            }
            Phase::Killing { requested, exited: None } => (requested, true, false, None),
            Phase::Stopping { requested, kill_at, latest: _ } => (requested, false, true, Some(kill_at)),
            Phase::Starting { .. } => (false, false, false, None),
            Phase::Ready => (false, false, true, None),
        };
        let clean = match exit {
            Exit::Status(status) => status == 0,
            Exit::Signal(_) | Exit::Unknown => false,
        };
        // An exit before readiness is a failure whatever its status; so is the end of what had to be killed.
        let failure = !requested && (was_killing || !was_ready || !clean);
        let up = component.started.map_or(Duration::ZERO, |started| turn.now.since(started));
        let why = if was_killing { "failstop was killing it" } else { "nobody asked it to" };
        let said = self.components.get_mut(index).and_then(|component| component.failing.take());
        let it_said = said.as_ref().map(|said| format!("; it had said: {said}")).unwrap_or_default();
        let evidence = match exit {
            Exit::Status(status) => format!("it exited with status {status} ({why}){it_said}"),
            Exit::Signal(signal) => format!("it was ended by signal {signal} ({why}){it_said}"),
            Exit::Unknown => format!("it ended, and the kernel does not say how ({why}){it_said}"),
        };
        let evidence = clip(evidence, TEXT_MAX_BYTES);
        let end = End { requested, failure, ran: true, evidence: &evidence };
        let (next, after) = self.decide_after_exit(turn, index, &end);
        let Some(name) = self.name_of(slot).cloned() else { return };
        if let Some(component) = self.components.get_mut(index) {
            component.phase = match grace {
                Some(kill_at) => Phase::Leaving { kill_at, requested, exited: next },
                None => Phase::Killing { requested, exited: Some(next) },
            };
            component.restarting = false;
            component.forget_instance();
            component.end = ending(exit, requested, was_killing);
        }
        self.watch.forget_parts(index);
        self.dirty = true;
        if !was_killing && grace.is_none() {
            // Whatever it left behind must be gone before a successor runs.
            turn.push(Effect::KillTree { slot, instance });
        }
        let (status, signal) = match exit {
            Exit::Status(status) => (Some(status), None),
            Exit::Signal(signal) => (None, Some(signal)),
            Exit::Unknown => (None, None),
        };
        let record = Record::ComponentExited {
            component: name,
            instance,
            status,
            signal,
            requested,
            killed: was_killing,
            failure,
            said,
            up_ms: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
            next: after,
        };
        self.record(turn, record);
        self.note_outage(turn, slot, requested, after, &evidence);
    }

    /// Raises what an unrequested end raises.
    fn note_outage(&mut self, turn: &mut Turn<'_>, slot: Slot, requested: bool, after: AfterExit, evidence: &str) {
        if requested {
            return;
        }
        self.raise(turn, Grievance::about(Cause::ComponentDown, slot, evidence));
        let policy = slot.index().and_then(|index| self.policy.components.get(index));
        if after == AfterExit::StartLimit
            && let Some(policy) = policy
        {
            let evidence = limit_spent(policy, evidence);
            self.raise(turn, Grievance::about(Cause::ComponentFailed, slot, evidence));
        }
    }

    pub(crate) fn tree_gone(&mut self, turn: &mut Turn<'_>, slot: Slot, instance: Instance) {
        let Some(index) = self.present(slot, instance) else { return };
        let Some(component) = self.components.get_mut(index) else { return };
        let next = match component.phase {
            Phase::Killing { exited: Some(next), .. } | Phase::Leaving { exited: next, .. } => next,
            // The host must tell of the exit first. Proof that nothing is left is worth more than its order: the
            // instance counts as ended now, nobody knows how.
            Phase::Killing { exited: None, .. } | Phase::Starting { .. } | Phase::Ready | Phase::Stopping { .. } => {
                self.exited(turn, slot, instance, Exit::Unknown);
                match self.components.get(index).map(|component| component.phase) {
                    Some(Phase::Killing { exited: Some(next), .. } | Phase::Leaving { exited: next, .. }) => next,
                    Some(
                        Phase::Killing { exited: None, .. }
                        | Phase::Starting { .. }
                        | Phase::Ready
                        | Phase::Stopping { .. }
                        | Phase::Down
                        | Phase::Waiting { .. },
                    )
                    | None => return,
                }
            }
            Phase::Down | Phase::Waiting { .. } => return,
        };
        if self.begin_post_stop(turn, index, next) {
            return;
        }
        if let Some(component) = self.components.get_mut(index) {
            component.phase = match next {
                Next::Down => Phase::Down,
                Next::At(due) => Phase::Waiting { due },
                Next::Spent => {
                    component.spent = true;
                    Phase::Down
                }
            };
            self.dirty = true;
        }
    }
}

/// How it ended, for whoever cleans up after it.
fn ending(exit: Exit, requested: bool, killed: bool) -> String {
    let how = match exit {
        Exit::Status(status) => format!("exited with status {status}"),
        Exit::Signal(signal) => format!("ended by signal {signal}"),
        Exit::Unknown => "ended".to_owned(),
    };
    let asked = match (requested, killed) {
        (true, _) => "as requested",
        (false, true) => "killed by failstop",
        (false, false) => "not requested",
    };
    format!("{how} ({asked})")
}
