//! What the gate is told beside orders, and what it answers.

use crate::gate::limit::{LimitName, Scope};
use crate::gate::order::Side;
use crate::gate::rates::Cost;
use crate::gate::record::{GateRecord, Outcome};
use crate::gate::time::{GateTime, TradingDay};
use core::fmt;
use core::time::Duration;

/// A fact. Numbers come as text at the scales of what they count.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// A source says a price.
    Price {
        /// Which source.
        source: &'a str,
        /// Of which instrument.
        instrument: &'a str,
        /// The price.
        quote: Quoted<'a>,
        /// When the source says it was, in microseconds since 1970. One that goes back, or is more than a minute ahead, is refused.
        time: Option<GateTime>,
    },
    /// The same of a source that had to be asked.
    PriceAsked {
        /// Which source.
        source: &'a str,
        /// Of which instrument.
        instrument: &'a str,
        /// The price.
        quote: Quoted<'a>,
        /// When the source says it was; as with [`Fact::Price`].
        time: Option<GateTime>,
        /// How long the answer took: it may be that old when it arrives, and counts so.
        took: Duration,
    },
    /// A trade. Also one that the gate was never asked about.
    Fill(Fill<'a>),
    /// Something became of an order. Said again it changes nothing.
    Outcome {
        /// The order's client id.
        client_id: &'a str,
        /// What.
        outcome: Outcome,
    },
    /// A position, as the venue has it now: with every fill that was told before, and none that will be.
    Position {
        /// In which account.
        account: &'a str,
        /// Of which instrument.
        instrument: &'a str,
        /// How much; below zero when short, zero when flat.
        quantity: &'a str,
        /// Its average entry price.
        entry: Option<&'a str>,
        /// Its leverage.
        leverage: Option<&'a str>,
        /// Whether it is paper's.
        paper: bool,
    },
    /// Something happened to a position that the gate could not count: it is unknown until it is reported.
    PositionUnknown {
        /// In which account.
        account: &'a str,
        /// Of which instrument.
        instrument: &'a str,
    },
    /// An account's equity: its balance with what its positions would bring now.
    Equity {
        /// Whose.
        account: &'a str,
        /// How much, in money.
        equity: &'a str,
        /// Whether it is paper's.
        paper: bool,
    },
    /// A result that neither a fill nor a price shows.
    Result {
        /// Whose.
        account: &'a str,
        /// How much, in money; below zero what was lost.
        amount: &'a str,
        /// Whether it is paper's.
        paper: bool,
    },
    /// The trading day, by the host's wall clock. One that does not rise changes nothing.
    Day(TradingDay),
    /// A super-admin gives a limit another value for a while.
    Override {
        /// Its name; one that stands is replaced.
        name: &'a str,
        /// Who.
        by: &'a str,
        /// Why.
        reason: &'a str,
        /// Which limit.
        limit: LimitName,
        /// Whose.
        scope: Scope,
        /// The component's, the instrument's or the user's name; `None` for the system.
        of: Option<&'a str>,
        /// Its value, as the configuration would have it.
        value: &'a str,
        /// For how long, at most [`MAX_OVERRIDE`].
        span: Duration,
    },
    /// An override ends before its time.
    EndOverride {
        /// Which.
        name: &'a str,
        /// Who ends it.
        by: &'a str,
    },
    /// An admin confirms an order that was refused for want of it.
    Confirm {
        /// The order's client id.
        client_id: &'a str,
        /// Who.
        by: &'a str,
    },
    /// The record with this ticket is durable.
    Durable(GateTicket),
    /// Whoever counts rates over several hosts has judged an order that is about to be asked about.
    RateDecided {
        /// The order's client id.
        client_id: &'a str,
        /// Which rates are used up, and for whom; empty: none.
        refused: &'a [(LimitName, Scope)],
    },
}

/// A price as a source says it.
#[derive(Clone, Copy, Debug)]
pub enum Quoted<'a> {
    /// Both sides of the book; the price is their middle, rounded up.
    BidAsk {
        /// What is bid.
        bid: &'a str,
        /// What is asked, not below the bid.
        ask: &'a str,
    },
    /// The last trade.
    Last(&'a str),
}

/// A trade.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    /// The venue's id of it; counts once.
    pub id: &'a str,
    /// The client id of its order, where it has one.
    pub order: Option<&'a str>,
    /// In which account.
    pub account: &'a str,
    /// Of which instrument.
    pub instrument: &'a str,
    /// Which way.
    pub side: Side,
    /// How much, above zero.
    pub quantity: &'a str,
    /// At which price, above zero.
    pub price: &'a str,
    /// What it cost beside, in money; below zero what was paid for it.
    pub fee: Option<&'a str>,
    /// Whether it is paper's; that of the order, where it has one that is open.
    pub paper: bool,
}

/// The longest override.
pub const MAX_OVERRIDE: Duration = Duration::from_secs(7 * 86_400);

/// A record whose durability the gate waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GateTicket(pub u64);

