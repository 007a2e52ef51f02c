//! What engaging the kill switch came to, as an exit status and as lines for people.

use super::known::Unseen;
use super::latch::{LatchError, Written};
use super::sweep::{Survivor, Swept, Why};
use crate::process::lock::LOCK_FILE;
use crate::runtime_dir::EngineState;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What became of one permit page.
#[derive(Debug)]
pub struct PageOutcome {
    /// Which.
    pub path: PathBuf,
    /// Whether it denies by now.
    pub outcome: io::Result<()>,
}

/// What became of the order that the engine was given over its control socket, besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineWord {
    /// It took it: it handed out its last permit, and says itself what else came of it.
    Took {
        /// How long that took, from the beginning.
        after: Duration,
        /// The components of which processes are left, as it says; `None` where it says nothing more, of its latch neither.
        left: Option<Vec<String>>,
        /// Why its latch could not be written, where it could not.
        unlatched: Option<String>,
    },
    /// It refused it, and why.
    Refused(String),
    /// Nobody took it, and why: no engine listens, or none answers.
    Silent(String),
}

/// The whole, as an exit status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Engaged on disk, every page revoked, no process left. Exit status 0.
    Done,
    /// Something was achieved and something was not, or it cannot be proven that no process is left. Exit status 1.
    Incomplete,
    /// Nothing was achieved. Exit status 3.
    Nothing,
}

/// What engaging came to, step by step.
#[derive(Debug)]
pub struct Report {
    /// Every page that was found.
    pub pages: Vec<PageOutcome>,
    /// The latch; `None` where the state directory is not known.
    pub latch: Option<Result<Written, LatchError>>,
    /// The latch's path, where the state directory is known.
    pub latch_path: Option<PathBuf>,
    /// The processes; an error where `/proc` cannot be read.
    pub processes: io::Result<Swept>,
    /// Whether anything was known about the system's processes.
    pub processes_known: bool,
    /// There is a journal, and neither it nor an engine says which processes are the system's.
    pub nameless: bool,
    /// What the engine was doing, where one has left word or holds the state directory.
    pub engine: Option<EngineState>,
    /// Why that is not known, where an engine may run nevertheless.
    pub unseen: Option<Unseen>,
    /// What became of the order that the engine was given besides; `None` where it was given none.
    pub word: Option<EngineWord>,
    /// When the first round of revoking was over, from the beginning.
    pub denied_after: Duration,
    /// When the latch was durable, from the beginning.
    pub latched_after: Duration,
    /// When the last process was gone, from the beginning.
    pub stopped_after: Duration,
}

impl Report {
    /// The whole in one word, with what the engine said.
    pub fn verdict(&self) -> Verdict {
        let latched = self.is_latched();
        let killed = self.processes.as_ref().is_ok_and(|swept| swept.killed > 0);
        let all_revoked = self.pages.iter().all(|page| page.outcome.is_ok());
        // Where an engine may run that is not seen, or nothing says whose processes to look for, that none was found is no
        // proof that none is left.
        let all_known = self.unseen.is_none() && !self.nameless;
        let all_gone = all_known && self.processes.as_ref().is_ok_and(|swept| swept.survivors.is_empty());
        let (took, latched_there, gone_there) = match &self.word {
            Some(EngineWord::Took { after: _, left, unlatched }) => {
                // Of an engine that says nothing more it is not known whether its latch is on the disk.
                (true, left.is_some() && unlatched.is_none(), left.as_ref().is_some_and(Vec::is_empty))
            }
            Some(EngineWord::Refused(_) | EngineWord::Silent(_)) | None => (false, false, false),
        };
        // One engine has one page; of further ones nothing is known by its word.
        let denied = all_revoked || took && self.pages.len() == 1;
        if (latched || latched_there) && denied && (all_gone || gone_there) {
            Verdict::Done
        } else if latched || self.is_revoked() || killed || took {
            Verdict::Incomplete
        } else {
            Verdict::Nothing
        }
    }

    /// Whether the latch is on the disk by this command.
    pub fn is_latched(&self) -> bool {
        matches!(self.latch, Some(Ok(_)))
    }

    /// Whether a page was revoked by this command.
    fn is_revoked(&self) -> bool {
        self.pages.iter().any(|page| page.outcome.is_ok())
    }

