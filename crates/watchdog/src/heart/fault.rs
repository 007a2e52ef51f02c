//! What can be wrong with an answer, by the stage at which it went wrong: the stage decides whose fault it may be, and
//! whether a restart could mend it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a probe failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The name did not resolve.
    Dns,
    /// No connection: refused, unreachable, reset.
    Connect,
    /// The certificate or the handshake.
    Tls,
    /// No answer in time.
    TimeOut,
    /// It answers, and lets this watchdog see nothing: its token is missing, unknown or revoked.
    Access,
    /// An HTTP status that is not what was wanted, without a verdict in the body; a command's exit status.
    Status,
    /// The body is missing, not JSON, too large, or without what was wanted in it.
    Body,
    /// The engine's own verdict: `critical` or `error`.
    Verdict,
    /// The answer is old, cached, replayed, or stands still.
    Stale,
    /// The journal's head went back, or the epoch did.
    Head,
}

impl Stage {
    /// Whether the watchdog's own network could be the cause: no byte of an answer arrived.
    pub const fn may_be_own_network(self) -> bool {
        match self {
            Self::Dns | Self::Connect | Self::Tls | Self::TimeOut => true,
            Self::Access | Self::Status | Self::Body | Self::Verdict | Self::Stale | Self::Head => false,
        }
    }

    /// Whether the restart of a process could mend it. An engine that answers for itself (`Verdict`) has already done what
    /// is safe; a certificate, a name, a token or a journal is not mended by a restart.
    pub const fn may_be_mended_by_restart(self) -> bool {
        match self {
            Self::Connect | Self::TimeOut | Self::Status | Self::Body | Self::Stale => true,
            Self::Dns | Self::Tls | Self::Access | Self::Verdict | Self::Head => false,
        }
    }

    /// Its word, as in `/status` and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::TimeOut => "time-out",
            Self::Access => "access",
            Self::Status => "status",
            Self::Body => "body",
            Self::Verdict => "verdict",
            Self::Stale => "stale",
            Self::Head => "head",
        }
    }
}

/// One failed answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Where it failed.
    pub stage: Stage,
    /// What was seen, in words, without secrets.
    pub detail: String,
}

impl Fault {
    /// A fault at this stage.
    pub fn new(stage: Stage, detail: impl Into<String>) -> Self {
        Self { stage, detail: detail.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage.word(), self.detail)
    }
}
