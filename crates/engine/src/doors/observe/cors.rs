//! Which pages of other origins may read what is answered here, in the browser of whoever has them open. None, where the configuration
//! names none.

use crate::config::PageOrigin;
use crate::doors::http::{answer, problem};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

/// How long a browser may go by what it was told, seconds.
const MAX_AGE: &str = "600";

/// Those that may read.
#[derive(Clone, Debug, Default)]
pub(super) struct Cors(Vec<PageOrigin>);

impl Cors {
    /// These.
    pub fn of(origins: &[PageOrigin]) -> Self {
        Self(origins.to_vec())
    }

    /// Whether there is none.
    pub fn is_off(&self) -> bool {
        self.0.is_empty()
    }

    /// What a browser is to be told: the origin that asks, where it may read. Nothing is said to whoever may not, nor to programs,
    /// which say of no origin.
    pub fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut given = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (given.next(), given.next()) else { return None };
        self.0.iter().find_map(|allowed| match allowed {
            PageOrigin::Any => Some(HeaderValue::from_static("*")),
            PageOrigin::One(one) => (origin == one.as_str()).then(|| origin.clone()),
        })
    }

    /// The answer to a browser that asks whether a page may ask; `None` where this is no such question. It carries no proof of
    /// anybody, and is told nothing but this.
    pub fn preflight(&self, request: &Request, takes_tokens: bool) -> Option<Response> {
        let headers = request.headers();
        let method = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if self.is_off() || request.method() != Method::OPTIONS || !headers.contains_key(header::ORIGIN) {
            return None;
        }
        let Some(origin) = self.allowed(headers) else {
            let error = "a page of this origin may not read here: [observe] cors does not name it";
            return Some(self.vary(problem(StatusCode::FORBIDDEN, error)));
        };
        if method != "GET" && method != "HEAD" {
            let error = "this address only answers GET and changes nothing";
            return Some(self.vary(problem(StatusCode::FORBIDDEN, error)));
        }
        let mut response = answer(StatusCode::NO_CONTENT, "text/plain; charset=utf-8", "");
        let told = response.headers_mut();
        told.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        told.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        if takes_tokens {
            told.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization"));
        }
        told.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        Some(self.vary(response))
    }

    /// The answer, with what a browser is to be told.
    pub fn told(&self, mut response: Response, origin: Option<HeaderValue>) -> Response {
        if let Some(origin) = origin {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        self.vary(response)
    }

    /// What depends on who asks says so, also to whoever gets it without.
    fn vary(&self, mut response: Response) -> Response {
        if self.0.iter().any(|origin| matches!(origin, PageOrigin::One(_))) {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        }
        response
    }
}
