//! What the outbox remembers: facts, in order, from which the whole state follows. A file of them is read by later versions
//! too, so a fact is only ever added, and fields of one are only ever added with a default.

use super::incident::{Incident, Said};
use super::lane::LaneId;
use super::time::At;
use crate::key::Key;
use crate::notice::Notice;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One fact and when it became one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) at: At,
    pub(crate) wall: Timestamp,
    pub(crate) fact: Fact,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fact {
    /// An incident changed, and these lanes must hear of it: state and rows in one.
    Said {
        key: Key,
        seq: u32,
        said: Said,
        notice: Arc<Notice>,
        lanes: Vec<LaneId>,
        #[serde(default)]
        held_back: bool,
    },
    /// Something about an open incident changed of which nobody is told now.
    Noted { key: Key, notice: Arc<Notice> },
    /// Somebody took it on; these lanes must hear of it.
    Acknowledged { key: Key, seq: u32, by: String, lanes: Vec<LaneId> },
    /// A message goes to one more lane, which must know why.
    Rerouted { key: Key, seq: u32, lane: LaneId, note: String },
    /// Waiting messages of a lane from one number through another became one.
    Merged { key: Key, lane: LaneId, from: u32, through: u32 },
    /// An attempt failed and another will follow.
    Tried { key: Key, lane: LaneId, seq: u32, plain: bool },
    /// A lane accepted everything through this number.
    Delivered { key: Key, lane: LaneId, through: u32, receipt: Option<String> },
    /// A lane will never take this message.
    GivenUp { key: Key, lane: LaneId, seq: u32, reason: String },
    /// A service said that a destination has another name now.
    Moved { lane: LaneId, from: String, to: String },
    /// A lane took something at that time: a test, or what compaction knows of its last delivery.
    Worked { lane: LaneId, at: Timestamp },
    /// Somebody else tells of it from now on.
    HandedOver { key: Key },
    /// The whole state of one incident; compaction writes it.
    Incident(Box<Incident>),
    /// Keys of incidents that are over, the oldest first; compaction writes it.
    Over { keys: Vec<Key> },
}

impl Fact {
    /// Whether nothing may happen before it is on disk. The rest may be lost: it only saves work.
    pub(crate) fn is_hard(&self) -> bool {
        match self {
            Self::Said { .. }
            | Self::Acknowledged { .. }
            | Self::Rerouted { .. }
            | Self::Merged { .. }
            | Self::Delivered { .. }
            | Self::GivenUp { .. }
            | Self::Moved { .. }
            | Self::HandedOver { .. }
            | Self::Incident(_)
            | Self::Over { .. } => true,
            Self::Noted { .. } | Self::Tried { .. } | Self::Worked { .. } => false,
        }
    }
}
