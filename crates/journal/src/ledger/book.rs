//! The book: the fold of the ledger's records, and the judge who says before a record is written whether it may be.
//!
//! Pure: the same records, the same book. Its memory has named bounds, whatever the journal's length.

use super::check::{Check, Violation};
use super::declared::{AccountRules, AssetRules, Declared, Index, InstrumentRules, PoolRules};
use super::entry::{Entry, Fill, Malformed, NAME_MAX, Outcome};
use super::ids::{self, Booked, Ids};
use super::money::{Money, MoneyChange};
use super::orders::{self, Doubt, FillChange, IntentChange, Known, Order, Orders};
use super::reports::{Discrepancy, Reports, Seen};
use super::strategies::Strategies;
use super::system::{Meaning, System};
use crate::reader::Record;
use crate::time::Wall;
use failstop_amount::Amount;

/// Under which an order's end is remembered among the ids.
const ORDER_END: &str = "order end";

/// Which record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Its sequence number.
    pub seq: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Its time. Ages are counted with it; nothing is ordered by it.
    pub time: Wall,
}

/// What the judge says of an entry that breaks no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is to be recorded.
    New,
    /// It is booked already, the same by the same id, or says nothing new: it is not to be recorded, and whoever said it is right.
    Already {
        /// The record that has it, where that is known.
        seq: Option<u64>,
    },
}

/// Why a recorded entry cannot be folded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// Its payload is not what its type says.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It breaks a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// An order in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InDoubt<'b> {
    /// The order.
    pub order: &'b Order,
    /// Why.
    pub doubt: Doubt,
}

/// A snapshot that the journal names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The `snapshot.taken` record.
    pub at: u64,
    /// Its time.
    pub time: Wall,
    /// What it says.
    pub taken: super::entry::SnapshotTaken,
}

/// The fold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    pub(crate) declared: Declared,
    pub(crate) money: Money,
    pub(crate) reports: Reports,
    pub(crate) orders: Orders,
    pub(crate) strategies: Strategies,
    pub(crate) system: System,
    ids: Ids,
    snapshot: Option<Taken>,
    /// The last daily snapshot's day.
    day: Option<String>,
}

/// What a fill does.
struct FillParts {
    money: MoneyChange,
    position: ((Index, Index), i128),
    order: Option<FillChange>,
}

/// What an entry that breaks no rule does.
enum Change {
    Nothing,
    Asset(AssetRules),
    Account(AccountRules),
    Pool(PoolRules),
    Instrument(InstrumentRules),
    Money(MoneyChange),
    Fill(Box<FillParts>),
    Capital((Index, Index), Seen),
    Position((Index, Index), i128),
    Intent(IntentChange),
}

enum Weighed {
    Already(Option<u64>),
    Change(Change),
}

impl Book {
    /// Before the first record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an entry may be recorded. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Violation`]: it would break a rule. It is to be refused and the refusal recorded ([`super::Refused`]).
    pub fn judge(&self, entry: &Entry) -> Result<Judged, Violation> {
        Ok(match self.weigh(entry)? {
            Weighed::Already(seq) => Judged::Already { seq },
            Weighed::Change(_) => Judged::New,
        })
    }

    /// Folds a recorded entry. What breaks a rule, or was booked already, changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::judge`].
    pub fn apply(&mut self, at: &At, entry: &Entry) -> Result<Judged, Violation> {
        match self.weigh(entry)? {
            Weighed::Already(seq) => Ok(Judged::Already { seq }),
            Weighed::Change(change) => {
                self.commit(at, entry, change);
                Ok(Judged::New)
            }
        }
    }

    /// Folds a record of the journal, of any type. Types that mean nothing to the book pass.
    ///
    /// # Errors
    ///
    /// [`Unsound`]: the record should never have been written; the book is as before it.
    pub fn replay(&mut self, record: &Record<'_>) -> Result<(), Unsound> {
        let time = Wall::parse(record.time).unwrap_or(Wall(0));
        let at = At { seq: record.seq, epoch: record.epoch, time };
        self.take(&at, record.kind, record.payload)
    }

