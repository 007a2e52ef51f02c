//! What the control listener answers a watchdog: everything that it judges by, and an end. Nothing here loosens, and nothing
//! that an operator decides.

use crate::command::Principal;
use crate::doors::ask::Asker;
use crate::doors::beat::{Streams, with_beat};
use crate::doors::control::routes::{BadRequest, end_from_afar, put, wrong_method};
use crate::doors::http::problem;
use crate::doors::observe;
use crate::doors::range::{Ranges, with_journal};
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Extension, Router};
use failstop_client::status::EndKind;
use std::sync::Arc;
use std::time::Duration;

/// The paths that take POST.
pub const ENDS: [(&str, EndKind); 2] =
    [("/api/control/stop", EndKind::Stop), ("/api/control/restart", EndKind::Restart)];

/// What somebody whose signature was believed is answered. An order waits at most `wait`.
pub(super) fn router(asker: &Arc<Asker>, streams: &Streams, ranges: &Arc<Ranges>, wait: Duration) -> Router {
    let pages = observe::pages::with_pages(Router::new(), observe::pages::ON_CONTROL, asker, &Arc::default());
    let pages = with_journal(with_beat(pages, streams), ranges, asker);
    let router = ENDS.into_iter().fold(pages, |router, (path, kind)| {
        let asker = Arc::clone(asker);
        let handle = move |Extension(by): Extension<Principal>, headers: HeaderMap, body: Bytes| async move {
            let command: Result<_, BadRequest> = end_from_afar(kind, &headers, &body, by);
            match command {
                Ok(command) => put(&asker, wait, command).await,
                Err(bad) => problem(bad.code(), bad.to_string()),
            }
        };
        router.route(path, post(handle))
    });
    router.method_not_allowed_fallback(wrong_method).fallback(observe::pages::unknown_path)
}
