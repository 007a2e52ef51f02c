//! What components print: read from pipes, kept in rotating files by component, and shown on failstop's own standard
//! output if asked for. For the loop, which never touches a disk or a terminal for it.
//!
//! Threads, each of which can wait for one thing only: one reads the pipes and never waits for a consumer, one
//! writes files, one writes to standard output, one talks to the journal daemon; those for files and for the daemon only where they
//! are wanted. Between them stand bounded queues. Where a disk or a reader is too slow, output is dropped, counted and noted in
//! the log; a bot never waits for it.

mod journal;
mod json_line;
mod lines;
mod log_file;
mod marks;
mod queue;
mod reader;
mod writers;

pub use journal::is_the_journal;
pub use log_file::Rotation;
pub use marks::{APART_MS, LogTimes, log_times};

use crate::masking;
use crate::printable::printable;
use failstop_core::{Instance, Slot};
use queue::{Queue, Weighed};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes that may wait for the disk.
const FILE_QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that may wait for the journal daemon.
const JOURNAL_QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that may wait for standard output.
const SCREEN_QUEUE_BYTES: usize = 1024 * 1024;
/// Enough for what the three threads do; the default of 2 MiB only looks large in listings.
const STACK_BYTES: usize = 128 * 1024;

/// Where a component's present log is; earlier ones are `.1`, `.2` and so on beside it.
pub fn log_path(state_dir: &Path, component: &str) -> PathBuf {
    state_dir.join("logs").join(format!("{component}.log"))
}

/// A component's logs that exist, oldest first.
pub fn log_files(state_dir: &Path, component: &str) -> Vec<PathBuf> {
    let present = log_path(state_dir, component);
    let mut files: Vec<_> =
        (1..).map(|number| log_file::numbered(&present, number)).take_while(|path| path.exists()).collect();
    files.reverse();
    files.extend(present.exists().then_some(present));
    files
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The state directory; logs go into `logs/` there.
    pub state_dir: PathBuf,
    /// How large they become.
    pub rotation: Rotation,
    /// The system's name.
    pub system: String,
    /// The components' names; the first is that of slot 1.
    pub components: Vec<String>,
    /// Whether lines are kept in files.
    pub keep: bool,
    /// Whether each line is shown on standard output, as `name | line`.
    pub show: bool,
    /// The journal daemon's socket, where lines go to it.
    pub journal: Option<PathBuf>,
}

/// Why output cannot be captured.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} to capture the output of components: {source}")]
pub struct OutputError {
    /// What was tried.
    pub action: &'static str,
    /// Why not.
    pub source: io::Error,
}

/// Bytes that got lost, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Not in the files: the disk was too slow, full or broken.
    pub from_files: u64,
    /// Not shown on standard output: its reader was too slow.
    pub from_screen: u64,
    /// Not taken by the journal daemon.
    pub from_journal: u64,
}

impl Lost {
    /// What was lost since then, in words.
    pub fn since(self, before: Self) -> String {
        let ways = [
            (self.from_files - before.from_files, "did not reach the log files: disk slow or full"),
            (self.from_screen - before.from_screen, "were not shown on standard output: its reader is too slow"),
            (self.from_journal - before.from_journal, "did not reach the journal daemon: it is away or too slow"),
        ];
        let lost = ways.iter().filter(|(bytes, _)| *bytes > 0);
        lost.map(|(bytes, why)| format!("{bytes} bytes {why}")).collect::<Vec<_>>().join("; ")
    }
}

/// Whole lines on their way.
#[derive(Clone)]
struct Chunk {
    source: Source,
    bytes: Vec<u8>,
    /// When they came, in milliseconds of the Unix epoch.
    at_ms: i64,
}

/// Whose lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A component, by its index in [`Settings::components`].
    Component(usize),
    /// failstop itself.
    Failstop,
}

impl Weighed for Chunk {
    fn weight(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }
}

#[derive(Default)]
struct Counters {
    failed_writes: AtomicU64,
    not_in_journal: AtomicU64,
}

/// The capture, as the loop holds it. Dropping it ends the threads without waiting for anybody.
pub struct Output {
    components: usize,
    keep: bool,
    to_reader: reader::Handle,
    files: Queue<Chunk>,
    screen: Queue<Chunk>,
    journal: Option<Queue<Chunk>>,
    counters: Arc<Counters>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    /// Starts the threads. Call it after the guard has been forked off.
    ///
    /// # Errors
    /// [`OutputError`]: no threads or no descriptors.
    pub fn start(settings: Settings) -> Result<Self, OutputError> {
        let screen = io::stdout().as_fd().try_clone_to_owned();
        let screen = screen.map_err(|source| OutputError { action: "duplicate standard output", source })?;
        Self::start_showing_on(settings, screen)
    }

