//! What the observe address shows beside the state of its engine, by configuration.

use super::fleet::Fleet;
use super::thresholds::Threshold;
use crate::config::Config;
use tokio::sync::watch;

/// What is shown.
#[derive(Debug)]
pub struct Site {
    /// The dashboard on `/`; without it the list of paths is there.
    pub dashboard: bool,
    /// Whether whoever gets a page from here may act on it: the control socket's do.
    pub controls: bool,
    /// What is judged by which number, as it is now.
    pub thresholds: watch::Receiver<Vec<Threshold>>,
    /// Other systems on one page.
    pub(super) fleet: Option<Fleet>,
}

impl Default for Site {
    /// The dashboard, and nothing that a configuration names.
    fn default() -> Self {
        Self { dashboard: true, controls: false, thresholds: watch::channel(Vec::new()).1, fleet: None }
    }
}

impl Site {
    /// For a door at which people have shown who they are, and may act, or may not.
    pub fn of_control(dashboard: bool, controls: bool) -> Self {
        Self { dashboard, controls, ..Self::default() }
    }

    /// The same with these thresholds.
    #[must_use]
    pub fn judging(self, thresholds: watch::Receiver<Vec<Threshold>>) -> Self {
        Self { thresholds, ..self }
    }

    /// As the configuration says; thresholds may change while it is shown.
    pub fn of(config: &Config, thresholds: watch::Receiver<Vec<Threshold>>) -> Self {
        Self {
            dashboard: config.observe.dashboard,
            fleet: (!config.observe.fleet.is_empty()).then(|| Fleet::new(config.observe.fleet.clone())),
            ..Self::default().judging(thresholds)
        }
    }
}
