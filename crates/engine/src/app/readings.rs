//! What was read of the configuration while a change before it waits for its record.

use crate::command::ReplyTo;
use crate::reloading::{By, Found};
use std::collections::VecDeque;

/// How many readings wait: so many people may each want something laid over the file in the same moment.
pub const READINGS_WAITING: usize = 16;

/// What was read, for whom.
pub struct Reading {
    /// Why.
    pub by: By,
    /// What the file is.
    pub found: Found,
    /// What was laid over the file for it.
    pub set: Vec<String>,
    /// Who waits to hear what became of it.
    pub reply: Option<ReplyTo>,
}

/// Readings in the order in which they came: each that lays something over the file, and of the others the last.
#[derive(Default)]
pub struct Readings(VecDeque<Reading>);

impl Readings {
    /// Has one wait. One is given back that does not, any more or at all, with why.
    #[must_use = "somebody may wait for an answer"]
    pub fn wait(&mut self, reading: Reading) -> Option<(Reading, &'static str)> {
        let earlier = self.0.iter().position(|waiting| waiting.set.is_empty()).filter(|_| reading.set.is_empty());
        if let Some(earlier) = earlier {
            let earlier = self.0.remove(earlier);
            self.0.push_back(reading);
            return earlier
                .map(|earlier| (earlier, "a later reading of the file took its place; see `failstop config diff`"));
        }
        if self.0.len() == READINGS_WAITING {
            return Some((
                reading,
                "so many changes wait for their records that no further one is taken now; try again",
            ));
        }
        self.0.push_back(reading);
        None
    }

    /// The one that came first.
    pub fn next(&mut self) -> Option<Reading> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reloading::Wrong;

    fn reading(set: &[&str]) -> Reading {
        let wrong = Wrong { in_full: String::new(), published: String::new() };
        let set = set.iter().map(|one| (*one).to_owned()).collect();
        Reading { by: By::Itself, found: Found::Invalid(wrong), set, reply: None }
    }

    fn waiting(mut readings: Readings) -> Vec<Vec<String>> {
        std::iter::from_fn(|| readings.next()).map(|reading| reading.set).collect()
    }

    #[test]
    fn what_somebody_laid_over_the_file_waits_whatever_is_read_before_or_after() {
        for order in [[&["a=1"][..], &[], &["b=2"], &[]], [&[], &["a=1"], &[], &["b=2"]]] {
            let mut readings = Readings::default();
            let gone: Vec<Reading> =
                order.iter().filter_map(|set| readings.wait(reading(set))).map(|(one, _)| one).collect();
            assert!(gone.len() == 1 && gone[0].set.is_empty(), "the earlier one of the file alone");
            let all = waiting(readings);
            assert_eq!(all.len(), 3);
            let set: Vec<&String> = all.iter().flatten().collect();
            assert_eq!(set, ["a=1", "b=2"], "in their order");
        }
    }

    #[test]
    fn one_too_many_is_given_back_and_the_file_has_its_place() {
        let mut readings = Readings::default();
        assert!(readings.wait(reading(&[])).is_none());
        for _ in 1..READINGS_WAITING {
            assert!(readings.wait(reading(&["a=1"])).is_none());
        }
        let Some((refused, why)) = readings.wait(reading(&["z=1"])) else { panic!("it is full") };
        assert_eq!(refused.set, ["z=1"]);
        assert!(why.contains("try again"));
        assert!(readings.wait(reading(&[])).is_some_and(|(earlier, _)| earlier.set.is_empty()));
        assert_eq!(waiting(readings).len(), READINGS_WAITING);
    }
}
