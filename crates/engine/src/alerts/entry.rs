//! The notifier's incidents as the doors and commands show them.

use crate::status::rfc3339;
use failstop_client::alerts::{AlertAcknowledgement, AlertEntry, AlertTest};
use failstop_notify::{Alert, Proof, Tested};

/// One incident.
pub fn entry(alert: &Alert) -> AlertEntry {
    AlertEntry {
        id: alert.key.as_str().to_owned(),
        severity: alert.severity.name().to_owned(),
        system: alert.system.clone(),
        environment: alert.environment.clone(),
        drill: alert.drill,
        cause: alert.cause.clone(),
        component: alert.component.clone(),
        title: alert.title.clone(),
        message: alert.message.clone(),
        root_cause: alert.root_cause.clone(),
        recommended_action: alert.recommended_action.clone(),
        runbook: alert.runbook.clone(),
        metadata: alert.metadata.clone(),
        trace_id: alert.trace_id.clone(),
        opened_at: rfc3339(alert.opened_at),
        resolved_at: alert.resolved_at.map(rfc3339),
        acknowledged: alert
            .acknowledged
            .as_ref()
            .map(|one| AlertAcknowledgement { by: one.by.clone(), at: rfc3339(one.at) }),
        held_back: alert.held_back,
        delivered_to: alert.delivered_to.clone(),
        waiting_for: alert.waiting_for.clone(),
    }
}

/// What became of one test message.
pub(super) fn tested(test: Tested) -> AlertTest {
    let (outcome, error) = match test.outcome {
        Ok(Proof::Accepted) => ("accepted", None),
        Ok(Proof::ReadBack) => ("read-back", None),
        Err(error) => ("failed", Some(error)),
    };
    AlertTest { channel: test.channel, destination: test.destination, outcome: outcome.to_owned(), error }
}
