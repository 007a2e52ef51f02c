//! What was declared: assets, accounts, pools and instruments, by name and by number. Nothing is ever taken out: what was posted to
//! once must stay readable.

use super::check::{Check, Violation};
use super::entry::{self, NAME_MAX};
use failstop_amount::{Amount, AmountError, Scale};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The most assets.
pub const ASSETS_MAX: usize = 256;
/// The most inside accounts.
pub const ACCOUNTS_MAX: usize = 256;
/// The most pools.
pub const POOLS_MAX: usize = 1024;
/// The most instruments.
pub const INSTRUMENTS_MAX: usize = 4096;

/// Accounts outside: what they hold is somebody else's. They have no pool and may be below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// Deposits, withdrawals and the other side of trades.
    Venue,
    /// Fees paid.
    Fees,
    /// Funding and interest, both ways.
    Funding,
    /// Profit and loss.
    Pnl,
    /// What is not explained yet.
    Suspense,
}

impl Outside {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Venue, Self::Fees, Self::Funding, Self::Pnl, Self::Suspense];

    /// Its name as an account.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Venue => "venue",
            Self::Fees => "fees",
            Self::Funding => "funding",
            Self::Pnl => "pnl",
            Self::Suspense => "suspense",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outside| outside.name() == name)
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A number within its table.
pub(crate) type Index = u16;

/// Things by name and by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table<T> {
    numbers: BTreeMap<String, Index>,
    items: Vec<(String, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), items: Vec::new() }
    }
}

impl<T> Table<T> {
    pub fn number(&self, name: &str) -> Option<Index> {
        self.numbers.get(name).copied()
    }

    pub fn get(&self, name: &str) -> Option<&T> {
        self.number(name).map(|number| self.at(number))
    }

    pub fn at(&self, number: Index) -> &T {
        &self.items[usize::from(number)].1
    }

    pub fn name(&self, number: Index) -> &str {
        &self.items[usize::from(number)].0
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.items.iter().map(|(name, item)| (name.as_str(), item))
    }

    /// Takes a new one, or replaces the one with this name. Its bound has been checked; beyond what can be numbered nothing happens.
    pub fn put(&mut self, name: &str, item: T) {
        if let Some(number) = self.number(name) {
            self.items[usize::from(number)].1 = item;
        } else if let Ok(number) = Index::try_from(self.items.len()) {
            self.numbers.insert(name.to_owned(), number);
            self.items.push((name.to_owned(), item));
        }
    }

