//! For each cause: what still holds it. Self-clearing halts clear when nothing does, latched ones may then be resumed.

use crate::component::{Component, Phase};
use crate::halt::{Cause, Halt, Trigger};
use crate::hindrance::Hindrance;
use crate::id::{HaltId, Slot};
use crate::machine::Core;
use crate::record::ClearedBy;
use crate::time::Monotonic;
use crate::turn::{Turn, span};
use std::borrow::Cow;

/// Why a condition still holds, and what to do about it.
pub(crate) type Hold = Cow<'static, str>;

impl Core {
    /// What still holds this halt, if anything does.
    pub(crate) fn holds(&self, now: Monotonic, halt: &Halt) -> Option<Hold> {
        let index = halt.component.as_ref().and_then(|name| self.index_of(name));
        let slot = index.and_then(Slot::component);
        match halt.cause {
            Cause::KillSwitch => {
                Some("the kill switch is released by `failstop kill-switch release` and by nothing else".into())
            }
            Cause::Failsafe => halt.trigger.and_then(|trigger| self.trigger_holds(now, trigger)),
            Cause::Integrity => self.integrity_holds().or_else(|| self.judged_to_hold(Cause::Integrity, slot)),
            Cause::Storage => {
                if self.writing.failed.is_some() {
                    return Some(
                        "the journal failed in this process; repair the storage and start failstop again".into(),
                    );
                }
                self.integrity_holds()
            }
            Cause::NewJournal => None,
            Cause::Witness | Cause::OrdersInDoubt | Cause::Environment => {
                self.environment_holds(halt).or_else(|| self.judged_to_hold(halt.cause, slot))
            }
            Cause::Reclaiming => {
                let too_much = index.and_then(|index| self.reclaims_from(index));
                let too_much = too_much.map(|what| format!("{} has not come below its limit", what.name()).into());
                too_much.or_else(|| self.judged_to_hold(Cause::Reclaiming, slot))
            }
            Cause::HeartbeatLost | Cause::NoProgress | Cause::Hung => self.component_holds(index),
            // An operator's word, or a bot's own, is enough.
            Cause::ComponentFailed | Cause::BotRequest => None,
            // A resume is enough for the latched one; an unlatched one waits for the loss to be judged otherwise.
            Cause::DailyLoss if halt.latched => None,
            Cause::DailyLoss => self.judged_to_hold(Cause::DailyLoss, slot),
            Cause::Unhealthy => {
                self.judge(now).rules.any().then(|| format!("still unhealthy: {}", self.reasons(now).join("; ")).into())
            }
            Cause::Starting => {
                (self.life.integrity != Some(Ok(()))).then(|| "the start-up checks have not passed".into())
            }
            Cause::ComponentDown => {
                let component = index.and_then(|index| self.components.get(index))?;
                if !component.is_ready_and_fresh() {
                    return Some("its successor is not ready and fresh yet".into());
                }
                self.judged_to_hold(Cause::OrdersInDoubt, slot)
                    .or_else(|| self.judged_to_hold(Cause::OrdersInDoubt, None))
            }
            Cause::Maintenance => self
                .operator
                .maintenance_until
                .is_some_and(|until| now < until)
                .then(|| "the maintenance window has not ended; end it with `failstop maintenance off`".into()),
            Cause::Clock => self.clock_holds(now),
            Cause::Overload => self.is_overloaded(now).then(|| "the permit still runs out".into()),
        }
    }

    /// What a failed or unfinished integrity check says.
    pub(crate) fn integrity_holds(&self) -> Option<Hold> {
        match &self.life.integrity {
            Some(Ok(())) => None,
            Some(Err(evidence)) => {
                Some(format!("the integrity check fails: {evidence}; run `failstop verify-data` and repair").into())
            }
            None => Some("the integrity checks have not finished; try again when they have".into()),
        }
    }

    fn judged_to_hold(&self, cause: Cause, slot: Option<Slot>) -> Option<Hold> {
        let evidence = self.judged.get(&(cause, slot))?;
        Some(format!("it still holds: {evidence}").into())
    }

    fn environment_holds(&self, halt: &Halt) -> Option<Hold> {
        if halt.cause != Cause::Environment {
            return None;
        }
        if let Some(Err(evidence)) = &self.life.environment {
            return Some(format!("a check still fails: {evidence}; run `failstop check`").into());
        }
        self.dependencies_hold()
    }

    /// Whether a component that hung is well again, or is kept from running anyway.
    fn component_holds(&self, index: Option<usize>) -> Option<Hold> {
        // One that is not configured any more cannot hang any more.
        let index = index?;
        let component = self.components.get(index)?;
        if component.is_ready_and_fresh() {
            return None;
        }
        match (component.phase, self.hindrance(index)) {
            (
                Phase::Down | Phase::Waiting { .. },
                Some(Hindrance::Held | Hindrance::Failed | Hindrance::NotAllowed),
            ) => None,
            (Phase::Down, _) if component.spent => None,
            (
                Phase::Down
                | Phase::Waiting { .. }
                | Phase::Starting { .. }
                | Phase::Ready
                | Phase::Stopping { .. }
                | Phase::Killing { .. }
                | Phase::Leaving { .. },
                _,
            ) => Some("its component is not ready and fresh yet; see `failstop status`".into()),
        }
    }

