//! How figures stand, for `/api/thresholds` and the metrics.

use failstop_view::page::Figure;
use serde::Serialize;
use std::sync::Arc;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// The key that sets its levels, as in the configuration's reference.
    pub key: String,
    /// The component that it is of; `null`: of the whole system.
    pub component: Option<String>,
    /// Its unit, for people; empty where nobody says.
    pub unit: String,
    /// Which way is bad: `above` or `below`.
    pub direction: &'static str,
    /// Beyond this people are told; `null`: never.
    pub warning: Option<f64>,
    /// Beyond this it is urgent; `null`: never.
    pub critical: Option<f64>,
    /// Beyond this everything is shut down; `null`: never.
    pub emergency: Option<f64>,
    /// For how long without a break it must be beyond, seconds.
    pub for_seconds: f64,
    /// For how long it must not be before it is over, seconds.
    pub clear_seconds: f64,
    /// So long after that it is not told again, seconds.
    pub cooldown_seconds: f64,
    /// The figure when it was looked at last; `null` where it was not known.
    pub value: Option<f64>,
    /// `good`, `warning`, `critical`, `emergency`, or `unknown`.
    pub level: &'static str,
    /// Since when that is the level; `null` where it never was another.
    pub since: Option<String>,
    /// Who decided the levels: `default`, `profile` or `written`.
    pub source: &'static str,
}

/// A figure that is unlike its last day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hint {
    /// Which, as `/api/metrics/history` names it.
    pub figure: String,
    /// What it is.
    pub value: f64,
    /// The median of its last day.
    pub median: f64,
    /// How many deviations it is away.
    pub deviations: f64,
    /// When that was seen first.
    pub since: String,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The figures.
    pub figures: Arc<[Standing]>,
    /// The hints.
    pub hints: Arc<[Hint]>,
}

impl Default for Shown {
    fn default() -> Self {
        Self { figures: Arc::new([]), hints: Arc::new([]) }
    }
}

impl Shown {
    /// The figures as a page shows them.
    pub fn lines(&self) -> Vec<Figure<'_>> {
        self.figures
            .iter()
            .map(|one| Figure { name: &one.name, value: one.value, unit: &one.unit, level: one.level })
            .collect()
    }
}

/// A level in numbers, for metrics; `None` where it is not known.
pub fn number_of(level: &str) -> Option<f64> {
    match level {
        "good" => Some(0.0),
        "warning" => Some(1.0),
        "critical" => Some(2.0),
        "emergency" => Some(3.0),
        _ => None,
    }
}