    /// As [`Self::replay`], for a record that is about to be written or was just written.
    ///
    /// # Errors
    ///
    /// As [`Self::replay`].
    pub fn take(&mut self, at: &At, kind: &str, payload: &str) -> Result<(), Unsound> {
        let Some(entry) = Entry::parse(kind, payload)? else {
            match self.system.apply(at.seq, kind, payload)? {
                Meaning::Nothing => {}
                Meaning::Started => self.orders.engine_gone(),
                Meaning::Exited(component) => self.orders.component_gone(&component),
            }
            return Ok(());
        };
        Ok(self.take_entry(at, &entry)?)
    }

    /// Folds an entry that stands in the journal, where what was booked already has no place.
    pub(crate) fn take_entry(&mut self, at: &At, entry: &Entry) -> Result<(), Violation> {
        match self.apply(at, entry)? {
            Judged::Already { seq } if entry.id().is_some() => {
                let id = entry.id().unwrap_or_default();
                let before = seq.map(|seq| format!(" by record {seq}")).unwrap_or_default();
                let detail = format!("{} was booked{before} already, the same", entry.kind());
                Err(Violation::new(Check::IdReused, id, detail))
            }
            // A declaration said again changes nothing and harms nobody.
            Judged::Already { .. } | Judged::New => Ok(()),
        }
    }

    fn weigh(&self, entry: &Entry) -> Result<Weighed, Violation> {
        if let Some(already) = self.booked(entry)? {
            return Ok(Weighed::Already(Some(already)));
        }
        let declared = &self.declared;
        let change = match entry {
            Entry::Asset(asset) => {
                let rules = declared.weigh_asset(asset)?;
                if declared.assets.get(&asset.name) == Some(&rules) {
                    return Ok(Weighed::Already(None));
                }
                let mut after = declared.clone();
                after.assets.put(&asset.name, rules);
                self.stands_under(&after)?;
                Change::Asset(rules)
            }
            Entry::Account(account) => {
                let rules = declared.weigh_account(account)?;
                if declared.accounts.get(&account.name) == Some(&rules) {
                    return Ok(Weighed::Already(None));
                }
                let mut after = declared.clone();
                after.accounts.put(&account.name, rules);
                self.stands_under(&after)?;
                Change::Account(rules)
            }
            Entry::Pool(pool) => {
                let rules = declared.weigh_pool(pool)?;
                if declared.pools.get(&pool.name) == Some(&rules) {
                    return Ok(Weighed::Already(None));
                }
                let mut after = declared.clone();
                after.pools.put(&pool.name, rules);
                self.stands_under(&after)?;
                Change::Pool(rules)
            }
            Entry::Instrument(instrument) => {
                let rules = declared.weigh_instrument(instrument)?;
                if declared.instruments.get(&instrument.name) == Some(&rules) {
                    return Ok(Weighed::Already(None));
                }
                Change::Instrument(rules)
            }
            Entry::Posted(posted) => {
                orders::is_id(&posted.id)?;
                if posted.legs.is_empty() {
                    return Err(Violation::new(Check::PostingSum, &posted.id, "a posting without legs posts nothing"));
                }
                Change::Money(self.money.weigh(declared, &posted.legs)?)
            }
            Entry::Fill(fill) => self.weigh_fill(fill)?,
            Entry::Capital(capital) => {
                let (key, seen) = self.reports.weigh_capital(declared, capital)?;
                Change::Capital(key, seen)
            }
            Entry::Position(position) => {
                let (key, units) = self.reports.weigh_position(declared, position)?;
                Change::Position(key, units)
            }
            Entry::Statement(statement) => {
                self.reports.weigh_statement(declared, &self.money, statement)?;
                Change::Nothing
            }
            Entry::Strategy(strategy) => {
                self.strategies.weigh_declared(strategy)?;
                if self.strategies.declared.get(&strategy.name) == Some(strategy) {
                    return Ok(Weighed::Already(None));
                }
                Change::Nothing
            }
            Entry::Moved(moved) => {
                self.strategies.weigh_moved(moved)?;
                Change::Nothing
            }
            Entry::OrderIntent(intent) => Change::Intent(self.orders.weigh_intent(declared, intent)?),
            Entry::OrderOutcome(said) => {
                if let Some(seq) = self.ended(&said.id, said.outcome)? {
                    return Ok(Weighed::Already(Some(seq)));
                }
                if self.orders.weigh_outcome(said)? == Known::Already {
                    return Ok(Weighed::Already(None));
                }
                Change::Nothing
            }
            Entry::OrderResolved(said) => {
                if let Some(seq) = self.ended(&said.id, said.outcome)? {
                    return Ok(Weighed::Already(Some(seq)));
                }
                self.orders.weigh_resolved(said)?;
                Change::Nothing
            }
            Entry::SnapshotTaken(taken) => {
                self.weigh_taken(taken)?;
                Change::Nothing
            }
            Entry::SnapshotRetired(_) | Entry::Refused(_) => Change::Nothing,
        };
        Ok(Weighed::Change(change))
    }

