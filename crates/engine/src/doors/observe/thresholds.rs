//! `/api/thresholds`: which figure is judged by which number, and what follows. From the configuration as it is in force.

use crate::config::{Bytes, Component, Config};
use failstop_core::LimitAction;
use serde::Serialize;
use std::time::Duration;

/// A figure, a number, and what follows when the figure is above it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// The key that sets it, as in the configuration's reference.
    pub key: String,
    /// The component that it is about; `null`: the system.
    pub component: Option<String>,
    /// What is measured, as `/api/metrics/history` names it where it is there.
    pub figure: &'static str,
    /// The number.
    pub above: f64,
    /// `bytes`, `percent`, `seconds` or `count`.
    pub unit: &'static str,
    /// For how long without a break, seconds; 0: at once.
    pub for_seconds: f64,
    /// `warning`, `restart` (of the component, after it was asked to give back), `unhealthy` or `failsafe`.
    pub effect: &'static str,
}

impl Threshold {
    fn new(key: &str, figure: &'static str, (above, unit): (f64, &'static str), effect: &'static str) -> Self {
        Self { key: key.to_owned(), component: None, figure, above, unit, for_seconds: 0.0, effect }
    }

    fn lasting(self, span: Duration) -> Self {
        Self { for_seconds: span.as_secs_f64(), ..self }
    }
}

/// All of them, the system's first.
pub(super) fn thresholds(config: &Config) -> Vec<Threshold> {
    let (health, failsafe, limits) = (&config.health, &config.failsafe, &config.limits);
    let mut all = vec![
        Threshold::new("health.market_data_max_age", "feed_age_seconds", span(health.market_data_max_age), "unhealthy"),
        Threshold::new(
            "health.journal_max_age",
            "journal_write_age_seconds",
            span(health.journal_max_age),
            "unhealthy",
        ),
        Threshold::new("health.errors_per_minute", "errors_per_minute", count(health.errors_per_minute), "unhealthy"),
        Threshold::new(
            "failsafe.market_data_max_age",
            "feed_age_seconds",
            span(failsafe.market_data_max_age),
            "failsafe",
        ),
        Threshold::new(
            "failsafe.journal_max_age",
            "journal_write_age_seconds",
            span(failsafe.journal_max_age),
            "failsafe",
        ),
        Threshold::new(
            "failsafe.snapshot_max_age",
            "snapshot_age_seconds",
            span(failsafe.snapshot_max_age),
            "failsafe",
        ),
        Threshold::new("limits.memory_warn", "memory_bytes", bytes(limits.memory_warn.get()), "warning"),
        Threshold::new(
            "limits.cpu_max_percent",
            "cpu_percent",
            percent(limits.cpu_max_percent),
            follows(limits.action),
        )
        .lasting(limits.cpu_for),
    ];
    match limits.memory_max.bytes() {
        Some(max) => {
            all.push(Threshold::new("limits.memory_max", "memory_bytes", bytes(max), follows(limits.action)));
        }
        None if failsafe.emergency_shutdown => {
            let twice = bytes(limits.memory_warn.get().saturating_mul(2));
            all.push(Threshold::new("limits.memory_warn", "memory_bytes", twice, "failsafe"));
        }
        None => {}
    }
    all.extend(config.components.iter().flat_map(of_component));
    all
}

fn of_component(component: &Component) -> Vec<Threshold> {
    let limits = &component.limits;
    let action = follows(limits.action);
    let of =
        |key: &str, figure, number, effect| Threshold::new(&format!("component.limits.{key}"), figure, number, effect);
    let warn = limits.memory_warn.map(Bytes::get).or(limits.memory_max.map(|max| max.get() / 5 * 4));
    let all = [
        warn.map(|warn| of("memory_warn", "memory_bytes", bytes(warn), "warning")),
        limits.memory_max.map(|max| of("memory_max", "memory_bytes", bytes(max.get()), action)),
        limits
            .cpu_max_percent
            .map(|max| of("cpu_max_percent", "cpu_percent", percent(max), action).lasting(limits.cpu_for)),
        limits.files_max.map(|max| of("files_max", "files", count(max), action)),
        limits.processes_max.map(|max| of("processes_max", "processes", count(max), action)),
    ];
    let component = component.name.as_str();
    all.into_iter().flatten().map(|one| Threshold { component: Some(component.to_owned()), ..one }).collect()
}

fn follows(action: LimitAction) -> &'static str {
    match action {
        LimitAction::Restart => "restart",
        LimitAction::Warn => "warning",
    }
}

fn span(span: Duration) -> (f64, &'static str) {
    (span.as_secs_f64(), "seconds")
}

fn count(count: u32) -> (f64, &'static str) {
    (f64::from(count), "count")
}

fn percent(percent: u32) -> (f64, &'static str) {
    (f64::from(percent), "percent")
}

#[expect(clippy::cast_precision_loss, reason = "for people and scripts; sizes are whole up to 9 PB")]
fn bytes(bytes: u64) -> (f64, &'static str) {
    (bytes as f64, "bytes")
}
