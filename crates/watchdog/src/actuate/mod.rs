//! The responder on a bot's host: stops, kills and starts the units that its configuration names, and nothing else. No shell;
//! every request is signed; every answer is a signed receipt of what was seen. It never starts a unit while anything of its old
//! life is left.

mod engine;
mod process;
pub mod responder;
pub mod unit;

pub use unit::{PidSource, Receipt, Refused, Unit, Units};
