//! `engine.json`: who runs a system, for everybody who must find it: commands, the kill switch, the next start. Kept in
//! the runtime directory and, so that it is found whatever became of that, in the state directory.

use super::engine_end::EngineEnd;
use crate::process::procfs::{self, ProcessId};
use serde::{Deserialize, Serialize};
use std::io;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file's name in both directories.
pub(super) const FILE_NAME: &str = "engine.json";

/// The largest file that is read: it holds paths and numbers.
const MAX_BYTES: u64 = 64 * 1024;

/// One process, told from any later one with the same number by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRef {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot, as `/proc/PID/stat` says.
    pub start_time: u64,
}

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs or sleeps.
    Alive,
    /// It is stopped (SIGSTOP, a debugger).
    Stopped,
    /// It is gone, or a zombie; or its number belongs to another process by now.
    Gone,
}

impl ProcessRef {
    /// The calling process.
    ///
    /// # Errors
    /// When `/proc/self/stat` cannot be read.
    pub fn this() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
        Self::of(pid)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "/proc does not show this process"))
    }

    /// The process with this number, if there is one.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn of(pid: i32) -> io::Result<Option<Self>> {
        match procfs::stat(pid) {
            Ok(stat) => Ok(Some(Self { pid, start_time: stat.id.start_time })),
            Err(error) if procfs::is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What became of it. Where `/proc` cannot be read, it counts as alive.
    pub fn state(self) -> ProcessState {
        match procfs::stat(self.pid) {
            Ok(stat) if stat.id == self.into() => match stat.state {
                'Z' | 'X' | 'x' => ProcessState::Gone,
                'T' | 't' => ProcessState::Stopped,
                _ => ProcessState::Alive,
            },
            Ok(_) => ProcessState::Gone,
            Err(error) if procfs::is_gone(&error) => ProcessState::Gone,
            Err(_) => ProcessState::Alive,
        }
    }
}

impl From<ProcessRef> for ProcessId {
    fn from(process: ProcessRef) -> Self {
        Self { pid: process.pid, start_time: process.start_time }
    }
}

impl From<ProcessId> for ProcessRef {
    fn from(process: ProcessId) -> Self {
        Self { pid: process.pid, start_time: process.start_time }
    }
}

/// Who runs a system. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// The system's name.
    pub system: String,
    /// The journal's id, 32 hex digits.
    pub jid: String,
    /// `NAME/JID`: what every component process carries as `FAILSTOP_SYSTEM`.
    pub mark: String,
    /// The fencing epoch.
    pub epoch: u64,
    /// The engine.
    pub engine: ProcessRef,
    /// The guard above it.
    #[serde(default)]
    pub guard: Option<ProcessRef>,
    /// Which boot: process numbers and start times mean nothing in another.
    pub boot_id: String,
    /// The state directory, absolute.
    pub state_dir: PathBuf,
    /// The runtime directory, absolute.
    pub runtime_dir: PathBuf,
    /// The cgroup that holds every component and neither engine nor guard, where there is one.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
    /// The control socket.
    pub control_socket: PathBuf,
    /// Where the observe address listens, if it does.
    #[serde(default)]
    pub observe: Option<String>,
    /// Where the control listener listens, if it does.
    #[serde(default)]
    pub control: Option<String>,
    /// The version of failstop.
    #[serde(default)]
    pub version: String,
    /// When it started, RFC 3339.
    #[serde(default)]
    pub started: String,
}

/// What became of the engine that an [`EngineInfo`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineState {
    /// It runs.
    Running,
    /// It is stopped; it will wake, or be killed.
    Frozen,
    /// It is gone: the file was left behind.
    Gone,
}

/// Why an `engine.json` says nothing.
#[derive(Debug, thiserror::Error)]
pub enum InfoError {
    /// There is none: no engine, or it stopped cleanly.
    #[error("no engine has left word in {path}; is it running, and is this the right directory?")]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {path}: {source}; run this as the engine's user or root")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what an engine writes.
    #[error("{path} is not what an engine writes ({source}); the next start replaces it")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl EngineInfo {
    /// This boot's id as the kernel writes it; empty where it cannot be read.
    pub fn this_boot() -> String {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
    }

    /// Writes it into the runtime and the state directory, each atomically. What an earlier life said of its end goes.
    ///
    /// # Errors
    /// Those of writing and renaming. It is a help for finding the engine and is not made durable.
    pub fn publish(&self) -> io::Result<()> {
        self.write_into(&self.runtime_dir)?;
        self.write_into(&self.state_dir)?;
        EngineEnd::withdraw(self);
        Ok(())
    }

    /// Takes both files away: the engine stopped cleanly, nothing of it runs.
    pub fn withdraw(&self) {
        for dir in [&self.runtime_dir, &self.state_dir] {
            // A file that stays is recognised as stale by its process numbers.
            let _ = std::fs::remove_file(dir.join(FILE_NAME));
        }
    }

    fn write_into(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(FILE_NAME);
        let temporary = dir.join(format!("{FILE_NAME}.new"));
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let _ = std::fs::remove_file(&temporary);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        file.write_all(&text)?;
        std::fs::rename(&temporary, &path)
    }

    /// Reads the file in a runtime or state directory.
    ///
    /// # Errors
    /// [`InfoError`].
    pub fn read(dir: &Path) -> Result<Self, InfoError> {
        Self::read_with_owner(dir).map(|(info, _)| info)
    }

    /// The same, with the user that the file belongs to: what it says is worth no more than that user's word.
    ///
    /// # Errors
    /// [`InfoError`].
    pub fn read_with_owner(dir: &Path) -> Result<(Self, u32), InfoError> {
        use std::io::Read as _;
        use std::os::unix::fs::MetadataExt as _;
        let path = dir.join(FILE_NAME);
        let opened = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(InfoError::Missing { path }),
            Err(source) => return Err(InfoError::Unreadable { path, source }),
        };
        let mut text = Vec::new();
        let owner = match file.metadata() {
            Ok(metadata) => metadata.uid(),
            Err(source) => return Err(InfoError::Unreadable { path, source }),
        };
        if let Err(source) = file.take(MAX_BYTES).read_to_end(&mut text) {
            return Err(InfoError::Unreadable { path, source });
        }
        match serde_json::from_slice(&text) {
            Ok(info) => Ok((info, owner)),
            Err(source) => Err(InfoError::Malformed { path, source }),
        }
    }

    /// What became of the engine.
    pub fn engine_state(&self) -> EngineState {
        if self.boot_id != Self::this_boot() {
            return EngineState::Gone;
        }
        self.engine.state().into()
    }
}

impl From<ProcessState> for EngineState {
    fn from(state: ProcessState) -> Self {
        match state {
            ProcessState::Alive => Self::Running,
            ProcessState::Stopped => Self::Frozen,
            ProcessState::Gone => Self::Gone,
        }
    }
}
