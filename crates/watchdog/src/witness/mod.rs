//! The witness: remembers, off the host, which journal heads a system has shown, and proves by recomputing the chain that each
//! new head continues the last. An unkeyed chain alone detects neither rollback, nor rewriting, nor truncation of its end; whoever
//! remembers heads elsewhere does.

mod chained;
pub mod export;
pub mod fetch;
pub mod judge;
mod line;
pub mod shown;
pub mod store;

pub use judge::{Finding, Memory, Next};
