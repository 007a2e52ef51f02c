//! While the engine runs it verifies what came since the trusted checkpoint, and some of what is old, again and again: on a thread
//! of its own, which gets the processor and the disk only when nobody else wants them. The loop is told what came of it.

use super::engine::Engine;
use crate::clock;
use core::time::Duration;
use failstop_client::status::VerifiedSummary;
use failstop_core::{Cause, Input, Monotonic};
use failstop_journal::Wall;
use failstop_journal::verify::{CHECKPOINT, Checkpoint, Options, Outcome, Report, VerifyError, verify, verify_since};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// How many runs in a row may fail to read the journal before that counts as damage.
const UNREADABLE_MAX: u32 = 2;

/// What came of a run.
#[derive(Debug)]
pub struct Verified {
    /// The report, or why there is none.
    pub outcome: Result<Box<Report>, String>,
    /// What people should know beside it.
    pub notes: Vec<String>,
}

/// Begins the runs, one at a time.
#[derive(Debug)]
pub struct Verifier {
    state: PathBuf,
    every: Duration,
    results: mpsc::Sender<Verified>,
    due: Option<Monotonic>,
    /// The next run was put off once, since the host was too busy.
    late: bool,
    unreadable: u32,
    last: Option<VerifiedSummary>,
}

impl Verifier {
    /// The first run comes so much after now: the start-up check reads everything anyway.
    pub fn new(state: &Path, every: Duration, now: Monotonic) -> (Self, mpsc::Receiver<Verified>) {
        let (results, receiver) = mpsc::channel(1);
        let due = Some(now.plus(every));
        let verifier = Self { state: state.to_owned(), every, results, due, late: false, unreadable: 0, last: None };
        (verifier, receiver)
    }

    /// The runs come so far apart from here on; the next one no later than that.
    pub fn set_every(&mut self, every: Duration, now: Monotonic) {
        self.every = every;
        self.due = self.due.map(|due| due.min(now.plus(every)));
    }

    /// When the next run begins.
    pub fn due(&self) -> Option<Monotonic> {
        self.due
    }

    /// What the last run found; `None` before the first is over.
    pub fn last(&self) -> Option<&VerifiedSummary> {
        self.last.as_ref()
    }

    /// Begins a run, where one is due.
    ///
    /// # Errors
    /// What the operating system said to a new thread; it is tried again a turn later.
    pub fn begin(&mut self, now: Monotonic) -> std::io::Result<()> {
        if self.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        let (state, results) = (self.state.clone(), self.results.clone());
        let run = move || {
            give_way();
            let verified = run(&state, Wall::now());
            // The loop is gone when this fails, and nobody wants to know any more.
            let _ = results.blocking_send(verified);
        };
        match std::thread::Builder::new().name("verifier".into()).spawn(run) {
            Ok(_) => {
                (self.due, self.late) = (None, false);
                Ok(())
            }
            Err(error) => {
                self.due = Some(now.plus(self.every));
                Err(error)
            }
        }
    }

    /// The host is too busy: a run that is due waits for its next time, but for no more than that. Whether it waits.
    ///
    /// Finding damage is safety work. It may make room for a while, since it reads and hashes much and nobody waits for it; a host that stays
    /// busy, or a breaker that stays until somebody resets it, must not keep it from ever running. It takes only what nobody else wants.
    fn put_off(&mut self, now: Monotonic) -> bool {
        if self.due.is_some_and(|due| now >= due) && !self.late {
            (self.due, self.late) = (Some(now.plus(self.every)), true);
        }
        self.due.is_none_or(|due| now < due)
    }

    /// There is room again: a run that was put off is due.
    pub fn make_up(&mut self, now: Monotonic) {
        if std::mem::take(&mut self.late) {
            self.due = self.due.map(|due| due.min(now));
        }
    }

    /// A run is over. What is wrong, if anything is.
    fn ended(&mut self, verified: &Verified, now: Monotonic) -> Option<String> {
        self.due = Some(now.plus(self.every));
        self.last = Some(summary(verified, clock::rfc3339(clock::wall())));
        let why = match &verified.outcome {
            Ok(report) => {
                self.unreadable = 0;
                if report.result != Outcome::Violated {
                    return None;
                }
                let count = report.violations.len() as u64 + report.more_violations;
                let first =
                    report.violations.first().map_or_else(|| "the chain is broken".to_owned(), ToString::to_string);
                return Some(if count > 1 { format!("{first} (and {} more)", count - 1) } else { first });
            }
            Err(why) => why,
        };
        self.unreadable += 1;
        (self.unreadable >= UNREADABLE_MAX).then(|| format!("the journal cannot be verified any more: {why}"))
    }
}

impl Engine {
    /// Begins to verify, where that is due.
    pub(super) fn begin_to_verify(&mut self, now: Monotonic) {
        if self.is_shed() && self.verifier.put_off(now) {
            return;
        }
        if let Err(error) = self.verifier.begin(now) {
            self.say("verify", &format!("the journal is not verified this time: no thread is to be had ({error})"));
        }
    }

