//! What a component says of itself, or what keeps it from running: the same words on every page and terminal.

use crate::duration::age;
use crate::printable::printable;
use failstop_client::status::{ComponentSummary, Status};
use jiff::{Timestamp, Unit};

/// What a component says of itself, or else what keeps it from running.
pub fn said_or_kept(status: &Status, now: Timestamp, component: &ComponentSummary) -> Option<String> {
    let text = component.status_text.clone().or_else(|| kept_from(status, now, component));
    if component.reloading {
        return Some(text.map_or_else(|| "reloading".to_owned(), |text| format!("reloading; {text}")));
    }
    text
}

/// What keeps a component from running: an operator, what it depends on, or that it asks nobody.
pub fn kept_from(status: &Status, now: Timestamp, component: &ComponentSummary) -> Option<String> {
    if let Some(held) = &component.held {
        let reason = if held.reason.is_empty() { String::new() } else { format!(": {}", held.reason) };
        let when = held.since.as_deref().map(|text| format!(" {}", since(text, now))).unwrap_or_default();
        return Some(format!("kept stopped by {}{when}{reason}; next: failstop start {}", held.by, component.name));
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

/// `2026-11-03T20:51:07Z`: people need it no more exactly.
pub fn to_the_second(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).to_string()
}
