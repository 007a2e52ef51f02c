//! What a bot says to the gate: prices, orders before they are sent, what became of them, and questions to the limiter; and what it
//! is answered.
//!
//! Only the form is judged here. Whether a name is declared, and how many decimals a number may have, is the configuration's to say:
//! that is answered with every other reason of a refusal.

use super::answer::Mode;
use super::books::{Decimal, Side, decimal_fields, quantity};
use super::message::Time;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// See [`super::Message::Price`]. Either both sides of the book or the last trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Which source, as the configuration names it.
    pub source: String,
    /// Of which instrument.
    pub instrument: String,
    /// What is bid; goes with `ask`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_bid")]
    pub bid: Option<String>,
    /// What is asked; goes with `bid`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_ask")]
    pub ask: Option<String>,
    /// The last trade's price; absent where bid and ask are given.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_last")]
    pub last: Option<String>,
    /// When the source made it. One that goes back is not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

impl Price {
    /// Both sides of the book.
    pub fn bid_ask(source: &str, instrument: &str, bid: &str, ask: &str) -> Self {
        let (bid, ask) = (Some(bid.to_owned()), Some(ask.to_owned()));
        Self { source: source.to_owned(), instrument: instrument.to_owned(), bid, ask, last: None, time: None }
    }

    /// The last trade.
    pub fn last(source: &str, instrument: &str, last: &str) -> Self {
        let last = Some(last.to_owned());
        Self { source: source.to_owned(), instrument: instrument.to_owned(), bid: None, ask: None, last, time: None }
    }
}

/// See [`super::Message::ApiUsage`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiUsage {
    /// Which budget of the venue's.
    pub endpoint: String,
    /// How much of it is used.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
    /// When it begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Time>,
}

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// Opens or enlarges a position, or says nothing.
    Entry,
    /// Shrinks or closes one: refused where it would not.
    Exit,
    /// An entry that copies somebody else's trade.
    Copy,
}

/// See [`super::Message::Order`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The bot's own id of it, used once. Carry the epoch in it.
    pub client_id: String,
    /// Of which instrument.
    pub instrument: String,
    /// In which account.
    pub account: String,
    /// Which way.
    pub side: Side,
    /// How much, above zero.
    #[serde(deserialize_with = "quantity")]
    pub quantity: String,
    /// The limit price, above zero; absent: at the market.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_price")]
    pub price: Option<String>,
    /// The leverage, 1 or more; absent: that of the position, or 1 for spot.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_leverage")]
    pub leverage: Option<String>,
    /// Refused where it would not reduce the position.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reduce_only: bool,
    /// What it is for; absent: an entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<OrderKind>,
    /// On whose behalf, where the bot trades for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Refused in `dry` instead of filled on paper.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
}

impl Order {
    /// An order at the market.
    pub fn market(client_id: &str, account: &str, instrument: &str, side: Side, quantity: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            instrument: instrument.to_owned(),
            account: account.to_owned(),
            side,
            quantity: quantity.to_owned(),
            price: None,
            leverage: None,
            reduce_only: false,
            kind: None,
            user: None,
            live: false,
        }
    }

    /// The same with a limit price.
    #[must_use]
    pub fn at(self, price: &str) -> Self {
        Self { price: Some(price.to_owned()), ..self }
    }
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderOutcome {
    /// The venue has it.
    Accepted,
    /// Filled whole.
    Filled,
    /// Cancelled, perhaps after fills.
    Cancelled,
    /// The venue refused it.
    Rejected,
    /// Its time at the venue was up.
    Expired,
    /// It never left.
    NotSent,
    /// Nobody knows (a time-out): presumed alive.
    Unknown,
}

/// See [`super::Message::OrderResult`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderResult {
    /// The order, by the bot's own id of it.
    pub client_id: String,
    /// What became of it.
    pub outcome: OrderOutcome,
    /// The venue's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue_id: Option<String>,
    /// From sending it to the venue's answer, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl OrderResult {
    /// What became of an order, and nothing more.
    pub fn of(client_id: &str, outcome: OrderOutcome) -> Self {
        Self { client_id: client_id.to_owned(), outcome, venue_id: None, latency_us: None, reason: None }
    }
}

/// See [`super::Message::Rate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// What is to be used up: `messages` (also `telegram`), `copies`, `openings` or `trades`.
    pub bucket: String,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How much of it.
    #[serde(default = "one", deserialize_with = "cost")]
    pub cost: String,
}

/// Why the gate refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable; `docs/reference/refusals.md` lists them, and those of the client's own.
    pub code: String,
    /// What is wrong and what to do, for people.
    pub error: String,
}

/// How an order in `dry` was filled on paper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaperFill {
    /// How much.
    pub quantity: String,
    /// At which price.
    pub price: String,
}

/// The gate's decision over one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "an order may only be sent when the decision allows it"]
pub struct Decision {
    /// Whether it may go out, before `permit_deadline`: to the exchange where the mode is live, else on paper.
    pub allow: bool,
    /// The mode that it was decided in.
    pub mode: Mode,
    /// Every refusal.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// Until when the decision is good, in microseconds of `CLOCK_BOOTTIME`. `None` where it is refused.
    #[serde(default)]
    pub permit_deadline: Option<u64>,
    /// The record of the intent. `None` where it is refused.
    #[serde(default)]
    pub intent_seq: Option<u64>,
    /// The fencing epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// How it was filled on paper, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper_fill: Option<PaperFill>,
}

impl Decision {
    /// Whether it goes to the exchange.
    pub fn is_live(&self) -> bool {
        self.allow && self.mode == Mode::Live
    }

    /// Whether this is among the reasons.
    pub fn has(&self, code: &str) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }

    /// A refusal by whoever could not ask, or must not go by what was answered.
    pub fn refused(code: &str, error: impl Into<String>) -> Self {
        Self {
            allow: false,
            mode: Mode::Dry,
            reasons: vec![Reason { code: code.to_owned(), error: error.into() }],
            permit_deadline: None,
            intent_seq: None,
            epoch: None,
            paper_fill: None,
        }
    }
}

/// The limiter's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "what was refused may not be done"]
pub struct RateDecision {
    /// Whether it may be done.
    pub allow: bool,
    /// Every refusal.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// After how long it would be allowed, in milliseconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

fn one() -> String {
    "1".to_owned()
}

decimal_fields!(cost);

/// The same where it may be absent or `null`.
macro_rules! optional_decimals {
    ($($reader:ident of $field:literal)*) => {
        $(
            pub(super) fn $reader<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
                deserializer.deserialize_any(OptionalDecimal(Decimal($field)))
            }
        )*
    };
}

optional_decimals! {
    optional_bid of "bid"
    optional_ask of "ask"
    optional_last of "last"
    optional_price of "price"
    optional_entry of "entry"
    optional_leverage of "leverage"
}

/// A decimal in a text, or `null`.
struct OptionalDecimal(Decimal);

impl de::Visitor<'_> for OptionalDecimal {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        de::Visitor::expecting(&self.0, f)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.0.visit_str(text).map(Some)
    }
}
