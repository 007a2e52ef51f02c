//! A small moving-average strategy on paper: long while the short average is above the long one, else flat.

use crate::money::Amount;
use std::collections::{BTreeMap, VecDeque};

/// Quotes in the short and in the long average.
const SHORT: usize = 5;
const LONG: usize = 20;
/// The averages must differ by this part of the price, in hundred-thousandths, so that noise alone trades little.
const BAND: i128 = 1;
/// What one position is worth when it is opened.
const ORDER_SIZE: Amount = Amount::whole(100);
/// The fee, in thousandths of what is traded.
const FEE: i128 = 1;

/// The opening capital.
pub const OPENING_CAPITAL: Amount = Amount::whole(10_000);

/// An order that the strategy wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub side: Side,
    pub quantity: Amount,
    pub price: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Opens a position.
    Buy,
    /// Closes it: it only reduces.
    Sell,
}

impl Side {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

/// The paper account and what the strategy knows.
#[derive(Debug)]
pub struct Strategy<'a> {
    cash: Amount,
    markets: BTreeMap<&'a str, Market>,
    step: Amount,
}

#[derive(Debug, Default)]
struct Market {
    mids: VecDeque<Amount>,
    bid: Amount,
    position: Amount,
}

impl<'a> Strategy<'a> {
    pub fn new() -> Self {
        Self {
            cash: OPENING_CAPITAL,
            markets: BTreeMap::new(),
            step: Amount::parse("0.00001").unwrap_or(Amount::whole(1)),
        }
    }

    /// Takes a quote, and says which order it would send.
    pub fn quote(&mut self, instrument: &'a str, bid: Amount, ask: Amount) -> Option<Order> {
        let market = self.markets.entry(instrument).or_default();
        market.bid = bid;
        market.mids.push_back((bid + ask).part(1, 2));
        if market.mids.len() <= LONG {
            return None;
        }
        market.mids.pop_front();
        let average = |count: usize| {
            let sum = market.mids.iter().rev().take(count).fold(Amount::ZERO, |sum, mid| sum + *mid);
            sum.part(1, i128::try_from(count).unwrap_or(1))
        };
        let (short, long) = (average(SHORT), average(LONG));
        let band = long.part(BAND, 100_000);
        let flat = market.position == Amount::ZERO;
        if flat && short > long + band {
            let quantity = ORDER_SIZE.over(ask).floor_to(self.step);
            (quantity > Amount::ZERO).then_some(Order { side: Side::Buy, quantity, price: ask })
        } else if !flat && short + band < long {
            Some(Order { side: Side::Sell, quantity: market.position, price: bid })
        } else {
            None
        }
    }

    /// Fills an order at its price, on paper.
    pub fn fill(&mut self, instrument: &'a str, order: Order) {
        let market = self.markets.entry(instrument).or_default();
        let value = order.price.times(order.quantity);
        match order.side {
            Side::Buy => {
                market.position += order.quantity;
                self.cash -= value;
            }
            Side::Sell => {
                market.position -= order.quantity;
                self.cash += value;
            }
        }
        self.cash -= value.part(FEE, 1_000);
    }

    /// Cash and what the positions would bring at the last bid.
    pub fn equity(&self) -> Amount {
        self.markets.values().fold(self.cash, |sum, market| sum + market.position.times(market.bid))
    }

    /// A new lap of the recording: the jump back in price is no move of the market.
    pub fn forget_prices(&mut self) {
        self.markets.values_mut().for_each(|market| market.mids.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_buys_a_rise_sells_a_fall_and_the_books_agree() {
        let mut strategy = Strategy::new();
        let mut orders = Vec::new();
        for price in (100..200).chain((100..200).rev()) {
            if let Some(order) = strategy.quote("A", Amount::whole(price), Amount::whole(price)) {
                orders.push(order);
                strategy.fill("A", order);
            }
        }
        assert_eq!(orders.iter().map(|order| order.side).collect::<Vec<_>>(), [Side::Buy, Side::Sell]);
        let [bought, sold] = orders[..] else { return };
        assert_eq!(bought.quantity, sold.quantity);
        let value = |order: Order| order.price.times(order.quantity);
        let fees = value(bought).part(1, 1_000) + value(sold).part(1, 1_000);
        assert_eq!(strategy.equity(), OPENING_CAPITAL - value(bought) + value(sold) - fees);
    }

    #[test]
    fn an_order_that_was_not_filled_is_wanted_again() {
        let mut strategy = Strategy::new();
        let wanted = (100..200).filter_map(|price| strategy.quote("A", Amount::whole(price), Amount::whole(price)));
        assert!(wanted.count() > 10);
        assert_eq!(strategy.equity(), OPENING_CAPITAL);
    }
}
