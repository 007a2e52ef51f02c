//! failstop-engine: the shell around the core: it supervises, records, listens, and carries out what the core decides.

pub mod announce;
pub mod command;
pub mod doors;
pub mod words;
