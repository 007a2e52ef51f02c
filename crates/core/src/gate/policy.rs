//! What the configuration decides for the gate, and what makes a configuration impossible.

use crate::gate::limit::{LimitName, Limits, Scope};
use crate::id::{ComponentName, MAX_COMPONENTS};
use core::time::Duration;
use failstop_amount::{Amount, Scale};
use std::collections::BTreeSet;

/// The most accounts.
pub const MAX_ACCOUNTS: usize = 32;

/// The most instruments.
pub const MAX_INSTRUMENTS: usize = 1_024;

/// The most price sources of one instrument.
pub const MAX_SOURCES: usize = 16;

/// Everything the gate needs to know of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatePolicy {
    /// How finely money is counted: what all limits in money and all equity are stated in.
    pub money: Scale,
    /// Components in the configuration's order: index `i` has slot `i + 1`.
    pub components: Vec<ComponentRules>,
    /// The accounts that orders may name.
    pub accounts: Vec<String>,
    /// The instruments that orders may name; everything else is refused.
    pub instruments: Vec<InstrumentPolicy>,
    /// Limits on everybody together.
    pub system: Limits,
    /// Limits on each user.
    pub user: Limits,
    /// How old a price may be († 5 s), by its arrival.
    pub price_max_age: Duration,
    /// How far a source may be from the median before it is an outlier, in millionths († 0.5 %).
    pub price_deviation: u128,
    /// How old what is known of a position may be.
    pub position_max_age: Duration,
    /// How old the reported equity of an account may be.
    pub equity_max_age: Duration,
    /// How long somebody has to confirm an order, and the bot then to send it again.
    pub confirm_within: Duration,
    /// Whether rates are shared with other hosts.
    pub shared_rates: SharedRates,
}

/// Whether somebody outside counts rates over several hosts. What the gate counts itself always binds as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SharedRates {
    /// Nobody does.
    Off,
    /// An order without word from outside is refused, unless it reduces.
    ElseRefuse,
}

/// What binds one component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ComponentRules {
    /// Its name.
    pub name: ComponentName,
    /// Its limits.
    pub limits: Limits,
    /// The instruments that it may trade, by index; `None`: all.
    pub instruments: Option<BTreeSet<usize>>,
}

/// One instrument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstrumentPolicy {
    /// Its name.
    pub name: String,
    /// How finely its quantities are counted.
    pub quantity: Scale,
    /// How finely its prices are counted.
    pub price: Scale,
    /// What one of it is.
    pub contract: Contract,
    /// What its prices are in.
    pub quote: Quote,
    /// What stands behind a position in it.
    pub margin: Margin,
    /// Its limits, for everybody.
    pub limits: Limits,
    /// Where its prices come from, at least one.
    pub sources: Vec<String>,
    /// How many of those must agree, at least one.
    pub required: usize,
}

/// What one of an instrument is. Both are above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contract {
    /// One is worth `size` times the price, in the currency of the price (1 for spot).
    Linear {
        /// How much of the underlying one contract is.
        size: Amount,
    },
    /// One is worth `value` in the currency of the price, and is settled in the underlying: `value / price` of it.
    Inverse {
        /// What one contract is worth.
        value: Amount,
    },
}

/// What prices are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quote {
    /// The gate's money.
    Money,
    /// Another currency: the price of the instrument with this index says what one of it is worth in the gate's money. That one is
    /// linear and quoted in money.
    Through(usize),
}

/// What stands behind a position. The maintenance margin is in millionths of what the position is worth; where it is unknown
/// nothing that would need it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Margin {
    /// Nothing is borrowed: the leverage is 1 and nothing is liquidated.
    Spot,
    /// Its own margin alone.
    Isolated {
        /// The maintenance margin rate.
        maintenance: Option<u32>,
    },
    /// The whole equity of the account.
    Cross {
        /// The maintenance margin rate.
        maintenance: Option<u32>,
    },
}

