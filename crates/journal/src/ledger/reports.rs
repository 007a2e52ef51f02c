//! What bots and venues say of balances and positions, held against the book. A report changes no balance; it is right or it is a
//! violation.

use super::check::{Check, Violation};
use super::declared::{Declared, Index, amount, of};
use super::entry::{Capital, Position, Refused, Side, Statement};
use super::money::Money;
use super::orders::is_id;
use failstop_amount::Amount;
use std::collections::{BTreeMap, BTreeSet};

/// The most positions that are not zero.
pub const POSITIONS_MAX: usize = 16_384;

/// The most discrepancies with the world outside that stand at a time.
pub const DISCREPANCIES_MAX: usize = 1024;

/// What a bot saw last in an account, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub total: i128,
    pub free: i128,
    pub locked: i128,
    pub seq: u64,
}

/// A statement or a report that did not agree, until one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// The `ledger.violation` that says so.
    pub seq: u64,
    /// What was wrong.
    pub violation: Violation,
}

/// Positions, and what was reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reports {
    /// By account and instrument, in units of the instrument; none is zero.
    pub positions: BTreeMap<(Index, Index), i128>,
    pub capital: BTreeMap<(Index, Index), Seen>,
    /// By subject.
    pub discrepancies: BTreeMap<String, Discrepancy>,
}

/// The subject of a statement's discrepancy.
fn of_account(account: &str) -> String {
    format!("statement {account}")
}

/// The subject of a position's discrepancy.
fn of_position(account: &str, instrument: &str) -> String {
    format!("position {account} {instrument}")
}

/// The subject of the discrepancy of a report of capital.
fn of_capital(account: &str, asset: &str) -> String {
    format!("capital {account} {asset}")
}

impl Capital {
    /// The subject under which a report that does not agree with the book stands as a discrepancy.
    pub fn subject(&self) -> String {
        of_capital(&self.account, &self.asset)
    }
}

impl Reports {
    pub fn weigh_capital(&self, declared: &Declared, capital: &Capital) -> Result<((Index, Index), Seen), Violation> {
        let (account, rules) = declared.account(&capital.account)?;
        let (asset, known) = declared.asset(&capital.asset)?;
        let read = |field, text| amount(&capital.account, field, text, known.scale);
        let (total, free, locked) =
            (read("total", &capital.total)?, read("free", &capital.free)?, read("locked", &capital.locked)?);
        let together = free.checked_add(locked).map_err(|e| Violation::new(of(e), &capital.account, e.to_string()))?;
        if together != total {
            let off = Amount::from_units(together.units().saturating_sub(total.units()), known.scale);
            let detail = format!("free {free} and locked {locked} {} are {together} and not {total}", capital.asset);
            return Err(Violation::new(Check::FreeLocked, &capital.account, detail).by(off));
        }
        let lowest = free.units().min(locked.units()).min(total.units());
        if lowest < 0 && !(known.negative || rules.negative) {
            let off = Amount::from_units(lowest, known.scale);
            let detail = format!("reports {off} {}, and below zero is forbidden", capital.asset);
            return Err(Violation::new(Check::Negative, &capital.account, detail).by(off));
        }
        Ok(((account, asset), Seen { total: total.units(), free: free.units(), locked: locked.units(), seq: 0 }))
    }

    /// A position after a fill.
    pub fn weigh_fill(
        &self,
        declared: &Declared,
        account: &str,
        instrument: &str,
        side: Side,
        quantity: Amount,
    ) -> Result<((Index, Index), i128), Violation> {
        let key = (declared.account(account)?.0, declared.instrument(instrument)?.0);
        let before = self.positions.get(&key).copied().unwrap_or(0);
        let after = match side {
            Side::Buy => before.checked_add(quantity.units()),
            Side::Sell => before.checked_sub(quantity.units()),
        };
        let overflow = || Violation::new(Check::Overflow, instrument, "the position is beyond what can be counted");
        self.room(key, after.ok_or_else(overflow)?, instrument)
    }

    fn room(&self, key: (Index, Index), units: i128, name: &str) -> Result<((Index, Index), i128), Violation> {
        if units != 0 && self.positions.len() >= POSITIONS_MAX && !self.positions.contains_key(&key) {
            let detail = format!("{POSITIONS_MAX} positions are open, which is the most");
            return Err(Violation::new(Check::Bound, name, detail));
        }
        Ok((key, units))
    }

    pub fn weigh_position(&self, declared: &Declared, said: &Position) -> Result<((Index, Index), i128), Violation> {
        let (account, instrument) = (declared.account(&said.account)?.0, declared.instrument(&said.instrument)?);
        let (instrument, scale) = (instrument.0, instrument.1.quantity);
        let subject = of_position(&said.account, &said.instrument);
        let quantity = amount(&subject, "quantity", &said.quantity, scale)?;
        let key = (account, instrument);
        let known = Amount::from_units(self.positions.get(&key).copied().unwrap_or(0), scale);
        if said.opening {
            if !known.is_zero() {
                let detail = format!("is {known} by its fills already, and cannot be opened at {quantity}");
                return Err(Violation::new(Check::Position, subject, detail));
            }
            return self.room(key, quantity.units(), &said.instrument);
        }
        if said.correction.is_some() {
            return self.room(key, quantity.units(), &said.instrument);
        }
        if quantity != known {
            let off = Amount::from_units(quantity.units().saturating_sub(known.units()), scale);
            let detail = format!("is reported as {quantity}, and its fills sum to {known}");
            return Err(Violation::new(Check::Position, subject, detail).by(off));
        }
        Ok((key, quantity.units()))
    }

