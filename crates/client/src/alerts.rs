//! The answer of `failstop alerts list --format json` and `GET /api/alerts`. Fields are only ever added.

use serde::{Deserialize, Serialize};

/// Every open incident and the last that are over, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertList {
    /// The incidents.
    pub alerts: Vec<AlertEntry>,
    /// When this answer was made: RFC 3339, UTC.
    pub timestamp: String,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertEntry {
    /// Its id, as `failstop alerts ack` takes it: `demo/hung/bot/7-31`.
    pub id: String,
    /// `critical`, `warning` or `info`: the worst that it had.
    pub severity: String,
    /// The system that it is about.
    pub system: String,
    /// `production`, `staging` or a name.
    pub environment: String,
    /// A rehearsal.
    pub drill: bool,
    /// The cause's name, as in the reference.
    pub cause: String,
    /// The component that it is about.
    pub component: Option<String>,
    /// One line.
    pub title: String,
    /// What happened.
    pub message: String,
    /// Why, as far as it is known.
    pub root_cause: Option<String>,
    /// What to do.
    pub recommended_action: Option<String>,
    /// Where more is written about it.
    pub runbook: Option<String>,
    /// Facts, in the order in which they are shown.
    pub metadata: Vec<(String, String)>,
    /// Follows the incident across log, journal and alert.
    pub trace_id: Option<String>,
    /// When it was reported first: RFC 3339, UTC.
    pub opened_at: String,
    /// When it was over: RFC 3339, UTC; `null` while it is open.
    pub resolved_at: Option<String>,
    /// By whom and when it was acknowledged.
    pub acknowledged: Option<AlertAcknowledgement>,
    /// Kept from people by a maintenance window that was open when it began.
    pub held_back: bool,
    /// Channels that accepted a message about it.
    pub delivered_to: Vec<String>,
    /// Channels for which a message about it waits.
    pub waiting_for: Vec<String>,
}

/// Who took an incident on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertAcknowledgement {
    /// Who.
    pub by: String,
    /// When: RFC 3339, UTC.
    pub at: String,
}

/// What became of a test message, by channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTests {
    /// One entry a destination.
    pub tests: Vec<AlertTest>,
}

/// What became of a test message to one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTest {
    /// The channel.
    pub channel: String,
    /// The destination, where the channel has several.
    pub destination: Option<String>,
    /// `accepted`, `read-back` or `failed`.
    pub outcome: String,
    /// What went wrong and what to do; absent where it was accepted.
    pub error: Option<String>,
}
