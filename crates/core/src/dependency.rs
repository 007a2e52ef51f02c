//! Dependencies, and whose fault silence and early ends are.
//!
//! A dependency is *down* once its host's probes say so (three failed tries over at least a minute, as shipped). It is *failing*
//! as soon as one try failed. One that is down halts trading. One that is failing excuses whoever needs it and shows a symptom:
//! a missed deadline is then `environment` and not `hung`, and an end before readiness, or soon after it, does not count
//! towards the start limit. Two signs that agree are worth more than one.
//!
//! Where nobody knows, the dependency is asked at once. The permission does not wait for the answer: it falls in the step of the
//! missed deadline. Only the verdict does, for one try's time-out at most.

use crate::component::{Next, Phase};
use crate::conditions::Hold;
use crate::effect::Effect;
use crate::halt::Cause;
use crate::id::{HaltId, Instance, Slot};
use crate::ledger::Grievance;
use crate::machine::Core;
use crate::record::ClearedBy;
use crate::time::Monotonic;
use crate::turn::{TEXT_MAX_BYTES, Turn, clip};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

/// How much longer than its own time-out a try may take to be reported.
const ANSWER_SLACK: Duration = Duration::from_secs(1);

/// What is known of a dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Dependency {
    /// Whether it counts as answering, once known.
    pub up: Option<bool>,
    /// Whether the last try failed.
    pub failing: bool,
}

impl Dependency {
    fn is_at_fault(self) -> bool {
        self.failing || self.up == Some(false)
    }
}

/// Which dependencies are being asked, and until when their answers are waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// Indices of those that have not answered.
    open: BTreeSet<usize>,
    until: Monotonic,
}

impl Question {
    fn is_settled(&self, now: Monotonic) -> bool {
        self.open.is_empty() || now >= self.until
    }
}

/// A missed deadline whose verdict waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Silence {
    question: Question,
    instance: Instance,
    /// What it is where nobody else is to blame.
    pub cause: Cause,
    evidence: String,
    /// The halt that closed the gate meanwhile, where it was raised for this.
    halt: Option<HaltId>,
}

/// Ends before readiness, or soon after it, whose counting waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EarlyEnds {
    question: Question,
    /// When those instances were started; at most as many as are counted.
    starts: VecDeque<Monotonic>,
    /// They spend the start limit unless somebody else is to blame.
    spends_limit: Option<SpentLimit>,
}

/// What follows where they do not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SpentLimit {
    /// The evidence for `component-failed`.
    pub evidence: String,
    /// The delay of the next start where it does not count.
    pub delay: Duration,
}

impl EarlyEnds {
    /// Whether the start limit hangs on the answer: nothing is started before.
    pub fn holds_back(&self) -> bool {
        self.spends_limit.is_some()
    }
}

impl Core {
    /// A dependency counts as down, or as up again.
    pub(crate) fn dependency(&mut self, turn: &mut Turn<'_>, index: usize, up: bool, evidence: String) {
        let Some(name) = self.policy.dependencies.get(index).map(|dependency| dependency.name.clone()) else { return };
        let Some(state) = self.dependencies.get_mut(index) else { return };
        let was_at_fault = state.is_at_fault();
        state.up = Some(up);
        state.failing = !up;
        self.dirty = true;
        if up {
            self.answered(turn, index, was_at_fault);
        } else {
            self.did_not_answer(turn, index);
            let evidence = format!("dependency {name} is down: {}", clip(evidence, TEXT_MAX_BYTES));
            let latched = self.policy.environment_latched;
            self.raise(turn, Grievance { latched, ..Grievance::of(Cause::Environment, evidence) });
        }
    }

    /// One try of a dependency ended.
    pub(crate) fn dependency_tried(&mut self, turn: &mut Turn<'_>, index: usize, answered: bool) {
        let Some(state) = self.dependencies.get_mut(index) else { return };
        let was_at_fault = state.is_at_fault();
        if state.failing == answered {
            state.failing = !answered;
            self.dirty = true;
        }
        if answered {
            let over = was_at_fault && state.up != Some(false);
            self.answered(turn, index, over);
        } else {
            self.did_not_answer(turn, index);
        }
    }

