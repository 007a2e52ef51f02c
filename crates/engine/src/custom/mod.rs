//! Asks the sources of metrics that the configuration has ([metrics]): programs that print them, endpoints in the Prometheus text
//! format. What they say goes into the one store of metrics ([`crate::metrics::custom`]).
//!
//! The loop owns the rhythm ([`Sources::begin_due`], [`Sources::next_deadline`]) and runs the programs like all others; pages are asked
//! by [`crate::probing`]'s. What was said is read, and users of programs are looked up, on threads that are there only where there are
//! such sources ([`Beside`]): numbers come to the loop. Nothing waits for a source, and nothing is halted by one: a source that fails
//! says nothing, and what it said grows stale.

mod beside;
mod output;
mod spec;
mod take;
mod text;

#[cfg(test)]
mod tests;

pub use beside::{Beside, Measured, Run};
pub use output::{OUTPUT_MAX, Printed, pipe};
pub use spec::{Reading, Ready, Said, Silence, probe_of};
pub use take::Take;
pub use text::{LineFault, Series, Unread, fold, number, series};

use crate::config::{self, Probe};
use crate::metrics::custom::Declared;
use crate::probing::{Ask, Ended, Prober, Purpose, Rhythm, StartFailed, Terms, Tried};
use beside::{Find, account_of};
use core::time::Duration;
use failstop_client::status::MetricSource;
use failstop_core::Monotonic;
use spec::{Asked, Spec};
use std::sync::Arc;
use tokio::sync::mpsc;

/// How much of a page is read at most, bytes.
pub const PAGE_MAX: usize = 1024 * 1024;

/// The longest pause after failed tries in a row.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// So many failed tries in a row are said, once.
const SAID_AFTER: u32 = 2;

/// How one source stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// How often it said something.
    pub taken: u64,
    /// How often it did not.
    pub failed: u64,
    /// How often in a row, up to now.
    pub failed_in_a_row: u32,
    /// Why the last try failed, where it did. Holds no secret.
    pub fault: Option<String>,
    /// Which of its metrics it said nothing of, the last time.
    pub missing: Vec<String>,
    /// It failed often enough to be told, and why.
    failing: Option<String>,
}

#[derive(Debug)]
struct Source {
    id: usize,
    spec: Spec,
    rhythm: Rhythm,
    serial: u64,
    /// The process that runs for it now.
    program: Option<i32>,
    health: Health,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It said something.
    Read {
        /// Which source.
        source: Arc<str>,
        /// When it was asked: what it said is no younger than that.
        at: Monotonic,
        /// Its metrics, by name, as far as they are numbers.
        values: Vec<(String, f64)>,
        /// What is worth a line in the log.
        words: Option<String>,
    },
    /// It did not.
    Failed {
        /// Which source, and why.
        words: String,
        /// Whether that is worth a line in the log.
        news: bool,
    },
    /// Nothing that counts.
    Nothing,
}

/// All sources that are asked.
#[derive(Debug)]
pub struct Sources {
    sources: Vec<Source>,
    /// `None` where no page is asked.
    prober: Option<Prober<Reading>>,
    /// `None` where no program is run.
    beside: Option<Beside>,
    find: Find,
    outcomes: mpsc::Sender<Measured>,
    next_serial: u64,
    next_id: usize,
}

/// How many tries may have ended and wait for the loop: each source has one under way, and may have one that was given up.
const WAITING_MAX: usize = 2 * config::MAX_METRIC_SOURCES;

impl Sources {
    /// Asks these from now on. What comes of tries comes out of the receiver. Call it only after the guard has forked.
    ///
    /// # Errors
    /// A thread that asks or reads cannot be started.
    pub fn open(ready: Ready, now: Monotonic) -> Result<(Self, mpsc::Receiver<Measured>), StartFailed> {
        Self::finding(account_of, ready, now)
    }

    fn finding(find: Find, ready: Ready, now: Monotonic) -> Result<(Self, mpsc::Receiver<Measured>), StartFailed> {
        let (outcomes, receiver) = mpsc::channel(WAITING_MAX);
        let mut sources =
            Self { sources: Vec::new(), prober: None, beside: None, find, outcomes, next_serial: 1, next_id: 0 };
        match sources.adopt(ready, now) {
            (_, None) => Ok((sources, receiver)),
            (_, Some(failed)) => Err(failed),
        }
    }

