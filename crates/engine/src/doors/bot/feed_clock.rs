//! Judges whether a tick is fresh by its own time: a tick whose time goes back tells nothing new.

use failstop_client::wire::Time;
use failstop_core::MAX_FEEDS;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How many feed and instrument pairs are followed each by itself. Further instruments of a feed share one clock: there a tick
/// is fresh only where it is not before the latest of any of them, so that a feed whose time stands still never looks fresh.
const MAX_FOLLOWED: usize = 1024;
/// A time so far ahead of our clock is a mistake and does not make later ticks look old, in milliseconds.
const AHEAD_MAX_MS: i64 = 5 * 60 * 1000;

/// A tick's time that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`time` is `{text}`, but has to be RFC 3339 with an offset (2026-11-07T00:05:00.123Z) or whole milliseconds since 1970"
)]
pub struct BadTime {
    /// What was given.
    pub text: String,
}

/// The latest time of each feed and instrument.
#[derive(Clone, Debug, Default)]
pub struct FeedClock {
    latest: BTreeMap<String, i64>,
    /// Of each feed with instruments beyond those: the latest of them all. At most as many as there are feeds.
    shared: BTreeMap<String, i64>,
    key: String,
}

impl FeedClock {
    /// Whether a tick of `feed` with this `time` is fresh: it has no time, or one that is not before the latest of the
    /// same feed and instrument, nor more than five minutes ahead of `now`. Only for feeds that are watched, of which
    /// there are at most [`MAX_FEEDS`].
    ///
    /// # Errors
    /// When `time` is a text that is no time.
    pub fn fresh(
        &mut self,
        feed: &str,
        instrument: Option<&str>,
        time: Option<&Time>,
        now: Timestamp,
    ) -> Result<bool, BadTime> {
        let at_ms = match time {
            None => return Ok(true),
            Some(Time::UnixMs(at_ms)) => *at_ms,
            Some(Time::Text(text)) => {
                text.parse::<Timestamp>().map_err(|_| BadTime { text: text.clone() })?.as_millisecond()
            }
        };
        if at_ms > now.as_millisecond().saturating_add(AHEAD_MAX_MS) {
            return Ok(false);
        }
        self.key.clear();
        self.key.push_str(feed);
        // Names hold no control characters, so that no two pairs share a key.
        self.key.push('\n');
        self.key.push_str(instrument.unwrap_or_default());
        match self.latest.get_mut(&self.key) {
            Some(latest) if at_ms < *latest => Ok(false),
            Some(latest) => {
                *latest = at_ms;
                Ok(true)
            }
            None => {
                if self.latest.len() < MAX_FOLLOWED {
                    self.latest.insert(self.key.clone(), at_ms);
                    return Ok(true);
                }
                Ok(self.fresh_among_the_rest(feed, at_ms))
            }
        }
    }

    fn fresh_among_the_rest(&mut self, feed: &str, at_ms: i64) -> bool {
        match self.shared.get_mut(feed) {
            Some(latest) if at_ms < *latest => false,
            Some(latest) => {
                *latest = at_ms;
                true
            }
            None => {
                let room = self.shared.len() < MAX_FEEDS;
                if room {
                    self.shared.insert(feed.to_owned(), at_ms);
                }
                room
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    const NOW_MS: i64 = 1_742_943_000_000;

    fn tick(clock: &mut FeedClock, feed: &str, instrument: Option<&str>, at_ms: i64) -> bool {
        let now = Timestamp::from_millisecond(NOW_MS).unwrap();
        clock.fresh(feed, instrument, Some(&Time::UnixMs(at_ms)), now).unwrap()
    }

    #[test]
    fn time_that_goes_back_is_not_fresh() {
        let mut clock = FeedClock::default();
        assert!(tick(&mut clock, "a", None, 10));
        assert!(tick(&mut clock, "a", None, 10));
        assert!(!tick(&mut clock, "a", None, 9));
        assert!(!tick(&mut clock, "a", None, 9));
        assert!(tick(&mut clock, "a", None, 11));
        assert!(tick(&mut clock, "b", None, 5));
        assert!(tick(&mut clock, "a", Some("x"), 5));
    }

    #[test]
    fn one_time_far_ahead_does_not_stop_a_feed() {
        let mut clock = FeedClock::default();
        assert!(tick(&mut clock, "a", None, NOW_MS));
        assert!(!tick(&mut clock, "a", None, NOW_MS + AHEAD_MAX_MS + 1));
        assert!(!tick(&mut clock, "a", None, i64::MAX));
        assert!(tick(&mut clock, "a", None, NOW_MS + 1));
        assert!(tick(&mut clock, "a", None, NOW_MS + AHEAD_MAX_MS));
    }

    #[test]
    fn texts_and_absent_times() {
        let mut clock = FeedClock::default();
        let now = Timestamp::from_millisecond(NOW_MS).unwrap();
        let mut text = |text: &str| clock.fresh("a", None, Some(&Time::Text(text.to_owned())), now);
        assert_eq!(text("2025-03-25T22:00:00Z"), Ok(true));
        assert_eq!(text("2025-03-25T22:59:00+01:00"), Ok(false));
        assert_eq!(text("2025-03-25T23:00:00.001+01:00"), Ok(true));
        for bad in ["", "yesterday", "2025-03-25", "2025-03-25T22:00:00"] {
            assert_eq!(text(bad), Err(BadTime { text: bad.to_owned() }));
        }
        assert_eq!(clock.fresh("a", None, None, now), Ok(true));
    }

    #[test]
    fn memory_is_bounded() {
        let mut clock = FeedClock::default();
        for index in 0..2 * MAX_FOLLOWED {
            tick(&mut clock, &format!("f{index}"), None, 10);
        }
        assert_eq!((clock.latest.len(), clock.shared.len()), (MAX_FOLLOWED, MAX_FEEDS));
    }

    #[test]
    fn instruments_beyond_those_that_are_followed_share_a_clock() {
        let mut clock = FeedClock::default();
        for index in 0..MAX_FOLLOWED {
            assert!(tick(&mut clock, "a", Some(&format!("i{index}")), 10));
        }
        assert!(tick(&mut clock, "a", Some("x"), 20));
        assert!(!tick(&mut clock, "a", Some("x"), 19), "time that goes back is not fresh");
        assert!(!tick(&mut clock, "a", Some("y"), 19));
        assert!(tick(&mut clock, "a", Some("y"), 21));
        assert!(tick(&mut clock, "a", Some("i0"), 11), "one that is followed keeps its own");
        assert!(tick(&mut clock, "b", Some("x"), 5), "another feed is another clock");
    }
}
