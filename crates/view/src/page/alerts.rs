//! Who is told of what: open incidents, the last that are over, and how the ways to people fare.

use super::{Sight, class, glyph, nothing, state, text};
use crate::Tone;
use crate::component::{at, since};
use crate::number::grouped;
use failstop_client::alerts::AlertEntry;
use failstop_client::status::ChannelSummary;
use jiff::Timestamp;
use maud::{Markup, html};

/// How many incidents that are over are shown.
const PAST: usize = 10;

/// Incidents and channels.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let summary = &sight.status.alerts;
    let entries = sight.alerts.map(|list| list.alerts.as_slice()).unwrap_or_default();
    let (open, past): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.resolved_at.is_none());
    html! {
        section aria-labelledby="alerts" {
            h2 #alerts { "Alerts" }
            @if let Some(problem) = &summary.problem { p.card.bad { (text(problem)) } }
            @if sight.alerts.is_none() { p.quiet { "The list of incidents could not be had just now." } }
            @else if open.is_empty() { p.quiet { "Nothing is open." } }
            ul.alerts { @for entry in &open { (incident(entry, sight)) } }
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
                strong { (text(&entry.title)) }
                @if entry.drill { " " span.tag { "drill" } }
            }
            @for line in entry.message.lines() { p { (text(line)) } }
            @if let Some(action) = &entry.recommended_action { p.next { "next: " (text(action)) } }
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
                @if let Some(error) = &channel.last_error { " · " (text(error)) }
            }
        }
    }
}
