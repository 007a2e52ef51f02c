//! Tells the loop of those whom a door turned away, for the journal, the log and people. However many they are, what is told of them
//! is bounded: a stranger must not fill a disk.

use crate::access::{Access, Forbidden};
use crate::clock;
use crate::command::{Command, CommandSender, Request, TurnedAway};
use core::time::Duration;
use failstop_core::Monotonic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// So many are told one by one.
const BURST: u32 = 10;

/// And then one so often, which says how many there were before it.
const EVERY: Duration = Duration::from_secs(60);

/// How many are told. Pure: time is given.
#[derive(Clone, Copy, Debug)]
struct Bounded {
    left: u32,
    filled: Monotonic,
    untold: u64,
}

impl Bounded {
    const fn new(now: Monotonic) -> Self {
        Self { left: BURST, filled: now, untold: 0 }
    }

    /// One more: `Some` with the number of those before it that were not told, where this one is.
    fn one_more(&mut self, now: Monotonic) -> Option<u64> {
        let whole = now.since(self.filled).as_nanos() / EVERY.as_nanos();
        let more = u32::try_from(whole).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.filled = self.filled.plus(EVERY.saturating_mul(more));
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.untold))
            }
            None => {
                self.untold = self.untold.saturating_add(1);
                None
            }
        }
    }

    /// What was to be told could not be.
    fn not_told(&mut self, before: u64) {
        self.untold = self.untold.saturating_add(before).saturating_add(1);
    }
}

/// Those who were turned away, of all doors.
#[derive(Debug)]
pub(super) struct Turned {
    commands: CommandSender,
    unproved: Mutex<Bounded>,
    refused: Mutex<Bounded>,
    forbidden: Mutex<Bounded>,
    count: Arc<AtomicU64>,
    strangers: Arc<AtomicU64>,
}

impl Turned {
    /// Nobody yet.
    pub fn new(commands: CommandSender) -> Self {
        let bounded = || Mutex::new(Bounded::new(clock::now()));
        Self {
            commands,
            unproved: bounded(),
            refused: bounded(),
            forbidden: bounded(),
            count: Arc::default(),
            strangers: Arc::default(),
        }
    }

    /// Counts those who were known and had not the role.
    pub fn count(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.count)
    }

    /// Counts those over Telegram who are not listed.
    pub fn strangers(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.strangers)
    }

    /// Somebody over Telegram is not listed.
    pub fn stranger(&self, who: &str, why: &str) {
        self.strangers.fetch_add(1, Ordering::Relaxed);
        self.unproved(who, why);
    }

    /// Somebody proved nothing.
    pub fn unproved(&self, peer: &str, why: &str) {
        self.tell(&self.unproved, |before| TurnedAway::Unproved { peer: peer.to_owned(), why: why.to_owned(), before });
    }

    /// A process of this host may not speak at all.
    pub fn refused(&self, peer: &str, why: &str) {
        self.tell(&self.refused, |before| TurnedAway::Refused { peer: peer.to_owned(), why: why.to_owned(), before });
    }

    /// Somebody has not the role.
    pub fn forbidden(&self, by: &Access, forbidden: Forbidden) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.tell(&self.forbidden, |before| TurnedAway::Forbidden { by: by.clone(), forbidden, before });
    }

    fn tell(&self, bounded: &Mutex<Bounded>, who: impl FnOnce(u64) -> TurnedAway) {
        // Nothing in there panics half-way.
        let mut bounded = bounded.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = bounded.one_more(clock::now()) else { return };
        // Nobody waits for an answer, and nobody for room: a loop that is asked more than it can take has better to do.
        let (reply, _) = oneshot::channel();
        let told = Request::new(Command::TurnedAway(who(before)), reply)
            .is_ok_and(|request| self.commands.try_send(request).is_ok());
        if !told {
            bounded.not_told(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn so_many_are_told_and_then_one_a_minute_with_the_number_of_the_others() {
        let mut bounded = Bounded::new(at(0));
        for _ in 0..BURST {
            assert_eq!(bounded.one_more(at(1)), Some(0));
        }
        for _ in 0..500 {
            assert_eq!(bounded.one_more(at(59)), None);
        }
        assert_eq!(bounded.one_more(at(60)), Some(500));
        assert_eq!(bounded.one_more(at(61)), None);
        assert_eq!(bounded.one_more(at(120)), Some(1));
        // A day of a flood, one each second.
        let told = (121..121 + 86_400).filter(|second| bounded.one_more(at(*second)).is_some()).count();
        assert!((1_439..=1_441).contains(&told), "{told}");
        // After a quiet hour the first are told one by one again.
        let told = (0..100).filter(|_| bounded.one_more(at(200_000)).is_some()).count();
        assert_eq!(told, BURST as usize);
        assert!(bounded.one_more(Monotonic::from_nanos(u64::MAX)).is_some());
    }

    #[test]
    fn what_could_not_be_told_is_counted_with_the_next() {
        let mut bounded = Bounded::new(at(0));
        assert_eq!(bounded.one_more(at(0)), Some(0));
        bounded.not_told(0);
        assert_eq!(bounded.one_more(at(0)), Some(1));
    }
}
