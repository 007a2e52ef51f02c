//! Translates what a bot says of money and states into the journal's entries.

use failstop_client::wire;
use failstop_journal::ledger::{Capital, Entry, Fill, Leg, Moved, Position, Posted, Side};

/// The entry of a message, said by a component's bot; `None` for messages that are none.
pub fn spoken(message: wire::Message, component: &str) -> Option<Entry> {
    let component = Some(component.to_owned());
    Some(match message {
        wire::Message::Posting(wire::Posting { reference, legs: said, reason }) => {
            Entry::Posted(Posted { id: reference, legs: legs(said), component, reason })
        }
        wire::Message::Fill(fill) => Entry::Fill(Fill {
            id: fill.reference,
            order: fill.client_id,
            account: fill.account,
            instrument: fill.instrument,
            side: match fill.side {
                wire::Side::Buy => Side::Buy,
                wire::Side::Sell => Side::Sell,
            },
            quantity: fill.quantity,
            price: fill.price,
            legs: legs(fill.legs),
            component,
        }),
        wire::Message::Capital(wire::Capital { account, asset, total, free, locked }) => {
            Entry::Capital(Capital { account, asset, total, free, locked, component })
        }
        // Entry price and leverage are the gate's alone.
        wire::Message::Position(wire::Position { account, instrument, quantity, opening, .. }) => {
            Entry::Position(Position { account, instrument, quantity, opening, component, correction: None })
        }
        wire::Message::StrategyState(wire::StrategyState { strategy, instance, from, to, reason }) => {
            Entry::Moved(Moved { strategy, instance, from, to, component, reason })
        }
        wire::Message::Hello(_)
        | wire::Message::Heartbeat(_)
        | wire::Message::Tick(_)
        | wire::Message::Metric(_)
        | wire::Message::Part(_)
        | wire::Message::Queue(_)
        | wire::Message::Error(_)
        | wire::Message::Halt(_)
        | wire::Message::Event(_)
        | wire::Message::SnapshotRequest(_)
        | wire::Message::Price(_)
        | wire::Message::ApiUsage(_)
        | wire::Message::Order(_)
        | wire::Message::OrderResult(_)
        | wire::Message::Rate(_)
        | wire::Message::Permission => return None,
    })
}

fn legs(said: Vec<wire::Leg>) -> Vec<Leg> {
    said.into_iter().map(|wire::Leg { asset, account, pool, amount }| Leg { asset, account, pool, amount }).collect()
}
