//! The ways in. Each parses into one command type; what is legal when is decided behind them, by the engine's loop.

//! The doors: every way in from outside. Each parses into [`crate::command::Command`]; what is legal when is decided
//! behind it, by the loop.

pub use http::Limits;
pub use thread::{HttpDoors, StartFailed};

mod ask;
pub mod bot;
pub mod control;
mod http;
pub mod observe;
mod thread;
