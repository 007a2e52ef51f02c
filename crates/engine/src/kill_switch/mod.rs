//! The kill switch: takes every permit back, remembers that on disk, and ends every process of a system. Works whatever
//! the engine is doing: running, frozen, dead, never started; needs no configuration and no network.
//!
//! The order is what makes it safe against an engine that wakes up in the middle: revoke, latch, revoke again (the page
//! may be a new one by then), kill until nothing is left. The engine does its part: it renews only from its own last
//! word, and looks at the latch before each publication and on both sides of each spawn.

pub(crate) mod durable;
mod engage;
mod halt_latches;
mod known;
mod latch;
mod report;
mod sweep;
mod traces;

pub use engage::{Caller, engage};
pub use halt_latches::{HaltLatch, HaltLatchError, list_halt_latches, remove_halt_latches, write_halt_latch};
pub use known::Unseen;
pub use latch::{
    Engagement, LATCH_FILE, Latch, LatchError, LatchProbe, MAX_REASON_BYTES, Written, read_latch, remove_latch,
    write_latch,
};
pub use report::{EngineWord, PageOutcome, Report, Verdict};
pub use sweep::{Survivor, Swept, Why};

#[cfg(test)]
mod tests;
