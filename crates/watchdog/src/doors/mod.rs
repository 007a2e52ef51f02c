//! The ways in: HTTP on the watchdog's address, a Unix socket for its commands, and the responder's address. One small server
//! for all three; what an answer says is decided by whoever owns the state.

pub mod control;
pub mod metrics;
pub mod page;
pub mod routes;
pub mod server;

pub use server::{Asked, Reply};
