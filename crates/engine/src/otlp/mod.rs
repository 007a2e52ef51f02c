//! Hands log lines and spans to a collector by OpenTelemetry's protocol (OTLP over HTTP, JSON), where `FAILSTOP_OTLP_ENDPOINT` names one.
//! Only in builds with the feature `otlp`.
//!
//! Nothing waits for the collector: what is said goes into a bounded queue or, where that is full, nowhere, and is counted. One thread
//! sleeps until something is in it, sends it in batches, and tries each a few times. What it has not sent when the process ends is
//! lost: the journal has what counts.

mod document;
mod sending;

pub use document::{Line, Severity, Span, Value};
pub use sending::{BadEndpoint, Settings};

use document::Item;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::Context;

/// So many lines and spans wait for the collector at most.
const QUEUE: usize = 2_048;

/// The variable that names the collector, as in `http://127.0.0.1:4318`.
pub const ENDPOINT: &str = "FAILSTOP_OTLP_ENDPOINT";

/// The variable with headers for it, as in `authorization=Bearer abc,x-tenant=demo`.
pub const HEADERS: &str = "FAILSTOP_OTLP_HEADERS";

/// The process's way to its collector.
static WAY: OnceLock<Way> = OnceLock::new();

thread_local! {
    /// Whether this thread is the one that sends: what it says goes to standard error alone, or a dead collector would be told of its
    /// own death without end.
    static SENDS: Cell<bool> = const { Cell::new(false) };
}

/// Where lines and spans are handed over.
#[derive(Clone, Debug)]
pub struct Way {
    queue: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

impl Way {
    /// Hands one over, or counts it.
    fn offer(&self, item: Item) {
        match self.queue.try_send(item) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Begins, where the environment names a collector; the layer that hears the log, and what is wrong where something is. Once a process.
pub fn begin(system: &str) -> Result<Option<Ears>, BadEndpoint> {
    let Some(settings) = Settings::of_environment(system)? else { return Ok(None) };
    let (queue, items) = std::sync::mpsc::sync_channel(QUEUE);
    let way = Way { queue, dropped: Arc::default() };
    let dropped = Arc::clone(&way.dropped);
    sending::start(settings, items, dropped)?;
    // A second call is none of `run`'s.
    let way = WAY.get_or_init(|| way).clone();
    Ok(Some(Ears { way }))
}

/// A line that was said to people.
pub fn line(line: Line) {
    if let Some(way) = WAY.get() {
        way.offer(Item::Line(line));
    }
}

/// Something that took its time and is over.
pub fn span(span: Span) {
    if let Some(way) = WAY.get() {
        way.offer(Item::Span(span));
    }
}

/// Hears what is logged.
#[derive(Debug)]
pub struct Ears {
    way: Way,
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Ears {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if SENDS.with(Cell::get) {
            return;
        }
        let severity = match *event.metadata().level() {
            tracing::Level::ERROR => Severity::Error,
            tracing::Level::WARN => Severity::Warn,
            tracing::Level::INFO => Severity::Info,
            tracing::Level::DEBUG => Severity::Debug,
            tracing::Level::TRACE => Severity::Trace,
        };
        let mut heard = Heard { line: Line::new(crate::clock::wall(), severity, String::new()) };
        heard.line.attributes.push(("code.namespace".to_owned(), Value::Text(event.metadata().target().to_owned())));
        event.record(&mut heard);
        self.way.offer(Item::Line(heard.line));
    }
}

struct Heard {
    line: Line,
}

impl Heard {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.line.body = text,
            ("trace_id", Value::Text(trace)) => self.line.trace = Some(trace),
            (name, value) => self.line.attributes.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, Value::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Number(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Number));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Truth(value));
    }
}

#[cfg(test)]
mod tests;
