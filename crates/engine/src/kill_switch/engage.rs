//! Engages the kill switch, step by step. For `failstop kill-switch engage`.

use super::known::Known;
use super::latch::{Engagement, Latch, LatchError, Written, read_latch, write_latch};
use super::report::{PageOutcome, Report};
use super::sweep::sweep;
use crate::clock;
use crate::permit::revoke_path;
use crate::process::user::User;
use crate::runtime_dir::{EngineState, permit_path};
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
    /// The calling process's user.
    pub fn this() -> Self {
        let uid = nix::unistd::getuid().as_raw();
        Self { uid, name: User(uid).name() }
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
            Latch::Engaged { .. } | Latch::Unreadable(_) => Ok(by_this_command(written, &engagement)),
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

    let mut known = Known::gather(state_dir, runtime_dirs);
    let swept_from = begun.elapsed();
    let processes = sweep(&known.quarry, SWEEP_LIMIT, known.engine == Some(EngineState::Running));
    let stopped_after = swept_from + processes.as_ref().map_or(Duration::ZERO, |swept| swept.last_gone);
    if let Some(state_dir) = state_dir.filter(|_| known.unseen.is_some()) {
        known.look_again(state_dir);
    }
    Report {
        pages,
        latch,
        latch_path: state_dir.map(|state| state.join(super::LATCH_FILE)),
        processes,
        processes_known: !known.quarry.is_empty(),
        nameless: known.nameless,
        engine: known.engine,
        unseen: known.unseen,
        word: None,
        denied_after,
        latched_after,
        stopped_after,
    }
}

/// The engine, which is given the order at the same time, may be the first to write the latch: the same engagement.
fn by_this_command(written: Written, engagement: &Engagement) -> Written {
    match written {
        Written::Already { first: Some(first) }
            // RFC 3339 in UTC to the millisecond sorts as time does.
            if first.time >= engagement.time && engagement.reason.starts_with(&first.reason) =>
        {
            Written::Engaged
        }
        written @ (Written::Already { .. } | Written::Engaged | Written::WithoutWords) => written,
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
