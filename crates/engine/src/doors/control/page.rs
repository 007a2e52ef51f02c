//! The dashboard with its controls, for whoever may act: on the control socket, where the kernel says who asks. A browser gets
//! here through a tunnel whose end is a port of the operator's own machine, which any page in that browser may address; so what a
//! browser says of where its page is from must be here.

use crate::doors::ask::Asker;
use crate::doors::http::{Limits, problem};
use crate::doors::observe::{Live, Site, pages};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The page, for all connections.
#[derive(Clone, Debug)]
pub(super) struct Page {
    asker: Arc<Asker>,
    site: Arc<Site>,
    live: Arc<Live>,
}

impl Page {
    /// Nobody watches yet.
    pub fn new(asker: &Arc<Asker>, dashboard: bool, limits: &Limits, closing: watch::Receiver<bool>) -> Self {
        let site = Arc::new(Site::with_controls(dashboard));
        let live = Live::new(Arc::clone(asker), Arc::clone(&site), limits, closing);
        Self { asker: Arc::clone(asker), site, live }
    }

    /// Adds it to a router.
    pub fn on(&self, router: Router) -> Router {
        if self.site.dashboard { pages::with_front(router, &self.asker, &self.site, &self.live) } else { router }
    }
}

/// Turns away what comes from a page of somebody else's.
pub(super) fn guarded(router: Router) -> Router {
    router.layer(from_fn(judged))
}

async fn judged(request: Request, next: Next) -> Response {
    if from_here(request.headers()) {
        next.run(request).await
    } else {
        problem(StatusCode::FORBIDDEN, "a page of another origin may not ask here")
    }
}

/// A browser's page is from here when its `Origin` is the `Host` that it asks, and that host is a loopback address, `localhost`, or
/// a name without a dot, which nobody else can point at the operator's machine.
fn from_here(headers: &HeaderMap) -> bool {
    let said = |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or_default());
    let host = said(header::HOST).unwrap_or_default();
    let origin = said(header::ORIGIN).map(|origin| origin.split_once("://").map_or("", |(_, authority)| authority));
    origin.is_none_or(|origin| origin.eq_ignore_ascii_case(host)) && is_ours(host)
}

fn is_ours(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.parse::<IpAddr>().map_or(!name.contains('.'), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;

    #[test]
    fn a_foreign_page_is_told_from_ours() {
        let judge = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            from_here(&headers)
        };
        for (host, origin) in [
            ("failstop", None),
            ("localhost:8090", Some("http://localhost:8090")),
            ("127.0.0.1:8090", Some("http://127.0.0.1:8090")),
            ("[::1]:8090", Some("http://[::1]:8090")),
        ] {
            assert!(judge(host, origin), "{host} {origin:?}");
        }
        for (host, origin) in [
            // A page of another origin.
            ("127.0.0.1:8090", Some("http://evil.example")),
            ("127.0.0.1:8090", Some("http://127.0.0.1:3000")),
            ("127.0.0.1:8090", Some("null")),
            // A name that somebody points at the operator's machine.
            ("evil.example:8090", Some("http://evil.example:8090")),
            ("evil.example:8090", None),
            ("10.0.0.1", None),
        ] {
            assert!(!judge(host, origin), "{host} {origin:?}");
        }
    }
}
