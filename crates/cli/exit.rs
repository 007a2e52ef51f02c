//! The exit statuses, named. They are API: runbooks, cron jobs and CI depend on them. Every command's outcome becomes
//! one of these, and only `main` turns one into a number.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, allowed, good, intact, ok; `run`: stopped on request.
    Good,
    /// The answer is no: refused, violated, a check failed, something did not stop. `status`: warning.
    No,
    /// Usage, or a configuration that cannot be read. `run`: the configuration cannot be used.
    Usage,
    /// `status`: critical.
    Critical,
    /// Could not find out or do anything; no engine answers. `status`: unknown.
    Unknown,
    /// `run`: another instance holds the state directory.
    OtherInstance,
    /// `run`: ended while in fail-safe shutdown.
    InShutdown,
    /// `run`: the journal cannot be written.
    Storage,
    /// `run`: the engine died under its guard.
    EngineDied,
}

impl Exit {
    /// The number that the calling process sees.
    pub fn status(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::No => 1,
            Self::Usage | Self::Critical => 2,
            Self::Unknown => 3,
            Self::OtherInstance => 4,
            Self::InShutdown => 5,
            Self::Storage => 6,
            Self::EngineDied => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
