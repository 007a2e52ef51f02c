//! How much was used up lately: a sliding window that never lets more than its limit through in any span of its width, whatever the
//! moment at which that span begins. The price of a fixed place is that what was used becomes free a little later than it could: when
//! its twelfth of the window has passed whole.

use crate::gate::time::GateTime;
use core::time::Duration;

/// Into how many parts a window is divided.
pub const WINDOW_PARTS: u64 = 12;

/// The parts that a window may reach into: its own, and the one that it has begun in.
const PLACES: usize = 13;

/// A minute.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// An hour.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// What was used in a window of a fixed width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Part `n` of time stands in place `n % 13`.
    places: [u128; PLACES],
    /// The part that was used last.
    newest: u64,
    /// Of one part, in microseconds.
    part: u64,
}

impl Window {
    pub fn new(width: Duration) -> Self {
        Self { places: [0; PLACES], newest: 0, part: (super::time::micros(width) / WINDOW_PARTS).max(1) }
    }

    /// What is used up at `at`.
    pub fn used(&self, at: GateTime) -> u128 {
        let now = self.part_of(at);
        let mut used = 0u128;
        for age in 0..PLACES as u64 {
            // What is newer than `at` counts as well: time never goes back, and if it did nothing would come free.
            let Some(part) = self.newest.checked_sub(age) else { break };
            if now < part.saturating_add(PLACES as u64) {
                used = used.saturating_add(self.places.get(Self::place(part)).copied().unwrap_or(0));
            }
        }
        used
    }

    /// Uses up more.
    pub fn add(&mut self, at: GateTime, amount: u128) {
        let now = self.part_of(at).max(self.newest);
        let passed = (now - self.newest).min(PLACES as u64);
        for step in 0..passed {
            if let Some(place) = self.places.get_mut(Self::place(now - step)) {
                *place = 0;
            }
        }
        self.newest = now;
        if let Some(place) = self.places.get_mut(Self::place(now)) {
            *place = place.saturating_add(amount);
        }
    }

    /// Gives back what was used at `counted`, if that still counts.
    pub fn take_back(&mut self, counted: GateTime, amount: u128) {
        let part = self.part_of(counted).min(self.newest);
        if self.newest < part.saturating_add(PLACES as u64)
            && let Some(place) = self.places.get_mut(Self::place(part))
        {
            *place = place.saturating_sub(amount);
        }
    }

    fn part_of(&self, at: GateTime) -> u64 {
        at.as_micros() / self.part
    }

    fn place(part: u64) -> usize {
        usize::try_from(part % PLACES as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> GateTime {
        GateTime::from_micros(1_800_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn what_was_used_comes_free_after_the_window_and_at_most_a_twelfth_later() {
        for begin in 0..5 {
            let mut window = Window::new(MINUTE);
            window.add(at(begin), 3);
            assert_eq!(window.used(at(begin + 60)), 3, "{begin}");
            assert_eq!(window.used(at(begin + 65)), 0, "{begin}");
        }
    }

    #[test]
    fn giving_back_is_of_the_moment_that_counted_and_never_below_nothing() {
        let mut window = Window::new(MINUTE);
        window.add(at(0), 2);
        window.add(at(30), 1);
        window.take_back(at(0), 1);
        assert_eq!(window.used(at(31)), 2);
        window.take_back(at(0), 5);
        assert_eq!(window.used(at(31)), 1);
        window.add(at(120), 4);
        // Long past: nothing of it counts any more, so nothing comes back.
        window.take_back(at(30), 1);
        window.take_back(at(0), 1);
        assert_eq!(window.used(at(121)), 4);
    }

    #[test]
    fn it_overflows_to_full() {
        let mut window = Window::new(MINUTE);
        window.add(at(0), u128::MAX);
        window.add(at(0), 1);
        window.add(at(20), 1);
        assert_eq!(window.used(at(30)), u128::MAX);
    }
}
