//! What runs: components with their parts, what they depend on, and what feeds them.

use super::{Sight, class, fact, glyph, nothing, plain, prose, state, text};
use crate::Tone;
use crate::component::said_or_kept;
use crate::duration::{age, span};
use crate::number::{grouped, size};
use failstop_client::status::{ComponentSummary, Coverage, PartSummary};
use maud::{Markup, html};
use std::borrow::Cow;

/// Components, dependencies, feeds, coverage.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    html! {
        section aria-labelledby="runs" {
            h2 #runs { "What runs" }
            div.cards {
                @for component in &status.components { (card(component, sight)) }
                @if !status.dependencies.is_empty() {
                    article.card aria-label="Dependencies" {
                        h3 { "Dependencies" }
                        ul.lines {
                            @for (name, up) in &status.dependencies {
                                li.row data-key=(text(name)) { span { (text(name)) } (state(match up { Some(true) => "up", Some(false) => "down", None => "not known yet" })) }
                            }
                        }
                    }
                }
                @if !status.feeds.is_empty() {
                    article.card aria-label="Feeds" {
                        h3 { "Feeds" span.quiet { "last fresh data" } }
                        ul.lines {
                            @for (name, seconds) in &status.feeds {
                                li.row data-key=(text(name)) {
                                    span { (text(name)) }
                                    @match seconds { Some(seconds) => span.figure { (age(*seconds)) " ago" }, None => span.quiet { "none yet" } }
                                }
                            }
                        }
                    }
                }
            }
            @if !status.not_watched.is_empty() {
                p #unwatched { strong { "Not watched: " } (text(&status.not_watched.join(", "))) }
            }
            @if !status.coverage.is_empty() || !status.host_notes.is_empty() {
                details #coverage {
                    summary { "What is enforced, watched and not covered" }
                    @for line in &status.coverage { (covered(line)) }
                    @if !status.host_notes.is_empty() {
                        h3 { "This host" }
                        ul { @for note in &status.host_notes { li { (prose(note)) } } }
                    }
                }
            }
        }
    }
}

fn card(component: &ComponentSummary, sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    let parts: Vec<&PartSummary> = status.parts.iter().filter(|part| part.component == component.name).collect();
    html! {
        article.card data-key=(text(&component.name)) aria-label=(format!("Component {}", text(&component.name))) {
            h3 { (text(&component.name)) " " (state(&component.state)) }
            @if let Some(said) = said_or_kept(status, sight.now, component) { p.said { (prose(&said)) } }
            dl {
                (fact("orders", &plain(how_it_orders(&component.orders))))
                @if let Some(pid) = component.pid { (fact("process", &html! { (pid) })) }
                (fact("restarts", &html! { (component.restarts) }))
                @if let Some(seconds) = component.uptime_seconds { (fact("up", &plain(span(seconds)))) }
                @if let Some(seconds) = component.last_sign_seconds { (fact("beat", &html! { (age(seconds)) " ago" })) }
                @if let Some(queue) = status.queue.get(&component.name) {
                    (fact("queue", &html! { (text(&queue.state)) ", " (grouped(queue.depth)) " waiting" }))
                }
            }
            (meter("memory", component.memory_bytes.map(whole), component.memory_max_bytes.map(whole), |value| size(bytes(value))))
            (meter("processor", component.cpu_percent, component.cpu_max_percent.map(f64::from), |value| format!("{value:.0} %")))
            @if !parts.is_empty() {
                ul.lines.parts aria-label=(format!("Parts of {}", text(&component.name))) {
                    @for part in parts { (one(part)) }
                }
            }
        }
    }
}

fn how_it_orders(word: &str) -> Cow<'_, str> {
    match word {
        "asks" => Cow::Borrowed("asks the permit"),
        "direct" => Cow::Borrowed("asks nobody"),
        other => text(other),
    }
}

fn one(part: &PartSummary) -> Markup {
    // As everywhere: 0 is critical, at most a half is degraded.
    let tone = if part.health <= 0.0 {
        Tone::Bad
    } else if part.health <= 0.5 {
        Tone::Warning
    } else {
        Tone::Good
    };
    html! {
        li.row data-key=(text(&part.name)) {
            span { span.state.(class(tone)) { (glyph(tone)) } " " (text(&part.name)) } span.figure.quiet { (format!("{:.2}", part.health)) }
        }
    }
}

/// How much of a limit is used. Without a limit only the figure, without a figure nothing.
fn meter(name: &str, used: Option<f64>, most: Option<f64>, words: impl Fn(f64) -> String) -> Markup {
    let Some(used) = used else { return nothing() };
    let Some(most) = most.filter(|most| *most > 0.0) else {
        return html! { p.meter { span { (name) } span.figure { (words(used)) } } };
    };
    let said = format!("{} of {}", words(used), words(most));
    html! {
        p.meter {
            span { (name) } span.figure { (said) }
            // What the warning is about: four fifths.
            meter min="0" max=(most) high=(most * 0.8) optimum="0" value=(used.min(most)) aria-label=(format!("{name}: {said}")) { (said) }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a bar on a page")]
fn whole(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a count of bytes before")]
fn bytes(value: f64) -> u64 {
    value as u64
}

fn covered(line: &Coverage) -> Markup {
    html! {
        h3 { (text(&line.component)) }
        dl.covered {
            @for (what, list) in [("enforced", &line.enforced), ("monitored", &line.monitored), ("not covered", &line.not_covered)] {
                @if !list.is_empty() { (fact(what, &html! { (text(&list.join(", "))) })) }
            }
        }
    }
}
