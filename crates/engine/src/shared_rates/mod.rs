//! Rates that several systems share: each question about an order's rates is judged and counted by one script on one Redis or Valkey,
//! so that all hosts together never exceed a limit. What happens without it is configured, and is never everything.
//!
//! Whoever asks goes on meanwhile; a word comes for each question, at the latest when its time is up:
//!
//! 1. [`SharedRates::ask`] with what the order costs ([`failstop_core::gate::Decision::cost`]) and the limits that bind
//!    ([`failstop_core::gate::Gate::rate_bounds`]).
//! 2. On its word: [`SharedRates::decided`] with the limits as they are then; what it says goes to the gate
//!    ([`failstop_core::gate::Fact::RateDecided`]), `None` says nothing to it; then the gate decides.
//! 3. [`SharedRates::keep`] where the order was allowed, else [`SharedRates::give_up`].
//!
//! What may not be refused (it reduces, or has happened) is told by [`SharedRates::count`]; what an order gave back by
//! [`SharedRates::give_back`]. Both are delivered when they can be; what is given back twice is given back once, what is counted twice
//! counts twice.
//!
//! What is owed is kept in memory alone. So before the fallback allows anything a file says that something may be owed; a program that
//! finds it so at its start takes what the group has counted as lost, as it does with a server that was emptied.
//!
//! The semantics of the script are in `script.lua`, and by tests those of the gate; the connection is `desk.rs`.

mod desk;
mod fallback;
mod keeping;
mod link;
mod memory;
mod question;
mod resp;
mod script;
mod settings;
mod worker;

#[cfg(test)]
mod tests;

pub use desk::{MAX_ASKS, MAX_DEBTS, SharedCounts};
pub use fallback::Fallback;
pub use question::{By, Question, Refused, Serial, Word};
pub use settings::{Address, Settings};

use core::time::Duration;
use desk::{Desk, Terms};
use failstop_core::gate::{Cost, GivenBack, RateBounds};
use keeping::Keeping;
use memory::{Kept, KnownFile};
use question::Debt;
use script::Keys;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, mpsc};
use worker::{Common, Message, Worker};

/// How far Redis is trusted with questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LineState {
    /// There is no connection: the fallback decides.
    #[default]
    Apart,
    /// There is one that is slow, or was not tried yet: the fallback decides.
    Doubted,
    /// What is owed is paid first: the fallback decides.
    Settling,
    /// Redis decides.
    Good,
}

/// How it stands, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedHealth {
    /// Who decides.
    pub line: LineState,
    /// Why Redis does not, or what was the matter last; holds no secret.
    pub fault: Option<String>,
    /// What is to be told it yet.
    pub owed: usize,
    /// How long its last answer took.
    pub took: Option<Duration>,
    /// By how many microseconds its clock is ahead of this host's wall clock.
    pub clock_ahead_us: Option<i64>,
    /// What happened.
    pub counts: SharedCounts,
    /// Why the file that remembers how far the group had come is of no use.
    pub file_fault: Option<String>,
}

/// A clock that is off by more is worth a warning: trading days begin by the server's.
pub const CLOCK_OFF_MAX: Duration = Duration::from_secs(60);

impl SharedHealth {
    /// Whether the server's clock and this host's are further apart than [`CLOCK_OFF_MAX`].
    pub fn is_clock_off(&self) -> bool {
        self.clock_ahead_us.is_some_and(|ahead| u128::from(ahead.unsigned_abs()) > CLOCK_OFF_MAX.as_micros())
    }
}

/// Too many questions are under way: this one is not, and is to be refused with `RATE_SHARED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_ASKS} questions about shared rates are under way: send orders slower")]
pub struct Busy;

/// It could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartFailed {
    /// No thread, or no event descriptor.
    #[error("cannot start the thread that shares rates: {0}; are limits on processes or descriptors too low?")]
    Thread(io::Error),
    /// There is no randomness to tell this life of the program from others.
    #[error("cannot share rates: the system gives no random number: {0}")]
    Random(getrandom::Error),
}

/// The rates of the group. Dropping it ends the thread, and waits a moment until that has written down what it knows.
#[derive(Debug)]
pub struct SharedRates {
    /// `None` at the end only.
    messages: Option<mpsc::Sender<Message>>,
    places: Arc<Semaphore>,
    serials: AtomicU64,
    /// Tells this life of this program from all others.
    life: u64,
    fallback: Fallback,
    common: Arc<Common>,
    /// Ends when the thread does.
    ended: Mutex<std::sync::mpsc::Receiver<()>>,
    _thread: JoinHandle<()>,
}

/// How long the thread has to write down what it knows when it is to end.
const END_WITHIN: Duration = Duration::from_secs(2);

impl Drop for SharedRates {
    fn drop(&mut self) {
        self.messages = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Whether it ended or its time is up: nothing more can be done.
        let _ = ended.recv_timeout(END_WITHIN);
    }
}

