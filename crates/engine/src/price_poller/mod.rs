//! Asks HTTP endpoints for prices, so that the gate has sources that do not come from the bot that it guards: any JSON page, a path to
//! the price in it, an interval.
//!
//! The loop owns the rhythm ([`PricePoller::begin_due`], [`PricePoller::next_deadline`]) and tells the gate what came
//! ([`PricePoller::ended`]); the asking is [`crate::probing`]'s, on a thread of its own, which reads the pages as well. A source that fails says nothing, and so grows
//! stale; why is in [`PricePoller::health`].

mod number;
mod path;
mod poll;

#[cfg(test)]
mod tests;

pub use number::{NotANumber, TimeForm};
pub use path::{Missing, PATH_MAX, Path, PathError};
pub use poll::{PAGE_MAX, Poll, Polled, Quote, Unread, Where};

use crate::config::Probe;
use crate::probing::{Ask, Asker, Ended, Prober, Purpose, Rhythm, Runner, StartFailed, Terms, Tried};
use core::time::Duration;
use failstop_core::Monotonic;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The most sources that are asked.
pub const MAX_POLLS: usize = 256;

/// The longest pause after failed tries in a row: a venue that turns somebody away wants to be left alone.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// So many failed tries in a row are said in the log; each is counted.
const SAID_AFTER: u32 = 3;

/// A page that came so long after its time-out was had by a process that stood still.
const LATE: Duration = Duration::from_millis(100);

/// How one source stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollHealth {
    /// The source.
    pub source: String,
    /// The instrument.
    pub instrument: String,
    /// How many prices it said that were taken.
    pub taken: u64,
    /// How many tries failed.
    pub failed: u64,
    /// How many of them in a row, up to now.
    pub failed_in_a_row: u32,
    /// Why the last try failed, where it did. Holds no secret.
    pub fault: Option<String>,
}

/// A try that has ended, its page read.
#[derive(Debug)]
pub struct Came {
    target: usize,
    serial: u64,
    read: Result<Polled, String>,
    /// Whether this process stood still meanwhile.
    stood_still: bool,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A price, and it was taken. `news`: it had failed before, or this is the first one.
    Price {
        /// What was taken.
        price: Polled,
        /// Whether that is worth a line in the log.
        news: bool,
    },
    /// None. `news`: several in a row, and that was not said yet.
    Failed {
        /// Which source, of which instrument, and why.
        words: String,
        /// Whether that is worth a line in the log.
        news: bool,
    },
    /// Nothing that counts.
    Nothing,
}

#[derive(Debug)]
struct Source {
    poll: Arc<Poll>,
    probe: Arc<Probe>,
    rhythm: Rhythm,
    serial: u64,
    health: PollHealth,
}

/// All sources that are asked.
#[derive(Debug)]
pub struct PricePoller {
    sources: Vec<Source>,
    /// `None` where nothing is asked.
    prober: Option<Prober<Arc<Poll>>>,
}

