//! When each token (or certificate) was shown last, so that people see which are in use and which can go. In memory alone: it is gone with the engine.

use super::roster::ENTRIES_MAX;
use failstop_client::token::Digest;
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What somebody showed. A token is told by its digest: a new one of the same name was never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A token with this digest.
    Token(Digest),
    /// A certificate for this name.
    Certificate(String),
}

/// Times by what was shown; those of what is gone make room.
#[derive(Debug, Default)]
pub struct Used(Mutex<Vec<(Sign, Timestamp)>>);

impl Used {
    fn times(&self) -> MutexGuard<'_, Vec<(Sign, Timestamp)>> {
        // Nothing in there panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This one was shown.
    pub fn note(&self, sign: &Sign, at: Timestamp) {
        let mut times = self.times();
        if let Some((_, last)) = times.iter_mut().find(|(known, _)| known == sign) {
            *last = at;
            return;
        }
        if times.len() >= 2 * ENTRIES_MAX
            && let Some((oldest, _)) = times.iter().enumerate().min_by_key(|(_, (_, at))| *at)
        {
            times.swap_remove(oldest);
        }
        times.push((sign.clone(), at));
    }

    /// When it was shown last.
    pub fn last(&self, sign: &Sign) -> Option<Timestamp> {
        self.times().iter().find(|(known, _)| known == sign).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_is_kept_and_what_is_kept_is_bounded() {
        let used = Used::default();
        let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
        let [ana, bob] = ["ana", "bob"].map(|name| Sign::Certificate(name.to_owned()));
        used.note(&ana, at(1));
        used.note(&ana, at(1_000));
        assert_eq!((used.last(&ana), used.last(&bob)), (Some(at(1_000)), None));
        for number in 0..500_i64 {
            used.note(&Sign::Token(Digest::of(&number.to_be_bytes())), at(2 + number));
        }
        assert_eq!(used.times().len(), 2 * ENTRIES_MAX);
        assert_eq!(used.last(&ana), Some(at(1_000)), "the oldest makes room");
    }
}
