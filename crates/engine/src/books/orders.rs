//! Open orders as they are shown: by the engine, and from the journal's files where no engine runs.

use super::fold::fold;
use failstop_client::books::{OrderEntry, OrderList};
use failstop_journal::Wall;
use failstop_journal::ledger::{Book, Doubt, Order, Side};
use std::io;
use std::path::Path;

/// The open orders of a book at this time.
pub fn order_list(book: &Book, now: Wall) -> OrderList {
    list(book, now, |order| order.doubt_at(now))
}

/// The open orders as the journal of a state directory has them, while no engine runs: whoever was to tell the outcome of those
/// that have none is gone.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn orders_in_the_journal(state: &Path) -> io::Result<OrderList> {
    let now = Wall::now();
    let gone = |order: &Order| order.doubt_at(now).or_else(|| order.outcome.is_none().then_some(Doubt::EngineGone));
    Ok(list(&fold(state)?.book, now, gone))
}

fn list(book: &Book, now: Wall, doubt: impl Fn(&Order) -> Option<Doubt>) -> OrderList {
    let orders: Vec<OrderEntry> = book.orders().map(|order| entry(order, doubt(order))).collect();
    let in_doubt = orders.iter().filter(|order| order.doubt.is_some()).count();
    OrderList { orders, in_doubt: u64::try_from(in_doubt).unwrap_or(u64::MAX), timestamp: now.to_string() }
}

fn entry(order: &Order, doubt: Option<Doubt>) -> OrderEntry {
    let intent = &order.intent;
    OrderEntry {
        id: intent.id.clone(),
        doubt: doubt.map(|doubt| word(doubt).to_owned()),
        component: intent.component.clone(),
        account: intent.account.clone(),
        instrument: intent.instrument.clone(),
        side: intent.side.map(|side| match side {
            Side::Buy => "buy".to_owned(),
            Side::Sell => "sell".to_owned(),
        }),
        quantity: intent.quantity.clone(),
        price: intent.price.clone(),
        outcome: order.outcome.map(|outcome| outcome.name().to_owned()),
        venue_id: order.venue_id.clone(),
        seq: order.seq,
        epoch: order.epoch,
        since: order.time.to_string(),
    }
}

/// Why an order is in doubt, in a word.
pub(crate) const fn word(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::EngineGone => "engine-gone",
        Doubt::ComponentGone => "component-gone",
        Doubt::Unknown => "unknown",
        Doubt::Overdue => "overdue",
    }
}
