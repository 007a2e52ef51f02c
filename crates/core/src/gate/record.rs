//! What the gate needs of the journal to be the same after a restart. The serde form is the journal's `t` and `b`. Amounts are texts
//! at the scale of what they count; prices are not kept, since a restart hears new ones.

use crate::gate::limit::{Limit, LimitName, Scope};
use crate::gate::order::{Kind, Order, Side};
use crate::gate::refusal::Decision;
use crate::gate::time::{GateTime, TradingDay};
use serde::{Deserialize, Serialize};

/// A record of the gate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "t", content = "b")]
pub enum GateRecord {
    /// An order was allowed. Counts from here on, whether it is ever sent or not.
    #[serde(rename = "gate.allowed")]
    Allowed(Box<Allowed>),
    /// Something became of an order.
    #[serde(rename = "gate.outcome")]
    Outcome {
        /// When.
        at: GateTime,
        /// Which.
        client_id: String,
        /// What.
        outcome: Outcome,
    },
    /// An order, or somebody else, traded.
    #[serde(rename = "gate.fill")]
    Fill(Box<Filled>),
    /// A position was reported.
    #[serde(rename = "gate.position")]
    Position(Box<PositionSeen>),
    /// Something happened to a position at the exchange that could not be counted: it is unknown until it is reported.
    #[serde(rename = "gate.position_unknown")]
    PositionUnknown {
        /// When.
        at: GateTime,
        /// In which account.
        account: String,
        /// Of which instrument.
        instrument: String,
    },
    /// An account's equity was reported.
    #[serde(rename = "gate.equity")]
    Equity {
        /// When.
        at: GateTime,
        /// Whose.
        account: String,
        /// How much, in money.
        equity: String,
        /// Whether it is paper's.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        paper: bool,
    },
    /// A result that no fill and no price shows: funding, interest, a fee charged by itself.
    #[serde(rename = "gate.result")]
    Result {
        /// When.
        at: GateTime,
        /// Whose.
        account: String,
        /// How much, in money; below zero what was lost.
        amount: String,
        /// Whether it is paper's.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        paper: bool,
    },
    /// What was held without a price since the day's opening, or since it was reported, counts from this price on.
    #[serde(rename = "gate.settled")]
    Settled {
        /// When.
        at: GateTime,
        /// Of which instrument.
        instrument: String,
        /// The price.
        mark: String,
    },
    /// A trading day began: counters and results begin anew.
    #[serde(rename = "gate.day")]
    Day {
        /// When.
        at: GateTime,
        /// Which.
        day: TradingDay,
        /// The opening price of what is held, where one is known; beyond [`MARKS_OF_DAY`](crate::gate::MARKS_OF_DAY) they follow as
        /// [`GateRecord::Settled`].
        marks: Vec<Mark>,
    },
    /// A limit has another value for a while. Loosening takes effect when this record is durable.
    #[serde(rename = "gate.override")]
    Override(Box<OverrideNote>),
    /// An override was ended before its time. Takes effect when this record is durable where the limit is looser without it.
    #[serde(rename = "gate.override_ended")]
    OverrideEnded {
        /// When.
        at: GateTime,
        /// Which.
        name: String,
        /// Who ended it.
        by: String,
    },
    /// Somebody confirmed an order. Takes effect when this record is durable.
    #[serde(rename = "gate.confirmed")]
    Confirmed {
        /// When.
        at: GateTime,
        /// The order, whole.
        order: Box<OrderText>,
        /// Who.
        by: String,
        /// Until when it may come.
        until: GateTime,
    },
    /// Something other than an order used up a rate.
    #[serde(rename = "gate.counted")]
    Counted {
        /// When.
        at: GateTime,
        /// Which rate.
        bucket: Bucket,
        /// Whose component.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        component: Option<String>,
        /// On whose behalf.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// How much.
        cost: u64,
    },
}

