//! What the books are about: assets, accounts, pools, instruments and strategies, each in a file of its own, and what they must be
//! together. The journal declares them too, so that it can be read without this configuration.

mod account;
mod asset;
mod instrument;
mod keeping;
mod pool;
mod strategy;
mod symbol;

pub use account::Account;
pub use asset::Asset;
pub use instrument::Instrument;
pub use keeping::{Every, Ledger, Snapshots};
pub use pool::Pool;
pub use strategy::Strategy;
pub use symbol::{Arrow, Symbol};

use failstop_journal::ledger::{
    ACCOUNTS_MAX, ASSETS_MAX, Entry, INSTRUMENTS_MAX, POOLS_MAX, STATES_MAX, STRATEGIES_MAX,
};
use failstop_settings::document::{Table, Value};
use failstop_settings::{Kind, Origin, Reading, Section, label, nearest, origin_in, repeated, tables};

/// Everything that is declared for the books. All empty: this system keeps none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// `[[asset]]`.
    pub assets: Vec<Asset>,
    /// `[[account]]`.
    pub accounts: Vec<Account>,
    /// `[[pool]]`, in the file's order.
    pub pools: Vec<Pool>,
    /// `[[instrument]]`.
    pub instruments: Vec<Instrument>,
    /// `[[strategy]]`.
    pub strategies: Vec<Strategy>,
}

impl Declared {
    pub(super) fn read(root: &Table, reading: &mut Reading<'_>) -> Option<Self> {
        let assets = list::<Asset>(root, "asset", ASSETS_MAX, reading);
        let accounts = list::<Account>(root, "account", ACCOUNTS_MAX, reading);
        let pools = list::<Pool>(root, "pool", POOLS_MAX, reading);
        let instruments = list::<Instrument>(root, "instrument", INSTRUMENTS_MAX, reading);
        let strategies = list::<Strategy>(root, "strategy", STRATEGIES_MAX, reading);
        let declared = Self {
            assets: assets?,
            accounts: accounts?,
            pools: pools?,
            instruments: instruments?,
            strategies: strategies?,
        };
        declared.check(root, reading);
        Some(declared)
    }

    /// As the journal declares them, in an order in which each stands after what it refers to.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.assets.iter().map(Asset::entry).collect();
        entries.extend(self.accounts.iter().map(Account::entry));
        entries.extend(self.pools_in_order().into_iter().map(Pool::entry));
        entries.extend(self.instruments.iter().map(Instrument::entry));
        entries.extend(self.strategies.iter().map(Strategy::entry));
        entries
    }

    /// Whether capital is kept.
    pub fn keeps_capital(&self) -> bool {
        !self.assets.is_empty()
    }

    /// Parents before their allocations. What waits for itself is left out; [`Declared::read`] has refused it.
    fn pools_in_order(&self) -> Vec<&Pool> {
        let mut ordered: Vec<&Pool> = Vec::with_capacity(self.pools.len());
        loop {
            let before = ordered.len();
            for pool in &self.pools {
                let stands = |name: &Symbol| ordered.iter().any(|known| known.name == *name);
                if !stands(&pool.name) && pool.within.as_ref().is_none_or(stands) {
                    ordered.push(pool);
                }
            }
            if ordered.len() == before {
                return ordered;
            }
        }
    }

    fn check(&self, root: &Table, reading: &mut Reading<'_>) {
        let problems = reading.problems.len();
        twice(root, "asset", self.assets.iter().map(|one| &one.name), reading);
        twice(root, "account", self.accounts.iter().map(|one| &one.name), reading);
        twice(root, "pool", self.pools.iter().map(|one| &one.name), reading);
        twice(root, "instrument", self.instruments.iter().map(|one| &one.name), reading);
        twice(root, "strategy", self.strategies.iter().map(|one| &one.name), reading);
        if reading.problems.len() == problems {
            self.check_pools(root, reading);
        }
        for (index, strategy) in self.strategies.iter().enumerate() {
            check_strategy(root, index, strategy, reading);
        }
        self.check_company(root, reading);
    }

    fn check_pools(&self, root: &Table, reading: &mut Reading<'_>) {
        let ordered = self.pools_in_order();
        for (index, pool) in self.pools.iter().enumerate() {
            let Some(within) = &pool.within else { continue };
            let origin = origin_in(root, "pool", index, "within");
            if !self.pools.iter().any(|known| known.name == *within) {
                let message = format!("pool \"{}\" is within \"{within}\", which is no pool", pool.name);
                reading.refuse(
                    Kind::UnknownName,
                    &origin,
                    message,
                    nearest_of(within, self.pools.iter().map(|one| &one.name)),
                );
            } else if !ordered.iter().any(|known| known.name == pool.name) && self.is_in_its_own_chain(pool) {
                let message = format!("pool \"{}\" is an allocation of itself, by way of \"{within}\"", pool.name);
                reading.refuse(Kind::Cycle, &origin, message, "remove one of the `within`");
            }
        }
    }

    fn is_in_its_own_chain(&self, pool: &Pool) -> bool {
        let mut above = pool.within.as_ref();
        for _ in 0..self.pools.len() {
            let Some(name) = above else { return false };
            if *name == pool.name {
                return true;
            }
            above = self.pools.iter().find(|known| known.name == *name).and_then(|known| known.within.as_ref());
        }
        false
    }

    /// Assets need accounts and pools to be held in, and those assets to hold.
    fn check_company(&self, root: &Table, reading: &mut Reading<'_>) {
        // The gate needs accounts too, and no assets.
        let for_the_gate = root.get("gate").is_some() && self.assets.is_empty() && self.pools.is_empty();
        if for_the_gate {
            return;
        }
        let sections: [(&str, bool, &str); 3] = [
            ("asset", self.assets.is_empty(), "name = \"USDT\"\nscale = 6"),
            ("account", self.accounts.is_empty(), "name = \"kraken\""),
            ("pool", self.pools.is_empty(), "name = \"main\""),
        ];
        let Some((there, ..)) = sections.iter().find(|(_, empty, _)| !empty) else { return };
        for (missing, _, example) in sections.iter().filter(|(_, empty, _)| *empty) {
            let origin = origin_in(root, there, 0, "name");
            let message = format!("there is an [[{there}]] and no [[{missing}]]: nothing could be booked");
            reading.refuse(Kind::Missing, &origin, message, format!("write for example:\n[[{missing}]]\n{example}"));
        }
    }
}

