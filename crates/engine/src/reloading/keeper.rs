//! The thread that keeps an eye on the file: it watches, waits until a change has come to rest, reads and validates, and keeps the
//! versions that were in force. The loop never waits for it.

use super::eyes::{CHECK_EVERY, Eyes, Found};
use super::history::History;
use super::watch::Watch;
use crate::clock;
use crate::command::{Answer, ReplyTo};
use crate::config::{Change, Config, Overrides, difference};
use failstop_client::configuration::{Changed, Difference};
use failstop_core::Monotonic;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// How many words to the thread may wait for it.
const WORDS_WAITING: usize = 64;

/// How many words that must not be lost may wait beside them. Each comes of something that the thread found, and of those there are
/// fewer between it and the loop.
const OWED_WAITING: usize = 128;

/// The thread sleeps at least so long after something that was not about the file: names may come and go beside it without end.
const BETWEEN_WAKES: Duration = Duration::from_millis(20);

/// What the thread needs to read a configuration that is nested as deep as one may be.
const STACK: usize = 1024 * 1024;

/// Why the file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// It changed.
    Itself,
    /// SIGHUP.
    Signal,
    /// This user asked.
    User(String),
}

impl By {
    /// In words, for the record.
    pub fn words(&self) -> String {
        match self {
            Self::Itself => "an edit of the file".to_owned(),
            Self::Signal => "SIGHUP".to_owned(),
            Self::User(user) => user.clone(),
        }
    }
}

/// A change as commands show it.
pub fn changed(change: &Change) -> Changed {
    Changed {
        key: change.key.clone(),
        class: change.class.word().to_owned(),
        from: change.from.clone(),
        to: change.to.clone(),
    }
}

/// What is said to the thread.
#[derive(Debug)]
pub enum Word {
    /// Read the file now, with these assignments laid over it.
    Read {
        /// Who wants it.
        by: By,
        /// `KEY=VALUE`, as of `--set`.
        set: Vec<String>,
        /// Who waits to hear what became of it.
        reply: Option<ReplyTo>,
    },
    /// Say what would change: the file as it is against what runs.
    Compare {
        /// What runs.
        running: Arc<Config>,
        /// Who waits.
        reply: ReplyTo,
    },
    /// This is in force from here on: its text is kept as a version, with so many.
    InForce {
        /// The file's text.
        text: String,
        /// What lay over it.
        overrides: Overrides,
        /// How many versions are kept.
        history: u32,
        /// Whether the file is watched.
        watching: bool,
    },
}

/// What the thread found.
#[derive(Debug)]
pub enum Looked {
    /// The file was read.
    Read {
        /// Why.
        by: By,
        /// What it is.
        found: Found,
        /// What was laid over it that is not kept yet.
        set: Vec<String>,
        /// Who waits.
        reply: Option<ReplyTo>,
    },
    /// Something that the operator should know.
    Note(String),
}