    /// It answers: it is not to blame. Whoever was excused by it is judged afresh.
    fn answered(&mut self, turn: &mut Turn<'_>, index: usize, was_at_fault: bool) {
        for component in &mut self.components {
            let questions = component.silence.as_mut().map(|silence| &mut silence.question);
            for question in questions.into_iter().chain(component.early_ends.as_mut().map(|ends| &mut ends.question)) {
                self.dirty |= question.open.remove(&index);
            }
        }
        if was_at_fault {
            let again: Vec<usize> = (0..self.components.len())
                .filter(|component| self.needs(*component, index) && !self.is_excused(*component))
                .collect();
            for component in &again {
                if let Some(component) = self.components.get_mut(*component) {
                    component.excused = false;
                }
            }
            self.rearm_deadlines(turn, |component| again.contains(&component));
        }
    }

    /// It does not: whoever needs it and waits for a verdict is excused.
    fn did_not_answer(&mut self, turn: &mut Turn<'_>, index: usize) {
        for component in 0..self.components.len() {
            if !self.needs(component, index) {
                continue;
            }
            let silence = self.components.get_mut(component).and_then(|component| component.silence.take());
            if let Some(silence) = silence {
                if let Some(halt) = silence.halt {
                    // What is known now is said by the halt that takes its place in this very step.
                    self.clear(turn, halt, ClearedBy::Itself);
                }
                self.excuse(turn, component, silence.evidence);
            }
            self.excuse_ends(turn.now, component);
        }
    }

    fn needs(&self, component: usize, dependency: usize) -> bool {
        let (Some(policy), Some(dependency)) =
            (self.policy.components.get(component), self.policy.dependencies.get(dependency))
        else {
            return false;
        };
        policy.needs.contains(&dependency.name)
    }

    /// Whether a dependency that the component needs is down or failing.
    pub(crate) fn is_excused(&self, index: usize) -> bool {
        self.at_fault(index).is_some()
    }

    /// The name of the first such dependency.
    fn at_fault(&self, index: usize) -> Option<&str> {
        let states = self.policy.dependencies.iter().zip(&self.dependencies).enumerate();
        let mut at_fault = states.filter(|(other, (_, state))| state.is_at_fault() && self.needs(index, *other));
        at_fault.next().map(|(_, (dependency, _))| dependency.name.as_str())
    }

    /// Asks every dependency that the component needs; `None` where it needs none.
    fn inquire(&mut self, turn: &mut Turn<'_>, index: usize) -> Option<Question> {
        let open: BTreeSet<usize> = (0..self.dependencies.len()).filter(|other| self.needs(index, *other)).collect();
        let timeouts = open.iter().filter_map(|index| self.policy.dependencies.get(*index));
        let longest = timeouts.map(|dependency| dependency.timeout).max()?;
        for index in &open {
            turn.push(Effect::TryDependency { index: *index });
        }
        self.dirty = true;
        Some(Question { open, until: turn.now.plus(longest.saturating_add(ANSWER_SLACK)) })
    }

    /// A component missed a deadline: it is excused, or in doubt until its dependencies have answered, or hangs.
    pub(crate) fn missed(&mut self, turn: &mut Turn<'_>, index: usize, cause: Cause, evidence: String) {
        let Some(component) = self.components.get(index) else { return };
        if component.silence.is_some() {
            return;
        }
        let instance = component.instance;
        if self.is_excused(index) {
            self.excuse(turn, index, evidence);
            return;
        }
        let Some(question) = self.inquire(turn, index) else {
            self.hangs(turn, index, cause, evidence);
            return;
        };
        // The permission falls now, whatever the answer will be.
        let name = self.policy.components.get(index).map_or("", |policy| policy.name.0.as_str());
        let doubt = format!("{name}: {evidence}; whether its dependencies answer is being asked");
        let halt = self.raise(turn, Grievance::of(Cause::Environment, doubt));
        if let Some(component) = self.components.get_mut(index) {
            component.silence = Some(Silence { question, instance, cause, evidence, halt });
        }
    }

    /// Its silence is the fault of a dependency, as far as anybody can tell: judged afresh once that is back.
    fn excuse(&mut self, turn: &mut Turn<'_>, index: usize, evidence: String) {
        let name = self.policy.components.get(index).map_or("", |policy| policy.name.0.as_str());
        let other = self.at_fault(index).unwrap_or("it needs");
        let evidence = format!("{name}: {evidence}, while dependency {other} does not answer");
        let latched = self.policy.environment_latched;
        if let Some(component) = self.components.get_mut(index) {
            component.excused = true;
        }
        self.dirty = true;
        self.raise(turn, Grievance { latched, ..Grievance::of(Cause::Environment, evidence) });
    }

