//! `[config]`: whether a changed file is taken while failstop runs, and how many versions of it are kept.

use failstop_settings::{Consistent, section, within};

section! {
    /// This file while failstop runs (docs/guide/configuration.md).
    pub struct Hot {
        /// Whether a change of this file is noticed and taken. With false it is taken on SIGHUP and `failstop config reload` only.
        hot_reload: bool, default true;
        /// How many versions that were in force are kept in config/ of the state directory, for `failstop config rollback`.
        history: u32, default 20, within("1", "1000");
    }
}

impl Consistent for Hot {}
