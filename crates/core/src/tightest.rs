//! Two policies as one that allows no more than either: what is in force while another policy waits for its record.
//!
//! Each field is decided here, none by default. What neither tightens nor loosens (delays, graces, spans of records) stays as it
//! is until the record is durable.

use crate::causes;
use crate::halt::Cause;
use crate::limits::{ComponentLimits, LimitAction, SystemLimits};
use crate::policy::{ComponentPolicy, FailsafePolicy, HaltPolicy, HealthPolicy, Liveness, Policy};
use core::time::Duration;
use std::collections::BTreeMap;

impl Policy {
    /// Whether `other` may take this one's place in a running core: the same components and dependencies in the same order, asked
    /// and watched in the same ways. Everything else is numbers.
    pub fn may_become(&self, other: &Self) -> bool {
        let same = |(ours, theirs): (&ComponentPolicy, &ComponentPolicy)| {
            ours.name == theirs.name
                && ours.orders == theirs.orders
                && ours.readiness == theirs.readiness
                && ours.reload == theirs.reload
                && (ours.pre_stop, ours.post_stop) == (theirs.pre_stop, theirs.post_stop)
                && kind(ours.liveness) == kind(theirs.liveness)
        };
        self.components.len() == other.components.len()
            && self.components.iter().zip(&other.components).all(same)
            && self.dependencies.len() == other.dependencies.len()
            && self.dependencies.iter().zip(&other.dependencies).all(|(ours, theirs)| ours.name == theirs.name)
            && (self.mode_ceiling, self.two_key) == (other.mode_ceiling, other.two_key)
            && (self.lease, self.renew, self.jitter_seed) == (other.lease, other.renew, other.jitter_seed)
    }

    /// This policy with everything in which `new` is tighter.
    #[must_use]
    pub(crate) fn tightest(&self, new: &Self) -> Self {
        Self {
            mode_ceiling: self.mode_ceiling.min(new.mode_ceiling),
            lease: self.lease,
            renew: self.renew,
            components: (self.components.iter().zip(&new.components))
                .zip(of_dependencies(&self.components, &new.components))
                .map(|((old, new), depends_on)| of_component(old, new, depends_on))
                .collect(),
            dependencies: self.dependencies.clone(),
            limits: of_system(&self.limits, &new.limits),
            health: of_health(&self.health, &new.health),
            failsafe: of_failsafe(&self.failsafe, &new.failsafe),
            halts: of_halts(self, new),
            two_key: self.two_key,
            heartbeat_every: self.heartbeat_every,
            environment_latched: self.environment_latched || new.environment_latched,
            shutdown_within: self.shutdown_within,
            jitter_seed: self.jitter_seed,
        }
    }
}

/// What a running component was told of its required sign of life, or is asked by: one that beats by WATCHDOG_USEC keeps the span
/// that it was started with. Heartbeats it sends by itself, whoever wants them.
fn kind(liveness: Option<Liveness>) -> Kind {
    match liveness {
        None | Some(Liveness::Heartbeat(_)) => Kind::ByItself,
        Some(Liveness::Watchdog(span)) => Kind::Told(span),
        Some(Liveness::Probe) => Kind::Asked,
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    ByItself,
    Told(Duration),
    Asked,
}

/// The lower of two limits, the absent one being none.
fn lower<T: Ord>(old: Option<T>, new: Option<T>) -> Option<T> {
    match (old, new) {
        (Some(old), Some(new)) => Some(old.min(new)),
        (one, other) => one.or(other),
    }
}

fn action(old: LimitAction, new: LimitAction) -> LimitAction {
    match (old, new) {
        (LimitAction::Warn, LimitAction::Warn) => LimitAction::Warn,
        (LimitAction::Restart, _) | (_, LimitAction::Restart) => LimitAction::Restart,
    }
}

/// Which others must be ready first, for each component: those of both, but for a new one that would close a circle. Components
/// that depend on one another could not be stopped in order, so there the order of before holds.
fn of_dependencies(old: &[ComponentPolicy], new: &[ComponentPolicy]) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = old.iter().map(|component| component.depends_on.clone()).collect();
    for (index, component) in new.iter().enumerate() {
        for on in &component.depends_on {
            let circle = leads(&all, *on, index);
            if let Some(known) = all.get_mut(index)
                && !circle
                && !known.contains(on)
            {
                known.push(*on);
            }
        }
    }
    all
}

/// Whether one component is another, or depends on it over however many.
fn leads(all: &[Vec<usize>], from: usize, to: usize) -> bool {
    let (mut next, mut seen) = (vec![from], vec![from]);
    while let Some(index) = next.pop() {
        if index == to {
            return true;
        }
        for on in all.get(index).into_iter().flatten() {
            if !seen.contains(on) {
                seen.push(*on);
                next.push(*on);
            }
        }
    }
    false
}

