//! Operators' orders about one component: stop it and keep it stopped, let it start again, restart it.

use crate::component::{Component, Phase};
use crate::effect::Effect;
use crate::hindrance::Hindrance;
use crate::id::{ComponentName, Slot};
use crate::machine::Core;
use crate::operator::Asked;
use crate::record::Record;
use crate::turn::Turn;

impl Core {
    /// Stops it and keeps it stopped. Never refused: it only tightens.
    pub(crate) fn hold(&mut self, turn: &mut Turn<'_>, asked: Asked, slot: Slot) {
        let Some((_, name)) = self.ordered(slot) else { return self.no_such(turn, asked, "stop component") };
        let record = Record::ComponentHeld { component: name, held: true, by: asked.by, reason: asked.reason };
        let ticket = self.record(turn, record);
        self.dirty = true;
        self.answer_when_durable(turn, asked.request, ticket);
    }

    /// Lets it start again, and at once where it waits for its next start. One that runs already is as it was asked for.
    pub(crate) fn unhold(&mut self, turn: &mut Turn<'_>, asked: Asked, slot: Slot) {
        let Some((index, name)) = self.ordered(slot) else { return self.no_such(turn, asked, "start component") };
        let held = self.recorded.held.contains_key(&name);
        let mut refusals = Vec::new();
        if self.hindrance(index) == Some(Hindrance::EngineStopping) {
            refusals.push("the engine stops: nothing is started any more".to_owned());
        }
        if held && asked.reason.trim().is_empty() {
            refusals.push(format!(
                "component {} was stopped by an operator: a start needs a reason: --reason \"...\"",
                name.0
            ));
        }
        if let Some(policy) = self.policy.components.get(index)
            && self.has_failed(policy)
        {
            refusals.push(format!(
                "component {} failed too often: release its component-failed halt with `failstop resume` instead",
                name.0
            ));
        }
        if !refusals.is_empty() {
            self.refuse(turn, asked, "start component", refusals);
            return;
        }
        let runs = self.components.get(index).is_some_and(Component::is_running);
        if runs && !held {
            turn.push(Effect::Answer { request: asked.request, outcome: Ok(()) });
            return;
        }
        self.start_afresh(index);
        let record = Record::ComponentHeld { component: name, held: false, by: asked.by, reason: asked.reason };
        let ticket = self.record(turn, record);
        self.answer_when_durable(turn, asked.request, ticket);
    }

    /// Stops and starts it; one that waits for its next start is started at once.
    pub(crate) fn restart(&mut self, turn: &mut Turn<'_>, asked: Asked, slot: Slot) {
        let Some((index, name)) = self.ordered(slot) else { return self.no_such(turn, asked, "restart component") };
        let runs = self.components.get(index).is_some_and(Component::is_running);
        let refusal = match self.hindrance(index) {
            Some(Hindrance::EngineStopping) => Some("the engine stops: nothing is started any more".to_owned()),
            Some(Hindrance::Held) => Some(format!(
                "component {} was stopped by an operator: `failstop start {} --reason \"...\"` first",
                name.0, name.0
            )),
            Some(Hindrance::Failed) => Some(format!(
                "component {} failed too often: release its component-failed halt with `failstop resume` instead",
                name.0
            )),
            Some(Hindrance::EngineStarting | Hindrance::NotAllowed | Hindrance::DependencyDown) if !runs => {
                Some(format!("component {} does not run and may not now: see `failstop status`", name.0))
            }
            Some(Hindrance::EngineStarting | Hindrance::NotAllowed | Hindrance::DependencyDown) | None => None,
        };
        if let Some(refusal) = refusal {
            self.refuse(turn, asked, "restart component", vec![refusal]);
            return;
        }
        if runs {
            if let Some(component) = self.components.get_mut(index) {
                component.restarting = true;
            }
        } else {
            self.start_afresh(index);
        }
        self.dirty = true;
        let order = format!("restart component {}", name.0);
        let ticket = self.record(turn, Record::OperatorOrder { order, by: asked.by, reason: asked.reason });
        self.answer_when_durable(turn, asked.request, ticket);
    }

    /// Its last end is forgotten as a reason to wait; what counts towards the start limit is not.
    fn start_afresh(&mut self, index: usize) {
        if let Some(component) = self.components.get_mut(index) {
            component.spent = false;
            component.after_failure = false;
            if let Phase::Waiting { .. } = component.phase {
                component.phase = Phase::Down;
            }
        }
        self.dirty = true;
    }

    /// The component that an order is about.
    pub(crate) fn ordered(&self, slot: Slot) -> Option<(usize, ComponentName)> {
        slot.index().filter(|index| *index < self.components.len()).zip(self.name_of(slot).cloned())
    }

    pub(crate) fn no_such(&mut self, turn: &mut Turn<'_>, asked: Asked, order: &str) {
        self.refuse(turn, asked, order, vec!["no such component; see `failstop status`".to_owned()]);
    }
}
