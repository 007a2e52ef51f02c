//! The words that the status uses: those of [`crate::words`] and its own. Exhaustive, so that a new state cannot be shown as
//! nothing.

pub use crate::words::{cause, mode, permission};

use failstop_core::{ComponentState, HealthStatus, Orders, QueueState, Trigger};

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
