//! What is asked whether it answers, and how.

use failstop_settings::{Argv, HostPort, Secret, Url};
use std::path::PathBuf;
use std::time::Duration;

/// What is asked whether it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// GET, good with a status of 200 to 399.
    Http {
        /// What is asked.
        url: Url,
        /// Further authorities for TLS.
        ca_file: Option<PathBuf>,
    },
    /// A connection can be made.
    Tcp(HostPort),
    /// PING.
    Redis {
        /// Where.
        at: HostPort,
        /// As whom; absent: the default user.
        user: Option<String>,
        /// With which password.
        password: Option<Secret>,
    },
    /// The server speaks PostgreSQL and takes connections.
    Postgres {
        /// Where.
        at: HostPort,
        /// The user whose start-up message is sent.
        user: Option<String>,
    },
    /// A JSON-RPC node whose block number moves on.
    JsonRpc {
        /// What is asked.
        url: Url,
        /// The number must move on within this span.
        stuck_after: Duration,
        /// Further authorities for TLS.
        ca_file: Option<PathBuf>,
    },
    /// Telegram's `getMe`.
    Telegram {
        /// Where the service is.
        api_base: Url,
        /// The bot's token.
        token: Secret,
        /// Further authorities for TLS.
        ca_file: Option<PathBuf>,
    },
    /// A program that ends with status 0.
    Exec(Argv),
}

impl Probe {
    /// How the configuration names it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Tcp(_) => "tcp",
            Self::Redis { .. } => "redis",
            Self::Postgres { .. } => "postgres",
            Self::JsonRpc { .. } => "json_rpc",
            Self::Telegram { .. } => "telegram",
            Self::Exec(_) => "exec",
        }
    }

    /// The secret that it needs, if it needs one.
    pub const fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Redis { password, .. } => password.as_ref(),
            Self::Telegram { token, .. } => Some(token),
            Self::Http { .. } | Self::Tcp(_) | Self::Postgres { .. } | Self::JsonRpc { .. } | Self::Exec(_) => None,
        }
    }

    /// Further authorities for TLS, where they are configured.
    pub const fn ca_file(&self) -> Option<&PathBuf> {
        match self {
            Self::Http { ca_file, .. } | Self::JsonRpc { ca_file, .. } | Self::Telegram { ca_file, .. } => {
                ca_file.as_ref()
            }
            Self::Tcp(_) | Self::Redis { .. } | Self::Postgres { .. } | Self::Exec(_) => None,
        }
    }
}

/// How often something is asked, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Time between two probes.
    pub interval: Duration,
    /// How long a try may take.
    pub timeout: Duration,
    /// Failed tries in a row that mean that it does not answer.
    pub tries: u32,
}
