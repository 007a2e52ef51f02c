//! The doors: every way in from outside. Each parses into [`crate::command::Command`]; what is legal when is decided
//! behind it, by the loop.

mod ask;
mod beat;
pub mod bot;
pub mod control;
#[cfg(test)]
mod control_cases;
#[cfg(test)]
mod fake_loop;
mod http;
pub mod observe;
mod proving;
mod range;
#[cfg(test)]
mod reference_tests;
pub mod remote;
mod stall;
pub mod telegram;
mod thread;
pub mod tls;
mod turned_away;

pub use beat::Pulse;
pub use http::Limits;
pub use stall::sent_bytes;
pub use thread::{HttpDoors, Link, Listeners, StartFailed};
