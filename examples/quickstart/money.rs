//! Decimal amounts for the paper bot: whole numbers of a hundred-millionth, never binary floats.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};

const SCALE: i128 = 100_000_000;
const DIGITS: usize = 8;

/// An amount of money or of an asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    pub const ZERO: Self = Self(0);

    pub const fn whole(units: i128) -> Self {
        Self(units * SCALE)
    }

    /// Reads `87232.01`. Nothing but digits and at most one point, at most eight digits after it.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if whole.is_empty() || whole.len() > 18 || fraction.len() > DIGITS {
            return None;
        }
        if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let fraction = format!("{fraction:0<DIGITS$}").parse::<i128>().ok()?;
        Some(Self(whole.parse::<i128>().ok()? * SCALE + fraction))
    }

    /// This times `other`, rounded towards zero.
    pub const fn times(self, other: Self) -> Self {
        Self(self.0 * other.0 / SCALE)
    }

    /// This divided by `other`, rounded towards zero; nothing when `other` is zero.
    pub const fn over(self, other: Self) -> Self {
        if other.0 == 0 { Self::ZERO } else { Self(self.0 * SCALE / other.0) }
    }

    /// `numerator / denominator` of this, rounded towards zero. `denominator` is not zero.
    pub const fn part(self, numerator: i128, denominator: i128) -> Self {
        Self(self.0 * numerator / denominator)
    }

    /// This, rounded down to a multiple of `step`.
    pub const fn floor_to(self, step: Self) -> Self {
        Self(self.0 - self.0 % step.0)
    }

    /// With two digits after the point, as people read money.
    pub fn cents(self) -> String {
        let cents = self.0 / (SCALE / 100);
        let sign = if cents < 0 { "-" } else { "" };
        format!("{sign}{}.{:02}", (cents / 100).abs(), (cents % 100).abs())
    }

    /// For metrics, which are figures and not amounts.
    pub fn figure(self) -> f64 {
        self.cents().parse().unwrap_or_default()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{:08}", (self.0 % SCALE).abs());
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{}", (self.0 / SCALE).abs()),
            fraction => write!(f, "{sign}{}.{fraction}", (self.0 / SCALE).abs()),
        }
    }
}

impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_else(|| panic!("{text} is an amount"))
    }

    #[test]
    fn amounts_are_exact() {
        for text in ["0", "87232.01", "0.00000001", "143.5", "999999999999999999.99999999"] {
            assert_eq!(amount(text).to_string(), text);
        }
        assert_eq!(amount("0.1") + amount("0.2"), amount("0.3"));
        assert_eq!(amount("87232.01").times(amount("0.00114")).to_string(), "99.4444914");
        assert_eq!(amount("100").over(amount("87232.01")).floor_to(amount("0.00001")).to_string(), "0.00114");
        assert_eq!((Amount::ZERO - amount("0.5")).to_string(), "-0.5");
        assert_eq!((Amount::ZERO - amount("0.5")).cents(), "-0.50");
        assert_eq!(amount("10000.129").cents(), "10000.12");
        assert_eq!(amount("1").over(Amount::ZERO), Amount::ZERO);
    }

    #[test]
    fn anything_else_is_no_amount() {
        for text in ["", ".", ".5", "-1", "1e5", "1.2.3", "1,5", "0.123456789", "NaN", " 1"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }
}
