//! Orders that were allowed and of which something may still become: what they count, and what they give back.

use crate::gate::holding::{Open, Turn};
use crate::gate::index::{Name, Named};
use crate::gate::order::{ShortText, Side};
use crate::gate::time::GateTime;
use crate::gate::users::UserId;
use crate::gate::valuation::{Overflow, Valuation};
use failstop_amount::{Rounding, mul_div};

/// The most orders that may be open at once. Beyond it every order is refused: what cannot be counted is not sent.
pub const MAX_OPEN_ORDERS: usize = 4_096;

/// One open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenOrder {
    pub client: ShortText,
    pub component: Option<u8>,
    pub user: Option<UserId>,
    pub account: usize,
    pub instrument: usize,
    pub side: Side,
    pub paper: bool,
    pub quantity: u128,
    pub remaining: u128,
    /// Its limit price, or the price that it was judged by.
    pub price: Option<u128>,
    /// What all of it counts against volumes, in money.
    pub volume: u128,
    pub allowed: GateTime,
    pub turn: Turn,
    /// Whether it counts as an opening.
    pub opening: bool,
    /// Whether it counts as a copy.
    pub copy: bool,
    /// The venue says that it was filled whole.
    pub said_filled: bool,
}

impl OpenOrder {
    /// What it has open, at its own price. Rounded up; what has no price at all has no worth, and was allowed only to reduce.
    pub fn open(&self, valuation: &Valuation) -> Result<Open, Overflow> {
        let worth = match self.price {
            Some(price) => valuation.worth(self.remaining, price, Rounding::Up)?,
            None => 0,
        };
        Ok(Open { quantity: self.remaining, worth })
    }

    /// The part of its volume that was not filled, rounded down.
    pub fn unfilled_volume(&self) -> u128 {
        if self.remaining == self.quantity {
            return self.volume;
        }
        mul_div(self.volume, self.remaining, self.quantity, Rounding::Down).unwrap_or(0)
    }

    /// Whether nothing of it was filled.
    pub fn is_untouched(&self) -> bool {
        self.remaining == self.quantity
    }
}

impl Name for OpenOrder {
    fn name(&self) -> &ShortText {
        &self.client
    }
}

/// All open orders, found by their client ids.
#[derive(Clone, Debug)]
pub(crate) struct OpenOrders(Named<OpenOrder>);

impl PartialEq for OpenOrders {
    /// By what is open, not by where it stands.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|order| other.get(order.client.as_str()) == Some(order))
    }
}

impl Eq for OpenOrders {}

impl OpenOrders {
    pub fn new() -> Self {
        Self(Named::with_room(MAX_OPEN_ORDERS))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    pub fn iter(&self) -> impl Iterator<Item = &OpenOrder> {
        self.0.iter().map(|(_, order)| order)
    }

    pub fn has(&self, client: &ShortText) -> bool {
        self.0.place(client).is_some()
    }

    pub fn get(&self, client: &str) -> Option<&OpenOrder> {
        self.0.get(self.0.place_of(client)?)
    }

    pub fn get_mut(&mut self, client: &str) -> Option<&mut OpenOrder> {
        let place = self.0.place_of(client)?;
        self.0.get_mut(place)
    }

    /// Adds one, unless it is full or stands already.
    pub fn insert(&mut self, order: OpenOrder) -> bool {
        self.0.add(order).is_some()
    }

    pub fn remove(&mut self, client: &str) -> Option<OpenOrder> {
        self.0.remove(self.0.place_of(client)?)
    }
}
