//! What a bot may say, one type a message.

use super::books::{Capital, Fill, Position, Posting, SnapshotRequest, StrategyState};
use super::gate::{ApiUsage, Order, OrderResult, Price, Rate};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A message of a bot. On the wire: `{"type":"heartbeat",…}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Message {
    /// Who speaks. Optional, but then logs can name the client.
    Hello(Hello),
    /// A sign of life.
    Heartbeat(Heartbeat),
    /// Market data arrived.
    Tick(Tick),
    /// A figure for metrics and thresholds.
    Metric(Metric),
    /// The state of a part inside the bot.
    Part(Part),
    /// The state of its execution queue.
    Queue(Queue),
    /// Something went wrong.
    Error(Error),
    /// It asks to be held back. A bot may always tighten its own permission, never loosen it.
    Halt(Halt),
    /// A record for the journal, answered when it is durable.
    Event(Event),
    /// Capital changed. Judged by the rules of the ledger and answered when it is durable.
    Posting(Posting),
    /// An order was filled. As a posting.
    Fill(Fill),
    /// What it sees in an account, compared with the book. As a posting.
    Capital(Capital),
    /// What it holds its position to be, compared with the sum of its fills. As a posting.
    Position(Position),
    /// One of its strategies went to another state, which has to be a declared one. As a posting.
    #[serde(rename = "strategy_state")]
    StrategyState(StrategyState),
    /// It asks for a snapshot now; answered when that is on the disk and in the journal.
    #[serde(rename = "snapshot_request")]
    SnapshotRequest(SnapshotRequest),
    /// A source says a price, which orders are judged by.
    Price(Price),
    /// How much of the venue's own request budget is used.
    #[serde(rename = "api_usage")]
    ApiUsage(ApiUsage),
    /// It asks whether an order may be sent. Answered with a [`super::Decision`].
    Order(Order),
    /// What became of an order. As a posting.
    #[serde(rename = "order_result")]
    OrderResult(OrderResult),
    /// It asks the limiter about something that is no order. Answered with a [`super::RateDecision`].
    Rate(Rate),
    /// It asks what it may do now.
    #[serde(rename = "permission?")]
    Permission,
}

impl Message {
    /// The message's type as it stands on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Heartbeat(_) => "heartbeat",
            Self::Tick(_) => "tick",
            Self::Metric(_) => "metric",
            Self::Part(_) => "part",
            Self::Queue(_) => "queue",
            Self::Error(_) => "error",
            Self::Halt(_) => "halt",
            Self::Event(_) => "event",
            Self::Posting(_) => "posting",
            Self::Fill(_) => "fill",
            Self::Capital(_) => "capital",
            Self::Position(_) => "position",
            Self::StrategyState(_) => "strategy_state",
            Self::SnapshotRequest(_) => "snapshot_request",
            Self::Price(_) => "price",
            Self::ApiUsage(_) => "api_usage",
            Self::Order(_) => "order",
            Self::OrderResult(_) => "order_result",
            Self::Rate(_) => "rate",
            Self::Permission => "permission?",
        }
    }
}

/// A request's `id`, given back in its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// A whole number.
    Number(i64),
    /// A text of at most [`super::MAX_NAME`] bytes.
    Text(String),
}

/// See [`Message::Hello`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The client library's or the bot's name.
    #[serde(default)]
    pub client: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
}

/// See [`Message::Heartbeat`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// A counter that moves when the bot really does something. A bot that beats but does nothing is the commonest
    /// hidden failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u64>,
}

/// See [`Message::Tick`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The feed's name, such as `binance`.
    pub feed: String,
    /// Which instrument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<String>,
    /// When the venue made it. A time that goes back marks the tick as not fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// A time that a venue gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Time {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMs(i64),
    /// RFC 3339, such as `2026-11-07T00:05:00.123Z`.
    Text(String),
}

/// See [`Message::Metric`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name, such as `daily_pnl`.
    pub name: String,
    /// Its value: a JSON number, or a decimal in a string. Always finite.
    #[serde(deserialize_with = "finite")]
    pub value: f64,
    /// At most [`super::MAX_LABELS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// See [`Message::Part`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The part's name, such as `wallet_monitor`.
    pub name: String,
    /// How it is.
    pub status: PartStatus,
    /// Its health from 0 to 1, more exactly than the state, which stands for 1, 0.5 and 0. The worse of the two counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<f64>,
    /// More, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartStatus {
    /// Good: 1.
    Healthy,
    /// Impaired: 0.5.
    Degraded,
    /// Failed: 0.
    Critical,
}

/// See [`Message::Queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// What it does.
    pub state: QueueState,
    /// Entries waiting.
    #[serde(default)]
    pub depth: u64,
    /// The oldest entry's age, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<u64>,
}

/// What a queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueState {
    /// Nothing to do.
    Idle,
    /// Working.
    Processing,
    /// Stuck.
    Stalled,
}

/// See [`Message::Error`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// A short stable name, such as `api` or `exception`.
    pub kind: String,
    /// What happened, for people.
    #[serde(default)]
    pub message: String,
    /// In which part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// 1 to 5, absent 3. 5 is an unrecoverable exception and ends in fail-safe shutdown.
    #[serde(default = "default_severity")]
    pub severity: u8,
    /// Unrecoverable, whatever the severity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fatal: bool,
}

const fn default_severity() -> u8 {
    3
}

/// See [`Message::Halt`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The most that it wants to be allowed.
    pub cap: HaltCap,
    /// Why, for whoever resumes.
    pub reason: String,
}

/// How much a bot may hold itself back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HaltCap {
    /// Positions may only shrink.
    ReduceOnly,
    /// No orders.
    ObserveOnly,
    /// Stop everything.
    Shutdown,
}

/// See [`Message::Event`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The record's type in the journal; starts with `x.`.
    #[serde(rename = "name")]
    pub kind: String,
    /// What to record, at most [`super::MAX_EVENT_DATA`] bytes. Whole numbers, texts, lists and objects: amounts go as
    /// decimal strings, since the journal holds no numbers with a fraction.
    #[serde(default)]
    pub data: Map<String, Value>,
}

/// A JSON number or a decimal in a string, finite.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or a decimal number in a string")
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
            if value.is_finite() { Ok(value) } else { Err(E::invalid_value(de::Unexpected::Float(value), &self)) }
        }

        #[expect(clippy::cast_precision_loss, reason = "metrics are figures, not amounts")]
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        #[expect(clippy::cast_precision_loss, reason = "metrics are figures, not amounts")]
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
            match text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value),
                _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            }
        }
    }
    deserializer.deserialize_any(Visitor)
}
