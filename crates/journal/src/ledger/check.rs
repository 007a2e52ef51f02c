//! What can be wrong with the ledger, and how a finding is told: by the engine that refuses to book it, and by verification that
//! meets it in a journal.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A rule of `docs/ledger.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A text that is no amount at its scale.
    Amount,
    /// A sum beyond what can be counted.
    Overflow,
    /// The legs of a posting do not sum to zero.
    PostingSum,
    /// The sum over accounts is not the sum over pools.
    Pools,
    /// Nothing may be posted to what was not declared, or a declaration contradicts what stands.
    Undeclared,
    /// A declaration that changes what never changes, or that what stands already breaks.
    Declaration,
    /// An outside id with other content than before.
    IdReused,
    /// Free and locked do not sum to the total.
    FreeLocked,
    /// A balance below zero where that is forbidden.
    Negative,
    /// A reported position is not the sum of its fills.
    Position,
    /// Suspense has stood for too long.
    Suspense,
    /// Book and venue statement differ by more than the tolerance.
    Statement,
    /// The allocations within a pool exceed it.
    Allocation,
    /// Yesterday's closing is not today's opening.
    Opening,
    /// A snapshot and the flows after it do not give the next one.
    Flows,
    /// The children of an order exceed their parent, or do not fit it.
    OrderChildren,
    /// The fills of an order exceed it, or do not fit it.
    OrderFills,
    /// An outcome or a resolution without an order that it could belong to.
    Order,
    /// A state or a transition that the strategy did not declare.
    StrategyState,
    /// More of something than is kept.
    Bound,
}

impl Check {
    /// Every check, for tables and tests.
    pub const ALL: [Self; 20] = [
        Self::Amount,
        Self::Overflow,
        Self::PostingSum,
        Self::Pools,
        Self::Undeclared,
        Self::Declaration,
        Self::IdReused,
        Self::FreeLocked,
        Self::Negative,
        Self::Position,
        Self::Suspense,
        Self::Statement,
        Self::Allocation,
        Self::Opening,
        Self::Flows,
        Self::OrderChildren,
        Self::OrderFills,
        Self::Order,
        Self::StrategyState,
        Self::Bound,
    ];

    /// Its name in records, reports and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Overflow => "overflow",
            Self::PostingSum => "posting-sum",
            Self::Pools => "pools",
            Self::Undeclared => "undeclared",
            Self::Declaration => "declaration",
            Self::IdReused => "id-reused",
            Self::FreeLocked => "free-locked",
            Self::Negative => "negative",
            Self::Position => "position",
            Self::Suspense => "suspense",
            Self::Statement => "statement",
            Self::Allocation => "allocation",
            Self::Opening => "opening",
            Self::Flows => "flows",
            Self::OrderChildren => "order-children",
            Self::OrderFills => "order-fills",
            Self::Order => "order",
            Self::StrategyState => "strategy-state",
            Self::Bound => "bound",
        }
    }

    /// Whether capital is in question (the halt `failsafe` with the trigger `capital`), and not the order of a bot's states
    /// (`integrity`).
    pub const fn is_capital(self) -> bool {
        match self {
            Self::StrategyState | Self::Order => false,
            Self::Amount
            | Self::Overflow
            | Self::PostingSum
            | Self::Pools
            | Self::Undeclared
            | Self::Declaration
            | Self::IdReused
            | Self::FreeLocked
            | Self::Negative
            | Self::Position
            | Self::Suspense
            | Self::Statement
            | Self::Allocation
            | Self::Opening
            | Self::Flows
            | Self::OrderChildren
            | Self::OrderFills
            | Self::Bound => true,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What breaks a rule, and by how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{check}: {subject}: {detail}")]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// Which rule.
    pub check: Check,
    /// What it is about: an asset, an account, an id, a strategy.
    pub subject: String,
    /// The exact difference, as an amount, where it can be said as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// In words.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(check: Check, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check, subject: subject.into(), difference: None, detail: detail.into() }
    }

    pub(crate) fn by(mut self, difference: impl fmt::Display) -> Self {
        self.difference = Some(difference.to_string());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_serde_writes_and_none_is_left_out() {
        for (index, check) in Check::ALL.iter().enumerate() {
            assert_eq!(serde_json::to_string(check).ok(), Some(format!("\"{check}\"")));
            assert_eq!(*check as usize, index);
        }
        assert_eq!(Check::ALL.len(), Check::Bound as usize + 1);
    }
}
