//! What somebody holds of one instrument, and what it brought since the trading day began: not average prices but what went out and
//! what would come in, so that there is nothing to round but the last unit.

use crate::gate::order::Side;
use crate::gate::time::GateTime;
use crate::gate::valuation::{Overflow, Valuation};

/// What is open on both sides: quantities, and what they are worth finely at the prices of their orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    pub buy: Open,
    pub sell: Open,
}

/// What is open on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    pub quantity: u128,
    pub worth: u128,
}

impl Pending {
    pub fn side(&self, side: Side) -> Open {
        match side {
            Side::Buy => self.buy,
            Side::Sell => self.sell,
        }
    }

    /// What one order had open becomes something else.
    pub fn replace(&mut self, side: Side, before: Open, after: Open) {
        let open = match side {
            Side::Buy => &mut self.buy,
            Side::Sell => &mut self.sell,
        };
        // What is taken out was put in before, and what is put in was seen to fit.
        open.quantity = open.quantity.saturating_sub(before.quantity).saturating_add(after.quantity);
        open.worth = open.worth.saturating_sub(before.worth).saturating_add(after.worth);
    }

    pub fn is_nothing(&self) -> bool {
        self.buy.quantity == 0 && self.sell.quantity == 0
    }
}

/// What somebody holds. The result of the day is `flow` plus what the quantity is worth now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Below zero when short.
    pub quantity: i128,
    /// What came in since the day began, finely; at its beginning less what was held was worth.
    flow: i128,
    /// The part of the quantity that has no price to count from yet.
    unpriced: i128,
}

impl Holding {
    /// A trade.
    pub fn trade(&mut self, delta: i128, price: u128, valuation: &Valuation) -> Result<(), Overflow> {
        let out = valuation.worth_signed(delta.checked_neg().ok_or(Overflow)?, price)?;
        let flow = self.flow.checked_add(out).ok_or(Overflow)?;
        self.quantity = self.quantity.checked_add(delta).ok_or(Overflow)?;
        self.flow = flow;
        Ok(())
    }

    /// The quantity turns out to be another: as if the difference had been traded at the mark, so that it brings no result.
    pub fn correct(&mut self, quantity: i128, mark: Option<u128>, valuation: &Valuation) -> Result<(), Overflow> {
        let delta = quantity.checked_sub(self.quantity).ok_or(Overflow)?;
        match mark {
            Some(mark) => self.trade(delta, mark, valuation),
            None => {
                self.unpriced = self.unpriced.checked_add(delta).ok_or(Overflow)?;
                self.quantity = quantity;
                Ok(())
            }
        }
    }

    /// A trading day begins. Where there is no price, or none that can be counted with, what is held waits for one.
    pub fn open_day(&mut self, mark: Option<u128>, valuation: &Valuation) {
        (self.flow, self.unpriced) = (0, self.quantity);
        if let Some(mark) = mark {
            self.settle(mark, valuation);
        }
    }

    /// What had no price counts from this one on; where it is beyond counting it goes on waiting, and nothing is opened meanwhile.
    /// Says whether anything counts by it that did not.
    pub fn settle(&mut self, mark: u128, valuation: &Valuation) -> bool {
        let out = self.unpriced.checked_neg().and_then(|quantity| valuation.worth_signed(quantity, mark).ok());
        let Some(flow) = out.and_then(|out| self.flow.checked_add(out)) else { return false };
        let waited = self.waits();
        (self.flow, self.unpriced) = (flow, 0);
        waited
    }

    /// Whether a part of it has no price to count from.
    pub fn waits(&self) -> bool {
        self.unpriced != 0
    }

    /// The result since the day began, finely, in the currency of the price; `None` while something has no price to count from.
    pub fn result(&self, mark: u128, valuation: &Valuation) -> Option<Result<i128, Overflow>> {
        if self.waits() {
            return None;
        }
        let came_in = valuation.quoted(self.flow, mark);
        let worth = valuation.held(self.quantity, mark);
        Some(came_in.and_then(|came_in| came_in.checked_add(worth?).ok_or(Overflow)))
    }

    /// Whether there is neither a position nor a result.
    pub fn is_nothing(&self) -> bool {
        self.quantity == 0 && self.flow == 0 && self.unpriced == 0
    }
}

/// A count of orders allowed and positions reported: which came first, also where both came at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn(pub u64);

/// What is known of a position at the venue. A fill that a report may have had in it already leaves two possible quantities until
/// the next report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The least that it may be.
    pub low: i128,
    /// The most that it may be.
    pub high: i128,
    /// In which turn it was reported.
    pub reported: Turn,
    /// When it was heard of last.
    pub heard: GateTime,
    /// What it was worth when it was entered, finely.
    pub basis: Option<u128>,
    /// In hundredths.
    pub leverage: Option<u128>,
}

impl Position {
    /// A trade of an order that was allowed in the turn `allowed`, or of nobody's.
    pub fn trade(&mut self, at: GateTime, delta: i128, allowed: Option<Turn>) -> Result<(), Overflow> {
        let certain = allowed.is_some_and(|allowed| allowed > self.reported);
        let (mut low, mut high) = (self.low, self.high);
        if certain || delta < 0 {
            low = low.checked_add(delta).ok_or(Overflow)?;
        }
        if certain || delta > 0 {
            high = high.checked_add(delta).ok_or(Overflow)?;
        }
        (self.low, self.high, self.heard) = (low, high, at);
        Ok(())
    }

    /// How much can be closed for certain by an order of this side.
    pub fn closable(&self, side: Side) -> u128 {
        match side {
            Side::Sell => u128::try_from(self.low).unwrap_or(0),
            Side::Buy => u128::try_from(self.high.saturating_neg()).unwrap_or(0),
        }
    }
}