impl SharedRates {
    /// Starts the thread. A word comes out of the receiver for each question that was taken. Call it only after the guard has forked.
    ///
    /// # Errors
    /// [`StartFailed`]. That Redis does not answer is no error: the fallback decides until it does.
    pub fn start(settings: Settings) -> Result<(Self, mpsc::Receiver<Word>), StartFailed> {
        let life = getrandom::u64().map_err(StartFailed::Random)?;
        let (words, receiver) = mpsc::channel(MAX_ASKS);
        let (messages, told) = mpsc::channel(MAX_ASKS + MAX_DEBTS);
        let common = Arc::new(Common::default());
        let file = KnownFile(settings.file.clone());
        let (said, fault) = file.read();
        let kept = said.unwrap_or(Kept::UNREAD);
        let terms = Terms {
            keys: Keys::new(&settings.group, &settings.system, settings.day_starts),
            timeout: settings.timeout,
            falls_back: settings.fallback != Fallback::Refuse,
        };
        let fallback = settings.fallback;
        let worker = Worker {
            desk: Desk::new(terms, kept.known, kept.owes),
            settings,
            messages: told,
            words,
            common: Arc::clone(&common),
            kept: Keeping::new(file, said, fault),
            held: VecDeque::new(),
        };
        // Names are looked up and the file is written on a thread each; a lookup that hangs is left behind.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(16)
            .build()
            .map_err(StartFailed::Thread)?;
        let (over, ended) = std::sync::mpsc::channel::<()>();
        let serve = move || {
            // Signals are the loop's: none may be delivered here. It cannot fail with this argument.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            runtime.block_on(worker.run());
            runtime.shutdown_background();
            // Dropping it says that this is over.
            drop(over);
        };
        let thread = std::thread::Builder::new().name("shared-rates".to_owned()).stack_size(1024 * 1024);
        let thread = thread.spawn(serve).map_err(StartFailed::Thread)?;
        let places = Arc::new(Semaphore::new(MAX_ASKS));
        let serials = AtomicU64::new(0);
        let ended = Mutex::new(ended);
        let messages = Some(messages);
        Ok((Self { messages, places, serials, life, fallback, common, ended, _thread: thread }, receiver))
    }

    /// Asks. Exactly one word with this number follows.
    ///
    /// # Errors
    /// [`Busy`]: it is not asked.
    pub fn ask(&self, question: Question) -> Result<Serial, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let serial = self.next();
        let message = Message::Ask { serial, attempt: self.attempt(serial), question: Box::new(question), place };
        self.send(message)?;
        Ok(serial)
    }

    /// What a word means by the limits as they are now: which rates are used up, or `None`: nobody decides, and it is to be refused
    /// with `RATE_SHARED`. To be asked right before the gate decides, so that nothing is counted in between.
    pub fn decided(&self, word: &Word, bounds: &RateBounds) -> Option<Vec<Refused>> {
        if word.unmarked {
            return None;
        }
        match word.by {
            By::Group => Some(word.refused.clone()),
            By::TimedOut | By::Gone | By::Forgotten => {
                let mut refused = self.fallback.judge(&word.asked.cost, bounds)?;
                refused.extend(word.refused.iter().copied().filter(|one| !refused.contains(one)).collect::<Vec<_>>());
                Some(refused)
            }
        }
    }

    /// What holds for something that could not even be asked: which rates are used up, or `None`: nobody decides. The fallback decides
    /// nothing while the disk does not say that something may be owed.
    pub fn unasked(&self, cost: &Cost, bounds: &RateBounds) -> Option<Vec<Refused>> {
        if self.common.marked.load(Ordering::Acquire) { self.fallback.judge(cost, bounds) } else { None }
    }

    /// The order that the word was about is allowed and counts.
    pub fn keep(&self, word: Word) {
        // What the group counted needs no saying.
        if word.asked.left && matches!(word.by, By::Group | By::Forgotten) {
            return;
        }
        let question::Asked { id, user, cost, attempt, .. } = word.asked;
        self.owe(Debt::Count { id, user, cost, attempt });
    }

    /// What the word was about is not allowed, whoever refused it, and counts nothing.
    pub fn give_up(&self, word: Word) {
        if word.asked.left {
            self.owe(Debt::Drop { id: word.asked.id, attempt: word.asked.attempt });
        }
    }

    /// Counts what may not be refused: an order that reduces, a trade that nobody asked about.
    pub fn count(&self, id: &str, user: Option<&str>, cost: Cost) {
        let attempt = self.attempt(self.next());
        self.owe(Debt::Count { id: id.to_owned(), user: user.map(str::to_owned), cost, attempt });
    }

    /// Gives back what an order gave back, counted by whichever life of this system.
    pub fn give_back(&self, id: &str, back: &GivenBack) {
        self.owe(Debt::back(id, back));
    }

    /// How it stands.
    pub fn health(&self) -> SharedHealth {
        self.common.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, message: Message) -> Result<(), Busy> {
        self.messages.as_ref().ok_or(Busy)?.try_send(message).map_err(|_| Busy)
    }

    fn next(&self) -> Serial {
        Serial(self.serials.fetch_add(1, Ordering::Relaxed))
    }

    fn attempt(&self, serial: Serial) -> String {
        format!("{:016x}-{:x}", self.life, serial.0)
    }

    fn owe(&self, debt: Debt) {
        let counts = debt.is_count();
        if self.send(Message::Owe(debt)).is_err() && counts {
            self.common.spilled.store(true, Ordering::Release);
        }
    }
}
