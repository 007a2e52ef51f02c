//! What an engine leaves in its runtime and its state directory for those who are not it: who runs (`engine.json`), how it ended
//! where it ended as it was told to (`ended.json`), and the latch of its kill switch.

use super::process::Process;
use crate::heart::reading::for_people;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The latch of the kill switch in an engine's state directory: its existence is what engages it.
const KILL_SWITCH: &str = "kill-switch";

/// One life of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Life {
    /// The system's name and its journal's id.
    pub mark: String,
    /// The fencing epoch.
    pub epoch: u64,
}

/// The part of `engine.json` that is needed here.
#[derive(Debug, Deserialize)]
pub(super) struct EngineJson {
    #[serde(flatten)]
    pub life: Life,
    pub engine: Process,
    #[serde(default)]
    pub guard: Option<Process>,
    pub boot_id: String,
    pub state_dir: PathBuf,
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
}

/// What an engine's folder says of who runs, if anybody does or did until it was killed.
pub(super) fn info(folder: &Path) -> Option<EngineJson> {
    serde_json::from_slice(&fs::read(folder.join("engine.json")).ok()?).ok()
}

/// The part of `ended.json` that is needed here: the last word of an engine that ended as somebody wanted it to.
#[derive(Debug, Deserialize)]
pub(super) struct LastWord {
    #[serde(flatten)]
    pub life: Life,
    kind: String,
    /// Who asked for it.
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    state_dir: Option<PathBuf>,
}

impl LastWord {
    /// The last word in an engine's folder, unless a later life has begun since.
    ///
    /// # Errors
    /// Why nobody can tell, for people.
    pub fn of(folder: &Path) -> Result<Option<Self>, String> {
        let path = folder.join("ended.json");
        let word: Self = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| format!("{} is not what an engine writes: {error}", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        // Taken away at an orderly end. Where it is there, a later life was killed, or this one in its last moment.
        let later =
            info(folder).is_some_and(|info| info.life.mark != word.life.mark || info.life.epoch > word.life.epoch);
        Ok(Some(word).filter(|_| !later))
    }

    /// Whether it was to stay down. What is not known to be a restart is a stop.
    pub fn is_stop(&self) -> bool {
        self.kind != "restart"
    }

    /// For people.
    pub fn shown(&self) -> String {
        let part = |before: &str, text: &str| {
            if text.is_empty() { String::new() } else { format!("{before}{}", for_people(text.as_bytes())) }
        };
        format!(
            "epoch {}{}{}{}",
            self.life.epoch,
            part(" at ", &self.at),
            part(" by ", &self.by),
            part(": ", &self.reason)
        )
    }
}

/// The latch of the kill switch, where it is engaged. It may have been engaged while the engine was frozen or dead: then only the
/// latch on disk says so, and no watchdog elsewhere can know.
pub(super) fn kill_switch(folder: &Path) -> Option<PathBuf> {
    let state_dir = info(folder)
        .map(|info| info.state_dir)
        .or_else(|| LastWord::of(folder).ok().flatten().and_then(|word| word.state_dir));
    let latches = state_dir.iter().map(PathBuf::as_path).chain([folder]).map(|folder| folder.join(KILL_SWITCH));
    latches.into_iter().find(|latch| match fs::symlink_metadata(latch) {
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        // Whoever cannot tell takes it for engaged.
        Ok(_) | Err(_) => true,
    })
}