/// The loop's side. Dropping it ends the thread.
#[derive(Debug)]
pub struct Keeper {
    words: SyncSender<Word>,
    owed: Arc<Mutex<VecDeque<Word>>>,
    wake: Arc<EventFd>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts the thread. What it finds comes out of the receiver of `looked`. Call it only after the guard has forked.
    ///
    /// # Errors
    /// No thread or no event descriptor can be had.
    pub fn start(eyes: Eyes, history: History, looked: mpsc::Sender<Looked>) -> io::Result<Self> {
        let wake = Arc::new(EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let stop = Arc::new(AtomicBool::new(false));
        let (words, waiting) = sync_channel(WORDS_WAITING);
        let owed = Arc::new(Mutex::new(VecDeque::new()));
        let run = Run {
            eyes,
            history,
            looked,
            waiting,
            owed: Arc::clone(&owed),
            wake: Arc::clone(&wake),
            stop: Arc::clone(&stop),
            watch: None,
            check_at: None,
        };
        let serve = move || {
            // Signals are the loop's: none may be delivered here. It cannot fail with this argument.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            run.run();
        };
        let thread = std::thread::Builder::new().name("configuration".to_owned()).stack_size(STACK).spawn(serve)?;
        Ok(Self { words, owed, wake, stop, thread })
    }

    /// Says something to the thread; given back where it does not take any more now.
    ///
    /// # Errors
    /// The word, undone.
    pub fn say(&self, word: Word) -> Result<(), Box<Word>> {
        use std::sync::mpsc::TrySendError::{Disconnected, Full};
        match self.words.try_send(word) {
            Ok(()) => {
                // It is full of wakes then.
                let _ = self.wake.write(1);
                Ok(())
            }
            Err(Full(word) | Disconnected(word)) => Err(Box::new(word)),
        }
    }

    /// Says something that the thread must hear, before whatever else waits for it: what is in force, since it reads wrongly until
    /// it knows; and what has to be read again for that reason.
    ///
    /// # Errors
    /// The word, undone: the thread has ended.
    pub fn say_first(&self, word: Word) -> Result<(), Box<Word>> {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.thread.is_finished() || owed.len() == OWED_WAITING {
            return Err(Box::new(word));
        }
        owed.push_back(word);
        drop(owed);
        let _ = self.wake.write(1);
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.wake.write(1);
    }
}

/// The thread's side.
struct Run {
    eyes: Eyes,
    history: History,
    looked: mpsc::Sender<Looked>,
    waiting: Receiver<Word>,
    /// What comes before them.
    owed: Arc<Mutex<VecDeque<Word>>>,
    wake: Arc<EventFd>,
    stop: Arc<AtomicBool>,
    /// What tells of changes, while they are to be noticed and the host can tell.
    watch: Option<Watch>,
    /// When the file is looked at whatever is seen, while changes are to be noticed.
    check_at: Option<Monotonic>,
}

impl Run {
    fn run(mut self) {
        loop {
            self.wait();
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            while let Some(word) = self.next_word() {
                if !self.take(word) {
                    return;
                }
            }
            let now = clock::now();
            if self.watch.as_mut().is_some_and(Watch::happened) {
                self.eyes.noticed(now);
            }
            if self.check_at.is_some_and(|at| now >= at) {
                self.check_at = Some(now.plus(CHECK_EVERY));
                self.eyes.check(now);
            }
            if let Some(found) = self.eyes.look(now)
                && !self.tell(Looked::Read { by: By::Itself, found, set: Vec::new(), reply: None })
            {
                return;
            }
        }
    }

    fn next_word(&self) -> Option<Word> {
        let owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        owed.or_else(|| self.waiting.try_recv().ok())
    }

    /// Takes a word; whether anybody still wants to hear of anything.
    fn take(&mut self, word: Word) -> bool {
        match word {
            Word::Read { by, set, reply } => {
                let found = self.eyes.ask(&set);
                self.tell(Looked::Read { by, found, set, reply })
            }
            Word::Compare { running, reply } => {
                let answer = match self.eyes.peek() {
                    Found::Valid(candidate) => Answer::Config(Box::new(Difference {
                        changes: difference(&running, &candidate.config).iter().map(changed).collect(),
                        sha256: candidate.sha256,
                    })),
                    Found::Invalid(wrong) => {
                        Answer::Refused(vec![wrong.in_full.trim_start_matches("error: ").to_owned()])
                    }
                };
                // Whoever asked may have gone.
                let _ = reply.send(answer);
                true
            }
            Word::InForce { text, overrides, history, watching } => {
                self.eyes.overrides = overrides;
                self.watch(watching);
                match self.history.keep(&text, history) {
                    Ok(_) => true,
                    Err(error) => self.tell(Looked::Note(format!("this version is not kept for a rollback: {error}"))),
                }
            }
        }
    }

    /// Begins to notice changes, or ends it.
    fn watch(&mut self, wanted: bool) {
        if !wanted {
            (self.watch, self.check_at) = (None, None);
            return;
        }
        if self.check_at.is_some() {
            return;
        }
        let now = clock::now();
        self.check_at = Some(now.plus(CHECK_EVERY));
        match Watch::new(self.eyes.file()) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => {
                let every = CHECK_EVERY.as_secs();
                let _ = self.tell(Looked::Note(format!(
                    "changes are noticed within {every} s only: the host has no inotify instance left ({error})"
                )));
            }
        }
        // What happened between the reading that is in force and this moment was seen by nobody.
        self.eyes.check(now);
    }

