//! `/ws`: how things stand, again and again, over a WebSocket; for the dashboard's page and for programs.
//!
//! While somebody watches, the loop is asked once every two seconds for all watchers together; while nobody does, never. Each
//! watcher gets the newest and misses what it was too slow for; one that takes nothing loses its place. Nothing that a watcher
//! says is listened to, and a page of another origin is turned away.

use super::pages::metrics_json;
use super::site::Site;
use crate::clock;
use crate::doors::ask::{Asker, Unanswered};
use crate::doors::http::{Limits, problem};
use crate::history::Span;
use crate::status::rfc3339;
use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::get;
use failstop_view::page::{self, Sight};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// The path.
pub const PATH: &str = "/ws";

/// Between two looks at the loop.
const EVERY: Duration = Duration::from_secs(2);

/// How often a watcher is told that the way is open, whatever the loop does.
const PING_EVERY: Duration = Duration::from_secs(15);

/// How many frames a watcher may send in all: a browser sends none but its goodbye.
const FRAMES_MAX: u32 = 256;

/// The most bytes of a frame that is read.
const FRAME_MAX: usize = 1024;

/// What is sent: for programs, and for the page, which gets itself besides.
#[derive(Clone, Debug)]
struct Update {
    figures: Utf8Bytes,
    page: Utf8Bytes,
}

/// What watchers are told.
#[derive(Clone, Debug)]
enum Told {
    Figures(Update),
    /// The loop gave no answer.
    Nothing,
}

/// The watchers of one door.
#[derive(Debug)]
pub(in crate::doors) struct Live {
    asker: Arc<Asker>,
    site: Arc<Site>,
    told: watch::Sender<Option<Told>>,
    viewers: Arc<Semaphore>,
    most: usize,
    write: Duration,
    closing: watch::Receiver<bool>,
    ticking: Mutex<Weak<Ticking>>,
}

/// A task that ends when nobody holds it any more.
#[derive(Debug)]
struct Ticking(AbortHandle);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Adds the path to a router.
pub(super) fn with_live(router: Router, live: &Arc<Live>) -> Router {
    let live = Arc::clone(live);
    router.route(
        PATH,
        get(
            move |uri: Uri, headers: HeaderMap, upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>| async move {
                live.open(&uri, &headers, upgrade)
            },
        ),
    )
}

