//! What stands in the `b` of the records of orders and of snapshots. The serde form is the journal's.

use super::records::Side;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `order.intent`: an order is about to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderIntent {
    /// The bot's own id of it; used once.
    pub id: String,
    /// Whose bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// In which account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Of which instrument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<String>,
    /// Which way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// How much, above zero; needs the instrument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// At which price; needs the instrument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// The open order that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Milliseconds after which an order without an outcome is in doubt; absent: it is when its component or the engine is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_ms: Option<u64>,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The venue has it, and it may still be filled.
    Accepted,
    /// Filled whole. Over.
    Filled,
    /// Cancelled, perhaps after fills. Over.
    Cancelled,
    /// The venue refused it. Over.
    Rejected,
    /// Its time at the venue was up. Over.
    Expired,
    /// It never left. Over.
    NotSent,
    /// Nobody knows: presumed alive, and in doubt.
    Unknown,
}

impl Outcome {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::NotSent => "not-sent",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing more can become of the order.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Filled | Self::Cancelled | Self::Rejected | Self::Expired | Self::NotSent => true,
            Self::Accepted | Self::Unknown => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// `order.outcome`: what a bot says became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderOutcome {
    /// The order.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The venue's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue_id: Option<String>,
    /// Whose bot said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Why, where it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who resolved a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolver {
    /// The bot, which asked the venue.
    Bot,
    /// An imported statement of orders.
    Import,
    /// An operator.
    Operator,
}

/// `order.resolved`: somebody found out what became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderResolved {
    /// The order.
    pub id: String,
    /// What became of it; not `unknown`.
    pub outcome: Outcome,
    /// In which way it was found out.
    pub by: Resolver,
    /// Who: a component, a file, an operator.
    pub who: String,
    /// Why that is believed.
    pub reason: String,
}

/// `snapshot.taken`: a snapshot is on the disk, durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotTaken {
    /// The record that it was taken at.
    pub seq: u64,
    /// The SHA-256 of the whole file.
    pub sha256: crate::Head,
    /// Its name within the folder of snapshots.
    pub file: String,
    /// The day that it closes; absent for one on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
}

/// `snapshot.retired`: snapshots up to this one may be gone from here on. Recorded before any is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRetired {
    /// The youngest of them, by the record that it was taken at.
    pub upto: u64,
}
