//! What is known of a system when its kill switch is engaged: its engine, and which processes are its.

use super::sweep::Quarry;
use super::traces::{Traces, traces};
use crate::process::holder::{self, Closed, Held};
use crate::runtime_dir::{EngineInfo, EngineState, ProcessRef};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock that is held by nobody who is seen is asked about again: an engine that is just starting or ending shows
/// itself, or lets go of it, within that time.
const UNSEEN_FOR: Duration = Duration::from_millis(250);

/// Between two such questions.
const UNSEEN_PAUSE: Duration = Duration::from_millis(5);

/// Why it is not known what the engine does, and so not certain that every process of the system was found.
#[derive(Debug)]
pub enum Unseen {
    /// One holds the instance lock, and its process is not seen from here.
    Holder {
        /// Its number, as it sees itself, where the lock's file says it.
        pid: Option<i32>,
        /// The lock's directory.
        state_dir: PathBuf,
    },
    /// This user may not look.
    Closed(Closed),
    /// The lock cannot be asked about.
    Unknown {
        /// The lock's directory.
        state_dir: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
}

/// What is known of a system's engine and processes. From everything that says something, since each of it may be damaged:
/// what engines wrote down, whose the journal is, who holds the instance lock.
#[derive(Default)]
pub(super) struct Known {
    /// Which processes are the system's.
    pub(super) quarry: Quarry,
    /// What the engine does, where one has left word or holds the state directory.
    pub(super) engine: Option<EngineState>,
    /// Why that is not known, where an engine may run nevertheless.
    pub(super) unseen: Option<Unseen>,
    /// There is a journal, and nothing says whose it is.
    pub(super) nameless: bool,
}

impl Known {
    pub(super) fn gather(state_dir: Option<&Path>, runtime_dirs: &[PathBuf]) -> Self {
        let mut known = Self::default();
        let mut named = false;
        for dir in runtime_dirs.iter().map(PathBuf::as_path).chain(state_dir) {
            match EngineInfo::read_with_owner(dir) {
                Ok((info, owner)) => {
                    known.engine = likelier(known.engine, Some(info.engine_state()));
                    known.quarry.add(&info, owner);
                    named = true;
                }
                // The register beside it may be whole.
                Err(_) => known.quarry.add_register(dir),
            }
        }
        let Some(state_dir) = state_dir else { return known };
        known.quarry.spare_actions_of(state_dir);
        match traces(state_dir) {
            Traces::Of(mark, owner) => known.quarry.add_mark(&mark, owner),
            Traces::Silent => known.nameless = !named,
            Traces::None => {}
        }
        match known.holder(state_dir) {
            Ok(Some(held)) => {
                known.engine = likelier(known.engine, Some(held));
                // Whatever an engine started is below it, with a mark or without.
                known.nameless = false;
            }
            Ok(None) => {}
            // One that left word and is seen is there, whoever holds the lock; that it is gone, the lock alone proves.
            Err(unseen) if matches!(known.engine, None | Some(EngineState::Gone)) => {
                known.engine = None;
                known.unseen = Some(unseen);
            }
            Err(_) => {}
        }
        known
    }

    /// What the engine does that holds the state directory, if one does; its processes are looked for from now on.
    fn holder(&mut self, state_dir: &Path) -> Result<Option<EngineState>, Unseen> {
        let state_dir = state_dir.to_owned();
        match holder::ask(&state_dir) {
            Held::Free => Ok(None),
            Held::By { engine, guard, owner } if self.quarry.add_keepers(engine, guard, owner) => {
                Ok(Some(ProcessRef::from(engine).state().into()))
            }
            // Another user wrote the file: what that one says of this process is worth nothing.
            Held::By { engine, .. } => Err(Unseen::Holder { pid: Some(engine.pid), state_dir }),
            Held::Unseen { pid } => Err(Unseen::Holder { pid, state_dir }),
            Held::Closed(closed) => Err(Unseen::Closed(closed)),
            Held::Unknown(error) => Err(Unseen::Unknown { state_dir, error }),
        }
    }

    /// Asks again who holds the lock, for as long as an engine may need to begin or to end. One that begins starts nothing: it
    /// has met the latch.
    pub(super) fn look_again(&mut self, state_dir: &Path) {
        let since = Instant::now();
        loop {
            match self.holder(state_dir) {
                Ok(held) => {
                    (self.engine, self.unseen) = (held, None);
                    return;
                }
                Err(unseen @ Unseen::Holder { .. }) if since.elapsed() < UNSEEN_FOR => {
                    self.unseen = Some(unseen);
                    std::thread::sleep(UNSEEN_PAUSE);
                }
                Err(unseen) => {
                    self.unseen = Some(unseen);
                    return;
                }
            }
        }
    }
}

/// Of two words about an engine the one that is worse to miss.
fn likelier(one: Option<EngineState>, other: Option<EngineState>) -> Option<EngineState> {
    let weight = |state: &EngineState| match state {
        EngineState::Running => 0,
        EngineState::Frozen => 1,
        EngineState::Gone => 2,
    };
    one.into_iter().chain(other).min_by_key(weight)
}
