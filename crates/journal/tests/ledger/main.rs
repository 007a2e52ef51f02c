//! The rules of the ledger, each kept and each broken; snapshots of it; verification against it.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod corrections;
mod folding;
mod oracle;
mod orders;
mod rules;
mod snapshots;
