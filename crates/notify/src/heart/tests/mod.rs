//! The heart by itself: what it decides, and properties over random lives with crashes in them.

mod deciding;
mod lives;

use super::{At, Collapse, Heart, LaneId, Now, Order, Record, Spec, Wants};
use crate::answer::Answer;
use crate::key::Key;
use crate::notice::{Change, Nature, Notice, Severity};
use crate::policy::{Environments, Policy};
use jiff::Timestamp;
use std::time::Duration;

/// More than any test lets out at once.
const ORDERS_MAX: usize = 10_000;

pub(super) fn spec(name: &str, collapse: Collapse) -> Spec {
    Spec {
        id: LaneId(name.to_owned()),
        channel: name.to_owned(),
        destination: None,
        environments: Environments::Production,
        collapse,
        wants: Wants { update: true, reminder: true, acknowledge: false },
        spacing: Duration::ZERO,
        refresh: None,
    }
}

pub(super) fn key(name: &str) -> Key {
    Key::parse(name).unwrap_or_else(|fault| panic!("{fault}"))
}

pub(super) fn notice(name: &str, change: Change, severity: Severity) -> Notice {
    let mut notice = Notice::new(key(name), change, severity, format!("{name} broke"), Timestamp::UNIX_EPOCH);
    notice.system = "demo".into();
    notice.cause = "target-down".into();
    notice.nature = Nature::Other;
    notice
}

/// A heart with a clock and the facts that it saved.
pub(super) struct World {
    pub(super) heart: Heart,
    pub(super) specs: Vec<Spec>,
    pub(super) policy: Policy,
    pub(super) saved: Vec<Record>,
    pub(super) at: u64,
}

impl World {
    pub(super) fn new(policy: Policy, specs: Vec<Spec>) -> Self {
        let mut heart = Heart::new("demo".into(), policy.clone(), specs.clone());
        heart.adopt(Now { at: At(0), wall: Timestamp::UNIX_EPOCH }, policy.clone(), specs.clone());
        Self { heart, specs, policy, saved: Vec::new(), at: 0 }
    }

    pub(super) fn now(&self) -> Now {
        let wall = i64::try_from(self.at).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Now { at: At(self.at), wall: wall.unwrap_or(Timestamp::UNIX_EPOCH) }
    }

    pub(super) fn later(&mut self, time: Duration) {
        self.at += u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.heart.tick(self.now());
    }

    pub(super) fn save(&mut self) {
        for record in self.heart.take_unsaved() {
            let read = through_text(&record);
            assert_eq!(read, record);
            self.saved.push(read);
        }
    }

    pub(super) fn poll(&mut self) -> Option<Order> {
        loop {
            self.save();
            let order = self.heart.poll(self.now());
            if order.is_some() || self.heart.unsaved.is_empty() {
                return order;
            }
        }
    }

    pub(super) fn orders(&mut self) -> Vec<Order> {
        let orders: Vec<Order> = std::iter::from_fn(|| self.poll()).take(ORDERS_MAX).collect();
        assert!(orders.len() < ORDERS_MAX, "there is no end to it");
        orders
    }

    pub(super) fn answer(&mut self, order: &Order, answer: Answer) {
        self.heart.answered(self.now(), order, answer, u32::MAX);
    }

    /// Answers everything that goes out with success, and gives it.
    pub(super) fn deliver(&mut self) -> Vec<Order> {
        let mut all = Vec::new();
        while let Some(order) = self.poll() {
            self.answer(&order, Answer::ok());
            all.push(order);
            assert!(all.len() < ORDERS_MAX, "there is no end to it");
        }
        all
    }

    /// The process dies and another takes up what was saved.
    pub(super) fn crash(&mut self) {
        let mut heart = Heart::new("demo".into(), self.policy.clone(), self.specs.clone());
        for record in &self.saved {
            heart.replay(record);
        }
        heart.adopt(self.now(), self.policy.clone(), self.specs.clone());
        self.heart = heart;
    }

    /// The same through a compacted outbox.
    pub(super) fn compact(&mut self) {
        self.save();
        let now = self.now();
        let facts = self.heart.snapshot().into_iter();
        self.saved = facts.map(|fact| through_text(&Record { at: now.at, wall: now.wall, fact })).collect();
    }
}

/// What is on disk went through its text.
fn through_text(record: &Record) -> Record {
    let text = serde_json::to_string(record).unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
