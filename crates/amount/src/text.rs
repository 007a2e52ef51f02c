//! Amounts as text: exactly one way to write each, and a strict reader that also takes fewer decimals.

use crate::amount::{Amount, AmountError};
use crate::scale::Scale;
use std::fmt;

/// So many digits fit an `i64`, whatever they are: most amounts are read without looking for an overflow at each.
const WORD_DIGITS: usize = 18;

/// The units that a text states.
pub(crate) fn parse(text: &[u8], scale: Scale) -> Result<i128, AmountError> {
    let negative = text.first() == Some(&b'-');
    let begin = usize::from(negative);
    let whole_end = digits(text, begin)?;
    let whole = &text[begin..whole_end];
    if whole.len() > 1 && whole[0] == b'0' {
        return Err(AmountError::LeadingZero);
    }
    let decimals = match text.get(whole_end) {
        None => &[][..],
        Some(b'.') => {
            let end = digits(text, whole_end + 1)?;
            if end < text.len() {
                return Err(AmountError::Foreign { at: end });
            }
            &text[whole_end + 1..]
        }
        Some(_) => return Err(AmountError::Foreign { at: whole_end }),
    };
    let places = usize::from(scale.decimals());
    if decimals.len() > places {
        return Err(AmountError::TooManyDecimals { decimals: decimals.len(), scale });
    }
    // Counted below zero, where i128 reaches one further.
    let written = whole.iter().chain(decimals).map(|digit| digit - b'0');
    let padding = places - decimals.len();
    let units = if whole.len() + places <= WORD_DIGITS {
        let units = written.fold(0, |units, digit| units * 10 - i64::from(digit));
        i128::from((0..padding).fold(units, |units, _| units * 10))
    } else {
        let more = |units: i128, digit| units.checked_mul(10)?.checked_sub(i128::from(digit));
        let mut digits = written.chain(std::iter::repeat_n(0, padding));
        digits.try_fold(0, more).ok_or(AmountError::Overflow)?
    };
    match (negative, units) {
        (true, 0) => Err(AmountError::NegativeZero),
        (true, units) => Ok(units),
        (false, units) => units.checked_neg().ok_or(AmountError::Overflow),
    }
}

/// Where the digits that begin here end; at least one.
fn digits(text: &[u8], begin: usize) -> Result<usize, AmountError> {
    let count = text[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (count, text.get(begin)) {
        (0, None | Some(b'.')) => Err(AmountError::NoDigit { at: begin }),
        (0, Some(_)) => Err(AmountError::Foreign { at: begin }),
        (count, _) => Ok(begin + count),
    }
}

/// The one way to write it: exactly as many decimals as the scale has, no negative zero.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.scale().units_in_one();
        let size = self.units().unsigned_abs();
        let sign = if self.is_negative() { "-" } else { "" };
        let (whole, decimals) = (size / one, size % one);
        match usize::from(self.scale().decimals()) {
            0 => write!(f, "{sign}{whole}"),
            places => write!(f, "{sign}{whole}.{decimals:0places$}"),
        }
    }
}
