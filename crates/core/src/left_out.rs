//! What bots report beyond what is kept: it is refused with a reason, and held against health until its component ends. What
//! nobody watches is not known to be healthy.

use crate::health::{DEGRADED_AT, MAX_FEEDS, MAX_PARTS};
use crate::id::Slot;
use crate::input::Sign;
use crate::machine::Core;
use crate::policy::Policy;
use crate::turn::{NAME_MAX_BYTES, clip};
use std::collections::BTreeMap;

/// By component: the feed that was left out first, and the worst part that was left out with its health. One each, so that
/// this is bounded by the number of components.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LeftOut {
    feeds: BTreeMap<usize, String>,
    parts: BTreeMap<usize, (String, u16)>,
}

impl LeftOut {
    /// A feed of this component is not watched. Whether that is news.
    pub fn feed(&mut self, index: usize, name: String) -> bool {
        let news = !self.feeds.contains_key(&index);
        self.feeds.entry(index).or_insert(name);
        news
    }

    /// A part of this component is not kept. The worst counts, and what it says later of itself. Whether that is news.
    pub fn part(&mut self, index: usize, name: String, health: u16) -> bool {
        let counts = self.parts.get(&index).is_none_or(|(worst, lowest)| *worst == name || health < *lowest);
        counts && self.parts.insert(index, (name.clone(), health)) != Some((name, health))
    }

    /// A part of this component is not reported any more.
    pub fn part_gone(&mut self, index: usize, name: &str) -> bool {
        self.parts.get(&index).is_some_and(|(worst, _)| worst == name) && self.parts.remove(&index).is_some()
    }

    /// The component ended.
    pub fn forget(&mut self, index: usize) {
        self.feeds.remove(&index);
        self.parts.remove(&index);
    }

    /// The most that overall health can be, in thousandths: no more than degraded.
    pub fn cap(&self, policy: &Policy) -> Option<u16> {
        let parts = self.parts.iter().filter(|(index, _)| is_essential(policy, **index));
        let parts = parts.map(|(_, (_, health))| (*health).min(DEGRADED_AT));
        parts.chain(self.feeds.values().map(|_| DEGRADED_AT)).min()
    }

    /// Why, for people.
    pub fn reasons(&self, policy: &Policy) -> Vec<String> {
        let name = |index: usize| policy.components.get(index).map_or("", |component| component.name.0.as_str());
        let feeds = self.feeds.iter().map(|(index, feed)| {
            format!("market data of feed {feed} of {} is not watched: {MAX_FEEDS} feeds are already", name(*index))
        });
        let parts =
            self.parts.iter().filter(|(index, _)| is_essential(policy, **index)).map(|(index, (part, health))| {
                let percent = health / 10;
                format!(
                    "part {part} of {} is not watched: {MAX_PARTS} parts are already; it reported {percent} % health",
                    name(*index)
                )
            });
        feeds.chain(parts).collect()
    }
}

fn is_essential(policy: &Policy, index: usize) -> bool {
    policy.components.get(index).is_some_and(|component| component.essential)
}

impl Core {
    /// Why this sign of a component will not be kept, and what to do, for whoever sent it. The sign is to be fed all the same:
    /// what it says is left out counts against health.
    pub fn refusal(&self, slot: Slot, sign: &Sign) -> Option<String> {
        match sign {
            Sign::Tick { feed, .. } if !self.watches_feed(feed) => Some(format!(
                "feed {feed} is not watched: {MAX_FEEDS} feeds are already, which is the most; name the source, and the \
                 instrument in `instrument`"
            )),
            Sign::Part { name, .. } if !self.keeps_part(slot, name) => Some(format!(
                "part {name} is not watched: {MAX_PARTS} parts are already, which is the most; report fewer and larger ones"
            )),
            Sign::Tick { .. }
            | Sign::Part { .. }
            | Sign::PartGone { .. }
            | Sign::Ready
            | Sign::Beat
            | Sign::Heartbeat(_)
            | Sign::ProbePassed
            | Sign::WatchdogTrigger
            | Sign::ExtendTimeout(_)
            | Sign::WatchdogSpan(_)
            | Sign::Stopping
            | Sign::Reloading(_)
            | Sign::Failing(_)
            | Sign::MainProcess(_)
            | Sign::Queue { .. }
            | Sign::Error { .. }
            | Sign::Halt { .. } => None,
        }
    }

    /// Whether a feed of this name is watched, or would be from its first tick on.
    pub fn watches_feed(&self, name: &str) -> bool {
        let feeds = &self.watch.feeds;
        feeds.len() < MAX_FEEDS || feeds.contains_key(&clip(name.to_owned(), NAME_MAX_BYTES))
    }

    fn keeps_part(&self, slot: Slot, name: &str) -> bool {
        let Some(index) = slot.index() else { return false };
        let parts = &self.watch.parts;
        parts.len() < MAX_PARTS || parts.contains_key(&(index, clip(name.to_owned(), NAME_MAX_BYTES)))
    }
}
