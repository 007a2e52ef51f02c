//! Strategies as state machines: what was declared, and in which state each instance is. Only declared states and transitions.

use super::check::{Check, Violation};
use super::declared::is_name;
use super::entry::{ID_MAX, Moved, Strategy};
use std::collections::{BTreeMap, BTreeSet};

/// The most strategies.
pub const STRATEGIES_MAX: usize = 256;
/// The most instances of all strategies together that have not ended.
pub const INSTANCES_MAX: usize = 4096;
/// The most states of one strategy.
pub const STATES_MAX: usize = 128;

/// Where an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub state: String,
    /// The record that brought it there.
    pub since: u64,
}

/// A strategy and its instance; the empty text where it has but one.
pub(crate) type Of = (String, String);

/// Every strategy, and every instance that has moved and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strategies {
    pub declared: BTreeMap<String, Strategy>,
    pub instances: BTreeMap<Of, Instance>,
}

impl Strategies {
    pub fn weigh_declared(&self, strategy: &Strategy) -> Result<(), Violation> {
        let name = &strategy.name;
        is_name("strategy", name)?;
        let wrong = |detail: String| Err(Violation::new(Check::Declaration, name, detail));
        if self.declared.len() >= STRATEGIES_MAX && !self.declared.contains_key(name) {
            let detail = format!("there are {STRATEGIES_MAX} strategies already, which is the most");
            return Err(Violation::new(Check::Bound, name, detail));
        }
        if strategy.states.len() > STATES_MAX {
            let detail = format!("a strategy has at most {STATES_MAX} states");
            return Err(Violation::new(Check::Bound, name, detail));
        }
        let mut states = BTreeSet::new();
        for state in &strategy.states {
            is_name("state", state)?;
            if !states.insert(state) {
                return wrong(format!("state {state:?} is declared twice"));
            }
        }
        let ends = strategy.transitions.iter().flat_map(|transition| [&transition.from, &transition.to]);
        for state in ends.chain([&strategy.initial]).chain(&strategy.finals) {
            if !states.contains(state) {
                return wrong(format!("state {state:?} is not among its states"));
            }
        }
        let transitions: BTreeSet<_> = strategy.transitions.iter().collect();
        if transitions.len() != strategy.transitions.len() {
            return wrong("a transition is declared twice".to_owned());
        }
        // What stands must have a place in what is declared now.
        for ((of, instance), at) in self.instances.range((name.clone(), String::new())..) {
            if of != name {
                break;
            }
            if !states.contains(&at.state) {
                let which = if instance.is_empty() { "it".to_owned() } else { format!("instance {instance:?}") };
                let detail =
                    format!("{which} is in state {:?} (record {}), which is not declared any more", at.state, at.since);
                return Err(Violation::new(Check::StrategyState, name, detail));
            }
        }
        Ok(())
    }

    /// The state of an instance; of one that has not moved the initial one.
    pub fn state(&self, strategy: &str, instance: &str) -> Option<&str> {
        let declared = self.declared.get(strategy)?;
        let at = self.instances.get(&(strategy.to_owned(), instance.to_owned()));
        Some(at.map_or(declared.initial.as_str(), |at| at.state.as_str()))
    }

    pub fn weigh_moved(&self, moved: &Moved) -> Result<(), Violation> {
        let name = &moved.strategy;
        let wrong = |detail: String| Err(Violation::new(Check::StrategyState, name, detail));
        let Some(declared) = self.declared.get(name) else {
            return wrong("no such strategy was declared: declare it in the configuration".to_owned());
        };
        let instance = moved.instance.as_deref().unwrap_or_default();
        if moved.instance.is_some() && (instance.is_empty() || instance.len() > ID_MAX) {
            return wrong(format!("an instance's name has 1 to {ID_MAX} bytes"));
        }
        let state = self.state(name, instance).unwrap_or_default();
        if !declared.states.contains(&moved.to) {
            return wrong(format!("state {:?} is not declared", moved.to));
        }
        if let Some(from) = moved.from.as_ref().filter(|from| *from != state) {
            return wrong(format!("holds itself to be in state {from:?}, but it is in {state:?}"));
        }
        if !declared.transitions.iter().any(|known| known.from == state && known.to == moved.to) {
            return wrong(format!("the transition {state:?} -> {:?} is not declared", moved.to));
        }
        let known = self.instances.contains_key(&(name.clone(), instance.to_owned()));
        if !known && self.instances.len() >= INSTANCES_MAX {
            let detail = format!("{INSTANCES_MAX} instances of strategies are at work, which is the most");
            return Err(Violation::new(Check::Bound, name, detail));
        }
        Ok(())
    }

    /// Moves it. A named instance that reaches a final state has ended, and its name may be used for another.
    pub fn commit_moved(&mut self, moved: &Moved, seq: u64) {
        let of = (moved.strategy.clone(), moved.instance.clone().unwrap_or_default());
        let ends = self.declared.get(&moved.strategy).is_some_and(|declared| declared.finals.contains(&moved.to));
        if ends && moved.instance.is_some() {
            self.instances.remove(&of);
        } else {
            self.instances.insert(of, Instance { state: moved.to.clone(), since: seq });
        }
    }

    /// Whether every instance is in a declared state: for a start.
    pub fn reconcile(&self) -> Vec<Violation> {
        let astray = |((name, instance), at): (&Of, &Instance)| {
            let declared = self.declared.get(name).is_some_and(|known| known.states.contains(&at.state));
            let detail = || format!("instance {instance:?} is in state {:?}, which is not declared", at.state);
            (!declared).then(|| Violation::new(Check::StrategyState, name, detail()))
        };
        self.instances.iter().filter_map(astray).collect()
    }
}
