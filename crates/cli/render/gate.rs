//! How the gate stands, for people: limits, rates, prices.

use super::table::{Cell, Table};
use crate::failure::Failure;
use failstop_client::gate::{GateStatus, LimitUse};
use failstop_engine::printable::printable;

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
    line(
        &mut text,
        &format!(
            "trading day {day}{paper}: {} open, {} allowed, {} refused in this epoch",
            gate.open_orders, gate.allowed, gate.refused
        ),
    );
    for result in &gate.results {
        let unknown = || "unknown".to_owned();
        line(
            &mut text,
            &format!(
                "account {}: result {} {}, opening equity {}{}",
                result.account,
                result.result.clone().unwrap_or_else(unknown),
                gate.money,
                result.opening_equity.clone().unwrap_or_else(unknown),
                if result.reached { ", DAILY LOSS REACHED" } else { "" }
            ),
        );
    }
    text.push_str(&table(gate.limits.iter().filter(|limit| !limit.rate)));
    let waived: Vec<String> = gate.waived.iter().map(|(scope, count)| format!("{count} of the {scope}'s")).collect();
    if !waived.is_empty() {
        line(&mut text, &format!("waived: {}; `failstop check --only gate` names them", waived.join(", ")));
    }
    for over in &gate.overrides {
        line(&mut text, &format!("override {}: {} until {}", over.name, over.value, over.until));
    }
    for waiting in &gate.awaiting {
        let price = waiting.price.as_ref().map(|price| format!(" at {price}")).unwrap_or_default();
        line(
            &mut text,
            &format!(
                "waits to be confirmed: {} {} {} {}{price} in {}, worth {} {}, until {}",
                waiting.client_id,
                waiting.side,
                waiting.quantity,
                waiting.instrument,
                waiting.account,
                waiting.worth,
                gate.money,
                waiting.until
            ),
        );
    }
    text
}

/// What is used of each rate, and of the venue's request budgets.
pub fn rates(gate: &GateStatus) -> String {
    let mut text = table(gate.limits.iter().filter(|limit| limit.rate));
    for usage in &gate.api_usage {
        line(&mut text, &format!("requests to {}: {} of {}", usage.endpoint, usage.used, usage.limit));
    }
    if let Some(shared) = &gate.shared_rates {
        let who = if shared.state == "good" { "its server decides" } else { "THE FALLBACK DECIDES" };
        let fault = shared.fault.as_ref().map(|fault| format!(" ({fault})")).unwrap_or_default();
        line(
            &mut text,
            &format!(
                "shared in group {}: {who}{fault}; {} asked, {} fit, {} refused, {} left to the fallback",
                shared.group,
                shared.asked,
                shared.fitted,
                shared.refused,
                shared.timed_out + shared.gone + shared.forgotten
            ),
        );
        if shared.left_out > 0 || shared.spilled > 0 {
            line(
                &mut text,
                &format!(
                    "  not told: {} of what was to be given back; {} times more was owed than is kept, and the group's memory was lost",
                    shared.left_out, shared.spilled
                ),
            );
        }
    }
    text
}

/// Prices, source by source.
pub fn feeds(gate: &GateStatus) -> String {
    let mut text = String::new();
    for feed in &gate.feeds {
        let price = feed.price.as_deref().unwrap_or("unknown");
        let state = if feed.fresh { "fresh" } else { "NOT FRESH: opens nothing" };
        line(&mut text, &format!("{}: {price}, {state} ({} required)", feed.instrument, feed.required));
        for source in &feed.sources {
            let age = source.age_seconds.map_or_else(String::new, |age| format!(", {age:.1} s old"));
            let price = source.price.as_deref().unwrap_or("-");
            line(
                &mut text,
                &format!(
                    "  {}: {price} {}{age}, {} taken, {} refused",
                    source.name, source.state, source.taken, source.refused
                ),
            );
        }
    }
    for poll in &gate.polls {
        let fault = poll.fault.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default();
        line(
            &mut text,
            &format!(
                "page of {} for {}: {} taken, {} failed{fault}",
                poll.source, poll.instrument, poll.taken, poll.failed
            ),
        );
    }
    text
}

/// Adds a line; what others chose in it cannot end it or move a cursor.
fn line(text: &mut String, words: &str) {
    text.push_str(&printable(words));
    text.push('\n');
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_client::gate::{
        AccountResult, ApiUsageEntry, AwaitingEntry, OverrideEntry, PollEntry, PriceFeed, PriceSource, SharedRatesEntry,
    };
    use serde_json::{Map, Value, json};

    /// The same with every word in it that somebody chose made one that would move a cursor.
    fn foreign(value: Value) -> Value {
        match value {
            Value::String(_) => json!("a\u{202e}b\x1b[2J\nc"),
            Value::Array(many) => many.into_iter().map(foreign).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, foreign(value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    #[test]
    fn foreign_words_are_written_out() {
        let limit = LimitUse { used: Some(String::new()), of: "u".to_owned(), ..LimitUse::default() };
        let whole = GateStatus {
            trading_day: Some(String::new()),
            results: vec![AccountResult {
                result: Some(String::new()),
                opening_equity: Some(String::new()),
                ..AccountResult::default()
            }],
            limits: vec![limit.clone(), LimitUse { rate: true, ..limit }],
            waived: [("a\u{202e}b".to_owned(), 1)].into(),
            overrides: vec![OverrideEntry::default()],
            awaiting: vec![AwaitingEntry { price: Some(String::new()), ..AwaitingEntry::default() }],
            feeds: vec![PriceFeed {
                price: Some(String::new()),
                sources: vec![PriceSource { price: Some(String::new()), ..PriceSource::default() }],
                ..PriceFeed::default()
            }],
            api_usage: vec![ApiUsageEntry::default()],
            shared_rates: Some(SharedRatesEntry { fault: Some(String::new()), ..SharedRatesEntry::default() }),
            polls: vec![PollEntry { fault: Some(String::new()), ..PollEntry::default() }],
            ..GateStatus::default()
        };
        let whole: GateStatus = serde_json::from_value(foreign(serde_json::to_value(whole).unwrap())).unwrap();
        for (text, lines) in [(risk(&whole), 7), (rates(&whole), 4), (feeds(&whole), 3)] {
            assert!(text.contains("a\\u{202e}b\\u{1b}[2J\\nc"), "{text}");
            assert!(!text.contains(['\u{202e}', '\x1b']), "{text:?}");
            assert_eq!(text.lines().count(), lines, "{text}");
        }
    }
}
