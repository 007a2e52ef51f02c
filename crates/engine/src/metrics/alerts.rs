//! The families about alerts on their way to people.

use super::exposition::{Exposition, Kind, whole};
use failstop_client::status::{AlertsSummary, SeverityCounts};

pub(super) fn alerts(text: &mut Exposition, alerts: &AlertsSummary) {
    let mut sent = text.family("failstop_alerts_sent", Kind::Counter, "Messages that a channel accepted, by severity.");
    for (severity, count) in by_severity(&alerts.sent) {
        sent.sample(&[("severity", severity)], whole(count));
    }
    text.family(
        "failstop_alerts_suppressed",
        Kind::Counter,
        "Reports of which nothing was sent: duplicates, cooling, held back, switched off, refused.",
    )
    .sample(&[], whole(alerts.suppressed));
    let mut open = text.family("failstop_alerts_open", Kind::Gauge, "Open incidents by severity.");
    for (severity, count) in by_severity(&alerts.open) {
        open.sample(&[("severity", severity)], whole(count));
    }
    let mut up = text.family(
        "failstop_alert_channel_up",
        Kind::Gauge,
        "Whether the last attempt at a channel was accepted; absent before the first.",
    );
    for (channel, state) in &alerts.channels {
        if let Some(is_up) = state.up {
            up.sample(&[("channel", channel)], if is_up { 1.0 } else { 0.0 });
        }
    }
    let mut queued = text.family("failstop_alerts_queued", Kind::Gauge, "Messages that wait for a channel.");
    for (channel, state) in &alerts.channels {
        queued.sample(&[("channel", channel)], whole(state.queued));
    }
    text.family(
        "failstop_alerts_oldest_queued_seconds",
        Kind::Gauge,
        "How long the oldest message waits for its channel; 0 where none does.",
    )
    .sample(&[], alerts.oldest_seconds.unwrap_or(0.0));
    let working = match alerts.status.as_str() {
        "healthy" => Some(1.0),
        "degraded" => Some(0.5),
        "off" => None,
        // Also a word that this version does not know: never read as more than it may be.
        _ => Some(0.0),
    };
    let mut family = text.family(
        "failstop_alerts_working",
        Kind::Gauge,
        "Whether people can be told: 1 yes, 0.5 in part or not durably, 0 no, absent where alerts are off.",
    );
    if let Some(working) = working {
        family.sample(&[], working);
    }
}

fn by_severity(counts: &SeverityCounts) -> [(&'static str, u64); 3] {
    [("critical", counts.critical), ("warning", counts.warning), ("info", counts.info)]
}
