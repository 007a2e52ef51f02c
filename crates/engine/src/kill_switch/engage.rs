//! Engages the kill switch, step by step, and says what each step came to. For `failstop kill-switch engage`.

use super::latch::{Engagement, Latch, LatchError, Written, read_latch, write_latch};
use super::sweep::{Quarry, Survivor, Swept, Why, sweep};
use crate::clock;
use crate::permit::revoke_path;
use crate::runtime_dir::{EngineInfo, EngineState, permit_path};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long processes are killed again and again before what is left is reported.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// Who calls, as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The real user.
    pub uid: u32,
    /// The user's name, where `/etc/passwd` has it.
    pub name: Option<String>,
}

impl Caller {
    /// The calling process's user. Reads `/etc/passwd` alone: a directory service may need a network that is down.
    pub fn this() -> Self {
        let uid = nix::unistd::getuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        });
        Self { uid, name }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.uid),
            None => write!(f, "user {}", self.uid),
        }
    }
}

/// What became of one permit page.
#[derive(Debug)]
pub struct PageOutcome {
    /// Which.
    pub path: PathBuf,
    /// Whether it denies by now.
    pub outcome: io::Result<()>,
}

/// The whole, as an exit status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Engaged on disk, every page revoked, no process left. Exit status 0.
    Done,
    /// Something was achieved and something was not. Exit status 1.
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
    /// What the engine was doing, where one has left word.
    pub engine: Option<EngineState>,
    /// When the first round of revoking was over, from the beginning.
    pub denied_after: Duration,
    /// When the latch was durable, from the beginning.
    pub latched_after: Duration,
    /// When the last process was gone, from the beginning.
    pub stopped_after: Duration,
}

/// Engages the kill switch of the system with this state directory and these runtime directories (see
/// [`crate::runtime_dir::find`]; more than one is looked at when it is not sure which is the system's).
///
/// Synchronous, and does as much as it can whatever fails on the way. Idempotent.
pub fn engage(state_dir: Option<&Path>, runtime_dirs: &[PathBuf], by: &Caller, reason: &str) -> Report {
    let begun = Instant::now();
    let mut pages = revoke_all(runtime_dirs);
    let denied_after = begun.elapsed();

    let engagement = Engagement { by: by.to_string(), reason: reason.to_owned(), time: clock::rfc3339(clock::wall()) };
    let latch = state_dir.map(|state| match write_latch(state, &engagement) {
        // Some of it may stand nevertheless, and existence is all it takes. Not proven durable, though: an error stays.
        Err(error) => Err(error),
        Ok(written) => match read_latch(state) {
            Latch::Clear => Err(LatchError::Write {
                path: state.join(super::LATCH_FILE),
                source: io::Error::other("it was released while it was engaged; engage it again"),
            }),
            Latch::Engaged { .. } | Latch::Unreadable(_) => Ok(written),
        },
    });
    let latched_after = begun.elapsed();

    // The engine may have put a new page into place since. Any later page is its own to keep closed: it looks at the
    // latch before it publishes.
    for again in revoke_all(runtime_dirs) {
        match pages.iter_mut().find(|page| page.path == again.path) {
            Some(page) => page.outcome = again.outcome,
            None => pages.push(again),
        }
    }

    let infos: Vec<(EngineInfo, u32)> = runtime_dirs
        .iter()
        .map(PathBuf::as_path)
        .chain(state_dir)
        .filter_map(|dir| EngineInfo::read_with_owner(dir).ok())
        .collect();
    let engine = infos.iter().map(|(info, _)| info.engine_state()).min_by_key(|state| match state {
        EngineState::Running => 0,
        EngineState::Frozen => 1,
        EngineState::Gone => 2,
    });
    let mut quarry = Quarry::default();
    for (info, owner) in &infos {
        quarry.add(info, *owner);
    }
    let swept_from = begun.elapsed();
    let processes = sweep(&quarry, SWEEP_LIMIT, engine == Some(EngineState::Running));
    let stopped_after = swept_from + processes.as_ref().map_or(Duration::ZERO, |swept| swept.last_gone);
    Report {
        pages,
        latch,
        latch_path: state_dir.map(|state| state.join(super::LATCH_FILE)),
        processes,
        processes_known: !quarry.is_empty(),
        engine,
        denied_after,
        latched_after,
        stopped_after,
    }
}

