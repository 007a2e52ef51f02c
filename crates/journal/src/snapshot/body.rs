//! A book as the body of a snapshot, and back. The same state gives the same bytes.

use super::line::Line;
use crate::ledger::{
    AccountRules, AssetRules, Book, Cell, Discrepancy, Halt, Index, Instance, InstrumentRules, Order, Outside,
    PoolRules, Seen, Since, Strategy,
};
use crate::time::{Wall, is_date};
use failstop_amount::{Amount, Scale};
use std::collections::BTreeMap;

/// What the snapshot before closed with: account (or pool, or outside account) and asset, to the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closings {
    pub accounts: BTreeMap<(String, String), String>,
    pub pools: BTreeMap<(String, String), String>,
    pub outside: BTreeMap<(String, String), String>,
}

/// The lines of a book, sorted; with what they close.
pub(crate) fn project(book: &Book, openings: &Closings) -> Result<(Vec<String>, Closings), serde_json::Error> {
    let mut lines = declared(book);
    let mut closings = Closings::default();
    let assets = &book.declared.assets;
    let text = |asset: Index, units: i128| Amount::from_units(units, assets.at(asset).scale).to_string();
    let zero = |asset: &str| assets.get(asset).map(|rules| Amount::zero(rules.scale).to_string()).unwrap_or_default();

    for ((asset, account), units) in &book.money.accounts {
        let key = (book.declared.accounts.name(*account).to_owned(), assets.name(*asset).to_owned());
        closings.accounts.insert(key, text(*asset, *units));
    }
    for ((asset, pool), units) in &book.money.pools {
        let key = (book.declared.pools.name(*pool).to_owned(), assets.name(*asset).to_owned());
        closings.pools.insert(key, text(*asset, *units));
    }
    for ((asset, outside), units) in &book.money.outside {
        closings.outside.insert((outside.name().to_owned(), assets.name(*asset).to_owned()), text(*asset, *units));
    }
    for ((account, asset), opening, closing) in both(&openings.accounts, &closings.accounts, zero) {
        lines.push(Line::AccountBalance { account, asset, opening, closing });
    }
    for ((pool, asset), opening, closing) in both(&openings.pools, &closings.pools, zero) {
        lines.push(Line::PoolBalance { pool, asset, opening, closing });
    }
    for ((account, asset), opening, closing) in both(&openings.outside, &closings.outside, zero) {
        let suspense = account == Outside::Suspense.name();
        let since = assets.number(&asset).filter(|_| suspense).and_then(|number| book.money.suspense.get(&number));
        let (since, since_ts) = (since.map(|since| since.seq), since.map(|since| since.time.to_string()));
        lines.push(Line::OutsideBalance { account, asset, opening, closing, since, since_ts });
    }
    for (cell, units) in &book.money.cells {
        lines.push(Line::Holding {
            account: book.declared.accounts.name(cell.account).to_owned(),
            pool: book.declared.pools.name(cell.pool).to_owned(),
            asset: assets.name(cell.asset).to_owned(),
            amount: text(cell.asset, *units),
        });
    }
    lines.extend(reported(book));
    lines.extend(running(book));
    let mut texts = lines.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    texts.sort_unstable();
    Ok((texts, closings))
}

/// Every key that opened or closed with anything.
fn both(
    openings: &BTreeMap<(String, String), String>,
    closings: &BTreeMap<(String, String), String>,
    zero: impl Fn(&str) -> String,
) -> Vec<((String, String), String, String)> {
    let mut keys: Vec<_> = openings.keys().chain(closings.keys().filter(|key| !openings.contains_key(*key))).collect();
    keys.sort_unstable();
    let either = |of: &BTreeMap<(String, String), String>, key: &(String, String)| {
        of.get(key).cloned().unwrap_or_else(|| zero(&key.1))
    };
    keys.into_iter().map(|key| (key.clone(), either(openings, key), either(closings, key))).collect()
}

