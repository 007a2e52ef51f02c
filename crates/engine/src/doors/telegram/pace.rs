//! How long is waited after questions to Telegram that failed, and when that is worth telling people. Pure: time and chance are given.

use core::time::Duration;
use failstop_core::Monotonic;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// And none longer than this, unless Telegram asks for it.
const MOST: Duration = Duration::from_secs(60);

/// So long nobody is heard before people are told.
const TOLD_AFTER: Duration = Duration::from_secs(5 * 60);

/// How questions fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    failures: u32,
    /// Since when none was answered.
    since: Monotonic,
    /// What the loop was told last: whether all is well.
    told: Option<bool>,
}

impl Pace {
    /// None was asked yet.
    pub const fn new(now: Monotonic) -> Self {
        Self { failures: 0, since: now, told: None }
    }

    /// One was answered: whether the loop is to be told that all is well.
    pub const fn answered(&mut self, now: Monotonic) -> bool {
        (self.failures, self.since) = (0, now);
        !matches!(self.told, Some(true))
    }

    /// One was not; `asked` is the pause that Telegram wants, `chance` any number. How long to wait.
    pub fn failed(&mut self, asked: Option<Duration>, chance: u8) -> Duration {
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let grown = FIRST.saturating_mul(1 << doublings).min(MOST);
        // Three quarters to five quarters of it, so that many who lost the same way do not come back together.
        let spread = grown * 3 / 4 + grown.mul_f64(f64::from(chance) / f64::from(u8::MAX)) / 2;
        spread.max(asked.unwrap_or_default())
    }

    /// Whether it is the first one that failed since one was answered.
    pub const fn is_news(&self) -> bool {
        self.failures == 1
    }

    /// Whether the loop is to be told that nobody is heard.
    pub fn is_long(&self, now: Monotonic) -> bool {
        self.told != Some(false) && now.since(self.since) >= TOLD_AFTER
    }

    /// The loop was told.
    pub const fn tell(&mut self, well: bool) {
        self.told = Some(well);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn pauses_grow_to_a_bound_with_some_chance_in_them() {
        let mut pace = Pace::new(at(0));
        let pauses: Vec<u128> = (0..9).map(|_| pace.failed(None, 0).as_millis()).collect();
        assert_eq!(pauses, [750, 1_500, 3_000, 6_000, 12_000, 24_000, 45_000, 45_000, 45_000]);
        assert_eq!(pace.failed(None, 255).as_secs(), 75);
        for _ in 0..100_000 {
            assert!(pace.failed(None, 7).as_secs() < 76, "no overflow");
        }
        assert_eq!(pace.failed(Some(Duration::from_secs(300)), 0).as_secs(), 300, "what Telegram asks for");
        assert!(!pace.is_news());
        pace.answered(at(9));
        assert_eq!(pace.failed(None, 0).as_millis(), 750, "and anew after an answer");
        assert!(pace.is_news());
    }

    #[test]
    fn people_hear_of_it_after_five_minutes_once_and_when_it_is_over() {
        let mut pace = Pace::new(at(0));
        assert!(pace.answered(at(0)), "an earlier life may have told them");
        pace.tell(true);
        assert!(!pace.answered(at(100)));
        pace.failed(None, 0);
        assert!(!pace.is_long(at(399)));
        assert!(pace.is_long(at(400)));
        assert!(pace.is_long(at(401)), "until it is told");
        pace.tell(false);
        assert!(!pace.is_long(at(100_000)));
        assert!(pace.answered(at(100_001)));
    }
}
