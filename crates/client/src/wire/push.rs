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
    /// Give memory back, or be halted and restarted.
    Reclaim {
        /// What was measured against which limit.
        reason: String,
    },
    /// Use less processor time, or be halted and restarted.
    ReduceLoad {
        /// What was measured against which limit.
        reason: String,
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
