//! What the core decides, seen from its host: facts in, orders out, the fake host in `host.rs` between.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed setup fails the test")]

mod alerts;
mod causes;
mod configure;
mod dependency;
mod health;
mod hooks;
mod host;
mod kill_switch;
mod limits;
mod liveness;
mod operator;
mod orders;
mod permit;
mod reload;
mod replay;
mod restart;
mod startup;
mod threshold;
mod two_key;
