//! The lines of a snapshot's body. One form each, so that the same state is the same bytes.

use crate::chain::Head;
use crate::ledger::{Doubt, OrderIntent, Outcome, Transition, Violation};
use serde::{Deserialize, Serialize};

/// A line of the body, by its `k`. `docs/snapshot-format.md` has the same as a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "k", deny_unknown_fields)]
pub enum Line {
    /// A declared account.
    #[serde(rename = "account")]
    Account {
        /// Its name.
        name: String,
        /// Whether it may be below zero.
        negative: bool,
    },
    /// What an account holds of an asset.
    #[serde(rename = "account.balance")]
    AccountBalance {
        /// The account.
        account: String,
        /// The asset.
        asset: String,
        /// At the snapshot before.
        opening: String,
        /// Now.
        closing: String,
    },
    /// A declared asset and its sums.
    #[serde(rename = "asset")]
    Asset {
        /// Its name.
        name: String,
        /// Its decimals.
        scale: u8,
        /// The tolerance of statements.
        tolerance: String,
        /// Whether balances may be below zero.
        negative: bool,
        /// The sum over inside accounts.
        accounts: String,
        /// The sum over pools: the same.
        pools: String,
        /// The sum over outside accounts: the opposite.
        outside: String,
    },
    /// What a bot reported last of an account.
    #[serde(rename = "capital")]
    Capital {
        /// The account.
        account: String,
        /// The asset.
        asset: String,
        /// All of it.
        total: String,
        /// What can be used.
        free: String,
        /// What is bound.
        locked: String,
        /// The record.
        seq: u64,
    },
    /// The last day that a snapshot before this one closed.
    #[serde(rename = "closed")]
    Closed {
        /// The day.
        day: String,
    },
    /// A report that did not agree and stands.
    #[serde(rename = "discrepancy")]
    Discrepancy {
        /// The record that says so.
        seq: u64,
        /// What was wrong.
        violation: Violation,
    },
    /// A standing halt.
    #[serde(rename = "halt")]
    Halt {
        /// Its number.
        id: u64,
        /// Why.
        cause: String,
        /// The component that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        component: Option<String>,
        /// How much it caps.
        scope: String,
        /// The most that is allowed.
        cap: String,
        /// Whether it needs an operator.
        latched: bool,
        /// Which fail-safe trigger.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trigger: Option<String>,
        /// What was seen.
        evidence: String,
        /// The record that raised it.
        seq: u64,
    },
    /// What an account holds of an asset for a pool.
    #[serde(rename = "holding")]
    Holding {
        /// The account.
        account: String,
        /// The pool.
        pool: String,
        /// The asset.
        asset: String,
        /// How much.
        amount: String,
    },
    /// A declared instrument.
    #[serde(rename = "instrument")]
    Instrument {
        /// Its name.
        name: String,
        /// Decimals of quantities.
        quantity_scale: u8,
        /// Decimals of prices.
        price_scale: u8,
    },
    /// What the engine may do.
    #[serde(rename = "mode")]
    Mode {
        /// The mode that the ceremony set last.
        mode: String,
        /// What the standing halts allow.
        permission: String,
        /// The epoch.
        epoch: u64,
    },
    /// An open order.
    #[serde(rename = "order")]
    Order {
        /// Its intent.
        intent: OrderIntent,
        /// What is known of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Outcome>,
        /// The venue's id of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        venue_id: Option<String>,
        /// Why it is in doubt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doubt: Option<Doubt>,
        /// What was filled of it.
        filled: String,
        /// What its children ask for or filled.
        children: String,
        /// The intent's record.
        seq: u64,
        /// Its epoch.
        epoch: u64,
        /// Its time.
        ts: String,
    },
    /// What an outside account holds of an asset.
    #[serde(rename = "outside.balance")]
    OutsideBalance {
        /// The account.
        account: String,
        /// The asset.
        asset: String,
        /// At the snapshot before.
        opening: String,
        /// Now.
        closing: String,
        /// Of suspense: the record since which it is not empty.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
        /// Of suspense: that record's time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_ts: Option<String>,
    },
    /// A declared pool.
    #[serde(rename = "pool")]
    Pool {
        /// Its name.
        name: String,
        /// The pool that it is an allocation of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<String>,
    },
    /// What a pool holds of an asset beside its allocations.
    #[serde(rename = "pool.balance")]
    PoolBalance {
        /// The pool.
        pool: String,
        /// The asset.
        asset: String,
        /// At the snapshot before.
        opening: String,
        /// Now.
        closing: String,
    },
    /// A position.
    #[serde(rename = "position")]
    Position {
        /// The account.
        account: String,
        /// The instrument.
        instrument: String,
        /// How much.
        quantity: String,
    },
    /// A declared strategy.
    #[serde(rename = "strategy")]
    Strategy {
        /// Its name.
        name: String,
        /// Every state.
        states: Vec<String>,
        /// The first state.
        initial: String,
        /// Every transition.
        transitions: Vec<Transition>,
        /// States at which an instance ends.
        #[serde(default, rename = "final", skip_serializing_if = "Vec::is_empty")]
        finals: Vec<String>,
    },
    /// Where a strategy's instance is.
    #[serde(rename = "strategy.state")]
    StrategyState {
        /// The strategy.
        strategy: String,
        /// Its instance, where it has several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
        /// The state.
        state: String,
        /// The record that brought it there.
        seq: u64,
    },
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`super::FORMAT`].
    pub fmt: String,
    /// The system's name.
    pub origin: String,
    /// The journal's identity.
    pub jid: crate::Jid,
    /// The record that it was taken at: everything up to it is in, nothing after it.
    pub seq: u64,
    /// That record's hash.
    pub h: Head,
    /// The snapshot before, which the journal named by then.
    pub prev: Option<Prev>,
    /// The day that it closes; absent for one on demand.
    pub day: Option<String>,
}

/// The snapshot before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prev {
    /// The record that it was taken at.
    pub seq: u64,
    /// The SHA-256 of its file.
    pub sha256: Head,
}

/// The last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// `true`.
    pub end: bool,
    /// Lines of the body.
    pub lines: u64,
    /// The SHA-256 of all bytes before this line.
    pub sha256: Head,
}