    pub fn weigh_statement(&self, declared: &Declared, money: &Money, said: &Statement) -> Result<(), Violation> {
        is_id(&said.id)?;
        let (account, _) = declared.account(&said.account)?;
        let subject = of_account(&said.account);
        let mut named = BTreeSet::new();
        for balance in &said.balances {
            let (asset, rules) = declared.asset(&balance.asset)?;
            let total = amount(&subject, "total", &balance.total, rules.scale)?;
            if !named.insert(asset) {
                return Err(Violation::new(Check::Statement, subject, format!("names {} twice", balance.asset)));
            }
            agree(declared, money, account, asset, total.units(), &subject)?;
        }
        let mut positions = BTreeSet::new();
        for position in &said.positions {
            let (instrument, rules) = declared.instrument(&position.instrument)?;
            let quantity = amount(&subject, "quantity", &position.quantity, rules.quantity)?;
            if !positions.insert(instrument) {
                return Err(Violation::new(Check::Statement, subject, format!("names {} twice", position.instrument)));
            }
            self.held(declared, account, instrument, quantity, &subject)?;
        }
        if said.complete {
            for (asset, holder) in money.accounts.keys() {
                if *holder == account && !named.contains(asset) {
                    agree(declared, money, account, *asset, 0, &subject)?;
                }
            }
            for (holder, instrument) in self.positions.keys() {
                if *holder == account && !positions.contains(instrument) {
                    let nothing = Amount::zero(declared.instruments.at(*instrument).quantity);
                    self.held(declared, account, *instrument, nothing, &subject)?;
                }
            }
        }
        Ok(())
    }

    fn held(
        &self,
        declared: &Declared,
        account: Index,
        instrument: Index,
        stated: Amount,
        subject: &str,
    ) -> Result<(), Violation> {
        let booked = self.positions.get(&(account, instrument)).copied().unwrap_or(0);
        if stated.units() == booked {
            return Ok(());
        }
        let name = declared.instruments.name(instrument);
        let off = Amount::from_units(stated.units().saturating_sub(booked), stated.scale());
        let booked = Amount::from_units(booked, stated.scale());
        let detail = format!("the venue states a position of {stated} {name}, its fills sum to {booked}");
        Err(Violation::new(Check::Statement, subject, detail).by(off))
    }

    pub fn commit_position(&mut self, (key, units): ((Index, Index), i128)) {
        if units == 0 {
            self.positions.remove(&key);
        } else {
            self.positions.insert(key, units);
        }
    }

    /// The world agrees again about this account, each balance and each position that is stated; with `complete` about all of them.
    pub fn agreed_statement(&mut self, declared: &Declared, said: &Statement) {
        self.discrepancies.remove(&of_account(&said.account));
        for balance in &said.balances {
            self.agreed_capital(&said.account, &balance.asset);
        }
        for position in &said.positions {
            self.agreed_position(&said.account, &position.instrument);
        }
        if said.complete {
            let (asset, instrument) = (of_capital(&said.account, ""), of_position(&said.account, ""));
            // By whole names: that of another account may begin with this one's.
            self.discrepancies.retain(|subject, _| {
                let capital = subject.strip_prefix(&asset).and_then(|name| declared.assets.get(name)).is_some();
                let position =
                    subject.strip_prefix(&instrument).and_then(|name| declared.instruments.get(name)).is_some();
                !capital && !position
            });
        }
    }

    /// The bot agrees again about this balance: a report that does not agree is never recorded as one.
    pub fn agreed_capital(&mut self, account: &str, asset: &str) {
        self.discrepancies.remove(&of_capital(account, asset));
    }

    /// The bot agrees again about this position.
    pub fn agreed_position(&mut self, account: &str, instrument: &str) {
        self.discrepancies.remove(&of_position(account, instrument));
    }

    /// A refused report stands until one agrees; any other refusal left the book and the world as they were.
    pub fn refused(&mut self, refused: &Refused, seq: u64) {
        let stands = match refused.kind.as_str() {
            "ledger.statement" | "ledger.capital" => refused.violation.check == Check::Statement,
            "ledger.position" => refused.violation.check == Check::Position,
            _ => false,
        };
        let subject = &refused.violation.subject;
        if stands && (self.discrepancies.len() < DISCREPANCIES_MAX || self.discrepancies.contains_key(subject)) {
            let known = Discrepancy { seq, violation: refused.violation.clone() };
            self.discrepancies.insert(subject.clone(), known);
        }
    }
}

/// Book against venue, within the asset's tolerance.
fn agree(
    declared: &Declared,
    money: &Money,
    account: Index,
    asset: Index,
    stated: i128,
    subject: &str,
) -> Result<(), Violation> {
    let rules = declared.assets.at(asset);
    let booked = money.accounts.get(&(asset, account)).copied().unwrap_or(0);
    let overflow = || Violation::new(Check::Overflow, subject, "the difference is beyond what can be counted");
    let off = stated.checked_sub(booked).ok_or_else(overflow)?;
    if off.unsigned_abs() <= rules.tolerance.units().unsigned_abs() {
        return Ok(());
    }
    let name = declared.assets.name(asset);
    let [stated, booked, off] = [stated, booked, off].map(|units| Amount::from_units(units, rules.scale));
    let detail =
        format!("the venue states {stated} {name}, the book has {booked}: {off} apart, tolerance {}", rules.tolerance);
    Err(Violation::new(Check::Statement, subject, detail).by(off))
}
