//! The driver's clocks: the one clock of the outbox, which counts suspend and never goes back, and wall time for people.

use crate::heart::{At, Now};
use nix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME` set on to where the outbox's clock stopped.
pub(crate) struct Clock {
    start: At,
    boot_ms: u64,
}

impl Clock {
    /// Goes on from `start` now.
    pub(crate) fn from(start: At) -> Self {
        Self { start, boot_ms: boot_ms() }
    }

    pub(crate) fn now(&self) -> Now {
        let passed = boot_ms().saturating_sub(self.boot_ms);
        Now { at: At(self.start.0.saturating_add(passed)), wall: wall() }
    }
}

/// Wall time to the millisecond.
pub(crate) fn wall() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A clock that cannot be read stands still: nothing is sent twice, and what is due waits for an event.
fn boot_ms() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
    })
}
