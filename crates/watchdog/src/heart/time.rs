//! The heart's two clocks, as numbers that the caller passes in: `CLOCK_BOOTTIME` for every interval and deadline, wall time
//! for people, cron schedules and what must mean something after a reboot.

use serde::{Deserialize, Serialize};

/// Milliseconds on `CLOCK_BOOTTIME`, which counts suspend. After a reload of stored state it may be negative: earlier than
/// this boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boot(pub i64);

/// Milliseconds since 1970, UTC. Steps when people or time services step it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For intervals and deadlines.
    pub boot: Boot,
    /// For people and calendars.
    pub wall: Wall,
}

impl Boot {
    /// This instant and so many milliseconds.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms))
    }

    /// Milliseconds from `earlier` to this instant; 0 when `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> u64 {
        if self.0 <= earlier.0 { 0 } else { self.0.abs_diff(earlier.0) }
    }
}

impl Wall {
    /// This instant and so many milliseconds.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms))
    }

    /// Milliseconds from `earlier` to this instant; 0 when `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> u64 {
        if self.0 <= earlier.0 { 0 } else { self.0.abs_diff(earlier.0) }
    }

    /// As people read it: RFC 3339, UTC, whole seconds.
    pub fn text(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => format!("{at:.0}"),
            Err(_) => format!("{} ms since 1970", self.0),
        }
    }
}

/// A span as people read it: `450 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub fn span(ms: u64) -> String {
    let s = ms / 1000;
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    };
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s} s"),
        60..3600 => two(s / 60, "min", s % 60, "s"),
        3600..86_400 => two(s / 3600, "h", s % 3600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// What happened to the clocks between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// The machine slept, or this process was stopped, for so many milliseconds.
    Suspended(u64),
    /// Wall time was set forward by so many milliseconds.
    Forward(u64),
    /// Wall time was set back by so many milliseconds.
    Back(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (61_000, "1 min 1 s"),
            (120_000, "2 min"),
            (3_660_000, "1 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(ms), text);
        }
        assert_eq!(Wall(1_794_274_387_123).text(), "2026-11-10T01:33:07Z");
    }

    #[test]
    fn no_difference_is_negative() {
        assert_eq!(Boot(-5).since(Boot(7)), 0);
        assert_eq!(Boot(7).since(Boot(-5)), 12);
        assert_eq!(Boot(i64::MAX).plus(1), Boot(i64::MAX));
    }
}
