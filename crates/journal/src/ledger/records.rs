//! What stands in the `b` of the records of capital and of strategies. The serde form is the journal's; `docs/ledger.md` has the
//! same as tables.
//!
//! Amounts are texts here; what they are worth is known where the asset's scale is ([`super::Book`]). Unknown fields are refused:
//! a reader that does not know a field of a record about money cannot vouch for its sum.

use super::check::Violation;
use serde::{Deserialize, Serialize};

/// `ledger.asset`: something that is counted. Said again, `tolerance` and `negative` may change, the scale never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Its name.
    pub name: String,
    /// Its decimals, 0 to 18.
    pub scale: u8,
    /// By how much a venue's statement may differ from the book.
    pub tolerance: String,
    /// Whether balances of it may be below zero.
    pub negative: bool,
}

/// `ledger.account`: a place at which assets are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its name; not one of the outside accounts'.
    pub name: String,
    /// Whether its balances may be below zero.
    pub negative: bool,
}

/// `ledger.pool`: what a part of the capital is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// The pool that it is an allocation of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// `ledger.instrument`: what positions are held in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// Its name.
    pub name: String,
    /// Decimals of its quantities.
    pub quantity_scale: u8,
    /// Decimals of its prices.
    pub price_scale: u8,
}

/// One leg of a posting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// Which asset.
    pub asset: String,
    /// Which account, inside or outside.
    pub account: String,
    /// Which pool; exactly where the account is inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// How much comes in; below zero what goes out.
    pub amount: String,
}

/// `ledger.posted`: capital changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posted {
    /// The outside id; books once.
    pub id: String,
    /// What changed; sums to zero for each asset.
    pub legs: Vec<Leg>,
    /// Whose bot said it; absent for an import or an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Why, where somebody says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which way an order or a fill goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Buys.
    Buy,
    /// Sells.
    Sell,
}

/// `ledger.fill`: a trade, with what it did to capital where that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// The venue's id of the trade; books once.
    pub id: String,
    /// The order that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// In which account.
    pub account: String,
    /// Of which instrument.
    pub instrument: String,
    /// Which way.
    pub side: Side,
    /// How much, above zero.
    pub quantity: String,
    /// At which price, zero or above.
    pub price: String,
    /// What it did to capital, under the rules of a posting. Empty where that comes in postings of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<Leg>,
    /// Whose bot said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
}

/// `ledger.capital`: what a bot sees in an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capital {
    /// Which account.
    pub account: String,
    /// Which asset.
    pub asset: String,
    /// All of it.
    pub total: String,
    /// What can be used.
    pub free: String,
    /// What is bound in orders and positions.
    pub locked: String,
    /// Whose bot said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
}

/// `ledger.position`: what a bot holds its position to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Which account.
    pub account: String,
    /// Of which instrument.
    pub instrument: String,
    /// How much; below zero when short.
    pub quantity: String,
    /// Takes it over as it is, where nothing is known yet: a position from before the journal.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub opening: bool,
    /// Whose bot said it; absent for a correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// An operator took it over as a venue states it, whatever its fills sum to: who, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<String>,
}

/// A balance on a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedBalance {
    /// Which asset.
    pub asset: String,
    /// How much the venue holds.
    pub total: String,
}

/// A position on a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedPosition {
    /// Of which instrument.
    pub instrument: String,
    /// How much; below zero when short.
    pub quantity: String,
}

/// `ledger.statement`: what the venue says of an account, compared with the book and found within tolerance. One that is not is
/// a `ledger.violation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The statement's own id; compared once.
    pub id: String,
    /// Of which account.
    pub account: String,
    /// What it holds.
    pub balances: Vec<StatedBalance>,
    /// Which positions are open in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<StatedPosition>,
    /// Whether what it does not name is nothing.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub complete: bool,
    /// Where it came from: a file's name, a component.
    pub source: String,
    /// The time that it is of, as the venue writes it; informs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

/// `ledger.violation`: something was refused, since it would have broken a rule. The book is as before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The record type that was refused.
    pub kind: String,
    /// Its outside id, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whose bot said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Why.
    pub violation: Violation,
}

/// A declared transition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// From this state.
    pub from: String,
    /// To this one.
    pub to: String,
}

/// `strategy.declared`: a strategy's states and transitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// Its name.
    pub name: String,
    /// Every state.
    pub states: Vec<String>,
    /// The state before the first transition.
    pub initial: String,
    /// Every transition.
    pub transitions: Vec<Transition>,
    /// States at which an instance ends.
    #[serde(default, rename = "final", skip_serializing_if = "Vec::is_empty")]
    pub finals: Vec<String>,
}

/// `strategy.state`: a strategy went to another state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// Which strategy.
    pub strategy: String,
    /// Which instance of it, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The state that it holds itself to be in; checked where said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The state that it is in now.
    pub to: String,
    /// Whose bot said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Why, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
