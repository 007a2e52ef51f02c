//! What the notifier was told and does not list yet, and what it could not take. Its list lags behind what it was told: by the time that
//! its thread and its disk take. Whoever ends an incident, or begins one, goes by what was told, and by what will be.

use failstop_notify::{Alert, Change, Key, Notice};
use std::collections::{BTreeMap, BTreeSet};

/// What was told, by incident.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// The last that was told of each; at most [`failstop_notify::OPEN_MAX`].
    told: BTreeMap<Key, Told>,
    /// What it could not take, the oldest first and of each incident the newest; at most [`failstop_notify::OPEN_MAX`].
    waiting: Vec<Notice>,
}

#[derive(Debug)]
enum Told {
    /// That it is, of this cause.
    Open { cause: String },
    /// That it is over.
    Over,
}

impl UnderWay {
    /// The notifier took this; `listed` is what it lists meanwhile.
    pub fn taken(&mut self, notice: &Notice, listed: &[Alert]) {
        self.waiting.retain(|waiting| waiting.key != notice.key);
        let told = match notice.change {
            Change::Trigger | Change::Update => Told::Open { cause: notice.cause.clone() },
            Change::Resolve => Told::Over,
        };
        if self.told.len() >= failstop_notify::OPEN_MAX && !self.told.contains_key(&notice.key) {
            // What the list says needs no memory beside it.
            self.told.retain(|key, told| is_open(key, listed) != matches!(told, Told::Open { .. }));
        }
        // Full of what the notifier does not list: it is far behind, or refused them for good. Ended, each makes room again.
        if self.told.len() < failstop_notify::OPEN_MAX || self.told.contains_key(&notice.key) {
            self.told.insert(notice.key.clone(), told);
        }
    }

    /// The notifier could not take this: it is to be told later, unless something newer of the same incident is.
    pub fn refused(&mut self, notice: Notice) {
        self.waiting.retain(|waiting| waiting.key != notice.key);
        if self.waiting.len() >= failstop_notify::OPEN_MAX {
            let lost = self.waiting.remove(0);
            tracing::error!(key = %lost.key, title = lost.title, "too much waits for the notifier: this is not told");
        }
        self.waiting.push(notice);
    }

    /// What it could not take, the oldest first; to be told now.
    pub fn take_refused(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.waiting)
    }

    /// Every incident of this cause that is open once the notifier has done what it was told.
    pub fn open(&self, cause: &str, listed: &[Alert]) -> BTreeSet<Key> {
        let listed = listed.iter().filter(|alert| alert.resolved_at.is_none() && alert.cause == cause);
        let still = listed.map(|alert| &alert.key).filter(|key| !matches!(self.told.get(key), Some(Told::Over)));
        let coming = self.told.iter().filter_map(|(key, told)| match told {
            Told::Open { cause: of } => (of == cause).then_some(key),
            Told::Over => None,
        });
        let begun = self.waiting.iter().filter(|notice| notice.change != Change::Resolve && notice.cause == cause);
        still.chain(coming).chain(begun.map(|notice| &notice.key)).cloned().collect()
    }

    /// Whether this incident is, or was: one that is over is not opened again.
    pub fn is_known(&self, key: &Key, listed: &[Alert]) -> bool {
        self.told.contains_key(key)
            || self.waiting.iter().any(|notice| notice.key == *key)
            || listed.iter().any(|alert| alert.key == *key)
    }

    /// Whether its trigger is on its way. Asked again it is not: a notifier that refused it is told once more.
    pub fn expects(&mut self, key: &Key) -> bool {
        match self.told.get(key) {
            Some(Told::Open { .. }) => self.told.remove(key).is_some(),
            Some(Told::Over) | None => false,
        }
    }
}

fn is_open(key: &Key, listed: &[Alert]) -> bool {
    listed.iter().any(|alert| alert.key == *key && alert.resolved_at.is_none())
}
