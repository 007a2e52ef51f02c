//! How the gate stands: what of each limit is used, the day's result, prices source by source.

use super::{Sight, class, fact, glyph, nothing, text};
use crate::Tone;
use crate::component::at;
use crate::limit;
use crate::number::{amount, grouped};
use failstop_client::gate::{GateStatus, LimitUse, PriceFeed};
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
                                span.quiet { (text(&result.account)) } " "
                                @match &result.result {
                                    Some(result) => span.money.(if result.starts_with('-') { "bad" } else { "plain" }) { (amount(&text(result))) " " (text(&gate.money)) },
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
                                li.row data-key=(text(&budget.endpoint)) { span { (text(&budget.endpoint)) } span.figure { (grouped(budget.used)) " of " (grouped(budget.limit)) } }
                            }
                        }
                    }
                }
            }
            @if !limits.is_empty() {
                div.card.limits { @for limit in near { (used(limit, &gate.money)) } }
                @if !far.is_empty() {
                    details #limits {
                        summary { "Every other limit (" (far.len()) ")" }
                        div.card.limits { @for limit in far { (used(limit, &gate.money)) } }
                    }
                }
            }
            @if !gate.overrides.is_empty() {
                div.card.warn {
                    h3 { "Overrides" }
                    ul.lines {
                        @for entry in &gate.overrides {
                            li data-key=(text(&entry.name)) {
                                (limit::name(&entry.limit)) span.quiet { " " (text(&entry.scope)) } ": " (text(&entry.value)) ", until " (at(&entry.until, sight.now))
                                " · " span.quiet { (text(&entry.name)) }
                            }
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
            @for (reason, count) in reasons.into_iter().take(REASONS) { li.row data-key=(text(reason)) { span { (text(reason)) } span.figure { (grouped(*count)) } } }
        }
    }
}

/// How near a limit is: the bar, the figure, and whose it is.
fn used(limit: &LimitUse, money: &str) -> Markup {
    let (name, whose, said) = (limit::name(&limit.limit), limit::whose(limit), limit::used(limit, money));
    let score = limit.score.clamp(0.0, 1.0);
    html! {
        p.meter data-key=(format!("{} {} {}", text(&limit.limit), text(&limit.scope), text(&limit.of))) {
            span { (name) @if !whose.is_empty() { span.quiet { " " (whose) } } } span.figure { (said) }
            meter min="0" max="1" high="0.8" optimum="0" value=(score) aria-label=(format!("{name}: {said}")) { (said) }
        }
    }
}

fn price(feed: &PriceFeed) -> Markup {
    let tone = if feed.fresh { Tone::Good } else { Tone::Warning };
    html! {
        li data-key=(text(&feed.instrument)) {
            div.row {
                span { span.state.(class(tone)) { (glyph(tone)) } " " (text(&feed.instrument)) }
                @match &feed.price { Some(price) => span.figure { (amount(&text(price))) }, None => span.quiet { "no price" } }
            }
            @if !feed.fresh && feed.price.is_some() { p.quiet { "the last known one, not fresh" } }
            @for source in feed.sources.iter().filter(|source| source.state != "good") {
                p { span.state.warn { (glyph(Tone::Warning)) " " (text(&source.name)) " " (text(&source.state)) } }
            }
        }
    }
}
