//! HTTP as both doors speak it: bounded connections, times, headers and bodies, and answers in JSON. Nothing a peer
//! sends or withholds may hold up anybody else.

use super::stall::Stalling;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// How long writing may wait for a peer that takes nothing.
    pub write: Duration,
    /// Streams of beats at one time; further ones are answered 503.
    pub streams: usize,
    /// Viewers of the dashboard at one time; further ones are answered 503.
    pub viewers: usize,
    /// How long one may watch before it must ask again, and show again who it is.
    pub watch: Duration,
    /// How long a connection may live, however busy; one that streams beats lives as long as the stream.
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
        write: Duration::from_secs(10),
        streams: 16,
        viewers: 100,
        watch: Duration::MAX,
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
        write: Duration::from_secs(10),
        streams: 4,
        viewers: 4,
        watch: Duration::MAX,
        connection: Duration::from_secs(120),
        answer: Duration::from_secs(2),
        order: Duration::from_secs(30),
    };

    /// The same, for orders that may wait so much longer: for a witness.
    pub fn for_orders_that_wait(self, more: Duration) -> Self {
        Self { order: self.order + more, connection: self.connection + more, ..self }
    }

    /// For the control listener.
    pub const REMOTE: Self = Self {
        connections: 128,
        header: Duration::from_secs(5),
        body: Duration::from_secs(5),
        header_bytes: 16 * 1024,
        body_bytes: 8 * 1024,
        write: Duration::from_secs(10),
        streams: 32,
        viewers: 8,
        watch: Duration::from_secs(300),
        connection: Duration::from_secs(120),
        answer: Duration::from_secs(2),
        order: Duration::from_secs(30),
    };
}

/// By which an answer tells its connection that it goes on.
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<AtomicBool>);

impl Hold {
    /// The answer is a stream: the connection's age no longer matters.
    pub fn stream(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn streams(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
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

    /// A slot, if one is free.
    pub fn free_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
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
        let hold = Hold::default();
        let router = TowerToHyperService::new(router);
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(hold.clone());
            router.call(request)
        });
        let stream = TokioIo::new(Stalling::new(stream, self.limits.write));
        // An upgraded connection leaves this place: whoever upgrades it bounds it.
        let mut connection = pin!(builder.serve_connection(stream, service).with_upgrades());
        tokio::select! {
            // A peer's garbage, silence or absence is its own affair: nothing is logged, nothing is told.
            _ = connection.as_mut() => return,
            () = async {
                sleep(lifetime).await;
                if hold.streams() {
                    std::future::pending::<()>().await;
                }
            } => {}
            () = self.closing() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(DRAIN, connection).await;
    }
}

/// One request over a router.
pub async fn lead(router: &Router, request: Request) -> Response {
    match TowerToHyperService::new(router.clone()).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It took too long.
    #[error("the body did not arrive within {} s", .0.as_secs())]
    Slow(Duration),
    /// It is too large.
    #[error("the body is larger than {0} bytes")]
    Large(usize),
    /// It broke off.
    #[error("the body could not be read to its end")]
    Broken,
}

impl BodyFault {
    /// Its status.
    pub fn code(self) -> StatusCode {
        match self {
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Large(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// A request's whole body, within its limits of size and time.
pub async fn whole(limits: &Limits, body: Body) -> Result<axum::body::Bytes, BodyFault> {
    let collected = timeout(limits.body, Limited::new(body, limits.body_bytes).collect())
        .await
        .map_err(|_| BodyFault::Slow(limits.body))?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyFault::Large(limits.body_bytes)),
        Err(_) => Err(BodyFault::Broken),
    }
}

/// Has the kernel drop a peer that acknowledges nothing for as long as writing may wait: a host that died says nothing.
pub fn drop_dead_peers(stream: &tokio::net::TcpStream, limits: &Limits) {
    let millis = u32::try_from(limits.write.as_millis()).unwrap_or(u32::MAX);
    // Best effort: what it does not catch is caught when the kernel's own patience ends.
    let _ = nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::TcpUserTimeout, &millis);
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

/// Whether a person's browser asks, to show what it gets: programs ask for anything, or for JSON.
pub fn wants_a_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.contains("text/html")
}

/// The host that is asked; `None` where none is said that can be read.
pub fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Whether a browser that says where its page is from says that it is from the very host that is asked; `None`: nobody says where from.
/// What is said and cannot be read is from elsewhere.
pub fn same_origin(headers: &HeaderMap) -> Option<bool> {
    let origin = headers.get(header::ORIGIN)?.to_str().ok();
    let authority = origin.and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    Some(
        matches!((authority, host(headers)), (Some(from), Some(host)) if !host.is_empty() && from.eq_ignore_ascii_case(host)),
    )
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
    /// Where another epoch was meant: the one that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// An answer that says no, without refusals.
pub fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    json(status, &Problem { error: error.into(), refusals: Vec::new(), epoch: None })
}
