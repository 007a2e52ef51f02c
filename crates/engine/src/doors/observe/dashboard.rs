//! The dashboard: the pages of `failstop_view`, with the headers that keep a browser from doing more than show them.

use super::shed;
use super::site::Site;
use crate::clock;
use crate::doors::ask::Asker;
use crate::doors::http::{answer, problem, wants_a_page};
use crate::history::Span;
use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use failstop_client::status::Status;
use failstop_view::page::{self, ASSETS, Figure, POLICY, Sight};
use jiff::Timestamp;
use std::sync::Arc;

/// The page with several systems, where the configuration names some.
pub(super) const FLEET: &str = "/fleet";

/// Adds what the pages need to a router.
pub(super) fn with_dashboard(router: Router, site: &Arc<Site>) -> Router {
    if !site.dashboard {
        return router;
    }
    let router = ASSETS.iter().fold(router, |router, asset| {
        router.route(asset.path, get(move || async move { guarded(answer(StatusCode::OK, asset.media, asset.text)) }))
    });
    if site.fleet.is_none() {
        return router;
    }
    let site = Arc::clone(site);
    router.route(FLEET, get(move |headers: HeaderMap| async move { fleet(&site, &headers).await }))
}

/// The page of this system.
pub(super) async fn front(asker: &Asker, site: &Site, headers: &HeaderMap) -> Response {
    let now = clock::wall();
    let status = match asker.status().await {
        Ok(status) => status,
        Err(unanswered) => return html(StatusCode::SERVICE_UNAVAILABLE, page::silent(&unanswered.to_string(), now)),
    };
    if status.breaker.is_shed() {
        if !wants_a_page(headers) {
            return shed::answer();
        }
        // Whoever looks at it because his host is in trouble must know what the system may do, and be able to stop it.
        let shown = site.shown();
        let figures = shown.lines();
        let sight = sight(&status, site, &figures, now);
        return shed::later(html(StatusCode::SERVICE_UNAVAILABLE, page::busy(&sight, shed::WORDS)));
    }
    // A page without incidents or charts says so; how things stand is what it must not be without.
    let alerts = asker.alerts().await.ok();
    let history = asker.history(Span::Day).await.ok();
    let shown = site.shown();
    let figures = shown.lines();
    let sight = Sight { alerts: alerts.as_deref(), history: history.as_deref(), ..sight(&status, site, &figures, now) };
    html(StatusCode::OK, page::document(&sight))
}

/// What is known without asking for more.
fn sight<'a>(status: &'a Status, site: &Site, figures: &'a [Figure<'a>], now: Timestamp) -> Sight<'a> {
    Sight { status, alerts: None, history: None, figures, now, controls: site.controls, fleet: site.fleet.is_some() }
}

async fn fleet(site: &Site, headers: &HeaderMap) -> Response {
    match &site.fleet {
        Some(_) if *site.shed.borrow() && wants_a_page(headers) => {
            let page = page::fleet_is_busy(shed::WORDS, clock::wall());
            shed::later(html(StatusCode::SERVICE_UNAVAILABLE, page))
        }
        Some(_) if *site.shed.borrow() => shed::answer(),
        Some(fleet) => html(StatusCode::OK, page::fleet::document(&fleet.members().await, clock::wall())),
        None => problem(StatusCode::NOT_FOUND, "no other systems are configured in [observe] fleet"),
    }
}

fn html(status: StatusCode, page: String) -> Response {
    guarded(answer(status, "text/html; charset=utf-8", page))
}

/// Nothing inline, nothing from or to another origin, in no other page's frame, and no word to a page that is left for.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in
        [("cross-origin-opener-policy", "same-origin"), ("cross-origin-resource-policy", "same-origin")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;
    use crate::command::Command;
    use crate::doors::fake_loop::answering;
    use http_body_util::BodyExt as _;
    use std::time::Duration;

    #[tokio::test]
    async fn charts_that_could_not_be_had_are_no_charts_without_figures() {
        let (commands, asked) = tokio::sync::mpsc::channel(8);
        tokio::spawn(answering(asked, |command| !matches!(command, Command::History(_))));
        let page = front(&Asker::new(commands, Duration::from_secs(60)), &Site::default(), &HeaderMap::new()).await;
        assert_eq!(page.status(), StatusCode::OK, "how things stand is there");
        let page = page.into_body().collect().await.unwrap().to_bytes();
        let page = String::from_utf8_lossy(&page);
        assert!(page.contains("The charts could not be had just now.") && !page.contains("Nothing yet"), "{page}");
    }
}