/// The elements of one repeated section.
fn list<S: Section>(root: &Table, section: &'static str, most: usize, reading: &mut Reading<'_>) -> Option<Vec<S>> {
    let nodes = repeated(root, section, reading)?;
    if let Some(first_too_many) = nodes.get(most) {
        let message = format!("there are {} [[{section}]] sections; a system has at most {most}", nodes.len());
        reading.refuse(Kind::OutOfRange, &first_too_many.origin, message, "remove some");
        return None;
    }
    let read: Vec<Option<S>> = tables(&nodes, section, reading)
        .into_iter()
        .enumerate()
        .map(|(index, table)| {
            let table = table?;
            S::read_table(table, &label(section, table, index), section, reading)
        })
        .collect();
    read.into_iter().collect()
}

fn twice<'a>(root: &Table, section: &str, names: impl Iterator<Item = &'a Symbol>, reading: &mut Reading<'_>) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            let message = format!("there are two [[{section}]] sections with the name \"{name}\"");
            let origin = origin_in(root, section, index, "name");
            reading.refuse(Kind::Duplicate, &origin, message, format!("write another name, for example \"{name}-2\""));
        }
    }
}

fn check_strategy(root: &Table, index: usize, strategy: &Strategy, reading: &mut Reading<'_>) {
    let name = &strategy.name;
    let at = |key: &str, item: usize| item_origin(root, index, key, item);
    if strategy.states.len() > STATES_MAX {
        let message = format!("strategy \"{name}\" has {} states; it may have {STATES_MAX}", strategy.states.len());
        reading.refuse(Kind::OutOfRange, &at("states", STATES_MAX), message, "split it into several strategies");
        return;
    }
    let known = |state: &Symbol| strategy.states.contains(state);
    for (item, state) in strategy.states.iter().enumerate() {
        if strategy.states.iter().take(item).any(|earlier| earlier == state) {
            let message = format!("strategy \"{name}\" has the state \"{state}\" twice");
            reading.refuse(Kind::Duplicate, &at("states", item), message, "remove one");
        }
    }
    for (item, arrow) in strategy.transitions.iter().enumerate() {
        if strategy.transitions.iter().take(item).any(|earlier| earlier == arrow) {
            let message = format!("strategy \"{name}\" has the transition \"{arrow}\" twice");
            reading.refuse(Kind::Duplicate, &at("transitions", item), message, "remove one");
        }
        for state in [&arrow.from, &arrow.to].into_iter().filter(|state| !known(state)) {
            let message = format!(
                "the transition \"{arrow}\" of strategy \"{name}\" names the state \"{state}\", which is none of its own"
            );
            reading.refuse(
                Kind::UnknownName,
                &at("transitions", item),
                message,
                nearest_of(state, strategy.states.iter()),
            );
        }
    }
    let ends = strategy.r#final.iter().enumerate().map(|(item, state)| ("final", item, state));
    for (key, item, state) in
        ends.chain([("initial", usize::MAX, &strategy.initial)]).filter(|(_, _, state)| !known(state))
    {
        let message = format!("`{key}` of strategy \"{name}\" names the state \"{state}\", which is none of its own");
        reading.refuse(Kind::UnknownName, &at(key, item), message, nearest_of(state, strategy.states.iter()));
    }
}

fn nearest_of<'a>(word: &Symbol, known: impl Iterator<Item = &'a Symbol> + Clone) -> String {
    match nearest(word.as_str(), known.clone().map(Symbol::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("known: {}", known.map(Symbol::as_str).collect::<Vec<_>>().join(", ")),
    }
}

/// Where one item of a list of a strategy was written; the list itself, where that is all that is known.
fn item_origin(root: &Table, index: usize, key: &str, item: usize) -> Origin {
    let list = root.get("strategy").and_then(|entry| match &entry.node.value {
        Value::List(strategies) => match strategies.get(index).map(|strategy| &strategy.value) {
            Some(Value::Table(table)) => table.get(key),
            _ => None,
        },
        _ => None,
    });
    match list.map(|entry| &entry.node.value) {
        Some(Value::List(items)) if items.get(item).is_some() => items[item].origin.clone(),
        _ => origin_in(root, "strategy", index, key),
    }
}
