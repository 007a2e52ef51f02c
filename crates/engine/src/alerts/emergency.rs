//! What emergency actions came to, for people: one incident until the kill switch is released or another run tells its own.

use super::delivery::{Delivery, Kind};
use super::notice::clock_time;
use crate::emergency::Run;
use failstop_notify::{Change, Nature, Severity};

const CAUSE: &str = "emergency-actions";
const RUNBOOK: &str = "docs/runbooks/emergency-actions.md";

impl Delivery {
    /// Tells how each action of a run ended.
    pub fn emergency(&mut self, run: &Run, at: jiff::Timestamp) {
        let (done, failed) = run.counts();
        let (severity, title) = if failed == 0 {
            (Severity::Info, format!("all {done} emergency actions are done"))
        } else {
            (Severity::Critical, format!("{failed} of {} emergency actions FAILED", done + failed))
        };
        let each: Vec<String> = run.steps.iter().map(|step| format!("{}: {}", step.name, step.text())).collect();
        let kept =
            run.not_kept.as_ref().map(|why| format!(" What was done could not be kept ({why}): it may be done again."));
        let (at_time, cause, each) = (clock_time(at), run.cause.word(), each.join("; "));
        let message = format!("At {at_time}, for {cause} ({}): {each}.{}", run.reason, kept.unwrap_or_default());
        let action = if failed == 0 {
            "look at the venue that no order is open, and what is held; then find out why it had to be"
        } else {
            "look at the venue NOW and do by hand what failed: orders may be open, and nothing of failstop tries again"
        };
        self.emergency_told(severity, &title, message, action, Some(run.id.clone()), at);
    }

    /// Tells that the actions were not run at all.
    pub fn emergency_not_run(&mut self, why: &str, at: jiff::Timestamp) {
        let title = "emergency actions were NOT RUN";
        let message = format!("At {}: {why}.", clock_time(at));
        let action = "look at the venue NOW and cancel by hand; `failstop kill-switch engage` tries them again";
        self.emergency_told(Severity::Critical, title, message, action, None, at);
    }

    /// What it was about is over.
    pub fn emergency_over(&mut self, why: &str, at: jiff::Timestamp) {
        for key in self.open_incidents(CAUSE) {
            let mut notice = self.notice(kind(Severity::Info), key, Change::Resolve, "emergency actions: over", at);
            notice.message = format!("At {}: {why}.", clock_time(at));
            self.report(notice);
        }
    }

    fn emergency_told(
        &mut self,
        severity: Severity,
        title: &str,
        message: String,
        action: &str,
        trace_id: Option<String>,
        at: jiff::Timestamp,
    ) {
        // Each run has its own: the last one's words are none of this one's.
        self.emergency_over("they were run again; another incident says how that ended", at);
        let number = u64::try_from(at.as_millisecond()).unwrap_or_default();
        match self.key_from(CAUSE, None, number) {
            Ok((key, _)) => {
                let mut notice = self.notice(kind(severity), key, Change::Trigger, title, at);
                notice.message = message;
                notice.recommended_action = Some(action.to_owned());
                notice.trace_id = trace_id;
                self.report(notice);
            }
            Err(fault) => tracing::error!(%fault, "an alert has no key and is not sent"),
        }
    }
}

const fn kind(severity: Severity) -> Kind {
    Kind { cause: CAUSE, severity, nature: Nature::KillSwitch, runbook: RUNBOOK }
}
