//! Profiles: named sets of defaults that come before the file. What a profile does not name keeps its built-in default.
//!
//! Further numbers of the profiles (success rate, daily loss, API errors) come with the parts that judge them.

use failstop_settings::{Choice, ProfileRow};
/// A named set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Stricter thresholds, more frequent checks.
    Production,
    /// Laxer thresholds, rarer checks, threshold triggers of the fail-safe off.
    Development,
}

impl Choice for Profile {
    const WORDS: &'static [(&'static str, Self)] =
        &[("production", Self::Production), ("development", Self::Development)];
    const WANTED: &'static str = "\"production\" or \"development\"";
}

impl Profile {
    /// The word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

/// Each profile's value of the keys that it names.
pub(crate) const ROWS: &[ProfileRow] = &[
    ProfileRow { key: "dependency.interval", values: &[("production", "\"180s\""), ("development", "\"600s\"")] },
    ProfileRow { key: "limits.memory_warn", values: &[("production", "\"400MB\""), ("development", "\"600MB\"")] },
    ProfileRow { key: "failsafe.emergency_shutdown", values: &[("production", "true"), ("development", "false")] },
];
