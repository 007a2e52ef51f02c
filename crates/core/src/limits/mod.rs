//! Resource limits over the trees: the ladder that a component climbs that uses too much.
//!
//! ```text
//!   below --80 %--> told --limit--> asked to give back, its slot held --still over at the next look--> stopped and restarted
//!                                                                       --the same again within 5 min--> component-failed
//! ```
//!
//! The limit of all components together takes the one that uses most. Samples are facts of the host's; which of them is wanted
//! sooner than usual is [`Core::next_look`].

mod measure;
mod warned;

pub use measure::{
    ComponentLimits, LimitAction, Resource, SystemLimits, Thresholds, Usage, WARN_AT_PERCENT, memory_emergency,
};
pub use warned::{Crossing, Level};

use crate::component::{Component, Phase};
use crate::effect::Effect;
use crate::halt::{Cause, Trigger};
use crate::id::{Instance, Slot};
use crate::ledger::Grievance;
use crate::machine::Core;
use crate::record::Record;
use crate::time::Monotonic;
use crate::turn::Turn;
use core::time::Duration;
use measure::EMERGENCY_MULTIPLE;
use std::collections::BTreeMap;
use std::sync::Arc;
use warned::Warnings;

/// The second look at what was over its limit comes this long after the first: time enough to give something back.
pub const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A component that crosses a limit again within this span of its last restart for one has failed.
pub const AGAIN_WITHIN: Duration = Duration::from_secs(300);

/// Whose limit: a component's own, by its index, or that of all together.
pub(crate) type Whose = Option<usize>;

/// What is known of every limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    gauges: BTreeMap<(Whose, Resource), Gauge>,
    /// Whoever was asked to give back, by the limit that it was asked for.
    asked: BTreeMap<(Whose, Resource), Asked>,
    warnings: Warnings,
}

/// Since when a figure has been above its thresholds without a break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Gauge {
    near_since: Option<Monotonic>,
    over_since: Option<Monotonic>,
}

/// A component that was asked to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asked {
    index: usize,
    instance: Instance,
    at: Monotonic,
    /// Whether it was stopped since, for not giving back.
    stopped: bool,
}

/// How one figure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    used: u64,
    thresholds: Thresholds,
    /// Above the warning threshold for long enough; `None` while between it and its clearance.
    near: Option<bool>,
    /// Above the limit now.
    over: bool,
    /// Above the limit for long enough.
    crossed: bool,
    since: Monotonic,
}

impl Limits {
    /// A start of the component begins: what the last one used is no longer held against it.
    pub(crate) fn begins(&mut self, index: usize) {
        self.gauges.retain(|(whose, _), _| *whose != Some(index));
    }
}

impl Gauge {
    fn read(&mut self, now: Monotonic, used: u64, thresholds: Thresholds) -> Standing {
        let long_enough = |since: Option<Monotonic>| since.is_some_and(|at| now.since(at) >= thresholds.span);
        let near = if used > thresholds.warn {
            self.near_since.get_or_insert(now);
            Some(long_enough(self.near_since))
        } else {
            self.near_since = None;
            (used <= thresholds.calm()).then_some(false)
        };
        let over = thresholds.max.is_some_and(|max| used > max);
        self.over_since = over.then(|| self.over_since.unwrap_or(now));
        let since = self.over_since.unwrap_or(now);
        Standing { used, thresholds, near, over, crossed: over && long_enough(self.over_since), since }
    }
}

/// What a component is asked to give back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// Of what.
    pub resource: Resource,
    /// What was measured, in the resource's unit (see [`Resource`]); where the limit is the whole system's, of all together.
    pub used: u64,
    /// The limit.
    pub limit: u64,
    /// Both in words.
    pub reason: String,
}