/// What came of a fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// What must go into the journal, in this order.
    pub records: Vec<GateRecord>,
    /// The last of them loosens something: it takes effect when [`Fact::Durable`] says this ticket.
    pub waits: Option<GateTicket>,
    /// An order gave back what it had counted, for whoever counts rates over several hosts.
    pub given_back: Option<GivenBack>,
    /// A trade on the exchange counted, which no order's count accounts for; for the same.
    pub counted: Option<TradeCounted>,
}

/// What a trade counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeCounted {
    /// For whom beside everybody: the user of its order.
    pub user: Option<String>,
    /// How much.
    pub cost: Cost,
}

/// What an order gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenBack {
    /// When it had been counted.
    pub counted: GateTime,
    /// Openings.
    pub openings: u32,
    /// Trades.
    pub trades: u32,
    /// Copies.
    pub copies: u32,
    /// Volume, in units of money.
    pub volume: u128,
}

impl GivenBack {
    /// The same of each rate.
    pub fn cost(&self) -> Cost {
        Cost {
            openings: u128::from(self.openings),
            trades: u128::from(self.trades),
            volume: self.volume,
            messages: 0,
            copies: u128::from(self.copies),
        }
    }
}

/// Why a fact was not taken. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactError {
    /// The gate was not started yet.
    NotStarted,
    /// Something that is not declared.
    Unknown(What),
    /// A text that is no name, or no number at its scale, or not above zero where it must be.
    Invalid(What),
    /// The bid is above the ask.
    Crossed,
    /// The source's time went back.
    TimeWentBack,
    /// The source's time is more than a minute ahead of ours.
    TimeAhead,
    /// The trade was told before.
    FillRepeated,
    /// No order of this client id waits for confirmation, or its time has passed.
    NothingToConfirm,
    /// No override of this name stands.
    NoSuchOverride,
    /// More overrides than the gate keeps.
    TooManyOverrides,
    /// More of what loosens waits for its record than the gate keeps.
    TooManyPending,
    /// The limit has no meaning there.
    Misplaced,
    /// The override is longer than it may be, or has no length.
    Span,
    /// The trading day does not rise.
    DayNotLater,
    /// A number beyond what can be counted.
    Overflow,
}

/// What a [`FactError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An account.
    Account,
    /// An instrument.
    Instrument,
    /// A component.
    Component,
    /// A price source of the instrument.
    Source,
    /// A quantity.
    Quantity,
    /// A price.
    Price,
    /// A leverage.
    Leverage,
    /// An amount of money.
    Money,
    /// An id of a trade or an order.
    Id,
    /// A user.
    User,
    /// The name or the value of an override.
    Override,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Instrument => "instrument",
            Self::Component => "component",
            Self::Source => "price source",
            Self::Quantity => "quantity",
            Self::Price => "price",
            Self::Leverage => "leverage",
            Self::Money => "amount of money",
            Self::Id => "id",
            Self::User => "user",
            Self::Override => "override",
        }
    }
}

impl fmt::Display for FactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("the gate has not been started yet: try again when failstop is ready"),
            Self::Unknown(what) => write!(f, "the {} is not declared: declare it in the configuration", what.name()),
            Self::Invalid(what) => write!(
                f,
                "the {} does not have its form: numbers have at most the declared decimals, names 1 to {} printable ASCII \
                 characters without spaces",
                what.name(),
                super::order::NAME_MAX
            ),
            Self::Crossed => f.write_str("the bid is above the ask: nothing can be priced by it"),
            Self::TimeWentBack => f.write_str("the source's time went back: a price from before is not fresh"),
            Self::TimeAhead => f.write_str(
                "the source's time is more than a minute ahead of the gate's, which goes on from this host's clock as it was at \
                 the start: see that the clock is synchronised (`failstop check`), then start failstop again",
            ),
            Self::FillRepeated => f.write_str("this trade was told before: it counts once"),
            Self::NothingToConfirm => f.write_str(
                "no order of this client id waits for confirmation: the bot must send it first, and in time",
            ),
            Self::NoSuchOverride => {
                f.write_str("no override of this name stands: `failstop limits list` shows them")
            }
            Self::TooManyOverrides => {
                write!(f, "{} overrides stand or are about to: end one first", super::overrides::MAX_OVERRIDES)
            }
            Self::TooManyPending => write!(
                f,
                "{} loosenings wait for their records already: try again once the journal has written them",
                super::take::MAX_PENDING
            ),
            Self::Misplaced => {
                f.write_str("this limit has no meaning there: see docs/gate.md for where each may be set")
            }
            Self::Span => write!(f, "an override lasts above 0 and at most {} days", MAX_OVERRIDE.as_secs() / 86_400),
            Self::DayNotLater => f.write_str("this trading day has begun already: counters begin anew once a day"),
            Self::Overflow => {
                f.write_str("a number is beyond what can be counted: look at it and at the declared scales")
            }
        }
    }
}

impl core::error::Error for FactError {}