    /// Whether a component gave the sign whose absence was in doubt.
    pub(crate) fn spoke(&mut self, index: usize, about: impl FnOnce(Cause) -> bool) {
        if let Some(component) = self.components.get_mut(index)
            && component.silence.as_ref().is_some_and(|silence| about(silence.cause))
        {
            component.silence = None;
            self.dirty = true;
        }
    }

    /// A component ended before it was ready, or soon after: its dependencies are asked, and until they answered nobody knows
    /// whether the start counts. `limit` says that it would spend the start limit.
    pub(crate) fn ended_early(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        started: Monotonic,
        limit: Option<SpentLimit>,
    ) -> Option<Monotonic> {
        let question = self.inquire(turn, index)?;
        let until = question.until;
        let component = self.components.get_mut(index)?;
        let mut starts = component.early_ends.take().map(|ends| ends.starts).unwrap_or_default();
        if starts.len() >= crate::component::MAX_STARTS_KEPT {
            starts.pop_front();
        }
        starts.push_back(started);
        component.early_ends = Some(EarlyEnds { question, starts, spends_limit: limit });
        Some(until)
    }

    /// Its early ends are a dependency's fault: they never counted.
    fn excuse_ends(&mut self, now: Monotonic, index: usize) {
        let Some(component) = self.components.get_mut(index) else { return };
        let Some(ends) = component.early_ends.take() else { return };
        component.starts.retain(|start| !ends.starts.contains(start));
        self.dirty = true;
        if let Some(limit) = ends.spends_limit {
            component.follow(Next::At(now.plus(limit.delay)));
        }
    }

    /// Gives the verdicts that wait for no answer any more.
    pub(crate) fn settle_questions(&mut self, turn: &mut Turn<'_>) {
        for index in 0..self.components.len() {
            let Some(component) = self.components.get_mut(index) else { continue };
            let silence = component.silence.take_if(|silence| silence.question.is_settled(turn.now));
            let ends = component.early_ends.take_if(|ends| ends.question.is_settled(turn.now));
            let Some(slot) = Slot::component(index) else { continue };
            if let Some(silence) = silence {
                let alive = self.present(slot, silence.instance).is_some_and(|_| self.may_hang(index));
                if alive {
                    self.hangs(turn, index, silence.cause, silence.evidence);
                } else {
                    // It ended meanwhile. That it was silent stands.
                    self.raise(turn, Grievance::about(silence.cause, slot, silence.evidence));
                }
                self.dirty = true;
            }
            if let Some(limit) = ends.and_then(|ends| ends.spends_limit) {
                if let Some(component) = self.components.get_mut(index) {
                    component.follow(Next::Down);
                }
                self.raise(turn, Grievance::about(Cause::ComponentFailed, slot, limit.evidence));
                self.dirty = true;
            }
        }
    }

    fn may_hang(&self, index: usize) -> bool {
        self.components.get(index).is_some_and(|component| match component.phase {
            Phase::Ready | Phase::Starting { .. } | Phase::Stopping { .. } => true,
            Phase::Killing { .. } | Phase::Leaving { .. } | Phase::Down | Phase::Waiting { .. } => false,
        })
    }

    /// When a verdict is given for want of an answer.
    pub(crate) fn questions_due(&self, add: &mut impl FnMut(Monotonic)) {
        for component in &self.components {
            if let Some(silence) = &component.silence {
                add(silence.question.until);
            }
            if let Some(ends) = &component.early_ends {
                add(ends.question.until);
            }
        }
    }

    /// What of dependencies holds `environment`.
    pub(crate) fn dependencies_hold(&self) -> Option<Hold> {
        let mut states = self.policy.dependencies.iter().zip(&self.dependencies);
        if let Some((dependency, _)) = states.find(|(_, state)| state.up == Some(false)) {
            return Some(format!("dependency {} is down", dependency.name).into());
        }
        let both = self.components.iter().zip(&self.policy.components).enumerate();
        for (index, (component, policy)) in both {
            if component.silence.is_some() {
                return Some(format!("whether {} hangs is being found out", policy.name.0).into());
            }
            if component.excused
                && let Some(dependency) = self.at_fault(index)
            {
                return Some(format!("dependency {dependency} does not answer").into());
            }
        }
        None
    }
}
