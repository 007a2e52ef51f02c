//! What the observe address shows beside the state of its engine, by configuration.

use super::fleet::Fleet;
use super::thresholds::{Threshold, thresholds};
use crate::config::Config;

/// What is shown.
#[derive(Debug)]
pub struct Site {
    /// The dashboard on `/`; without it the list of paths is there.
    pub dashboard: bool,
    /// Whether whoever gets a page from here may act on it: the control socket's do.
    pub controls: bool,
    /// What is judged by which number.
    pub thresholds: Vec<Threshold>,
    /// Other systems on one page.
    pub(super) fleet: Option<Fleet>,
}

impl Default for Site {
    /// The dashboard, and nothing that a configuration names.
    fn default() -> Self {
        Self { dashboard: true, controls: false, thresholds: Vec::new(), fleet: None }
    }
}

impl Site {
    /// For a door at which whoever reads may act.
    pub fn with_controls(dashboard: bool) -> Self {
        Self { dashboard, controls: true, ..Self::default() }
    }

    /// The same with these thresholds.
    #[must_use]
    pub fn judging(self, thresholds: Vec<Threshold>) -> Self {
        Self { thresholds, ..self }
    }

    /// As the configuration says.
    pub fn of(config: &Config) -> Self {
        Self {
            dashboard: config.observe.dashboard,
            fleet: (!config.observe.fleet.is_empty()).then(|| Fleet::new(config.observe.fleet.clone())),
            ..Self::default().judging(thresholds(config))
        }
    }
}
