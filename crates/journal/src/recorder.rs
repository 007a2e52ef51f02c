//! The recorder: one thread that takes what has gathered, formats it, writes it with one write and one fdatasync, and says so.
//! A batch is whatever arrived during the previous fdatasync, and what callers add at once in answer to it. For the engine's loop.
//!
//! `append` never blocks on the disk and never waits for room. Nothing is reported as durable that is not.

use crate::journal::{Importance, Journal, JournalError, check};
use crate::storage::Storage;
use crate::time::Wall;
use crate::verify::Position;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long the thread looks for the next record after a batch before it sleeps. The answer to one durable record often brings
/// the next; waking a sleeping thread costs as much as a fast disk's fdatasync. At rest it costs nothing.
const LINGER: Duration = Duration::from_micros(20);

/// The same after a batch of several records: somebody is at work, and has first to be woken to answer.
const LINGER_AT_WORK: Duration = Duration::from_micros(100);

/// How long the thread looks for one more record of a batch that has fewer than the one before it: callers that keep several
/// records outstanding answer a report with as many, and what is left behind costs an fdatasync of its own. A record that comes
/// alone, as the one before it did, never waits.
const GATHER: Duration = Duration::from_micros(5);

/// A batch is committed when it has grown to this many bytes, though more may wait.
const BATCH_MAX: usize = 4 << 20;

/// A record to be written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The caller's own number for it; comes back in [`Written`].
    pub ticket: u64,
    /// Its type; see [`crate::is_kind`].
    pub kind: Cow<'static, str>,
    /// Its payload: the text of a JSON object; see [`crate::check_payload`].
    pub payload: String,
    /// Whether it is still written once the disk is full.
    pub importance: Importance,
}

/// A record that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The caller's number.
    pub ticket: u64,
    /// The journal's.
    pub seq: u64,
    /// The time that stands in it.
    pub time: Wall,
}

/// What the recorder thread reports.
#[derive(Debug)]
pub enum Progress<'a> {
    /// These records are durable, in the order in which they were appended.
    Durable {
        /// Each with its sequence number.
        written: &'a [Written],
        /// The journal's durable head.
        head: Position,
    },
    /// Records were not made durable and never will be.
    Failed(Failure<'a>),
}

/// A storage failure.
#[derive(Debug)]
pub struct Failure<'a> {
    /// What failed. After [`JournalError::is_no_space`] last words are still taken; after anything else nothing is.
    pub error: &'a JournalError,
    /// The tickets of the records that were not written.
    pub lost: &'a [u64],
}

/// Limits of what may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Records.
    pub entries: usize,
    /// Bytes of payloads.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 16_384, bytes: 16 << 20 }
    }
}

/// Why a record was not taken. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Too much waits already.
    #[error("{entries} records ({bytes} bytes) wait for the disk already: the disk is too slow or stuck")]
    QueueFull {
        /// Records that wait.
        entries: usize,
        /// Bytes that wait.
        bytes: usize,
    },
    /// The recorder has stopped.
    #[error("the journal takes no more records: it was sealed or its storage failed")]
    Closed,
    /// The disk is full, and this is not a last word.
    #[error("the disk is full: the journal takes only last words until the next start; free space first")]
    OnlyLastWords,
    /// Not a record.
    #[error(transparent)]
    Refused(#[from] JournalError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    LastWords,
    /// What waits is still written, then the journal is sealed.
    Sealing,
    Shut,
}

struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    door: Door,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Records that wait, plus one while the journal is being sealed; looked at without the lock.
    waiting: AtomicUsize,
    /// Records taken and not yet reported.
    pending: AtomicUsize,
    bounds: Bounds,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the recorder; as many as one likes.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Handle {
    /// Hands a record over. Returns at once.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; the record will not be written.
    pub fn append(&self, entry: Entry) -> Result<(), AppendError> {
        self.enqueue(entry)?;
        self.wake();
        Ok(())
    }

    /// Hands a record over without waking the recorder: for a caller that has something to do in the next microseconds
    /// which the recorder must not compete with for the processors. It may begin before [`Handle::wake`], and need not.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; the record will not be written.
    pub fn enqueue(&self, entry: Entry) -> Result<(), AppendError> {
        check(&entry.kind, &entry.payload)?;
        {
            let mut queue = self.shared.lock();
            match (queue.door, entry.importance) {
                (Door::Open, _) | (Door::LastWords, Importance::LastWords) => {}
                (Door::LastWords, Importance::Ordinary) => return Err(AppendError::OnlyLastWords),
                (Door::Sealing | Door::Shut, _) => return Err(AppendError::Closed),
            }
            let bytes = queue.bytes + entry.payload.len();
            if queue.entries.len() >= self.shared.bounds.entries || bytes > self.shared.bounds.bytes {
                return Err(AppendError::QueueFull { entries: queue.entries.len(), bytes: queue.bytes });
            }
            queue.bytes = bytes;
            queue.entries.push_back(entry);
            self.shared.waiting.store(queue.entries.len(), Ordering::Release);
            self.shared.pending.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Wakes the recorder for what was enqueued.
    pub fn wake(&self) {
        self.thread.unpark();
    }

    /// Records taken and not yet reported as durable or failed.
    pub fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::Relaxed)
    }
}

