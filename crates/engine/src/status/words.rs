//! The words that the status uses: those of [`crate::words`] and its own. Exhaustive, so that a new state cannot be shown as
//! nothing.

pub use crate::words::{cause, mode, permission};

use failstop_core::{ComponentState, HealthStatus, Orders, QueueState};

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
