//! HTTP as both doors speak it: bounded connections, times, headers and bodies, and answers in JSON. Nothing a peer
//! sends or withholds may hold up anybody else.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// What a peer may take up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// From the first chance to send a request until its header is whole; also how long a connection may be idle.
    pub header: Duration,
    /// How long a body may take.
    pub body: Duration,
    /// Bytes of a request's header, at least 8 192.
    pub header_bytes: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// How long a connection may live, however busy.
    pub connection: Duration,
    /// How long a request waits for the loop.
    pub answer: Duration,
    /// How long an operator's order waits for the loop (checks may run, and a record must become durable).
    pub order: Duration,
}

impl Limits {
    /// For the observe address.
    pub const OBSERVE: Self = Self {
        connections: 256,
        header: Duration::from_secs(5),
        body: Duration::from_secs(5),
        header_bytes: 16 * 1024,
        body_bytes: 0,
        connection: Duration::from_secs(60),
        answer: Duration::from_secs(2),
        order: Duration::ZERO,
    };

    /// For the control socket.
    pub const CONTROL: Self = Self {
        connections: 64,
        header: Duration::from_secs(5),
        body: Duration::from_secs(5),
        header_bytes: 16 * 1024,
        body_bytes: 64 * 1024,
        connection: Duration::from_secs(120),
        answer: Duration::from_secs(2),
        order: Duration::from_secs(30),
    };
}

/// How long an answer that is under way may still take when the connection must end.
const DRAIN: Duration = Duration::from_secs(2);

/// The connections of one door.
#[derive(Clone, Debug)]
pub struct Connections {
    limits: Limits,
    slots: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

impl Connections {
    /// None yet. They end soon after `closing` says true or its sender is dropped.
    pub fn new(limits: Limits, closing: watch::Receiver<bool>) -> Self {
        let slots = Arc::new(Semaphore::new(limits.connections));
        Self { limits, slots, closing }
    }

    /// Waits for a free slot; `None` once closing.
    pub async fn slot(&mut self) -> Option<OwnedSemaphorePermit> {
        let slots = Arc::clone(&self.slots);
        tokio::select! {
            _ = self.closing.wait_for(|closing| *closing) => None,
            slot = slots.acquire_owned() => slot.ok(),
        }
    }

    /// Waits until closing begins.
    pub async fn closing(&mut self) {
        let _ = self.closing.wait_for(|closing| *closing).await;
    }

    /// Waits until every connection has ended.
    pub async fn ended(&self) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let _ = self.slots.acquire_many(all).await;
    }

    /// Serves one connection until it ends, its time is up, or the door closes.
    pub async fn serve<S>(mut self, stream: S, router: Router, slot: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let _slot = slot;
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(self.limits.header_bytes)
            .max_headers(64);
        let lifetime = self.limits.connection;
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = pin!(connection);
        tokio::select! {
            // A peer's garbage, silence or absence is its own affair: nothing is logged, nothing is told.
            _ = connection.as_mut() => return,
            () = sleep(lifetime) => {}
            () = self.closing() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(DRAIN, connection).await;
    }
}

/// Whether accepting failed for a reason that only passes with time (no descriptors or memory left), so that trying again
/// at once would spin.
pub async fn wait_after_accept_error(error: &std::io::Error) {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => sleep(Duration::from_millis(100)).await,
        // The peer was gone before it was taken: the next one may be fine.
        Some(_) | None => tokio::task::yield_now().await,
    }
}

/// An answer in JSON.
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            answer(status, "application/json", bytes)
        }
        // Only a map with keys that are no strings, or a failing `Serialize`, ends here; our types have neither.
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", error.to_string()),
    }
}

/// An answer of any type. Never cached, never sniffed.
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The body of every answer that says no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Problem {
    /// What is wrong, in one sentence for people.
    pub error: String,
    /// Where the engine refused: every reason, each with what to do next. Otherwise empty.
    #[serde(default)]
    pub refusals: Vec<String>,
}

/// An answer that says no, without refusals.
pub fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    json(status, &Problem { error: error.into(), refusals: Vec::new() })
}
