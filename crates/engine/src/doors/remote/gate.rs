//! Proves who asks, before anything is looked at, and leads him to what he may ask. What is not proved is counted, slowed, and
//! answered with the reason alone.

use super::login;
use super::proof::{Shown, from_here, schemes, shown};
use crate::access::{Role, Roster, SessionId, SessionLimits, Sessions, Standing, Used, Who};
use crate::clock;
use crate::command::Principal;
use crate::doors::beat::Streamed;
use crate::doors::http::{Limits, lead, problem, whole};
use crate::doors::proving::{Known, Slowing, Tokens, Unproved};
use crate::doors::turned_away::Turned;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use failstop_client::signed::{self, ANSWER_HEADER, Refusal, Signer, Verifier};
use failstop_client::token::Digest;
use http_body_util::BodyExt as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Believes or refuses, and signs what is answered to a watchdog.
#[derive(Debug)]
pub(super) struct Gate {
    system: String,
    verifier: Mutex<Verifier>,
    /// `None` where no token is taken.
    tokens: Option<Tokens>,
    sessions: Mutex<Sessions>,
    slowing: Slowing,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is kept so panics half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    /// For requests to `system`; whoever proves nothing is slowed as `slowing` does.
    pub fn new(system: &str, verifier: Verifier, tokens: Option<Tokens>, slowing: Slowing) -> Self {
        Self {
            system: system.to_owned(),
            verifier: Mutex::new(verifier),
            tokens,
            sessions: Mutex::new(Sessions::new(SessionLimits::CONTROL)),
            slowing,
        }
    }

    /// The system's name.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// Counts the requests that were not believed.
    pub fn refused(&self) -> Arc<AtomicU64> {
        self.slowing.refused()
    }

    /// The file of tokens that are taken here.
    pub fn token_file(&self) -> Option<&Path> {
        self.tokens.as_ref().map(Tokens::file)
    }

    /// Whether tokens are taken here.
    pub const fn takes_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    fn signer(&self, parts: &Parts, body: &[u8], header: Option<&str>, now_ms: u64) -> Result<Signer, Refusal> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = signed::Request { audience: &self.system, method: parts.method.as_str(), target, body };
        lock(&self.verifier).verify(&request, header, now_ms)
    }

    fn roster(&self) -> Result<Roster, Unproved> {
        self.tokens.as_ref().ok_or(Unproved::Nothing)?.roster()
    }

    /// Whose token this is, by the file as it is now.
    pub fn of_token(&self, digest: Digest) -> Result<Known, Unproved> {
        self.tokens.as_ref().ok_or(Unproved::Nothing)?.of_token(digest)
    }

    /// Who somebody is whose certificate an authority of ours signed for this name.
    fn of_certificate(&self, name: &str) -> Result<Known, Unproved> {
        let roster = self.roster()?;
        let entry = roster.certified(name).ok_or_else(|| Unproved::NoRole(name.to_owned()))?;
        let who = Who { principal: Principal::Certificate(name.to_owned()), standing: Standing::Role(entry.role) };
        Ok(Known { who, by: entry.sign() })
    }

    fn of_session(&self, id: &SessionId) -> Result<Known, Unproved> {
        let token = lock(&self.sessions).token_of(id, clock::now()).ok_or(Unproved::Over)?;
        self.of_token(token).map_err(|unproved| match unproved {
            // Its token was revoked meanwhile: the session is no guess.
            Unproved::UnknownToken => Unproved::Over,
            other => other,
        })
    }

    /// A browser is logged in with this token from now on; `None` where the system gives no random bytes.
    pub fn log_in(&self, token: Digest) -> Option<SessionId> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).ok()?;
        let id = SessionId::of(random);
        lock(&self.sessions).begin(&id, token, clock::now());
        Some(id)
    }

    /// And is not any more.
    pub fn log_out(&self, id: &SessionId) {
        lock(&self.sessions).end(id);
    }

    /// The answer with its signature, which binds it to the request. A stream has none: it has no end to sign.
    async fn sign(&self, signer: &Signer, response: Response) -> Response {
        if response.extensions().get::<Streamed>().is_some() {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        // Our own answers are whole and bounded.
        let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made");
        };
        let verifier = lock(&self.verifier);
        let key = verifier.key(&signer.key);
        let signature = key.map(|key| key.sign_answer(signer.nonce, parts.status.as_u16(), &body));
        if let Some(Ok(value)) = signature.as_deref().map(HeaderValue::from_str) {
            parts.headers.insert(HeaderName::from_static(ANSWER_HEADER), value);
        }
        Response::from_parts(parts, Body::from(body))
    }
}

/// The gate, and what lies behind it for whom.
#[derive(Debug)]
pub(super) struct Inside {
    pub gate: Gate,
    pub limits: Limits,
    pub turned: Arc<Turned>,
    /// When tokens were shown last.
    pub used: Arc<Used>,
    /// Whether there is a page, and so a login.
    pub dashboard: bool,
    /// What a watchdog may ask.
    pub watchdogs: Router,
    /// What a viewer may.
    pub reading: Router,
    /// What whoever may act may: each order is judged by itself.
    pub acting: Router,
}

/// What one peer is answered. `certified`: the name that its certificate is for, if it showed one.
pub(super) fn guarded(inside: &Arc<Inside>, peer: SocketAddr, certified: Option<String>) -> Router {
    let (inside, certified) = (Arc::clone(inside), certified.map(Arc::from));
    Router::new().fallback(move |request: Request| {
        let (inside, certified): (_, Option<Arc<str>>) = (Arc::clone(&inside), certified.clone());
        async move { inside.pass(peer, certified.as_deref(), request).await }
    })
}

