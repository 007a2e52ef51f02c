//! What the engine says without being asked.

use super::answer::{Mode, Permission, append};
use serde::{Deserialize, Serialize};

/// A pushed line: `{"event":"permission",…}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Push {
    /// The permission, the mode or the halts changed. Of several unread ones only the latest is sent.
    Permission {
        /// What the system may do now.
        permission: Permission,
        /// The effective mode.
        mode: Mode,
        /// Every standing halt that caps this component.
        halts: Vec<HaltNote>,
    },
    /// The component is being stopped: cancel orders, save state, end.
    Stop {
        /// Why.
        reason: String,
        /// After this long it is killed, in milliseconds.
        grace_ms: u64,
    },
    /// Give back, or be halted and restarted: memory, open descriptors or processes.
    Reclaim {
        /// What was measured against which limit, in words.
        reason: String,
        /// `memory`, `files` or `processes`.
        #[serde(default)]
        resource: String,
        /// What was measured: bytes of memory, or a number.
        #[serde(default)]
        used: u64,
        /// The limit, in the same unit.
        #[serde(default)]
        limit: u64,
    },
    /// Use less processor time, or be halted and restarted.
    ReduceLoad {
        /// What was measured against which limit, in words.
        reason: String,
        /// What was measured, per cent of the processors that it may use.
        #[serde(default)]
        used_percent: u64,
        /// The limit, per cent of the same.
        #[serde(default)]
        limit_percent: u64,
    },
    /// Maintenance began, or ended where `until` is absent: the bot's users may be told.
    Maintenance {
        /// Why.
        #[serde(default)]
        reason: String,
        /// Until when, RFC 3339.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
    },
    /// Something that a later version says. Ignore it.
    #[serde(other)]
    Unknown,
}

impl Push {
    /// Appends it as one line, LF included.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        append(out, self);
        out.push(b'\n');
    }
}

/// A standing halt in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltNote {
    /// `h-31`.
    pub id: String,
    /// The cause's name, as in the reference.
    pub cause: String,
    /// The most that is allowed while it stands.
    pub cap: Permission,
    /// Whether it needs an operator.
    pub latched: bool,
}