fn declared(book: &Book) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, rules) in book.declared.assets.iter() {
        let totals = book.declared.assets.number(name).and_then(|number| book.money.totals(number).ok());
        // A sum beyond counting cannot be in a book: each posting was weighed. An empty text is refused by whoever reads it.
        let text = |units: Option<i128>| {
            units.map(|units| Amount::from_units(units, rules.scale).to_string()).unwrap_or_default()
        };
        lines.push(Line::Asset {
            name: name.to_owned(),
            scale: rules.scale.decimals(),
            tolerance: rules.tolerance.to_string(),
            negative: rules.negative,
            accounts: text(totals.map(|totals| totals.accounts)),
            pools: text(totals.map(|totals| totals.pools)),
            outside: text(totals.map(|totals| totals.outside)),
        });
    }
    for (name, rules) in book.declared.accounts.iter() {
        lines.push(Line::Account { name: name.to_owned(), negative: rules.negative });
    }
    for (name, rules) in book.declared.pools.iter() {
        let within = rules.within.map(|number| book.declared.pools.name(number).to_owned());
        lines.push(Line::Pool { name: name.to_owned(), within });
    }
    for (name, rules) in book.declared.instruments.iter() {
        let (quantity_scale, price_scale) = (rules.quantity.decimals(), rules.price.decimals());
        lines.push(Line::Instrument { name: name.to_owned(), quantity_scale, price_scale });
    }
    for strategy in book.strategies.declared.values().cloned() {
        let Strategy { name, states, initial, transitions, finals } = strategy;
        lines.push(Line::Strategy { name, states, initial, transitions, finals });
    }
    lines
}

fn reported(book: &Book) -> Vec<Line> {
    let mut lines = Vec::new();
    let (accounts, instruments) = (&book.declared.accounts, &book.declared.instruments);
    for ((account, instrument), units) in &book.reports.positions {
        lines.push(Line::Position {
            account: accounts.name(*account).to_owned(),
            instrument: instruments.name(*instrument).to_owned(),
            quantity: Amount::from_units(*units, instruments.at(*instrument).quantity).to_string(),
        });
    }
    for ((account, asset), seen) in &book.reports.capital {
        let text = |units| Amount::from_units(units, book.declared.assets.at(*asset).scale).to_string();
        lines.push(Line::Capital {
            account: accounts.name(*account).to_owned(),
            asset: book.declared.assets.name(*asset).to_owned(),
            total: text(seen.total),
            free: text(seen.free),
            locked: text(seen.locked),
            seq: seen.seq,
        });
    }
    for Discrepancy { seq, violation } in book.reports.discrepancies.values() {
        lines.push(Line::Discrepancy { seq: *seq, violation: violation.clone() });
    }
    lines
}

fn running(book: &Book) -> Vec<Line> {
    let mut lines = Vec::new();
    for ((strategy, instance), at) in &book.strategies.instances {
        lines.push(Line::StrategyState {
            strategy: strategy.clone(),
            instance: (!instance.is_empty()).then(|| instance.clone()),
            state: at.state.clone(),
            seq: at.since,
        });
    }
    for order in book.orders() {
        let scale = scale_of(book, order.intent.instrument.as_deref());
        let text = |units| Amount::from_units(units, scale).to_string();
        lines.push(Line::Order {
            intent: order.intent.clone(),
            outcome: order.outcome,
            venue_id: order.venue_id.clone(),
            doubt: order.doubt,
            filled: text(order.filled),
            children: text(order.children),
            seq: order.seq,
            epoch: order.epoch,
            ts: order.time.to_string(),
        });
    }
    for (seq, halt) in book.system.halts.values().cloned() {
        let Halt { id, cause, component, scope, cap, latched, trigger, evidence } = halt;
        lines.push(Line::Halt { id, cause, component, scope, cap, latched, trigger, evidence, seq });
    }
    let permission = book.system.permission().to_owned();
    lines.push(Line::Mode { mode: book.system.mode.clone(), permission, epoch: book.system.epoch });
    if let Some(day) = book.last_day() {
        lines.push(Line::Closed { day: day.to_owned() });
    }
    lines
}

fn scale_of(book: &Book, instrument: Option<&str>) -> Scale {
    let known = instrument.and_then(|name| book.declared.instruments.get(name));
    known.map_or(Scale::WHOLE, |rules| rules.quantity)
}

/// The book that these lines state, with what they open and close.
///
/// # Errors
///
/// The number of the line within the body, from 0, and what is wrong with it.
pub(crate) fn restore(lines: &[String]) -> Result<Restored, (usize, String)> {
    let mut parsed = Vec::with_capacity(lines.len());
    for (number, text) in lines.iter().enumerate() {
        let line: Line = serde_json::from_str(text).map_err(|error| (number, error.to_string()))?;
        match serde_json::to_string(&line) {
            Ok(again) if again == *text => {}
            Ok(_) | Err(_) => return Err((number, "is not in the one form in which it is written".to_owned())),
        }
        parsed.push(line);
    }
    let mut restored = Restored::default();
    // What others name comes first. Names sort a pool before its parent as well as behind it.
    for pass in [Pass::Names, Pass::Parents, Pass::Rest] {
        for (number, line) in parsed.iter().enumerate() {
            restored.line(pass, line).map_err(|why| (number, why))?;
        }
    }
    Ok(restored)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Names,
    Parents,
    Rest,
}

