//! What the core needs to know of the configuration.

use super::{Component, Config, Environment, Liveness};
use crate::words::fnv1a;
use failstop_core::{ComponentName, ComponentPolicy, DependencyPolicy, FailsafePolicy, HealthPolicy, Policy, Reload};

impl Config {
    /// The numbers and choices that the core decides by.
    ///
    /// `jitter_seed` is derived from the system's name, so that two systems on one host do not restart in step; an engine
    /// that wants two starts to differ mixes in its own entropy.
    pub fn policy(&self) -> Policy {
        Policy {
            mode_ceiling: self.system.mode,
            lease: self.permit.lease,
            renew: self.permit.renew,
            components: self.components.iter().map(|component| self.component_policy(component)).collect(),
            dependencies: self
                .dependencies
                .iter()
                .map(|dependency| DependencyPolicy {
                    name: dependency.name.as_str().to_owned(),
                    timeout: dependency.pace.timeout,
                })
                .collect(),
            limits: self.limits.policy(self.failsafe.emergency_shutdown),
            health: HealthPolicy {
                market_data_max_age: self.health.market_data_max_age,
                feeds: self.health.feeds.iter().map(|feed| feed.as_str().to_owned()).collect(),
                journal_max_age: self.health.journal_max_age,
                errors_per_minute: self.health.errors_per_minute,
                queue_stalled_after: self.health.queue_stalled_after,
                every: self.health.every,
                clear_after: self.health.clear_after,
            },
            failsafe: FailsafePolicy {
                market_data_max_age: self.failsafe.market_data_max_age,
                journal_max_age: self.failsafe.journal_max_age,
                snapshot_max_age: self.failsafe.snapshot_max_age,
                unhealthy_for: self.failsafe.unhealthy_for,
            },
            halts: self.halts.clone(),
            two_key: self.witness.second_key(),
            heartbeat_every: self.journal.heartbeat_every,
            shutdown_within: self.shutdown_within(),
            environment_latched: self.startup.environment == Environment::Operator,
            jitter_seed: fnv1a(self.name().as_bytes()),
        }
    }

    fn component_policy(&self, component: &Component) -> ComponentPolicy {
        let index_of = |name: &super::Name| self.components.iter().position(|other| other.name == *name);
        ComponentPolicy {
            name: ComponentName(component.name.as_str().to_owned()),
            orders: component.orders,
            essential: component.essential,
            restart: component.restart,
            backoff_initial: component.backoff.initial,
            backoff_max: component.backoff.max,
            backoff_reset_after: component.backoff.reset_after,
            start_limit: component.start_limit.starts,
            start_limit_within: component.start_limit.within,
            pre_stop: component.pre_stop.as_ref().map(|hook| hook.timeout),
            post_stop: component.post_stop.as_ref().map(|hook| hook.timeout),
            stop_grace: component.stop_grace,
            readiness: component.readiness.is_some(),
            start_period: component.start_period,
            liveness: match &component.liveness {
                Some(Liveness::Heartbeat(span)) => Some(failstop_core::Liveness::Heartbeat(*span)),
                Some(Liveness::Watchdog(span)) => Some(failstop_core::Liveness::Watchdog(*span)),
                Some(Liveness::Probe { .. }) => Some(failstop_core::Liveness::Probe),
                None => None,
            },
            progress_within: component.progress_within,
            limits: component.limits.policy(self.limits.memory_max.bytes().is_some()),
            needs: component.needs.iter().map(|name| name.as_str().to_owned()).collect(),
            depends_on: component.depends_on.iter().filter_map(index_of).collect(),
            on_dependency_exit: component.on_dependency_exit,
            reload: match (component.reload_signal, component.reload_notify) {
                (None, _) => None,
                (Some(_), false) => Some(Reload::Signal),
                (Some(_), true) => Some(Reload::Announced),
            },
        }
    }
}
