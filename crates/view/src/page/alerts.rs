//! Who is told of what: open incidents, the last that are over, and how the ways to people fare.

use super::{Sight, class, glyph, next, nothing, prose, state, text};
use crate::Tone;
use crate::component::{at, since};
use crate::number::grouped;
use failstop_client::alerts::AlertEntry;
use failstop_client::status::ChannelSummary;
use jiff::Timestamp;
use maud::{Markup, html};

/// How many incidents that are over are shown.
const PAST: usize = 10;

/// So many open incidents are shown before one asks for the others.
const FIRST: usize = 5;

/// The open ones in one line, which leads to them.
pub(super) fn in_a_line(sight: &Sight<'_>) -> Markup {
    let summary = &sight.status.alerts;
    let counts = &summary.open;
    let (all, tone) = (counts.critical + counts.warning + counts.info, worst(sight));
    if all == 0 {
        return nothing();
    }
    let open = if all == 1 { "1 alert is open".to_owned() } else { format!("{} alerts are open", grouped(all)) };
    let told = summary.acknowledged.min(all);
    html! {
        p.open.(class(tone)) {
            (glyph(tone)) " "
            // On a page without them there is nothing to lead to.
            @if sight.alerts.is_some() { a href="#alerts" { (open) } } @else { (open) }
            @if counts.critical > 0 { ", " strong { (grouped(counts.critical)) " critical" } }
            @if told > 0 { ", " (grouped(told)) " taken on" }
            "."
        }
    }
}

fn worst(sight: &Sight<'_>) -> Tone {
    let counts = &sight.status.alerts.open;
    match (counts.critical, counts.warning) {
        (0, 0) => Tone::Plain,
        (0, _) => Tone::Warning,
        (_, _) => Tone::Bad,
    }
}

/// What is open, the gravest first and what nobody has taken on before the rest. Nothing where nothing is.
pub(super) fn open(sight: &Sight<'_>) -> Markup {
    let problem = sight.status.alerts.problem.as_ref();
    let mut open: Vec<&AlertEntry> =
        sight.alerts.iter().flat_map(|list| &list.alerts).filter(|entry| entry.resolved_at.is_none()).collect();
    if sight.alerts.is_some() && open.is_empty() && problem.is_none() {
        return nothing();
    }
    open.sort_by_key(|entry| {
        let gravity = match Tone::of(&entry.severity) {
            Tone::Bad => 0,
            Tone::Warning => 1,
            Tone::Plain | Tone::Good => 2,
        };
        (gravity, entry.acknowledged.is_some())
    });
    let (first, others) = open.split_at(open.len().min(FIRST));
    html! {
        section aria-labelledby="alerts" {
            h2 #alerts { "Open alerts" }
            @if let Some(problem) = problem { p.card.bad { (prose(problem)) } }
            @if sight.alerts.is_none() { p.quiet { "The list of incidents could not be had just now." } }
            @if !first.is_empty() { ul.alerts { @for entry in first { (incident(entry, sight)) } } }
            @if !others.is_empty() {
                details #others {
                    summary { (grouped(others.len() as u64)) " more, none graver" }
                    ul.alerts { @for entry in others { (incident(entry, sight)) } }
                }
            }
        }
    }
}

/// What is over, and how the ways to people fare.
pub(super) fn over(sight: &Sight<'_>) -> Markup {
    let summary = &sight.status.alerts;
    let past: Vec<&AlertEntry> =
        sight.alerts.iter().flat_map(|list| &list.alerts).filter(|entry| entry.resolved_at.is_some()).collect();
    let none_is_open = sight.alerts.is_some_and(|list| list.alerts.len() == past.len());
    html! {
        section aria-labelledby="told" {
            h2 #told { "Alerts" }
            @if none_is_open && past.is_empty() { p.quiet { "None is open and none is over." } }
            @else if none_is_open { p.quiet { "None is open." } }
            @if !past.is_empty() {
                details #past {
                    summary {
                        @if past.len() > PAST { "Over (the last " (PAST) " of " (past.len()) "; " code { "failstop alerts list" } " has all)" }
                        @else { "Over (" (past.len()) ")" }
                    }
                    ul.alerts { @for entry in past.iter().take(PAST) { (incident(entry, sight)) } }
                }
            }
            @if !summary.channels.is_empty() {
                details #channels open[summary.status == "critical" || summary.status == "degraded"] {
                    summary { "Ways to people: " (state(&summary.status)) }
                    ul.lines { @for (name, channel) in &summary.channels { (way(name, channel, sight.now)) } }
                }
            }
        }
    }
}

fn incident(entry: &AlertEntry, sight: &Sight<'_>) -> Markup {
    let tone = Tone::of(&entry.severity);
    html! {
        li.alert.(class(tone)) data-key=(text(&entry.id)) {
            p.cause {
                (glyph(tone)) " " span.severity { (text(&entry.severity)) } " "
                strong { (prose(&entry.title)) }
                @if entry.drill { " " span.tag { "drill" } }
            }
            @for line in entry.message.lines() { p { (prose(line)) } }
            @if let Some(action) = &entry.recommended_action { (next(action)) }
            p.quiet {
                @match &entry.resolved_at {
                    Some(over) => { "over " (at(over, sight.now)) }
                    None => (since(&entry.opened_at, sight.now)),
                }
                @if !entry.delivered_to.is_empty() { " · told: " (text(&entry.delivered_to.join(", "))) }
                @if !entry.waiting_for.is_empty() { " · waits for: " (text(&entry.waiting_for.join(", "))) }
                @if let Some(taken) = &entry.acknowledged { " · taken on by " (text(&taken.by)) " " (at(&taken.at, sight.now)) }
                @if let Some(runbook) = &entry.runbook { " · " (text(runbook)) }
            }
            (take_on(entry, sight))
        }
    }
}

/// To take an incident on: here for who may, otherwise the command.
fn take_on(entry: &AlertEntry, sight: &Sight<'_>) -> Markup {
    if entry.acknowledged.is_some() || entry.resolved_at.is_some() {
        return nothing();
    }
    if !sight.controls {
        return html! { p.act { "to take it on: " code { "failstop alerts ack " (text(&entry.id)) } } };
    }
    html! {
        form.controls data-action="api/control/alerts/ack" data-id=(text(&entry.id)) {
            button type="submit" { "Take it on" }
            p.outcome role="status" {}
        }
    }
}

fn way(name: &str, channel: &ChannelSummary, now: Timestamp) -> Markup {
    let word = match channel.up {
        Some(true) => "up",
        Some(false) => "down",
        None => "not tried yet",
    };
    html! {
        li data-key=(text(name)) {
            (state(word)) " " (text(name))
            span.quiet {
                @if let Some(last) = &channel.last_ok { " · last accepted " (at(last, now)) }
                @if channel.queued > 0 { " · " (grouped(channel.queued)) " waiting" }
                @if let Some(error) = &channel.last_error { " · " (prose(error)) }
            }
        }
    }
}
