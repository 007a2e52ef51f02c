//! `GET /api/access` on the control socket and the control listener: as whom one asks, and which tokens there are.

use serde::{Deserialize, Serialize};

/// As whom one asks, and which tokens there are. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessList {
    /// As whom, as the journal names people.
    pub by: String,
    /// Its role: `viewer`, `admin`, `super-admin`.
    pub role: String,
    /// The tokens; whoever is no admin sees no other than its own.
    pub tokens: Vec<TokenEntry>,
    /// Why no token can be checked, for an admin: what is wrong with their file.
    pub fault: Option<String>,
    /// When this was. RFC 3339, UTC.
    pub timestamp: String,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEntry {
    /// Whose it is, or what for.
    pub name: String,
    /// Its role.
    pub role: String,
    /// When somebody showed it last; `None`: not since the engine started. RFC 3339, UTC.
    pub last_used: Option<String>,
}
