//! Products that are wider than an amount: compared and divided exactly, for what multiplies a price by a quantity or asks
//! whether a part is within a share of a whole.
//!
//! Everything here is without sign and without scale: whoever multiplies units knows what the product counts.

use std::cmp::Ordering;

/// Which way a division goes that does not come out even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// To the next lower unit.
    Down,
    /// To the next higher unit.
    Up,
}

/// The product of two numbers, whole: 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wide {
    // The order of the fields is the order of the numbers.
    high: u128,
    low: u128,
}

impl Wide {
    /// The product. It always fits.
    pub const fn product(left: u128, right: u128) -> Self {
        const HALF: u128 = u64::MAX as u128;
        // Most are of two words: one multiplication.
        if left <= HALF && right <= HALF {
            return Self { high: 0, low: (left & HALF) * (right & HALF) };
        }
        let (left_high, left_low) = (left >> 64, left & HALF);
        let (right_high, right_low) = (right >> 64, right & HALF);
        let lowest = left_low * right_low;
        // Each below 2^128 - 2^65 + 1, so that one carry still fits.
        let crossed = left_high * right_low + (lowest >> 64);
        let (middle, carry) = (left_low * right_high).overflowing_add(crossed);
        let high = left_high * right_high + (middle >> 64) + ((carry as u128) << 64);
        Self { high, low: (middle << 64) | (lowest & HALF) }
    }

    /// The product as a plain number, where it fits.
    pub const fn narrow(self) -> Option<u128> {
        if self.high == 0 { Some(self.low) } else { None }
    }

    /// The quotient, rounded as said; `None` where it is beyond 128 bits or the divisor is zero.
    pub fn divided(self, divisor: u128, rounding: Rounding) -> Option<u128> {
        if divisor == 0 || self.high >= divisor {
            return None;
        }
        let (quotient, rest) = if self.high == 0 { short(self.low, divisor) } else { self.long(divisor) };
        match rounding {
            Rounding::Up if rest > 0 => quotient.checked_add(1),
            Rounding::Up | Rounding::Down => Some(quotient),
        }
    }

    /// Long division, a bit at a time, where the high half is below the divisor.
    fn long(self, divisor: u128) -> (u128, u128) {
        let (mut rest, mut quotient) = (self.high, 0u128);
        for bit in (0..128).rev() {
            let carry = rest >> 127 == 1;
            rest = (rest << 1) | ((self.low >> bit) & 1);
            quotient <<= 1;
            if carry || rest >= divisor {
                rest = rest.wrapping_sub(divisor);
                quotient |= 1;
            }
        }
        (quotient, rest)
    }
}

/// Division within 128 bits: once, since the rest costs a multiplication only. Of two words it is one instruction.
const fn short(dividend: u128, divisor: u128) -> (u128, u128) {
    const WORD: u128 = u64::MAX as u128;
    let quotient = if dividend <= WORD && divisor <= WORD {
        (dividend as u64 / divisor as u64) as u128
    } else {
        dividend / divisor
    };
    (quotient, dividend - quotient * divisor)
}

/// `left × right / divisor`, rounded as said, without losing anything on the way; `None` where the quotient is beyond 128 bits or
/// the divisor is zero.
pub fn mul_div(left: u128, right: u128, divisor: u128, rounding: Rounding) -> Option<u128> {
    Wide::product(left, right).divided(divisor, rounding)
}

/// How `part` stands to the share `numerator / denominator` of `whole`: compares `part × denominator` with `whole × numerator`,
/// exactly. A share of a whole that is zero is zero.
pub fn compare_share(part: u128, whole: u128, numerator: u128, denominator: u128) -> Ordering {
    Wide::product(part, denominator).cmp(&Wide::product(whole, numerator))
}
