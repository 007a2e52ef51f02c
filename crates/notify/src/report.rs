//! What the notifier says about itself: its alerts, its channels, its counters. For pages, metrics and commands.

use crate::key::Key;
use crate::notice::{Nature, Severity};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One incident as `alerts list` and `/api/alerts` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Its id.
    pub key: Key,
    /// The worst severity that it had.
    pub severity: Severity,
    /// What it is about.
    pub nature: Nature,
    /// The system that it is about.
    pub system: String,
    /// The cause.
    pub cause: String,
    /// The component, if it is about one.
    pub component: Option<String>,
    /// `production`, `staging` or a name.
    pub environment: String,
    /// A rehearsal.
    pub drill: bool,
    /// One line.
    pub title: String,
    /// What happened.
    pub message: String,
    /// Why, as far as it is known.
    pub root_cause: Option<String>,
    /// What to do.
    pub recommended_action: Option<String>,
    /// Where it is written down what to do.
    pub runbook: Option<String>,
    /// Facts.
    pub metadata: Vec<(String, String)>,
    /// Follows the incident across log, journal and alert.
    pub trace_id: Option<String>,
    /// When it was reported first, wall time.
    pub opened_at: Timestamp,
    /// When it was resolved; absent while it is open.
    pub resolved_at: Option<Timestamp>,
    /// By whom and when it was acknowledged.
    pub acknowledged: Option<Acknowledgement>,
    /// Kept from people by a maintenance window that was open when it began.
    pub held_back: bool,
    /// Channels that accepted a message about it, by name.
    pub delivered_to: Vec<String>,
    /// Channels for which a message about it waits, by name.
    pub waiting_for: Vec<String>,
}

/// Who took an incident on, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When, wall time.
    pub at: Timestamp,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reported {
    /// A new incident; its first notice is on its way.
    Opened,
    /// A new incident, recorded and held back by the maintenance window.
    HeldBack,
    /// A new incident, recorded; the configuration sends it nowhere.
    Unrouted,
    /// A message about an incident known already is on its way.
    Sent,
    /// The same was said a short while ago: nothing is sent.
    Duplicate,
    /// The severity's cooldown has not passed: nothing is sent now, the next reminder carries it.
    Cooling,
    /// The incident is over; whoever was told of it is told so.
    Resolved,
    /// Nothing under this key is open: nothing to resolve.
    Unknown,
    /// A trigger or an update of an incident that is over: the next one needs another number.
    Over,
    /// So many incidents are open that one of this severity is refused; see [`crate::OPEN_MAX`].
    Full,
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledged {
    /// Recorded; reminders and escalation end.
    Done,
    /// Somebody did it before.
    Already,
    /// Nothing under this key is open.
    Unknown,
}

/// Whether the service was seen to have it, beyond having taken the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The service took the message; it offers nothing to read back, or needs more rights for it.
    Accepted,
    /// It was read back from the service after it was sent.
    ReadBack,
}

/// What became of a test message to one destination of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// The channel.
    pub channel: String,
    /// The destination, where the channel has several.
    pub destination: Option<String>,
    /// How far it is proven, or what went wrong and what to do (no secret in it).
    pub outcome: Result<Proof, String>,
}

/// Everything about the notifier at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// One entry a destination of a channel, in the order of the configuration.
    pub channels: Vec<ChannelStatus>,
    /// Since the notifier started.
    pub counters: Counters,
    /// Incidents that are open.
    pub open: usize,
    /// Whether changes reach the disk before they are sent. `Some` says why they do not: alerts are sent all the same, and
    /// what was not sent when the process ends is lost.
    pub not_durable: Option<String>,
    /// Damage that was found in the outbox when it was opened, and what was done about it.
    pub damage: Option<String>,
}

/// One destination of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelStatus {
    /// The channel: `telegram`, `staging.email`.
    pub channel: String,
    /// The destination, where the channel has several: a mail address, a member of a cluster.
    pub destination: Option<String>,
    /// When it last accepted something, wall time.
    pub last_ok: Option<Timestamp>,
    /// What went wrong last; no secret in it.
    pub last_error: Option<String>,
    /// When.
    pub last_error_at: Option<Timestamp>,
    /// Failed attempts since the last success.
    pub failures_in_a_row: u64,
    /// Messages that wait for it.
    pub queued: usize,
    /// How long the oldest of them waits, milliseconds.
    pub oldest_queued_ms: Option<u64>,
    /// It asked not to be tried before then, for so many milliseconds more.
    pub paused_ms: Option<u64>,
}

/// A number for each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BySeverity {
    /// Of critical ones.
    pub critical: u64,
    /// Of warnings.
    pub warning: u64,
    /// Of those that are good to know.
    pub info: u64,
}

impl BySeverity {
    /// One more of this severity.
    pub(crate) fn count(&mut self, severity: Severity) {
        let number = match severity {
            Severity::Critical => &mut self.critical,
            Severity::Warning => &mut self.warning,
            Severity::Info => &mut self.info,
        };
        *number = number.saturating_add(1);
    }

    /// The number for `severity`.
    pub const fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }
}

/// Counters since the notifier started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Messages that a channel accepted.
    pub sent: BySeverity,
    /// Reports of which nothing was sent: duplicates, cooling, held back, switched off, refused.
    pub suppressed: BySeverity,
    /// Attempts that failed, whatever came of the next.
    pub failed_attempts: u64,
    /// Messages that a channel refused for good, or that waited too long.
    pub given_up: u64,
}