    /// Other sources: what is the same among them goes on as it was. Gives the processes that run for nobody any more, and why some
    /// cannot be asked, where they cannot.
    pub fn adopt(&mut self, ready: Ready, now: Monotonic) -> (Vec<i32>, Option<StartFailed>) {
        let Ready { specs, asker } = ready;
        let pages_before = self.pages();
        let mut before = std::mem::take(&mut self.sources);
        for spec in specs {
            let source = match before.iter().position(|source| source.spec == spec) {
                Some(index) => before.swap_remove(index),
                None => self.source(spec, now),
            };
            self.sources.push(source);
        }
        let given_up = before.into_iter().filter_map(|source| source.program).collect();
        let read = self.read_programs();
        if self.pages() == pages_before {
            return (given_up, read.err());
        }
        // What the thread has under way ends with it.
        self.prober = None;
        for source in &mut self.sources {
            if matches!(source.spec.asked, Asked::Page(_)) && source.rhythm.under_way().is_some() {
                source.rhythm.not_made(now);
            }
        }
        let asked = asker.map(|asker| Prober::start(asker, self.outcomes.clone(), WAITING_MAX, read_page)).transpose();
        match asked {
            Ok(prober) => {
                self.prober = prober;
                (given_up, read.err())
            }
            Err(failed) => (given_up, Some(failed)),
        }
    }

    /// Has a thread that reads what programs print exactly where there are programs.
    fn read_programs(&mut self) -> Result<(), StartFailed> {
        let any = self.sources.iter().any(|source| matches!(source.spec.asked, Asked::Program { .. }));
        match (&self.beside, any) {
            (Some(_), true) | (None, false) => {}
            // It still reads what runs already.
            (Some(_), false) => self.beside = None,
            (None, true) => self.beside = Some(Beside::start(self.find, self.outcomes.clone())?),
        }
        Ok(())
    }

    fn pages(&self) -> Vec<Arc<Probe>> {
        let page = |source: &Source| match &source.spec.asked {
            Asked::Page(probe) => Some(Arc::clone(probe)),
            Asked::Program { .. } => None,
        };
        self.sources.iter().filter_map(page).collect()
    }

    fn source(&mut self, spec: Spec, now: Monotonic) -> Source {
        let terms = Terms {
            interval: spec.interval,
            failing_first: spec.interval,
            failing_max: spec.interval.max(PAUSE_MAX),
            tries: SAID_AFTER,
            over: Duration::ZERO,
        };
        self.next_id += 1;
        let rhythm = Rhythm::new(terms, now);
        Source { id: self.next_id, spec, rhythm, serial: 0, program: None, health: Health::default() }
    }

    /// When the next try is due.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.sources.iter().filter_map(|source| source.rhythm.due()).min()
    }

    /// Begins what is due; the programs among it are the caller's to run.
    pub fn begin_due(&mut self, now: Monotonic) -> Vec<Run> {
        let Self { sources, prober, beside, next_serial, .. } = self;
        let mut runs = Vec::new();
        for source in sources {
            if source.rhythm.due().is_none_or(|due| now < due) {
                continue;
            }
            source.rhythm.begin(now);
            source.serial = *next_serial;
            *next_serial += 1;
            match &source.spec.asked {
                Asked::Page(probe) => {
                    let ask = Ask {
                        target: source.id,
                        serial: source.serial,
                        probe: Arc::clone(probe),
                        purpose: Purpose::Answers,
                        timeout: source.spec.timeout,
                        with: source.spec.reading.clone(),
                    };
                    if !prober.as_ref().is_some_and(|prober| prober.ask(ask)) {
                        source.cannot_be_asked(now);
                    }
                }
                Asked::Program { argv, env, user } => {
                    let run = Run {
                        serial: source.serial,
                        argv: argv.as_slice().to_vec(),
                        env: env.clone(),
                        user: user.clone(),
                        account: None,
                        timeout: source.spec.timeout,
                        reading: source.spec.reading.clone(),
                    };
                    match beside {
                        // Anew each time: who it is may change while this runs, and whoever is missing may come.
                        Some(beside) if run.user.is_some() => {
                            if !beside.find(run) {
                                source.cannot_be_asked(now);
                            }
                        }
                        Some(_) => runs.push(run),
                        None => source.cannot_be_asked(now),
                    }
                }
            }
        }
        runs
    }

    /// What reads what programs print; `None` where none is run.
    pub fn beside(&self) -> Option<Beside> {
        self.beside.clone()
    }

    /// Whether somebody still waits for this try.
    pub fn awaits(&self, serial: u64) -> bool {
        self.sources.iter().any(|source| source.serial == serial && source.rhythm.under_way().is_some())
    }

    /// This host could not make this try now, and why.
    pub fn not_made(&mut self, now: Monotonic, serial: u64, why: String) {
        self.ended(now, serial, Err(Silence::NotMade(why)), false);
    }

    /// This process runs for that try.
    pub fn runs(&mut self, serial: u64, program: Option<i32>) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.serial == serial) {
            source.program = program;
        }
    }

    /// A try has ended.
    pub fn ended(&mut self, now: Monotonic, serial: u64, said: Said, stood_still: bool) -> Outcome {
        match self.sources.iter_mut().find(|source| source.serial == serial) {
            Some(source) => source.ended(now, said, stood_still),
            None => Outcome::Nothing,
        }
    }

    /// This process stood still: what did not answer meanwhile is not held against it.
    pub fn stood_still(&mut self) {
        for source in &mut self.sources {
            source.rhythm.stood_still();
        }
    }

    /// The metrics that they have.
    pub fn declared(&self) -> impl Iterator<Item = Declared> {
        self.sources.iter().flat_map(|source| {
            source.spec.reading.takes.iter().map(|take| Declared {
                name: take.name.clone(),
                source: Arc::clone(&source.spec.name),
                unit: take.unit.clone(),
                stale_after: source.spec.stale_after,
            })
        })
    }

    /// Which sources fail, in words; `None` where none does that is known.
    pub fn failing(&self) -> Option<String> {
        let mut failing = self.sources.iter().filter_map(|source| source.health.failing.as_deref());
        let first = failing.next()?;
        Some(match failing.count() {
            0 => first.to_owned(),
            more => format!("{first} (and {more} more)"),
        })
    }

    /// Whether each has said something in this life.
    pub fn are_known(&self) -> bool {
        self.sources.iter().all(|source| source.health.taken > 0)
    }

    /// How each stands.
    pub fn summary(&self) -> Vec<MetricSource> {
        let of = |source: &Source| MetricSource {
            name: source.spec.name.to_string(),
            kind: match source.spec.asked {
                Asked::Program { .. } => "command",
                Asked::Page(_) => "prometheus",
            }
            .to_owned(),
            up: (source.health.taken > 0 || source.health.failed > 0).then_some(source.health.failed_in_a_row == 0),
            taken: source.health.taken,
            failed: source.health.failed,
            fault: source.health.fault.clone(),
            missing: source.health.missing.clone(),
        };
        self.sources.iter().map(of).collect()
    }
}

