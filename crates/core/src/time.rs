//! The core's only notion of time: nanoseconds of `CLOCK_BOOTTIME`, passed in by the host.
//!
//! The clock counts suspend, so a lease that ran out while the machine slept has run out.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// An instant: nanoseconds since boot, suspend included. Never wall time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The instant `nanos` nanoseconds after boot.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since boot, rounded down: what a permit word holds. Rounding down shortens a lease, never
    /// lengthens it.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// This instant plus `span`, saturating at the end of time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// This instant less `span`, at the earliest the boot.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
