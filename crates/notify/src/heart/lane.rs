//! A lane: one destination of one channel, served one message after another. A channel with several destinations (mail
//! addresses, members of a cluster) has a lane for each, so that one that fails holds none of the others up.

use super::time::At;
use crate::policy::Environments;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::key::Key;

/// Names a lane in the outbox: the channel's name, and after a colon its destination where it has several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct LaneId(pub(crate) String);

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of several messages about one incident that wait together and are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collapse {
    /// All become one, trigger and resolve too: for channels that people read.
    Whole,
    /// Trigger and resolve stay by themselves, and what was tried once is repeated as it was: for services that keep
    /// incidents of their own or tell repetitions by their id.
    Middle,
}

/// Which messages beyond the first and the last a lane wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) update: bool,
    pub(crate) reminder: bool,
    pub(crate) acknowledge: bool,
}

/// What the heart must know of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) id: LaneId,
    /// The channel's name, as routes know it.
    pub(crate) channel: String,
    pub(crate) destination: Option<String>,
    pub(crate) environments: Environments,
    pub(crate) collapse: Collapse,
    pub(crate) wants: Wants,
    /// The least time between two attempts.
    pub(crate) spacing: Duration,
    /// How often what is open must be posted again, if the service forgets.
    pub(crate) refresh: Option<Duration>,
}

/// How a lane fares. Not kept on disk, except for where it moved to and when it worked last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    /// Incidents with a message for it.
    pub(crate) pending: BTreeSet<Key>,
    pub(crate) in_flight: usize,
    pub(crate) last_start: Option<At>,
    /// Attempts begun; every other one is for what waits longest, so that news never starves the rest.
    pub(crate) begun: u64,
    /// The service asked for silence until then.
    pub(crate) paused_until: Option<At>,
    pub(crate) failures: u64,
    /// Since when it has failed without a success.
    pub(crate) failing_since: Option<At>,
    pub(crate) last_ok: Option<Timestamp>,
    pub(crate) last_error: Option<(Timestamp, String)>,
}