impl Core {
    /// Takes one sample of everything that runs. What is not in it does not run.
    pub(crate) fn usage(&mut self, turn: &mut Turn<'_>, sample: &[Usage]) {
        let policy = Arc::clone(&self.policy);
        let present: Vec<(usize, Usage)> =
            sample.iter().filter_map(|usage| Some((self.present(usage.slot, usage.instance)?, *usage))).collect();
        for (index, component) in policy.components.iter().enumerate() {
            let usage = present.iter().find(|(other, _)| *other == index).map(|(_, usage)| *usage);
            for resource in Resource::ALL {
                let Some(thresholds) = component.limits.thresholds(resource) else { continue };
                match usage {
                    Some(usage) => {
                        let Some(used) = usage.of(resource) else { continue };
                        let action = component.limits.action;
                        self.judge_usage(turn, (Some(index), resource), used, thresholds, action, |_| Some(index));
                    }
                    None => self.nothing_used(turn, (Some(index), resource)),
                }
            }
        }
        for resource in Resource::ALL {
            let Some(thresholds) = policy.limits.thresholds(resource) else { continue };
            let figures = || present.iter().filter_map(|(index, usage)| Some((*index, usage.of(resource)?)));
            if resource == Resource::Cpu && figures().next().is_none() && !present.is_empty() {
                // Only first samples: nothing is known yet.
                continue;
            }
            let used = figures().fold(0_u64, |sum, (_, used)| sum.saturating_add(used));
            let mut by_use: Vec<(u64, usize)> = figures().map(|(index, used)| (used, index)).collect();
            by_use.sort_by_key(|(used, index)| (core::cmp::Reverse(*used), *index));
            let most = |core: &Self| {
                by_use.iter().map(|(_, index)| *index).find(|index| core.may_be_taken(*index, LimitAction::Restart))
            };
            self.judge_usage(turn, (None, resource), used, thresholds, policy.limits.action, most);
        }
    }

    /// Whether a component is one that can be asked and restarted now.
    fn may_be_taken(&self, index: usize, action: LimitAction) -> bool {
        let wanted = self.policy.components.get(index).is_some_and(|policy| policy.limits.action == action);
        wanted && self.components.get(index).is_some_and(is_up)
    }

    fn judge_usage(
        &mut self,
        turn: &mut Turn<'_>,
        key: (Whose, Resource),
        used: u64,
        thresholds: Thresholds,
        action: LimitAction,
        takes: impl Fn(&Self) -> Option<usize>,
    ) {
        let standing = self.limits.gauges.entry(key).or_default().read(turn.now, used, thresholds);
        match standing.near {
            Some(true) => self.warn(turn, key, Level::Near, used, thresholds.warn),
            Some(false) => self.calm(turn, key, Level::Near, used),
            None => self.restless(key, Level::Near),
        }
        if let Some(limit) = thresholds.emergency
            && used > limit
            && self.policy.limits.emergency_shutdown
            && !self.stands(Cause::Failsafe, None, Some(Trigger::Memory))
        {
            let warn = key.1.value(limit / EMERGENCY_MULTIPLE);
            let evidence = format!("{}, more than twice the threshold of {warn}", self.uses(key.0, key.1.amount(used)));
            self.trip(turn, Trigger::Memory, evidence);
        }
        let Some(limit) = thresholds.max else { return };
        if !standing.over {
            self.calm(turn, key, Level::Over, used);
            if self.limits.asked.remove(&key).is_some() {
                self.dirty = true;
            }
            return;
        }
        match action {
            LimitAction::Warn => {
                if standing.crossed {
                    self.warn(turn, key, Level::Over, used, limit);
                }
            }
            LimitAction::Restart => self.climb(turn, key, &standing, limit, takes),
        }
    }

    /// The next rung for a limit that is crossed now.
    fn climb(
        &mut self,
        turn: &mut Turn<'_>,
        key: (Whose, Resource),
        standing: &Standing,
        limit: u64,
        takes: impl Fn(&Self) -> Option<usize>,
    ) {
        let asked = self.limits.asked.get(&key).copied().filter(|asked| {
            self.components.get(asked.index).is_some_and(|one| one.instance == asked.instance && one.is_running())
        });
        let Some(asked) = asked else {
            if self.limits.asked.remove(&key).is_some() {
                self.dirty = true;
            }
            if standing.crossed {
                match takes(self).filter(|index| self.components.get(*index).is_some_and(is_up)) {
                    Some(index) => self.ask(turn, key, standing, limit, index),
                    None => self.warn(turn, key, Level::Over, standing.used, limit),
                }
            }
            return;
        };
        // Nothing comes back during maintenance, so nothing is taken away either; its slot stays held.
        let wait = asked.stopped || self.recorded.maintenance.is_some();
        if wait || turn.now < asked.at.plus(LOOK_AGAIN_AFTER) || !self.components.get(asked.index).is_some_and(is_up) {
            return;
        }
        self.limits.asked.insert(key, Asked { stopped: true, ..asked });
        self.end_for_limit(turn, key, standing, limit, asked.index);
    }

    /// Asks a component to give back, and holds its slot until it has.
    fn ask(&mut self, turn: &mut Turn<'_>, key: (Whose, Resource), standing: &Standing, limit: u64, index: usize) {
        let (Some(component), Some(slot)) = (self.components.get(index), Slot::component(index)) else { return };
        let instance = component.instance;
        self.limits.asked.insert(key, Asked { index, instance, at: turn.now, stopped: false });
        let reason = self.too_much(key, standing.used, limit);
        let evidence = format!("{reason}; it was asked to give back");
        self.raise(turn, Grievance::about(Cause::Reclaiming, slot, evidence));
        let ask = Ask { resource: key.1, used: standing.used, limit, reason };
        turn.push(Effect::Ask { slot, instance, ask });
        self.dirty = true;
    }

