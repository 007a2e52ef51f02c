//! What only shows gives way while the host is too busy: the loop says so, and the doors obey.

use crate::doors::http::problem;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

/// When to look again, seconds: a breaker tries so often where nobody configured it otherwise.
const RETRY_AFTER: &str = "60";

/// What is said instead.
pub(super) const WORDS: &str = "this host is too busy: pictures and figures over time give way until it has room again, and trading is \
                                guarded as before; /api/status, /health and /metrics answer, `failstop breaker status` says more";

/// The answer of what gives way.
pub(super) fn answer() -> Response {
    later(problem(StatusCode::SERVICE_UNAVAILABLE, WORDS))
}

/// An answer, and when to ask again for what gave way.
pub(super) fn later(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}
