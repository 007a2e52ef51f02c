//! The pure heart: time, reports and answers in; facts to keep and messages to send out. No I/O, no clock, no randomness.
//!
//! Every change of what must survive a crash goes through [`Heart::record`]: the fact is applied at once and handed out by
//! [`Heart::take_unsaved`]. The driver keeps one rule: it saves what is unsaved before it asks [`Heart::poll`] for the next
//! message. [`Heart::replay`] of the saved facts gives the same state.

mod fact;
mod fold;
mod incident;
mod lane;
mod reports;
mod routing;
mod sending;
#[cfg(test)]
mod tests;
mod time;
mod timers;
mod view;

pub(crate) use fact::{Fact, Record};
pub(crate) use lane::{Collapse, LaneId, Spec, Wants};
pub(crate) use sending::{Order, What};
pub(crate) use time::{At, Now};

use crate::key::Key;
use crate::policy::Policy;
use crate::report::Counters;
use incident::Incident;
use lane::Lane;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long a message is retried before it is given up: the last attempt is at least so long after the first.
pub(crate) const RETRY_FOR: Duration = Duration::from_secs(72 * 3_600);

/// A message that waited so long is late: it says so, and is combined with what waits behind it.
pub(crate) const LATE: Duration = Duration::from_secs(60);

/// The keys that are remembered after their incident is over, so that a late trigger is known as one.
pub(crate) const OVER_MAX: usize = 1_024;

/// Messages that one lane may hold about one incident; more are combined.
pub(crate) const LINE_MAX: usize = 4;

/// The cause of the incidents that the notifier opens about its own channels.
pub(crate) const OWN_CAUSE: &str = "alert-channel";

/// Everything that is known about incidents and lanes.
pub(crate) struct Heart {
    /// Who opens incidents about channels.
    name: String,
    policy: Policy,
    specs: Vec<Spec>,
    lanes: BTreeMap<LaneId, Lane>,
    /// Open ones, and those that are over and still wait for a lane.
    incidents: BTreeMap<Key, Incident>,
    /// The last ones that are over and settled, for the list; the oldest first.
    past: VecDeque<Incident>,
    over: VecDeque<Key>,
    /// Where a destination moved to, by what it was called: (lane, from) to.
    moved: BTreeMap<(LaneId, String), String>,
    counters: Counters,
    unsaved: Vec<Record>,
}

impl Heart {
    /// A heart that knows nothing yet.
    pub(crate) fn new(name: String, policy: Policy, specs: Vec<Spec>) -> Self {
        let lanes = specs.iter().map(|spec| (spec.id.clone(), Lane::default())).collect();
        Self {
            name,
            policy,
            specs,
            lanes,
            incidents: BTreeMap::new(),
            past: VecDeque::new(),
            over: VecDeque::new(),
            moved: BTreeMap::new(),
            counters: Counters::default(),
            unsaved: Vec::new(),
        }
    }

    /// Takes a saved fact up again.
    pub(crate) fn replay(&mut self, record: &Record) {
        self.fold(record);
    }

    /// Facts that are not saved yet, in order.
    pub(crate) fn take_unsaved(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.unsaved)
    }

    /// Whether there are such facts.
    pub(crate) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Where a destination is called now.
    pub(crate) fn moved_to(&self, lane: &LaneId, from: &str) -> Option<&str> {
        self.moved.get(&(lane.clone(), from.to_owned())).map(String::as_str)
    }

    fn spec(&self, lane: &LaneId) -> Option<&Spec> {
        self.specs.iter().find(|spec| spec.id == *lane)
    }

    /// A fact comes true.
    fn record(&mut self, now: Now, fact: Fact) {
        let record = Record { at: now.at, wall: now.wall, fact };
        self.fold(&record);
        self.unsaved.push(record);
    }
}
