//! How a broken rule of the books is told.

use core::fmt;
use failstop_journal::ledger::{Check, Unsound, Violation};

/// A violation with its difference, where it has one.
pub struct InFull<'v>(pub &'v Violation);

impl fmt::Display for InFull<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.difference {
            None => write!(f, "{}", self.0),
            Some(by) => write!(f, "{} (difference {by})", self.0),
        }
    }
}

/// The rule that a record breaks; what is no entry at all was not declared as one.
pub const fn rule_of(unsound: &Unsound) -> Check {
    match unsound {
        Unsound::Violation(violation) => violation.check,
        Unsound::Malformed(_) => Check::Declaration,
    }
}