    fn tell(&self, looked: Looked) -> bool {
        self.looked.blocking_send(looked).is_ok()
    }

    /// Waits for a word, a change, or the next moment at which something is due.
    fn wait(&self) {
        let due = [self.eyes.due(), self.check_at].into_iter().flatten().min();
        let timeout = |due: Option<Monotonic>| match due {
            None => -1,
            // Rounded up, so that what is due is due when it wakes.
            Some(due) => {
                let ms = due.since(clock::now()).as_micros().div_ceil(1_000);
                libc::c_int::try_from(ms).unwrap_or(libc::c_int::MAX)
            }
        };
        let mut polled = vec![pollfd(&self.wake.as_fd())];
        polled.extend(self.watch.as_ref().map(|watch| pollfd(&watch.fd())));
        poll(&mut polled, timeout(due));
        if polled[0].revents == 0 && polled.get(1).is_some_and(|watched| watched.revents != 0) {
            // More of the same comes soon, as a rule; words and deadlines are not kept waiting.
            let soon = clock::now().plus(BETWEEN_WAKES);
            poll(&mut polled[..1], timeout(Some(due.map_or(soon, |due| due.min(soon)))));
        }
        // Whatever it counts.
        let _ = self.wake.read();
    }
}

fn pollfd(fd: &std::os::fd::BorrowedFd<'_>) -> libc::pollfd {
    use std::os::fd::AsRawFd as _;
    libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// Waits; interrupted or failed, everything is looked at.
fn poll(polled: &mut [libc::pollfd], timeout_ms: libc::c_int) {
    let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
    // SAFETY: `polled` is an array of that many entries and lives across the call.
    unsafe { libc::poll(polled.as_mut_ptr(), count, timeout_ms) };
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::config::Overrides;
    use std::fs;

    fn set_of(looked: Looked) -> Vec<String> {
        match looked {
            Looked::Read { found: Found::Valid(candidate), .. } => candidate.known.set,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_in_force_reaches_a_thread_that_takes_nothing_else_and_comes_before_whatever_waits() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        let text =
            "[system]\nname = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n";
        fs::write(&file, text).unwrap();
        let (looked, mut found) = mpsc::channel(1);
        let eyes = Eyes::new(&file, Overrides::default(), &crate::reloading::digest(text));
        let keeper = Keeper::start(eyes, History::of(folder.path()), looked).unwrap();
        let read = || Word::Read { by: By::Signal, set: Vec::new(), reply: None };
        // Nobody hears what it finds, so it stands still sooner or later, and takes nothing more.
        let mut said = 0;
        let end = std::time::Instant::now() + Duration::from_secs(60);
        let mut full = 0;
        while full < 100 {
            assert!(std::time::Instant::now() < end, "it takes words without end");
            match keeper.say(read()) {
                Ok(()) => (said, full) = (said + 1, 0),
                Err(_) => {
                    full += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        let overrides = Overrides { set: vec!["log.level=debug".to_owned()], ..Overrides::default() };
        let word = Word::InForce { text: text.to_owned(), overrides: overrides.clone(), history: 3, watching: false };
        keeper.say_first(word).unwrap();
        let known: Vec<Vec<String>> = (0..said).map(|_| set_of(found.blocking_recv().unwrap())).collect();
        let (before, after): (Vec<_>, Vec<_>) = known.iter().partition(|set| set.is_empty());
        // One waits in the queue, and one was read and could not be handed over.
        assert!(before.len() <= 2 && after.len() >= WORDS_WAITING, "{before:?} {after:?}");
        assert!(after.iter().all(|set| **set == overrides.set));
        drop(found);
        // Its next finding is nobody's: it ends, and that is said.
        keeper.say(read()).unwrap();
        while !keeper.thread.is_finished() {
            assert!(std::time::Instant::now() < end, "it goes on");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(keeper.say_first(read()).is_err());
    }
}
