//! What a component says of itself, or what keeps it from running: the same words on every page and terminal.

use crate::duration::age;
use crate::printable::printable;
use failstop_client::status::{ComponentSummary, Status};
use jiff::Timestamp;

/// What a component says of itself, or else what keeps it from running.
pub fn said_or_kept(status: &Status, now: Timestamp, component: &ComponentSummary) -> Option<String> {
    let text = component.status_text.clone().or_else(|| kept_from(status, now, component));
    if component.reloading {
        return Some(text.map_or_else(|| "reloading".to_owned(), |text| format!("reloading; {text}")));
    }
    text
}

/// What keeps a component from running: an operator, a maintenance window, what it depends on, or that it asks nobody.
pub fn kept_from(status: &Status, now: Timestamp, component: &ComponentSummary) -> Option<String> {
    if let Some(held) = &component.held {
        let reason = if held.reason.is_empty() { String::new() } else { format!(": {}", held.reason) };
        let when = held.since.as_deref().map(|text| format!(" {}", since(text, now))).unwrap_or_default();
        return Some(format!(
            "kept stopped by {}{when}{reason}; next: failstop start {} --reason \"...\"",
            held.by, component.name
        ));
    }
    if let Some(window) = status.maintenance.as_ref().filter(|_| component.state == "backoff") {
        let until = at(&window.until, now);
        let next = format!("failstop start {}, or failstop maintenance off", component.name);
        return Some(format!("not restarted during maintenance, until {until}; next: {next}"));
    }
    if !component.waits_for.is_empty() {
        return Some(format!("waits for {}", component.waits_for.join(", ")));
    }
    asks_nobody(status, component).map(str::to_owned)
}

/// Why a component that asks nobody does not run, where that is all that keeps it.
fn asks_nobody(status: &Status, component: &ComponentSummary) -> Option<&'static str> {
    if component.orders != "direct" || component.state != "stopped" {
        return None;
    }
    match (status.permission.as_str(), status.mode.as_str()) {
        ("active", "live") => None,
        ("active", _) => Some("it asks nobody, so it runs in mode live only"),
        (_, _) => Some("it asks nobody, so it runs while the permission is active only"),
    }
}

/// `since 20:51:07Z (14 min)`; with the day where it is another one.
pub fn since(text: &str, now: Timestamp) -> String {
    let Ok(then) = text.parse::<Timestamp>() else {
        return format!("since {}", printable(text));
    };
    let elapsed = age(now.duration_since(then).as_secs_f64());
    format!("since {} ({elapsed})", clock_time(then, now))
}

/// `20:51:07Z`; with the day where it is not today's.
pub fn clock_time(then: Timestamp, now: Timestamp) -> String {
    let when = to_the_second(then);
    let today = now.to_string();
    match (when.split_once('T'), today.split_once('T')) {
        (Some((day, time)), Some((this_day, _))) if day == this_day => time.to_owned(),
        _ => when,
    }
}

/// A time of an answer's as [`clock_time`] has it; what is none is made fit to print.
pub fn at(text: &str, now: Timestamp) -> String {
    text.parse().map_or_else(|_| printable(text).into_owned(), |then| clock_time(then, now))
}

/// `2026-11-03T20:51:07Z`: people need it no more exactly. Cut, as alerts and the lines of `failstop run` cut theirs: the same instant
/// reads the same everywhere, and none is yet to come.
pub fn to_the_second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn an_instant_reads_the_same_as_in_an_alert() {
        let of = |text: &str| text.parse::<Timestamp>().unwrap();
        // Alerts and the lines of `failstop run` print the hour, the minute and the second, and leave out the rest.
        for text in [
            "2026-11-03T20:51:07Z",
            "2026-11-03T20:51:07.499Z",
            "2026-11-03T20:51:07.500Z",
            "2026-11-03T20:51:07.999999999Z",
        ] {
            assert_eq!(to_the_second(of(text)), "2026-11-03T20:51:07Z", "{text}");
            assert_eq!(at(text, of("2026-11-03T23:00:00Z")), of(text).strftime("%H:%M:%SZ").to_string(), "{text}");
        }
        assert_eq!(since("2026-11-03T23:59:59.9Z", of("2026-11-04T00:00:09Z")), "since 2026-11-03T23:59:59Z (9 s)");
    }
}