    fn room(&self, what: &str, name: &str, most: usize) -> Result<(), Violation> {
        if self.items.len() < most || self.numbers.contains_key(name) {
            return Ok(());
        }
        Err(Violation::new(Check::Bound, name, format!("there are {most} {what} already, which is the most")))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AssetRules {
    pub scale: Scale,
    pub tolerance: Amount,
    pub negative: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountRules {
    pub negative: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolRules {
    pub within: Option<Index>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InstrumentRules {
    pub quantity: Scale,
    pub price: Scale,
}

/// Everything that was declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub assets: Table<AssetRules>,
    pub accounts: Table<AccountRules>,
    pub pools: Table<PoolRules>,
    pub instruments: Table<InstrumentRules>,
}

impl Declared {
    pub fn asset(&self, name: &str) -> Result<(Index, &AssetRules), Violation> {
        let number = self.assets.number(name).ok_or_else(|| undeclared("asset", name))?;
        Ok((number, self.assets.at(number)))
    }

    pub fn account(&self, name: &str) -> Result<(Index, &AccountRules), Violation> {
        let number = self.accounts.number(name).ok_or_else(|| {
            if Outside::named(name).is_some() {
                Violation::new(Check::Undeclared, name, "is an outside account, where an inside one is asked for")
            } else {
                undeclared("account", name)
            }
        })?;
        Ok((number, self.accounts.at(number)))
    }

    pub fn pool(&self, name: &str) -> Result<(Index, &PoolRules), Violation> {
        let number = self.pools.number(name).ok_or_else(|| undeclared("pool", name))?;
        Ok((number, self.pools.at(number)))
    }

    pub fn instrument(&self, name: &str) -> Result<(Index, &InstrumentRules), Violation> {
        let number = self.instruments.number(name).ok_or_else(|| undeclared("instrument", name))?;
        Ok((number, self.instruments.at(number)))
    }

    pub fn weigh_asset(&self, asset: &entry::Asset) -> Result<AssetRules, Violation> {
        is_name("asset", &asset.name)?;
        self.assets.room("assets", &asset.name, ASSETS_MAX)?;
        let scale = scale(&asset.name, asset.scale)?;
        let tolerance = amount(&asset.name, "tolerance", &asset.tolerance, scale)?;
        if tolerance.is_negative() {
            return Err(Violation::new(Check::Declaration, &asset.name, "a tolerance is zero or above"));
        }
        if let Some(known) = self.assets.get(&asset.name)
            && known.scale != scale
        {
            let detail = format!("its scale is {} and never changes; {scale} was declared", known.scale);
            return Err(Violation::new(Check::Declaration, &asset.name, detail));
        }
        Ok(AssetRules { scale, tolerance, negative: asset.negative })
    }

    pub fn weigh_account(&self, account: &entry::Account) -> Result<AccountRules, Violation> {
        is_name("account", &account.name)?;
        self.accounts.room("accounts", &account.name, ACCOUNTS_MAX)?;
        if Outside::named(&account.name).is_some() {
            let detail = "is the name of an outside account, which is built in: choose another";
            return Err(Violation::new(Check::Declaration, &account.name, detail));
        }
        Ok(AccountRules { negative: account.negative })
    }

    pub fn weigh_pool(&self, pool: &entry::Pool) -> Result<PoolRules, Violation> {
        is_name("pool", &pool.name)?;
        self.pools.room("pools", &pool.name, POOLS_MAX)?;
        let Some(within) = &pool.within else { return Ok(PoolRules { within: None }) };
        let (within, _) = self.pool(within)?;
        if self.would_contain_itself(&pool.name, within) {
            return Err(Violation::new(Check::Declaration, &pool.name, "would be an allocation of itself"));
        }
        Ok(PoolRules { within: Some(within) })
    }

    /// Whether a pool within this one would be its own allocation. Ends, since whoever declares or restores a pool asks first.
    pub fn would_contain_itself(&self, name: &str, within: Index) -> bool {
        let mut above = Some(within);
        while let Some(number) = above {
            if self.pools.name(number) == name {
                return true;
            }
            above = self.pools.at(number).within;
        }
        false
    }

    pub fn weigh_instrument(&self, instrument: &entry::Instrument) -> Result<InstrumentRules, Violation> {
        let name = &instrument.name;
        is_name("instrument", name)?;
        self.instruments.room("instruments", name, INSTRUMENTS_MAX)?;
        let rules = InstrumentRules {
            quantity: scale(name, instrument.quantity_scale)?,
            price: scale(name, instrument.price_scale)?,
        };
        if let Some(known) = self.instruments.get(name)
            && known.quantity != rules.quantity
        {
            let detail = format!("quantities have {} decimals, which never changes", known.quantity);
            return Err(Violation::new(Check::Declaration, name, detail));
        }
        Ok(rules)
    }

    /// Whether other pools are allocations of this one.
    pub fn is_parent(&self, pool: Index) -> bool {
        self.pools.iter().any(|(_, other)| other.within == Some(pool))
    }
}

fn undeclared(what: &str, name: &str) -> Violation {
    Violation::new(Check::Undeclared, name, format!("no such {what} was declared: declare it in the configuration"))
}

/// Whether a text may name something: not empty, at most [`NAME_MAX`] bytes, no control characters.
pub(crate) fn is_name(what: &str, name: &str) -> Result<(), Violation> {
    if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
        let detail = format!("a name of a {what} has 1 to {NAME_MAX} bytes and no control characters");
        let shown: String = name.chars().take(NAME_MAX).collect();
        return Err(Violation::new(Check::Declaration, shown, detail));
    }
    Ok(())
}

fn scale(name: &str, decimals: u8) -> Result<Scale, Violation> {
    Scale::new(decimals).map_err(|error| Violation::new(Check::Declaration, name, error.to_string()))
}

/// Reads an amount; what is wrong with it names the field.
pub(crate) fn amount(subject: &str, field: &str, text: &str, scale: Scale) -> Result<Amount, Violation> {
    Amount::parse(text, scale).map_err(|error| {
        let shown: String = text.chars().take(NAME_MAX).collect();
        Violation::new(of(error), subject, format!("{field} {shown:?}: {error}"))
    })
}

/// The rule that an arithmetic error breaks.
pub(crate) fn of(error: AmountError) -> Check {
    match error {
        AmountError::Overflow => Check::Overflow,
        AmountError::Scale { .. }
        | AmountError::NoDigit { .. }
        | AmountError::Foreign { .. }
        | AmountError::LeadingZero
        | AmountError::NegativeZero
        | AmountError::TooManyDecimals { .. }
        | AmountError::Scales { .. }
        | AmountError::Inexact { .. } => Check::Amount,
    }
}

/// A sum, or what it is that cannot be counted.
pub(crate) fn sum(subject: &str, a: i128, b: i128) -> Result<i128, Violation> {
    a.checked_add(b).ok_or_else(|| Violation::new(Check::Overflow, subject, AmountError::Overflow.to_string()))
}
