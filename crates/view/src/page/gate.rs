//! How the gate stands: what of each limit is used, the day's result, who waits for a confirmation, prices source by source.

use super::{Sight, class, fact, glyph, nothing, text};
use crate::Tone;
use crate::component::at;
use crate::number::grouped;
use failstop_client::gate::{AwaitingEntry, GateStatus, LimitUse, PriceFeed};
use jiff::Timestamp;
use maud::{Markup, html};

/// How many limits are shown before one asks for the others: those nearest to being reached.
const NEAREST: usize = 8;

/// How many reasons of refusals are named.
const REASONS: usize = 6;

/// The gate; nothing where none is configured.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let Some(gate) = &sight.status.gate else { return nothing() };
    let mut limits: Vec<&LimitUse> = gate.limits.iter().collect();
    limits.sort_by(|one, other| other.score.total_cmp(&one.score));
    let (near, far) = limits.split_at(limits.len().min(NEAREST));
    html! {
        section aria-labelledby="gate" {
            h2 #gate { "The gate" @if gate.paper { span.quiet { " on paper" } } }
            @if !gate.awaiting.is_empty() {
                div.card.warn {
                    h3 { "Wait for a confirmation" }
                    ul.lines { @for entry in &gate.awaiting { (awaiting(entry, &gate.money, sight.now)) } }
                }
            }
            div.cards {
                article.card aria-label="Orders at the gate" {
                    h3 { "Orders" }
                    dl {
                        (fact("allowed", &html! { (grouped(gate.allowed)) }))
                        (fact("refused", &html! { (grouped(gate.refused)) }))
                        (fact("open", &html! { (grouped(gate.open_orders)) }))
                        @if let Some(rate) = gate.orders.success_rate { (fact("success", &html! { (format!("{:.1} %", 100.0 * rate)) })) }
                        @if let Some(seconds) = gate.orders.latency_seconds { (fact("latency", &html! { (format!("{:.0} ms", 1000.0 * seconds)) })) }
                        @for result in &gate.results {
                            (fact("result today", &html! {
                                (text(&result.account)) ": "
                                @match &result.result {
                                    Some(amount) => span.money.(if amount.starts_with('-') { "bad" } else { "plain" }) { (text(&amount.replacen('-', "−", 1))) " " (text(&gate.money)) },
                                    None => span.quiet { "cannot be said" },
                                }
                                @if result.reached { " " span.state.bad { (glyph(Tone::Bad)) " the daily loss is reached" } }
                            }))
                        }
                    }
                    (reasons(gate))
                }
                @if !gate.feeds.is_empty() {
                    article.card aria-label="Prices" {
                        h3 { "Prices" }
                        ul.lines { @for feed in &gate.feeds { (price(feed)) } }
                    }
                }
                @if !gate.api_usage.is_empty() {
                    article.card aria-label="The venue's request budgets" {
                        h3 { "The venue's budgets" }
                        ul.lines {
                            @for budget in &gate.api_usage {
                                li data-key=(text(&budget.endpoint)) { (text(&budget.endpoint)) ": " (grouped(budget.used)) " of " (grouped(budget.limit)) }
                            }
                        }
                    }
                }
            }
            @if !limits.is_empty() {
                div.card.limits { @for limit in near { (used(limit)) } }
                @if !far.is_empty() {
                    details #limits {
                        summary { "Every other limit (" (far.len()) ")" }
                        div.card.limits { @for limit in far { (used(limit)) } }
                    }
                }
            }
            @if !gate.overrides.is_empty() {
                div.card.warn {
                    h3 { "Overrides" }
                    ul.lines {
                        @for entry in &gate.overrides {
                            li data-key=(text(&entry.name)) { (text(&entry.limit)) " (" (text(&entry.scope)) "): " (text(&entry.value)) " until " (at(&entry.until, sight.now)) }
                        }
                    }
                }
            }
        }
    }
}

fn reasons(gate: &GateStatus) -> Markup {
    let mut reasons: Vec<(&String, &u64)> = gate.refusals.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    if reasons.is_empty() {
        return nothing();
    }
    html! {
        ul.lines.parts aria-label="Why orders were refused" {
            @for (reason, count) in reasons.into_iter().take(REASONS) { li data-key=(text(reason)) { (text(reason)) span.quiet { " " (grouped(*count)) } } }
        }
    }
}

/// How near a limit is: the bar, the figure, and whose it is.
fn used(limit: &LimitUse) -> Markup {
    let of = if limit.of.is_empty() { text(&limit.scope) } else { text(&limit.of) };
    let said = match &limit.used {
        Some(used) => format!("{} of {}", text(used), text(&limit.value)),
        None => format!("unknown, of {}", text(&limit.value)),
    };
    let score = limit.score.clamp(0.0, 1.0);
    html! {
        p.meter data-key=(format!("{} {} {}", text(&limit.limit), text(&limit.scope), of)) {
            span { (text(&limit.limit)) span.quiet { " " (of) } } span.figure { (said) }
            meter min="0" max="1" high="0.8" optimum="0" value=(score) aria-label=(format!("{}: {said}", text(&limit.limit))) { (said) }
        }
    }
}

fn price(feed: &PriceFeed) -> Markup {
    let tone = if feed.fresh { Tone::Good } else { Tone::Warning };
    html! {
        li data-key=(text(&feed.instrument)) {
            span.state.(class(tone)) { (glyph(tone)) } " " (text(&feed.instrument)) " "
            @match &feed.price { Some(price) => (text(price)), None => span.quiet { "no price" } }
            @if !feed.fresh && feed.price.is_some() { span.quiet { " (the last known one)" } }
            @for source in feed.sources.iter().filter(|source| source.state != "good") {
                " " span.state.warn { (glyph(Tone::Warning)) " " (text(&source.name)) " " (text(&source.state)) }
            }
        }
    }
}

fn awaiting(entry: &AwaitingEntry, money: &str, now: Timestamp) -> Markup {
    html! {
        li data-key=(text(&entry.client_id)) {
            (text(&entry.side)) " " (text(&entry.quantity)) " " (text(&entry.instrument)) ", worth " (text(&entry.worth)) " " (text(money))
            ", until " (at(&entry.until, now)) ": " code { "failstop orders confirm " (text(&entry.client_id)) }
        }
    }
}
