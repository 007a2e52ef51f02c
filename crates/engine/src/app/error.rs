//! Why the engine cannot run, and the exit status that says so.

use super::status;
use crate::config::ConfigErrors;
use crate::doors::StartFailed;
use crate::doors::bot::BindError;
use crate::doors::control::ControlUnavailable;
use crate::kill_switch::HaltLatchError;
use crate::notify_socket::NotifySocketError;
use crate::output::OutputError;
use crate::permit::PermitPageError;
use crate::process::epoch::EpochError;
use crate::process::guard::LinkError;
use crate::process::leftovers::LeftoverError;
use crate::process::lock::LockError;
use crate::process::spawn::SpawnError;
use crate::process::twin::Twin;
use crate::runtime_dir::RuntimeDirError;
use failstop_journal::OpenError;
use std::io;
use std::path::PathBuf;

/// Why the engine cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is not valid.
    #[error("{0}")]
    Configuration(ConfigErrors),
    /// The state directory cannot be made or used.
    #[error("cannot use the state directory {path}: {source}; correct `system.state_dir` or its permissions")]
    StateDir {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A component's user, group or environment file cannot be used.
    #[error("component \"{component}\": {problem}")]
    Component {
        /// Which.
        component: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The runtime directory.
    #[error(transparent)]
    RuntimeDir(#[from] RuntimeDirError),
    /// The journal cannot be opened.
    #[error("{source}; it is in the state directory {}", .state.display())]
    Journal {
        /// Which state directory.
        state: PathBuf,
        /// Why not.
        source: OpenError,
    },
    /// `failstop journal retire` was interrupted.
    #[error(
        "the journal is half retired ({} says how): run `failstop journal retire --reason \"...\" --confirm NAME-OF-SYSTEM` again, which completes it",
        .plan.display()
    )]
    HalfRetired {
        /// What is left to do.
        plan: PathBuf,
    },
    /// What the configuration declares for the books contradicts the journal.
    #[error(
        "{}: {violation}; the journal has it otherwise: write it as it was, give it another name, or retire the journal (`failstop journal retire`)",
        .file.display()
    )]
    Declaration {
        /// The configuration.
        file: PathBuf,
        /// How.
        violation: String,
    },
    /// The latches of halts cannot be read.
    #[error(transparent)]
    HaltLatches(#[from] HaltLatchError),
    /// No epoch.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// Something of an earlier run is alive.
    #[error(transparent)]
    Leftovers(#[from] LeftoverError),
    /// Another engine runs on another copy of the state directory.
    #[error(transparent)]
    Twin(#[from] Twin),
    /// The permit page.
    #[error(transparent)]
    Permit(#[from] PermitPageError),
    /// The guard.
    #[error(transparent)]
    Guard(#[from] LinkError),
    /// Processes cannot be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Output cannot be captured.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A notify socket.
    #[error(transparent)]
    NotifySocket(#[from] NotifySocketError),
    /// The bot socket.
    #[error(transparent)]
    BotSocket(#[from] BindError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlUnavailable),
    /// The HTTP doors.
    #[error(transparent)]
    Doors(#[from] StartFailed),
    /// The thread that probes.
    #[error(transparent)]
    Probes(#[from] crate::probing::StartFailed),
    /// The thread that shares rates.
    #[error(transparent)]
    Shared(#[from] crate::shared_rates::StartFailed),
    /// Something else that the host refuses.
    #[error("cannot {what}: {source}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl RunError {
    /// Says it on standard error.
    pub(super) fn print(&self) {
        match self {
            // Each of them begins with its own word.
            Self::Configuration(errors) => eprintln!("{errors}"),
            other => eprintln!("error: {other}"),
        }
    }

    /// The exit status of `failstop run`.
    pub fn status(&self) -> u8 {
        match self {
            Self::Lock(
                LockError::AlreadyRunning { .. } | LockError::NotEnding { .. } | LockError::GuardStillEnding { .. },
            )
            | Self::Leftovers(_)
            | Self::Twin(_) => status::ANOTHER_INSTANCE,
            // Another system's journal: nothing is wrong with the storage, and a restart would change nothing.
            Self::Journal { source: OpenError::Origin { .. }, .. } => status::CONFIGURATION,
            Self::Journal { .. } | Self::HalfRetired { .. } | Self::Epoch(_) | Self::HaltLatches(_) => status::STORAGE,
            Self::Configuration(_)
            | Self::Declaration { .. }
            | Self::StateDir { .. }
            | Self::Component { .. }
            | Self::Lock(LockError::Io { .. })
            | Self::RuntimeDir(_)
            | Self::Permit(_)
            | Self::Guard(_)
            | Self::Spawn(_)
            | Self::Output(_)
            | Self::NotifySocket(_)
            | Self::BotSocket(_)
            | Self::Control(_)
            | Self::Doors(_)
            | Self::Probes(_)
            | Self::Shared(_)
            | Self::Host { .. } => status::CONFIGURATION,
        }
    }
}
