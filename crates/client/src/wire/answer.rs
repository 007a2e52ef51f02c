//! What the engine answers to a message.

use super::gate::{Decision, RateDecision};
use super::message::Id;
use serde::{Deserialize, Serialize};

/// What the system may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Nothing runs that could place an order.
    Shutdown,
    /// Look, but do not trade.
    ObserveOnly,
    /// Positions may only shrink.
    ReduceOnly,
    /// Trade.
    Active,
}

/// Whether orders reach the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Paper only.
    Dry,
    /// To the exchange, when the permission allows too.
    Live,
}

/// Why a line was refused. Stable names: bots may branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The line is not UTF-8.
    BadUtf8,
    /// The line is not one JSON object.
    BadJson,
    /// `type` is missing or unknown.
    UnknownType,
    /// A field is missing, of the wrong type or out of range.
    BadField,
    /// The line is longer than [`super::MAX_LINE`].
    LineTooLong,
    /// No further connection is taken.
    TooManyConnections,
    /// The sender is no process of a component of this system.
    NotAComponent,
    /// It could not be made durable.
    NotDurable,
    /// It would break a rule of the ledger or of a strategy's states, and so was not booked. Trading is halted.
    Violation,
    /// The configuration has nothing of the kind: no `[[asset]]`, no such `[[strategy]]`.
    NotConfigured,
    /// It cannot be done now, and may be asked again.
    NotNow,
    /// The engine is stopping.
    Stopping,
    /// The engine dropped it unanswered.
    Unanswered,
    /// A code of a later version.
    #[serde(other)]
    Other,
}

impl Code {
    /// Its name on the wire.
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(_) | Err(_) => "OTHER".to_owned(),
        }
    }
}

/// An answer's content, without the `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Taken.
    Done,
    /// To `hello`.
    Hello(Box<HelloAnswer>),
    /// To `event`: durable in the journal with this sequence number.
    Recorded {
        /// The record's number.
        seq: u64,
    },
    /// To `posting`, `fill`, `capital`, `position`, `strategy_state`, `snapshot_request` and `order_result`.
    Booked(Booked),
    /// To `order`.
    Decision(Box<Decision>),
    /// To `rate`.
    Rate(RateDecision),
    /// To `permission?`.
    Permission(PermissionAnswer),
    /// Refused.
    Refused {
        /// Which kind of refusal.
        code: Code,
        /// What is wrong and what to do, for people.
        error: String,
    },
}

/// The answer to `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloAnswer {
    /// The system's name.
    pub system: String,
    /// Which component the engine takes the sender for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Its slot on the permit page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u8>,
    /// The fencing epoch.
    pub epoch: u64,
    /// What the system may do now.
    pub permission: Permission,
    /// The effective mode.
    pub mode: Mode,
    /// The engine's version.
    pub version: String,
}

/// The answer to what goes into the books: durable in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// The record's sequence number; of a snapshot, that of its `snapshot.taken`.
    pub seq: u64,
    /// It was booked before, with the same `ref` and the same content: nothing was booked now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
}

/// The answer to `permission?`. To place an order, check the permit instead: this answer ages from the moment it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionAnswer {
    /// What the system may do now.
    pub permission: Permission,
    /// The effective mode.
    pub mode: Mode,
    /// What the sender's own slot may do now.
    pub rights: RightsView,
    /// The fencing epoch.
    pub epoch: u64,
    /// Until when, in microseconds of `CLOCK_BOOTTIME`; `null` where nothing was published.
    pub permit_deadline: Option<u64>,
}

/// Rights in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsView {
    /// May open or enlarge positions.
    pub open: bool,
    /// May shrink positions.
    pub reduce: bool,
    /// Orders go to the exchange; otherwise to paper.
    pub live: bool,
}

/// An answer as a client reads it: the part that all have. The rest is read as what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// The request's id. Absent: about a line that had none, or that could not be read that far.
    #[serde(default)]
    pub id: Option<Id>,
    /// Whether it was done.
    pub ok: bool,
    /// Why not.
    #[serde(default)]
    pub code: Option<Code>,
    /// Why not, for people.
    #[serde(default)]
    pub error: Option<String>,
    /// To what is recorded.
    #[serde(default)]
    pub seq: Option<u64>,
}

#[derive(Serialize)]
struct Line<'a, B> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    ok: bool,
    #[serde(flatten)]
    body: B,
}

#[derive(Serialize)]
struct Refusal<'a> {
    code: Code,
    error: &'a str,
}

impl Reply {
    /// Appends the answer as one line, LF included.
    pub fn write_line(&self, id: Option<&Id>, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Nothing {}
        #[derive(Serialize)]
        struct Recorded {
            seq: u64,
        }
        match self {
            // The answer to most lines by far: spare it the detour.
            Self::Done => match id {
                Some(Id::Number(number)) => {
                    use std::io::Write as _;
                    let _ = write!(out, "{{\"id\":{number},\"ok\":true}}");
                }
                _ => append(out, &Line { id, ok: true, body: Nothing {} }),
            },
            Self::Hello(body) => append(out, &Line { id, ok: true, body }),
            Self::Recorded { seq } => append(out, &Line { id, ok: true, body: Recorded { seq: *seq } }),
            Self::Booked(body) => append(out, &Line { id, ok: true, body }),
            Self::Decision(body) => append(out, &Line { id, ok: true, body }),
            Self::Rate(body) => append(out, &Line { id, ok: true, body }),
            Self::Permission(body) => append(out, &Line { id, ok: true, body }),
            Self::Refused { code, error } => append(out, &Line { id, ok: false, body: Refusal { code: *code, error } }),
        }
        out.push(b'\n');
    }
}

/// Appends `value` as JSON. Nothing here can fail to serialise: no maps with other keys than text, no foreign types, and
/// a `Vec` takes every write. Should it ever, the line stays empty and the reader skips it.
pub(super) fn append(out: &mut Vec<u8>, value: &impl Serialize) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(before);
    }
}
