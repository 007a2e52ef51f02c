//! Orders that wait for somebody's word: first after what the system may do, since their time runs out.

use super::{Sight, nothing, text};
use crate::component::at;
use crate::number::amount;
use failstop_client::gate::{AwaitingEntry, GateStatus};
use maud::{Markup, html};

/// Nothing where none waits.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let Some(gate) = sight.status.gate.as_ref().filter(|gate| !gate.awaiting.is_empty()) else { return nothing() };
    html! {
        section aria-labelledby="waiting" {
            h2 #waiting { "Wait for a confirmation" }
            ul.alerts { @for entry in &gate.awaiting { (one(entry, gate, sight)) } }
        }
    }
}

fn one(entry: &AwaitingEntry, gate: &GateStatus, sight: &Sight<'_>) -> Markup {
    let order = format!("{} {} {}", text(&entry.side), amount(&text(&entry.quantity)), text(&entry.instrument));
    html! {
        li.alert.warn data-key=(text(&entry.client_id)) {
            p.cause {
                strong { (order) }
                " " span.quiet {
                    "worth " (amount(&text(&entry.worth))) " " (text(&gate.money))
                    @if let Some(price) = &entry.price { " at " (amount(&text(price))) } @else { " at the market" }
                    " · account " (text(&entry.account))
                    @if let Some(component) = &entry.component { " · " (text(component)) }
                    @if let Some(user) = &entry.user { " · for " (text(user)) }
                    @if gate.paper { " · on paper" }
                }
            }
            p.quiet { "until " (at(&entry.until, sight.now)) ", then it is refused · " (text(&entry.client_id)) }
            (confirm(entry, &order, sight))
        }
    }
}

/// Here for who may, otherwise the command. Two steps, since rows come and go under a thumb: the second one names the order.
fn confirm(entry: &AwaitingEntry, order: &str, sight: &Sight<'_>) -> Markup {
    if !sight.controls {
        return html! { p.act { "to confirm it: " code { "failstop orders confirm " (text(&entry.client_id)) } } };
    }
    html! {
        details.step {
            summary { "Confirm \u{2026}" }
            form.controls data-action="api/control/orders/confirm" data-id=(text(&entry.client_id)) {
                button type="submit" { "Confirm: " (order) }
                noscript { p { "Without its script this button does nothing: use " code { "failstop orders confirm " (text(&entry.client_id)) } " on the host." } }
                p.outcome role="status" {}
            }
        }
    }
}
