//! One message on its way out: the order, its text, and the ids that stay the same in every attempt.

use crate::heart::{Order, What};
use crate::render::Text;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// What a channel sends.
pub(crate) struct Message {
    pub(crate) order: Order,
    pub(crate) text: Text,
    /// Names this message; the same in every attempt, also of another process.
    pub(crate) id: String,
    /// Names its incident in the same way.
    pub(crate) incident_id: String,
    /// When this attempt begins, wall time.
    pub(crate) now: Timestamp,
}

impl Message {
    pub(crate) fn new(order: Order, now: Timestamp) -> Self {
        let key = order.key.as_str();
        Self { text: Text::of(&order), id: name(&format!("{key}\0{}", order.seq)), incident_id: name(key), now, order }
    }

    /// The W3C `traceparent` of this message, where its incident is followed by a name of that form: this message is one step of it.
    pub(crate) fn traceparent(&self) -> Option<String> {
        let trace = self.order.notice.trace_id.as_deref().filter(|trace| {
            let digits = trace.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            trace.len() == 32 && digits && trace.bytes().any(|byte| byte != b'0')
        })?;
        // Half of the message's own name: 64 bits that are as good as never all zero.
        let step = self.id.get(..16).filter(|step| step.bytes().any(|byte| byte != b'0'))?;
        Some(format!("00-{trace}-{step}-01"))
    }

    /// The word of what it says, for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self.order.what {
            What::Trigger => "trigger",
            What::Update => "update",
            What::Reminder => "reminder",
            What::Escalation => "escalation",
            What::Acknowledge => "acknowledge",
            What::Resolve => "resolve",
            What::Refresh => "refresh",
        }
    }

    /// Everything about it, for programs.
    pub(crate) fn document(&self) -> Value {
        let (order, notice) = (&self.order, &self.order.notice);
        let metadata: serde_json::Map<String, Value> =
            notice.metadata.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        json!({
            "type": format!("incident.{}", self.word()),
            "id": self.id,
            "timestamp": notice.occurred_at,
            "data": {
                "key": order.key,
                "number": order.seq,
                "severity": notice.severity,
                "nature": notice.nature,
                "system": notice.system,
                "cause": notice.cause,
                "component": notice.component,
                "environment": notice.environment,
                "drill": notice.drill,
                "title": notice.title,
                "message": notice.message,
                "root_cause": notice.root_cause,
                "recommended_action": notice.recommended_action,
                "runbook": notice.runbook,
                "metadata": metadata,
                "trace_id": notice.trace_id,
                "head": notice.head,
                "opened_at": order.opened_at,
                "resolved_at": order.resolved_at,
                "acknowledged_by": order.acknowledged_by,
                "covers": order.covers,
                "note": order.note,
                "text": self.text.whole(),
            },
        })
    }
}

/// 32 hexadecimal digits that only `text` gives.
fn name(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message with everything in it.
    pub(crate) fn message(what: What) -> Message {
        let order = crate::render::tests::order(what);
        let now = order.opened_at;
        Message::new(order, now)
    }

    #[test]
    fn ids_are_of_the_message_and_not_of_the_attempt() {
        let first = message(What::Trigger);
        let mut again = crate::render::tests::order(What::Trigger);
        again.tries = 7;
        let again = Message::new(again, first.now + jiff::SignedDuration::from_secs(60));
        assert_eq!(first.id, again.id);
        let mut next = crate::render::tests::order(What::Resolve);
        next.seq = 2;
        let next = Message::new(next, first.now);
        assert_ne!(first.id, next.id);
        assert_eq!(first.incident_id, next.incident_id);
    }
}
