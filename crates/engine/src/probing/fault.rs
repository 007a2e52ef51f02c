//! What came of one try: an answer, or why there was none. Neither ever holds a secret or a URL's query.

use failstop_settings::Url;
use std::fmt;
use std::io;
use std::time::Duration;

/// A good answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What was seen: `answers with status 200`, `connected`, `ended with status 0`.
    pub what: String,
    /// How long it took.
    pub took: Duration,
    /// The block number of a JSON-RPC node.
    pub block: Option<u64>,
    /// What a bot said of its health, where that was asked.
    pub page: Option<Page>,
}

/// A page as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status, 100 to 999.
    pub status: u16,
    /// The body; bounded.
    pub body: Vec<u8>,
}

impl Answer {
    /// Only words.
    pub(super) fn saying(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} ms", self.what, self.took.as_millis())
    }
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFault {
    /// The name has no address.
    #[error("{host} cannot be resolved: {error}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// No connection, or it broke.
    #[error("{target}: {error}")]
    Io {
        /// Who was asked.
        target: String,
        /// What the system said.
        error: io::Error,
    },
    /// It took too long.
    #[error("{0}: no answer in time")]
    TimedOut(String),
    /// It answered with a status that is no success.
    #[error("{target} answers with status {status}")]
    Status {
        /// Who was asked.
        target: String,
        /// 100 to 999.
        status: u16,
    },
    /// It answered, and what it said is not what it must say.
    #[error("{target} {how}")]
    Unfit {
        /// Who was asked.
        target: String,
        /// What is wrong with the answer.
        how: String,
    },
    /// It cannot be asked as configured: a secret or a certificate is missing.
    #[error("{target} cannot be asked: {why}")]
    Unusable {
        /// Who would be asked.
        target: String,
        /// What is missing.
        why: String,
    },
    /// The program did not end with status 0.
    #[error("{program} {how}")]
    Program {
        /// Which.
        program: String,
        /// How it ended.
        how: String,
    },
    /// The program was not started.
    #[error("{program} was not started: {why}")]
    NotStarted {
        /// Which.
        program: String,
        /// Of which kind the reason is.
        kind: io::ErrorKind,
        /// The reason.
        why: String,
    },
}

impl ProbeFault {
    /// Whether the try says something about who was asked. One that this host had no room for says nothing.
    pub fn is_evidence(&self) -> bool {
        match self {
            Self::NotStarted { kind, .. } => {
                matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
            }
            Self::Resolve { .. }
            | Self::Io { .. }
            | Self::TimedOut(_)
            | Self::Status { .. }
            | Self::Unfit { .. }
            | Self::Unusable { .. }
            | Self::Program { .. } => true,
        }
    }
}

/// A URL without its query, which may hold a key: `http://127.0.0.1:9000/ping`.
pub(crate) fn shown(url: &Url) -> String {
    let path = url.path.split('?').next().unwrap_or_default();
    format!("{}{path}", origin(url))
}

/// A URL without path and query, either of which may hold a key: `https://node.example.com`.
pub(super) fn origin(url: &Url) -> String {
    let (scheme, usual) = if url.tls { ("https", 443) } else { ("http", 80) };
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    if url.port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{}", url.port) }
}

/// The longest words of a peer that are repeated, in characters.
const WORDS_MAX: usize = 120;

/// Words that a peer chose, short and on one line.
pub(crate) fn peers_words(text: &str) -> String {
    // Covered first: what is cut off an address makes it none.
    crate::masking::text(&crate::printable::printable(text.trim())).chars().take(WORDS_MAX).collect()
}
