//! How fine an asset is counted.

use crate::AmountError;
use std::fmt;

/// The finest scale: 18 decimals, as Ethereum counts wei.
pub const SCALE_MAX: u8 = 18;

/// How many decimals an asset has, 0 to [`SCALE_MAX`]. An asset's scale never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(u8);

impl Scale {
    /// No decimals: counted in wholes.
    pub const WHOLE: Self = Self(0);

    /// The scale with so many decimals.
    ///
    /// # Errors
    ///
    /// [`AmountError::Scale`] above [`SCALE_MAX`].
    pub const fn new(decimals: u8) -> Result<Self, AmountError> {
        if decimals > SCALE_MAX { Err(AmountError::Scale { decimals }) } else { Ok(Self(decimals)) }
    }

    /// How many decimals.
    pub const fn decimals(self) -> u8 {
        self.0
    }

    /// How many units make one whole: 10 to the power of the decimals.
    pub const fn units_in_one(self) -> u128 {
        10u128.pow(self.0 as u32)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
