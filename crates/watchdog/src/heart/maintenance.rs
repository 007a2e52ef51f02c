//! Maintenance: somebody said that a target will be away. It has an owner, a reason and an end.

use super::reading::AnnouncedKind;
use super::time::{Boot, Wall};
use serde::{Deserialize, Serialize};

/// The longest maintenance, milliseconds: a week. A silence that somebody forgot must end by itself.
pub const MAINTENANCE_MAX_MS: u64 = 7 * 86_400_000;

/// An announced restart or stop without an end is taken to last so long, milliseconds.
pub const ANNOUNCED_MS: u64 = 5 * 60_000;

/// An engine's window whose end moved by less than this is the same one: its end is reckoned anew from each answer, milliseconds.
pub const WINDOW_MOVED_MS: u64 = 10_000;

/// Why a target is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An operator silenced it.
    Silenced,
    /// It announced a restart.
    Restart,
    /// It announced that it stops.
    Stop,
    /// Its engine has a maintenance window.
    Window,
}

impl From<AnnouncedKind> for Kind {
    fn from(kind: AnnouncedKind) -> Self {
        match kind {
            AnnouncedKind::Restart => Self::Restart,
            AnnouncedKind::Stop => Self::Stop,
        }
    }
}

/// One maintenance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Why.
    pub kind: Kind,
    /// Who said so.
    pub owner: String,
    /// In their words.
    pub reason: String,
    /// Its end.
    pub until: Boot,
    /// Its end, for people.
    pub until_wall: Wall,
    /// Whether the target was down when it began.
    pub was_down: bool,
}
