//! The start-up checks as the engine runs them: beside the loop, since they wait for disks and endpoints; the core is told what
//! came out. Environment checks are made again, with growing pauses, until they pass.

use crate::beside::LOOP;
use crate::checks::{self, Caller, Class, Options, Report};
use crate::clock;
use crate::config::Config;
use crate::process::program::ProgramRequest;
use core::time::Duration;
use failstop_core::Monotonic;
use failstop_notify::threads::Threads;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Why the checks were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The engine has just started.
    Start,
    /// An operator wants to resume, and a halt asks for the integrity checks first.
    Resume,
    /// The environment failed before.
    Retry,
}

/// What came out.
#[derive(Debug)]
pub struct Findings {
    /// Why they were made.
    pub purpose: Purpose,
    /// The report; an error cannot happen, since no names are chosen.
    pub report: Report,
}

/// The check that asks each dependency: one result for each, in the configuration's order.
pub const ENDPOINTS: &str = "endpoints";

/// The first and the longest pause between two tries of the environment checks.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// The checks that are not made. Dependencies are asked here at the start only, and from then on by probes of their own. A retry
/// asks about the environment alone; reading the whole journal and every snapshot each time would be for nothing.
fn left_out(purpose: Purpose) -> Vec<String> {
    let integrity = [Class::Integrity, Class::Capital].into_iter().flat_map(checks::of_class).map(str::to_owned);
    match purpose {
        Purpose::Start => Vec::new(),
        Purpose::Resume => vec![ENDPOINTS.to_owned()],
        Purpose::Retry => integrity.chain([ENDPOINTS.to_owned()]).collect(),
    }
}

/// Runs checks in the background, one run at a time.
#[derive(Debug)]
pub struct Diagnosis {
    config: Arc<Config>,
    results: mpsc::Sender<Findings>,
    programs: mpsc::Sender<ProgramRequest>,
    running: bool,
    queued: Option<Purpose>,
    pause: Duration,
    retry_at: Option<Monotonic>,
    threads: &'static Threads,
}

impl Diagnosis {
    /// Results go to `results`; programs that probe are asked for through `programs`.
    pub fn new(config: Arc<Config>, results: mpsc::Sender<Findings>, programs: mpsc::Sender<ProgramRequest>) -> Self {
        let (pause, threads) = (RETRY_FIRST, &LOOP);
        Self { config, results, programs, running: false, queued: None, pause, retry_at: None, threads }
    }

    /// The next runs are by this configuration.
    pub fn adopt(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// Starts a run, or queues one behind the run that is under way.
    pub fn start(&mut self, purpose: Purpose) {
        if self.running {
            // A resume waits for an answer; a retry comes again by itself.
            if self.queued != Some(Purpose::Resume) {
                self.queued = Some(purpose);
            }
            return;
        }
        self.running = true;
        self.retry_at = None;
        let (config, results) = (Arc::clone(&self.config), self.results.clone());
        let caller = Caller::Engine(self.programs.clone());
        let making = self.threads.run((), move |()| {
            let options = Options { caller, skip: left_out(purpose), ..Options::default() };
            if let Ok(report) = checks::run(&config, &options) {
                // The loop is gone when this fails, and nobody wants to know any more.
                let _ = results.blocking_send(Findings { purpose, report });
            }
        });
        if let Err(none) = making {
            tracing::warn!(error = %none.error, "checks wait: there is no thread to make them");
            self.running = false;
            // The start's are more than a resume's, and wait for nobody's patience.
            self.queued = self.queued.filter(|queued| *queued == Purpose::Start).or(Some(purpose));
            self.retry_at = Some(clock::now().plus(RETRY_FIRST));
        }
    }

    /// A dependency answers again: where the environment failed, it is looked at now.
    pub fn hurry(&mut self, now: Monotonic) {
        self.retry_at = self.retry_at.map(|at| at.min(now));
    }

    /// A run has ended with this for the environment; when that is to be looked at again.
    pub fn ended(&mut self, environment: &Result<(), String>, now: Monotonic) {
        self.running = false;
        if environment.is_ok() {
            self.pause = RETRY_FIRST;
            self.retry_at = None;
        } else {
            self.retry_at = Some(now.plus(self.pause));
            self.pause = (self.pause * 2).min(RETRY_LONGEST);
        }
        if let Some(purpose) = self.queued.take() {
            self.start(purpose);
        }
    }

    /// When [`Diagnosis::retry`] is due.
    pub fn retry_at(&self) -> Option<Monotonic> {
        self.retry_at
    }

    /// Looks again, if that is due.
    pub fn retry(&mut self, now: Monotonic) {
        if self.retry_at.is_some_and(|at| now >= at) {
            let waits = self.queued.take();
            self.start(waits.unwrap_or(Purpose::Retry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host that gives none.
    static NONE: Threads = Threads::new(0);

    #[test]
    fn checks_that_have_no_thread_wait_for_one() {
        let ((results, mut found), (programs, _asked)) = (mpsc::channel(1), mpsc::channel(1));
        let config = Arc::new(crate::config::tests::with(""));
        let mut diagnosis = Diagnosis { threads: &NONE, ..Diagnosis::new(config, results, programs) };
        diagnosis.start(Purpose::Start);
        for purpose in [Purpose::Resume, Purpose::Retry] {
            let Some(due) = diagnosis.retry_at() else { panic!("it is not tried again") };
            assert_eq!(diagnosis.queued, Some(Purpose::Start), "what the start waits for is not forgotten");
            diagnosis.start(purpose);
            diagnosis.retry(due.plus(RETRY_FIRST));
        }
        assert_eq!((diagnosis.queued, diagnosis.running), (Some(Purpose::Start), false));
        assert!(found.try_recv().is_err());
    }

    #[test]
    fn a_retry_reads_neither_the_journal_nor_the_snapshots() {
        let left_out = left_out(Purpose::Retry);
        for name in ["journal", "snapshots", "capital", "strategies", ENDPOINTS] {
            assert!(left_out.iter().any(|left| left == name), "{name}: {left_out:?}");
        }
        let asked: Vec<&str> = checks::of_class(Class::Environment).filter(|name| *name != ENDPOINTS).collect();
        assert!(asked.contains(&"disk") && !asked.iter().any(|name| left_out.iter().any(|left| left == name)));
    }
}
