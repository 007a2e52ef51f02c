//! `[[instrument]]`: what positions are held in.

use super::symbol::Symbol;
use failstop_journal::ledger;
use failstop_settings::{Consistent, section, within};

section! {
    /// What positions are held in: a pair, a contract.
    pub struct Instrument {
        /// Its name, as fills, positions and statements give it.
        name: Symbol, required "BTC/USDT";
        /// How many decimals its quantities have. It never changes.
        quantity_scale: u32, required 8, within("0", "18");
        /// How many decimals its prices have.
        price_scale: u32, required 2, within("0", "18");
    }
}

impl Consistent for Instrument {}

impl Instrument {
    /// As the journal declares it.
    pub fn entry(&self) -> ledger::Entry {
        // Both keys' ranges are within a byte.
        let scale = |decimals: u32| u8::try_from(decimals).unwrap_or(u8::MAX);
        ledger::Entry::Instrument(ledger::Instrument {
            name: self.name.as_str().to_owned(),
            quantity_scale: scale(self.quantity_scale),
            price_scale: scale(self.price_scale),
        })
    }
}
