//! What failstop logs of itself, on standard error. A reader that does not read never holds the engine up: what would have to
//! wait is dropped, and what matters stands in the journal.

use crate::config::{Format, Level, Log};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;
use tracing_subscriber::filter::LevelFilter;

/// The longest line that is written whole without waiting: what the kernel keeps free in a writable pipe.
const LINE_MAX: usize = 4096;

/// Starts logging as configured. Once a process; a second call changes nothing.
pub fn start(log: &Log) {
    let level = match log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(|| Patient).with_ansi(false);
    // An error means that somebody started logging before: then it is theirs.
    let _ = match log.format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().try_init(),
    };
}

/// Standard error, written to only where that does not wait.
struct Patient;

impl Write for Patient {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        let writable = poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0);
        if writable {
            let end = line.len().min(LINE_MAX);
            // A reader that is gone is no reason to fail.
            let _ = stderr.lock().write_all(&line[..end]);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
