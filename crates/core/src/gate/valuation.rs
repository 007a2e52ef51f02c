//! What a quantity is worth at a price, exactly, in whole units. Results and bases are counted finely (18 decimals), money at its own
//! scale; each division says which way it rounds, and it is always against whoever wants to trade.

use crate::gate::policy::{Contract, InstrumentPolicy, Quote};
use failstop_amount::{Rounding, Scale, Wide, mul_div};

/// A number beyond what can be counted. It refuses; it is never a zero and never wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// The decimals of what is counted finely.
const FINE: u32 = 18;

/// What is needed to value one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Valuation {
    /// Units of contract size or value.
    one: u128,
    /// Decimals of quantity times contract.
    contract_decimals: u32,
    price_decimals: u32,
    pub inverse: bool,
    /// The instrument that turns the currency of the price into money.
    pub through: Option<usize>,
}

impl Valuation {
    pub fn of(instrument: &InstrumentPolicy) -> Self {
        let (one, inverse) = match instrument.contract {
            Contract::Linear { size } => (size, false),
            Contract::Inverse { value } => (value, true),
        };
        let through = match instrument.quote {
            Quote::Money => None,
            Quote::Through(index) => Some(index),
        };
        Self {
            one: one.units().unsigned_abs(),
            contract_decimals: u32::from(instrument.quantity.decimals()) + u32::from(one.scale().decimals()),
            price_decimals: u32::from(instrument.price.decimals()),
            inverse,
            through,
        }
    }

    /// Units of what is traded through contracts.
    fn contracts(&self, quantity: u128) -> Result<u128, Overflow> {
        Wide::product(quantity, self.one).narrow().ok_or(Overflow)
    }

    /// What `quantity` is worth at `price`, finely: linear in the currency of the price, inverse in the underlying. What a result is a
    /// difference of.
    pub fn worth(&self, quantity: u128, price: u128, rounding: Rounding) -> Result<u128, Overflow> {
        let contracts = self.contracts(quantity)?;
        if self.inverse {
            let up = FINE + self.price_decimals;
            match up.checked_sub(self.contract_decimals) {
                Some(up) => mul_div(contracts, power(up)?, price, rounding),
                None => {
                    let down = power(self.contract_decimals - up)?.checked_mul(price).ok_or(Overflow)?;
                    mul_div(contracts, 1, down, rounding)
                }
            }
            .ok_or(Overflow)
        } else {
            at_decimals(contracts, price, self.contract_decimals + self.price_decimals, FINE, rounding)
        }
    }

    /// The same with a sign: what would come in if `quantity` (below zero: short) were closed at `price`, less a constant. Rounded
    /// towards less. A trade of `delta` changes a result by `worth_signed(-delta)`.
    pub fn worth_signed(&self, quantity: i128, price: u128) -> Result<i128, Overflow> {
        let positive = (quantity >= 0) != self.inverse;
        let rounding = if positive { Rounding::Down } else { Rounding::Up };
        let worth = i128::try_from(self.worth(quantity.unsigned_abs(), price, rounding)?).map_err(|_| Overflow)?;
        Ok(if positive { worth } else { -worth })
    }

    /// What `quantity` is worth in the currency of the price, finely, rounded up: what exposure is made of.
    fn face(&self, quantity: u128, price: u128) -> Result<u128, Overflow> {
        if self.inverse {
            let contracts = self.contracts(quantity)?;
            at_decimals(contracts, 1, self.contract_decimals, FINE, Rounding::Up)
        } else {
            self.worth(quantity, price, Rounding::Up)
        }
    }

    /// What `quantity` is worth in money, rounded up to the unit. `conversion` is the price of the instrument that it goes through,
    /// with the decimals of that price.
    pub fn notional(
        &self,
        quantity: u128,
        price: u128,
        conversion: Option<Conversion>,
        money: Scale,
    ) -> Result<u128, Overflow> {
        if conversion.is_some() {
            return to_money(self.face(quantity, price)?, conversion, money, Rounding::Up);
        }
        // The same in one division: rounding up twice is rounding up once.
        let contracts = self.contracts(quantity)?;
        let (price, decimals) = if self.inverse { (1, 0) } else { (price, self.price_decimals) };
        at_decimals(contracts, price, self.contract_decimals + decimals, u32::from(money.decimals()), Rounding::Up)
    }

    /// Something fine that came in, in the currency of the price: of an inverse contract it came in the underlying, which is worth
    /// `price`. Rounded towards less.
    pub fn quoted(&self, fine: i128, price: u128) -> Result<i128, Overflow> {
        if !self.inverse {
            return Ok(fine);
        }
        let rounding = if fine >= 0 { Rounding::Down } else { Rounding::Up };
        let size = mul_div(fine.unsigned_abs(), price, power(self.price_decimals)?, rounding).ok_or(Overflow)?;
        with_sign(size, fine >= 0)
    }

    /// What would come in if a quantity were closed at `price`, finely and in the currency of the price: an inverse contract gives its
    /// value back, whatever the price. Rounded towards less.
    pub fn held(&self, quantity: i128, price: u128) -> Result<i128, Overflow> {
        if !self.inverse {
            return self.worth_signed(quantity, price);
        }
        let rounding = if quantity >= 0 { Rounding::Up } else { Rounding::Down };
        let contracts = self.contracts(quantity.unsigned_abs())?;
        with_sign(at_decimals(contracts, 1, self.contract_decimals, FINE, rounding)?, quantity < 0)
    }

    /// A fine result in the currency of the price, in money, rounded towards less.
    pub fn result(&self, fine: i128, conversion: Option<Conversion>, money: Scale) -> Result<i128, Overflow> {
        let rounding = if fine >= 0 { Rounding::Down } else { Rounding::Up };
        with_sign(to_money(fine.unsigned_abs(), conversion, money, rounding)?, fine >= 0)
    }
}

fn with_sign(size: u128, positive: bool) -> Result<i128, Overflow> {
    let size = i128::try_from(size).map_err(|_| Overflow)?;
    Ok(if positive { size } else { -size })
}

/// What one unit of another currency is worth in money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    pub price: u128,
    pub decimals: u32,
}

fn to_money(fine: u128, conversion: Option<Conversion>, money: Scale, rounding: Rounding) -> Result<u128, Overflow> {
    let (price, decimals) = conversion.map_or((1, 0), |conversion| (conversion.price, conversion.decimals));
    at_decimals(fine, price, FINE + decimals, u32::from(money.decimals()), rounding)
}

/// `left × right`, counted at `from` decimals, counted at `to`.
fn at_decimals(left: u128, right: u128, from: u32, to: u32, rounding: Rounding) -> Result<u128, Overflow> {
    match from.checked_sub(to) {
        Some(down) => mul_div(left, right, power(down)?, rounding),
        None => Wide::product(left, right)
            .narrow()
            .and_then(|product| Wide::product(product, power(to - from).ok()?).narrow()),
    }
    .ok_or(Overflow)
}

/// The powers of ten below 2^128.
const POWERS: [u128; 39] = {
    let mut powers = [1; 39];
    let mut decimals = 1;
    while decimals < powers.len() {
        powers[decimals] = powers[decimals - 1] * 10;
        decimals += 1;
    }
    powers
};

fn power(decimals: u32) -> Result<u128, Overflow> {
    usize::try_from(decimals).ok().and_then(|decimals| POWERS.get(decimals)).copied().ok_or(Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_power_of_ten_that_there_is_is_there() {
        assert!((0..=50).all(|decimals| power(decimals).ok() == 10u128.checked_pow(decimals)));
    }
}
