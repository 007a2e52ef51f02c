//! Temporary overrides of one limit by a super-admin: named, recorded, with an end.

use crate::gate::limit::{Limit, LimitName, Scope};
use crate::gate::order::ShortText;
use crate::gate::time::GateTime;

/// The most overrides that may stand at once.
pub const MAX_OVERRIDES: usize = 16;

/// Whose limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    System,
    Instrument(usize),
    Component(u8),
    User(ShortText),
}

impl Of {
    pub fn scope(&self) -> Scope {
        match self {
            Self::System => Scope::System,
            Self::Instrument(_) => Scope::Instrument,
            Self::Component(_) => Scope::Component,
            Self::User(_) => Scope::User,
        }
    }
}

/// One override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Override {
    pub name: ShortText,
    pub limit: LimitName,
    pub of: Of,
    pub value: Limit,
    pub until: GateTime,
    /// In which order they were given: the later one counts, whichever was durable first.
    pub given: u64,
}

/// An override as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideView {
    /// Its name.
    pub name: String,
    /// Which limit.
    pub limit: LimitName,
    /// Whose.
    pub scope: Scope,
    /// Its value.
    pub value: Limit,
    /// When it ends by itself.
    pub until: GateTime,
}

/// Those that stand, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides(Vec<Override>);

impl Overrides {
    /// The value of a limit: the override that was given last, else what is configured.
    pub fn of(&self, at: GateTime, limit: LimitName, of: &Of, configured: Limit) -> Limit {
        let stands = |over: &&Override| over.limit == limit && over.of == *of && at < over.until;
        self.0.iter().rev().find(stands).map_or(configured, |over| over.value)
    }

    /// Whether one of this name stands.
    pub fn stands(&self, at: GateTime, name: &ShortText) -> bool {
        self.0.iter().any(|over| over.name == *name && at < over.until)
    }

    /// Whether there is no room for another of this name.
    pub fn is_full(&self, at: GateTime, name: &ShortText) -> bool {
        self.0.iter().filter(|over| over.name != *name && at < over.until).count() >= MAX_OVERRIDES
    }

    /// Gives one; an earlier one of the same name ends.
    pub fn add(&mut self, at: GateTime, over: Override) {
        if self.0.iter().any(|other| other.name == over.name && other.given > over.given) {
            return;
        }
        self.0.retain(|other| other.name != over.name && at < other.until);
        let place = self.0.partition_point(|other| other.given < over.given);
        self.0.insert(place, over);
    }

    /// Ends the one of this name, if it was given before.
    pub fn end(&mut self, name: &ShortText, given: u64) {
        self.0.retain(|other| other.name != *name || other.given > given);
    }

    pub fn get(&self, name: &ShortText) -> Option<&Override> {
        self.0.iter().find(|over| over.name == *name)
    }

    pub fn views(&self, at: GateTime) -> Vec<OverrideView> {
        let standing = self.0.iter().filter(|over| at < over.until);
        standing
            .map(|over| OverrideView {
                name: over.name.as_str().to_owned(),
                limit: over.limit,
                scope: over.of.scope(),
                value: over.value,
                until: over.until,
            })
            .collect()
    }
}
