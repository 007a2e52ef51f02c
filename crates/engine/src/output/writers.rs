//! The two threads that may have to wait: for the disk, and for whoever reads standard output.

use super::log_file::LogFile;
use super::queue::Queue;
use super::{Chunk, Counters, Settings, Source};
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Writes components' logs.
pub(super) struct Files {
    logs: Vec<ComponentLog>,
    queue: Queue<Chunk>,
    counters: Arc<Counters>,
    /// What the queue had dropped when it was last noted.
    noted: u64,
}

struct ComponentLog {
    file: LogFile,
    /// Bytes that could not be written since the last one that could, and why.
    failed: u64,
    why: String,
}

impl Files {
    pub(super) fn new(settings: &Settings, queue: Queue<Chunk>, counters: Arc<Counters>) -> Self {
        let log = |name: &String| ComponentLog {
            file: LogFile::new(&settings.state_dir, name, settings.rotation),
            failed: 0,
            why: String::new(),
        };
        Self { logs: settings.components.iter().map(log).collect(), queue, counters, noted: 0 }
    }

    pub(super) fn run(mut self) {
        while let Some(chunks) = self.queue.take_all() {
            let dropped = self.queue.dropped();
            let mut late = (dropped > self.noted).then(|| dropped - self.noted);
            self.noted = dropped;
            for chunk in chunks {
                let Source::Component(index) = chunk.source else { continue };
                let Some(log) = self.logs.get_mut(index) else { continue };
                if let Some(bytes) = late.take() {
                    // Which component's it was is not known any more: the queue is everybody's.
                    let note = format!(
                        "-- failstop: {bytes} bytes of components' output were dropped: the disk was too slow\n"
                    );
                    let _ = log.file.append(note.as_bytes(), chunk.at_ms);
                }
                log.write(&chunk.bytes, chunk.at_ms, &self.counters);
            }
        }
    }
}

impl ComponentLog {
    fn write(&mut self, bytes: &[u8], at_ms: i64, counters: &Counters) {
        let noted = if self.failed > 0 {
            let note = format!("-- failstop: {} bytes of output were lost: {}\n", self.failed, self.why);
            self.file.append(note.as_bytes(), at_ms)
        } else {
            Ok(())
        };
        if noted.is_ok() {
            self.failed = 0;
        }
        if let Err(error) = noted.and_then(|()| self.file.append(bytes, at_ms)) {
            let lost = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.failed += lost;
            counters.failed_writes.fetch_add(lost, Ordering::Relaxed);
            self.why = error.to_string();
        }
    }
}

/// Shows lines on standard output.
pub(super) struct Screen {
    prefixes: Vec<String>,
    queue: Queue<Chunk>,
    out: File,
    noted: u64,
}

impl Screen {
    pub(super) fn new(components: &[String], queue: Queue<Chunk>, out: File) -> Self {
        let width = components.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let prefixes = components.iter().map(|name| format!("{name:<width$} | ")).collect();
        Self { prefixes, queue, out, noted: 0 }
    }

    pub(super) fn run(mut self) {
        let mut text = Vec::new();
        while let Some(chunks) = self.queue.take_all() {
            text.clear();
            let dropped = self.queue.dropped();
            if dropped > self.noted {
                let bytes = dropped - self.noted;
                text.extend(
                    format!("failstop: {bytes} bytes of output are not shown: the reader was too slow\n").bytes(),
                );
                self.noted = dropped;
            }
            for chunk in chunks {
                match chunk.source {
                    Source::Failstop => text.extend_from_slice(&chunk.bytes),
                    Source::Component(index) => {
                        let prefix = self.prefixes.get(index).map(String::as_bytes).unwrap_or_default();
                        for line in chunk.bytes.split_inclusive(|byte| *byte == b'\n') {
                            text.extend_from_slice(prefix);
                            show(line, &mut text);
                        }
                    }
                }
            }
            if self.put(&text).is_err() {
                // Nobody reads any more (a closed pipe or terminal): the files go on.
                self.queue.close();
            }
        }
    }

    fn put(&mut self, text: &[u8]) -> io::Result<()> {
        let mut rest = text;
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody who shares the terminal set it to non-blocking: wait for it, here it harms nobody.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    use std::os::fd::AsFd;
                    let mut fds = [nix::poll::PollFd::new(self.out.as_fd(), nix::poll::PollFlags::POLLOUT)];
                    let _ = nix::poll::poll(&mut fds, nix::poll::PollTimeout::NONE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A bot's line must not move the cursor or recolour what failstop says: control characters but the tab are shown as `?`.
fn show(line: &[u8], text: &mut Vec<u8>) {
    text.extend(
        line.iter().map(|byte| if byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t') { b'?' } else { *byte }),
    );
}
