//! One incident and how far each lane has got with it.
//!
//! ```text
//!   (unknown) --trigger--> open --resolve--> over --every lane done--> forgotten but for its key
//!                           |  \--acknowledged: no reminders, no escalation
//!                           \--held back by maintenance: no lanes until it ends
//! ```

use super::lane::LaneId;
use super::time::At;
use crate::key::Key;
use crate::notice::{Notice, Severity};
use crate::report::Acknowledgement;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a message says about its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// It began.
    Trigger,
    /// Something about it changed.
    Update,
    /// It is still there and nobody has taken it on.
    Reminder,
    /// Nobody has taken it on in time: others are told.
    Escalation,
    /// Somebody took it on.
    Acknowledge,
    /// It is over.
    Resolve,
}

/// One message, for whichever lanes it waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) said: Said,
    pub(crate) notice: Arc<Notice>,
    /// Why it comes to this channel, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// A message that waits for one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) seq: u32,
    pub(crate) queued: At,
    /// How many messages it stands for.
    pub(crate) covers: u32,
    /// Attempts so far. A lower bound after a crash.
    pub(crate) tries: u32,
    /// Sent in its barest form, since the service refused the full one.
    pub(crate) plain: bool,
    /// Not before then. After a restart everything is tried at once.
    #[serde(skip)]
    pub(crate) not_before: At,
}

/// How far one lane has got with one incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The lane accepted a first message.
    pub(crate) told: bool,
    /// The lane accepted the last message.
    pub(crate) finished: bool,
    /// The lane refused the first message for good: nothing more is for it.
    pub(crate) dead: bool,
    /// What the service calls its message or thread.
    pub(crate) receipt: Option<String>,
    /// In order of their numbers.
    pub(crate) queue: VecDeque<Row>,
    #[serde(skip)]
    pub(crate) in_flight: bool,
    #[serde(skip)]
    pub(crate) refresh_at: Option<At>,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Incident {
    pub(crate) key: Key,
    pub(crate) opened: At,
    pub(crate) opened_at: Timestamp,
    /// What was reported last.
    pub(crate) latest: Arc<Notice>,
    /// What was said last to anybody.
    pub(crate) last_said: At,
    pub(crate) said_title: String,
    pub(crate) said_message: String,
    /// Every severity that it had.
    pub(crate) severities: BTreeSet<Severity>,
    pub(crate) resolved: Option<(At, Timestamp)>,
    pub(crate) acknowledged: Option<Acknowledgement>,
    pub(crate) held_back: bool,
    /// When it was first said to anybody.
    pub(crate) first_said: Option<At>,
    /// Steps of escalation that were taken.
    pub(crate) escalated: usize,
    pub(crate) reminders: u32,
    pub(crate) next_seq: u32,
    /// Those that still wait for a lane.
    pub(crate) entries: BTreeMap<u32, Entry>,
    pub(crate) lines: BTreeMap<LaneId, Line>,
}

impl Incident {
    pub(crate) fn new(key: Key, at: At, wall: Timestamp, notice: Arc<Notice>) -> Self {
        Self {
            key,
            opened: at,
            opened_at: wall,
            last_said: at,
            said_title: String::new(),
            said_message: String::new(),
            severities: BTreeSet::from([notice.severity]),
            latest: notice,
            resolved: None,
            acknowledged: None,
            held_back: false,
            first_said: None,
            escalated: 0,
            reminders: 0,
            next_seq: 1,
            entries: BTreeMap::new(),
            lines: BTreeMap::new(),
        }
    }

    /// The worst severity that it had.
    pub(crate) fn worst(&self) -> Severity {
        self.severities.last().copied().unwrap_or(self.latest.severity)
    }

    /// Whether no lane waits for anything about it.
    pub(crate) fn is_settled(&self) -> bool {
        self.lines.values().all(|line| line.queue.is_empty())
    }

    /// Forgets messages that wait for nobody.
    pub(crate) fn prune(&mut self) {
        let lines = &self.lines;
        self.entries.retain(|seq, _| lines.values().any(|line| line.queue.iter().any(|row| row.seq == *seq)));
    }
}