    fn weigh_fill(&self, fill: &Fill) -> Result<Change, Violation> {
        orders::is_id(&fill.id)?;
        let declared = &self.declared;
        let (_, instrument) = declared.instrument(&fill.instrument)?;
        let quantity = orders::above_zero(&fill.id, &fill.quantity, instrument.quantity)?;
        let price = super::declared::amount(&fill.id, "price", &fill.price, instrument.price)?;
        if price.is_negative() {
            return Err(Violation::new(Check::Amount, &fill.id, format!("the price is {price}; it is zero or above")));
        }
        let position = self.reports.weigh_fill(declared, &fill.account, &fill.instrument, fill.side, quantity)?;
        let order = self.orders.weigh_fill(declared, fill, quantity)?;
        let money = self.money.weigh(declared, &fill.legs)?;
        Ok(Change::Fill(Box::new(FillParts { money, position, order })))
    }

    fn weigh_taken(&self, taken: &super::entry::SnapshotTaken) -> Result<(), Violation> {
        if let Some(before) = self.snapshot.as_ref().filter(|before| before.taken.seq >= taken.seq) {
            let detail = format!("was taken at record {}, not after the one of {}", taken.seq, before.taken.seq);
            return Err(Violation::new(Check::Flows, &taken.file, detail));
        }
        if let (Some(day), Some(before)) = (&taken.day, &self.day)
            && day <= before
        {
            let detail = format!("closes {day}, but {before} was closed before: days rise strictly");
            return Err(Violation::new(Check::Opening, &taken.file, detail));
        }
        Ok(())
    }

    /// The record that has booked the same entry by the same id.
    fn booked(&self, entry: &Entry) -> Result<Option<u64>, Violation> {
        let Some((kind, id)) = once(entry) else { return Ok(None) };
        let Some(booked) = self.ids.get(&ids::mark(kind, id)) else { return Ok(None) };
        if booked.content == ids::content(entry) {
            return Ok(Some(booked.seq));
        }
        let detail = format!("{kind} was booked by record {} with other content", booked.seq);
        Err(Violation::new(Check::IdReused, id, detail))
    }

    /// The record that ended an order, where it ended with what is told of it now, or what is told is older news than its end.
    fn ended(&self, id: &str, outcome: Outcome) -> Result<Option<u64>, Violation> {
        if self.orders.open.contains_key(id) {
            return Ok(None);
        }
        let Some(end) = self.ids.get(&ids::mark(ORDER_END, id)) else { return Ok(None) };
        if !outcome.is_final() || end.content == ids::mark(ORDER_END, outcome.name()) {
            return Ok(Some(end.seq));
        }
        let detail = format!("ended otherwise than {outcome} by record {}", end.seq);
        Err(Violation::new(Check::Order, id, detail))
    }

    fn commit(&mut self, at: &At, entry: &Entry, change: Change) {
        if let Some((kind, id)) = once(entry) {
            self.ids.put(ids::mark(kind, id), Booked { seq: at.seq, content: ids::content(entry) });
        }
        match change {
            Change::Nothing => {}
            Change::Asset(rules) => {
                if let Entry::Asset(asset) = entry {
                    self.declared.assets.put(&asset.name, rules);
                }
            }
            Change::Account(rules) => {
                if let Entry::Account(account) = entry {
                    self.declared.accounts.put(&account.name, rules);
                }
            }
            Change::Pool(rules) => {
                if let Entry::Pool(pool) = entry {
                    self.declared.pools.put(&pool.name, rules);
                }
            }
            Change::Instrument(rules) => {
                if let Entry::Instrument(instrument) = entry {
                    self.declared.instruments.put(&instrument.name, rules);
                }
            }
            Change::Money(money) => self.money.commit(money, at.seq, at.time),
            Change::Fill(parts) => {
                let FillParts { money, position, order } = *parts;
                self.money.commit(money, at.seq, at.time);
                self.reports.commit_position(position);
                if let Some(order) = order {
                    self.orders.commit_fill(order);
                }
            }
            Change::Capital(key, seen) => {
                self.reports.capital.insert(key, Seen { seq: at.seq, ..seen });
            }
            Change::Position(key, units) => self.reports.commit_position((key, units)),
            Change::Intent(change) => {
                if let Entry::OrderIntent(intent) = entry {
                    self.orders.commit_intent(intent, change, at.seq, at.epoch, at.time);
                }
            }
        }
        self.note(at, entry);
    }