impl Source {
    /// There is no thread to ask with, nor will there be in a second.
    fn cannot_be_asked(&mut self, now: Monotonic) {
        self.health.fault = Some("there is no thread to ask with".to_owned());
        self.rhythm.void(now);
    }

    fn ended(&mut self, now: Monotonic, said: Said, stood_still: bool) -> Outcome {
        self.program = None;
        let Some((begun, _)) = self.rhythm.under_way() else { return Outcome::Nothing };
        let read = match said {
            Ok(read) => Ok(read),
            Err(Silence::NotMade(why)) => {
                self.health.fault = Some(why);
                self.rhythm.not_made(now);
                return Outcome::Nothing;
            }
            Err(Silence::Failed(why)) => Err(why),
        };
        let name = &self.spec.name;
        match (self.rhythm.ended(now, read.is_ok(), stood_still), read) {
            (Ended::Good { news }, Ok(read)) => {
                let health = &mut self.health;
                health.taken += 1;
                (health.failed_in_a_row, health.fault, health.failing) = (0, None, None);
                let mut missing = Vec::new();
                let mut values = Vec::new();
                for (take, value) in self.spec.reading.takes.iter().zip(read) {
                    match value.filter(|value| value.is_finite()) {
                        Some(value) => values.push((take.name.clone(), value)),
                        None => missing.push(take.name.clone()),
                    }
                }
                let words = if missing != health.missing && !missing.is_empty() {
                    Some(format!("\"{name}\" has no number for {}", missing.join(", ")))
                } else {
                    news.then(|| format!("\"{name}\" says its metrics"))
                };
                health.missing = missing;
                Outcome::Read { source: Arc::clone(name), at: begun, values, words }
            }
            (Ended::Failed { news }, Err(fault)) => {
                let health = &mut self.health;
                health.failed += 1;
                health.failed_in_a_row = health.failed_in_a_row.saturating_add(1);
                let words = format!("source of metrics \"{name}\": {fault}");
                if news {
                    health.failing = Some(words.clone());
                }
                health.fault = Some(fault);
                Outcome::Failed { words, news }
            }
            (Ended::Good { .. } | Ended::Failed { .. } | Ended::Nothing, Ok(_) | Err(_)) => Outcome::Nothing,
        }
    }
}

/// On the thread that asked.
fn read_page(reading: Reading, tried: Tried) -> Measured {
    let Tried { serial, outcome, stood_still, target: _ } = tried;
    Measured::Ended { serial, said: reading.read(outcome), stood_still }
}
