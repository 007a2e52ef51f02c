//! What people are told of and halts nothing: they hear of its beginning and its end.

use super::engine::Engine;
use crate::alerts::Concern;
use crate::clock;

/// When people were told of a concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// In this life of the engine.
    Now,
    /// Perhaps in an earlier one: over, until it is seen again.
    Before,
}

impl Engine {
    /// As [`Self::concern`], where it is not always `known` how it stands: what is not known is not over.
    pub(super) fn concern_where(&mut self, known: bool, concern: Concern, words: Option<String>) {
        if known || words.is_some() {
            self.concern(concern, words);
        }
    }

    /// Whether people were told of it in this life, and not of its end.
    pub(super) fn is_told(&self, concern: Concern) -> bool {
        self.concerns.get(&concern) == Some(&Told::Now)
    }

    pub(super) fn concern(&mut self, concern: Concern, words: Option<String>) {
        // The figures in the words change; people hear of the beginning and the end.
        match (&words, self.concerns.get(&concern)) {
            (Some(_), Some(Told::Now)) => return,
            (Some(_), _) => drop(self.concerns.insert(concern, Told::Now)),
            (None, None) => return,
            (None, Some(_)) => drop(self.concerns.remove(&concern)),
        }
        self.alerts.concern(concern, words.as_deref(), clock::wall());
    }
}
