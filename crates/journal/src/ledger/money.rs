//! Balances and what moves them. Three sums are kept apart on purpose (by account and pool, by account, by pool): that they agree
//! is what reconciliation checks.

use super::check::{Check, Violation};
use super::declared::{Declared, Index, Outside, amount, sum};
use super::entry::{LEGS_MAX, Leg};
use crate::time::Wall;
use failstop_amount::Amount;
use std::collections::BTreeMap;

/// The most balances by account, pool and asset that are not zero.
pub const HOLDINGS_MAX: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub asset: Index,
    pub account: Index,
    pub pool: Index,
}

/// Since when an outside account of unexplained amounts is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    pub seq: u64,
    pub time: Wall,
}

/// Every balance that is not zero, in units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Money {
    pub cells: BTreeMap<Cell, i128>,
    pub accounts: BTreeMap<(Index, Index), i128>,
    pub pools: BTreeMap<(Index, Index), i128>,
    pub outside: BTreeMap<(Index, Outside), i128>,
    pub suspense: BTreeMap<Index, Since>,
}

/// The balances after a posting that keeps every rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct MoneyChange {
    cells: BTreeMap<Cell, i128>,
    accounts: BTreeMap<(Index, Index), i128>,
    pools: BTreeMap<(Index, Index), i128>,
    outside: BTreeMap<(Index, Outside), i128>,
}

impl Money {
    pub fn weigh(&self, declared: &Declared, legs: &[Leg]) -> Result<MoneyChange, Violation> {
        if legs.len() > LEGS_MAX {
            let detail = format!("a posting has at most {LEGS_MAX} legs: split it into postings that each sum to zero");
            return Err(Violation::new(Check::Bound, "legs", detail));
        }
        let mut change = MoneyChange::default();
        let mut sums: BTreeMap<Index, i128> = BTreeMap::new();
        for leg in legs {
            let (asset, rules) = declared.asset(&leg.asset)?;
            let units = amount(&leg.asset, "amount", &leg.amount, rules.scale)?.units();
            let total = sums.entry(asset).or_default();
            *total = sum(&leg.asset, *total, units)?;
            if let Some(outside) = Outside::named(&leg.account) {
                if leg.pool.is_some() {
                    return Err(Violation::new(Check::Undeclared, &leg.account, "an outside account has no pool"));
                }
                add(&mut change.outside, &self.outside, (asset, outside), units, &leg.account)?;
                continue;
            }
            let (account, _) = declared.account(&leg.account)?;
            let Some(pool) = &leg.pool else {
                let detail = "a leg of an inside account must name a pool";
                return Err(Violation::new(Check::Undeclared, &leg.account, detail));
            };
            let (pool, _) = declared.pool(pool)?;
            add(&mut change.cells, &self.cells, Cell { asset, account, pool }, units, &leg.account)?;
            add(&mut change.accounts, &self.accounts, (asset, account), units, &leg.account)?;
            add(&mut change.pools, &self.pools, (asset, pool), units, declared.pools.name(pool))?;
        }
        for (asset, total) in sums {
            if total != 0 {
                let off = Amount::from_units(total, declared.assets.at(asset).scale);
                let detail = format!("the legs sum to {off} and not to zero");
                return Err(Violation::new(Check::PostingSum, declared.assets.name(asset), detail).by(off));
            }
        }
        self.allowed(declared, &change)?;
        Ok(change)
    }

    /// No balance below zero where that is forbidden, no pool smaller than its allocations, no more balances than are kept.
    fn allowed(&self, declared: &Declared, change: &MoneyChange) -> Result<(), Violation> {
        let mut more = 0;
        for (cell, after) in &change.cells {
            let before = self.cells.get(cell).copied();
            more += usize::from(before.is_none() && *after != 0);
            // What makes a debt smaller is never to blame for it.
            if *after < 0 && *after < before.unwrap_or(0) {
                below_zero(declared, *cell, *after)?;
            }
        }
        if more > 0 && self.cells.len() + more > HOLDINGS_MAX {
            let detail = format!("more than {HOLDINGS_MAX} balances that are not zero");
            return Err(Violation::new(Check::Bound, "balances", detail));
        }
        for ((asset, pool), after) in &change.pools {
            let before = self.pools.get(&(*asset, *pool)).copied().unwrap_or(0);
            if *after < before {
                allocated(declared, *asset, *pool, *after)?;
            }
        }
        Ok(())
    }

    pub fn commit(&mut self, change: MoneyChange, seq: u64, time: Wall) {
        for ((asset, outside), units) in &change.outside {
            if *outside != Outside::Suspense {
                continue;
            }
            if *units == 0 {
                self.suspense.remove(asset);
            } else {
                self.suspense.entry(*asset).or_insert(Since { seq, time });
            }
        }
        store(&mut self.cells, change.cells);
        store(&mut self.accounts, change.accounts);
        store(&mut self.pools, change.pools);
        store(&mut self.outside, change.outside);
    }

