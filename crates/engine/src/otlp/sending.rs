//! The thread that sends.

use super::document::{Item, requests};
use super::{ENDPOINT, HEADERS, SENDS};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// So many lines and spans go in one batch.
const BATCH: usize = 512;

/// The first of a batch waits so long for others.
const GATHER: Duration = Duration::from_secs(1);

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Before each further try of a batch; after the last it is dropped.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// What the collector misses is said once in so long on standard error.
const SAID_EVERY: Duration = Duration::from_secs(600);

/// Enough for TLS and JSON.
const STACK_BYTES: usize = 512 * 1024;

/// Where to send, and as whom.
#[derive(Clone)]
pub struct Settings {
    endpoint: Url,
    headers: HeaderMap,
    system: String,
    again_after: [Duration; 2],
}

/// What the environment says cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {what}; nothing is sent to a collector")]
pub struct BadEndpoint {
    name: &'static str,
    what: String,
}

impl Settings {
    /// As the environment says; `None` where it names no collector.
    ///
    /// # Errors
    /// [`BadEndpoint`], which shows no header's value.
    pub(super) fn of_environment(system: &str) -> Result<Option<Self>, BadEndpoint> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let Some(endpoint) = variable(ENDPOINT) else { return Ok(None) };
        Self::new(&endpoint, variable(HEADERS).as_deref().unwrap_or_default(), system).map(Some)
    }

    pub(super) fn new(endpoint: &str, headers: &str, system: &str) -> Result<Self, BadEndpoint> {
        let bad = |name, what: &str| BadEndpoint { name, what: what.to_owned() };
        let written = "write the collector's address, as in http://127.0.0.1:4318";
        let endpoint = Url::parse(endpoint.trim_end_matches('/')).map_err(|_| bad(ENDPOINT, written))?;
        if !matches!(endpoint.scheme(), "http" | "https") || !endpoint.has_host() {
            return Err(bad(ENDPOINT, written));
        }
        let mut map = HeaderMap::new();
        for pair in headers.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let parsed = pair.split_once('=').and_then(|(name, value)| {
                let mut value = HeaderValue::from_str(value.trim()).ok()?;
                value.set_sensitive(true);
                Some((name.trim().parse::<HeaderName>().ok()?, value))
            });
            let (name, value) = parsed.ok_or_else(|| bad(HEADERS, "write name=value, further ones after a comma"))?;
            map.insert(name, value);
        }
        Ok(Self { endpoint, headers: map, system: system.to_owned(), again_after: AGAIN_AFTER })
    }

    #[cfg(test)]
    pub(super) fn hurried(self) -> Self {
        Self { again_after: [Duration::from_millis(1); 2], ..self }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint.as_str().trim_end_matches('/'))
    }
}

/// Starts the thread.
pub(super) fn start(settings: Settings, items: Receiver<Item>, dropped: Arc<AtomicU64>) -> Result<(), BadEndpoint> {
    let cannot = |what: String| BadEndpoint { name: ENDPOINT, what };
    let tls = failstop_notify::tls::client_config(None).map_err(cannot)?;
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(ANSWER_WITHIN)
        .user_agent(concat!("failstop/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| cannot("the HTTP client cannot be set up; check HTTP_PROXY and HTTPS_PROXY".to_owned()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| cannot(format!("no runtime for it: {error}")))?;
    let thread = std::thread::Builder::new().name("otlp".to_owned()).stack_size(STACK_BYTES);
    let sender = Sender { settings, client, runtime, dropped, losses: Losses::default() };
    thread.spawn(move || sender.run(&items)).map(drop).map_err(|error| cannot(format!("no thread for it: {error}")))
}

struct Sender {
    settings: Settings,
    client: Client,
    runtime: tokio::runtime::Runtime,
    dropped: Arc<AtomicU64>,
    losses: Losses,
}

/// What was said of what is lost.
#[derive(Default)]
struct Losses {
    told: u64,
    at: Option<Instant>,
}

impl Losses {
    /// Whether so many lost ones are to be said now: more than were said, and not so soon after that.
    fn are_news(&mut self, all: u64, now: Instant) -> bool {
        let is_soon = self.at.is_some_and(|at| now.saturating_duration_since(at) < SAID_EVERY);
        if all <= self.told || is_soon {
            return false;
        }
        *self = Self { told: all, at: Some(now) };
        true
    }
}

impl Sender {
    /// Until nobody can say anything any more.
    fn run(mut self, items: &Receiver<Item>) {
        SENDS.with(|sends| sends.set(true));
        while let Ok(first) = items.recv() {
            let mut batch = vec![first];
            let until = Instant::now() + GATHER;
            while batch.len() < BATCH {
                match items.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(item) => batch.push(item),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            self.send(&batch);
        }
    }

    fn send(&mut self, batch: &[Item]) {
        let mut fault = None;
        for (path, body) in requests(&self.settings.system, batch) {
            let count = if path == "/v1/logs" {
                batch.iter().filter(|item| matches!(item, Item::Line(_))).count()
            } else {
                batch.iter().filter(|item| matches!(item, Item::Span(_))).count()
            };
            if let Err(why) = self.try_to_send(path, &body.to_string()) {
                let lost = u64::try_from(count).unwrap_or(u64::MAX);
                self.dropped.fetch_add(lost, Ordering::Relaxed);
                fault = Some(why);
            }
        }
        let all = self.dropped.load(Ordering::Relaxed);
        if self.losses.are_news(all, Instant::now()) {
            let why = fault.unwrap_or_else(|| "more came than may wait for it".to_owned());
            tracing::warn!(%why, dropped = all, "the collector misses some; what it misses stands in the journal");
        }
    }

    /// One request, tried again where that may help.
    fn try_to_send(&self, path: &str, body: &str) -> Result<(), String> {
        let mut pauses = self.settings.again_after.iter();
        loop {
            let why = match self.once(path, body) {
                Ok(status) if status.is_success() => return Ok(()),
                Ok(status) if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => status.to_string(),
                // It will not like it better the next time.
                Ok(status) => return Err(status.to_string()),
                Err(why) => why,
            };
            match pauses.next() {
                Some(pause) => std::thread::sleep(*pause),
                None => return Err(why),
            }
        }
    }

    fn once(&self, path: &str, body: &str) -> Result<StatusCode, String> {
        let request = self.client.post(self.settings.url(path)).headers(self.settings.headers.clone());
        let request = request.header("content-type", "application/json").body(body.to_owned());
        // Without its URL, which may hold a key.
        let sent = self.runtime.block_on(async { request.send().await });
        sent.map(|answer| answer.status()).map_err(|error| error.without_url().to_string())
    }
}
