//! Profiles: named sets of defaults that come before the file. What a profile does not name keeps its built-in default.
//!
//! Further numbers of the profiles (success rate, daily loss, API errors) come with the parts that judge them.

use super::setting::Choice;

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

/// Key, its value in `production`, its value in `development`.
pub(crate) const ROWS: &[(&str, &str, &str)] = &[
    ("dependency.interval", "\"180s\"", "\"600s\""),
    ("limits.memory_warn", "\"400MB\"", "\"600MB\""),
    ("failsafe.emergency_shutdown", "true", "false"),
];

/// What `profile` says about a key (`section.key`), as TOML.
pub(crate) fn value_of(profile: Profile, key: &str) -> Option<&'static str> {
    ROWS.iter().find(|(name, _, _)| *name == key).map(|(_, production, development)| match profile {
        Profile::Production => *production,
        Profile::Development => *development,
    })
}
