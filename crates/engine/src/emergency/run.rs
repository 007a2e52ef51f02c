//! What was done in one emergency: on the disk before an action begins and after it ends, so that whoever comes after a death
//! knows.

use super::FOLDER;
use super::plan::{Action, Plan};
use crate::config::{EmergencyKind, EmergencyWhen};
use crate::kill_switch::{Latch, durable};
use failstop_client::status::{EmergencyRun, EmergencyStep};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The largest that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// After an action was begun so often without anybody knowing how it ended, it is given up: something about it ends whoever runs it.
pub const BEGINNINGS_MAX: u32 = 3;

/// Why actions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The kill switch is engaged.
    KillSwitch,
    /// Another halt shuts everything down.
    Failsafe,
    /// Nothing: it is rehearsed.
    Drill,
}

impl Cause {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::KillSwitch, Self::Failsafe, Self::Drill];

    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::KillSwitch => "kill-switch",
            Self::Failsafe => "failsafe",
            Self::Drill => "drill",
        }
    }

    /// Which actions of a plan are run for it; `None` for every one: a drill rehearses what any emergency may run.
    pub const fn when(self) -> Option<EmergencyWhen> {
        match self {
            Self::KillSwitch => Some(EmergencyWhen::KillSwitch),
            Self::Failsafe => Some(EmergencyWhen::Failsafe),
            Self::Drill => None,
        }
    }

    fn file(self, state_dir: &Path) -> PathBuf {
        state_dir.join(FOLDER).join(format!("run-{}.json", self.word()))
    }
}

/// Which engagement the latch shows; `None` where it is clear. One engagement, one run.
pub fn key_of(latch: &Latch) -> Option<String> {
    match latch {
        Latch::Clear => None,
        // Whoever engages it again is noted behind the first: it stays the same engagement.
        Latch::Engaged { first, .. } => Some(format!("{} {} {}", first.time, first.by, first.reason)),
        Latch::Unreadable(_) => Some("unreadable".to_owned()),
    }
}

/// What is done, and was, in one emergency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which: 16 hex digits; the trace id that actions are told.
    pub id: String,
    /// Which engagement or halt it is for.
    pub key: String,
    /// Why.
    pub cause: Cause,
    /// The system's name.
    pub system: String,
    /// Who wanted it.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// When it began, RFC 3339.
    pub begun: String,
    /// The actions, in order.
    pub steps: Vec<Step>,
    /// When everything was tried; `None` while it goes on, or where it was interrupted.
    pub finished: Option<String>,
    /// Why this could not be kept on the disk: then nobody later knows what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
}

/// One action of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What it does at the venue.
    pub kind: EmergencyKind,
    /// How often it was begun: more than once where somebody died in the middle.
    pub beginnings: u32,
    /// When it was begun last.
    pub begun: Option<String>,
    /// How it ended.
    pub ended: Option<Ended>,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When, RFC 3339.
    pub at: String,
    /// How long it took, all tries together.
    pub took_ms: u64,
    /// How often it was tried since it was begun.
    pub tries: u32,
    /// How the last try ended.
    pub outcome: Outcome,
    /// The last that it printed.
    #[serde(default)]
    pub said: Vec<String>,
    /// How much it printed, bytes.
    #[serde(default)]
    pub said_bytes: u64,
    /// Processes that it left behind when it ended, and that were killed.
    #[serde(default)]
    pub left: usize,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// With a status that means that it was done.
    Done {
        /// The exit status.
        status: i32,
    },
    /// With another status.
    Failed {
        /// The exit status.
        status: i32,
    },
    /// By a signal.
    Signal {
        /// Which.
        signal: i32,
    },
    /// It was killed when its time was up.
    TimedOut {
        /// How long it had.
        after_ms: u64,
    },
    /// It could not be started.
    NotStarted {
        /// Why not.
        why: String,
    },
    /// It was begun before, and nobody knows how that ended; too often to try again.
    GivenUp {
        /// How often it was begun.
        beginnings: u32,
    },
    /// A drill that the kill switch ended, or whoever had begun it.
    Interrupted,
}

impl Outcome {
    /// Whether it was done.
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }

    /// For people.
    pub fn text(&self) -> String {
        match self {
            Self::Done { status } => format!("exit status {status}"),
            Self::Failed { status } => format!("exit status {status}"),
            Self::Signal { signal } => format!("ended by signal {signal}"),
            Self::TimedOut { after_ms } => {
                format!("not over after {}, killed with everything below it", seconds(*after_ms))
            }
            Self::NotStarted { why } => format!("not started: {why}"),
            Self::GivenUp { beginnings } => {
                format!("begun {beginnings} times, each time ended with whoever ran it; not tried again")
            }
            Self::Interrupted => "interrupted: the kill switch was engaged, or the drill was ended".to_owned(),
        }
    }
}

