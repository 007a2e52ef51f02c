//! What stands before the paths of the observe address, where the configuration wants something there: a token, and which pages may
//! read. Where it wants neither, nothing does.

use super::cors::Cors;
use crate::access::{Pace, Used};
use crate::clock;
use crate::doors::beat::Streamed;
use crate::doors::http::{answer, lead, problem};
use crate::doors::proving::{Slowing, Tokens, Unproved, authorization, bearer};
use crate::doors::turned_away::Turned;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use failstop_client::token::{Digest, Token, TokenError};
use hyper::body::Frame;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// How long a stream goes on with a token that was revoked meanwhile, at most.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Whose tokens are wanted, and what becomes of who has none.
#[derive(Debug)]
pub(super) struct Asking {
    tokens: Tokens,
    slowing: Slowing,
}

impl Asking {
    /// For the tokens of this file.
    pub fn of(file: PathBuf) -> Self {
        Self { tokens: Tokens::of(file), slowing: Slowing::new(Pace::OBSERVE) }
    }

    /// The same, counting those who prove nothing with those of another door.
    pub fn counting(self, refused: Arc<AtomicU64>) -> Self {
        Self { slowing: self.slowing.counting(refused), ..self }
    }

    /// Counts them.
    pub fn refused(&self) -> Arc<AtomicU64> {
        self.slowing.refused()
    }

    /// Whose token a request shows. A viewer's is enough, and there is no smaller role.
    fn proved(&self, headers: &HeaderMap, used: &Used) -> Result<Digest, Unproved> {
        let shown = authorization(headers).ok_or(Unproved::NoToken)?;
        let token = shown.and_then(bearer).ok_or(TokenError::NotAToken).and_then(Token::parse);
        let digest = token.map_err(Unproved::NotAToken)?.digest();
        let known = self.tokens.of_token(digest)?;
        used.note(&known.by, clock::wall());
        Ok(digest)
    }
}

/// The guard, and the paths behind it.
#[derive(Debug)]
pub(super) struct Guard {
    pub asking: Option<Asking>,
    pub cors: Cors,
    pub turned: Arc<Turned>,
    pub used: Arc<Used>,
    pub paths: Router,
    /// How often the token of a stream is looked at again.
    pub look_again: Duration,
}

/// What one peer is answered.
pub(super) fn guarded(guard: &Arc<Guard>, peer: SocketAddr) -> Router {
    let guard = Arc::clone(guard);
    Router::new().fallback(move |request: Request| {
        let guard = Arc::clone(&guard);
        async move { guard.pass(peer, request).await }
    })
}

impl Guard {
    async fn pass(&self, peer: SocketAddr, request: Request) -> Response {
        if let Some(response) = self.cors.preflight(&request, self.asking.is_some()) {
            return response;
        }
        let origin = self.cors.allowed(request.headers());
        let response = match &self.asking {
            None => lead(&self.paths, request).await,
            Some(asking) => self.asked(asking, peer, request).await,
        };
        self.cors.told(response, origin)
    }

    async fn asked(&self, asking: &Asking, peer: SocketAddr, request: Request) -> Response {
        match asking.proved(request.headers(), &self.used) {
            Ok(digest) => {
                let response = lead(&self.paths, request).await;
                if response.extensions().get::<Streamed>().is_none() {
                    return response;
                }
                let (tokens, again) = (asking.tokens.clone(), self.look_again);
                response.map(|body| Body::new(Watched { body, tokens, digest, again, due: Instant::now() + again }))
            }
            Err(unproved) => {
                asking.slowing.slow_down(peer, &unproved, &self.turned).await;
                refusal(&unproved, request.headers())
            }
        }
    }
}

/// For a person the words alone.
fn refusal(unproved: &Unproved, headers: &HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Never what an engine answers that is in trouble: a watchdog would restart one that trades, for the sake of a file.
    let code = match unproved {
        Unproved::NoRoster => StatusCode::FORBIDDEN,
        other => other.code(),
    };
    let mut response = if accepts.contains("text/html") {
        answer(code, "text/plain; charset=utf-8", format!("{unproved}\n"))
    } else {
        problem(code, unproved.to_string())
    };
    let told = response.headers_mut();
    told.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if code == StatusCode::UNAUTHORIZED {
        told.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"failstop\""));
    }
    response
}

/// A stream, which has no end of its own: it has one when its token is nobody's any more.
struct Watched {
    body: Body,
    tokens: Tokens,
    digest: Digest,
    again: Duration,
    due: Instant,
}

impl Watched {
    /// Whether the token is still somebody's, as far as it is time to look. A file that cannot be read just now ends no stream that
    /// a watchdog goes by: it shows its token with the next one.
    fn goes_on(&mut self) -> bool {
        if Instant::now() < self.due {
            return true;
        }
        self.due = Instant::now() + self.again;
        !matches!(self.tokens.of_token(self.digest), Err(Unproved::UnknownToken))
    }
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        // Each frame is one beat, one a second: a look every so often needs no clock of its own.
        Poll::Ready(frame.filter(|_| this.goes_on()))
    }
}