    /// What happened, for people: a fact a line, aligned.
    pub fn lines(&self) -> Vec<String> {
        let took = match &self.word {
            Some(EngineWord::Took { after: _, left, unlatched }) => Some((left.as_deref(), unlatched.as_deref())),
            Some(EngineWord::Refused(_) | EngineWord::Silent(_)) | None => None,
        };
        let mut lines = Vec::new();
        let mut line = |what: &str, text: String| lines.push(format!("{what:<10} {text}"));
        if self.pages.is_empty() {
            let text = match (self.engine, &self.unseen) {
                (None | Some(EngineState::Gone), None) => "no page found: no engine has handed out permits here",
                (Some(EngineState::Running | EngineState::Frozen), _) | (_, Some(_)) => {
                    "no page found; what an engine has handed out runs out by itself once it stops renewing it"
                }
            };
            line("permit", text.to_owned());
        }
        for page in &self.pages {
            let path = page.path.display();
            match &page.outcome {
                Ok(()) => line("permit", format!("revoked after {} ({path})", millis(self.denied_after))),
                Err(error) if took.is_some() => {
                    line("permit", format!("revoked by the engine; by this command not: {path}: {error}"));
                }
                Err(error) => line(
                    "permit",
                    format!("not revoked: {path}: {error}; it runs out by itself once the engine stops renewing it"),
                ),
            }
        }
        let path = self.latch_path.as_deref().unwrap_or(Path::new("kill-switch")).display();
        match &self.latch {
            Some(Ok(Written::Engaged)) => {
                line("latch", format!("engaged, durable after {} ({path})", millis(self.latched_after)))
            }
            Some(Ok(Written::WithoutWords)) => {
                line("latch", format!("engaged, without who and why: the disk has no room ({path})"));
            }
            Some(Ok(Written::Already { first: Some(first) })) => {
                line(
                    "latch",
                    format!("engaged already since {} by {}: {} ({path})", first.time, first.by, first.reason),
                );
            }
            Some(Ok(Written::Already { first: None })) => {
                line("latch", format!("engaged already; it does not say by whom ({path})"))
            }
            Some(Err(error)) => {
                let why = match error {
                    LatchError::Write { path: _, source } => source.to_string(),
                    LatchError::Read { .. } | LatchError::Malformed { .. } | LatchError::Remove { .. } => {
                        error.without_place()
                    }
                };
                match took {
                    Some((Some(_), None)) => {
                        line("latch", format!("engaged by the engine; by this command not ({path}: {why})"))
                    }
                    Some((None, None)) => line(
                        "latch",
                        format!("not by this command ({path}: {why}); whether the engine wrote it is not known"),
                    ),
                    Some((_, Some(unlatched))) => {
                        line("latch", format!("not on the disk: {path}: {why}; by the engine neither: {unlatched}"));
                    }
                    None => line("latch", format!("not engaged: {error}")),
                }
            }
            None => match took {
                Some((Some(_), None)) => line("latch", "engaged by the engine".to_owned()),
                Some((None, None)) => line("latch", "whether the engine wrote it is not known".to_owned()),
                Some((_, Some(unlatched))) => line("latch", format!("not on the disk: {unlatched}")),
                None => line(
                    "latch",
                    "not engaged: the state directory is not known; run this again with --state DIR".to_owned(),
                ),
            },
        }
        match &self.processes {
            Ok(swept) if swept.survivors.is_empty() && swept.killed > 0 => {
                line("processes", format!("{} killed, none left after {}", swept.killed, millis(self.stopped_after)));
            }
            Ok(swept) if swept.survivors.is_empty() && swept.gone > 0 => line("processes", "none left".to_owned()),
            Ok(swept) if swept.survivors.is_empty() && !self.is_unsure() && took.is_none() => {
                line("processes", self.none_killed().to_owned());
            }
            // What this user cannot see or may not kill, the engine ends.
            Ok(swept) if took.is_some_and(|(left, _)| left.is_some()) => {
                let left = took.and_then(|(left, _)| left).unwrap_or_default();
                let here = if swept.killed > 0 { format!("{} killed here, ", swept.killed) } else { String::new() };
                line(
                    "processes",
                    match left {
                        [] => format!("{here}none left, as the engine says"),
                        left => format!("{here}not ended yet, as the engine says: {}", left.join(", ")),
                    },
                );
            }
            Ok(swept) if swept.survivors.is_empty() => line("processes", self.none_killed().to_owned()),
            Ok(swept) => {
                line("processes", format!("{} killed, {} left", swept.killed, swept.survivors.len()));
                for survivor in &swept.survivors {
                    line("", describe(survivor));
                }
            }
            Err(error) => line("processes", format!("/proc cannot be read ({error}): nothing was killed")),
        }
        if self.nameless && took.is_none() {
            line(
                "",
                match &self.unseen {
                    Some(Unseen::Closed(_)) => "whose processes to look for stands in what this user may not read".to_owned(),
                    Some(Unseen::Holder { .. } | Unseen::Unknown { .. }) | None => {
                        "the journal does not say whose processes to look for (`failstop verify-data` says what is wrong \
                         with it): end by hand every process with FAILSTOP_SYSTEM in its environment that is this system's"
                            .to_owned()
                    }
                },
            );
        }
        line("engine", self.engine_line());
        lines
    }