impl Inside {
    /// Whether a browser can log in here.
    pub const fn has_login(&self) -> bool {
        self.dashboard && self.gate.takes_tokens()
    }

    async fn pass(&self, peer: SocketAddr, certified: Option<&str>, request: Request) -> Response {
        let shown = shown(request.headers(), self.gate.takes_tokens());
        if let (Shown::Nothing, Some(name)) = (&shown, certified) {
            return match self.gate.of_certificate(name) {
                Ok(known) => self.known(known, request, false).await,
                Err(unproved) => self.refuse(peer, &unproved).await,
            };
        }
        match shown {
            Shown::Signature(header) => self.signed(peer, header.as_deref(), request).await,
            Shown::Token(Ok(token)) => match self.gate.of_token(token.digest()) {
                Ok(known) => self.known(known, request, false).await,
                Err(unproved) => self.refuse(peer, &unproved).await,
            },
            Shown::Token(Err(error)) => self.refuse(peer, &Unproved::NotAToken(error)).await,
            Shown::Session(id) => match self.gate.of_session(&id) {
                Ok(_) if login::is_logout(&request) => login::log_out(self, &id, &request),
                Ok(known) if self.has_login() && login::is_login(request.uri()) => {
                    if *request.method() == Method::POST {
                        login::log_in(self, peer, request).await
                    } else {
                        login::way_out(self.gate.system(), &known.who)
                    }
                }
                Ok(known) => self.known(known, request, true).await,
                Err(_) if self.has_login() && login::is_for_anybody(&request) => self.anybody(peer, request).await,
                Err(_) if self.has_login() && login::is_a_visit(&request) => login::lead_there(),
                Err(unproved) => self.refuse(peer, &unproved).await,
            },
            Shown::Nothing if self.has_login() && login::is_for_anybody(&request) => self.anybody(peer, request).await,
            Shown::Nothing if self.has_login() && login::is_a_visit(&request) => login::lead_there(),
            // A page of ours whose cookie has run out meanwhile: nobody guesses.
            Shown::Nothing if self.has_login() && from_here(request.headers(), true) => {
                self.refuse(peer, &Unproved::Over).await
            }
            Shown::Nothing if self.gate.takes_tokens() => self.refuse(peer, &Unproved::Nothing).await,
            Shown::Nothing => self.signed(peer, None, request).await,
        }
    }

    /// What needs no proof: the way to give one.
    async fn anybody(&self, peer: SocketAddr, request: Request) -> Response {
        match *request.method() {
            Method::GET | Method::HEAD if login::is_login(request.uri()) => login::form(self.gate.system(), None),
            Method::GET | Method::HEAD => lead(&self.reading, request).await,
            _ => login::log_in(self, peer, request).await,
        }
    }

    /// Somebody whose proof is good. A browser sends a session's along by itself, also for a page of somebody else's: what changes
    /// anything, or goes on, must say that it is from a page of ours.
    async fn known(&self, Known { who, by }: Known, mut request: Request, by_itself: bool) -> Response {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let goes_on = request.headers().contains_key(header::UPGRADE);
        if !from_here(request.headers(), by_itself && (!reads || goes_on)) {
            return problem(StatusCode::FORBIDDEN, "a page of another origin may not ask here");
        }
        self.used.note(&by, clock::wall());
        let router = match who.standing {
            Standing::Role(Role::Viewer) => &self.reading,
            Standing::Role(Role::Admin | Role::SuperAdmin) => &self.acting,
            Standing::Watchdog => &self.watchdogs,
        };
        request.extensions_mut().insert(who);
        lead(router, request).await
    }

    async fn signed(&self, peer: SocketAddr, header: Option<&str>, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let body: Bytes = match whole(&self.limits, body).await {
            Ok(body) => body,
            Err(fault) => return problem(fault.code(), fault.to_string()),
        };
        // Where there is a header that could not be read it is no signature of ours.
        let header = header.or_else(|| parts.headers.contains_key(header::AUTHORIZATION).then_some(""));
        match self.gate.signer(&parts, &body, header, clock::wall_ms()) {
            Err(Refusal::Malformed) if self.gate.takes_tokens() => self.refuse(peer, &Unproved::Scheme).await,
            Err(refusal) => self.refuse(peer, &Unproved::Signature(refusal)).await,
            Ok(signer) => {
                let who = Who { principal: Principal::Key(signer.key.clone()), standing: Standing::Watchdog };
                parts.extensions.insert(who);
                let response = lead(&self.watchdogs, Request::from_parts(parts, Body::from(body))).await;
                self.gate.sign(&signer, response).await
            }
        }
    }

    /// Counts and tells of somebody who proved nothing, and has him wait.
    pub async fn slow_down(&self, peer: SocketAddr, unproved: &Unproved) {
        self.gate.slowing.slow_down(peer, unproved, &self.turned).await;
    }

    async fn refuse(&self, peer: SocketAddr, unproved: &Unproved) -> Response {
        self.slow_down(peer, unproved).await;
        let mut response = problem(unproved.code(), unproved.to_string());
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if unproved.code() == StatusCode::UNAUTHORIZED {
            for scheme in schemes(self.gate.takes_tokens()) {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
        }
        response
    }
}
