//! What is asked of the rates of a group, and what is answered.

use core::time::Duration;
use failstop_core::gate::{Cost, GivenBack, LimitName, RATE_COUNT, RateBound, RateBounds, Scope};
use tokio::sync::OwnedSemaphorePermit;

/// A rate that is used up, and for whom.
pub type Refused = (LimitName, Scope);

/// Whether the rates of an order, or of something else, are used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The order's client id, under which what it counted can be given back later; empty for what is no order.
    pub id: String,
    /// On whose behalf.
    pub user: Option<String>,
    /// What it costs.
    pub cost: Cost,
    /// The limits that bind it now; with those of the user where there is one.
    pub bounds: RateBounds,
}

/// The bounds of each holder that there is.
pub(super) fn holders(bounds: &RateBounds) -> impl Iterator<Item = (Scope, &[RateBound; RATE_COUNT])> {
    let user = bounds.user.as_ref().map(|bounds| (Scope::User, bounds));
    core::iter::once((Scope::System, &bounds.system)).chain(user)
}

/// The number of a question: which word answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(pub u64);

/// The answer to one question. What it means is [`super::SharedRates::decided`]'s to say; what came of it must be said by
/// [`super::SharedRates::keep`] or [`super::SharedRates::give_up`].
#[derive(Debug)]
#[must_use = "say whether it was used, or the group counts wrongly"]
pub struct Word {
    /// Which question.
    pub serial: Serial,
    /// Who decides.
    pub by: By,
    /// When to ask again, where it is refused and becomes free by itself.
    pub retry_after: Option<Duration>,
    /// Which rates are used up in the group.
    pub(super) refused: Vec<Refused>,
    /// What the fallback allows could not be written down to be owed: it allows nothing.
    pub(super) unmarked: bool,
    pub(super) asked: Asked,
    /// The room that the question takes until the word is done with.
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

impl Word {
    /// Whether the fallback alone may allow what it is about, so that the group has to be told.
    pub(super) fn may_owe(&self) -> bool {
        matches!(self.by, By::TimedOut | By::Gone)
    }
}

/// What of a question is needed when its word is done with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub id: String,
    pub user: Option<String>,
    pub cost: Cost,
    /// Which asking it was: one that is sent twice counts once.
    pub attempt: String,
    /// Whether it left this host, so that it is counted or may be yet.
    pub left: bool,
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Redis, over all hosts.
    Group,
    /// The fallback: Redis did not answer in time.
    TimedOut,
    /// The fallback, at once: Redis has not answered well before.
    Gone,
    /// Redis and the fallback both: what was counted was lost, and its windows have not passed since.
    Forgotten,
}

/// What is told without being asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Debt {
    /// Counts, over the limit if need be.
    Count { id: String, user: Option<String>, cost: Cost, attempt: String },
    /// What this asking counted is given up; if it comes later still, it counts nothing.
    Drop { id: String, attempt: String },
    /// What an order gave back.
    Back { id: String, cost: Cost },
}

impl Debt {
    /// Whether losing it would let more through than the limits.
    pub fn is_count(&self) -> bool {
        matches!(self, Self::Count { .. })
    }

    pub fn back(id: &str, back: &GivenBack) -> Self {
        Self::Back { id: id.to_owned(), cost: back.cost() }
    }
}
