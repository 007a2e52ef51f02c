//! A maintenance window as the host tells of it: to people at its begin and its end, to bots, and to whoever asks.

use super::engine::Engine;
use crate::clock;
use crate::status::maintenance_summary;
use failstop_client::status::MaintenanceSummary;

impl Engine {
    /// The window that stands, with its end by the wall clock; nothing of it that must not be shown.
    pub(super) fn standing_maintenance(&self) -> Option<MaintenanceSummary> {
        let mut window = maintenance_summary(&self.core.maintenance()?, clock::now(), clock::wall());
        window.reason = crate::masking::owned(window.reason);
        Some(window)
    }

    /// A window begins or ends: alerts that it held back come first, then that it is over.
    pub(super) fn maintenance_recorded(&mut self, on: bool, by: &str, reason: &str, span_ms: u64) {
        let at = clock::wall();
        match (on, self.standing_maintenance()) {
            (true, Some(window)) => self.alerts.maintenance_began(&window, at),
            (true, None) => {}
            (false, _) => {
                self.alerts.maintenance_over();
                self.alerts.maintenance_ended(by, reason, at);
            }
        }
        self.push_maintenance(reason, on.then_some(span_ms));
    }

    /// After a start: a window of before goes on, with another end; or its end could not be told any more.
    pub(super) fn tell_standing_maintenance(&mut self) {
        match self.standing_maintenance() {
            Some(window) => self.alerts.maintenance_goes_on(&window, clock::wall()),
            None => self.alerts.maintenance_ended("failstop", "it was over when failstop started", clock::wall()),
        }
    }
}
