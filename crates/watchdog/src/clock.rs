//! The clocks, read: `CLOCK_BOOTTIME` to decide by, wall time for people and calendars, `CLOCK_MONOTONIC` only to tell a
//! suspend from time passing. The only place in this program that reads a clock for a decision.

use crate::heart::stored::Clock;
use crate::heart::time::{Boot, Jump, Now, Wall};
use nix::time::{ClockId, clock_gettime};

/// The least difference of `CLOCK_BOOTTIME` and `CLOCK_MONOTONIC` that is a suspend, milliseconds.
const SUSPEND_MS: i64 = 500;

/// The least unexplained change of wall time that is a step, milliseconds.
const STEP_MS: i64 = 1_000;

/// The three clocks, read as nearly at once as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    boot: i64,
    monotonic: i64,
    wall: i64,
}

impl Reading {
    /// Reads the clocks. A process that is preempted between two reads would see a jump where there is none, so the tightest
    /// of a few tries counts.
    pub fn take() -> Self {
        let mut best: Option<(i64, Self)> = None;
        for _ in 0..5 {
            let boot = millis(ClockId::CLOCK_BOOTTIME);
            let reading =
                Self { boot, monotonic: millis(ClockId::CLOCK_MONOTONIC), wall: millis(ClockId::CLOCK_REALTIME) };
            let width = millis(ClockId::CLOCK_BOOTTIME) - boot;
            if best.is_none_or(|(narrowest, _)| width < narrowest) {
                best = Some((width, reading));
            }
            if width <= 1 {
                break;
            }
        }
        best.map_or(Self { boot: 0, monotonic: 0, wall: 0 }, |(_, reading)| reading)
    }

    /// As the heart takes it.
    pub fn now(self) -> Now {
        Now { boot: Boot(self.boot), wall: Wall(self.wall) }
    }

    /// What happened to the clocks since an earlier reading. `stalled_ms`: no reading was taken for longer than this although
    /// one was due: the process stood still (SIGSTOP, a starved host), which is a suspend for whatever was under way.
    pub fn jump_since(self, earlier: Self, stalled_ms: i64) -> Option<Jump> {
        let boot = self.boot - earlier.boot;
        let slept = boot - (self.monotonic - earlier.monotonic);
        if slept >= SUSPEND_MS {
            return Some(Jump::Suspended(slept.unsigned_abs()));
        }
        let step = (self.wall - earlier.wall) - boot;
        if step >= STEP_MS {
            return Some(Jump::Forward(step.unsigned_abs()));
        }
        if step <= -STEP_MS {
            return Some(Jump::Back(step.unsigned_abs()));
        }
        (boot >= stalled_ms).then(|| Jump::Suspended(boot.unsigned_abs()))
    }
}

fn millis(clock: ClockId) -> i64 {
    // A clock that cannot be read does not exist on Linux; 0 would be seen as a jump and freeze the counters.
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1000 + time.tv_nsec() / 1_000_000)
}

/// Both clocks now.
pub fn now() -> Now {
    Reading::take().now()
}

/// Wall time now, Unix milliseconds: what requests are signed with.
pub fn wall_ms() -> u64 {
    u64::try_from(millis(ClockId::CLOCK_REALTIME)).unwrap_or(0)
}

/// This instant, for what is stored.
pub fn mark(now: Now, boot_id: &str) -> Clock {
    Clock { boot_id: boot_id.to_owned(), boot: now.boot, wall: now.wall }
}

/// This boot's id; empty where it cannot be read, which is taken for another boot each time.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_told_from_time_passing() {
        let at = |boot, monotonic, wall| Reading { boot, monotonic, wall };
        let start = at(1000, 1000, 50_000);
        for (later, jump) in [
            (at(6000, 6000, 55_000), None),
            (at(6000, 6000, 55_900), None),
            (at(3_606_000, 6000, 3_655_000), Some(Jump::Suspended(3_600_000))),
            (at(6000, 6000, 3_655_000), Some(Jump::Forward(3_600_000))),
            (at(6000, 6000, -3_545_000), Some(Jump::Back(3_600_000))),
            (at(61_000, 61_000, 110_000), Some(Jump::Suspended(60_000))),
        ] {
            assert_eq!(later.jump_since(start, 30_000), jump, "{later:?}");
        }
    }

    #[test]
    fn the_clocks_can_be_read() {
        let reading = Reading::take();
        assert!(reading.boot > 0 && reading.wall > 1_700_000_000_000);
        assert_eq!(Reading::take().jump_since(reading, 30_000), None);
        assert!(!boot_id().is_empty());
    }
}