/// What lines state.
#[derive(Default)]
pub(crate) struct Restored {
    pub book: Book,
    /// What they open with, but for zeros: what the snapshot before closed with.
    pub openings: Closings,
    pub closings: Closings,
}

impl Restored {
    fn line(&mut self, pass: Pass, line: &Line) -> Result<(), String> {
        match (pass, line) {
            (Pass::Names, Line::Asset { .. } | Line::Account { .. } | Line::Pool { .. } | Line::Instrument { .. }) => {
                self.name(line)
            }
            (Pass::Parents, Line::Pool { name, within: Some(within) }) => {
                let within = self.pool(within)?;
                if self.book.declared.would_contain_itself(name, within) {
                    return Err(format!("pool {name:?} would be an allocation of itself"));
                }
                self.book.declared.pools.put(name, PoolRules { within: Some(within) });
                Ok(())
            }
            (Pass::Rest, Line::AccountBalance { .. } | Line::PoolBalance { .. } | Line::OutsideBalance { .. }) => {
                self.balance(line)
            }
            (Pass::Rest, Line::Holding { account, pool, asset, amount }) => {
                let (asset, scale) = self.asset(asset)?;
                let cell = Cell { asset, account: self.account(account)?, pool: self.pool(pool)? };
                self.book.money.cells.insert(cell, nonzero(parse(amount, scale)?)?);
                Ok(())
            }
            (Pass::Rest, _) => self.rest(line),
            (Pass::Names | Pass::Parents, _) => Ok(()),
        }
    }

    fn name(&mut self, line: &Line) -> Result<(), String> {
        let scale = |decimals| Scale::new(decimals).map_err(|error| error.to_string());
        let declared = &mut self.book.declared;
        match line {
            Line::Asset { name, scale: decimals, tolerance, negative, .. } => {
                let scale = scale(*decimals)?;
                let tolerance = Amount::from_units(parse(tolerance, scale)?, scale);
                declared.assets.put(name, AssetRules { scale, tolerance, negative: *negative });
            }
            Line::Account { name, negative } => declared.accounts.put(name, AccountRules { negative: *negative }),
            Line::Pool { name, .. } => declared.pools.put(name, PoolRules { within: None }),
            Line::Instrument { name, quantity_scale, price_scale } => {
                let rules = InstrumentRules { quantity: scale(*quantity_scale)?, price: scale(*price_scale)? };
                declared.instruments.put(name, rules);
            }
            _ => {}
        }
        Ok(())
    }

