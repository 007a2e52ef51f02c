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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;

    fn of(config: &Config, component: Option<&str>, key: &str) -> Vec<(f64, &'static str, &'static str)> {
        let all = thresholds(config);
        let mine = all.iter().filter(|one| one.component.as_deref() == component && one.key == key);
        mine.map(|one| (one.above, one.unit, one.effect)).collect()
    }

    #[test]
    fn they_are_those_of_the_configuration() {
        let config = crate::config::tests::with(
            "limits = { memory_max = \"500MB\", processes_max = 64, action = \"warn\" }\n\
             [health]\nerrors_per_minute = 7\n[limits]\ncpu_for = \"90s\"\n",
        );
        assert_eq!(of(&config, None, "health.errors_per_minute"), [(7.0, "count", "unhealthy")]);
        assert_eq!(of(&config, None, "failsafe.market_data_max_age"), [(600.0, "seconds", "failsafe")]);
        assert_eq!(of(&config, None, "limits.memory_max"), [(1_800.0 * 1_048_576.0, "bytes", "restart")]);
        assert_eq!(of(&config, None, "limits.memory_warn"), [(5e8, "bytes", "warning")]);
        let lasting = thresholds(&config).into_iter().find(|one| one.key == "limits.cpu_max_percent").unwrap();
        assert_eq!((lasting.above, lasting.for_seconds), (90.0, 90.0));
        let bot = Some("bot");
        assert_eq!(of(&config, bot, "component.limits.memory_max"), [(5e8, "bytes", "warning")]);
        assert_eq!(of(&config, bot, "component.limits.memory_warn"), [(4e8, "bytes", "warning")], "four fifths");
        assert_eq!(of(&config, bot, "component.limits.processes_max"), [(64.0, "count", "warning")]);
        assert!(of(&config, bot, "component.limits.files_max").is_empty(), "not configured");
    }

    #[test]
    fn without_a_limit_twice_the_warning_shuts_down_unless_that_is_switched_off() {
        let off = "[limits]\nmemory_max = \"off\"\nmemory_warn = \"100MB\"\n";
        let config = crate::config::tests::with(off);
        assert_eq!(of(&config, None, "limits.memory_max"), []);
        assert_eq!(of(&config, None, "limits.memory_warn"), [(1e8, "bytes", "warning"), (2e8, "bytes", "failsafe")]);
        let silent = crate::config::tests::with(&format!("{off}[failsafe]\nemergency_shutdown = false\n"));
        assert_eq!(of(&silent, None, "limits.memory_warn"), [(1e8, "bytes", "warning")]);
    }
}