    /// Every rule that balances alone can break: for a start, and for a snapshot that somebody else may have written.
    pub fn reconcile(&self, declared: &Declared) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut by_account: BTreeMap<(Index, Index), i128> = BTreeMap::new();
        let mut by_pool: BTreeMap<(Index, Index), i128> = BTreeMap::new();
        for (cell, units) in &self.cells {
            for (sums, key, name) in [
                (&mut by_account, (cell.asset, cell.account), declared.accounts.name(cell.account)),
                (&mut by_pool, (cell.asset, cell.pool), declared.pools.name(cell.pool)),
            ] {
                let total = sums.entry(key).or_default();
                match sum(name, *total, *units) {
                    Ok(after) => *total = after,
                    Err(overflow) => found.push(overflow),
                }
            }
            if *units < 0 {
                found.extend(below_zero(declared, *cell, *units).err());
            }
        }
        found.extend(compare(declared, "account", &self.accounts, &by_account, |n| declared.accounts.name(n)));
        found.extend(compare(declared, "pool", &self.pools, &by_pool, |n| declared.pools.name(n)));
        for ((asset, pool), units) in &self.pools {
            found.extend(allocated(declared, *asset, *pool, *units).err());
        }
        for (name, rules) in declared.assets.iter() {
            let Some(asset) = declared.assets.number(name) else { continue };
            let totals = self.totals(asset);
            match totals {
                Err(overflow) => found.push(overflow),
                Ok(Totals { accounts, pools, outside }) => {
                    if accounts != pools {
                        found.push(apart(name, "accounts", accounts, "pools", pools, rules.scale));
                    }
                    if accounts.checked_add(outside) != Some(0) {
                        let off = Amount::from_units(accounts.saturating_add(outside), rules.scale);
                        let detail = format!("inside and outside accounts together hold {off} and not zero");
                        found.push(Violation::new(Check::PostingSum, name, detail).by(off));
                    }
                }
            }
        }
        found
    }

    /// The sums of an asset over accounts, pools, and outside accounts.
    pub fn totals(&self, asset: Index) -> Result<Totals, Violation> {
        let all = (asset, Index::MIN)..=(asset, Index::MAX);
        let accounts = total(self.accounts.range(all.clone()).map(|(_, units)| units))?;
        let pools = total(self.pools.range(all).map(|(_, units)| units))?;
        let outside = total(Outside::ALL.iter().filter_map(|outside| self.outside.get(&(asset, *outside))))?;
        Ok(Totals { accounts, pools, outside })
    }
}

fn total<'m>(balances: impl Iterator<Item = &'m i128>) -> Result<i128, Violation> {
    let mut all = 0;
    for units in balances {
        all = sum("total", all, *units)?;
    }
    Ok(all)
}

/// The sums of one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub accounts: i128,
    pub pools: i128,
    pub outside: i128,
}

fn add<K: Ord + Copy>(
    change: &mut BTreeMap<K, i128>,
    known: &BTreeMap<K, i128>,
    key: K,
    units: i128,
    subject: &str,
) -> Result<(), Violation> {
    let after = change.entry(key).or_insert_with(|| known.get(&key).copied().unwrap_or(0));
    *after = sum(subject, *after, units)?;
    Ok(())
}

fn store<K: Ord>(known: &mut BTreeMap<K, i128>, change: BTreeMap<K, i128>) {
    for (key, units) in change {
        if units == 0 {
            known.remove(&key);
        } else {
            known.insert(key, units);
        }
    }
}

fn below_zero(declared: &Declared, cell: Cell, units: i128) -> Result<(), Violation> {
    let rules = declared.assets.at(cell.asset);
    if rules.negative || declared.accounts.at(cell.account).negative {
        return Ok(());
    }
    let (asset, account) = (declared.assets.name(cell.asset), declared.accounts.name(cell.account));
    let pool = declared.pools.name(cell.pool);
    let held = Amount::from_units(units, rules.scale);
    let detail = format!("pool {pool} would hold {held} {asset} there, and below zero is forbidden");
    Err(Violation::new(Check::Negative, account, detail).by(held))
}

/// What a pool with allocations holds itself is what is not allocated.
fn allocated(declared: &Declared, asset: Index, pool: Index, units: i128) -> Result<(), Violation> {
    if units >= 0 || !declared.is_parent(pool) {
        return Ok(());
    }
    let short = Amount::from_units(units, declared.assets.at(asset).scale);
    let detail = format!("its allocations exceed it: {short} {} would be left", declared.assets.name(asset));
    Err(Violation::new(Check::Allocation, declared.pools.name(pool), detail).by(short))
}

fn apart(subject: &str, a: &str, left: i128, b: &str, right: i128, scale: failstop_amount::Scale) -> Violation {
    let (x, y) = (Amount::from_units(left, scale), Amount::from_units(right, scale));
    let off = Amount::from_units(left.saturating_sub(right), scale);
    Violation::new(Check::Pools, subject, format!("{a} sum to {x}, {b} to {y}")).by(off)
}

fn compare<'d>(
    declared: &Declared,
    what: &str,
    kept: &BTreeMap<(Index, Index), i128>,
    sums: &BTreeMap<(Index, Index), i128>,
    name: impl Fn(Index) -> &'d str,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for key in kept.keys().chain(sums.keys().filter(|key| !kept.contains_key(key))) {
        let (kept, sums) = (kept.get(key).copied().unwrap_or(0), sums.get(key).copied().unwrap_or(0));
        if kept != sums {
            let subject = format!("{what} {} ({})", name(key.1), declared.assets.name(key.0));
            found.push(apart(
                &subject,
                "its balance is said to",
                kept,
                "its parts",
                sums,
                declared.assets.at(key.0).scale,
            ));
        }
    }
    found
}
