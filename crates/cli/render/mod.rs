//! How facts are put into words: numbers, sizes, durations, tables and the few words that have a colour.

pub mod alerts;
pub mod booked;
pub mod bot_line;
pub mod config;
pub mod event;
pub mod gate;
pub mod nagios;
mod notes;
pub mod orders;
pub mod processes;
pub mod report;
pub mod snapshot;
pub mod status;
pub mod style;
pub mod table;
pub mod verify;
pub mod wrap;

pub use failstop_view::{duration, number};

/// Whom a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Somebody at a terminal: blocks, aligned, with air between them.
    People,
    /// A pipe or a file: one line a fact, so that grep and awk find it whole.
    Lines,
}
