//! What is asked whether it answers, and how.

use failstop_settings::{Argv, Consistent, HostPort, Secret, Url, section};
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
    /// A page that is read whole.
    Page(Page),
    /// A program that ends with status 0.
    Exec(Argv),
}

/// A page that is read whole: GET, good with a status of 200 to 299.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What is asked.
    pub url: Url,
    /// Further authorities for TLS.
    pub ca_file: Option<PathBuf>,
    /// What is sent with it.
    pub headers: Vec<Header>,
    /// How much is read at most, bytes.
    pub most: usize,
}

section! {
    /// A line in a request's head.
    pub struct Header {
        /// Its name.
        name: String, required "X-Api-Key";
        /// Its value, which may be a key.
        value: Secret, required { env = "PRICE_API_KEY" };
    }
}

impl Consistent for Header {}

impl Eq for Header {}

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
            Self::Page(_) => "page",
            Self::Exec(_) => "exec",
        }
    }

    /// The secrets that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let (one, several): (Option<&Secret>, &[Header]) = match self {
            Self::Redis { password, .. } => (password.as_ref(), &[]),
            Self::Telegram { token, .. } => (Some(token), &[]),
            Self::Page(page) => (None, &page.headers),
            Self::Http { .. } | Self::Tcp(_) | Self::Postgres { .. } | Self::JsonRpc { .. } | Self::Exec(_) => {
                (None, &[])
            }
        };
        one.into_iter().chain(several.iter().map(|header| &header.value))
    }

    /// Further authorities for TLS, where they are configured.
    pub const fn ca_file(&self) -> Option<&PathBuf> {
        match self {
            Self::Http { ca_file, .. } | Self::JsonRpc { ca_file, .. } | Self::Telegram { ca_file, .. } => {
                ca_file.as_ref()
            }
            Self::Page(page) => page.ca_file.as_ref(),
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
