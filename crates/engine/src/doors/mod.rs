//! The doors: every way in from outside. Each parses into [`crate::command::Command`]; what is legal when is decided
//! behind it, by the loop.

mod ask;
pub mod bot;
pub mod control;
#[cfg(test)]
mod fake_loop;
mod http;
pub mod observe;
#[cfg(test)]
mod reference_tests;
mod thread;

pub use http::Limits;
pub use thread::{HttpDoors, StartFailed};
