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

/// A window of a minute.
pub(crate) type Minute = Window<{ part_us(MINUTE) }>;

/// A window of an hour.
pub(crate) type Hour = Window<{ part_us(HOUR) }>;

/// How long a part of a window is, in microseconds.
const fn part_us(width: Duration) -> u64 {
    width.as_micros() as u64 / WINDOW_PARTS
}

/// What was used in a window whose parts are `PART` microseconds long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window<const PART: u64> {
    /// Part `n` of time stands in place `n % 13`.
    places: [u128; PLACES],
    /// The part that was used last.
    newest: u64,
}

impl<const PART: u64> Window<PART> {
    /// What is used up at `at`.
    pub fn used(&self, at: GateTime) -> u128 {
        // Where time went back nothing comes free.
        let passed = Self::part_of(at).saturating_sub(self.newest);
        let sum = |used: u128, place: &u128| used.saturating_add(*place);
        if passed == 0 {
            return self.places.iter().fold(0, sum);
        }
        let counts = PLACES.saturating_sub(usize::try_from(passed).unwrap_or(PLACES));
        // From the newest place back, round the circle.
        let (young, old) = self.places.split_at(Self::place(self.newest) + 1);
        young.iter().rev().chain(old.iter().rev()).take(counts).fold(0, sum)
    }

    /// Uses up more.
    pub fn add(&mut self, at: GateTime, amount: u128) {
        let now = Self::part_of(at).max(self.newest);
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
        let part = Self::part_of(counted).min(self.newest);
        if self.newest < part.saturating_add(PLACES as u64)
            && let Some(place) = self.places.get_mut(Self::place(part))
        {
            *place = place.saturating_sub(amount);
        }
    }

    fn part_of(at: GateTime) -> u64 {
        at.as_micros() / PART
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
            let mut window = Minute::default();
            window.add(at(begin), 3);
            assert_eq!(window.used(at(begin + 60)), 3, "{begin}");
            assert_eq!(window.used(at(begin + 65)), 0, "{begin}");
        }
    }

    #[test]
    fn giving_back_is_of_the_moment_that_counted_and_never_below_nothing() {
        let mut window = Minute::default();
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
        let mut window = Minute::default();
        window.add(at(0), u128::MAX);
        window.add(at(0), 1);
        window.add(at(20), 1);
        assert_eq!(window.used(at(30)), u128::MAX);
    }
}
