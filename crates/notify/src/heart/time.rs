//! The heart's time: milliseconds that only grow, over restarts too, so that deadlines on disk mean the same to the next
//! process. Wall time travels beside it and is only shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A moment on the outbox's own clock, milliseconds since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct At(pub(crate) u64);

impl At {
    /// So much later.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` is; nothing, if it is not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// For decisions.
    pub(crate) at: At,
    /// For people.
    pub(crate) wall: Timestamp,
}
