//! `[[account]]`: where assets are held.

use super::symbol::Symbol;
use failstop_journal::ledger;
use failstop_settings::{Consistent, Kind, Places, Reading, section};

section! {
    /// A place at which assets are held: an account at a venue, a wallet. The outside accounts venue, fees, funding, pnl and suspense
    /// are built in.
    pub struct Account {
        /// Its name, as postings and statements give it.
        name: Symbol, required "kraken";
        /// Whether its balances may be below zero.
        negative: bool, default false;
    }
}

impl Consistent for Account {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if ledger::Outside::named(self.name.as_str()).is_some() {
            reading.refuse(
                Kind::BadValue,
                &places.first_of(&["name"]),
                format!("\"{}\" is the name of an outside account, which is built in", self.name),
                format!("write another name, for example \"{}-account\"", self.name),
            );
        }
    }
}

impl Account {
    /// As the journal declares it.
    pub fn entry(&self) -> ledger::Entry {
        ledger::Entry::Account(ledger::Account { name: self.name.as_str().to_owned(), negative: self.negative })
    }
}
