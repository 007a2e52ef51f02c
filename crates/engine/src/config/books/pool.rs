//! `[[pool]]`: what a part of the capital is for.

use super::symbol::Symbol;
use failstop_journal::ledger;
use failstop_settings::{Consistent, section};

section! {
    /// What a part of the capital is for: a strategy's share, a reserve. What accounts hold and what pools hold is always the same
    /// sum.
    pub struct Pool {
        /// Its name, as postings give it.
        name: Symbol, required "main";
        /// The pool that this one is an allocation of: allocations never exceed it.
        within: Option<Symbol>, absent "reserve";
    }
}

impl Consistent for Pool {}

impl Pool {
    /// As the journal declares it.
    pub fn entry(&self) -> ledger::Entry {
        ledger::Entry::Pool(ledger::Pool {
            name: self.name.as_str().to_owned(),
            within: self.within.as_ref().map(|pool| pool.as_str().to_owned()),
        })
    }
}
