//! How the gate stands, for people: limits, rates, prices.

use super::table::{Cell, Table};
use crate::failure::Failure;
use failstop_client::gate::{GateStatus, LimitUse};

/// What is said where there is no gate.
pub fn not_configured() -> Failure {
    Failure::Refused {
        reasons: vec!["no [gate] is configured: this system judges no orders (docs/gate.md)".to_owned()],
    }
}

/// Limits, results, overrides, and orders that wait to be confirmed.
pub fn risk(gate: &GateStatus) -> String {
    let mut text = String::new();
    let paper = if gate.paper { " (paper)" } else { "" };
    let day = gate.trading_day.as_deref().unwrap_or("-");
    text.push_str(&format!(
        "trading day {day}{paper}: {} open, {} allowed, {} refused in this epoch\n",
        gate.open_orders, gate.allowed, gate.refused
    ));
    for result in &gate.results {
        let unknown = || "unknown".to_owned();
        text.push_str(&format!(
            "account {}: result {} {}, opening equity {}{}\n",
            result.account,
            result.result.clone().unwrap_or_else(unknown),
            gate.money,
            result.opening_equity.clone().unwrap_or_else(unknown),
            if result.reached { ", DAILY LOSS REACHED" } else { "" }
        ));
    }
    text.push_str(&table(gate.limits.iter().filter(|limit| !limit.rate)));
    let waived: Vec<String> = gate.waived.iter().map(|(scope, count)| format!("{count} of the {scope}'s")).collect();
    if !waived.is_empty() {
        text.push_str(&format!("waived: {}; `failstop check --only gate` names them\n", waived.join(", ")));
    }
    for over in &gate.overrides {
        text.push_str(&format!("override {}: {} until {}\n", over.name, over.value, over.until));
    }
    for waiting in &gate.awaiting {
        let price = waiting.price.as_ref().map(|price| format!(" at {price}")).unwrap_or_default();
        text.push_str(&format!(
            "waits to be confirmed: {} {} {} {}{price} in {}, worth {} {}, until {}\n",
            waiting.client_id,
            waiting.side,
            waiting.quantity,
            waiting.instrument,
            waiting.account,
            waiting.worth,
            gate.money,
            waiting.until
        ));
    }
    text
}

/// What is used of each rate, and of the venue's request budgets.
pub fn rates(gate: &GateStatus) -> String {
    let mut text = table(gate.limits.iter().filter(|limit| limit.rate));
    for usage in &gate.api_usage {
        text.push_str(&format!("requests to {}: {} of {}\n", usage.endpoint, usage.used, usage.limit));
    }
    if let Some(shared) = &gate.shared_rates {
        let who = if shared.state == "good" { "its server decides" } else { "THE FALLBACK DECIDES" };
        let fault = shared.fault.as_ref().map(|fault| format!(" ({fault})")).unwrap_or_default();
        text.push_str(&format!(
            "shared in group {}: {who}{fault}; {} asked, {} fit, {} refused, {} left to the fallback\n",
            shared.group,
            shared.asked,
            shared.fitted,
            shared.refused,
            shared.timed_out + shared.gone + shared.forgotten
        ));
    }
    text
}

/// Prices, source by source.
pub fn feeds(gate: &GateStatus) -> String {
    let mut text = String::new();
    for feed in &gate.feeds {
        let price = feed.price.as_deref().unwrap_or("unknown");
        let state = if feed.fresh { "fresh" } else { "NOT FRESH: opens nothing" };
        text.push_str(&format!("{}: {price}, {state} ({} required)\n", feed.instrument, feed.required));
        for source in &feed.sources {
            let age = source.age_seconds.map_or_else(String::new, |age| format!(", {age:.1} s old"));
            let price = source.price.as_deref().unwrap_or("-");
            text.push_str(&format!(
                "  {}: {price} {}{age}, {} taken, {} refused\n",
                source.name, source.state, source.taken, source.refused
            ));
        }
    }
    for poll in &gate.polls {
        let fault = poll.fault.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default();
        text.push_str(&format!(
            "page of {} for {}: {} taken, {} failed{fault}\n",
            poll.source, poll.instrument, poll.taken, poll.failed
        ));
    }
    text
}

fn table<'a>(limits: impl Iterator<Item = &'a LimitUse>) -> String {
    let mut table = Table::default();
    table.row(["limit", "whose", "used", "of", "score"].map(Cell::from));
    for limit in limits {
        let whose = if limit.of.is_empty() { limit.scope.clone() } else { format!("{} {}", limit.scope, limit.of) };
        let used = limit.used.clone().unwrap_or_else(|| "unknown".to_owned());
        let score = format!("{:.3}", limit.score);
        table.row([
            limit.limit.clone().into(),
            whose.into(),
            Cell::from(used).right(),
            Cell::from(limit.value.clone()).right(),
            Cell::from(score).right(),
        ]);
    }
    table.render()
}