    /// It did not give back: it is stopped and started again, or has failed where that was done just before.
    fn end_for_limit(
        &mut self,
        turn: &mut Turn<'_>,
        key: (Whose, Resource),
        standing: &Standing,
        limit: u64,
        index: usize,
    ) {
        let reason = format!("{}, and it did not give back", self.too_much(key, standing.used, limit));
        let (Some(component), Some(slot)) = (self.components.get_mut(index), Slot::component(index)) else { return };
        let again = component.limit_restart.is_some_and(|at| standing.since.since(at) < AGAIN_WITHIN);
        component.limit_restart = Some(turn.now);
        if again {
            let evidence =
                format!("{reason}, again within {} of a restart for a limit", crate::turn::span(AGAIN_WITHIN));
            self.raise(turn, Grievance::about(Cause::ComponentFailed, slot, evidence));
        } else {
            self.warn(turn, key, Level::Restarted, standing.used, limit);
            self.stop_over_limit(turn, index, &reason);
        }
    }

    /// Stops a component in good order for what it uses; its end counts as a failure, and it is started again.
    fn stop_over_limit(&mut self, turn: &mut Turn<'_>, index: usize, reason: &str) {
        let stopping = self.stop_begins(turn.now, index, false);
        let (Some(component), Some(policy), Some(slot)) =
            (self.components.get_mut(index), self.policy.components.get(index), Slot::component(index))
        else {
            return;
        };
        component.phase = stopping;
        component.over_limit = true;
        let instance = component.instance;
        let name = policy.name.clone();
        self.dirty = true;
        turn.push(Effect::Stop { slot, instance });
        self.record(turn, Record::ComponentStopping { component: name, instance, reason: reason.to_owned() });
    }

    /// A component that does not run uses nothing.
    fn nothing_used(&mut self, turn: &mut Turn<'_>, key: (Whose, Resource)) {
        self.limits.gauges.remove(&key);
        if self.limits.asked.remove(&key).is_some() {
            self.dirty = true;
        }
        self.calm(turn, key, Level::Near, 0);
        self.calm(turn, key, Level::Over, 0);
    }

    /// Processor time is judged over a span without a break, and a gap in time is one.
    pub(crate) fn forget_spans_of_use(&mut self) {
        for ((_, resource), gauge) in &mut self.limits.gauges {
            if *resource == Resource::Cpu {
                *gauge = Gauge::default();
            }
        }
    }

    /// Why the component is still held for what it uses, if it is.
    pub(crate) fn reclaims_from(&self, index: usize) -> Option<Resource> {
        let component = self.components.get(index)?;
        let mut asked = self.limits.asked.iter();
        let holds =
            |asked: &Asked| asked.index == index && asked.instance == component.instance && component.is_running();
        asked.find(|(_, asked)| holds(asked)).map(|((_, resource), _)| *resource)
    }

    /// When the next sample is wanted, where that is sooner than usual: something was over its limit, and is looked at again.
    pub fn next_look(&self) -> Option<Monotonic> {
        let open = self.limits.asked.values().filter(|asked| {
            let up = self.components.get(asked.index).is_some_and(|one| one.instance == asked.instance && is_up(one));
            !asked.stopped && up && self.recorded.maintenance.is_none()
        });
        open.map(|asked| self.host_time(asked.at.plus(LOOK_AGAIN_AFTER))).min()
    }

    /// `it uses 1.9 GB of memory, its limit is 1.8 GB`.
    fn too_much(&self, key: (Whose, Resource), used: u64, limit: u64) -> String {
        let (whose, resource) = key;
        let limit = resource.value(limit);
        match whose {
            Some(_) => format!("it uses {}, its limit is {limit}", resource.amount(used)),
            None => format!(
                "all components use {} together, their limit is {limit}, and it uses most",
                resource.amount(used)
            ),
        }
    }

    fn uses(&self, whose: Whose, amount: String) -> String {
        match whose.and_then(|index| self.policy.components.get(index)) {
            Some(policy) => format!("{} uses {amount}", policy.name.0),
            None => format!("all components use {amount} together"),
        }
    }
}

/// Whether it runs and is not about to end.
fn is_up(component: &Component) -> bool {
    match component.phase {
        Phase::Starting { .. } | Phase::Ready => true,
        Phase::Stopping { .. }
        | Phase::Killing { .. }
        | Phase::Leaving { .. }
        | Phase::Down
        | Phase::Waiting { .. } => false,
    }
}
