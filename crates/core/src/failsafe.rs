//! Fail-safe shutdown: the ages that end in it. Triggers that others judge come in as inputs.

use crate::halt::{Cause, Trigger};
use crate::machine::Core;
use crate::time::Monotonic;
use crate::turn::{Turn, span};

impl Core {
    /// Trips whatever trigger has come due.
    pub(crate) fn settle_failsafe(&mut self, turn: &mut Turn<'_>) {
        if self.writing.failed.is_some() || self.life.epoch.is_none() {
            return;
        }
        let policy = &self.policy.failsafe;
        if let Some((name, age)) = self.stale_feed(turn.now, policy.market_data_max_age)
            && !self.tripped(Trigger::MarketData)
        {
            let evidence = format!("market data of feed {name} is {} old", span(age));
            self.trip(turn, Trigger::MarketData, evidence);
        }
        let silent = turn.now.since(self.watch.journal_base);
        if silent >= self.policy.failsafe.journal_max_age && !self.tripped(Trigger::JournalSilent) {
            self.trip(turn, Trigger::JournalSilent, format!("the journal could not be written for {}", span(silent)));
        }
        if let Some(snapshot) = self.watch.last_snapshot
            && snapshot.age(turn.now) >= self.policy.failsafe.snapshot_max_age
            && !self.tripped(Trigger::SnapshotAge)
        {
            let age = span(snapshot.age(turn.now));
            self.trip(turn, Trigger::SnapshotAge, format!("the last snapshot is {age} old"));
        }
        if let Some(since) = self.watch.unhealthy_since
            && turn.now.since(since) >= self.policy.failsafe.unhealthy_for
            && !self.stands(Cause::Failsafe, None, None)
        {
            let evidence = format!(
                "unhealthy for {} without a break: {}",
                span(turn.now.since(since)),
                self.reasons(turn.now).join("; ")
            );
            self.trip(turn, Trigger::UnhealthyTooLong, evidence);
        }
    }

    fn tripped(&self, trigger: Trigger) -> bool {
        self.stands(Cause::Failsafe, None, Some(trigger))
    }

    /// When passing time alone may trip something next.
    pub(crate) fn failsafe_due(&self, now: Monotonic, add: &mut impl FnMut(Monotonic)) {
        if self.writing.failed.is_some() || self.life.epoch.is_none() {
            return;
        }
        let policy = &self.policy.failsafe;
        let mut later = |at: Monotonic| {
            if now < at {
                add(at);
            }
        };
        for (_, feed) in self.feeds_judged() {
            later(feed.base.plus(policy.market_data_max_age));
        }
        later(self.watch.journal_base.plus(policy.journal_max_age));
        if let Some(snapshot) = self.watch.last_snapshot {
            later(snapshot.reaches(policy.snapshot_max_age));
        }
        if let Some(since) = self.watch.unhealthy_since {
            later(since.plus(policy.unhealthy_for));
        }
    }
}
