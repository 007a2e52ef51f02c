//! Proves who asks, before anything is looked at. What is not proved is counted, slowed, and answered with the reason alone.

use crate::clock;
use crate::command::Principal;
use crate::doors::beat::Streamed;
use crate::doors::http::{Limits, problem, whole};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use failstop_client::signed::{self, ANSWER_HEADER, Refusal, Signer, Verifier};
use http_body_util::BodyExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Believes or refuses, and signs what is answered.
#[derive(Debug)]
pub(super) struct Gate {
    system: String,
    verifier: Mutex<Verifier>,
    refused: Arc<AtomicU64>,
    penalty: Duration,
}

impl Gate {
    /// For requests to `system`; a refused one waits `penalty` for its answer.
    pub fn new(system: &str, verifier: Verifier, penalty: Duration) -> Self {
        Self { system: system.to_owned(), verifier: Mutex::new(verifier), refused: Arc::default(), penalty }
    }

    /// Counts the requests that were not believed.
    pub fn refused(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.refused)
    }

    fn verifier(&self) -> MutexGuard<'_, Verifier> {
        // Nothing in there panics half-way.
        self.verifier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who asks. Tokens of people join here: another scheme in the same header, another kind of principal.
    fn authenticate(&self, parts: &Parts, body: &[u8], now_ms: u64) -> Result<Signer, Refusal> {
        let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
        let header = match (headers.next(), headers.next()) {
            (None, _) => None,
            (Some(only), None) => Some(only.to_str().map_err(|_| Refusal::Malformed)?),
            (Some(_), Some(_)) => return Err(Refusal::Malformed),
        };
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = signed::Request { audience: &self.system, method: parts.method.as_str(), target, body };
        self.verifier().verify(&request, header, now_ms)
    }

    async fn refuse(&self, refusal: &Refusal) -> Response {
        self.refused.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%refusal, "the control listener did not believe a request");
        tokio::time::sleep(self.penalty).await;
        let code = match refusal {
            Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Unsigned
            | Refusal::Malformed
            | Refusal::UnknownKey(_)
            | Refusal::Forged { .. }
            | Refusal::OutOfTime { .. }
            | Refusal::TooOld
            | Refusal::Replayed => StatusCode::UNAUTHORIZED,
        };
        let mut response = problem(code, refusal.to_string());
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        if code == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(signed::SCHEME));
        }
        response
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
        let verifier = self.verifier();
        let key = verifier.key(&signer.key);
        let signature = key.map(|key| key.sign_answer(signer.nonce, parts.status.as_u16(), &body));
        if let Some(Ok(value)) = signature.as_deref().map(HeaderValue::from_str) {
            parts.headers.insert(HeaderName::from_static(ANSWER_HEADER), value);
        }
        Response::from_parts(parts, Body::from(body))
    }
}

/// Lets only what is believed through to `router`.
pub(super) fn guarded(router: Router, gate: Arc<Gate>, limits: &Limits) -> Router {
    let limits = Arc::new(limits.clone());
    router.layer(from_fn(move |request: Request, next: Next| {
        let (gate, limits) = (Arc::clone(&gate), Arc::clone(&limits));
        async move { pass(&gate, &limits, request, next).await }
    }))
}

async fn pass(gate: &Gate, limits: &Limits, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let body: Bytes = match whole(limits, body).await {
        Ok(body) => body,
        Err(fault) => return problem(fault.code(), fault.to_string()),
    };
    match gate.authenticate(&parts, &body, clock::wall_ms()) {
        Err(refusal) => gate.refuse(&refusal).await,
        Ok(signer) => {
            parts.extensions.insert(Principal::Key(signer.key.clone()));
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            gate.sign(&signer, response).await
        }
    }
}