fn of_component(old: &ComponentPolicy, new: &ComponentPolicy, depends_on: Vec<usize>) -> ComponentPolicy {
    ComponentPolicy {
        name: old.name.clone(),
        orders: old.orders,
        essential: old.essential || new.essential,
        restart: old.restart,
        backoff_initial: old.backoff_initial,
        backoff_max: old.backoff_max,
        backoff_reset_after: old.backoff_reset_after,
        start_limit: old.start_limit.min(new.start_limit),
        start_limit_within: old.start_limit_within.max(new.start_limit_within),
        pre_stop: old.pre_stop,
        post_stop: old.post_stop,
        stop_grace: old.stop_grace,
        readiness: old.readiness,
        start_period: old.start_period,
        liveness: match (old.liveness, new.liveness) {
            (Some(Liveness::Heartbeat(old)), Some(Liveness::Heartbeat(new))) => Some(Liveness::Heartbeat(old.min(new))),
            (None, Some(Liveness::Heartbeat(new))) => Some(Liveness::Heartbeat(new)),
            // These are the same in both, or there is none any more.
            (old, Some(Liveness::Heartbeat(_) | Liveness::Watchdog(_) | Liveness::Probe) | None) => old,
        },
        progress_within: lower(old.progress_within, new.progress_within),
        limits: of_limits(&old.limits, &new.limits),
        // A dependency that excuses is looser, one that must be ready first is tighter.
        needs: old.needs.iter().filter(|name| new.needs.contains(name)).cloned().collect(),
        depends_on,
        on_dependency_exit: old.on_dependency_exit,
        reload: old.reload,
    }
}

fn of_limits(old: &ComponentLimits, new: &ComponentLimits) -> ComponentLimits {
    ComponentLimits {
        memory_max: lower(old.memory_max, new.memory_max),
        memory_warn: lower(old.memory_warn, new.memory_warn),
        // A limit in the place of the trigger is no tighter than it.
        emergency: lower(old.emergency, new.emergency),
        cpu_max_percent: lower(old.cpu_max_percent, new.cpu_max_percent),
        cpu_for: old.cpu_for.min(new.cpu_for),
        files_max: lower(old.files_max, new.files_max),
        processes_max: lower(old.processes_max, new.processes_max),
        action: action(old.action, new.action),
    }
}

fn of_system(old: &SystemLimits, new: &SystemLimits) -> SystemLimits {
    SystemLimits {
        memory_max: lower(old.memory_max, new.memory_max),
        memory_warn: old.memory_warn.min(new.memory_warn),
        emergency: lower(old.emergency, new.emergency),
        cpu_max_percent: old.cpu_max_percent.min(new.cpu_max_percent),
        cpu_for: old.cpu_for.min(new.cpu_for),
        action: action(old.action, new.action),
        emergency_shutdown: old.emergency_shutdown || new.emergency_shutdown,
    }
}

fn of_health(old: &HealthPolicy, new: &HealthPolicy) -> HealthPolicy {
    let more = new.feeds.iter().filter(|feed| !old.feeds.contains(feed));
    HealthPolicy {
        market_data_max_age: old.market_data_max_age.min(new.market_data_max_age),
        feeds: old.feeds.iter().chain(more).cloned().collect(),
        journal_max_age: old.journal_max_age.min(new.journal_max_age),
        errors_per_minute: old.errors_per_minute.min(new.errors_per_minute),
        queue_stalled_after: old.queue_stalled_after.min(new.queue_stalled_after),
        every: old.every.min(new.every),
        clear_after: old.clear_after.max(new.clear_after),
    }
}

fn of_failsafe(old: &FailsafePolicy, new: &FailsafePolicy) -> FailsafePolicy {
    FailsafePolicy {
        market_data_max_age: old.market_data_max_age.min(new.market_data_max_age),
        journal_max_age: old.journal_max_age.min(new.journal_max_age),
        snapshot_max_age: old.snapshot_max_age.min(new.snapshot_max_age),
        unhealthy_for: old.unhealthy_for.min(new.unhealthy_for),
    }
}

/// Latched where either says so, and passed for the longer of both times.
fn of_halts(old: &Policy, new: &Policy) -> BTreeMap<Cause, HaltPolicy> {
    let causes = old.halts.keys().chain(new.halts.keys());
    causes
        .map(|cause| {
            let (before, after) = (causes::row(old, *cause, true), causes::row(new, *cause, true));
            let latched = before.latched || after.latched;
            let set = |policy: &Policy| policy.halts.get(cause).is_some_and(|over| over.clear_after.is_some());
            let longest = before.clear_after.max(after.clear_after).max(unset(old, new, *cause));
            let clear_after = (!latched && (set(old) || set(new))).then_some(longest);
            (*cause, HaltPolicy { latched: Some(latched), clear_after })
        })
        .collect()
}

/// How long a cause takes to clear where nobody set it and it hangs on the components.
fn unset(old: &Policy, new: &Policy, cause: Cause) -> Duration {
    if cause != Cause::ComponentFailed {
        return Duration::ZERO;
    }
    let components = old.components.iter().chain(&new.components);
    components.map(|component| component.start_limit_within).max().unwrap_or_default()
}
