//! Against a real server: the script beside the gate's own limiter, many askers at once, and everything that a server can do wrong.
//! The connection's rules by themselves are in `desk.rs`'s tests.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod askers;
mod desk;
mod faults;
mod oracle;
mod owed;
mod script;
mod server;