/// A span in seconds, for people: `1.2 s`.
pub fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// Why a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The kernel said so.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path} does not say what was done: {source}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Run {
    /// What the status says of it.
    pub fn summary(&self) -> EmergencyRun {
        let (done, failed) = self.counts();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let step = |step: &Step| EmergencyStep {
            name: step.name.clone(),
            kind: step.kind.word().to_owned(),
            state: step.state().to_owned(),
            detail: step.text(),
        };
        EmergencyRun {
            trace: self.id.clone(),
            cause: self.cause.word().to_owned(),
            begun: self.begun.clone(),
            finished: self.finished.clone(),
            done: count(done),
            failed: count(failed),
            actions: self.steps.iter().map(step).collect(),
        }
    }

    /// The run of this plan, nothing done yet.
    pub fn new(
        id: String,
        key: String,
        cause: Cause,
        plan: &Plan,
        (by, reason): (String, String),
        begun: String,
    ) -> Self {
        let step = |action: &Action| Step {
            name: action.name.clone(),
            kind: action.kind,
            beginnings: 0,
            begun: None,
            ended: None,
        };
        let steps = plan.actions.iter().map(step).collect();
        Self { id, key, cause, system: plan.system.clone(), by, reason, begun, steps, finished: None, not_kept: None }
    }

    /// The last run of this cause; `None` where there was none.
    ///
    /// # Errors
    /// [`RunError`]: nobody knows then what was done.
    pub fn read(state_dir: &Path, cause: Cause) -> Result<Option<Self>, RunError> {
        let path = cause.file(state_dir);
        let failed = |source| RunError::Io { path: path.clone(), source };
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = match File::options().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut text = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
        serde_json::from_slice(&text).map(Some).map_err(|source| RunError::Malformed { path, source })
    }

    /// Keeps it on the disk, in the place of the last run of its cause.
    ///
    /// # Errors
    /// Those of writing.
    pub fn keep(&self, state_dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        durable::replace_private(&self.cause.file(state_dir), &text)
    }

    /// Forgets the last run of this cause: its engagement was released.
    ///
    /// # Errors
    /// Those of removing.
    pub fn forget(state_dir: &Path, cause: Cause) -> io::Result<()> {
        match std::fs::remove_file(cause.file(state_dir)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Takes the actions of a plan that this run does not know yet: one that was configured since.
    pub fn take_on(&mut self, plan: &Plan) {
        for (name, kind) in plan.actions.iter().map(|action| (&action.name, action.kind)) {
            if !self.steps.iter().any(|step| step.name == *name) {
                self.steps.push(Step { name: name.clone(), kind, beginnings: 0, begun: None, ended: None });
                self.finished = None;
            }
        }
    }

    /// Whether every action was tried.
    pub fn is_finished(&self) -> bool {
        self.finished.is_some()
    }

    /// Whether it was ended before everything was tried.
    pub fn is_interrupted(&self) -> bool {
        let was = |step: &Step| step.ended.as_ref().is_some_and(|ended| ended.outcome == Outcome::Interrupted);
        self.steps.iter().any(was)
    }

    /// How many actions were done, and how many not.
    pub fn counts(&self) -> (usize, usize) {
        let done = self.steps.iter().filter(|step| step.is_done()).count();
        (done, self.steps.len() - done)
    }

    /// Whether every action of this kind was done, and there is one.
    pub fn has_done(&self, kind: EmergencyKind) -> bool {
        let mut of_the_kind = self.steps.iter().filter(|step| step.kind == kind).peekable();
        of_the_kind.peek().is_some() && of_the_kind.all(Step::is_done)
    }
}

impl Step {
    /// Whether it was done.
    pub fn is_done(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.outcome.is_done())
    }

    /// How it stands, in a word.
    pub fn state(&self) -> &'static str {
        match (&self.ended, &self.begun) {
            (Some(_), _) if self.is_done() => "done",
            (Some(_), _) => "failed",
            (None, Some(_)) => "running",
            (None, None) => "waiting",
        }
    }

    /// What became of it, for people, without its name.
    pub fn text(&self) -> String {
        let again = match self.beginnings {
            0 | 1 => String::new(),
            times => format!("; begun {times} times, since whoever ran it died"),
        };
        match (&self.ended, &self.begun) {
            (Some(ended), _) => {
                let word = if ended.outcome.is_done() { "done" } else { "failed" };
                let tries = if ended.tries > 1 { format!(" and {} tries", ended.tries) } else { String::new() };
                let left = match ended.left {
                    0 => String::new(),
                    1 => "; 1 process that it left was killed".to_owned(),
                    left => format!("; {left} processes that it left were killed"),
                };
                format!("{word} after {}{tries}: {}{left}{again}", seconds(ended.took_ms), ended.outcome.text())
            }
            (None, Some(begun)) => format!("runs since {begun}, or whoever ran it died{again}"),
            (None, None) => "waits for its turn".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::kill_switch::{Engagement, read_latch, write_latch};

    fn plan(names: &[&str]) -> Plan {
        let action = |name: &&str| {
            format!("[[emergency.action]]\nname = \"{name}\"\nkind = \"cancel-all\"\ncommand = [\"true\"]\n")
        };
        Plan::of(&crate::config::tests::with(&names.iter().map(action).collect::<String>()))
    }

    fn run(names: &[&str]) -> Run {
        let who = ("ann".to_owned(), "test".to_owned());
        Run::new("0".repeat(16), "k".to_owned(), Cause::KillSwitch, &plan(names), who, "t".to_owned())
    }

    fn ended(outcome: Outcome) -> Option<Ended> {
        let (said, said_bytes, left) = (Vec::new(), 0, 0);
        Some(Ended { at: "t".to_owned(), took_ms: 1_234, tries: 1, outcome, said, said_bytes, left })
    }

    #[test]
    fn what_was_kept_is_read_back_and_forgotten_on_release() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(FOLDER)).unwrap();
        assert_eq!(Run::read(dir.path(), Cause::KillSwitch).unwrap(), None);
        let mut run = run(&["a", "b"]);
        run.steps[0].ended = ended(Outcome::NotStarted { why: "gone".to_owned() });
        run.keep(dir.path()).unwrap();
        assert_eq!(Run::read(dir.path(), Cause::KillSwitch).unwrap().as_ref(), Some(&run));
        assert_eq!(Run::read(dir.path(), Cause::Drill).unwrap(), None, "one file a cause");
        Run::forget(dir.path(), Cause::KillSwitch).unwrap();
        Run::forget(dir.path(), Cause::KillSwitch).unwrap();
        assert_eq!(Run::read(dir.path(), Cause::KillSwitch).unwrap(), None);
        std::fs::write(Cause::Drill.file(dir.path()), "half").unwrap();
        assert!(matches!(Run::read(dir.path(), Cause::Drill), Err(RunError::Malformed { .. })));
    }

    #[test]
    fn an_engagement_stays_the_same_when_it_is_repeated_and_is_another_after_a_release() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(key_of(&read_latch(dir.path())), None);
        let engage = |by: &str, time: &str| {
            let engagement = Engagement { by: by.to_owned(), reason: "r".to_owned(), time: time.to_owned() };
            write_latch(dir.path(), &engagement).unwrap();
            key_of(&read_latch(dir.path()))
        };
        let first = engage("ann", "t1");
        assert_eq!(engage("bob", "t2"), first);
        crate::kill_switch::remove_latch(dir.path()).unwrap();
        assert_ne!(engage("bob", "t2"), first);
    }

    #[test]
    fn an_action_that_was_configured_since_opens_the_run_again() {
        let mut run = run(&["a"]);
        run.finished = Some("t".to_owned());
        run.take_on(&plan(&["a"]));
        assert!(run.is_finished());
        run.take_on(&plan(&["a", "b"]));
        assert!(!run.is_finished());
        assert_eq!(run.steps.len(), 2);
    }

    #[test]
    fn only_what_was_done_counts_as_done() {
        let mut run = run(&["a", "b"]);
        assert!(!run.has_done(EmergencyKind::CancelAll));
        run.steps[0].ended = ended(Outcome::Done { status: 0 });
        assert!(!run.has_done(EmergencyKind::CancelAll), "the other one was not done");
        run.steps[1].ended = ended(Outcome::Failed { status: 1 });
        assert_eq!(run.counts(), (1, 1));
        run.steps[1].ended = ended(Outcome::Done { status: 3 });
        assert!(run.has_done(EmergencyKind::CancelAll));
        assert!(!run.has_done(EmergencyKind::ClosePositions), "there is none of that kind");
        assert_eq!(run.steps[1].text(), "done after 1.2 s: exit status 3");
    }
}
