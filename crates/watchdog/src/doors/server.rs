//! HTTP/1.1 on a listener: bounded connections, headers, bodies and times. Each request becomes an [`Asked`], each [`Reply`] an
//! answer.

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most connections at once on one listener; further ones wait in the kernel.
pub const CONNECTIONS_MAX: usize = 256;

/// The largest body, bytes.
pub const BODY_MAX: usize = 64 * 1024;

/// Time for a header.
const HEADER: Duration = Duration::from_secs(5);

/// Time for a body.
const BODY: Duration = Duration::from_secs(5);

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The path with its query, as it came.
    pub target: String,
    /// The value of `authorization`.
    pub authorization: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// The user id of whoever asks, on a Unix socket.
    pub user: Option<u32>,
}

impl Asked {
    /// A value of the query, as it stands there (no percent decoding: names and tokens need none).
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its `content-type`.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Reply {
    /// JSON.
    pub fn json(status: u16, value: &(impl serde::Serialize + ?Sized)) -> Self {
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self { status, content_type: "application/json", headers: Vec::new(), body }
    }

    /// Text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", headers: Vec::new(), body: text.into().into_bytes() }
    }

    /// What is wrong, in JSON.
    pub fn error(status: u16, text: impl Into<String>) -> Self {
        Self::json(status, &serde_json::json!({ "error": text.into() }))
    }

    /// The path takes other methods.
    pub fn method(allow: &'static str) -> Self {
        let mut reply = Self::error(405, format!("this path takes {allow}"));
        reply.headers.push(("allow", allow.to_owned()));
        reply
    }
}

/// The places of one listener.
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CONNECTIONS_MAX))
}

/// Serves one connection until it ends; `place` is free again then.
pub async fn serve<S, H, F>(stream: S, user: Option<u32>, place: OwnedSemaphorePermit, handle: Rc<H>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Fn(Asked) -> F + 'static,
    F: Future<Output = Reply> + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let handle = Rc::clone(&handle);
        async move { Ok::<_, Infallible>(answer(request, user, &*handle).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // A peer that breaks off or speaks no HTTP harms itself only.
    drop(served);
    drop(place);
}

async fn answer<H, F>(request: Request<Incoming>, user: Option<u32>, handle: &H) -> Response<Full<Bytes>>
where
    H: Fn(Asked) -> F,
    F: Future<Output = Reply>,
{
    let (parts, body) = request.into_parts();
    let head = parts.method == hyper::Method::HEAD;
    let read = tokio::time::timeout(BODY, Limited::new(body, BODY_MAX).collect()).await;
    let reply = match read {
        Err(_) => Reply::error(408, format!("the body did not arrive within {} s", BODY.as_secs())),
        Ok(Err(_)) => Reply::error(413, format!("the body is larger than {BODY_MAX} bytes, or broke off")),
        Ok(Ok(body)) => {
            let asked = Asked {
                method: if head { "GET".to_owned() } else { parts.method.as_str().to_owned() },
                path: parts.uri.path().to_owned(),
                target: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
                authorization: parts
                    .headers
                    .get("authorization")
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned),
                body: body.to_bytes().to_vec(),
                user,
            };
            handle(asked).await
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(if head { Vec::new() } else { reply.body })));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(reply.content_type));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