/// The recorder thread with its journal.
pub struct Recorder {
    handle: Handle,
    thread: JoinHandle<Result<Position, JournalError>>,
}

impl Recorder {
    /// Starts the thread. `clock` gives the times in the records, `on_progress` is called on the recorder's thread and must not
    /// block.
    ///
    /// # Errors
    ///
    /// What the operating system said to a new thread.
    pub fn spawn<S, C, P>(journal: Journal<S>, bounds: Bounds, clock: C, on_progress: P) -> std::io::Result<Self>
    where
        S: Storage,
        C: FnMut() -> Wall + Send + 'static,
        P: FnMut(Progress<'_>) + Send + 'static,
        Journal<S>: Send,
    {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { entries: VecDeque::new(), bytes: 0, door: Door::Open }),
            waiting: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            bounds,
        });
        // Lingering helps only where somebody else can run meanwhile.
        let lingers = thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        let (taken, last, now) = (VecDeque::new(), 0, Wall(0));
        let run = Run { journal, clock, on_progress, shared: Arc::clone(&shared), lingers, taken, now, last };
        let thread = thread::Builder::new().name("recorder".into()).spawn(move || run.run())?;
        let handle = Handle { shared, thread: thread.thread().clone() };
        Ok(Self { handle, thread })
    }

    /// The way to the thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Writes what waits, seals the last segment and ends the thread. Blocks for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// [`JournalError`] where the journal could not be sealed; every record that was reported as durable is.
    pub fn seal_and_stop(self) -> Result<Position, JournalError> {
        {
            let mut queue = self.handle.shared.lock();
            if queue.door != Door::Shut {
                queue.door = Door::Sealing;
            }
            self.handle.shared.waiting.store(queue.entries.len() + 1, Ordering::Release);
        }
        self.handle.thread.unpark();
        self.thread.join().unwrap_or(Err(JournalError::Poisoned))
    }
}

struct Run<S: Storage, C, P> {
    journal: Journal<S>,
    clock: C,
    on_progress: P,
    shared: Arc<Shared>,
    lingers: bool,
    /// What has been taken from the queue and not been staged.
    taken: VecDeque<Entry>,
    /// When it was taken.
    now: Wall,
    /// How many records the last commit had.
    last: usize,
}

