//! What emergency actions came to, for people: one incident until the kill switch is released or another run tells its own.

use super::delivery::Delivery;
use super::notice::clock_time;
use crate::emergency::Run;
use failstop_notify::{Change, Key, KeyFault, Nature, Notice, Severity};

const CAUSE: &str = "emergency-actions";
const RUNBOOK: &str = "docs/runbooks/emergency-actions.md";

impl Delivery {
    /// Tells how each action of a run ended.
    pub fn emergency(&mut self, run: &Run, at: jiff::Timestamp) {
        let (done, failed) = run.counts();
        let system = self.sender().system.clone();
        let (severity, title) = if failed == 0 {
            (Severity::Info, format!("{system}: all {done} emergency actions are done"))
        } else {
            (Severity::Critical, format!("{system}: {failed} of {} emergency actions FAILED", done + failed))
        };
        let each: Vec<String> = run.steps.iter().map(|step| format!("{}: {}", step.name, step.text())).collect();
        let message = format!("At {}, for {} ({}): {}.", clock_time(at), run.cause.word(), run.reason, each.join("; "));
        let action = if failed == 0 {
            "look at the venue that no order is open, and what is held; then find out why it had to be"
        } else {
            "look at the venue NOW and do by hand what failed: orders may be open, and nothing of failstop tries again"
        };
        self.emergency_told(severity, title, message, action, Some(run.id.clone()), at);
    }

    /// Tells that the actions were not run at all.
    pub fn emergency_not_run(&mut self, why: &str, at: jiff::Timestamp) {
        let title = format!("{}: emergency actions were NOT RUN", self.sender().system);
        let message = format!("At {}: {why}.", clock_time(at));
        let action = "look at the venue NOW and cancel by hand; `failstop kill-switch engage` tries them again";
        self.emergency_told(Severity::Critical, title, message, action, None, at);
    }

    /// What it was about is over.
    pub fn emergency_over(&mut self, why: &str, at: jiff::Timestamp) {
        for key in self.open_incidents(CAUSE) {
            let title = format!("{}: emergency actions: over", self.sender().system);
            let mut notice = self.of_emergency(key, Change::Resolve, Severity::Info, title, at);
            notice.message = format!("At {}: {why}.", clock_time(at));
            self.report(notice);
        }
    }

    fn emergency_told(
        &mut self,
        severity: Severity,
        title: String,
        message: String,
        action: &str,
        trace_id: Option<String>,
        at: jiff::Timestamp,
    ) {
        // Each run has its own: the last one's words are none of this one's.
        self.emergency_over("they were run again; another incident says how that ended", at);
        let number = u64::try_from(at.as_millisecond()).unwrap_or_default();
        let key: Result<Key, KeyFault> = Key::of(&self.sender().system, CAUSE, None, number);
        match key {
            Ok(key) => {
                let mut notice = self.of_emergency(key, Change::Trigger, severity, title, at);
                notice.message = message;
                notice.recommended_action = Some(action.to_owned());
                notice.trace_id = trace_id;
                self.report(notice);
            }
            Err(fault) => tracing::error!(%fault, "an alert has no key and is not sent"),
        }
    }

    fn of_emergency(&self, key: Key, change: Change, severity: Severity, title: String, at: jiff::Timestamp) -> Notice {
        let sender = self.sender();
        let mut notice = Notice::new(key, change, severity, title, at);
        notice.nature = Nature::KillSwitch;
        notice.system.clone_from(&sender.system);
        notice.environment.clone_from(&sender.environment);
        CAUSE.clone_into(&mut notice.cause);
        notice.runbook = Some(RUNBOOK.to_owned());
        notice
    }
}
