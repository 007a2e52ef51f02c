//! When each token was shown last, so that people see which are in use and which can go. In memory alone: it is gone with the engine.

use super::roster::ENTRIES_MAX;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Times by the names of tokens; those of tokens that are gone make room.
#[derive(Debug, Default)]
pub struct Used(Mutex<BTreeMap<String, Timestamp>>);

impl Used {
    fn times(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        // Nothing in there panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This one was shown.
    pub fn note(&self, name: &str, at: Timestamp) {
        let mut times = self.times();
        if times.len() >= 2 * ENTRIES_MAX
            && !times.contains_key(name)
            && let Some(oldest) = times.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone())
        {
            times.remove(&oldest);
        }
        times.insert(name.to_owned(), at);
    }

    /// When it was shown last.
    pub fn last(&self, name: &str) -> Option<Timestamp> {
        self.times().get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_is_kept_and_what_is_kept_is_bounded() {
        let used = Used::default();
        let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
        used.note("ana", at(1));
        used.note("ana", at(1_000));
        assert_eq!((used.last("ana"), used.last("bob")), (Some(at(1_000)), None));
        for number in 0..500 {
            used.note(&format!("n{number}"), at(2 + number));
        }
        assert_eq!(used.times().len(), 2 * ENTRIES_MAX);
        assert_eq!(used.last("ana"), Some(at(1_000)), "the oldest makes room");
    }
}
