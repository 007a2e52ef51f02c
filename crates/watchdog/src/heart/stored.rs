//! What the heart remembers over a restart, and how times of another boot are read on this one's clock.

use super::checkin::CheckIn;
use super::notice::Incidents;
use super::target::Remembered;
use super::time::{Boot, Now, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the stored form. A higher one is refused: an older program must not misread it.
pub const VERSION: u32 = 1;

/// Both clocks at one instant, and the boot to which they belong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The boot's id.
    pub boot_id: String,
    /// `CLOCK_BOOTTIME`, milliseconds.
    pub boot: Boot,
    /// Wall time, Unix milliseconds.
    pub wall: Wall,
}

/// Everything that outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// [`VERSION`].
    pub version: u32,
    /// When it was written.
    pub saved: Clock,
    /// Whether this watchdog acted.
    pub acting: bool,
    /// Incidents and their numbers.
    pub incidents: Incidents,
    /// Targets by name.
    pub targets: BTreeMap<String, Remembered>,
    /// Check-ins by name.
    pub checkins: BTreeMap<String, CheckIn>,
    /// The incident about the peer.
    #[serde(default)]
    pub peer_incident: Option<String>,
}

/// The last life, on this boot's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Was {
    /// When it was surely alive last.
    pub alive: Now,
}

impl Stored {
    /// Reads every time on this boot's clock. `alive` is the last sign of life of the life before, by its own clocks; `now` and
    /// `boot_id` are this one's.
    ///
    /// After a reboot the time between is taken from wall time; where that went back, as none.
    pub fn on_this_boot(mut self, alive: Option<&Clock>, boot_id: &str, now: Now) -> (Self, Option<Was>) {
        if self.version == 0 {
            return (self, None);
        }
        let last = match alive {
            Some(alive)
                if alive.wall > self.saved.wall
                    || alive.boot_id == self.saved.boot_id && alive.boot > self.saved.boot =>
            {
                alive.clone()
            }
            Some(_) | None => self.saved.clone(),
        };
        // Times in here are on the clock of the boot in which it was saved.
        let shift = if self.saved.boot_id == boot_id {
            0
        } else {
            let then_on_this_clock = now.boot.0.saturating_sub_unsigned(now.wall.since(self.saved.wall));
            then_on_this_clock.saturating_sub(self.saved.boot.0)
        };
        self.targets.values_mut().for_each(|target| target.shift(shift));
        self.checkins.values_mut().for_each(|checkin| checkin.shift(shift));
        let alive_boot = if last.boot_id == boot_id {
            last.boot
        } else {
            Boot(now.boot.0.saturating_sub_unsigned(now.wall.since(last.wall)))
        };
        (self, Some(Was { alive: Now { boot: alive_boot.min(now.boot), wall: last.wall.min(now.wall) } }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(boot_id: &str, boot: i64, wall: i64) -> Clock {
        Clock { boot_id: boot_id.to_owned(), boot: Boot(boot), wall: Wall(wall) }
    }

    #[test]
    fn times_of_this_boot_stay_and_times_of_another_are_moved() {
        let stored = Stored { version: VERSION, saved: clock("a", 50_000, 1_000_000), ..Stored::default() };
        let now = Now { boot: Boot(70_000), wall: Wall(1_020_000) };
        let (_, was) = stored.clone().on_this_boot(Some(&clock("a", 60_000, 1_010_000)), "a", now);
        assert_eq!(was.map(|was| was.alive), Some(Now { boot: Boot(60_000), wall: Wall(1_010_000) }));

        let rebooted = Now { boot: Boot(5_000), wall: Wall(1_110_000) };
        let (_, was) = stored.clone().on_this_boot(Some(&clock("a", 60_000, 1_010_000)), "b", rebooted);
        assert_eq!(was.map(|was| was.alive.boot), Some(Boot(-95_000)), "100 s before this instant");

        let set_back = Now { boot: Boot(5_000), wall: Wall(1) };
        let (_, was) = stored.on_this_boot(None, "b", set_back);
        assert_eq!(was.map(|was| was.alive), Some(set_back), "a clock that was set back makes no gap");
    }

    #[test]
    fn nothing_stored_is_no_life_before() {
        assert_eq!(Stored::default().on_this_boot(None, "a", Now::default()).1, None);
    }
}
