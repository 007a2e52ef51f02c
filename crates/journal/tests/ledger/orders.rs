//! Orders from intent to end, and those in doubt.

use crate::folding::Folding;
use failstop_journal::Wall;
use failstop_journal::ledger::{Check, Doubt};

fn intent(id: &str, more: &str) -> String {
    format!(r#"{{"id":"{id}","component":"bot"{more}}}"#)
}

const OF: &str = r#","account":"binance","instrument":"BTC-PERP","side":"buy","#;

fn doubts(folding: &Folding, later_ms: u64) -> Vec<(String, Doubt)> {
    let now = Wall(folding.now().0 + later_ms * 1_000_000);
    folding.book.in_doubt(now).map(|found| (found.order.intent.id.clone(), found.doubt)).collect()
}

#[test]
fn an_order_is_in_doubt_when_whoever_was_to_tell_of_it_is_gone() {
    let mut folding = Folding::declared();
    for (id, more) in [("a", ""), ("b", r#","valid_ms":60000"#), ("c", ""), ("d", "")] {
        folding.good("order.intent", &intent(id, more));
    }
    folding.good("order.outcome", r#"{"id":"c","outcome":"accepted","venue_id":"77"}"#);
    folding.good("order.outcome", r#"{"id":"d","outcome":"filled"}"#);
    assert_eq!(doubts(&folding, 0), []);
    assert_eq!(doubts(&folding, 60_000), [("b".to_owned(), Doubt::Overdue)]);
    // The component ends: what it had not told of is in doubt; what it told of is not.
    folding.good("component.exited", r#"{"component":"other","instance":1}"#);
    assert_eq!(doubts(&folding, 0), []);
    folding.good("component.exited", r#"{"component":"bot","instance":1}"#);
    let gone = |id: &str| (id.to_owned(), Doubt::ComponentGone);
    assert_eq!(doubts(&folding, 0), [gone("a"), gone("b")]);
    folding.good("engine.started", r#"{"epoch":2,"mode_ceiling":"dry"}"#);
    let gone = |id: &str| (id.to_owned(), Doubt::EngineGone);
    assert_eq!(doubts(&folding, 0), [gone("a"), gone("b")]);
    folding.good("order.outcome", r#"{"id":"a","outcome":"unknown"}"#);
    assert_eq!(doubts(&folding, 0), [("a".to_owned(), Doubt::Unknown), gone("b")]);
    folding.bad(
        "order.resolved",
        r#"{"id":"a","outcome":"unknown","by":"operator","who":"eve","reason":"?"}"#,
        Check::Order,
        None,
    );
    folding.good(
        "order.resolved",
        r#"{"id":"a","outcome":"cancelled","by":"operator","who":"eve","reason":"asked the venue"}"#,
    );
    folding.good(
        "order.resolved",
        r#"{"id":"b","outcome":"accepted","by":"import","who":"orders.csv","reason":"listed"}"#,
    );
    assert_eq!(doubts(&folding, 9_000_000), []);
    assert_eq!(folding.book.orders().map(|order| order.intent.id.as_str()).collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn what_is_told_twice_is_right_and_what_contradicts_is_not() {
    let mut folding = Folding::declared();
    folding.good("order.intent", &intent("a", ""));
    folding.already("order.intent", &intent("a", ""), Some(folding.seq));
    folding.bad("order.intent", &intent("a", r#","valid_ms":1"#), Check::IdReused, None);
    let accepted = r#"{"id":"a","outcome":"accepted"}"#;
    folding.good("order.outcome", accepted);
    folding.already("order.outcome", accepted, None);
    folding.good("order.resolved", r#"{"id":"a","outcome":"cancelled","by":"operator","who":"eve","reason":"gone"}"#);
    // The bot comes back and says the same, or what was before it.
    folding.already("order.outcome", r#"{"id":"a","outcome":"cancelled"}"#, Some(folding.seq));
    folding.already("order.outcome", accepted, Some(folding.seq));
    folding.bad("order.outcome", r#"{"id":"a","outcome":"filled"}"#, Check::Order, None);
    folding.bad("order.outcome", r#"{"id":"never","outcome":"filled"}"#, Check::Order, None);
    // An id is used once, also after the order's end.
    folding.bad("order.intent", &intent("a", r#","valid_ms":1"#), Check::IdReused, None);
}

#[test]
fn fills_stay_within_their_order_and_prove_that_it_arrived() {
    let mut folding = Folding::declared();
    folding.good("order.intent", &intent("a", &format!(r#"{OF}"quantity":"1.5""#)));
    folding.good("engine.started", r#"{"epoch":2,"mode_ceiling":"dry"}"#);
    assert_eq!(doubts(&folding, 0).len(), 1);
    let fill = |id: &str, quantity: &str| {
        format!(
            r#"{{"id":"{id}","order":"a","account":"binance","instrument":"BTC-PERP","side":"buy","quantity":"{quantity}","price":"1"}}"#
        )
    };
    folding.good("ledger.fill", &fill("1", "1"));
    assert_eq!(doubts(&folding, 0), []);
    folding.bad("ledger.fill", &fill("2", "0.501"), Check::OrderFills, Some("0.001"));
    folding.bad("ledger.fill", &fill("2", "0.5").replace("buy", "sell"), Check::OrderFills, None);
    folding.good("ledger.fill", &fill("2", "0.5"));
}

#[test]
fn children_stay_within_their_parent() {
    let mut folding = Folding::declared();
    folding.good("order.intent", &intent("whole", &format!(r#"{OF}"quantity":"10""#)));
    let child = |id: &str, quantity: &str| intent(id, &format!(r#"{OF}"quantity":"{quantity}","parent":"whole""#));
    folding.good("order.intent", &child("1", "6"));
    folding.bad("order.intent", &child("2", "4.001"), Check::OrderChildren, Some("0.001"));
    folding.bad("order.intent", &child("2", "4").replace("buy", "sell"), Check::OrderChildren, None);
    folding.bad("order.intent", &child("2", "4").replace("whole", "none"), Check::OrderChildren, None);
    folding.bad("order.intent", &intent("2", &format!(r#"{OF}"parent":"whole""#)), Check::OrderChildren, None);
    folding.good("order.intent", &child("2", "4"));
    // A child that ends gives back what was not filled of it.
    folding.good(
        "ledger.fill",
        r#"{"id":"f","order":"1","account":"binance","instrument":"BTC-PERP","side":"buy","quantity":"2","price":"1"}"#,
    );
    folding.good("order.outcome", r#"{"id":"1","outcome":"cancelled"}"#);
    folding.bad("order.intent", &child("3", "4.5"), Check::OrderChildren, Some("0.500"));
    folding.good("order.intent", &child("3", "4"));
}

#[test]
fn an_intent_that_means_nothing_is_refused() {
    let mut folding = Folding::declared();
    folding.bad("order.intent", &intent("a", r#","quantity":"1""#), Check::Amount, None);
    folding.bad("order.intent", &intent("a", r#","price":"1""#), Check::Amount, None);
    folding.bad("order.intent", &intent("a", r#","instrument":"ETH""#), Check::Undeclared, None);
    folding.bad("order.intent", &intent("a", r#","account":"venue""#), Check::Undeclared, None);
    folding.bad("order.intent", &intent("a", r#","instrument":"BTC-PERP","quantity":"0""#), Check::Amount, None);
    folding.bad("order.intent", &intent(&"x".repeat(129), ""), Check::Bound, None);
    for number in 0..4096 {
        folding.good("order.intent", &intent(&number.to_string(), ""));
    }
    folding.bad("order.intent", &intent("one more", ""), Check::Bound, None);
}
