//! `/api/thresholds`: which figure is judged by which number, and what follows. From the configuration as it is in force.

use crate::config::Config;
use crate::thresholds::Shown;
use failstop_core::{LimitAction, Resource, Thresholds};
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
}

/// Everything that is judged: by the limits and ages of the configuration, and the figures by their levels.
#[derive(Clone, Debug, Default)]
pub struct Judging {
    /// Limits and ages.
    pub thresholds: Vec<Threshold>,
    /// Figures, and hints at what is unlike its last day.
    pub shown: Shown,
}

impl Judging {
    /// As the configuration has it, before anything was looked at.
    pub fn of(config: &Config) -> Self {
        Self { thresholds: thresholds(config), shown: Shown::default() }
    }

    /// The answer of `/api/thresholds`.
    pub(super) fn answer(&self) -> serde_json::Value {
        serde_json::json!({
            "thresholds": self.thresholds,
            "figures": *self.shown.figures,
            "hints": *self.shown.hints,
        })
    }
}

/// All of them, the system's first.
pub fn thresholds(config: &Config) -> Vec<Threshold> {
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
    ];
    let of_system = limits.policy(failsafe.emergency_shutdown);
    let held = Held { component: None, action: of_system.action, emergency: of_system.emergency_shutdown };
    all.extend(held.rows(|resource| of_system.thresholds(resource)));
    for component in &config.components {
        let of_component = component.limits.policy(of_system.memory_max.is_some());
        let held = Held { component: Some(component.name.as_str()), action: of_component.action, ..held };
        all.extend(held.rows(|resource| of_component.thresholds(resource)));
    }
    all
}

/// Whose use of resources is judged, and what may follow.
#[derive(Clone, Copy)]
struct Held<'a> {
    /// `None`: all components together.
    component: Option<&'a str>,
    action: LimitAction,
    emergency: bool,
}

impl Held<'_> {
    /// What the core holds every resource against, a row for each number.
    fn rows(self, thresholds: impl Fn(Resource) -> Option<Thresholds>) -> Vec<Threshold> {
        Resource::ALL.into_iter().filter_map(|one| Some(self.of(one, thresholds(one)?))).flatten().collect()
    }

    fn of(self, resource: Resource, thresholds: Thresholds) -> impl Iterator<Item = Threshold> {
        let row = |key: &str, value: u64, span: Duration, effect| {
            let (above, unit) = measured(resource, value);
            let key =
                if self.component.is_some() { format!("component.limits.{key}") } else { format!("limits.{key}") };
            let component = self.component.map(str::to_owned);
            Threshold { key, component, figure: figure(resource), above, unit, for_seconds: span.as_secs_f64(), effect }
        };
        let (warn_key, max_key) = keys(resource);
        let span = thresholds.span;
        let max = thresholds.max.map(|max| row(max_key, max, span, follows(self.action)));
        let warn = row(warn_key, thresholds.warn, span, "warning");
        let emergency = thresholds.emergency.filter(|_| self.emergency);
        let emergency = emergency.map(|value| row(warn_key, value, Duration::ZERO, "failsafe"));
        max.into_iter().chain([warn]).chain(emergency)
    }
}

/// The keys that set the warning and the limit. A warning that has no key of its own comes from its limit's.
fn keys(resource: Resource) -> (&'static str, &'static str) {
    match resource {
        Resource::Memory => ("memory_warn", "memory_max"),
        Resource::Processes => ("processes_max", "processes_max"),
        Resource::Files => ("files_max", "files_max"),
        Resource::Cpu => ("cpu_max_percent", "cpu_max_percent"),
    }
}

fn figure(resource: Resource) -> &'static str {
    match resource {
        Resource::Memory => "memory_bytes",
        Resource::Processes => "processes",
        Resource::Files => "files",
        Resource::Cpu => "cpu_percent",
    }
}

/// A number of the core's, in the unit that its figure has here.
#[expect(clippy::cast_precision_loss, reason = "for people and scripts; sizes are whole up to 9 PB")]
fn measured(resource: Resource, value: u64) -> (f64, &'static str) {
    match resource {
        Resource::Memory => (value as f64, "bytes"),
        Resource::Processes | Resource::Files => (value as f64, "count"),
        Resource::Cpu => (value as f64 / 100.0, "percent"),
    }
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
        assert_eq!(
            of(&config, bot, "component.limits.processes_max"),
            [(64.0, "count", "warning"), (51.0, "count", "warning")]
        );
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

    #[test]
    fn a_warning_at_or_above_the_limit_comes_at_four_fifths_of_it() {
        let config = crate::config::tests::with("[limits]\nmemory_max = \"300MB\"\n");
        assert_eq!(of(&config, None, "limits.memory_max"), [(3e8, "bytes", "restart")]);
        assert_eq!(of(&config, None, "limits.memory_warn"), [(2.4e8, "bytes", "warning")], "not its default, 500MB");
    }

    #[test]
    fn twice_a_components_warning_shuts_down_where_no_limit_governs() {
        let warns = "limits = { memory_warn = \"100MB\" }\n";
        let (bot, key) = (Some("bot"), "component.limits.memory_warn");
        let config = crate::config::tests::with(&format!("{warns}[limits]\nmemory_max = \"off\"\n"));
        assert_eq!(of(&config, bot, key), [(1e8, "bytes", "warning"), (2e8, "bytes", "failsafe")]);
        let governed = crate::config::tests::with(warns);
        assert_eq!(of(&governed, bot, key), [(1e8, "bytes", "warning")]);
    }

    #[test]
    fn every_limit_is_warned_of_at_four_fifths() {
        let config = crate::config::tests::with(
            "limits = { cpu_max_percent = 50, cpu_for = \"30s\", files_max = 100, processes_max = 60 }\n",
        );
        let bot = Some("bot");
        assert_eq!(
            of(&config, bot, "component.limits.cpu_max_percent"),
            [(50.0, "percent", "restart"), (40.0, "percent", "warning")]
        );
        assert_eq!(
            of(&config, bot, "component.limits.files_max"),
            [(100.0, "count", "restart"), (80.0, "count", "warning")]
        );
        assert_eq!(
            of(&config, bot, "component.limits.processes_max"),
            [(60.0, "count", "restart"), (48.0, "count", "warning")]
        );
        assert_eq!(
            of(&config, None, "limits.cpu_max_percent"),
            [(90.0, "percent", "restart"), (72.0, "percent", "warning")]
        );
        let lasting =
            thresholds(&config).into_iter().filter(|one| one.figure == "cpu_percent" && one.component.is_some());
        assert_eq!(lasting.map(|one| one.for_seconds).collect::<Vec<_>>(), [30.0, 30.0], "a warning waits as long");
    }
}
