//! `[[asset]]`: what is counted.

use super::symbol::Symbol;
use crate::config::scale::scale;
use failstop_amount::{Amount, Scale};
use failstop_journal::ledger;
use failstop_settings::{Consistent, Kind, Places, Reading, section, within};

section! {
    /// Something that the ledger counts: a currency, a coin, a share. With the first one, bots may book postings and report
    /// capital (docs/guide/capital.md).
    pub struct Asset {
        /// Its name, as postings and statements give it.
        name: Symbol, required "USDT";
        /// How many decimals it is counted with. It never changes: the journal holds an asset to the scale of its first start.
        scale: u32, required 6, within("0", "18");
        /// By how much a venue's statement or a bot's report may differ from the book. Beyond that capital does not reconcile.
        tolerance: String, default "0";
        /// Whether balances of it may be below zero.
        negative: bool, default false;
    }
}

impl Consistent for Asset {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let scale = self.scale();
        let wrong = match Amount::parse(&self.tolerance, scale) {
            Ok(tolerance) if tolerance.is_negative() => "it is zero or above".to_owned(),
            Ok(_) => return,
            Err(error) => error.to_string(),
        };
        reading.refuse(
            Kind::BadValue,
            &places.first_of(&["tolerance"]),
            format!(
                "`tolerance` of {} cannot be \"{}\": {wrong}",
                places.label,
                failstop_settings::shown(&self.tolerance)
            ),
            format!(
                "write an amount with at most {} decimals, for example \"{}\"",
                self.scale,
                Amount::from_units(1, scale)
            ),
        );
    }
}

impl Asset {
    /// How many decimals.
    pub fn scale(&self) -> Scale {
        scale(self.scale)
    }

    /// As the journal declares it.
    pub fn entry(&self) -> ledger::Entry {
        ledger::Entry::Asset(ledger::Asset {
            name: self.name.as_str().to_owned(),
            scale: self.scale().decimals(),
            tolerance: self.tolerance.clone(),
            negative: self.negative,
        })
    }
}
