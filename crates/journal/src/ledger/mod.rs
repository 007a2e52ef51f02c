//! The ledger: capital, positions, strategies and orders as records, the fold of them, and the rules that they keep. Pure: no
//! clock, no I/O. `docs/ledger.md` is the rule book.
//!
//! The engine keeps one [`Book`]. Before it records what a bot or an operator says, it asks [`Book::judge`]; what would break a rule
//! is refused, recorded as a refusal, and halts. Verification folds the same records by the same code and so meets the same rules.

mod book;
mod check;
mod correction;
mod declared;
mod entry;
mod ids;
mod money;
mod order_records;
mod orders;
mod records;
mod reports;
mod strategies;
mod system;

pub use book::{At, Book, InDoubt, Judged, Taken, Unsound};
pub use check::{Check, Violation};
pub use correction::{Correcting, Correction};
pub use declared::{ACCOUNTS_MAX, ASSETS_MAX, INSTRUMENTS_MAX, Outside, POOLS_MAX};
pub use entry::{
    Account, Asset, Capital, Entry, Fill, ID_MAX, Instrument, KINDS, LEGS_MAX, Leg, Malformed, Moved, NAME_MAX,
    OrderIntent, OrderOutcome, OrderResolved, Outcome, Pool, Position, Posted, Refused, Resolver, Side,
    SnapshotRetired, SnapshotTaken, StatedBalance, StatedPosition, Statement, Strategy, Transition,
};
pub use ids::IDS_KEPT;
pub use money::HOLDINGS_MAX;
pub use orders::{Doubt, ORDERS_MAX, Order};
pub use reports::{DISCREPANCIES_MAX, Discrepancy, POSITIONS_MAX};
pub use strategies::{INSTANCES_MAX, STATES_MAX, STRATEGIES_MAX};
pub use system::Halt;

pub(crate) use book::once;
pub(crate) use declared::{AccountRules, AssetRules, Index, InstrumentRules, PoolRules};
pub(crate) use ids::{Mark, mark};
pub(crate) use money::{Cell, Since};
pub(crate) use reports::Seen;
pub(crate) use strategies::Instance;
