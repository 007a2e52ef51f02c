//! The answers of `failstop config`: what is in force, what would change, what became of a reload. Fields are only ever added.

use serde::{Deserialize, Serialize};

/// Every value that is in force: `failstop config show --format json` and `GET /api/config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// The file, as the engine was given it.
    pub file: String,
    /// SHA-256 of the file's text that is in force.
    pub sha256: String,
    /// Since when it is: RFC 3339, UTC.
    pub since: String,
    /// Every value, in the order of the reference.
    pub values: Vec<Setting>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its key: `health.every`, `component.bot.stop_grace`.
    pub key: String,
    /// As TOML writes it; a secret's is `(secret)`.
    pub value: String,
    /// `live`, `restart` or `critical`: what a change of it asks for.
    pub class: String,
}

/// What would change, or has changed: `failstop config diff` and `reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// SHA-256 of the file's text.
    pub sha256: String,
    /// Every key whose value is another.
    pub changes: Vec<Changed>,
}

/// A key whose value is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Which.
    pub key: String,
    /// `live`, `restart` or `critical`.
    pub class: String,
    /// Its value before; absent where it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// How the configuration stands, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigSummary {
    /// SHA-256 of the file's text that is in force.
    pub sha256: String,
    /// Since when it is: RFC 3339, UTC.
    pub since: String,
    /// The same in seconds since 1970.
    pub since_unix: i64,
    /// Whether a change of the file is noticed by itself.
    pub hot_reload: bool,
    /// Why what the file says now is not in force; `null` where it is.
    pub fault: Option<String>,
    /// Since when that is so: RFC 3339, UTC.
    pub fault_since: Option<String>,
    /// The keys of the file that wait for a restart.
    pub pending_restart: Vec<String>,
}
