//! What the system does: trades, success, profit and loss, orders, and every other figure that the bots report.

use super::{Sight, glyph, prose, text};
use crate::Tone;
use crate::number::{decimal, grouped};
use failstop_client::status::{CustomMetric, Status};
use maud::{Markup, html};

/// Figures that have a tile of their own.
const TOLD: [&str; 4] = ["trades_executed", "trades_succeeded", "daily_pnl", "total_pnl"];

/// Trading figures, orders.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    let metric = |name: &str| status.metrics.get(name).copied();
    let others: Vec<(&String, &f64)> =
        status.metrics.iter().filter(|(name, _)| !TOLD.contains(&name.as_str())).collect();
    html! {
        section aria-labelledby="does" {
            h2 #does { "What it does" }
            dl.tiles {
                (tile("daily profit", metric("daily_pnl").map(money)))
                (tile("total profit", metric("total_pnl").map(money)))
                (tile("trades", metric("trades_executed").map(|count| html! { (decimal(count)) })))
                (tile("success", success(status).map(|percent| html! { (format!("{percent:.1} %")) })))
                (tile("errors", Some(html! { (status.health.errors_per_minute) span.quiet { " a minute" } })))
                @if status.books.orders_open > 0 {
                    (tile("orders open", Some(html! {
                        (grouped(status.books.orders_open))
                        @if status.books.orders_in_doubt > 0 { " " span.state.bad { (glyph(Tone::Bad)) " " (grouped(status.books.orders_in_doubt)) " in doubt" } }
                    })))
                }
            }
            @if !status.books.discrepancies.is_empty() {
                div.card.bad {
                    h3 { "Capital does not reconcile" }
                    ul { @for line in &status.books.discrepancies { li { (prose(line)) } } }
                }
            }
            @if !others.is_empty() {
                details #figures {
                    summary { "Every other figure that the bot reports (" (others.len()) ")" }
                    table {
                        thead { tr { th scope="col" { "figure" } th.num scope="col" { "value" } } }
                        tbody { @for (name, value) in others { tr data-key=(text(name)) { th scope="row" { (text(name)) } td.num { (reported(name, *value, sight)) } } } }
                    }
                }
            }
            @if !status.custom.metrics.is_empty() {
                details #custom {
                    summary { "Figures from programs and endpoints (" (status.custom.metrics.len()) ")" }
                    table {
                        thead { tr { th scope="col" { "figure" } th.num scope="col" { "value" } } }
                        tbody { @for (name, metric) in &status.custom.metrics {
                            tr data-key=(text(name)) { th scope="row" { (text(name)) } td.num { (custom(metric)) } }
                        } }
                    }
                }
            }
        }
    }
}

/// Its value and unit, as far as it is known.
fn custom(metric: &CustomMetric) -> Markup {
    html! {
        @match metric.value {
            Some(value) => (in_unit(value, &metric.unit)),
            None => span.quiet { "not known" }
        }
    }
}

fn tile(name: &str, value: Option<Markup>) -> Markup {
    html! {
        div.tile {
            dt { (name) }
            dd { @match value { Some(value) => (value), None => span.quiet { "not reported" } } }
        }
    }
}

/// An amount with its sign, which says the same as its colour.
pub(super) fn money(amount: f64) -> Markup {
    let figure = format!("{:.2}", amount.abs());
    // What rounds to nothing is neither.
    let (sign, tone) = if figure.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
        ("", "plain")
    } else if amount < 0.0 {
        ("−", "bad")
    } else {
        ("+", "good")
    };
    html! { span.money.(tone) { (sign) (digits(&figure)) } }
}

/// Digits in groups of three before the point.
fn digits(figure: &str) -> String {
    let (whole, rest) = figure.split_once('.').unwrap_or((figure, ""));
    match whole.parse::<u64>() {
        Ok(whole) => format!("{}.{rest}", grouped(whole)),
        // Beyond what can be counted: as it is.
        Err(_) => figure.to_owned(),
    }
}

/// A figure that a bot reports, in its unit where a level for it names one.
pub(super) fn reported(name: &str, value: f64, sight: &Sight<'_>) -> Markup {
    let unit = sight.figures.iter().find(|figure| figure.name == name).map_or("", |figure| figure.unit);
    in_unit(value, unit)
}

/// A figure and its unit.
pub(super) fn in_unit(value: f64, unit: &str) -> Markup {
    html! { (decimal(value)) @if !unit.is_empty() { " " (text(unit)) } }
}

/// Per cent of trades that succeeded; unknown without both figures.
fn success(status: &Status) -> Option<f64> {
    let (all, good) = (status.metrics.get("trades_executed")?, status.metrics.get("trades_succeeded")?);
    (*all > 0.0 && *good >= 0.0 && good <= all).then(|| 100.0 * good / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_says_its_sign() {
        let said = |amount| money(amount).into_string();
        assert_eq!(said(-12.5), "<span class=\"money bad\">−12.50</span>");
        assert_eq!(said(1_234_567.891), "<span class=\"money good\">+1 234 567.89</span>");
        assert_eq!(said(-0.001), "<span class=\"money plain\">0.00</span>");
        assert!(said(f64::MAX).contains('+'));
    }
}
