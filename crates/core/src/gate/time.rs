//! The gate's time. Rates, windows and overrides outlive a reboot, so the gate counts microseconds since 1970, anchored once at
//! the start and from then on moved by the monotonic clock alone. It never goes back: not by a step of the wall clock, not over a
//! restart.

use crate::time::Monotonic;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A moment of the gate: microseconds since 1970-01-01T00:00:00Z. Below 2^53 for the next two centuries, so that every reader of
/// the journal takes it whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateTime(u64);

impl GateTime {
    /// The moment so many microseconds after 1970 began.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 began.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This moment plus `span`, at the latest the end of time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This moment less `span`, at the earliest when 1970 began.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Whole microseconds, at most all that there are.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Turns the host's monotonic time into the gate's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GateClock {
    /// The gate's time and the monotonic clock at the start, both in microseconds.
    anchor: Option<(u64, u64)>,
    latest: GateTime,
}

impl GateClock {
    /// Anchors it. Where the journal knows a later moment than the wall clock, time goes on from there: nothing becomes free before
    /// its time has really passed, and what comes from now on grows old as it should.
    pub fn start(&mut self, now: Monotonic, wall: GateTime) {
        self.see(wall);
        self.anchor = Some((self.latest.0, now.as_micros()));
    }

    /// The journal knows this moment.
    pub fn see(&mut self, at: GateTime) {
        self.latest = self.latest.max(at);
    }

    /// The moment; `None` before the start.
    pub fn at(&mut self, now: Monotonic) -> Option<GateTime> {
        let at = self.peek(now)?;
        self.latest = at;
        Some(at)
    }

    /// The same, leaving nothing behind.
    pub fn peek(&self, now: Monotonic) -> Option<GateTime> {
        let (begin, anchored) = self.anchor?;
        let at = GateTime(begin.saturating_add(now.as_micros().saturating_sub(anchored)));
        Some(at.max(self.latest))
    }

    /// The same for whoever only looks: before the start the latest moment that was seen.
    pub fn look(&self, now: Monotonic) -> GateTime {
        self.peek(now).unwrap_or(self.latest)
    }
}

const DAY: u64 = 86_400_000_000;

/// A trading day, counted from 1970-01-01. It begins at a configured time of the day and only ever rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TradingDay(pub u32);

impl TradingDay {
    /// The trading day at `at`, where days begin `starts_at` after midnight UTC (below 24 hours; more counts as its remainder).
    pub fn at(at: GateTime, starts_at: Duration) -> Self {
        let shifted = at.0.saturating_sub(micros(starts_at) % DAY);
        Self(u32::try_from(shifted / DAY).unwrap_or(u32::MAX))
    }

    /// When the day after it begins.
    pub fn ends(self, starts_at: Duration) -> GateTime {
        GateTime((u64::from(self.0) + 1).saturating_mul(DAY).saturating_add(micros(starts_at) % DAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_day_begins_when_it_is_configured_to() {
        for offset in [Duration::ZERO, 22 * HOUR] {
            let begin = GateTime(20_000 * DAY).plus(offset);
            assert_eq!(TradingDay::at(GateTime(begin.0 - 1), offset), TradingDay(19_999));
            assert_eq!(TradingDay::at(begin, offset), TradingDay(20_000));
            assert_eq!(TradingDay(19_999).ends(offset), begin);
        }
    }

    #[test]
    fn time_never_goes_back() {
        let mut clock = GateClock::default();
        assert_eq!(clock.at(Monotonic::from_nanos(1)), None);
        clock.see(GateTime(5_000));
        clock.start(Monotonic::from_nanos(2_000_000), GateTime(4_000));
        // The wall clock is behind what the journal knows: time goes on from there.
        assert_eq!(clock.at(Monotonic::from_nanos(2_000_000)), Some(GateTime(5_000)));
        assert_eq!(clock.at(Monotonic::from_nanos(2_500_000)), Some(GateTime(5_500)));
        assert_eq!(clock.at(Monotonic::from_nanos(3_001_000)), Some(GateTime(6_001)));
        assert_eq!(clock.at(Monotonic::from_nanos(1_000_000)), Some(GateTime(6_001)));
    }
}
