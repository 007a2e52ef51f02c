//! The words that people and scripts see for the core's states. One place, exhaustive, so that a new state cannot be
//! shown as nothing.

use failstop_core::{Cause, ComponentState, HealthStatus, Mode, Orders, Permission, QueueState, Trigger};

/// Every cause, in the order of the reference. For metrics, which name a cause that does not stand with 0.
pub const CAUSES: [Cause; 21] = [
    Cause::KillSwitch,
    Cause::Failsafe,
    Cause::Integrity,
    Cause::Storage,
    Cause::Witness,
    Cause::NewJournal,
    Cause::OrdersInDoubt,
    Cause::HeartbeatLost,
    Cause::NoProgress,
    Cause::Hung,
    Cause::ComponentFailed,
    Cause::Unhealthy,
    Cause::Starting,
    Cause::Environment,
    Cause::ComponentDown,
    Cause::Reclaiming,
    Cause::DailyLoss,
    Cause::Maintenance,
    Cause::Clock,
    Cause::Overload,
    Cause::BotRequest,
];

/// The name of a cause, as in the journal and in `[halts.CAUSE]`.
pub const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::KillSwitch => "kill-switch",
        Cause::Failsafe => "failsafe",
        Cause::Integrity => "integrity",
        Cause::Storage => "storage",
        Cause::Witness => "witness",
        Cause::NewJournal => "new-journal",
        Cause::OrdersInDoubt => "orders-in-doubt",
        Cause::HeartbeatLost => "heartbeat-lost",
        Cause::NoProgress => "no-progress",
        Cause::Hung => "hung",
        Cause::ComponentFailed => "component-failed",
        Cause::Unhealthy => "unhealthy",
        Cause::Starting => "starting",
        Cause::Environment => "environment",
        Cause::ComponentDown => "component-down",
        Cause::Reclaiming => "reclaiming",
        Cause::DailyLoss => "daily-loss",
        Cause::Maintenance => "maintenance",
        Cause::Clock => "clock",
        Cause::Overload => "overload",
        Cause::BotRequest => "bot-request",
    }
}

/// What has to be over before a fail-safe halt with this trigger can be resumed.
pub const fn trigger_condition(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::MarketData => "market data is fresh again",
        Trigger::JournalSilent => "the journal is written again",
        Trigger::SnapshotAge => "a new snapshot is taken",
        Trigger::Capital => "capital reconciles",
        Trigger::BotFatal => "the cause of the bot's exception is found",
        Trigger::UnhealthyTooLong => "the system is healthy again",
        Trigger::Memory => "memory is below its threshold",
        Trigger::ApiErrors => "the API error rate is below its threshold",
        Trigger::DailyLoss => "the loss is understood",
        Trigger::Limit => "the resource limit is kept again",
        Trigger::StaleSourceAgain => "the component's own source is fresh again",
        Trigger::ClockBackwards => "the host's clock is mended",
    }
}

/// `active`, `reduce-only`, `observe-only` or `shutdown`.
pub const fn permission(permission: Permission) -> &'static str {
    match permission {
        Permission::Active => "active",
        Permission::ReduceOnly => "reduce-only",
        Permission::ObserveOnly => "observe-only",
        Permission::Shutdown => "shutdown",
    }
}

/// `dry` or `live`.
pub const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Dry => "dry",
        Mode::Live => "live",
    }
}

/// `healthy`, `degraded` or `critical`.
pub const fn health(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded => "degraded",
        HealthStatus::Critical => "critical",
    }
}

/// `starting`, `ready`, `stopping`, `backoff`, `stopped` or `failed`.
pub const fn component_state(state: ComponentState) -> &'static str {
    match state {
        ComponentState::Starting => "starting",
        ComponentState::Ready => "ready",
        ComponentState::Stopping => "stopping",
        ComponentState::Backoff => "backoff",
        ComponentState::Stopped => "stopped",
        ComponentState::Failed => "failed",
    }
}

/// `asks`, `direct` or `none`.
pub const fn orders(orders: Orders) -> &'static str {
    match orders {
        Orders::Asks => "asks",
        Orders::Direct => "direct",
        Orders::None => "none",
    }
}

/// `idle`, `processing` or `stalled`.
pub const fn queue_state(state: QueueState) -> &'static str {
    match state {
        QueueState::Idle => "idle",
        QueueState::Processing => "processing",
        QueueState::Stalled => "stalled",
    }
}

/// The word for a health number from 0 to 1 of one component or part: `critical` at 0, `degraded` at or below 0.5,
/// `healthy` above.
pub fn health_of_number(health: f64) -> &'static str {
    if health <= 0.0 {
        "critical"
    } else if health <= 0.5 {
        "degraded"
    } else {
        "healthy"
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed conversion fails the test")]

    use super::{CAUSES, cause};
    use std::collections::BTreeSet;

    #[test]
    fn a_cause_is_named_as_in_the_journal() {
        for each in CAUSES {
            assert_eq!(serde_json::to_value(each).unwrap(), cause(each));
        }
    }

    #[test]
    fn the_list_of_causes_is_whole() {
        // `Cause` is closed and ordered: the last one's discriminant tells how many there are.
        let names: BTreeSet<_> = CAUSES.iter().map(|each| cause(*each)).collect();
        assert_eq!(names.len(), CAUSES.len());
        assert_eq!(failstop_core::Cause::BotRequest as usize + 1, CAUSES.len());
    }
}
