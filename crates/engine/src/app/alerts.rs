//! The engine's side of alerts: hands the core's over, keeps the outbox in line with it, and asks on behalf of the doors.

use super::engine::Engine;
use crate::alerts::{Acknowledging, OwnNotice, Testing};
use crate::clock;
use crate::command::{Answer, ReplyTo};
use failstop_client::alerts::{AlertList, AlertTests};
use failstop_core::{Alert, AlertChange};
use failstop_notify::Acknowledged;

impl Engine {
    /// Tells people. Never waits.
    pub(super) fn tell(&mut self, alert: &Alert) {
        let head = self.head_in_words();
        let trace = self.traces.of_alert(&alert.id);
        self.alerts.tell(alert, clock::wall(), &head, trace);
        let change = match &alert.change {
            AlertChange::Trigger => "trigger",
            AlertChange::Recovered => "update",
            AlertChange::Resolve(_) => "resolve",
        };
        tracing::info!(alert = %alert.id, change, severity = alert.severity.name(), trace_id = %trace, "people are told");
        #[cfg(feature = "otlp")]
        if let AlertChange::Resolve(_) = alert.change {
            let until = clock::wall();
            let text = |text: &str| crate::otlp::Value::Text(text.to_owned());
            crate::otlp::span(crate::otlp::Span {
                trace: trace.to_string(),
                name: format!("incident {}", alert.id.subject.name()),
                from: until.saturating_sub(alert.stood).unwrap_or(until),
                until,
                failed: alert.severity == failstop_core::Severity::Critical,
                attributes: vec![
                    ("failstop.alert".to_owned(), text(&alert.id.to_string())),
                    ("failstop.severity".to_owned(), text(alert.severity.name())),
                ],
            });
        }
        // Which alerts there were is part of what happened; a journal that failed says nothing any more.
        if !self.storage_failed {
            let what = serde_json::json!({
                "alert": format!("{}/{}", self.mark.name, alert.id), "change": change, "severity": alert.severity.name(),
                "trace_id": trace.to_string(),
            });
            self.note("x.failstop.alert", &what);
        }
    }

    /// Notes what people were told of incidents that have no halt.
    pub(super) fn note_own_notices(&mut self) {
        for OwnNotice { key, change, severity, trace_id } in self.alerts.take_unnoted() {
            if !self.storage_failed {
                let what =
                    serde_json::json!({ "alert": key, "change": change, "severity": severity, "trace_id": trace_id });
                self.note("x.failstop.alert", &what);
            }
        }
    }

    /// What an earlier engine left open in the outbox, or the notifier could not take, against what stands.
    pub(super) fn reconcile_alerts(&mut self) {
        let head = self.head_in_words();
        let trace = |alert: &Alert| self.traces.of_alert(&alert.id);
        self.alerts.reconcile(&self.core.alerts(), clock::wall(), &head, &trace);
    }

    /// The journal's durable head, so that a message that is kept elsewhere proves what the journal said.
    fn head_in_words(&self) -> String {
        let jid: String = self.journal_id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("seq {}, hash {}, journal {jid}", self.head.0, self.head.1)
    }

    /// What the doors show.
    pub(super) fn alert_list(&self) -> AlertList {
        AlertList { alerts: self.alerts.list(), timestamp: crate::status::rfc3339(clock::wall()) }
    }

    /// Somebody takes an incident on. Answered when that is on disk, beside the loop.
    pub(super) fn acknowledge_alert(&self, id: &str, by: &str, reply: ReplyTo) {
        match self.alerts.acknowledge(id, by) {
            Ok(acknowledging) => {
                let id = id.to_owned();
                tokio::spawn(async move { send(reply, acknowledged(acknowledging, &id).await) });
            }
            Err(why) => send(reply, Answer::Refused(vec![why])),
        }
    }

    /// Sends test messages. Answered when they came out, beside the loop.
    pub(super) fn test_alerts(&self, channel: Option<&str>, reply: ReplyTo) {
        match self.alerts.test(channel) {
            Ok(testing) => {
                tokio::spawn(async move { send(reply, tested(testing).await) });
            }
            Err(why) => send(reply, Answer::Refused(vec![why])),
        }
    }
}

/// Whoever asked may have gone; then nobody wants it.
fn send(reply: ReplyTo, answer: Answer) {
    let _ = reply.send(answer);
}

async fn acknowledged(acknowledging: Acknowledging, id: &str) -> Answer {
    match acknowledging.answer().await {
        Ok(Acknowledged::Done | Acknowledged::Already) => Answer::Done,
        Ok(Acknowledged::Unknown) => {
            Answer::Refused(vec![format!("{id} is over meanwhile; nothing is left to take on")])
        }
        Err(refused) => Answer::Refused(vec![refused.to_string()]),
    }
}

async fn tested(testing: Testing) -> Answer {
    match testing.outcome().await {
        Ok(tests) => Answer::Tested(AlertTests { tests }),
        Err(refused) => Answer::Refused(vec![refused.to_string()]),
    }
}
