//! Prometheus text. Base units, `_total`, one family at a time.

use crate::heart::time::Boot;
use crate::heart::view::View;
use failstop_notify::{BySeverity, Severity, Status};
use std::fmt::Write as _;

/// Counters of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meters {
    /// Probes begun.
    pub probes: u64,
    /// Check-ins heard.
    pub pings: u64,
    /// Notices handed to the notifier.
    pub notices: u64,
    /// When the last sign of life was written.
    pub alive_at: Boot,
}

/// Everything.
pub fn render(view: &View, alerts: &Status, meters: &Meters) -> String {
    let mut out = String::new();
    let watchdog = escaped(&view.name);
    family(
        &mut out,
        "failstop_watchdog_info",
        "gauge",
        "This watchdog.",
        &[(format!("name=\"{watchdog}\",version=\"{}\"", env!("CARGO_PKG_VERSION")), 1.0)],
    );
    let flag = |value: bool| f64::from(u8::from(value));
    family(
        &mut out,
        "failstop_watchdog_acting",
        "gauge",
        "Whether it acts and tells, or stands by for its peer.",
        &[(String::new(), flag(view.acting))],
    );
    family(
        &mut out,
        "failstop_watchdog_blind",
        "gauge",
        "Whether its own network is down.",
        &[(String::new(), flag(view.blind_since.is_some()))],
    );
    if let Some(alive) = view.peer.as_ref().and_then(|peer| peer.alive) {
        family(
            &mut out,
            "failstop_watchdog_peer_up",
            "gauge",
            "Whether the other watchdog is alive and able.",
            &[(String::new(), flag(alive))],
        );
    }
    let targets = |value: &dyn Fn(&crate::heart::view::TargetView) -> f64| -> Vec<(String, f64)> {
        view.targets.iter().map(|target| (format!("target=\"{}\"", escaped(&target.name)), value(target))).collect()
    };
    family(
        &mut out,
        "failstop_watchdog_target_up",
        "gauge",
        "1 up, 0 down or unknown.",
        &targets(&|target| flag(target.state == "up")),
    );
    let states: Vec<(String, f64)> = view
        .targets
        .iter()
        .flat_map(|target| {
            ["up", "down", "unknown", "maintenance"].map(|state| {
                (format!("target=\"{}\",state=\"{state}\"", escaped(&target.name)), flag(target.state == state))
            })
        })
        .collect();
    family(
        &mut out,
        "failstop_watchdog_target_state",
        "gauge",
        "The state of each target: 1 for the one it is in.",
        &states,
    );
    family(
        &mut out,
        "failstop_watchdog_target_consecutive_failures",
        "gauge",
        "Failures in a row.",
        &targets(&|target| f64::from(target.consecutive_failures)),
    );
    family(
        &mut out,
        "failstop_watchdog_target_incidents",
        "gauge",
        "Incidents that stand.",
        &targets(&|target| count(target.incidents.len())),
    );
    family(
        &mut out,
        "failstop_watchdog_target_held",
        "gauge",
        "Whether the restart ladder gave up.",
        &targets(&|target| flag(target.ladder.as_ref().is_some_and(|ladder| ladder.state == "held"))),
    );
    let checkins: Vec<(String, f64)> = view
        .checkins
        .iter()
        .map(|checkin| (format!("checkin=\"{}\"", escaped(&checkin.name)), flag(checkin.state != "down")))
        .collect();
    family(&mut out, "failstop_watchdog_checkin_up", "gauge", "0 when it is late or failed.", &checkins);
    for (name, help, value) in [
        ("probes", "Probes begun.", meters.probes),
        ("checkin_signals", "Signals of check-ins heard.", meters.pings),
        ("notices", "Changes of incidents handed to the notifier.", meters.notices),
    ] {
        family(&mut out, &format!("failstop_watchdog_{name}_total"), "counter", help, &[(String::new(), whole(value))]);
    }
    for (name, help, values) in [
        ("sent", "Alerts that a channel accepted.", &alerts.counters.sent),
        ("suppressed", "Alerts of which nothing was sent.", &alerts.counters.suppressed),
    ] {
        family(&mut out, &format!("failstop_watchdog_alerts_{name}_total"), "counter", help, &by_severity(values));
    }
    let channels = |value: &dyn Fn(&failstop_notify::ChannelStatus) -> f64| -> Vec<(String, f64)> {
        let labels = |channel: &failstop_notify::ChannelStatus| {
            let destination = channel.destination.as_deref().unwrap_or_default();
            format!("channel=\"{}\",destination=\"{}\"", escaped(&channel.channel), escaped(destination))
        };
        alerts.channels.iter().map(|channel| (labels(channel), value(channel))).collect()
    };
    family(
        &mut out,
        "failstop_watchdog_channel_queued",
        "gauge",
        "Alerts that wait for a channel.",
        &channels(&|channel| count(channel.queued)),
    );
    family(
        &mut out,
        "failstop_watchdog_channel_failures",
        "gauge",
        "Failed attempts since a channel's last success.",
        &channels(&|channel| whole(channel.failures_in_a_row)),
    );
    family(
        &mut out,
        "failstop_watchdog_channel_oldest_queued_seconds",
        "gauge",
        "How long the oldest alert waits for a channel.",
        &channels(&|channel| std::time::Duration::from_millis(channel.oldest_queued_ms.unwrap_or(0)).as_secs_f64()),
    );
    family(
        &mut out,
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory.",
        &[(String::new(), resident_bytes())],
    );
    out
}

fn by_severity(values: &BySeverity) -> Vec<(String, f64)> {
    Severity::ALL.map(|severity| (format!("severity=\"{severity}\""), whole(values.of(severity)))).to_vec()
}

fn family(out: &mut String, name: &str, kind: &str, help: &str, samples: &[(String, f64)]) {
    if samples.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = if labels.is_empty() {
            writeln!(out, "{name} {value}")
        } else {
            writeln!(out, "{name}{{{labels}}} {value}")
        };
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sample is a double in the format itself")]
fn whole(value: u64) -> f64 {
    value as f64
}

fn count(value: usize) -> f64 {
    whole(value as u64)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// From `/proc/self/statm`; 0 where that cannot be read.
fn resident_bytes() -> f64 {
    // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    whole(text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * page)
}
