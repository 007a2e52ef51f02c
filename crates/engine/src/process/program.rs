//! A program of the user's that runs once beside the components: one that probes a dependency, one that carries an alert.
//! Whoever wants one asks the engine's loop, since the loop alone starts and reaps processes.

use crate::emergency::Account;
use core::time::Duration;
use failstop_core::Exit;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// It probes.
    Probe,
    /// It carries an alert.
    Alert,
    /// It says metrics: of these not as many may run as of all.
    Metrics,
}

/// What the loop is asked to run.
pub struct ProgramRequest {
    /// What for.
    pub errand: Errand,
    /// Program and arguments: at least the program. One without a slash is looked up in PATH.
    pub argv: Vec<String>,
    /// Variables beside the engine's own, instead of those of the same name. Secrets of failstop's own are never among the latter.
    pub environment: Vec<(String, String)>,
    /// What it reads from its standard input.
    pub input: Vec<u8>,
    /// Where its standard output goes; `None`: nowhere.
    pub stdout: Option<OwnedFd>,
    /// The user that it runs as, where that is not the engine's own.
    pub account: Option<Account>,
    /// Its working directory, absolute.
    pub folder: PathBuf,
    /// After this long it is killed, with everything below it.
    pub timeout: Duration,
    /// The way back. Called once, on the loop's thread; must not wait.
    pub answer: Box<dyn FnOnce(ProgramEnd) + Send>,
}

impl fmt::Debug for ProgramRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither variables nor input: they may hold what an alert says.
        f.debug_struct("ProgramRequest")
            .field("argv", &self.argv)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramEnd {
    /// It ended by itself.
    Ended(Exit),
    /// It was killed when its time was up.
    TimedOut,
    /// It was not started.
    NotStarted {
        /// Of which kind the reason is.
        kind: io::ErrorKind,
        /// The reason, for people.
        why: String,
    },
}