    fn start_showing_on(settings: Settings, screen_fd: OwnedFd) -> Result<Self, OutputError> {
        let components = settings.components.len();
        let files = Queue::new(FILE_QUEUE_BYTES);
        let screen = Queue::new(SCREEN_QUEUE_BYTES);
        let counters = Arc::new(Counters::default());
        let journal = settings.journal.as_ref().map(|_| Queue::new(JOURNAL_QUEUE_BYTES));
        let takers = reader::Takers {
            files: settings.keep.then(|| files.clone()),
            screen: settings.show.then(|| screen.clone()),
            journal: journal.clone(),
        };
        let (to_reader, reader) =
            reader::new(takers).map_err(|source| OutputError { action: "make an event descriptor", source })?;

        if settings.keep {
            let file_writer = writers::Files::new(&settings, files.clone(), Arc::clone(&counters));
            spawn("output-files", move || file_writer.run())?;
        }
        if let (Some(socket), Some(queue)) = (&settings.journal, &journal) {
            let (system, components) = (settings.system.clone(), settings.components.clone());
            let journal =
                journal::Journal::new(socket.clone(), system, components, queue.clone(), Arc::clone(&counters));
            spawn("output-journal", move || journal.run())?;
        }
        let screen_writer = writers::Screen::new(&settings.components, screen.clone(), File::from(screen_fd));
        spawn("output-screen", move || screen_writer.run())?;
        let reader = spawn("output-pipes", move || reader.run())?;
        let keep = settings.keep;
        Ok(Self { components, keep, to_reader, files, screen, journal, counters, reader: Some(reader) })
    }

    /// A pipe for a component that is about to be started: one each for its standard output and standard error, so that
    /// their lines never mix, or one for both. Gives the end that the component writes to;
    /// the caller closes its copy after the spawn, and calls [`Output::capture`]. What comes is captured until the last
    /// writer is gone.
    ///
    /// # Errors
    /// [`OutputError`]: no descriptors left, or no such component.
    pub fn pipe(&self, slot: Slot) -> Result<OwnedFd, OutputError> {
        let failed = |source| OutputError { action: "make a pipe", source };
        let component = self
            .index(slot)
            .ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "no component has that slot")))?;
        let (reads, writes) =
            nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| failed(io::Error::from(errno)))?;
        let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&reads, flags).map_err(|errno| failed(io::Error::from(errno)))?;
        self.to_reader.attach(component, reads).map_err(failed)?;
        Ok(writes)
    }

    /// Has the pipes made since taken up, whether the spawn succeeded or not. After it: the reader's thread would compete
    /// with the new process for the processors.
    pub fn capture(&self) {
        self.to_reader.wake();
    }

    /// Writes a line of failstop's own into a component's log: when it was started, how it ended.
    pub fn note(&self, slot: Slot, instance: Instance, text: &str) {
        let Some(component) = self.index(slot) else { return };
        let time = crate::clock::wall();
        let text = format!("start {}: {}\n", instance.0, masking::text(&printable(text)));
        let chunk = |line: String| Chunk {
            source: Source::Component(component),
            bytes: line.into_bytes(),
            at_ms: time.as_millisecond(),
        };
        if self.keep {
            self.files.offer(chunk(format!("-- failstop {} {text}", crate::clock::rfc3339(time))));
        }
        if let Some(journal) = &self.journal {
            journal.offer(chunk(format!("-- failstop {text}")));
        }
    }

    /// Prints a line of failstop's own on standard output, in turn with what components print, without ever waiting for
    /// whoever reads it.
    pub fn say(&self, line: &str) {
        self.screen.offer(Chunk {
            source: Source::Failstop,
            bytes: format!("{}\n", masking::text(line)).into_bytes(),
            at_ms: 0,
        });
    }

    /// Bytes that got lost, since the start.
    pub fn lost(&self) -> Lost {
        Lost {
            from_files: self.files.dropped() + self.counters.failed_writes.load(Ordering::Relaxed),
            from_screen: self.screen.dropped(),
            from_journal: self.journal.as_ref().map_or(0, Queue::dropped)
                + self.counters.not_in_journal.load(Ordering::Relaxed),
        }
    }

    /// Reads what is left in the pipes, writes what is in the queues, and ends. Waits for disk and reader at most this
    /// long; whether everything got out.
    pub fn finish(mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        self.to_reader.stop();
        if let Some(reader) = self.reader.take() {
            // It reads only what is there and never waits for a consumer.
            let _ = reader.join();
        }
        self.close_queues();
        let left = || until.saturating_duration_since(Instant::now());
        let files = !self.keep || self.files.drained(limit);
        let screen = self.screen.drained(left());
        let journal = self.journal.as_ref().is_none_or(|journal| journal.drained(left()));
        files && screen && journal
    }

    fn close_queues(&self) {
        self.files.close();
        self.screen.close();
        if let Some(journal) = &self.journal {
            journal.close();
        }
    }

    fn index(&self, slot: Slot) -> Option<usize> {
        slot.number().checked_sub(1).filter(|index| *index < self.components)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.to_reader.stop();
        self.close_queues();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OutputError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(run)
        .map_err(|source| OutputError { action: "start a thread", source })
}

#[cfg(test)]
mod tests;