impl PricePoller {
    /// Ready to ask these, at most [`MAX_POLLS`], from now on. Tries come out of the receiver. Call it only after the guard has forked.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn open(polls: Vec<Poll>, now: Monotonic) -> Result<(Self, mpsc::Receiver<Came>), StartFailed> {
        let room = polls.len().max(1) * 2;
        let (outcomes, receiver) = mpsc::channel(room);
        let sources: Vec<Source> = polls.into_iter().take(MAX_POLLS).map(|poll| Source::new(poll, now)).collect();
        let prober = if sources.is_empty() {
            None
        } else {
            // It runs no programs.
            let asker =
                Asker::new(sources.iter().map(|source| source.probe.as_ref()), Runner::default(), PathBuf::from("/"));
            Some(Prober::start(asker, outcomes, room, read_page)?)
        };
        Ok((Self { sources, prober }, receiver))
    }

    /// When the next try is due.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.sources.iter().filter_map(|source| source.rhythm.due()).min()
    }

    /// Begins what is due.
    pub fn begin_due(&mut self, now: Monotonic) {
        let Some(prober) = &self.prober else { return };
        for (target, source) in self.sources.iter_mut().enumerate() {
            if source.rhythm.due().is_none_or(|due| now < due) {
                continue;
            }
            source.rhythm.begin(now);
            source.serial += 1;
            let ask = Ask {
                target,
                serial: source.serial,
                probe: Arc::clone(&source.probe),
                purpose: Purpose::Answers,
                timeout: source.poll.timeout,
                with: Arc::clone(&source.poll),
            };
            if !prober.ask(ask) {
                source.rhythm.not_made(now);
            }
        }
    }

    /// A try has ended. A price that came is offered to `take`, with how long the page took: it may be that old. A try whose price
    /// is not taken has failed, for the reason that `take` gives.
    pub fn ended(
        &mut self,
        now: Monotonic,
        came: Came,
        take: impl FnOnce(&Polled, Duration) -> Result<(), String>,
    ) -> Outcome {
        let Some(source) = self.sources.get_mut(came.target).filter(|source| source.serial == came.serial) else {
            return Outcome::Nothing;
        };
        source.ended(now, came.read, came.stood_still, take)
    }

    /// This process stood still: what did not answer meanwhile is not held against it.
    pub fn stood_still(&mut self) {
        for source in &mut self.sources {
            source.rhythm.stood_still();
        }
    }

    /// Whether this source is asked for prices of this instrument: then nobody else may speak for it.
    pub fn asks(&self, source: &str, instrument: &str) -> bool {
        self.sources.iter().any(|one| one.poll.source == source && one.poll.instrument == instrument)
    }

    /// How each source stands.
    pub fn health(&self) -> impl Iterator<Item = &PollHealth> {
        self.sources.iter().map(|source| &source.health)
    }
}

impl Source {
    fn new(poll: Poll, now: Monotonic) -> Self {
        let terms = Terms {
            interval: poll.interval,
            failing_first: poll.interval,
            failing_max: poll.interval.max(PAUSE_MAX),
            tries: SAID_AFTER,
            over: Duration::ZERO,
        };
        let health = PollHealth {
            source: poll.source.clone(),
            instrument: poll.instrument.clone(),
            taken: 0,
            failed: 0,
            failed_in_a_row: 0,
            fault: None,
        };
        Self { probe: Arc::new(poll.probe()), poll: Arc::new(poll), rhythm: Rhythm::new(terms, now), serial: 0, health }
    }

    fn ended(
        &mut self,
        now: Monotonic,
        read: Result<Polled, String>,
        late: bool,
        take: impl FnOnce(&Polled, Duration) -> Result<(), String>,
    ) -> Outcome {
        let Some((begun, stood_still)) = self.rhythm.under_way() else { return Outcome::Nothing };
        let took = now.since(begun);
        // A page that lay there while this process stood still is of before that.
        if read.is_ok() && (stood_still || late || took > self.poll.timeout.saturating_add(LATE)) {
            self.rhythm.void(now);
            return Outcome::Nothing;
        }
        // Before the rhythm hears of it: a source whose prices nobody takes is asked slower, and said once.
        let taken = read.and_then(|price| take(&price, took).map(|()| price));
        match (self.rhythm.ended(now, taken.is_ok(), late), taken) {
            (Ended::Good { news }, Ok(price)) => {
                self.health.taken += 1;
                self.health.failed_in_a_row = 0;
                self.health.fault = None;
                Outcome::Price { price, news }
            }
            (Ended::Failed { news }, Err(fault)) => {
                self.health.failed += 1;
                self.health.failed_in_a_row = self.health.failed_in_a_row.saturating_add(1);
                let words = format!("price source \"{}\" of {}: {fault}", self.health.source, self.health.instrument);
                self.health.fault = Some(fault);
                Outcome::Failed { words, news }
            }
            (Ended::Good { .. } | Ended::Failed { .. } | Ended::Nothing, Ok(_) | Err(_)) => Outcome::Nothing,
        }
    }
}

/// On the thread that asked: a page may be long.
fn read_page(poll: Arc<Poll>, tried: Tried) -> Came {
    let Tried { target, serial, outcome, stood_still } = tried;
    let read = match outcome {
        Ok(answer) => {
            let body = answer.page.map(|page| page.body).unwrap_or_default();
            poll.read(&body).map_err(|why| format!("{} {why}", crate::probing::shown(&poll.url)))
        }
        Err(fault) => Err(fault.to_string()),
    };
    Came { target, serial, read, stood_still }
}
