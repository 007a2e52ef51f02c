//! `[[instrument]]`: what positions are held in.

use super::symbol::Symbol;
use crate::config::gate::{ContractKind, InstrumentLimits, MarginKind};
use crate::config::scale::scale;
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
        /// For the gate, as everything below: "linear", worth its size times the price; "inverse", worth so much in the currency of
        /// the price and settled in the underlying.
        contract: ContractKind, default "linear";
        /// How much of the underlying one contract is (1 for spot); of an inverse one, what it is worth in the currency of the price.
        contract_size: String, default "1";
        /// Prices are in another currency than [gate] `money`: the instrument whose price converts it. Absent: in that money.
        quote_through: Option<Symbol>, absent "BTC/USDT";
        /// What stands behind a position: "spot" (nothing is borrowed), "isolated" (its own margin), "cross" (the account's equity).
        margin: MarginKind, default "spot";
        /// The maintenance margin rate, as a fraction of one; needed where `liquidation_buffer` is set and something is borrowed.
        maintenance: Option<String>, absent "0.005";
        /// Where its prices come from. Absent: as in [prices].
        sources: Option<Vec<Symbol>>, absent ["kraken"];
        /// How many of them must agree. Absent: as in [prices].
        required: Option<u32>, absent 1, within("1", "16");
        /// Limits on it, for everybody.
        limits: InstrumentLimits, default {};
    }
}

impl Consistent for Instrument {}

impl Instrument {
    /// As the journal declares it.
    pub fn entry(&self) -> ledger::Entry {
        ledger::Entry::Instrument(ledger::Instrument {
            name: self.name.as_str().to_owned(),
            quantity_scale: scale(self.quantity_scale).decimals(),
            price_scale: scale(self.price_scale).decimals(),
        })
    }
}