    /// What an entry does beside what was weighed.
    fn note(&mut self, at: &At, entry: &Entry) {
        match entry {
            Entry::Position(position) => self.reports.agreed_position(&position.account, &position.instrument),
            Entry::Statement(statement) => self.reports.agreed_statement(&self.declared, statement),
            Entry::Capital(capital) => self.reports.agreed_capital(&capital.account, &capital.asset),
            Entry::Refused(refused) => self.reports.refused(refused, at.seq),
            Entry::Strategy(strategy) => {
                self.strategies.declared.insert(strategy.name.clone(), strategy.clone());
            }
            Entry::Moved(moved) => self.strategies.commit_moved(moved, at.seq),
            Entry::OrderOutcome(said) => self.told(at, &said.id, said.outcome, said.venue_id.as_ref()),
            Entry::OrderResolved(said) => self.told(at, &said.id, said.outcome, None),
            Entry::SnapshotTaken(taken) => {
                if taken.day.is_some() {
                    self.day.clone_from(&taken.day);
                }
                self.snapshot = Some(Taken { at: at.seq, time: at.time, taken: taken.clone() });
            }
            Entry::Asset(_)
            | Entry::Account(_)
            | Entry::Pool(_)
            | Entry::Instrument(_)
            | Entry::Posted(_)
            | Entry::Fill(_)
            | Entry::OrderIntent(_)
            | Entry::SnapshotRetired(_) => {}
        }
    }

    fn told(&mut self, at: &At, id: &str, outcome: Outcome, venue_id: Option<&String>) {
        if outcome.is_final() {
            let content = ids::mark(ORDER_END, outcome.name());
            self.ids.put(ids::mark(ORDER_END, id), Booked { seq: at.seq, content });
        }
        self.orders.commit_outcome(&self.declared, id, outcome, venue_id);
    }

    /// Whether what stands would break a rule under these declarations.
    fn stands_under(&self, declared: &Declared) -> Result<(), Violation> {
        self.money.reconcile(declared).into_iter().next().map_or(Ok(()), Err)
    }

    /// Every rule that the book by itself can break, whatever anybody reports: for a snapshot that was read back.
    pub(crate) fn unsound(&self) -> Vec<Violation> {
        let mut found = self.money.reconcile(&self.declared);
        found.extend(self.strategies.reconcile());
        found
    }

    /// Every rule that the book as it stands can break, and the discrepancies that stand: for a start, and for `check`.
    pub fn reconcile(&self) -> Vec<Violation> {
        let mut found = self.unsound();
        found.extend(self.reports.discrepancies.values().map(|standing| standing.violation.clone()));
        found
    }

    /// Suspense that has stood longer than `max_age_ns` nanoseconds at this time: somebody must explain it.
    pub fn old_suspense(&self, now: Wall, max_age_ns: u64) -> Vec<Violation> {
        let mut found = Vec::new();
        for (asset, since) in &self.money.suspense {
            let age = now.0.saturating_sub(since.time.0);
            let units = self.money.outside.get(&(*asset, super::Outside::Suspense)).copied().unwrap_or(0);
            if age > max_age_ns {
                let held = Amount::from_units(units, self.declared.assets.at(*asset).scale);
                let name = self.declared.assets.name(*asset);
                let hours = age / 3_600_000_000_000;
                let detail = format!("{held} {name} has been unexplained for {hours} h, since record {}", since.seq);
                found.push(Violation::new(Check::Suspense, name, detail).by(held));
            }
        }
        found
    }

