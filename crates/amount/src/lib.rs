//! Exact amounts of money and of things: whole units at a stated scale, checked arithmetic, strict text.
//!
//! An [`Amount`] is an `i128` of units, and a unit is `10^-scale` of the asset. There is no rounding and no binary float anywhere:
//! whatever does not fit is an error value, never a zero and never something near it.
//!
//! ```
//! use failstop_amount::{Amount, AmountError, Scale};
//!
//! let cents = Scale::new(2)?;
//! let balance = Amount::parse("1250.5", cents)?;
//! assert_eq!(balance.to_string(), "1250.50");
//! assert_eq!(balance.checked_add(Amount::from_units(1, cents))?.to_string(), "1250.51");
//! assert!(matches!(Amount::parse("0.001", cents), Err(AmountError::TooManyDecimals { .. })));
//! # Ok::<(), AmountError>(())
//! ```

#![forbid(unsafe_code)]

mod amount;
mod scale;
mod text;
mod wide;

pub use amount::{Amount, AmountError};
pub use scale::{SCALE_MAX, Scale};
pub use wide::{Rounding, Wide, compare_share, mul_div};
