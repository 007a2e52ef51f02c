//! How alerts fare, as status, health and metrics say it.

use crate::status::rfc3339;
use failstop_client::status::{AlertsSummary, ChannelSummary, SeverityCounts};
use failstop_notify::{Alert, BySeverity, ChannelStatus, Severity, Status};
use std::collections::{BTreeMap, BTreeSet};

/// The summary of a notifier that works. `faults` are channels that it was opened without, `refused` is how many reports it
/// could not take.
pub(super) fn working(
    status: &Status,
    alerts: &[Alert],
    faults: &BTreeMap<String, String>,
    refused: u64,
) -> AlertsSummary {
    let mut channels: BTreeMap<String, ChannelSummary> =
        status.channels.iter().map(|channel| (name(channel), channel_summary(channel))).collect();
    for (channel, fault) in faults {
        let down = ChannelSummary { up: Some(false), last_error: Some(fault.clone()), ..ChannelSummary::default() };
        channels.insert(channel.clone(), down);
    }
    let mut open = SeverityCounts::default();
    let (mut acknowledged, mut told) = (0, BTreeSet::new());
    for alert in alerts.iter().filter(|alert| alert.resolved_at.is_none() && !alert.drill) {
        match alert.severity {
            Severity::Critical => open.critical += 1,
            Severity::Warning => open.warning += 1,
            Severity::Info => open.info += 1,
        }
        acknowledged += u64::from(alert.acknowledged.is_some());
        told.extend(alert.delivered_to.iter().cloned());
    }
    let queued = channels.values().map(|channel| channel.queued).fold(0, u64::saturating_add);
    let oldest_seconds = channels.values().filter_map(|channel| channel.oldest_seconds).reduce(f64::max);
    let problem = match (&status.not_durable, refused) {
        (Some(why), _) => Some(why.clone()),
        (None, 0) => status.damage.clone(),
        (None, refused) => Some(format!("{refused} reports found the notifier's queue full and were made again later")),
    };
    let suppressed = status.counters.suppressed;
    AlertsSummary {
        status: word(&channels, problem.as_deref()).to_owned(),
        channels,
        open,
        acknowledged,
        told: told.into_iter().collect(),
        queued,
        oldest_seconds,
        sent: counts(&status.counters.sent),
        suppressed: suppressed.critical.saturating_add(suppressed.warning).saturating_add(suppressed.info),
        problem,
    }
}

/// The summary where nobody can be told.
pub(super) fn broken(problem: &str, faults: &BTreeMap<String, String>) -> AlertsSummary {
    let channels = faults.iter().map(|(channel, fault)| {
        let down = ChannelSummary { up: Some(false), last_error: Some(fault.clone()), ..ChannelSummary::default() };
        (channel.clone(), down)
    });
    AlertsSummary {
        status: "critical".to_owned(),
        channels: channels.collect(),
        problem: Some(problem.to_owned()),
        ..AlertsSummary::default()
    }
}

/// The same where the configuration lets nothing leave this host.
pub(super) fn off(working: AlertsSummary) -> AlertsSummary {
    AlertsSummary { status: "off".to_owned(), ..working }
}

fn word(channels: &BTreeMap<String, ChannelSummary>, problem: Option<&str>) -> &'static str {
    let down = |channel: &ChannelSummary| channel.up == Some(false);
    if channels.values().all(down) {
        "critical"
    } else if problem.is_some() || channels.values().any(down) {
        "degraded"
    } else {
        "healthy"
    }
}

fn name(channel: &ChannelStatus) -> String {
    match &channel.destination {
        Some(destination) => format!("{}/{destination}", channel.channel),
        None => channel.channel.clone(),
    }
}

fn channel_summary(channel: &ChannelStatus) -> ChannelSummary {
    let up = if channel.failures_in_a_row > 0 { Some(false) } else { channel.last_ok.map(|_| true) };
    ChannelSummary {
        up,
        last_ok: channel.last_ok.map(rfc3339),
        last_error: channel.last_error.clone().filter(|_| up == Some(false)),
        failures_in_a_row: channel.failures_in_a_row,
        queued: u64::try_from(channel.queued).unwrap_or(u64::MAX),
        oldest_seconds: channel.oldest_queued_ms.map(|ms| std::time::Duration::from_millis(ms).as_secs_f64()),
    }
}

fn counts(by: &BySeverity) -> SeverityCounts {
    SeverityCounts { critical: by.critical, warning: by.warning, info: by.info }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(channel: &str, failures: u64, worked: bool) -> ChannelStatus {
        ChannelStatus {
            channel: channel.to_owned(),
            destination: None,
            last_ok: worked.then_some(jiff::Timestamp::UNIX_EPOCH),
            last_error: Some("503".to_owned()),
            last_error_at: None,
            failures_in_a_row: failures,
            queued: 2,
            oldest_queued_ms: Some(1_500 * (failures + 1)),
            paused_ms: None,
        }
    }

    fn summary(channels: Vec<ChannelStatus>, faults: &[(&str, &str)]) -> AlertsSummary {
        let faults = faults.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect();
        working(&Status { channels, ..Status::default() }, &[], &faults, 0)
    }

    #[test]
    fn the_word_follows_the_channels() {
        assert_eq!(summary(vec![channel("telegram", 0, true)], &[]).status, "healthy");
        assert_eq!(summary(vec![channel("telegram", 0, false)], &[]).status, "healthy", "never tried is not down");
        assert_eq!(summary(vec![channel("telegram", 0, true), channel("slack", 3, true)], &[]).status, "degraded");
        assert_eq!(summary(vec![channel("telegram", 0, true)], &[("slack", "no secret")]).status, "degraded");
        assert_eq!(summary(vec![channel("slack", 3, true)], &[("email", "no secret")]).status, "critical");
        assert_eq!(summary(vec![], &[]).status, "critical", "no channel at all tells nobody");
    }

    #[test]
    fn an_error_is_shown_while_it_lasts_and_the_oldest_wait_counts() {
        let summary = summary(vec![channel("telegram", 0, true), channel("slack", 1, true)], &[]);
        assert_eq!(summary.channels["telegram"].last_error, None);
        assert_eq!(summary.channels["slack"].last_error.as_deref(), Some("503"));
        assert_eq!((summary.queued, summary.oldest_seconds), (4, Some(3.0)));
    }

    #[test]
    fn what_does_not_reach_the_disk_is_said() {
        let status = Status {
            channels: vec![channel("telegram", 0, true)],
            not_durable: Some("outbox: no space".to_owned()),
            ..Status::default()
        };
        let summary = working(&status, &[], &BTreeMap::new(), 0);
        assert_eq!((summary.status.as_str(), summary.problem.as_deref()), ("degraded", Some("outbox: no space")));
    }
}
