//! The body of `/health`: what the watchdog and probes read. Made from the status alone.

use crate::status::words;
use failstop_client::status::{
    AlertsSummary, Announced, BreakerSummary, ChannelSummary, HaltSummary, JournalSummary, MaintenanceSummary,
    QueueSummary, SeverityCounts, Status,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The answer of `/health` and `/api/health`. Fields are only ever added; the schema is `docs/reference/health.schema.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthAnswer {
    /// `healthy`, `degraded` or `critical`.
    pub status: String,
    /// 0 to 1.
    pub overall_health: f64,
    /// Every reason that keeps it from healthy.
    pub reasons: Vec<String>,
    /// What nobody watches, and so cannot make it unhealthy.
    pub not_watched: Vec<String>,
    /// Components by name; their parts as `component/part`; and `alerts` and `circuit_breaker`, which are failstop's own.
    pub components: BTreeMap<String, HealthEntry>,
    /// Dependencies: `up`, `down` or `unknown`.
    pub dependencies: BTreeMap<String, &'static str>,
    /// When this verdict was made: RFC 3339, UTC. A reader judges the answer's freshness by it.
    pub timestamp: String,
    /// Seconds since the engine started.
    pub uptime_seconds: f64,
    /// Memory of all components and the engine, bytes; `null` before the first sample.
    pub memory_bytes: Option<u64>,
    /// Processors used by all components, in percent of those that may be used; `null` before the second sample.
    pub cpu_percent: Option<f64>,
    /// `active`, `reduce-only`, `observe-only` or `shutdown`.
    pub permission: String,
    /// `dry` or `live`.
    pub mode: String,
    /// Whether the kill switch is engaged.
    pub kill_switch: bool,
    /// Standing halts.
    pub halts: Vec<HaltSummary>,
    /// The system's name.
    pub system: String,
    /// `production`, `staging` or a name.
    pub environment: String,
    /// The fencing epoch.
    pub epoch: u64,
    /// The journal's durable head.
    pub journal: JournalSummary,
    /// Seconds since fresh market data of each feed; `null` before the first.
    pub market_data_age_seconds: BTreeMap<String, Option<f64>>,
    /// When fresh market data of any feed arrived last: RFC 3339, UTC; `null` before the first.
    pub last_market_data: Option<String>,
    /// When the journal was written last: RFC 3339, UTC; `null` before the first.
    pub last_journal_write: Option<String>,
    /// When the last snapshot became durable: RFC 3339, UTC; `null` before the first.
    pub last_snapshot: Option<String>,
    /// The execution queue by component.
    pub queue: BTreeMap<String, QueueSummary>,
    /// Errors that the bots reported within the last minute.
    pub errors_per_minute: u32,
    /// The end that the engine is coming to on purpose; `null` while it is not.
    pub announced: Option<Announced>,
    /// The maintenance window that stands; `null` while none does.
    pub maintenance: Option<MaintenanceSummary>,
    /// What the request gave as `nonce`: this answer was made for it. Absent where it gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// The name under which [`HealthAnswer::components`] has the alerts. No component may have it.
pub const ALERTS: &str = "alerts";

/// The name under which [`HealthAnswer::components`] has the circuit breaker of what only shows. No component may have it.
pub const CIRCUIT_BREAKER: &str = "circuit_breaker";

/// One entry of [`HealthAnswer::components`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum HealthEntry {
    /// A component or a part.
    Component(ComponentHealth),
    /// Alerts on their way to people.
    Alerts(AlertsHealth),
    /// The circuit breaker of what only shows.
    CircuitBreaker(CircuitBreakerHealth),
}

/// Whether dashboard, figures over time and the verification beside give way to a busy host. Nothing here moves the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CircuitBreakerHealth {
    /// `healthy`, or `degraded` while it has tripped.
    pub status: &'static str,
    /// Whether it has tripped.
    pub tripped: bool,
    /// Since when: RFC 3339, UTC; `null` while it has not.
    pub since: Option<String>,
    /// Tries to come back that failed since then.
    pub tries: u32,
    /// When the next try is: RFC 3339, UTC; `null` where none is to come: it has not tripped, or only a reset brings it back.
    pub next_try: Option<String>,
}

impl CircuitBreakerHealth {
    fn of(breaker: &BreakerSummary) -> Self {
        let tripped = breaker.is_shed();
        Self {
            status: if tripped { "degraded" } else { "healthy" },
            tripped,
            since: breaker.since.clone(),
            tries: breaker.failed_tries,
            next_try: breaker.next_try.clone(),
        }
    }
}

/// How alerts fare. They only ever warn: nothing here moves the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertsHealth {
    /// `healthy`, `degraded`, `critical` or `off`.
    pub status: String,
    /// By name.
    pub channels: BTreeMap<String, ChannelSummary>,
    /// Open incidents.
    pub open: SeverityCounts,
    /// Messages that wait for a channel.
    pub queued: u64,
    /// How long the oldest of them waits, seconds; `null` where none does.
    pub oldest_seconds: Option<f64>,
    /// Why people cannot be told, or only as long as the engine lives; `null` where they can.
    pub problem: Option<String>,
}

impl AlertsHealth {
    fn of(alerts: &AlertsSummary) -> Self {
        Self {
            status: alerts.status.clone(),
            channels: alerts.channels.clone(),
            open: alerts.open,
            queued: alerts.queued,
            oldest_seconds: alerts.oldest_seconds,
            problem: alerts.problem.clone(),
        }
    }
}

/// One component's or part's health.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComponentHealth {
    /// `healthy`, `degraded` or `critical`.
    pub status: &'static str,
    /// 0 to 1.
    pub health: f64,
    /// A component's state; absent for a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// A component's restarts in this epoch; absent for a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// Seconds since its last sign of life; absent where there was none, and for a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_seconds: Option<f64>,
    /// Memory of its tree, bytes; absent where unknown, and for a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// The answer when the verdict itself cannot be had.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthError {
    /// Always `error`.
    pub status: &'static str,
    /// Why.
    pub error: String,
    /// Now: RFC 3339, UTC.
    pub timestamp: String,
}

impl HealthError {
    /// For this reason, now.
    pub fn now(error: impl Into<String>) -> Self {
        Self { status: "error", error: error.into(), timestamp: crate::status::rfc3339(jiff::Timestamp::now()) }
    }
}

/// The health answer of a status.
pub fn health_answer(status: &Status) -> HealthAnswer {
    let made: Option<jiff::Timestamp> = status.timestamp.parse().ok();
    let time_of = |age: Option<f64>| {
        let age = std::time::Duration::try_from_secs_f64(age?).ok()?;
        Some(crate::status::rfc3339(made?.saturating_sub(age).ok()?))
    };
    let youngest = status.feeds.values().filter_map(|age| *age).reduce(f64::min);
    let components = status.components.iter().map(|component| {
        let health = ComponentHealth {
            status: words::health_of_number(component.health),
            health: component.health,
            state: Some(component.state.clone()),
            restarts: Some(component.restarts),
            last_sign_seconds: component.last_sign_seconds,
            memory_bytes: component.memory_bytes,
        };
        (component.name.clone(), HealthEntry::Component(health))
    });
    let parts = status.parts.iter().map(|part| {
        let health = ComponentHealth {
            status: words::health_of_number(part.health),
            health: part.health,
            state: None,
            restarts: None,
            last_sign_seconds: None,
            memory_bytes: None,
        };
        (format!("{}/{}", part.component, part.name), HealthEntry::Component(health))
    });
    let alerts = (ALERTS.to_owned(), HealthEntry::Alerts(AlertsHealth::of(&status.alerts)));
    let breaker = CircuitBreakerHealth::of(&status.breaker);
    let breaker = (CIRCUIT_BREAKER.to_owned(), HealthEntry::CircuitBreaker(breaker));
    HealthAnswer {
        status: status.health.status.clone(),
        overall_health: status.health.overall_health,
        reasons: status.health.reasons.clone(),
        not_watched: status.not_watched.clone(),
        components: components.chain(parts).chain([alerts, breaker]).collect(),
        dependencies: dependency_words(status),
        timestamp: status.timestamp.clone(),
        uptime_seconds: status.uptime_seconds,
        memory_bytes: status.resources.memory_bytes,
        cpu_percent: status.resources.cpu_percent,
        permission: status.permission.clone(),
        mode: status.mode.clone(),
        kill_switch: status.kill_switch,
        halts: status.halts.clone(),
        system: status.system.clone(),
        environment: status.environment.clone(),
        epoch: status.epoch,
        journal: status.journal.clone(),
        market_data_age_seconds: status.feeds.clone(),
        last_market_data: time_of(youngest),
        last_journal_write: time_of(status.health.journal_write_age_seconds),
        last_snapshot: time_of(status.health.snapshot_age_seconds),
        queue: status.queue.clone(),
        errors_per_minute: status.health.errors_per_minute,
        announced: status.announced.clone(),
        maintenance: status.maintenance.clone(),
        nonce: None,
    }
}

/// Dependencies in words.
pub fn dependency_words(status: &Status) -> BTreeMap<String, &'static str> {
    status
        .dependencies
        .iter()
        .map(|(name, up)| {
            let word = match up {
                Some(true) => "up",
                Some(false) => "down",
                None => "unknown",
            };
            (name.clone(), word)
        })
        .collect()
}
