//! What the observe address shows beside the state of its engine, by configuration.

use super::cors::Cors;
use super::fleet::Fleet;
use super::thresholds::Judging;
use crate::config::Config;
use crate::thresholds::Shown;
use tokio::sync::watch;

/// What is shown.
#[derive(Debug)]
pub struct Site {
    /// The dashboard on `/`; without it the list of paths is there.
    pub dashboard: bool,
    /// Whether there are figures for programs.
    pub metrics: bool,
    /// Pages of which other origins may read.
    pub(super) cors: Cors,
    /// Whether whoever gets a page from here may act on it: the control socket's do.
    pub controls: bool,
    /// What is judged by which number, as it is now.
    pub thresholds: watch::Receiver<Judging>,
    /// Whether what only shows gives way to a busy host now.
    pub shed: watch::Receiver<bool>,
    /// Other systems on one page.
    pub(super) fleet: Option<Fleet>,
}

impl Default for Site {
    /// The dashboard, and nothing that a configuration names.
    fn default() -> Self {
        Self {
            dashboard: true,
            metrics: true,
            cors: Cors::default(),
            controls: false,
            thresholds: watch::channel(Judging::default()).1,
            shed: watch::channel(false).1,
            fleet: None,
        }
    }
}

impl Site {
    /// For a door at which people have shown who they are, and may act, or may not.
    pub fn of_control(dashboard: bool, controls: bool) -> Self {
        Self { dashboard, controls, ..Self::default() }
    }

    /// The same with these thresholds.
    #[must_use]
    pub fn judging(self, thresholds: watch::Receiver<Judging>) -> Self {
        Self { thresholds, ..self }
    }

    /// How figures stand now.
    pub(super) fn shown(&self) -> Shown {
        self.thresholds.borrow().shown.clone()
    }

    /// As the configuration says; thresholds may change while it is shown, and so may whether it gives way.
    pub fn of(config: &Config, thresholds: watch::Receiver<Judging>, shed: watch::Receiver<bool>) -> Self {
        Self {
            shed,
            dashboard: config.observe.dashboard,
            metrics: config.observe.metrics,
            cors: Cors::of(&config.observe.cors),
            fleet: (!config.observe.fleet.is_empty())
                .then(|| Fleet::new(config.observe.fleet.clone(), config.observe.fleet_ca.clone())),
            ..Self::default().judging(thresholds)
        }
    }
}
