//! `[ledger]` and `[snapshots]`: how the books are kept.

use failstop_settings::{Choice, Consistent, section, within};
use std::time::Duration;

section! {
    /// How the ledger is kept.
    pub struct Ledger {
        /// What is posted to the outside account "suspense" must be explained (posted on) within this time; what stands longer is
        /// alerted.
        suspense_max_age: Duration, default "24h", within("1m", "8760h");
    }
}

impl Consistent for Ledger {}

section! {
    /// Snapshots of capital, positions, strategies, halts and mode, each bound to a record of the journal.
    pub struct Snapshots {
        /// How often one is taken: "daily" at midnight UTC. One that is due at a start is taken before trading begins, and
        /// `failstop snapshot take` takes one now.
        every: Every, default "daily";
        /// How many are kept; older ones are removed, and never one that verification still needs.
        keep: u32, default 400, within("2", "100000");
    }
}

impl Consistent for Snapshots {}

/// How often snapshots are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// At midnight UTC.
    Daily,
}

impl Choice for Every {
    const WORDS: &'static [(&'static str, Self)] = &[("daily", Self::Daily)];
    const WANTED: &'static str = "\"daily\"";
}