/// Pages that do not exist are no outcome: nobody can hold a permit from them.
fn revoke_all(runtime_dirs: &[PathBuf]) -> Vec<PageOutcome> {
    runtime_dirs
        .iter()
        .map(|dir| permit_path(dir))
        .map(|path| PageOutcome { outcome: revoke_path(&path), path })
        .filter(|page| !matches!(&page.outcome, Err(error) if error.kind() == io::ErrorKind::NotFound))
        .collect()
}

impl Report {
    /// The whole in one word.
    pub fn verdict(&self) -> Verdict {
        let latched = matches!(self.latch, Some(Ok(_)));
        let revoked = self.pages.iter().any(|page| page.outcome.is_ok());
        let killed = self.processes.as_ref().is_ok_and(|swept| swept.killed > 0);
        let all_revoked = self.pages.iter().all(|page| page.outcome.is_ok());
        let all_gone = self.processes.as_ref().is_ok_and(|swept| swept.survivors.is_empty());
        if latched && all_revoked && all_gone {
            Verdict::Done
        } else if latched || revoked || killed {
            Verdict::Incomplete
        } else {
            Verdict::Nothing
        }
    }

    /// What happened, for people: a fact a line, aligned.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |what: &str, text: String| lines.push(format!("{what:<10} {text}"));
        if self.pages.is_empty() {
            line("permit", "no page found: no engine has handed out permits here".to_owned());
        }
        for page in &self.pages {
            let path = page.path.display();
            match &page.outcome {
                Ok(()) => line("permit", format!("revoked after {} ({path})", millis(self.denied_after))),
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
            Some(Err(error)) => line("latch", format!("not engaged: {error}")),
            None => line(
                "latch",
                "not engaged: the state directory is not known; run this again with --state DIR".to_owned(),
            ),
        }
        match &self.processes {
            Ok(swept) if swept.survivors.is_empty() && swept.killed > 0 => {
                line("processes", format!("{} killed, none left after {}", swept.killed, millis(self.stopped_after)));
            }
            Ok(swept) if swept.survivors.is_empty() && self.processes_known => {
                line("processes", "none was running".to_owned())
            }
            Ok(swept) if swept.survivors.is_empty() => {
                line("processes", "no engine has left word here: none known, none killed".to_owned());
            }
            Ok(swept) => {
                line("processes", format!("{} killed, {} left", swept.killed, swept.survivors.len()));
                for survivor in &swept.survivors {
                    line("", describe(survivor));
                }
            }
            Err(error) => line("processes", format!("/proc cannot be read ({error}): nothing was killed")),
        }
        let engine = match (self.engine, matches!(self.latch, Some(Ok(_)))) {
            (Some(EngineState::Running), true) => "runs, and keeps everything stopped",
            (Some(EngineState::Running), false) => "runs, and keeps everything stopped until it is started again",
            (Some(EngineState::Frozen), true) => "is frozen; it obeys the latch when it wakes",
            (Some(EngineState::Frozen), false) => "is frozen; it finds its permits revoked when it wakes",
            (Some(EngineState::Gone) | None, true) => "does not run; the next start obeys the latch",
            (Some(EngineState::Gone) | None, false) => {
                "does not run; nothing keeps the next start from trading, so engage this again before it"
            }
        };
        line("engine", engine.to_owned());
        line("not done", "open orders and positions at the venue stay as they are; look there now".to_owned());
        lines
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
