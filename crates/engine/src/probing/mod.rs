//! Asks whether something answers: once, over HTTP, TCP, Redis, PostgreSQL, JSON-RPC, Telegram or by a program; and keeps the
//! rhythm in which it is asked again. For start-up checks, for dependencies, and for readiness, liveness and health of
//! components.
//!
//! A try never outlives its time-out, follows no redirect, reads a bounded answer, and names no secret in its outcome.

mod attempt;
mod fault;
mod http;
mod json_rpc;
mod page;
mod postgres;
mod prober;
mod program;
mod reading;
mod redis;
mod resolve;
mod rhythm;
mod telegram;

pub(crate) use fault::{peers_words, shown};
pub(crate) use resolve::connect;

pub use attempt::{Asker, Purpose, attempt, once};
pub use fault::{Answer, Page, ProbeFault};
pub use json_rpc::Blocks;
pub use prober::{Ask, Outcome, Prober, StartFailed, Tried};
pub use program::{Runner, judge};
pub use reading::{BotHealth, read_health};
pub use rhythm::{Ended, Rhythm, Terms};

#[cfg(test)]
mod tests;
