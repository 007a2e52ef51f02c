//! The watchdog's judgement of itself: what `/health` says, what the peer is told, and whether the outside dead man's switch is
//! pinged.

use crate::heart::time::span;
use failstop_notify::Status;
use serde::Serialize;
use std::time::Duration;

/// How late a probe may be before the loop counts as stalled, milliseconds.
const LATE_MAX_MS: u64 = 10_000;

/// What it must keep to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// An alert may wait for so long.
    pub outbox_max_age: Duration,
    /// Whether every channel that reaches people must have delivered something once.
    pub prove_channels: bool,
}

/// How it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// `healthy` or `critical`.
    pub status: &'static str,
    /// Every reason that keeps it from healthy, with what to do.
    pub reasons: Vec<String>,
    /// Now, RFC 3339.
    pub timestamp: String,
    /// The watchdog's name.
    pub name: String,
    /// Whether it acts and tells, or stands by.
    pub acting: bool,
}

/// What it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Signs<'a> {
    /// How late the latest probe is, milliseconds.
    pub overdue_ms: u64,
    /// The notifier's status.
    pub alerts: &'a Status,
    /// Why the state could not be written last.
    pub save_trouble: Option<&'a str>,
}

/// Every reason that keeps it from healthy.
pub fn reasons(signs: Signs<'_>, limits: Limits) -> Vec<String> {
    let mut reasons = Vec::new();
    if signs.overdue_ms > LATE_MAX_MS {
        reasons.push(format!("a probe is {} late: the loop is stalled or overloaded", span(signs.overdue_ms)));
    }
    reasons.extend(signs.save_trouble.map(|why| format!("its state cannot be written: {why}")));
    reasons.extend(signs.alerts.not_durable.as_ref().map(|why| format!("alerts are not durable: {why}")));
    let most = u64::try_from(limits.outbox_max_age.as_millis()).unwrap_or(u64::MAX);
    for channel in &signs.alerts.channels {
        let name = &channel.channel;
        if let Some(oldest) = channel.oldest_queued_ms.filter(|oldest| *oldest > most) {
            let why = channel.last_error.as_deref().unwrap_or("no attempt is over yet");
            reasons.push(format!("an alert has waited for {name} for {}: {why}", span(oldest)));
        }
        let local = matches!(name.rsplit('.').next(), Some("console" | "log_file"));
        if limits.prove_channels && !local && channel.last_ok.is_none() {
            reasons.push(format!("{name} has never delivered anything: run `failstop-watchdog test-alert`"));
        }
    }
    if signs.alerts.channels.is_empty() {
        reasons.push("there is no alert channel that works".to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_notify::ChannelStatus;

    fn channel(name: &str) -> ChannelStatus {
        ChannelStatus {
            channel: name.to_owned(),
            destination: None,
            last_ok: Some(jiff::Timestamp::UNIX_EPOCH),
            last_error: None,
            last_error_at: None,
            failures_in_a_row: 0,
            queued: 0,
            oldest_queued_ms: None,
            paused_ms: None,
        }
    }

    const LIMITS: Limits = Limits { outbox_max_age: Duration::from_secs(600), prove_channels: true };

    fn judge(channels: Vec<ChannelStatus>, overdue_ms: u64, save_trouble: Option<&str>) -> Vec<String> {
        let alerts = Status { channels, ..Status::default() };
        reasons(Signs { overdue_ms, alerts: &alerts, save_trouble }, LIMITS)
    }

    #[test]
    fn it_is_well_and_each_sign_by_itself_makes_it_unwell() {
        assert_eq!(judge(vec![channel("telegram"), channel("console")], 9_000, None), Vec::<String>::new());
        assert!(judge(vec![channel("console")], 11_000, None)[0].contains("stalled"));
        assert!(judge(vec![channel("console")], 0, Some("disk full"))[0].contains("disk full"));
        assert!(judge(Vec::new(), 0, None)[0].contains("no alert channel"));
        let unproven = ChannelStatus { last_ok: None, ..channel("telegram") };
        assert!(judge(vec![unproven], 0, None)[0].contains("test-alert"));
        let local = ChannelStatus { last_ok: None, ..channel("console") };
        assert!(judge(vec![local], 0, None).is_empty());
        let old =
            ChannelStatus { oldest_queued_ms: Some(700_000), last_error: Some("HTTP 500".into()), ..channel("slack") };
        assert!(judge(vec![old], 0, None)[0].contains("HTTP 500"));
    }
}
