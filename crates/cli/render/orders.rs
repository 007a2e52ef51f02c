//! Open orders as text: a line each, those in doubt first.

use super::number::counted;
use super::table::{Cell, Table};
use failstop_client::books::{OrderEntry, OrderList};

/// The list, and what to do about what is in doubt.
pub fn list(list: &OrderList) -> String {
    if list.orders.is_empty() {
        return "no open orders\n".to_owned();
    }
    let mut table = Table::default();
    table.row(["order".into(), "state".into(), "what".into(), "bot".into(), "since".into(), "record".into()]);
    let (doubtful, known): (Vec<_>, Vec<_>) = list.orders.iter().partition(|order| order.doubt.is_some());
    for order in doubtful.into_iter().chain(known) {
        table.row([
            Cell::from(order.id.clone()),
            Cell::from(state(order)),
            Cell::from(what(order)),
            Cell::from(order.component.clone().unwrap_or_default()),
            Cell::from(order.since.clone()),
            Cell::from(order.seq.to_string()).right(),
        ]);
    }
    let mut text = table.render();
    if list.in_doubt > 0 {
        text.push_str(&format!(
            "{} in doubt: find out at the venue what became of each, then\n  failstop orders resolve ID --outcome O --reason TEXT\n",
            counted(list.in_doubt, "order")
        ));
    }
    text
}

fn state(order: &OrderEntry) -> String {
    match (&order.doubt, &order.outcome) {
        (Some(doubt), _) => format!("in doubt ({doubt})"),
        (None, Some(outcome)) => outcome.clone(),
        (None, None) => "no outcome yet".to_owned(),
    }
}

fn what(order: &OrderEntry) -> String {
    let price = order.price.as_ref().map(|price| format!("at {price}"));
    let account = order.account.as_ref().map(|account| format!("in {account}"));
    let parts =
        [order.side.as_ref(), order.quantity.as_ref(), order.instrument.as_ref(), price.as_ref(), account.as_ref()];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_doubt_comes_first_and_says_what_to_do() {
        let since = "2026-11-03T21:04:00Z".to_owned();
        let open = OrderEntry { id: "a".to_owned(), seq: 7, since: since.clone(), ..OrderEntry::default() };
        let doubtful = OrderEntry {
            id: "b\x1b".to_owned(),
            doubt: Some("engine-gone".to_owned()),
            side: Some("buy".to_owned()),
            quantity: Some("0.5".to_owned()),
            instrument: Some("BTC/USDT".to_owned()),
            price: Some("64000".to_owned()),
            account: Some("kraken".to_owned()),
            component: Some("bot".to_owned()),
            seq: 31,
            since: since.clone(),
            ..OrderEntry::default()
        };
        let shown = list(&OrderList { orders: vec![open, doubtful], in_doubt: 1, timestamp: since });
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[1].starts_with("b\\u{1b}   in doubt (engine-gone)   buy 0.5 BTC/USDT at 64000 in kraken   bot"),
            "{shown}"
        );
        assert!(lines[2].starts_with("a"), "{shown}");
        assert!(shown.ends_with("  failstop orders resolve ID --outcome O --reason TEXT\n"), "{shown}");
        let none = OrderList { orders: Vec::new(), in_doubt: 0, timestamp: String::new() };
        assert_eq!(list(&none), "no open orders\n");
    }
}