    fn trigger_holds(&self, now: Monotonic, trigger: Trigger) -> Option<Hold> {
        if let Some(evidence) = self.triggers.get(&trigger) {
            return Some(format!("its trigger still holds: {evidence}").into());
        }
        match trigger {
            Trigger::MarketData => {
                let (name, age) = self.stale_feed(now, self.policy.health.market_data_max_age)?;
                Some(format!("market data of feed {name} is still {} old", span(age)).into())
            }
            Trigger::JournalSilent => {
                let silent = now.since(self.watch.journal_base);
                (silent >= self.policy.health.journal_max_age).then(|| "the journal is still not written".into())
            }
            Trigger::SnapshotAge => {
                let age = self.watch.last_snapshot?.age(now);
                (age >= self.policy.failsafe.snapshot_max_age)
                    .then(|| format!("the last snapshot is {} old; run `failstop snapshot take`", span(age)).into())
            }
            Trigger::UnhealthyTooLong => {
                self.judge(now).rules.any().then(|| format!("still unhealthy: {}", self.reasons(now).join("; ")).into())
            }
            Trigger::BotFatal => self
                .components
                .iter()
                .any(|component| component.is_running() && component.fatal == Some(component.instance))
                .then(|| "the process that reported it still runs; stop it first".into()),
            Trigger::ClockBackwards => (!self.life.lag.is_zero())
                .then(|| "the clock went backwards in this process; start failstop again".into()),
            // The next start reconciles before `starting` clears.
            Trigger::Capital => self.integrity_holds(),
            Trigger::Memory | Trigger::ApiErrors | Trigger::DailyLoss | Trigger::Limit | Trigger::StaleSourceAgain => {
                None
            }
        }
    }

    /// After a jump of the clock: one lease, and fresh input from everything that must give some.
    fn clock_holds(&self, now: Monotonic) -> Option<Hold> {
        let jumped = self.watch.clock_jumped?;
        if now < jumped.plus(self.policy.lease) {
            return Some("the clock jumped just now".into());
        }
        let silent = self.components.iter().zip(&self.policy.components).any(|(component, policy)| {
            let must_sign = policy.liveness.is_some();
            must_sign && component.is_ready() && component.last_sign.is_none_or(|at| at <= jumped)
        });
        let stale = self.feeds_judged().any(|(_, feed)| feed.last.is_none_or(|at| at <= jumped));
        (silent || stale).then(|| "no fresh input since the clock jumped".into())
    }

    /// Clears what clears itself: when its condition has passed for long enough.
    pub(crate) fn settle_conditions(&mut self, turn: &mut Turn<'_>) {
        if self.writing.failed.is_some() || self.life.epoch.is_none() {
            return;
        }
        let mut passed: Vec<HaltId> = Vec::new();
        for halt in self.recorded.halts.values().filter(|halt| !halt.latched) {
            let holds = self.holds(turn.now, halt).is_some();
            let after = self.clear_after(halt);
            let Some(standing) = self.standing.get_mut(&halt.id) else { continue };
            if standing.clearing.is_some() {
                continue;
            }
            if holds {
                standing.passed = None;
            } else if turn.now >= standing.passed.get_or_insert(turn.now).plus(after) {
                passed.push(halt.id);
            }
        }
        for id in passed {
            self.clear(turn, id, ClearedBy::Itself);
        }
    }

    fn clear_after(&self, halt: &Halt) -> core::time::Duration {
        let slot = halt.component.as_ref().and_then(|name| self.index_of(name)).and_then(Slot::component);
        self.row_for(halt.cause, slot).clear_after
    }

    /// When passing time alone may clear something next.
    pub(crate) fn conditions_due(&self, now: Monotonic, add: &mut impl FnMut(Monotonic)) {
        if self.writing.failed.is_some() {
            return;
        }
        for (id, standing) in &self.standing {
            if let Some(passed) = standing.passed
                && standing.clearing.is_none()
                && let Some(halt) = self.recorded.halts.get(id)
            {
                add(passed.plus(self.clear_after(halt)));
            }
        }
        if let Some(until) = self.operator.maintenance_until
            && now < until
        {
            add(until);
        }
        if let Some(jumped) = self.watch.clock_jumped {
            let at = jumped.plus(self.policy.lease);
            if now < at {
                add(at);
            }
        }
    }

    /// The index of the component of this name, if it is configured.
    pub(crate) fn index_of(&self, name: &crate::ComponentName) -> Option<usize> {
        self.policy.components.iter().position(|component| component.name == *name)
    }

    /// The name of the component in this slot.
    pub(crate) fn name_of(&self, slot: Slot) -> Option<&crate::ComponentName> {
        self.policy.components.get(slot.index()?).map(|component| &component.name)
    }

    /// Whether every component is down for good or for now.
    pub(crate) fn all_down(&self) -> bool {
        !self.components.iter().any(Component::is_running)
    }
}
