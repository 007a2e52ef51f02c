//! What failstop logs of itself, on standard error. A reader that does not read never holds the engine up: what would have to
//! wait is dropped, and what matters stands in the journal.

use crate::config::{Format, Level, Log};
use crate::masking;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

/// The longest line that is written whole without waiting: what the kernel keeps free in a writable pipe.
const LINE_MAX: usize = 4096;

/// The level of the logging that [`start`] began.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Starts logging as configured. Once a process; a second call changes nothing.
pub fn start(log: &Log, system: &str) {
    masking::set(log.mask_addresses);
    #[cfg(feature = "otlp")]
    let (ears, fault) = match crate::otlp::begin(system) {
        Ok(ears) => (ears, None),
        Err(fault) => (None, Some(fault)),
    };
    #[cfg(not(feature = "otlp"))]
    let _ = system;
    let (level, handle) = reload::Layer::new(filter(log.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Patient).with_ansi(false);
    let subscriber = tracing_subscriber::registry().with(level);
    #[cfg(feature = "otlp")]
    let subscriber = subscriber.with(ears);
    let started = match log.format {
        Format::Text => subscriber.with(lines).try_init(),
        Format::Json => subscriber.with(lines.json()).try_init(),
    };
    // An error means that somebody started logging before: then it is theirs, its level too.
    if started.is_ok() {
        let _ = LEVEL.set(handle);
    }
    #[cfg(feature = "otlp")]
    if let Some(fault) = fault {
        tracing::error!(%fault, "no collector is told of anything");
    }
}

/// Logs from the level on that is configured now, and shows of addresses what is.
pub fn adopt(log: &Log) {
    masking::set(log.mask_addresses);
    // Without a subscriber there is nothing to set; that is only so where another's is in place.
    if let Some(known) = LEVEL.get() {
        let _ = known.reload(filter(log.level));
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

/// Standard error, written to only where that does not wait.
struct Patient;

impl Write for Patient {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        let writable = poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0);
        if writable {
            // A line comes whole: none of its words is cut.
            let shown = masking::line(line);
            let end = shown.len().min(LINE_MAX);
            // A reader that is gone is no reason to fail.
            let _ = stderr.lock().write_all(&shown[..end]);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
