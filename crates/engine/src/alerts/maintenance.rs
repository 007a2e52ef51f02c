//! A maintenance window, for people: told at its begin and at its end, since what would be told otherwise may not be meanwhile.

use super::delivery::{Delivery, Kind};
use super::notice::clock_time;
use failstop_client::status::MaintenanceSummary;
use failstop_notify::{Change, Key, Nature, Severity};
use failstop_view::standing::{maintenance_effect, maintenance_end};

const KIND: Kind = Kind {
    cause: "maintenance",
    severity: Severity::Info,
    nature: Nature::Other,
    runbook: "docs/runbooks/maintenance.md",
};

impl Delivery {
    /// A window begins. One that stood is replaced by it.
    pub fn maintenance_began(&mut self, window: &MaintenanceSummary, at: jiff::Timestamp) {
        self.maintenance_ended(&window.by, "another window takes its place", at);
        let number = u64::try_from(at.as_second()).unwrap_or_default();
        match self.key_from(KIND.cause, None, number) {
            Ok((key, _)) => self.maintenance_told(key, "maintenance", window, at),
            Err(fault) => tracing::error!(%fault, "an alert has no key and is not sent"),
        }
    }

    /// After a start of failstop a window runs its whole span again: whoever was told of it hears of its other end.
    pub fn maintenance_goes_on(&mut self, window: &MaintenanceSummary, at: jiff::Timestamp) {
        match self.open_incident(KIND.cause) {
            Some(key) => self.maintenance_told(key, "maintenance goes on after a start of failstop", window, at),
            None => self.maintenance_began(window, at),
        }
    }

    /// It is over.
    pub fn maintenance_ended(&mut self, by: &str, reason: &str, at: jiff::Timestamp) {
        for key in self.open_incidents(KIND.cause) {
            let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let mut notice = self.notice(KIND, key, Change::Resolve, "maintenance is over", at);
            notice.message = format!(
                "At {}: ended by {by}{because}. Alerts are told and components restarted as ever; what was held back and \
                 still stands is told now.",
                clock_time(at)
            );
            self.report(notice);
        }
    }

    fn maintenance_told(&mut self, key: Key, what: &str, window: &MaintenanceSummary, at: jiff::Timestamp) {
        let title = format!("{what} until {}", maintenance_end(window, at));
        let mut notice = self.notice(KIND, key, Change::Trigger, &title, at);
        notice.message =
            format!("At {}: by {}: {}. {}", clock_time(at), window.by, window.reason, maintenance_effect(window));
        notice.recommended_action =
            Some("when the work is done: `failstop maintenance off`; it ends by itself otherwise".to_owned());
        self.report(notice);
    }
}
