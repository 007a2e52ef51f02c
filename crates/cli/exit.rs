//! The exit statuses, named. They are API: runbooks, cron jobs and CI depend on them. Every command's outcome becomes
//! one of these, and only `main` turns one into a number. Those of a run that began are the engine's own
//! ([`failstop_engine::app::status`]).

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, allowed, good, intact, ok.
    Good,
    /// The answer is no: refused, violated, a check failed, something did not stop. `status`: warning.
    No,
    /// Usage, or a configuration that cannot be read.
    Usage,
    /// `status`: critical.
    Critical,
    /// Could not find out or do anything; no engine answers. `status`: unknown.
    Unknown,
}

impl Exit {
    /// The number that the calling process sees.
    pub fn status(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::No => 1,
            Self::Usage | Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