    /// The orders in doubt at this time, by id.
    pub fn in_doubt(&self, now: Wall) -> impl Iterator<Item = InDoubt<'_>> {
        self.orders.open.values().filter_map(move |order| {
            let doubt = order.doubt_at(now)?;
            Some(InDoubt { order, doubt })
        })
    }

    /// Every open order, by id.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.open.values()
    }

    /// What an inside account holds of an asset; nothing where either was not declared.
    pub fn balance(&self, account: &str, asset: &str) -> Option<Amount> {
        let (number, account) = (self.declared.assets.number(asset)?, self.declared.accounts.number(account)?);
        let units = self.money.accounts.get(&(number, account)).copied().unwrap_or(0);
        Some(Amount::from_units(units, self.declared.assets.at(number).scale))
    }

    /// What a pool holds of an asset beside its allocations.
    pub fn pool(&self, pool: &str, asset: &str) -> Option<Amount> {
        let (number, pool) = (self.declared.assets.number(asset)?, self.declared.pools.number(pool)?);
        let units = self.money.pools.get(&(number, pool)).copied().unwrap_or(0);
        Some(Amount::from_units(units, self.declared.assets.at(number).scale))
    }

    /// What an outside account holds of an asset.
    pub fn outside(&self, outside: super::Outside, asset: &str) -> Option<Amount> {
        let number = self.declared.assets.number(asset)?;
        let units = self.money.outside.get(&(number, outside)).copied().unwrap_or(0);
        Some(Amount::from_units(units, self.declared.assets.at(number).scale))
    }

    /// A position, zero where there is none.
    pub fn position(&self, account: &str, instrument: &str) -> Option<Amount> {
        let (account, number) =
            (self.declared.accounts.number(account)?, self.declared.instruments.number(instrument)?);
        let units = self.reports.positions.get(&(account, number)).copied().unwrap_or(0);
        Some(Amount::from_units(units, self.declared.instruments.at(number).quantity))
    }

    /// The state of a strategy's instance (the empty text where it has but one); absent where it was not declared.
    pub fn state(&self, strategy: &str, instance: &str) -> Option<&str> {
        self.strategies.state(strategy, instance)
    }

    /// Statements and reports that did not agree, until one does.
    pub fn discrepancies(&self) -> impl Iterator<Item = &Discrepancy> {
        self.reports.discrepancies.values()
    }

    /// The last snapshot that the journal names.
    pub fn last_snapshot(&self) -> Option<&Taken> {
        self.snapshot.as_ref()
    }

    /// The last day that a snapshot closed.
    pub fn last_day(&self) -> Option<&str> {
        self.day.as_deref()
    }

    pub(crate) fn resume_from(&mut self, taken: Option<Taken>, day: Option<String>) {
        (self.snapshot, self.day) = (taken, day);
    }

    /// Goes on from another state, with what this book knows of ids and snapshots: after damage, from the next sound snapshot.
    pub(crate) fn adopt(&mut self, other: Self) {
        let Self { ids, snapshot, day, .. } = std::mem::take(self);
        *self = Self { ids, snapshot, day, ..other };
    }

    /// The refusal of an entry, to be recorded in its place.
    pub fn refusal(entry: &Entry, component: Option<&str>, violation: Violation) -> Entry {
        let component = component.map(|name| name.chars().take(NAME_MAX).collect());
        let id = entry.id().map(|id| id.chars().take(super::entry::ID_MAX).collect());
        Entry::Refused(super::entry::Refused { kind: entry.kind().to_owned(), id, component, violation })
    }
}

/// The type and id of what is booked once.
pub(crate) fn once(entry: &Entry) -> Option<(&'static str, &str)> {
    match entry {
        Entry::Posted(_)
        | Entry::Fill(_)
        | Entry::Statement(_)
        | Entry::OrderIntent(_) => Some((entry.kind(), entry.id()?)),
        Entry::Asset(_)
        | Entry::Account(_)
        | Entry::Pool(_)
        | Entry::Instrument(_)
        | Entry::Capital(_)
        | Entry::Position(_)
        | Entry::Refused(_)
        | Entry::Strategy(_)
        | Entry::Moved(_)
        // What is told of an order is judged by what is known of that order.
        | Entry::OrderOutcome(_)
        | Entry::OrderResolved(_)
        | Entry::SnapshotTaken(_)
        | Entry::SnapshotRetired(_) => None,
    }
}