    fn balance(&mut self, line: &Line) -> Result<(), String> {
        match line {
            Line::AccountBalance { account, asset, opening, closing } => {
                let (number, scale) = self.asset(asset)?;
                let account_number = self.account(account)?;
                if parse(opening, scale)? != 0 {
                    self.openings.accounts.insert((account.clone(), asset.clone()), opening.clone());
                }
                let units = parse(closing, scale)?;
                if units != 0 {
                    self.book.money.accounts.insert((number, account_number), units);
                    self.closings.accounts.insert((account.clone(), asset.clone()), closing.clone());
                }
            }
            Line::PoolBalance { pool, asset, opening, closing } => {
                let (number, scale) = self.asset(asset)?;
                let pool_number = self.pool(pool)?;
                if parse(opening, scale)? != 0 {
                    self.openings.pools.insert((pool.clone(), asset.clone()), opening.clone());
                }
                let units = parse(closing, scale)?;
                if units != 0 {
                    self.book.money.pools.insert((number, pool_number), units);
                    self.closings.pools.insert((pool.clone(), asset.clone()), closing.clone());
                }
            }
            Line::OutsideBalance { account, asset, opening, closing, since, since_ts } => {
                let (number, scale) = self.asset(asset)?;
                let outside = Outside::named(account).ok_or_else(|| format!("{account:?} is no outside account"))?;
                if parse(opening, scale)? != 0 {
                    self.openings.outside.insert((account.clone(), asset.clone()), opening.clone());
                }
                let units = parse(closing, scale)?;
                if units != 0 {
                    self.book.money.outside.insert((number, outside), units);
                    self.closings.outside.insert((account.clone(), asset.clone()), closing.clone());
                }
                if let (Some(seq), Some(text)) = (since, since_ts) {
                    self.book.money.suspense.insert(number, Since { seq: *seq, time: time(text)? });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn rest(&mut self, line: &Line) -> Result<(), String> {
        match line {
            Line::Capital { account, asset, total, free, locked, seq } => {
                let (asset, scale) = self.asset(asset)?;
                let key = (self.account(account)?, asset);
                let (total, free, locked) = (parse(total, scale)?, parse(free, scale)?, parse(locked, scale)?);
                self.book.reports.capital.insert(key, Seen { total, free, locked, seq: *seq });
            }
            Line::Closed { day } => {
                if !is_date(day) {
                    return Err(format!("{day:?} is no day"));
                }
                self.book.resume_from(None, Some(day.clone()));
            }
            Line::Discrepancy { seq, violation } => {
                let standing = Discrepancy { seq: *seq, violation: violation.clone() };
                self.book.reports.discrepancies.insert(violation.subject.clone(), standing);
            }
            Line::Halt { id, cause, component, scope, cap, latched, trigger, evidence, seq } => {
                let halt = Halt {
                    id: *id,
                    cause: cause.clone(),
                    component: component.clone(),
                    scope: scope.clone(),
                    cap: cap.clone(),
                    latched: *latched,
                    trigger: trigger.clone(),
                    evidence: evidence.clone(),
                };
                self.book.system.halts.insert(*id, (*seq, halt));
            }
            Line::Mode { mode, permission: _, epoch } => {
                self.book.system.mode.clone_from(mode);
                self.book.system.epoch = *epoch;
            }
            Line::Order { intent, outcome, venue_id, doubt, filled, children, seq, epoch, ts } => {
                let scale = scale_of(&self.book, intent.instrument.as_deref());
                let order = Order {
                    intent: intent.clone(),
                    seq: *seq,
                    epoch: *epoch,
                    time: time(ts)?,
                    outcome: *outcome,
                    venue_id: venue_id.clone(),
                    doubt: *doubt,
                    filled: parse(filled, scale)?,
                    children: parse(children, scale)?,
                };
                self.book.orders.open.insert(intent.id.clone(), order);
            }
            Line::Position { account, instrument, quantity } => {
                let number = self.book.declared.instruments.number(instrument);
                let number = number.ok_or_else(|| format!("instrument {instrument:?} is not declared"))?;
                let units = parse(quantity, self.book.declared.instruments.at(number).quantity)?;
                self.book.reports.positions.insert((self.account(account)?, number), nonzero(units)?);
            }
            Line::Strategy { name, states, initial, transitions, finals } => {
                let strategy = Strategy {
                    name: name.clone(),
                    states: states.clone(),
                    initial: initial.clone(),
                    transitions: transitions.clone(),
                    finals: finals.clone(),
                };
                self.book.strategies.declared.insert(name.clone(), strategy);
            }
            Line::StrategyState { strategy, instance, state, seq } => {
                let of = (strategy.clone(), instance.clone().unwrap_or_default());
                self.book.strategies.instances.insert(of, Instance { state: state.clone(), since: *seq });
            }
            Line::Account { .. }
            | Line::AccountBalance { .. }
            | Line::Asset { .. }
            | Line::Holding { .. }
            | Line::Instrument { .. }
            | Line::OutsideBalance { .. }
            | Line::Pool { .. }
            | Line::PoolBalance { .. } => {}
        }
        Ok(())
    }

    fn asset(&self, name: &str) -> Result<(Index, Scale), String> {
        let number = self.book.declared.assets.number(name).ok_or_else(|| format!("asset {name:?} is not declared"))?;
        Ok((number, self.book.declared.assets.at(number).scale))
    }

    fn account(&self, name: &str) -> Result<Index, String> {
        self.book.declared.accounts.number(name).ok_or_else(|| format!("account {name:?} is not declared"))
    }

    fn pool(&self, name: &str) -> Result<Index, String> {
        self.book.declared.pools.number(name).ok_or_else(|| format!("pool {name:?} is not declared"))
    }
}

fn parse(text: &str, scale: Scale) -> Result<i128, String> {
    let amount = Amount::parse(text, scale).map_err(|error| format!("{text:?}: {error}"))?;
    Ok(amount.units())
}

fn nonzero(units: i128) -> Result<i128, String> {
    if units == 0 { Err("states a zero, which is not written".to_owned()) } else { Ok(units) }
}

fn time(text: &str) -> Result<Wall, String> {
    Wall::parse(text).ok_or_else(|| format!("{text:?} is no time"))
}