impl<S: Storage, C: FnMut() -> Wall, P: FnMut(Progress<'_>)> Run<S, C, P> {
    fn run(mut self) -> Result<Position, JournalError> {
        let mut written = Vec::new();
        loop {
            let sealing = self.wait();
            self.record(&mut written)?;
            if sealing {
                let now = (self.clock)();
                return self.journal.seal(now);
            }
        }
    }

    /// Waits for work and takes all of it; true where the journal is to be sealed after it.
    fn wait(&mut self) -> bool {
        if self.look(if self.last > 1 { LINGER_AT_WORK } else { LINGER }) {
            return self.take();
        }
        while self.shared.waiting.load(Ordering::Acquire) == 0 {
            thread::park();
        }
        self.take()
    }

    /// Whether there is work, or some comes within this time where it is worth looking for it.
    fn look(&self, span: Duration) -> bool {
        let mut until: Option<Instant> = None;
        loop {
            if self.shared.waiting.load(Ordering::Acquire) > 0 {
                return true;
            }
            let now = Instant::now();
            if !self.lingers || now >= *until.get_or_insert(now + span) {
                return false;
            }
            for _ in 0..8 {
                std::hint::spin_loop();
            }
        }
    }

    /// Takes all work; true where the journal is to be sealed after it.
    fn take(&mut self) -> bool {
        debug_assert!(self.taken.is_empty(), "what was taken is staged before more is");
        let mut queue = self.shared.lock();
        std::mem::swap(&mut queue.entries, &mut self.taken);
        queue.bytes = 0;
        let sealing = queue.door == Door::Sealing;
        self.shared.waiting.store(usize::from(sealing), Ordering::Release);
        drop(queue);
        self.now = (self.clock)();
        sealing
    }

    /// The batch's next record, of which so many are staged already. That the journal is to be sealed is seen by [`Self::wait`].
    fn next(&mut self, staged: usize) -> Option<Entry> {
        if self.taken.is_empty() && (1..self.last).contains(&staged) && self.look(GATHER) {
            self.take();
        }
        self.taken.pop_front()
    }

    /// Writes a batch. The error is final.
    fn record(&mut self, written: &mut Vec<Written>) -> Result<(), JournalError> {
        while !self.taken.is_empty() {
            let mut failure = None;
            let mut lost = Vec::new();
            let mut again = Vec::new();
            written.clear();
            while let Some(entry) = self.next(written.len()) {
                match self.journal.stage_checked(self.now, &entry.kind, &entry.payload, entry.importance) {
                    Ok(seq) => {
                        written.push(Written { ticket: entry.ticket, seq, time: self.now });
                        if entry.importance == Importance::LastWords {
                            again.push(entry);
                        }
                    }
                    Err(error) => {
                        lost.push(entry.ticket);
                        failure = Some(error);
                        if entry.importance == Importance::LastWords {
                            again.push(entry);
                        }
                        break;
                    }
                }
                if self.journal.staged_bytes() > BATCH_MAX {
                    break;
                }
            }
            let outcome = match failure {
                None => self.journal.commit(),
                Some(error) => Err(error),
            };
            match outcome {
                Ok(head) => {
                    self.last = written.len();
                    self.shared.pending.fetch_sub(written.len(), Ordering::Relaxed);
                    (self.on_progress)(Progress::Durable { written, head });
                    // In the time that the caller takes to answer.
                    self.journal.catch_up();
                }
                Err(error) => {
                    let full = error.is_no_space() || matches!(error, JournalError::OnlyLastWords);
                    let mut tickets: Vec<u64> = written.iter().map(|written| written.ticket).collect();
                    tickets.extend(lost);
                    tickets.extend(self.taken.drain(..).filter_map(|entry| {
                        let keep = full && entry.importance == Importance::LastWords;
                        let ticket = entry.ticket;
                        if keep {
                            again.push(entry);
                        }
                        (!keep).then_some(ticket)
                    }));
                    return self.after_failure(error, full, tickets, again);
                }
            }
        }
        Ok(())
    }

    /// Says what is lost and, where the disk is full, still writes the last words of the batch.
    fn after_failure(
        &mut self,
        error: JournalError,
        full: bool,
        mut lost: Vec<u64>,
        again: Vec<Entry>,
    ) -> Result<(), JournalError> {
        let words: Vec<Entry> = if full { again } else { Vec::new() };
        lost.retain(|ticket| words.iter().all(|word| word.ticket != *ticket));
        {
            let mut queue = self.shared.lock();
            match queue.door {
                Door::Open | Door::LastWords if full => queue.door = Door::LastWords,
                Door::Open | Door::LastWords => queue.door = Door::Shut,
                Door::Sealing | Door::Shut => {}
            }
            let waiting = std::mem::take(&mut queue.entries);
            queue.bytes = 0;
            for entry in waiting {
                if full && entry.importance == Importance::LastWords {
                    queue.bytes += entry.payload.len();
                    queue.entries.push_back(entry);
                } else {
                    lost.push(entry.ticket);
                }
            }
            let sealing = usize::from(queue.door == Door::Sealing);
            self.shared.waiting.store(queue.entries.len() + sealing, Ordering::Release);
        }
        self.shared.pending.fetch_sub(lost.len(), Ordering::Relaxed);
        (self.on_progress)(Progress::Failed(Failure { error: &error, lost: &lost }));
        if !full {
            return Err(error);
        }
        self.last_words(&words)
    }

    fn last_words(&mut self, words: &[Entry]) -> Result<(), JournalError> {
        let now = (self.clock)();
        for (at, word) in words.iter().enumerate() {
            let outcome = self
                .journal
                .stage_checked(now, &word.kind, &word.payload, Importance::LastWords)
                .and_then(|seq| self.journal.commit().map(|head| (seq, head)));
            match outcome {
                Ok((seq, head)) => {
                    self.shared.pending.fetch_sub(1, Ordering::Relaxed);
                    let written = [Written { ticket: word.ticket, seq, time: now }];
                    (self.on_progress)(Progress::Durable { written: &written, head });
                }
                Err(error) if error.is_no_space() => {
                    self.shared.pending.fetch_sub(1, Ordering::Relaxed);
                    (self.on_progress)(Progress::Failed(Failure { error: &error, lost: &[word.ticket] }));
                }
                // The disk fails altogether: nothing is taken any more, and this word and the rest are lost.
                Err(error) => {
                    let lost = words.iter().skip(at).map(|word| word.ticket).collect();
                    return self.after_failure(error, false, lost, Vec::new());
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("pending", &self.pending()).finish_non_exhaustive()
    }
}
