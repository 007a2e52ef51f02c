//! The amount and its arithmetic. Two amounts of different scales never mix: that is an error like an overflow.

use crate::scale::{SCALE_MAX, Scale};
use std::cmp::Ordering;

/// Why a text is no amount, or a sum cannot be formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a scale.
    #[error("{decimals} decimals are too many: a scale is 0 to {SCALE_MAX}")]
    Scale {
        /// What was asked for.
        decimals: u8,
    },
    /// Nothing where digits must be.
    #[error("a digit is missing at byte {at} of the amount")]
    NoDigit {
        /// Where it must be.
        at: usize,
    },
    /// A byte that has no place in an amount: a plus, an exponent, a space, a separator.
    #[error(
        "byte {at} of the amount has no place in one: write an optional '-', digits, and if need be '.' and decimals"
    )]
    Foreign {
        /// Where it stands.
        at: usize,
    },
    /// A zero before other digits.
    #[error("the amount begins with a superfluous zero")]
    LeadingZero,
    /// A minus before a zero.
    #[error("zero has no sign: write 0")]
    NegativeZero,
    /// More decimals than the scale has, be they zeros.
    #[error("the amount has {decimals} decimals, but its scale is {scale}")]
    TooManyDecimals {
        /// How many it has.
        decimals: usize,
        /// How many it may have.
        scale: Scale,
    },
    /// Beyond 2^127 units.
    #[error("the amount is beyond what can be counted (2^127 units)")]
    Overflow,
    /// Two amounts of different scales.
    #[error("amounts of scale {left} and of scale {right} do not mix")]
    Scales {
        /// Of the first.
        left: Scale,
        /// Of the second.
        right: Scale,
    },
    /// Digits that another scale has no place for.
    #[error("the amount has digits beyond {scale} decimals")]
    Inexact {
        /// The scale asked for.
        scale: Scale,
    },
}

/// So many units at a scale: exact, signed, within `i128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Amount {
    units: i128,
    scale: Scale,
}

impl Amount {
    /// Nothing.
    pub const fn zero(scale: Scale) -> Self {
        Self { units: 0, scale }
    }

    /// So many units of `10^-scale`.
    pub const fn from_units(units: i128, scale: Scale) -> Self {
        Self { units, scale }
    }

    /// Reads an amount: an optional `-`, digits without superfluous leading zeros, and if need be a point and at most `scale`
    /// decimals. No exponent, no `+`, no spaces, no separators, no negative zero.
    ///
    /// # Errors
    ///
    /// [`AmountError`] with the place where the text leaves the form, or that it is beyond what can be counted.
    pub fn parse(text: &str, scale: Scale) -> Result<Self, AmountError> {
        crate::text::parse(text.as_bytes(), scale).map(|units| Self { units, scale })
    }

    /// The units.
    pub const fn units(self) -> i128 {
        self.units
    }

    /// The scale.
    pub const fn scale(self) -> Scale {
        self.scale
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.units == 0
    }

    /// Whether it is below nothing.
    pub const fn is_negative(self) -> bool {
        self.units < 0
    }

    /// The sum.
    ///
    /// # Errors
    ///
    /// [`AmountError::Overflow`], [`AmountError::Scales`].
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        self.with(other, i128::checked_add)
    }

    /// The difference.
    ///
    /// # Errors
    ///
    /// [`AmountError::Overflow`], [`AmountError::Scales`].
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        self.with(other, i128::checked_sub)
    }

    /// The opposite.
    ///
    /// # Errors
    ///
    /// [`AmountError::Overflow`] for the one number that has none.
    pub fn checked_neg(self) -> Result<Self, AmountError> {
        let units = self.units.checked_neg().ok_or(AmountError::Overflow)?;
        Ok(Self { units, scale: self.scale })
    }

    /// Its size without its sign.
    ///
    /// # Errors
    ///
    /// [`AmountError::Overflow`] for the one number whose size is beyond counting.
    pub fn checked_abs(self) -> Result<Self, AmountError> {
        if self.is_negative() { self.checked_neg() } else { Ok(self) }
    }

    /// Which is more.
    ///
    /// # Errors
    ///
    /// [`AmountError::Scales`].
    pub fn checked_cmp(self, other: Self) -> Result<Ordering, AmountError> {
        self.alike(other)?;
        Ok(self.units.cmp(&other.units))
    }

    /// The same amount counted at another scale, where that is exact.
    ///
    /// # Errors
    ///
    /// [`AmountError::Inexact`] where digits would be lost, [`AmountError::Overflow`].
    pub fn checked_rescale(self, scale: Scale) -> Result<Self, AmountError> {
        let (from, to) = (self.scale.units_in_one(), scale.units_in_one());
        let overflow = |_| AmountError::Overflow;
        let units = if to >= from {
            self.units.checked_mul(i128::try_from(to / from).map_err(overflow)?).ok_or(AmountError::Overflow)?
        } else {
            let step = i128::try_from(from / to).map_err(overflow)?;
            if self.units % step != 0 {
                return Err(AmountError::Inexact { scale });
            }
            self.units / step
        };
        Ok(Self { units, scale })
    }

    fn alike(self, other: Self) -> Result<(), AmountError> {
        if self.scale == other.scale {
            Ok(())
        } else {
            Err(AmountError::Scales { left: self.scale, right: other.scale })
        }
    }

    fn with(self, other: Self, rule: fn(i128, i128) -> Option<i128>) -> Result<Self, AmountError> {
        self.alike(other)?;
        let units = rule(self.units, other.units).ok_or(AmountError::Overflow)?;
        Ok(Self { units, scale: self.scale })
    }
}
