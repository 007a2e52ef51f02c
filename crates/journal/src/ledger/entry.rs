//! Every record that the book takes, read from and written to the journal's `t` and `b`.

pub use super::order_records::{
    OrderIntent, OrderOutcome, OrderResolved, Outcome, Resolver, SnapshotRetired, SnapshotTaken,
};
pub use super::records::{
    Account, Asset, Capital, Fill, Instrument, Leg, Moved, Pool, Position, Posted, Refused, Side, StatedBalance,
    StatedPosition, Statement, Strategy, Transition,
};
use serde::Deserialize;

/// The longest name of an asset, account, pool, instrument, strategy, state or component, in bytes.
pub const NAME_MAX: usize = 64;

/// The longest outside id, in bytes.
pub const ID_MAX: usize = 128;

/// The most legs of one posting or fill.
pub const LEGS_MAX: usize = 64;

/// A record that the book takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `ledger.asset`
    Asset(Asset),
    /// `ledger.account`
    Account(Account),
    /// `ledger.pool`
    Pool(Pool),
    /// `ledger.instrument`
    Instrument(Instrument),
    /// `ledger.posted`
    Posted(Posted),
    /// `ledger.fill`
    Fill(Fill),
    /// `ledger.capital`
    Capital(Capital),
    /// `ledger.position`
    Position(Position),
    /// `ledger.statement`
    Statement(Statement),
    /// `ledger.violation`
    Refused(Refused),
    /// `strategy.declared`
    Strategy(Strategy),
    /// `strategy.state`
    Moved(Moved),
    /// `order.intent`
    OrderIntent(OrderIntent),
    /// `order.outcome`
    OrderOutcome(OrderOutcome),
    /// `order.resolved`
    OrderResolved(OrderResolved),
    /// `snapshot.taken`
    SnapshotTaken(SnapshotTaken),
    /// `snapshot.retired`
    SnapshotRetired(SnapshotRetired),
}

/// Every record type of [`Entry`].
pub const KINDS: [&str; 17] = [
    "ledger.asset",
    "ledger.account",
    "ledger.pool",
    "ledger.instrument",
    "ledger.posted",
    "ledger.fill",
    "ledger.capital",
    "ledger.position",
    "ledger.statement",
    "ledger.violation",
    "strategy.declared",
    "strategy.state",
    "order.intent",
    "order.outcome",
    "order.resolved",
    "snapshot.taken",
    "snapshot.retired",
];

/// A payload that is not what its record type says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload is no {kind}{}: {why}", field.as_ref().map(|field| format!(" (field {field:?})")).unwrap_or_default())]
pub struct Malformed {
    /// The record type.
    pub kind: String,
    /// The field at which reading stopped, where it can be told.
    pub field: Option<String>,
    /// What was wrong with it.
    pub why: String,
}

impl Entry {
    /// Reads a payload of a record type; `None` where the type is not one of [`KINDS`].
    ///
    /// # Errors
    ///
    /// [`Malformed`], naming the field.
    pub fn parse(kind: &str, payload: &str) -> Result<Option<Self>, Malformed> {
        let entry = match kind {
            "ledger.asset" => read(payload).map(Self::Asset),
            "ledger.account" => read(payload).map(Self::Account),
            "ledger.pool" => read(payload).map(Self::Pool),
            "ledger.instrument" => read(payload).map(Self::Instrument),
            "ledger.posted" => read(payload).map(Self::Posted),
            "ledger.fill" => read(payload).map(Self::Fill),
            "ledger.capital" => read(payload).map(Self::Capital),
            "ledger.position" => read(payload).map(Self::Position),
            "ledger.statement" => read(payload).map(Self::Statement),
            "ledger.violation" => read(payload).map(Self::Refused),
            "strategy.declared" => read(payload).map(Self::Strategy),
            "strategy.state" => read(payload).map(Self::Moved),
            "order.intent" => read(payload).map(Self::OrderIntent),
            "order.outcome" => read(payload).map(Self::OrderOutcome),
            "order.resolved" => read(payload).map(Self::OrderResolved),
            "snapshot.taken" => read(payload).map(Self::SnapshotTaken),
            "snapshot.retired" => read(payload).map(Self::SnapshotRetired),
            _ => return Ok(None),
        };
        match entry {
            Ok(entry) => Ok(Some(entry)),
            Err(error) => Err(malformed(kind, payload, &error)),
        }
    }

