//! Orders of the last moments: whether the same one comes again, and whether somebody runs in circles.

use crate::gate::order::Placed;
use crate::gate::time::GateTime;
use core::time::Duration;
use std::collections::VecDeque;

/// How many orders of the last moments are remembered. While this many are within their windows, no more are allowed.
pub const MAX_RECENT: usize = 1_024;

/// Within what span openings on one side of one instrument are counted as running in circles.
pub const CIRCLE_WITHIN: Duration = Duration::from_secs(60);

/// The longest `duplicate_window` that can be told apart: an hour.
pub const MAX_DUPLICATE_WINDOW: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: GateTime,
    client: u64,
    content: u64,
    circle: u64,
    opening: bool,
    given_back: bool,
}

/// The orders that were allowed lately, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recent(VecDeque<Entry>);

impl Recent {
    pub fn new() -> Self {
        Self(VecDeque::with_capacity(MAX_RECENT))
    }

    /// Whether the same order was allowed within `window`, and still stands.
    pub fn repeats(&self, at: GateTime, content: u64, window: Duration) -> bool {
        self.within(at, window).any(|entry| entry.content == content && !entry.given_back)
    }

    /// How many openings were allowed in the same circle lately; also those that came to nothing, since that is what a bot that runs
    /// in circles looks like.
    pub fn circled(&self, at: GateTime, circle: u64) -> usize {
        self.within(at, CIRCLE_WITHIN).filter(|entry| entry.circle == circle && entry.opening).count()
    }

    /// Whether one more would push out one that is still within `window` or within a circle's span.
    pub fn is_full(&self, at: GateTime, window: Duration) -> bool {
        let span = window.max(CIRCLE_WITHIN);
        self.0.len() >= MAX_RECENT && self.0.front().is_some_and(|oldest| at.since(oldest.at) < span)
    }

    pub fn add(&mut self, at: GateTime, client: u64, placed: &Placed, opening: bool) {
        if self.0.len() >= MAX_RECENT {
            self.0.pop_front();
        }
        let (content, circle) = (placed.content(), placed.circle());
        self.0.push_back(Entry { at, client, content, circle, opening, given_back: false });
    }

    /// An order came to nothing: the same one may come again.
    pub fn give_back(&mut self, client: u64) {
        if let Some(entry) = self.0.iter_mut().rev().find(|entry| entry.client == client) {
            entry.given_back = true;
        }
    }

    fn within(&self, at: GateTime, span: Duration) -> impl Iterator<Item = &Entry> {
        self.0.iter().rev().take_while(move |entry| at.since(entry.at) < span)
    }
}
