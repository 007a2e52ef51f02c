//! Profiles: named sets of defaults that come before the file. What a profile does not name keeps its built-in default.

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
    ProfileRow { key: "thresholds.every", values: &[("production", "\"180s\""), ("development", "\"600s\"")] },
    ProfileRow {
        key: "thresholds.api_error_rate.critical",
        values: &[("production", "\"0.05\""), ("development", "\"0.1\"")],
    },
    ProfileRow {
        key: "thresholds.success_rate.critical",
        values: &[("production", "\"90\""), ("development", "\"75\"")],
    },
    ProfileRow {
        key: "thresholds.daily_pnl.critical",
        values: &[("production", "\"-25\""), ("development", "\"-100\"")],
    },
    ProfileRow { key: "failsafe.emergency_shutdown", values: &[("production", "true"), ("development", "false")] },
];
