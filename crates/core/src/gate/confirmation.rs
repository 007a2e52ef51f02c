//! Orders that somebody must confirm: what waits, and what was confirmed. A confirmation is of one order whole, and goes with it.

use crate::gate::order::{Content, ShortText};
use crate::gate::record::OrderText;
use crate::gate::time::GateTime;
use std::collections::VecDeque;

/// The most orders that wait for confirmation, and the most that were confirmed and did not come again yet. The oldest gives way.
pub const MAX_CONFIRMATIONS: usize = 64;

/// An order that was refused for want of confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitingView {
    /// The order.
    pub order: OrderText,
    /// What it was worth, in units of money.
    pub notional: u128,
    /// Until when it can be confirmed.
    pub until: GateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    pub client: ShortText,
    pub content: Content,
    pub until: GateTime,
}

/// What waits, oldest first. Not in the journal: after a restart the bot sends the order again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting(VecDeque<AwaitingView>);

impl Waiting {
    pub fn add(&mut self, order: OrderText, notional: u128, until: GateTime) {
        self.forget(&order.client_id);
        if self.0.len() >= MAX_CONFIRMATIONS {
            self.0.pop_front();
        }
        self.0.push_back(AwaitingView { order, notional, until });
    }

    pub fn iter(&self, at: GateTime) -> impl Iterator<Item = &AwaitingView> {
        self.0.iter().filter(move |waiting| at < waiting.until)
    }

    /// What waits under this client id.
    pub fn get(&self, at: GateTime, client: &str) -> Option<&OrderText> {
        self.iter(at).map(|waiting| &waiting.order).find(|order| order.client_id == client)
    }

    /// Nothing waits under this client id any more.
    pub fn forget(&mut self, client: &str) {
        if !self.0.is_empty() {
            self.0.retain(|other| other.order.client_id != client);
        }
    }
}

/// What was confirmed and did not come again yet, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Confirmations(VecDeque<Confirmed>);

impl Confirmations {
    pub fn confirm(&mut self, at: GateTime, confirmed: Confirmed) {
        self.0.retain(|other| at < other.until && other.client != confirmed.client);
        if self.0.len() >= MAX_CONFIRMATIONS {
            self.0.pop_front();
        }
        self.0.push_back(confirmed);
    }

    /// Whether this order, exactly, was confirmed in time.
    pub fn is_confirmed(&self, at: GateTime, client: &ShortText, content: &Content) -> bool {
        self.0.iter().any(|other| other.client == *client && other.content == *content && at < other.until)
    }

    /// The order was allowed: its confirmation is used up.
    pub fn use_up(&mut self, client: &ShortText) {
        if !self.0.is_empty() {
            self.0.retain(|other| other.client != *client);
        }
    }
}