    /// Of the processes, where none was found to be killed.
    fn none_killed(&self) -> &'static str {
        if self.is_unsure() {
            "none found"
        } else if self.engine == Some(EngineState::Running) {
            // It is told by the latch as well, and is often faster.
            "none left: a running engine ends its own"
        } else if self.processes_known {
            "none was running"
        } else {
            "no engine has left word here: none known, none killed"
        }
    }

    /// Whether more may be left than was found here.
    fn is_unsure(&self) -> bool {
        self.unseen.is_some() || self.nameless
    }

    /// What the engine does, and says. That it keeps everything stopped is said where it was told so, by whatever way.
    fn engine_line(&self) -> String {
        let line = self.unasked_engine_line();
        let may_run = self.unseen.is_some() || !matches!(self.engine, Some(EngineState::Gone) | None);
        match &self.word {
            Some(EngineWord::Took { after, left: None, unlatched: _ }) if !self.is_latched() && !self.is_revoked() => {
                let after = millis(*after);
                format!("took the order over its control socket after {after}; whether it obeys it, it does not say")
            }
            Some(EngineWord::Took { after, .. }) => {
                let after = millis(*after);
                format!("took the order over its control socket after {after}, and keeps everything stopped")
            }
            Some(EngineWord::Refused(why)) => {
                let does = if self.is_latched() {
                    "it obeys the latch"
                } else if self.is_revoked() {
                    "its permits are revoked, which it obeys"
                } else {
                    "it goes on as before"
                };
                format!("refused the order over its control socket ({why}); {does}")
            }
            Some(EngineWord::Silent(why)) if may_run && !self.is_latched() => {
                format!("{line}; it took no order: {why}")
            }
            Some(EngineWord::Silent(_)) | None => line,
        }
    }

    /// The same by what this command sees and did itself.
    fn unasked_engine_line(&self) -> String {
        let (latched, revoked) = (self.is_latched(), self.is_revoked());
        if let Some(unseen) = &self.unseen {
            return match unseen {
                Unseen::Holder { pid, state_dir } => {
                    let pid = pid.map(|pid| format!(" (pid {pid}, as it sees itself)")).unwrap_or_default();
                    let obeys = if latched { "it obeys the latch once it runs; " } else { "" };
                    format!(
                        "one{pid} holds {} and is not seen from here: {obeys}end what is below it by hand, or run this in \
                         its container or as root",
                        state_dir.join(LOCK_FILE).display()
                    )
                }
                Unseen::Closed(closed) => format!("whether one runs cannot be seen: {closed}; {}", closed.next()),
                Unseen::Unknown { state_dir, error } => {
                    let lock = state_dir.join(LOCK_FILE);
                    format!("whether one runs cannot be found out: {}: {error}; look for it with `ps`", lock.display())
                }
            };
        }
        match (self.engine, latched, revoked) {
            (Some(EngineState::Running), true, _) => "runs, and keeps everything stopped",
            (Some(EngineState::Running), false, true) => "runs, and keeps everything stopped until it is started again",
            (Some(EngineState::Running), false, false) => "runs, and goes on as before: nothing here reached it",
            (Some(EngineState::Frozen), true, _) => "is frozen; it obeys the latch when it wakes",
            (Some(EngineState::Frozen), false, true) => "is frozen; it finds its permits revoked when it wakes",
            (Some(EngineState::Frozen), false, false) => {
                "is frozen, and goes on as before when it wakes: nothing here reached it"
            }
            (Some(EngineState::Gone) | None, true, _) => "does not run; the next start obeys the latch",
            (Some(EngineState::Gone) | None, false, _) => {
                "does not run; nothing keeps the next start from trading, so engage this again before it"
            }
        }
        .to_owned()
    }
}

fn describe(survivor: &Survivor) -> String {
    let Survivor { pid, command, why } = survivor;
    match why {
        Why::NotAllowed => format!("pid {pid} ({command}) is another user's: run this as root"),
        Why::Uninterruptible => {
            format!("pid {pid} ({command}) sleeps in the kernel; it is killed and ends when the device answers")
        }
        Why::StillEnding => format!("pid {pid} ({command}) was killed and has not ended yet: run this again"),
    }
}

fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1_000.0)
}
