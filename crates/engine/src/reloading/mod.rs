//! The configuration file while the engine runs: who watches it, when it is read, and which versions of it are kept.
//!
//! A thread beside the loop does all of it, since reading a file may wait: it watches every directory that the file's path goes
//! through, lets a change come to rest, reads and validates the whole file, and hands the loop a [`Candidate`] or says what is wrong.
//! What becomes of a candidate is the loop's to decide (`app/reload.rs`). The commands that write the file use [`rewrite`].

mod eyes;
mod history;
mod keeper;
mod places;
pub mod rewrite;
mod watch;

pub use eyes::{CHECK_EVERY, Candidate, Eyes, Found, REST, RESTLESS, Wrong, digest};
pub use history::{CONFIG_DIR, History, HistoryError, KEPT_BYTES_MAX, Version};
pub use keeper::{By, Keeper, Looked, Word, changed};
pub use places::places;
pub use watch::Watch;
