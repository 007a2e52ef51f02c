//! What people are told of limits: that one is near, that one is crossed where nothing else is done, and that a component was
//! restarted for one. Each is an incident of its own that ends when the figure has been calm for a while.

use super::{Resource, Whose};
use crate::alert::{Alert, AlertChange, AlertId, Subject};
use crate::effect::Effect;
use crate::id::ComponentName;
use crate::machine::Core;
use crate::record::{ClearedBy, Record};
use crate::time::Monotonic;
use crate::turn::Turn;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A figure must stay below for so long without a break before its incident is over: one that comes and goes is told once.
const CALM_FOR: Duration = Duration::from_secs(5 * 60);

/// How far it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Above the warning threshold.
    Near,
    /// Above the limit, and nothing is done about it: as configured, or because nothing runs that may be restarted.
    Over,
    /// Above the limit, and the component was stopped for it.
    Restarted,
}

/// Which incident: one below the limit, one above it.
type WarningKey = (Whose, Resource, bool);

/// Every open incident about a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Warnings {
    open: BTreeMap<WarningKey, Warned>,
    /// Incidents of this engine's life; they are numbered, so that a key is never used again.
    count: u32,
    /// What is to be told at the end of this step.
    untold: Vec<(WarningKey, Warned, AlertChange)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Warned {
    number: u32,
    level: Level,
    used: u64,
    limit: u64,
    since: Monotonic,
    calm_since: Option<Monotonic>,
}

/// What an alert about a limit says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Crossing {
    /// Whose limit: a component's, or that of all together.
    pub component: Option<ComponentName>,
    /// Of what.
    pub resource: Resource,
    /// How far.
    pub level: Level,
    /// What was measured when it was crossed, in the resource's unit.
    pub used: u64,
    /// The threshold or the limit.
    pub limit: u64,
}

fn key_of(key: (Whose, Resource), level: Level) -> WarningKey {
    let above = match level {
        Level::Near => false,
        Level::Over | Level::Restarted => true,
    };
    (key.0, key.1, above)
}

impl Core {
    /// A figure is above a threshold.
    pub(super) fn warn(&mut self, turn: &mut Turn<'_>, key: (Whose, Resource), level: Level, used: u64, limit: u64) {
        let key = key_of(key, level);
        if let Some(open) = self.limits.warnings.open.get_mut(&key) {
            open.calm_since = None;
            return;
        }
        let warnings = &mut self.limits.warnings;
        warnings.count = warnings.count.saturating_add(1);
        let warned = Warned { number: warnings.count, level, used, limit, since: turn.now, calm_since: None };
        warnings.open.insert(key, warned);
        warnings.untold.push((key, warned, AlertChange::Trigger));
        self.dirty = true;
        let component = self.name_of_index(key.0);
        self.record(turn, Record::LimitWarned { component, resource: key.1, level, used, limit });
    }

    /// A figure is below its threshold; once it has been for long enough its incident is over.
    pub(super) fn calm(&mut self, turn: &mut Turn<'_>, key: (Whose, Resource), level: Level, used: u64) {
        let key = key_of(key, level);
        let Some(open) = self.limits.warnings.open.get_mut(&key) else { return };
        let since = *open.calm_since.get_or_insert(turn.now);
        if turn.now.since(since) < CALM_FOR {
            return;
        }
        if let Some(warned) = self.limits.warnings.open.remove(&key) {
            let change = AlertChange::Resolve(ClearedBy::Itself);
            self.limits.warnings.untold.push((key, warned, change));
            self.dirty = true;
            let component = self.name_of_index(key.0);
            let record = Record::LimitPassed { component, resource: key.1, level: warned.level, used };
            self.record(turn, record);
        }
    }

    /// A figure is between its threshold and where it is calm.
    pub(super) fn restless(&mut self, key: (Whose, Resource), level: Level) {
        if let Some(open) = self.limits.warnings.open.get_mut(&key_of(key, level)) {
            open.calm_since = None;
        }
    }

    /// Tells what is new about limits.
    pub(crate) fn tell_limits(&mut self, turn: &mut Turn<'_>) {
        for (key, warned, change) in core::mem::take(&mut self.limits.warnings.untold) {
            let alert = self.limit_alert(turn.now, key, &warned, change);
            turn.out.extend(alert.map(|alert| Effect::Alert(Box::new(alert))));
        }
    }

    /// Every open incident about a limit, as its trigger.
    pub(crate) fn limit_alerts(&self, now: Monotonic) -> impl Iterator<Item = Alert> + '_ {
        let open = self.limits.warnings.open.iter();
        open.filter_map(move |(key, warned)| self.limit_alert(now, *key, warned, AlertChange::Trigger))
    }

    fn limit_alert(&self, now: Monotonic, key: WarningKey, warned: &Warned, change: AlertChange) -> Option<Alert> {
        let component = self.name_of_index(key.0);
        let id = AlertId {
            subject: Subject::Limit,
            component: component.clone(),
            epoch: self.life.epoch?,
            halt: None,
            number: Some(warned.number),
        };
        let crossing =
            Crossing { component, resource: key.1, level: warned.level, used: warned.used, limit: warned.limit };
        Some(Alert {
            severity: id.subject.row().severity,
            id,
            change,
            halt: None,
            crossing: Some(crossing),
            unclean: crate::Unclean::default(),
            stood: now.since(warned.since),
            permission: self.recorded.permission(),
            others: self.recorded.halts.len(),
            maintenance: self.recorded.maintenance.is_some(),
        })
    }

    fn name_of_index(&self, whose: Whose) -> Option<ComponentName> {
        whose.and_then(|index| self.policy.components.get(index)).map(|policy| policy.name.clone())
    }
}