    /// A verification beside the loop is over. What it found is a halt, in the journal and told to people by that.
    pub(super) fn verified(&mut self, verified: Verified) {
        for note in &verified.notes {
            self.say("verify", note);
        }
        match self.verifier.ended(&verified, clock::now()) {
            Some(evidence) => {
                self.say("verify", &evidence);
                self.feed(Input::Raise { cause: Cause::Integrity, slot: None, evidence });
            }
            None => {
                if let Err(why) = &verified.outcome {
                    self.say("verify", &format!("the journal could not be verified this time: {why}"));
                }
            }
        }
    }
}

/// A run in short, for whoever looks at the system.
fn summary(verified: &Verified, at: String) -> VerifiedSummary {
    let (result, seq, detail) = match &verified.outcome {
        Ok(report) => (
            report.result,
            report.head.as_ref().map(|head| head.seq),
            report.violations.first().map(ToString::to_string),
        ),
        Err(why) => (Outcome::Unverifiable, None, Some(why.clone())),
    };
    VerifiedSummary { at, result: result.name().to_owned(), seq, detail }
}

/// One run: from the trusted checkpoint on, or, where there is none that can be used, from the beginning.
fn run(state: &Path, now: Wall) -> Verified {
    let mut notes = Vec::new();
    let before = match Checkpoint::read(&state.join(CHECKPOINT)) {
        Ok(checkpoint) => Some(checkpoint),
        Err(error) if error.is_missing() => None,
        Err(error) => {
            notes.push(format!("{error}; everything is verified"));
            None
        }
    };
    let options = Options { threads: 1, ..Options::default() };
    let outcome = match &before {
        Some(checkpoint) => verify_since(state, checkpoint, now, &options, &|_| {}),
        None => verify(state, &options, &|_| {}),
    };
    if let Ok(report) = &outcome {
        notes.extend(report.notes.iter().cloned());
        notes.extend(trust(state, report, before.as_ref(), now).err());
    }
    Verified { outcome: outcome.map(Box::new).map_err(|error: VerifyError| error.to_string()), notes }
}

/// Writes the trusted checkpoint that a verification allows.
///
/// # Errors
/// Why it could not be written, in words: the next run then reads more.
pub fn trust(state: &Path, report: &Report, before: Option<&Checkpoint>, now: Wall) -> Result<(), String> {
    // A check that an operator asked for may end at the same moment.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = before.filter(|_| report.since.is_some());
    match Checkpoint::of(state, report, before, now) {
        Ok(Some(checkpoint)) => checkpoint.write_in(state).map_err(|error| error.to_string()),
        Ok(None) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Lowers the calling thread's processor and disk priority to the least. A host that does not allow it runs it as it is: one
/// thread that reads and hashes.
fn give_way() {
    const NICEST: libc::c_int = 19;
    /// The caller's own thread, with id 0.
    const WHO_PROCESS: libc::c_int = 1;
    /// Class "idle", shifted to its place.
    const IDLE: libc::c_int = 3 << 13;
    // SAFETY: plain system calls on numbers; they touch no memory of ours. On Linux both are about the calling thread alone.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICEST);
        libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, IDLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn runs_come_so_far_apart_as_is_said_now_and_the_next_one_is_not_put_off() {
        let hour = Duration::from_secs(3_600);
        let (mut verifier, _results) = Verifier::new(Path::new("nowhere"), hour, at(0));
        assert_eq!(verifier.due(), Some(at(3_600)));
        verifier.set_every(Duration::from_secs(60), at(10));
        assert_eq!(verifier.due(), Some(at(70)));
        verifier.set_every(hour, at(20));
        assert_eq!(verifier.due(), Some(at(70)));
        assert!(verifier.put_off(at(70)));
        assert_eq!(verifier.due(), Some(at(3_670)), "the one after goes by what was said last");
        // While one is under way.
        verifier.due = None;
        verifier.set_every(Duration::from_secs(60), at(3_700));
        assert_eq!(verifier.due(), None, "never two at a time");
        verifier.ended(&Verified { outcome: Err("no such file".to_owned()), notes: Vec::new() }, at(4_000));
        assert_eq!(verifier.due(), Some(at(4_060)));
    }
    #[test]
    fn a_busy_host_puts_a_run_off_once_and_never_for_good() {
        let hour = Duration::from_secs(3_600);
        let (mut verifier, _results) = Verifier::new(Path::new("nowhere"), hour, at(0));
        assert!(verifier.put_off(at(3_599)), "none is due");
        assert_eq!(verifier.due(), Some(at(3_600)));
        assert!(verifier.put_off(at(3_600)) && verifier.put_off(at(7_199)));
        assert_eq!(verifier.due(), Some(at(7_200)));
        assert!(!verifier.put_off(at(7_200)), "as busy as the host may be");
        assert!(verifier.begin(at(7_200)).is_ok(), "a thread");
        assert!(verifier.due().is_none() && verifier.put_off(at(7_300)), "it runs");
        verifier.ended(&Verified { outcome: Err("no such file".to_owned()), notes: Vec::new() }, at(7_400));
        // Each in its turn, and as soon as there is room.
        assert!(verifier.put_off(at(11_000)));
        assert_eq!(verifier.due(), Some(at(14_600)));
        verifier.make_up(at(11_500));
        assert_eq!(verifier.due(), Some(at(11_500)));
        verifier.make_up(at(11_400));
        assert_eq!(verifier.due(), Some(at(11_500)), "nothing is late any more");
    }
}