/// Why a policy is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// More of something than there may be.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A name that is empty, too long, or has other than printable ASCII characters without spaces.
    Name {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The same name twice.
    Twice {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A limit where it has no meaning.
    Misplaced {
        /// Which.
        limit: LimitName,
        /// Where.
        scope: Scope,
    },
    /// An instrument that cannot be valued.
    Instrument {
        /// Its name.
        name: String,
        /// Why.
        why: &'static str,
    },
}

impl core::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooMany { what, most } => write!(f, "more than {most} {what}: the gate keeps no more"),
            Self::Name { what, name } => write!(
                f,
                "the {what} `{name}` cannot be named so: use 1 to {} printable ASCII characters without spaces",
                super::order::NAME_MAX
            ),
            Self::Twice { what, name } => write!(f, "the {what} `{name}` is declared twice: name each once"),
            Self::Misplaced { limit, scope } => {
                write!(f, "`{}` has no meaning for a {scope:?}: see docs/gate.md for where it may be set", limit.name())
            }
            Self::Instrument { name, why } => write!(f, "the instrument `{name}` {why}"),
        }
    }
}

impl core::error::Error for PolicyError {}

impl GatePolicy {
    /// Looks for what is impossible.
    ///
    /// # Errors
    ///
    /// The first [`PolicyError`].
    pub fn check(&self) -> Result<(), PolicyError> {
        let component = |component: &ComponentRules| component.name.0.clone();
        names("component", "components", MAX_COMPONENTS, self.components.iter().map(component))?;
        names("account", "accounts", MAX_ACCOUNTS, self.accounts.iter().cloned())?;
        let instrument = |instrument: &InstrumentPolicy| instrument.name.clone();
        names("instrument", "instruments", MAX_INSTRUMENTS, self.instruments.iter().map(instrument))?;
        placed(&self.system, Scope::System)?;
        placed(&self.user, Scope::User)?;
        self.components.iter().try_for_each(|component| placed(&component.limits, Scope::Component))?;
        self.instruments.iter().try_for_each(|instrument| self.instrument(instrument))
    }

    fn instrument(&self, instrument: &InstrumentPolicy) -> Result<(), PolicyError> {
        placed(&instrument.limits, Scope::Instrument)?;
        names("price source", "price sources of one instrument", MAX_SOURCES, instrument.sources.iter().cloned())?;
        let refuse = |why| Err(PolicyError::Instrument { name: instrument.name.clone(), why });
        let (Contract::Linear { size: one } | Contract::Inverse { value: one }) = instrument.contract;
        if one.units() <= 0 {
            return refuse("needs a contract size or value above zero");
        }
        if instrument.required == 0 || instrument.required > instrument.sources.len() {
            return refuse("must require at least one of its price sources, and no more than it has");
        }
        if let Quote::Through(index) = instrument.quote {
            let through = self.instruments.get(index);
            let converts = through.is_some_and(|through| {
                through.quote == Quote::Money && matches!(through.contract, Contract::Linear { .. })
            });
            if !converts {
                return refuse("is converted through an instrument that is not linear and quoted in money");
            }
        }
        match instrument.margin {
            Margin::Isolated { maintenance: Some(rate) } | Margin::Cross { maintenance: Some(rate) }
                if u128::from(rate) >= crate::gate::limit::SHARE_ONE =>
            {
                refuse("has a maintenance margin of the whole position or more")
            }
            Margin::Spot | Margin::Isolated { .. } | Margin::Cross { .. } => Ok(()),
        }
    }
}

fn names(
    what: &'static str,
    many: &'static str,
    most: usize,
    names: impl Iterator<Item = String>,
) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !super::order::is_name(&name) {
            return Err(PolicyError::Name { what, name });
        }
        if seen.len() == most {
            return Err(PolicyError::TooMany { what: many, most });
        }
        if !seen.insert(name.clone()) {
            return Err(PolicyError::Twice { what, name });
        }
    }
    Ok(())
}

fn placed(limits: &Limits, scope: Scope) -> Result<(), PolicyError> {
    let misplaced =
        |limit: &LimitName| !limit.applies(scope) && limits.get(*limit) != crate::gate::limit::Limit::Waived;
    match LimitName::ALL.into_iter().find(|limit| misplaced(limit)) {
        Some(limit) => Err(PolicyError::Misplaced { limit, scope }),
        None => Ok(()),
    }
}
