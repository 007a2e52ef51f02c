//! What the doors of the network have in common: whose a token is, why somebody proved nothing, and how he is slowed, counted and
//! told of for it.

use super::turned_away::Turned;
use crate::access::{Pace, Roster, Sign, Standing, Throttle, Who};
use crate::clock;
use crate::command::Principal;
use axum::http::{HeaderMap, StatusCode, header};
use failstop_client::signed::Refusal;
use failstop_client::token::{Digest, TokenError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// So many wait at one time for the answer that they proved nothing; further ones get it at once, so that they hold no connection.
const WAITING_MAX: usize = 64;

/// Somebody of the file of tokens, and what he showed.
#[derive(Debug)]
pub(super) struct Known {
    /// Who.
    pub who: Who,
    /// By what.
    pub by: Sign,
}

/// The one header that is to prove something: `None` where there is none, `Some(None)` where there are two, or it is no text.
pub(super) fn authorization(headers: &HeaderMap) -> Option<Option<&str>> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (None, _) => None,
        (Some(only), None) => Some(only.to_str().ok()),
        (Some(_), Some(_)) => Some(None),
    }
}

/// What stands where a token does.
pub(super) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The file of tokens, read anew each time: a line that is taken out revokes its token at once.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    file: PathBuf,
    /// As whom the engine runs.
    engine: u32,
}

impl Tokens {
    /// Those of this file.
    pub fn of(file: PathBuf) -> Self {
        Self { file, engine: nix::unistd::geteuid().as_raw() }
    }

    /// Which file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Who there is, as of now.
    pub fn roster(&self) -> Result<Roster, Unproved> {
        Roster::read(&self.file, self.engine).map_err(|error| {
            tracing::error!(%error, "no token is taken");
            Unproved::NoRoster
        })
    }

    /// Whose token this is.
    pub fn of_token(&self, digest: Digest) -> Result<Known, Unproved> {
        let roster = self.roster()?;
        let entry = roster.find(digest).ok_or(Unproved::UnknownToken)?;
        let who = Who { principal: Principal::Token(entry.name.clone()), standing: Standing::Role(entry.role) };
        Ok(Known { who, by: entry.sign() })
    }
}

/// What a door does about those who prove nothing.
#[derive(Debug)]
pub(super) struct Slowing {
    throttle: Mutex<Throttle>,
    waiting: Semaphore,
    refused: Arc<AtomicU64>,
}

impl Slowing {
    /// Nobody yet; they will wait as `pace` says.
    pub fn new(pace: Pace) -> Self {
        Self {
            throttle: Mutex::new(Throttle::new(pace)),
            waiting: Semaphore::new(WAITING_MAX),
            refused: Arc::default(),
        }
    }

    /// The same, counting them with those of another door.
    pub fn counting(self, refused: Arc<AtomicU64>) -> Self {
        Self { refused, ..self }
    }

    /// Counts them.
    pub fn refused(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.refused)
    }

    /// Counts and tells of one, and has him wait.
    pub async fn slow_down(&self, peer: SocketAddr, unproved: &Unproved, turned: &Turned) {
        if !unproved.is_a_try() {
            return;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        turned.unproved(&peer.ip().to_string(), &unproved.to_string());
        // Nothing that is kept so panics half-way.
        let wait = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).failed(peer.ip(), clock::now());
        if let Ok(_place) = self.waiting.try_acquire() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Why nothing is proved.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproved {
    /// A signature, or none where only those are taken.
    #[error(transparent)]
    Signature(#[from] Refusal),
    /// A header of no scheme that is taken here, where tokens are.
    #[error("{}, nor `Bearer failstop_…`, as a token is shown", Refusal::Malformed)]
    Scheme,
    /// Nothing was shown.
    #[error(
        "this needs a token (`authorization: Bearer failstop_…`, `--token-file` on the command line) or a signed request: \
         `failstop token new NAME --role ROLE` on the engine's host makes one"
    )]
    Nothing,
    /// Nothing was shown where tokens alone are taken.
    #[error(
        "this address wants a token of the role viewer or more (`authorization: Bearer failstop_…`; `token` of a watchdog's target, \
         `credentials_file` in Prometheus, `--token-file` on the command line): `failstop token new NAME --role viewer` on the engine's \
         host makes one; a browser logs in at the control listener instead (`[control] listen`)"
    )]
    NoToken,
    /// What was shown is no token.
    #[error("{0}; show the whole token, as `failstop token new` printed it")]
    NotAToken(TokenError),
    /// Nobody has this token.
    #[error(
        "this token is not known here: it was revoked, or is another system's; `failstop token list` on the engine's host shows \
         which there are"
    )]
    UnknownToken,
    /// A certificate that is good and gives no role.
    #[error(
        "the certificate for {0} is good and gives no role here: a line `{0} ROLE certificate` of the token file does"
    )]
    NoRole(String),
    /// The session is over.
    #[error("this session is over: log in again at /login")]
    Over,
    /// The file of tokens is no use.
    #[error("no token can be checked just now: the engine's log and `failstop check` on its host say why")]
    NoRoster,
}

impl Unproved {
    /// The answer's status.
    pub const fn code(&self) -> StatusCode {
        match self {
            Self::Signature(Refusal::Full) | Self::NoRoster => StatusCode::SERVICE_UNAVAILABLE,
            Self::Signature(
                Refusal::Unsigned
                | Refusal::Malformed
                | Refusal::UnknownKey(_)
                | Refusal::Forged { .. }
                | Refusal::OutOfTime { .. }
                | Refusal::TooOld
                | Refusal::Replayed,
            )
            | Self::Scheme
            | Self::Nothing
            | Self::NoToken
            | Self::NotAToken(_)
            | Self::UnknownToken
            | Self::NoRole(_)
            | Self::Over => StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether that may have been a guess. A session that ran out and a file that cannot be read are nobody's.
    pub const fn is_a_try(&self) -> bool {
        match self {
            Self::Signature(_)
            | Self::Scheme
            | Self::Nothing
            | Self::NoToken
            | Self::NotAToken(_)
            | Self::UnknownToken => true,
            Self::NoRole(_) | Self::Over | Self::NoRoster => false,
        }
    }
}
