//! Orders that were allowed and of which something may still become: what they count, and what they give back.

use crate::gate::holding::{Open, Turn};
use crate::gate::order::{ShortText, Side, fingerprint};
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

/// All open orders, in places that never move, found by the fingerprint of their client id.
#[derive(Clone, Debug)]
pub(crate) struct OpenOrders {
    places: Vec<Option<OpenOrder>>,
    free: Vec<u16>,
    /// Sorted by fingerprint.
    index: Vec<(u64, u16)>,
}

impl PartialEq for OpenOrders {
    /// By what is open, not by where it stands.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|order| other.get(order.client.as_str()) == Some(order))
    }
}

impl Eq for OpenOrders {}

impl OpenOrders {
    pub fn new() -> Self {
        Self {
            places: Vec::with_capacity(MAX_OPEN_ORDERS),
            free: Vec::with_capacity(MAX_OPEN_ORDERS),
            index: Vec::with_capacity(MAX_OPEN_ORDERS),
        }
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_full(&self) -> bool {
        self.len() >= MAX_OPEN_ORDERS
    }

    pub fn iter(&self) -> impl Iterator<Item = &OpenOrder> {
        self.index.iter().filter_map(|(_, place)| self.places.get(usize::from(*place))?.as_ref())
    }

    pub fn get(&self, client: &str) -> Option<&OpenOrder> {
        let (_, place) = *self.index.get(self.position(client)?)?;
        self.places.get(usize::from(place))?.as_ref()
    }

    pub fn get_mut(&mut self, client: &str) -> Option<&mut OpenOrder> {
        let (_, place) = *self.index.get(self.position(client)?)?;
        self.places.get_mut(usize::from(place))?.as_mut()
    }

    /// Adds one, unless it is full or stands already.
    pub fn insert(&mut self, order: OpenOrder) -> bool {
        let print = fingerprint(&order.client.as_str());
        if self.is_full() || self.position(order.client.as_str()).is_some() {
            return false;
        }
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let Ok(place) = u16::try_from(self.places.len()) else { return false };
                self.places.push(None);
                place
            }
        };
        if let Some(slot) = self.places.get_mut(usize::from(place)) {
            *slot = Some(order);
        }
        let at = self.index.partition_point(|(other, _)| *other < print);
        self.index.insert(at, (print, place));
        true
    }

    pub fn remove(&mut self, client: &str) -> Option<OpenOrder> {
        let (_, place) = self.index.remove(self.position(client)?);
        let order = self.places.get_mut(usize::from(place))?.take();
        self.free.push(place);
        order
    }

    fn position(&self, client: &str) -> Option<usize> {
        let print = fingerprint(&client);
        let first = self.index.partition_point(|(other, _)| *other < print);
        let alike = self.index.get(first..)?.iter().take_while(|(other, _)| *other == print);
        let found = alike.enumerate().find(|(_, (_, place))| {
            let order = self.places.get(usize::from(*place)).and_then(Option::as_ref);
            order.is_some_and(|order| order.client.as_str() == client)
        });
        found.map(|(offset, _)| first + offset)
    }
}
