//! `[[strategy]]`: a strategy's states and the transitions between them.

use super::symbol::{Arrow, Symbol};
use failstop_journal::ledger;
use failstop_settings::{Consistent, section};

section! {
    /// A strategy as a state machine. A bot reports each transition; one that is not declared here halts trading.
    pub struct Strategy {
        /// Its name.
        name: Symbol, required "grid";
        /// Every state that it may be in.
        states: Vec<Symbol>, required ["idle", "entering", "holding"];
        /// The state before its first transition.
        initial: Symbol, required "idle";
        /// Every transition that it may make.
        transitions: Vec<Arrow>, required ["idle -> entering", "entering -> holding"];
        /// States at which a named instance of it ends; its name may then be used for another.
        r#final: Vec<Symbol>, default [];
    }
}

impl Consistent for Strategy {}

impl Strategy {
    /// As the journal declares it.
    pub fn entry(&self) -> ledger::Entry {
        let names = |names: &[Symbol]| names.iter().map(|name| name.as_str().to_owned()).collect();
        ledger::Entry::Strategy(ledger::Strategy {
            name: self.name.as_str().to_owned(),
            states: names(&self.states),
            initial: self.initial.as_str().to_owned(),
            transitions: self
                .transitions
                .iter()
                .map(|arrow| ledger::Transition {
                    from: arrow.from.as_str().to_owned(),
                    to: arrow.to.as_str().to_owned(),
                })
                .collect(),
            finals: names(&self.r#final),
        })
    }
}
