//! An operator's correction: what has to be booked so that the book agrees with what a venue states. The difference goes to
//! `suspense`, where it is watched until somebody explains it; no difference is ever forgotten.

use super::book::{At, Book};
use super::check::{Check, Violation};
use super::declared::{Index, Outside, amount};
use super::entry::{Entry, LEGS_MAX, Leg, Position, Posted, Statement};
use crate::time::Wall;
use failstop_amount::Amount;
use std::collections::BTreeMap;

/// What a correction books, and what it comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    /// The entries, to be recorded in this order; none where book and venue agree.
    pub entries: Vec<Entry>,
    /// Each difference in words: `USDT +5.00`.
    pub differences: Vec<String>,
}

/// Who corrects, and how.
#[derive(Clone, Copy, Debug)]
pub struct Correcting<'a> {
    /// The pool whose part of the account changes; only needed where that is not plain.
    pub pool: Option<&'a str>,
    /// Distinguishes this correction's ids: the journal's head.
    pub number: u64,
    /// Who says so and why, as the records keep it.
    pub said: &'a str,
}

impl Book {
    /// What makes this book agree with `statement`: each balance that differs by more than its asset's tolerance is posted against
    /// `suspense`, each position that differs is taken over as stated.
    ///
    /// # Errors
    ///
    /// [`Violation`]: the statement names what is not known or names something twice, the pool is not plain, or it has less than what is
    /// missing. Nothing is changed by asking.
    pub fn correction(&self, statement: &Statement, how: Correcting<'_>) -> Result<Correction, Violation> {
        let mut correction = Correction::default();
        if self.reports.weigh_statement(&self.declared, &self.money, statement).is_ok() {
            return Ok(correction);
        }
        let mut legs = Vec::new();
        for (asset, stated) in self.stated_balances(statement)? {
            let (name, rules) = (self.declared.assets.name(asset), self.declared.assets.at(asset));
            let booked = self.balance(&statement.account, name).unwrap_or(Amount::zero(rules.scale)).units();
            let overflow = || Violation::new(Check::Overflow, name, "the difference is beyond what can be counted");
            let off = stated.checked_sub(booked).ok_or_else(overflow)?;
            if off.unsigned_abs() <= rules.tolerance.units().unsigned_abs() {
                continue;
            }
            let back = off.checked_neg().ok_or_else(overflow)?;
            let pool = self.pool_of(&statement.account, asset, how.pool)?;
            let [off, back] = [off, back].map(|units| Amount::from_units(units, rules.scale).to_string());
            let sign = if off.starts_with('-') { "" } else { "+" };
            correction.differences.push(format!("{name} {sign}{off}"));
            let leg = |account: &str, pool: Option<String>, amount| Leg {
                asset: name.to_owned(),
                account: account.to_owned(),
                pool,
                amount,
            };
            legs.push(leg(&statement.account, Some(pool), off));
            legs.push(leg(Outside::Suspense.name(), None, back));
        }
        // Both legs of an asset stand in one posting.
        for (part, legs) in legs.chunks(LEGS_MAX - LEGS_MAX % 2).enumerate() {
            correction.entries.push(Entry::Posted(Posted {
                id: format!("correction-{}-{}-{part}", how.number, statement.account),
                legs: legs.to_vec(),
                component: None,
                reason: Some(format!("correction to statement {}: {}", statement.id, how.said)),
            }));
        }
        for (instrument, quantity) in self.stated_positions(statement)? {
            let booked = self.position(&statement.account, &instrument);
            if booked.is_some_and(|booked| booked == quantity) {
                continue;
            }
            let booked = booked.map_or_else(|| "0".to_owned(), |booked| booked.to_string());
            correction.differences.push(format!("{instrument} {booked} -> {quantity}"));
            correction.entries.push(Entry::Position(Position {
                account: statement.account.clone(),
                instrument,
                quantity: quantity.to_string(),
                opening: false,
                component: None,
                correction: Some(how.said.to_owned()),
            }));
        }
        self.suffices(statement, &correction.entries)?;
        Ok(correction)
    }

    /// Whether these entries break no rule and the statement agrees after them.
    fn suffices(&self, statement: &Statement, entries: &[Entry]) -> Result<(), Violation> {
        let mut after = self.clone();
        for entry in entries {
            after.apply(&At { seq: 0, epoch: 0, time: Wall(0) }, entry)?;
        }
        after.reports.weigh_statement(&after.declared, &after.money, statement)
    }

    /// Every balance that the statement says something of, in units; with `complete` those that it does not name are nothing.
    fn stated_balances(&self, statement: &Statement) -> Result<BTreeMap<Index, i128>, Violation> {
        let (account, _) = self.declared.account(&statement.account)?;
        let mut stated = BTreeMap::new();
        if statement.complete {
            let held = self.money.accounts.keys().filter(|(_, holder)| *holder == account);
            stated.extend(held.map(|(asset, _)| (*asset, 0)));
        }
        for balance in &statement.balances {
            let (asset, rules) = self.declared.asset(&balance.asset)?;
            stated.insert(asset, amount(&statement.account, "total", &balance.total, rules.scale)?.units());
        }
        Ok(stated)
    }

    /// The same for positions.
    fn stated_positions(&self, statement: &Statement) -> Result<BTreeMap<String, Amount>, Violation> {
        let (account, _) = self.declared.account(&statement.account)?;
        let instruments = &self.declared.instruments;
        let mut stated = BTreeMap::new();
        if statement.complete {
            for (_, instrument) in self.reports.positions.keys().filter(|(holder, _)| *holder == account) {
                let nothing = Amount::zero(instruments.at(*instrument).quantity);
                stated.insert(instruments.name(*instrument).to_owned(), nothing);
            }
        }
        for position in &statement.positions {
            let (_, rules) = self.declared.instrument(&position.instrument)?;
            let quantity = amount(&statement.account, "quantity", &position.quantity, rules.quantity)?;
            stated.insert(position.instrument.clone(), quantity);
        }
        Ok(stated)
    }

    /// The pool whose part changes: the one that is named, or the only one that holds the asset there, or the only one there is.
    fn pool_of(&self, account: &str, asset: Index, named: Option<&str>) -> Result<String, Violation> {
        if let Some(named) = named {
            return self.declared.pool(named).map(|_| named.to_owned());
        }
        let (number, _) = self.declared.account(account)?;
        let holders = self.money.cells.keys().filter(|cell| cell.asset == asset && cell.account == number);
        let holders: Vec<&str> = holders.map(|cell| self.declared.pools.name(cell.pool)).collect();
        let all: Vec<&str> = self.declared.pools.iter().map(|(name, _)| name).collect();
        let candidates = if holders.is_empty() { all } else { holders };
        match candidates.as_slice() {
            [only] => Ok((*only).to_owned()),
            several => {
                let asset = self.declared.assets.name(asset);
                let detail = format!("of which pool the {asset} is must be said: {}", several.join(", "));
                Err(Violation::new(Check::Undeclared, account, detail))
            }
        }
    }
}