impl Live {
    /// Nobody watches yet.
    pub fn new(asker: Arc<Asker>, site: Arc<Site>, limits: &Limits, closing: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            asker,
            site,
            told: watch::Sender::new(None),
            viewers: Arc::new(Semaphore::new(limits.viewers)),
            most: limits.viewers,
            write: limits.write,
            closing,
            ticking: Mutex::default(),
        })
    }

    fn open(
        self: Arc<Self>,
        uri: &Uri,
        headers: &HeaderMap,
        upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    ) -> Response {
        let Ok(upgrade) = upgrade else {
            let error = "this path speaks WebSocket only; /api/status and /api/metrics have the same for HTTP";
            return problem(StatusCode::UPGRADE_REQUIRED, error);
        };
        if !same_origin(headers) {
            return problem(StatusCode::FORBIDDEN, "a page of another origin may not watch");
        }
        let Ok(place) = Arc::clone(&self.viewers).try_acquire_owned() else {
            let error = format!("{} watch already, which is all there may be here", self.most);
            return problem(StatusCode::SERVICE_UNAVAILABLE, error);
        };
        let page = self.site.dashboard && uri.query().unwrap_or_default().split('&').any(|pair| pair == "view=page");
        upgrade
            .max_frame_size(FRAME_MAX)
            .max_message_size(FRAME_MAX)
            .on_upgrade(move |socket| async move { self.watched(socket, page, place).await })
    }

    /// One watcher, until it goes, is too slow, or the door closes.
    async fn watched(self: Arc<Self>, mut socket: WebSocket, page: bool, place: OwnedSemaphorePermit) {
        let _place = place;
        let mut told = self.told.subscribe();
        let _ticking = self.ticking();
        let mut closing = self.closing.clone();
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Its first picture is its own, with the charts that later ones leave out.
        let mut next = Some(self.look(true).await.map_or(Told::Nothing, Told::Figures));
        let mut frames = 0u32;
        loop {
            if let Some(told) = next.take() {
                let text = match told {
                    Told::Figures(update) if page => update.page,
                    Told::Figures(update) => update.figures,
                    Told::Nothing => alive(),
                };
                match timeout(self.write, socket.send(Message::Text(text))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            next = tokio::select! {
                changed = told.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    told.borrow_and_update().clone()
                }
                _ = ping.tick() => Some(Told::Nothing),
                said = socket.recv() => {
                    frames += 1;
                    match said {
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) if frames < FRAMES_MAX => None,
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_) | Message::Binary(_))) => {
                            return goodbye(socket, close_code::POLICY, "nobody listens here").await;
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    }
                }
                () = closes(&mut closing) => {
                    return goodbye(socket, close_code::AWAY, "the engine is stopping").await;
                }
            };
        }
    }

    fn ticking(self: &Arc<Self>) -> Arc<Ticking> {
        let mut current = self.ticking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticking) = current.upgrade() {
            return ticking;
        }
        let live = Arc::clone(self);
        let task = tokio::spawn(async move { live.tick().await });
        let ticking = Arc::new(Ticking(task.abort_handle()));
        *current = Arc::downgrade(&ticking);
        ticking
    }

    async fn tick(&self) {
        let mut due = interval_at(Instant::now() + EVERY, EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drawn = Instant::now();
        loop {
            due.tick().await;
            // The charts' own resolution: nothing moves in between.
            let charts = drawn.elapsed() >= Duration::from_secs(60);
            if charts {
                drawn = Instant::now();
            }
            let told = self.look(charts).await.map_or(Told::Nothing, Told::Figures);
            self.told.send_replace(Some(told));
        }
    }

    /// How things stand, written for everybody.
    async fn look(&self, charts: bool) -> Result<Update, Unanswered> {
        let status = self.asker.status().await?;
        let alerts = self.asker.alerts().await?;
        let history = if charts { Some(self.asker.history(Span::Day).await?) } else { None };
        let mut update = json!({
            "type": "metrics_update",
            "timestamp": status.timestamp,
            "metrics": metrics_json(&status),
            "alerts": alerts.alerts,
            "system_status": &*status,
        });
        let figures = Utf8Bytes::from(update.to_string());
        if self.site.dashboard
            && let Value::Object(fields) = &mut update
        {
            let sight = Sight {
                status: &status,
                alerts: Some(&alerts),
                history: history.as_deref(),
                now: clock::wall(),
                controls: self.site.controls,
                fleet: self.site.fleet.is_some(),
            };
            fields.insert("page".to_owned(), page::content(&sight).into());
        }
        Ok(Update { figures, page: update.to_string().into() })
    }
}

/// When the door closes.
async fn closes(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// That the way is open.
fn alive() -> Utf8Bytes {
    json!({ "type": "ping", "timestamp": rfc3339(clock::wall()) }).to_string().into()
}

async fn goodbye(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    // It may be gone, or take nothing: then it learns it from its connection's end.
    let _ = timeout(Duration::from_millis(200), socket.send(Message::Close(Some(frame)))).await;
}

/// Whether a browser that says where its page is from says that it is from here. Others say nothing. Any page that a person
/// has open could otherwise watch an address that only this host can reach.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    matches!((origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;

    #[test]
    fn only_pages_from_here_may_watch() {
        let judge = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            same_origin(&headers)
        };
        assert!(judge(None, "127.0.0.1:8080"), "programs say no origin");
        assert!(judge(Some("http://127.0.0.1:8080"), "127.0.0.1:8080"));
        assert!(judge(Some("https://Bot-Host"), "bot-host"), "behind a proxy with TLS");
        for foreign in ["http://evil.example", "http://127.0.0.1:8081", "null", "http://127.0.0.1:8080.evil", ""] {
            assert!(!judge(Some(foreign), "127.0.0.1:8080"), "{foreign}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_loop_is_asked_only_while_somebody_watches() {
        let (commands, mut asked) = tokio::sync::mpsc::channel(8);
        let (_open, closing) = watch::channel(false);
        let asker = Arc::new(Asker::new(commands, Duration::from_millis(100)));
        let live = Live::new(asker, Arc::default(), &Limits::OBSERVE, closing);
        let quiet = Duration::from_secs(3600);
        assert!(timeout(quiet, asked.recv()).await.is_err(), "before anybody watches");
        let (one, other) = (live.ticking(), live.ticking());
        let begun = Instant::now();
        for _ in 0..3 {
            // Each is given up, which is when the next may come.
            assert!(timeout(quiet, asked.recv()).await.is_ok());
        }
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        drop(one);
        assert!(timeout(quiet, asked.recv()).await.is_ok(), "the other one still does");
        drop(other);
        tokio::task::yield_now().await;
        while asked.try_recv().is_ok() {}
        assert!(timeout(quiet, asked.recv()).await.is_err(), "after the last one went");
    }
}
