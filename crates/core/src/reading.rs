//! What others may read off the machine: status, health and metrics. Changes nothing.

use crate::component::Phase;
use crate::halt::Halt;
use crate::hindrance::Hindrance;
use crate::input::QueueState;
use crate::machine::Core;
use crate::time::Monotonic;
use crate::view::{ComponentState, ComponentView, FeedView, Health, PartView, QueueView};

impl Core {
    /// Every standing halt, in the order of their ids, with the time since when it stands. For a halt of an earlier
    /// epoch that is this start; the journal knows the wall time of its record.
    pub fn halts(&self) -> impl Iterator<Item = (&Halt, Monotonic)> {
        self.recorded.halts.values().map(|halt| {
            let since = self.standing.get(&halt.id).map_or(Monotonic::default(), |standing| standing.since);
            (halt, self.host_time(since))
        })
    }

    /// The verdict at `now`.
    pub fn health(&self, now: Monotonic) -> Health {
        let now = now.plus(self.life.lag);
        let verdict = self.judge(now);
        Health {
            status: verdict.status(),
            overall: verdict.overall,
            reasons: self.reasons(now),
            errors_per_minute: self.errors_per_minute(now),
            last_journal_write: self.watch.last_journal_write.map(|at| self.host_time(at)),
            snapshot_age: self.watch.last_snapshot.map(|snapshot| snapshot.age(now)),
        }
    }

    /// Every component, in the configuration's order.
    pub fn components(&self) -> Vec<ComponentView> {
        let both = self.components.iter().zip(&self.policy.components).enumerate();
        both.map(|(index, (component, policy))| {
            let state = match component.phase {
                Phase::Starting { .. } => ComponentState::Starting,
                Phase::Ready => ComponentState::Ready,
                Phase::Stopping { .. } | Phase::Killing { .. } | Phase::Leaving { .. } => ComponentState::Stopping,
                Phase::Down if component.spent => ComponentState::Failed,
                Phase::Down | Phase::Waiting { .. } => match self.hindrance(index) {
                    Some(Hindrance::Failed) => ComponentState::Failed,
                    Some(Hindrance::Held | Hindrance::NotAllowed | Hindrance::EngineStopping) => {
                        ComponentState::Stopped
                    }
                    Some(Hindrance::EngineStarting | Hindrance::DependencyDown) | None => ComponentState::Backoff,
                },
            };
            ComponentView {
                name: policy.name.clone(),
                state,
                pid: component.pid,
                instance: component.instance,
                restarts: component.restarts,
                started: component.started.map(|at| self.host_time(at)),
                last_sign: component.last_sign.map(|at| self.host_time(at)),
                health: self.component_health(index),
                queue: component.queue.map(|queue| QueueView {
                    state: if self.is_queue_stalled(self.last_step(), &queue) {
                        QueueState::Stalled
                    } else {
                        queue.state
                    },
                    depth: queue.depth,
                }),
                held: self.recorded.held.get(&policy.name).cloned(),
                reloading: component.reload.is_some(),
                waits_for: self.waits_for(index),
            }
        })
        .collect()
    }

    /// Every feed that was seen or is configured.
    pub fn feeds(&self) -> Vec<FeedView> {
        let feeds = self.watch.feeds.iter();
        feeds
            .map(|(name, feed)| FeedView { name: name.clone(), last: feed.last.map(|at| self.host_time(at)) })
            .collect()
    }

    /// Every part that a component reported.
    pub fn parts(&self) -> Vec<PartView> {
        let parts = self.watch.parts.iter();
        parts
            .filter_map(|((index, name), health)| {
                let component = self.policy.components.get(*index)?.name.clone();
                Some(PartView { component, name: name.clone(), health: *health })
            })
            .collect()
    }

    /// Whether each dependency answers, in the configuration's order; `None` while unknown.
    pub fn dependencies(&self) -> impl Iterator<Item = Option<bool>> {
        self.dependencies.iter().map(|dependency| dependency.up)
    }

    /// Permits that ran out in this epoch because the engine or the disk was late.
    pub fn permit_lapses(&self) -> u64 {
        self.permit.lapses_total
    }

    /// Whether renewal is withheld because the journal does not keep up.
    pub fn is_renewal_withheld(&self) -> bool {
        self.permit.withheld
    }
}
