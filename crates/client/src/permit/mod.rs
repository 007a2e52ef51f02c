//! The permit: the lease by which a bot may trade, read in tens of nanoseconds before each order.
//!
//! The engine renews it several times within each lease. A frozen, killed or swapped-out engine therefore denies by
//! doing nothing. The gap between the check and the arrival of the order at the exchange cannot be closed on this host:
//! carry the epoch in client order ids, and use the venue's own expiry (`deadline`, `recvWindow`) where it has one.

mod handle;
pub mod host;
pub mod layout;
mod page;
mod verdict;

pub use handle::Permit;
pub use page::{Diagnostics, PermitError, PermitPage};
pub use verdict::{Denial, Intent, Verdict, judge};
