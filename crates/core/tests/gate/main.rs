//! The gate, seen from its host: facts in, orders asked, every refusal looked at. The bed in `bed.rs` keeps time and the journal.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod ask;
mod bed;
mod confirmation;
mod limits;
mod liquidation;
mod loss;
mod oracle;
mod orders;
mod overrides;
mod permission;
mod policy;
mod prices;
mod rates;
mod reduce;
mod refusals;
mod replay;
mod scores;
