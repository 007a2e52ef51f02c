//! The dashboard with its controls, for whoever may act: on the control socket, where the kernel says who asks. A browser gets
//! here through a tunnel whose end is a port of the operator's own machine, which any page in that browser may address; so what a
//! browser says of where its page is from must be here.

use crate::doors::ask::Asker;
use crate::doors::http::{Limits, host, problem, same_origin};
use crate::doors::observe::{Live, Site, pages};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The page, for all connections of those who may act, or of those who may not.
#[derive(Clone, Debug)]
pub(in crate::doors) struct Page {
    asker: Arc<Asker>,
    site: Arc<Site>,
    live: Arc<Live>,
}

/// The two pages of one door, whose watchers share its places.
#[derive(Debug)]
pub(in crate::doors) struct Pages {
    /// For those who may act.
    pub acting: Page,
    /// For those who may look.
    pub reading: Page,
    /// The watchers of both.
    pub live: Arc<Live>,
}

impl Pages {
    /// Nobody watches yet.
    pub fn new(asker: &Arc<Asker>, dashboard: bool, limits: &Limits, closing: watch::Receiver<bool>) -> Self {
        let [with, without] = [true, false].map(|controls| Arc::new(Site::of_control(dashboard, controls)));
        let live = Live::new(Arc::clone(asker), Arc::clone(&with), limits, closing);
        let beside = live.beside(Arc::clone(&without));
        let asker = || Arc::clone(asker);
        Self {
            acting: Page { asker: asker(), site: with, live: Arc::clone(&live) },
            reading: Page { asker: asker(), site: without, live: beside },
            live,
        }
    }
}

impl Page {
    /// It, with everything that whoever is let in may ask.
    pub fn pages(&self) -> Router {
        let router = pages::with_pages(Router::new(), pages::ON_CONTROL, &self.asker, &Arc::default());
        let router = pages::with_pages(router, pages::ON_CONTROL_ONLY, &self.asker, &Arc::default());
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
        problem(
            StatusCode::FORBIDDEN,
            "a page of another origin may not ask here, nor anybody by a name that others can point here: use localhost, a \
             loopback address, or from a program http://failstop/",
        )
    }
}

/// A browser's page is from here when its `Origin` is the `Host` that it asks, and that host is a loopback address or `localhost`,
/// which browsers find by themselves: any other name, with a dot or without one, somebody in the operator's network can point at his
/// machine. `failstop` is what programs say that speak over the socket; no page is from there.
fn from_here(headers: &HeaderMap) -> bool {
    let host = host(headers).unwrap_or_default();
    match same_origin(headers) {
        Some(same) => same && is_loopback(host),
        // A browser does not say where its own page is from when it only reads.
        None => is_loopback(host) || host == "failstop",
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    name.parse::<IpAddr>().map_or(name == "localhost" || name.ends_with(".localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;
    use axum::http::{HeaderValue, header};

    #[test]
    fn a_foreign_page_is_told_from_ours() {
        let judge = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_bytes(origin.as_bytes()).unwrap());
            }
            from_here(&headers)
        };
        for (host, origin) in [
            ("failstop", None),
            ("localhost:8090", Some("http://localhost:8090")),
            ("LOCALHOST:8090", None),
            ("demo.localhost:8090", Some("http://demo.localhost:8090")),
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
            // Names without a dot are anybody's in the operator's network.
            ("printer:8090", Some("http://printer:8090")),
            ("printer:8090", None),
            ("failstop:8090", Some("http://failstop:8090")),
            ("failstop", Some("http://failstop")),
            ("failstop:8090", None),
            ("localhost.evil.example", None),
            ("", None),
            // What cannot be read is nobody's.
            ("127.0.0.1:8090", Some("http://bücher")),
            ("localhost:8090", Some("bücher")),
            ("bücher.localhost", Some("http://bücher.localhost")),
            ("bücher.localhost", None),
            ("bücher", Some("http://")),
        ] {
            assert!(!judge(host, origin), "{host} {origin:?}");
        }
    }
}
