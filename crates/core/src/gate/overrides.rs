//! Temporary overrides of one limit by a super-admin: named, recorded, with an end.

use crate::gate::limit::{Limit, LimitName, Scope};
use crate::gate::order::ShortText;
use crate::gate::time::GateTime;

/// The most overrides that may stand at once.
pub const MAX_OVERRIDES: usize = 16;

/// Whose limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of<Name = ShortText> {
    System,
    Instrument(usize),
    Component(u8),
    User(Name),
}

/// The same, for a look.
pub(crate) type Whose<'a> = Of<&'a ShortText>;

impl Of {
    pub fn as_ref(&self) -> Whose<'_> {
        match self {
            Self::System => Of::System,
            Self::Instrument(index) => Of::Instrument(*index),
            Self::Component(index) => Of::Component(*index),
            Self::User(name) => Of::User(name),
        }
    }
}

impl<Name> Of<Name> {
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
    /// Its value as the configuration would have it.
    pub text: String,
    /// When it ends by itself.
    pub until: GateTime,
}

/// Those that stand, in the order in which they were given. What is in here does not hang on the order in which they came to be
/// durable: replay knows only the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    standing: Vec<Override>,
    /// What ended before is forgotten.
    latest: GateTime,
}

impl Overrides {
    /// The value of a limit: the override that was given last, else what is configured.
    pub fn of(&self, at: GateTime, limit: LimitName, of: &Whose<'_>, configured: Limit) -> Limit {
        let stands = |over: &&Override| over.limit == limit && over.of.as_ref() == *of && at < over.until;
        self.standing.iter().rev().find(stands).map_or(configured, |over| over.value)
    }

    /// Whether one of this name stands.
    pub fn stands(&self, at: GateTime, name: &ShortText) -> bool {
        self.get(at, name).is_some()
    }

    /// Whether there is no room for another of this name beside those that stand and those that are about to.
    pub fn is_full<'a>(&'a self, at: GateTime, name: &ShortText, pending: impl Iterator<Item = &'a Override>) -> bool {
        let others = self.standing.iter().chain(pending).filter(|over| over.name != *name && at < over.until);
        let mut names: Vec<&ShortText> = others.map(|over| &over.name).collect();
        names.sort_unstable_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        names.dedup();
        names.len() >= MAX_OVERRIDES
    }

    /// Whether somebody's limit is at no moment from `at` on wider by these than by `others`: values change only where one ends.
    pub fn tighten(&self, others: &Self, at: GateTime, limit: LimitName, of: &Whose<'_>, configured: Limit) -> bool {
        let all = self.standing.iter().chain(&others.standing);
        let ends =
            all.filter(|over| over.limit == limit && over.of.as_ref() == *of && at < over.until).map(|over| over.until);
        let mut moments = core::iter::once(at).chain(ends);
        moments.all(|at| limit.tightens(others.of(at, limit, of, configured), self.of(at, limit, of, configured)))
    }

    /// Gives one; an earlier one of the same name ends.
    pub fn add(&mut self, at: GateTime, over: Override) {
        if !self.standing.iter().any(|other| other.name == over.name && other.given > over.given) {
            self.standing.retain(|other| other.name != over.name);
            let place = self.standing.partition_point(|other| other.given < over.given);
            self.standing.insert(place, over);
        }
        self.forget(at);
    }

    /// Ends the one of this name, if it was given before.
    pub fn end(&mut self, at: GateTime, name: &ShortText, given: u64) {
        self.standing.retain(|other| other.name != *name || other.given > given);
        self.forget(at);
    }

    fn forget(&mut self, at: GateTime) {
        self.latest = self.latest.max(at);
        let latest = self.latest;
        self.standing.retain(|over| latest < over.until);
    }

    /// The one of this name that stands.
    pub fn get(&self, at: GateTime, name: &ShortText) -> Option<&Override> {
        self.standing.iter().find(|over| over.name == *name && at < over.until)
    }

    /// Those that stand, for people; `text` says what a value is in the configuration.
    pub fn views(&self, at: GateTime, text: impl Fn(&Override) -> String) -> Vec<OverrideView> {
        let standing = self.standing.iter().filter(|over| at < over.until);
        standing
            .map(|over| OverrideView {
                name: over.name.as_str().to_owned(),
                limit: over.limit,
                scope: over.of.scope(),
                value: over.value,
                text: text(over),
                until: over.until,
            })
            .collect()
    }
}
