//! failstop-view: how a system looks to a person. Words for durations, sizes and states, and the pages that a browser is
//! shown. Pure: what is known comes in, text comes out; no I/O, no clock, no engine.
//!
//! Every text that a bot, an operator or a configuration chose passes through [`printable::printable`] and is escaped by the
//! template's own rules: nothing in here writes markup by hand.

pub mod component;
pub mod duration;
pub mod limit;
pub mod number;
pub mod page;
pub mod printable;
pub mod standing;
mod tone;

pub use tone::Tone;