/// What a rate counts that is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bucket {
    /// Telegram messages.
    Messages,
    /// Copied trades.
    Copies,
    /// Openings that the gate is not asked about as orders.
    Openings,
    /// Trades that the gate is not asked about as orders.
    Trades,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The venue has it.
    Accepted,
    /// Filled whole. It counts as open until its fills or a later report of the position have come.
    Filled,
    /// Cancelled, perhaps after fills. What was not filled is given back.
    Cancelled,
    /// The venue refused it. Given back.
    Rejected,
    /// Its time at the venue was up. What was not filled is given back.
    Expired,
    /// It never left. Given back.
    NotSent,
    /// Nobody knows: presumed alive.
    Unknown,
}

/// An order as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrderText {
    /// The bot's own id of it.
    pub client_id: String,
    /// Whose component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// In which account.
    pub account: String,
    /// Of which instrument.
    pub instrument: String,
    /// What for.
    pub kind: Kind,
    /// Which way.
    pub side: Side,
    /// How much.
    pub quantity: String,
    /// The limit price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// The leverage asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leverage: Option<String>,
}

/// An allowed order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Allowed {
    /// When.
    pub at: GateTime,
    /// The order.
    pub order: OrderText,
    /// Whether it reduces.
    pub reduces: bool,
    /// Whether it stays on paper.
    pub paper: bool,
    /// The price that it was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What it counts against volumes, in money.
    pub volume: String,
}

impl Allowed {
    pub(crate) fn of(decision: &Decision, order: &Order<'_>, component: Option<&str>) -> Self {
        Self {
            at: decision.at,
            order: OrderText::of(order, component),
            reduces: decision.reduces,
            paper: decision.paper,
            reference: decision.price.map(|price| price.to_string()),
            volume: decision.notional.map_or_else(|| "0".to_owned(), |notional| notional.to_string()),
        }
    }
}

impl OrderText {
    pub(crate) fn of(order: &Order<'_>, component: Option<&str>) -> Self {
        Self {
            client_id: order.client_id.to_owned(),
            component: component.map(str::to_owned),
            user: order.user.map(str::to_owned),
            account: order.account.to_owned(),
            instrument: order.instrument.to_owned(),
            kind: order.kind,
            side: order.side,
            quantity: order.quantity.to_owned(),
            price: order.price.map(str::to_owned),
            leverage: order.leverage.map(str::to_owned),
        }
    }
}

/// A trade.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Filled {
    /// When it was told.
    pub at: GateTime,
    /// The venue's id of it; counts once.
    pub id: String,
    /// The client id of its order, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// In which account.
    pub account: String,
    /// Of which instrument.
    pub instrument: String,
    /// Which way.
    pub side: Side,
    /// How much.
    pub quantity: String,
    /// At which price.
    pub price: String,
    /// What it cost beside, in money; below zero what was paid for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<String>,
    /// Whether it is paper's.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub paper: bool,
    /// What it counts against volumes, in money, where no allowed order accounts for it; then it counts as a trade as well, unless
    /// its order does still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
}

/// A reported position.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PositionSeen {
    /// When it was told.
    pub at: GateTime,
    /// In which account.
    pub account: String,
    /// Of which instrument.
    pub instrument: String,
    /// How much; below zero when short.
    pub quantity: String,
    /// Its average entry price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Its leverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leverage: Option<String>,
    /// Whether it is paper's.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub paper: bool,
    /// The price from which a difference to what was known counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// A price of an instrument.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// Which instrument.
    pub instrument: String,
    /// The price.
    pub mark: String,
}

/// A limit's other value for a while.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OverrideNote {
    /// When it was given.
    pub at: GateTime,
    /// Its name.
    pub name: String,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Which limit.
    pub limit: LimitName,
    /// Whose.
    pub scope: Scope,
    /// The component's, the instrument's or the user's name; absent for the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Its value, as the configuration would have it (`waived`: none).
    pub value: String,
    /// When it ends by itself.
    pub until: GateTime,
}

/// A limit's value as text: what the configuration would say.
pub(crate) fn limit_text(limit: Limit, scale: failstop_amount::Scale) -> String {
    match limit {
        Limit::Waived => "waived".to_owned(),
        Limit::Set(value) => i128::try_from(value)
            .map_or_else(|_| value.to_string(), |units| failstop_amount::Amount::from_units(units, scale).to_string()),
    }
}
