//! Alerts in words: the one line of `failstop status`, the list, and what became of test messages.

use super::Layout;
use super::duration::age;
use super::style::Tone;
use failstop_client::alerts::{AlertEntry, AlertList, AlertTests};
use failstop_client::status::{AlertsSummary, SeverityCounts};
use failstop_engine::printable::printable;
use failstop_view::component::to_the_second;
use jiff::Timestamp;
use std::fmt::Write as _;

/// `1 open (critical, sent to telegram, pagerduty)`; `None` where the engine says nothing of alerts.
pub fn summary(alerts: &AlertsSummary) -> Option<String> {
    let mut line = match alerts.status.as_str() {
        "" => return None,
        "off" => return Some("off: nobody is told of anything".to_owned()),
        _ => match alerts.open.total() {
            0 => "none open".to_owned(),
            open => {
                let mut inside = vec![severities(&alerts.open)];
                if alerts.told.is_empty() {
                    inside.push("sent to nobody yet".to_owned());
                } else {
                    inside.push(format!("sent to {}", alerts.told.join(", ")));
                }
                if alerts.acknowledged > 0 {
                    inside.push(format!("{} acknowledged", alerts.acknowledged));
                }
                format!("{open} open ({})", inside.join(", "))
            }
        },
    };
    if let Some(seconds) = alerts.oldest_seconds {
        let _ = write!(line, "; {} wait, the oldest for {}", alerts.queued, age(seconds));
    }
    for (name, channel) in alerts.channels.iter().filter(|(_, channel)| channel.up == Some(false)) {
        let why = channel.last_error.as_deref().unwrap_or("its last attempt failed");
        let _ = write!(line, "; {name} fails: {why}");
    }
    if let Some(problem) = &alerts.problem {
        let _ = write!(line, "; {problem}");
    }
    Some(line)
}

/// `critical` for one, `1 critical, 2 warning` for several.
fn severities(counts: &SeverityCounts) -> String {
    let by = [("critical", counts.critical), ("warning", counts.warning), ("info", counts.info)];
    let there: Vec<_> = by.into_iter().filter(|(_, count)| *count > 0).collect();
    match there.as_slice() {
        [(word, 1)] => (*word).to_owned(),
        several => several.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", "),
    }
}

/// Every incident, as of `now`.
pub fn list(list: &AlertList, now: Timestamp, layout: Layout) -> String {
    match layout {
        Layout::People | Layout::Lines if list.alerts.is_empty() => "no alerts\n".to_owned(),
        Layout::People => list.alerts.iter().map(|alert| block(alert, now)).collect::<Vec<_>>().join("\n"),
        Layout::Lines => list.alerts.iter().map(|alert| line(alert) + "\n").collect(),
    }
}

fn block(alert: &AlertEntry, now: Timestamp) -> String {
    let state = if alert.resolved_at.is_some() { "over" } else { &alert.severity };
    let mut out = format!("{}  {}{}\n", heading(state), printable(&alert.id), marks(alert));
    let mut fact = |text: String| {
        let _ = writeln!(out, "          {}", printable(&text));
    };
    fact(alert.title.clone());
    fact(times(alert, now));
    fact(reached(alert));
    if let Some(acknowledged) = &alert.acknowledged {
        fact(format!("acknowledged by {} at {}", acknowledged.by, short(&acknowledged.at)));
    }
    if alert.resolved_at.is_none() {
        for line in alert.message.lines() {
            fact(line.to_owned());
        }
        if let Some(action) = &alert.recommended_action {
            fact(format!("next: {action}"));
        }
        if let Some(runbook) = &alert.runbook {
            fact(format!("see {runbook}"));
        }
    }
    out
}

fn heading(state: &str) -> String {
    let tone = match state {
        "critical" => Tone::Bad,
        "warning" => Tone::Warning,
        _ => Tone::Plain,
    };
    tone.paint(&format!("{:<8}", printable(state)))
}

fn marks(alert: &AlertEntry) -> String {
    let mut marks = String::new();
    if alert.environment != "production" {
        let _ = write!(marks, "   {}", printable(&alert.environment));
    }
    if alert.drill {
        marks.push_str("   drill");
    }
    marks
}

fn times(alert: &AlertEntry, now: Timestamp) -> String {
    match &alert.resolved_at {
        Some(resolved) => format!("from {} to {}", short(&alert.opened_at), short(resolved)),
        None => match alert.opened_at.parse::<Timestamp>() {
            Ok(opened) => {
                let elapsed = age(now.duration_since(opened).as_secs_f64());
                format!("since {} ({elapsed})", short(&alert.opened_at))
            }
            Err(_) => format!("since {}", alert.opened_at),
        },
    }
}

fn reached(alert: &AlertEntry) -> String {
    if alert.held_back {
        return "held back by the maintenance window".to_owned();
    }
    let mut text = if alert.delivered_to.is_empty() {
        "sent to nobody yet".to_owned()
    } else {
        format!("sent to {}", alert.delivered_to.join(", "))
    };
    if !alert.waiting_for.is_empty() {
        let _ = write!(text, "; waits for {}", alert.waiting_for.join(", "));
    }
    text
}

/// Without the fraction of the second.
fn short(time: &str) -> String {
    time.parse().map_or_else(|_| time.to_owned(), to_the_second)
}

fn line(alert: &AlertEntry) -> String {
    let state = if alert.resolved_at.is_some() { "over" } else { "open" };
    let mut line = format!("{state} {} {} since {}", alert.severity, alert.id, alert.opened_at);
    if let Some(resolved) = &alert.resolved_at {
        let _ = write!(line, " until {resolved}");
    }
    if let Some(acknowledged) = &alert.acknowledged {
        let _ = write!(line, " acknowledged by {}", acknowledged.by);
    }
    let _ = write!(line, ": {}; {}{}", alert.title, reached(alert), marks(alert));
    printable(&line).into_owned()
}

/// One line a destination.
pub fn tests(tests: &AlertTests) -> String {
    let width = tests.tests.iter().map(|test| name(test).chars().count()).max().unwrap_or(0);
    tests
        .tests
        .iter()
        .map(|test| {
            let word = match (test.outcome.as_str(), &test.error) {
                ("accepted", _) => Tone::Good.paint("accepted"),
                ("read-back", _) => format!("{}, and read back from the service", Tone::Good.paint("accepted")),
                (_, Some(error)) => format!("{}: {}", Tone::Bad.paint("failed"), printable(error)),
                (other, None) => printable(other).into_owned(),
            };
            format!("{:<width$}   {word}\n", printable(&name(test)))
        })
        .collect()
}

fn name(test: &failstop_client::alerts::AlertTest) -> String {
    match &test.destination {
        Some(destination) => format!("{} {destination}", test.channel),
        None => test.channel.clone(),
    }
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
mod unit;