    /// Its record type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Asset(_) => "ledger.asset",
            Self::Account(_) => "ledger.account",
            Self::Pool(_) => "ledger.pool",
            Self::Instrument(_) => "ledger.instrument",
            Self::Posted(_) => "ledger.posted",
            Self::Fill(_) => "ledger.fill",
            Self::Capital(_) => "ledger.capital",
            Self::Position(_) => "ledger.position",
            Self::Statement(_) => "ledger.statement",
            Self::Refused(_) => "ledger.violation",
            Self::Strategy(_) => "strategy.declared",
            Self::Moved(_) => "strategy.state",
            Self::OrderIntent(_) => "order.intent",
            Self::OrderOutcome(_) => "order.outcome",
            Self::OrderResolved(_) => "order.resolved",
            Self::SnapshotTaken(_) => "snapshot.taken",
            Self::SnapshotRetired(_) => "snapshot.retired",
        }
    }

    /// Its payload, in the one form in which it is written.
    pub fn payload(&self) -> String {
        let text = match self {
            Self::Asset(entry) => serde_json::to_string(entry),
            Self::Account(entry) => serde_json::to_string(entry),
            Self::Pool(entry) => serde_json::to_string(entry),
            Self::Instrument(entry) => serde_json::to_string(entry),
            Self::Posted(entry) => serde_json::to_string(entry),
            Self::Fill(entry) => serde_json::to_string(entry),
            Self::Capital(entry) => serde_json::to_string(entry),
            Self::Position(entry) => serde_json::to_string(entry),
            Self::Statement(entry) => serde_json::to_string(entry),
            Self::Refused(entry) => serde_json::to_string(entry),
            Self::Strategy(entry) => serde_json::to_string(entry),
            Self::Moved(entry) => serde_json::to_string(entry),
            Self::OrderIntent(entry) => serde_json::to_string(entry),
            Self::OrderOutcome(entry) => serde_json::to_string(entry),
            Self::OrderResolved(entry) => serde_json::to_string(entry),
            Self::SnapshotTaken(entry) => serde_json::to_string(entry),
            Self::SnapshotRetired(entry) => serde_json::to_string(entry),
        };
        // Plain structs of texts and numbers: writing them into memory cannot fail.
        text.unwrap_or_default()
    }

    /// Its outside id, where it has one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Posted(Posted { id, .. })
            | Self::Fill(Fill { id, .. })
            | Self::Statement(Statement { id, .. })
            | Self::OrderIntent(OrderIntent { id, .. })
            | Self::OrderOutcome(OrderOutcome { id, .. })
            | Self::OrderResolved(OrderResolved { id, .. }) => Some(id),
            Self::Refused(Refused { id, .. }) => id.as_deref(),
            Self::Asset(_)
            | Self::Account(_)
            | Self::Pool(_)
            | Self::Instrument(_)
            | Self::Capital(_)
            | Self::Position(_)
            | Self::Strategy(_)
            | Self::Moved(_)
            | Self::SnapshotTaken(_)
            | Self::SnapshotRetired(_) => None,
        }
    }
}

fn read<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_str(payload)
}

pub(crate) fn malformed(kind: &str, payload: &str, error: &serde_json::Error) -> Malformed {
    let read = payload.get(..error.column().min(payload.len())).unwrap_or(payload);
    Malformed { kind: kind.to_owned(), field: last_key(read), why: error.to_string() }
}

/// The last key of an object in a text that is JSON up to its end.
fn last_key(text: &str) -> Option<String> {
    let (mut key, mut string) = (None, None);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let begin = at + 1;
                at = begin;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                string = text.get(begin..at.min(bytes.len()));
            }
            b':' => key = string.take(),
            _ => {}
        }
        at += 1;
    }
    key.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn an_error_names_the_field() {
        for (payload, field) in [
            (r#"{"id":"a","legs":[{"asset":"USDT","account":"x","pool":"p","amount":5}]}"#, "amount"),
            (r#"{"id":7,"legs":[]}"#, "id"),
            (r#"{"id":"a:b\",c","legs":{}}"#, "legs"),
            (r#"{"id":"a","legs":[],"extra":1}"#, "extra"),
        ] {
            let error = Entry::parse("ledger.posted", payload).unwrap_err();
            let shown = error.to_string();
            assert!(error.field.as_deref() == Some(field) || shown.contains(&format!("`{field}`")), "{shown}");
        }
        let missing = Entry::parse("ledger.posted", r#"{"id":"a"}"#).unwrap_err();
        assert!(missing.to_string().contains("`legs`"), "{missing}");
    }

    #[test]
    fn other_types_are_not_its_own_and_its_own_are_listed() {
        assert_eq!(Entry::parse("heartbeat", "{}"), Ok(None));
        for kind in KINDS {
            assert!(Entry::parse(kind, "[]").is_err(), "{kind}");
        }
    }
}
