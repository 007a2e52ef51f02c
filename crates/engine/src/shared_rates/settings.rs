//! Where the group's rates are counted, and what holds while they cannot be.

use super::fallback::Fallback;
use core::time::Duration;
use failstop_settings::{HostPort, Secret};
use std::path::PathBuf;

/// Everything that is needed to share rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the server is.
    pub address: Address,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Authorities that are trusted beside the usual ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// As whom; absent: the default user.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
    /// Which of the server's databases.
    pub database: u16,
    /// Which systems share: those that name the same group. Letters, digits, `-` and `_`.
    pub group: String,
    /// This system's name, unlike those of the others in the group.
    pub system: String,
    /// How long an order waits for an answer.
    pub timeout: Duration,
    /// What holds without one.
    pub fallback: Fallback,
    /// When trading days begin, after midnight UTC; the same in the whole group.
    pub day_starts: Duration,
    /// The file that remembers how far the group's memory had come.
    pub file: PathBuf,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(HostPort),
    /// A Unix socket.
    Unix(PathBuf),
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Tcp(at) => at.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}
