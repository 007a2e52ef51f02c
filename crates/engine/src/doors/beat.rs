//! Beats as server-sent events: one at once and one each second, for whoever must notice within seconds that an engine is
//! gone or hangs.
//!
//! A beat is made by the engine's loop, never here: this side asks for one each second, as long as anybody listens, and
//! hands on what the loop made. A loop that stands still makes none, so the stream stands still with it. Beats are not
//! queued: a listener that is slow misses some and gets the newest.

use super::ask::{Unanswered, ask};
use super::http::{Hold, answer, problem};
use crate::command::{Answer, Command, CommandSender};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use failstop_client::status::Beat;
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// The path on every listener.
pub const PATH: &str = "/api/beat";

/// Time between two beats.
pub const EVERY: Duration = Duration::from_secs(1);

/// The media type of a stream of events.
const MEDIA: &str = "text/event-stream";

/// A beat as it is handed on.
#[derive(Clone, Debug)]
pub struct Pulse {
    event: Bytes,
    last: bool,
}

impl Pulse {
    /// This beat.
    pub fn of(beat: &Beat) -> Self {
        #[expect(clippy::expect_used, reason = "a beat is plain data: strings, numbers and flags")]
        let text = serde_json::to_string(beat).expect("a beat can be written as JSON");
        Self { event: Bytes::from(format!("data: {text}\n\n")), last: beat.ended }
    }
}

/// An answer that goes on; it cannot be signed as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streamed;

/// Where beats come from, for all doors together.
#[derive(Debug)]
pub(super) struct Beats {
    commands: CommandSender,
    pulses: watch::Receiver<Option<Pulse>>,
    every: Duration,
    /// Asks the loop while anybody listens; gone with the last listener.
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

impl Beats {
    /// Asks over `commands` each `every`; the loop's beats arrive on `pulses`.
    pub fn new(commands: CommandSender, pulses: watch::Receiver<Option<Pulse>>, every: Duration) -> Self {
        Self { commands, pulses, every, ticking: Mutex::new(Weak::new()) }
    }

    fn ticking(&self) -> Arc<Ticking> {
        let mut current = self.ticking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticking) = current.upgrade() {
            return ticking;
        }
        let task = tokio::spawn(tick(self.commands.clone(), self.every));
        let ticking = Arc::new(Ticking(task.abort_handle()));
        *current = Arc::downgrade(&ticking);
        ticking
    }
}

/// Asks the loop for a beat each `every`, one question at a time: a loop that hangs is not buried under them.
async fn tick(commands: CommandSender, every: Duration) {
    let mut due = interval_at(Instant::now() + every, every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if ask(&commands, Command::Beat).await.is_err() {
            return;
        }
    }
}

/// The streams of one door.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    beats: Arc<Beats>,
    slots: Arc<Semaphore>,
    most: usize,
    wait: Duration,
}

impl Streams {
    /// At most `most` at a time; the first beat of each must come within `wait`.
    pub fn new(beats: Arc<Beats>, most: usize, wait: Duration) -> Self {
        Self { beats, slots: Arc::new(Semaphore::new(most)), most, wait }
    }

    async fn open(&self, request: Request) -> Response {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let error = format!("{} streams of beats are open already, which is all there are here", self.most);
            return problem(StatusCode::SERVICE_UNAVAILABLE, error);
        };
        match self.listen(slot).await {
            Ok(listening) => {
                // Its connection may stay as long as the stream does.
                if let Some(hold) = request.extensions().get::<Hold>() {
                    hold.stream();
                }
                let mut response = answer(StatusCode::OK, MEDIA, Body::new(Events(Some(Box::pin(listening.next())))));
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                response.extensions_mut().insert(Streamed);
                response
            }
            Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
        }
    }

    async fn listen(&self, slot: OwnedSemaphorePermit) -> Result<Listening, Unanswered> {
        let mut pulses = self.beats.pulses.clone();
        match timeout(self.wait, ask(&self.beats.commands, Command::Beat)).await {
            Ok(Ok(Answer::Beat(_))) => {}
            Ok(Ok(_)) => return Err(Unanswered::Mismatch),
            Ok(Err(unanswered)) => return Err(unanswered),
            Err(_) => return Err(Unanswered::Late(self.wait)),
        }
        // The loop has just sent one, for everybody: it is this stream's first event.
        pulses.mark_changed();
        Ok(Listening { pulses, ended: false, _slot: slot, _ticking: self.beats.ticking() })
    }
}

/// Adds the path to a router.
pub(super) fn with_beat(router: Router, streams: &Streams) -> Router {
    let streams = streams.clone();
    router.route(PATH, get(move |request: Request| async move { streams.open(request).await }))
}

/// One listener. Dropping it frees its place.
struct Listening {
    pulses: watch::Receiver<Option<Pulse>>,
    ended: bool,
    _slot: OwnedSemaphorePermit,
    _ticking: Arc<Ticking>,
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Listening)>> + Send>>;

impl Listening {
    /// The next event; `None` after the engine's last word, or when it ended without one.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if self.ended {
            return None;
        }
        self.pulses.changed().await.ok()?;
        let pulse = self.pulses.borrow_and_update().clone()?;
        self.ended = pulse.last;
        Some((pulse.event, self))
    }
}

/// The body of a stream.
struct Events(Option<Next>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let Some(next) = &mut this.0 else { return Poll::Ready(None) };
        match next.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some((event, listening))) => {
                this.0 = Some(Box::pin(listening.next()));
                Poll::Ready(Some(Ok(Frame::data(event))))
            }
            Poll::Ready(None) => {
                this.0 = None;
                Poll::Ready(None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
