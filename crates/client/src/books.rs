//! What is shown of the books: open orders and those in doubt, snapshots, what an import found. Fields are only ever added.

use serde::{Deserialize, Serialize};

/// The answer of `GET /api/orders` and `failstop orders list --format json`: orders whose intent is in the journal and whose end is
/// not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderList {
    /// By id.
    pub orders: Vec<OrderEntry>,
    /// How many of them are in doubt: `resume` is refused until there are none.
    pub in_doubt: u64,
    /// When this list was made: RFC 3339, UTC.
    pub timestamp: String,
}

/// An open order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEntry {
    /// The bot's own id of it.
    pub id: String,
    /// Why nobody knows what became of it: `engine-gone`, `component-gone`, `unknown` or `overdue`; `null` where it is open and
    /// known.
    pub doubt: Option<String>,
    /// Whose bot placed it.
    pub component: Option<String>,
    /// In which account.
    pub account: Option<String>,
    /// Of which instrument.
    pub instrument: Option<String>,
    /// `buy` or `sell`.
    pub side: Option<String>,
    /// How much, a decimal.
    pub quantity: Option<String>,
    /// At which price, a decimal.
    pub price: Option<String>,
    /// What is known of it: `accepted`, `unknown`, or nothing yet.
    pub outcome: Option<String>,
    /// The venue's id of it.
    pub venue_id: Option<String>,
    /// The record of its intent.
    pub seq: u64,
    /// The epoch of that record.
    pub epoch: u64,
    /// The time of that record: RFC 3339, UTC.
    pub since: String,
}

/// A snapshot that is on the disk and in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEntry {
    /// The record that it was taken at.
    pub seq: u64,
    /// The SHA-256 of the whole file, 64 hex digits.
    pub sha256: String,
    /// Its name within the folder of snapshots.
    pub file: String,
    /// The day that it closes; `null` for one on demand.
    pub day: Option<String>,
    /// The record that names it.
    pub recorded: u64,
    /// When that was recorded: RFC 3339, UTC.
    pub taken: String,
}

/// What an import found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The record that says so.
    pub seq: u64,
    /// It was imported before, the same: nothing was recorded now.
    #[serde(default)]
    pub already: bool,
    /// What was corrected in the book before it agreed, each difference in words. Empty where nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrected: Vec<String>,
}
