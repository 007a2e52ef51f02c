//! `/ws`: how things stand, again and again, over a WebSocket; for the dashboard's page and for programs.
//!
//! While somebody watches, the loop is asked once every two seconds for all watchers together; while nobody does, never. Each
//! watcher gets the newest and misses what it was too slow for; one that takes nothing loses its place. Nothing that a watcher
//! says is listened to, and a page of another origin is turned away unless the configuration names it.

use super::pages::metrics_json;
use super::site::Site;
use crate::clock;
use crate::doors::ask::{Asker, Unanswered};
use crate::doors::http::{Limits, problem, same_origin};
use crate::history::Span;
use crate::status::rfc3339;
use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use failstop_client::status::Status;
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

/// How many frames a watcher may send between two of our pings: a browser sends none but its goodbye, a program may say that it is
/// still there.
const FRAMES_MAX: u32 = 32;

/// The most bytes of a frame that is read.
const FRAME_MAX: usize = 1024;

/// What is sent: for programs, and for the page, which gets itself besides.
#[derive(Clone, Debug)]
struct Update {
    figures: Utf8Bytes,
    page: Utf8Bytes,
    /// Whether the page has its charts.
    charts: bool,
}

/// What watchers are told.
#[derive(Clone, Debug)]
enum Told {
    Figures(Update),
    /// The loop gave no answer.
    Nothing,
    /// The host is too busy for pictures.
    Shed,
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
    watch: Duration,
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
            watch: limits.watch,
            closing,
            ticking: Mutex::default(),
        })
    }

    /// Waits until nobody watches any more: each watcher of a door that closes is told goodbye.
    pub async fn gone(&self) {
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        let _ = self.viewers.acquire_many(all).await;
    }

    /// Of the same door, and of its places, for who is shown another page.
    pub fn beside(&self, site: Arc<Site>) -> Arc<Self> {
        Arc::new(Self {
            asker: Arc::clone(&self.asker),
            site,
            told: watch::Sender::new(None),
            viewers: Arc::clone(&self.viewers),
            most: self.most,
            write: self.write,
            watch: self.watch,
            closing: self.closing.clone(),
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
        if !may_watch(headers) && self.site.cors.allowed(headers).is_none() {
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
        let mut over = std::pin::pin!(tokio::time::sleep(self.watch));
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Its first picture is its own, with the charts that later ones leave out; so is every further one until it has them.
        let mut next = Some(self.look(page).await);
        let mut whole = !page;
        let mut frames = 0u32;
        loop {
            if let Some(told) = next.take() {
                whole |= matches!(&told, Told::Figures(update) if update.charts);
                let text = match told {
                    Told::Figures(update) if page => update.page,
                    Told::Figures(update) => update.figures,
                    Told::Nothing => alive(),
                    Told::Shed => return goodbye(socket, close_code::AGAIN, "the host is too busy").await,
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
                    let news = told.borrow_and_update().clone();
                    match news {
                        Some(Told::Figures(update)) if !whole && !update.charts => Some(match self.look(true).await {
                            Told::Nothing => Told::Figures(update),
                            told @ (Told::Figures(_) | Told::Shed) => told,
                        }),
                        news => news,
                    }
                }
                _ = ping.tick() => {
                    frames = 0;
                    Some(Told::Nothing)
                }
                () = over.as_mut() => return goodbye(socket, close_code::AWAY, "ask again").await,
                said = socket.recv() => {
                    frames += 1;
                    match said {
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) if frames <= FRAMES_MAX => None,
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
            let begun = Instant::now();
            let told = self.look(charts).await;
            if matches!(&told, Told::Figures(update) if update.charts) {
                drawn = begun;
            }
            self.told.send_replace(Some(told));
        }
    }

    /// How things stand, written for everybody.
    async fn look(&self, charts: bool) -> Told {
        match self.asker.status().await {
            Ok(status) if status.breaker.is_shed() => Told::Shed,
            Ok(status) => self.drawn(&status, charts).await.map_or(Told::Nothing, Told::Figures),
            Err(_) => Told::Nothing,
        }
    }

    /// Charts that cannot be had hold up nothing else: they come with a later look.
    async fn drawn(&self, status: &Status, charts: bool) -> Result<Update, Unanswered> {
        let alerts = self.asker.alerts().await?;
        let history = if charts { self.asker.history(Span::Day).await.ok() } else { None };
        let mut update = json!({
            "type": "metrics_update",
            "timestamp": status.timestamp,
            "metrics": metrics_json(status),
            "alerts": alerts.alerts,
            "system_status": status,
        });
        let figures = Utf8Bytes::from(update.to_string());
        if self.site.dashboard
            && let Value::Object(fields) = &mut update
        {
            let shown = self.site.shown();
            let figures = shown.lines();
            let sight = Sight {
                status,
                alerts: Some(&alerts),
                history: history.as_deref(),
                figures: &figures,
                now: clock::wall(),
                controls: self.site.controls,
                fleet: self.site.fleet.is_some(),
            };
            fields.insert("page".to_owned(), page::content(&sight).into());
        }
        Ok(Update { figures, page: update.to_string().into(), charts: history.is_some() })
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

/// A browser's page must be from here; programs say nothing of that. Any page that a person has open could otherwise watch an
/// address that only this host can reach.
fn may_watch(headers: &HeaderMap) -> bool {
    same_origin(headers).unwrap_or(true)
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
