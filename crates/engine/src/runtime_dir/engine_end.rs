//! `ended.json`: the last word of an engine that ended on purpose, for those who may start it again and could not hear it
//! announce its end: a responder must tell a stop that a person wanted from a death. Kept in the runtime directory and, so that
//! it outlives a reboot, in the state directory, until the next life begins.

use super::engine_info::EngineInfo;
use failstop_client::status::EndKind;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file's name in both directories.
pub(super) const FILE_NAME: &str = "ended.json";

/// How one life of an engine ended. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineEnd {
    /// `NAME/JID`, as in [`EngineInfo::mark`].
    pub mark: String,
    /// The fencing epoch of the life that ended.
    pub epoch: u64,
    /// Whether whoever started it is to start it again.
    pub kind: EndKind,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, RFC 3339.
    pub at: String,
    /// The state directory, absolute.
    pub state_dir: PathBuf,
}

impl EngineEnd {
    /// Writes it into both directories of `info`, durably.
    ///
    /// # Errors
    /// Those of writing, syncing and renaming; the first of them, after both were tried.
    pub fn publish(&self, info: &EngineInfo) -> io::Result<()> {
        let [runtime, state] = [&info.runtime_dir, &info.state_dir].map(|dir| self.write_into(dir));
        state.and(runtime)
    }

    /// Takes both files away: a new life begins. One that stays is told by its epoch from what is said of this one.
    pub(super) fn withdraw(info: &EngineInfo) {
        for dir in [&info.runtime_dir, &info.state_dir] {
            let _ = fs::remove_file(dir.join(FILE_NAME));
        }
    }

    fn write_into(&self, dir: &Path) -> io::Result<()> {
        let temporary = dir.join(format!("{FILE_NAME}.new"));
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, dir.join(FILE_NAME))?;
        File::open(dir)?.sync_all()
    }
}
