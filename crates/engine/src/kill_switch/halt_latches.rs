//! `STATE/latches/`: one file a latched halt that the journal could not take. For the engine: written when the journal
//! has failed, read at the next start, removed once the release is durable.
//!
//! Anything found in the directory is a latched halt, readable or not.

use super::durable;
use failstop_core::{Cause, Halt};
use std::io;
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "latches";
/// The largest file that is read.
const MAX_BYTES: usize = 1024 * 1024;

/// A latched halt found on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltLatch {
    /// Where it stands.
    pub path: PathBuf,
    /// Its cause: from the file, else from the file's name, else [`Cause::Storage`], which is why such files are written.
    pub cause: Cause,
    /// What was seen, or why the file could not be read.
    pub evidence: String,
    /// The whole halt, where it could be read.
    pub halt: Option<Halt>,
}

/// What went wrong with the latches of halts.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct HaltLatchError {
    /// What was tried.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HaltLatchError {
    let path = path.to_owned();
    move |source| HaltLatchError { action, path, source }
}

/// Writes a halt down, durably.
///
/// # Errors
/// [`HaltLatchError`]: then a restart remembers it only if the journal does. A part of the file may stand, and counts.
pub fn write_halt_latch(state_dir: &Path, halt: &Halt) -> Result<(), HaltLatchError> {
    let dir = state_dir.join(DIRECTORY);
    match std::fs::create_dir(&dir) {
        Ok(()) => durable::sync_dir(state_dir).map_err(failed("make durable", &dir))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make", &dir)(error)),
    }
    let path = dir.join(format!("{}.h-{}.json", cause_name(halt.cause), halt.id.0));
    let mut text =
        serde_json::to_vec(halt).map_err(io::Error::from).map_err(failed("write the latched halt", &path))?;
    text.push(b'\n');
    durable::replace(&path, &text).map_err(failed("write the latched halt", &path))
}

/// Every latched halt that stands, in the order of names.
///
/// # Errors
/// [`HaltLatchError`] where the directory cannot be listed: the caller takes that as a latched halt too.
pub fn list_halt_latches(state_dir: &Path) -> Result<Vec<HaltLatch>, HaltLatchError> {
    let dir = state_dir.join(DIRECTORY);
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list the latched halts in", &dir)(error)),
    };
    let mut latches = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed("list the latched halts in", &dir))?.path();
        latches.push(read(path));
    }
    latches.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(latches)
}

/// Removes every latched halt, durably: their release is in the journal.
///
/// # Errors
/// [`HaltLatchError`]: what is left counts again at the next start.
pub fn remove_halt_latches(state_dir: &Path) -> Result<(), HaltLatchError> {
    let latches = list_halt_latches(state_dir)?;
    if latches.is_empty() {
        return Ok(());
    }
    for latch in latches {
        std::fs::remove_file(&latch.path).map_err(failed("remove the latched halt", &latch.path))?;
    }
    let dir = state_dir.join(DIRECTORY);
    durable::sync_dir(&dir).map_err(failed("make the removal durable in", &dir))
}

fn read(path: PathBuf) -> HaltLatch {
    let halt = match std::fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => std::fs::read(&path).map_err(|error| error.to_string()),
        Ok(_) => Err("it is not a file".to_owned()),
        Err(error) => Err(error.to_string()),
    }
    .and_then(|text| {
        if text.len() > MAX_BYTES {
            return Err("it is too large".to_owned());
        }
        serde_json::from_slice::<Halt>(&text).map_err(|error| error.to_string())
    });
    match halt {
        Ok(halt) => HaltLatch { path, cause: halt.cause, evidence: halt.evidence.clone(), halt: Some(halt) },
        Err(why) => HaltLatch {
            cause: cause_in_name(&path).unwrap_or(Cause::Storage),
            evidence: format!("the latched halt {} cannot be read ({why}) and counts", path.display()),
            path,
            halt: None,
        },
    }
}

/// The cause's name as everywhere: kebab-case.
fn cause_name(cause: Cause) -> String {
    match serde_json::to_value(cause) {
        Ok(serde_json::Value::String(name)) => name,
        // A unit variant always serialises to a string; the name is only a help.
        _ => "halt".to_owned(),
    }
}

fn cause_in_name(path: &Path) -> Option<Cause> {
    let name = path.file_name()?.to_str()?.split('.').next()?;
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_core::{HaltId, Permission, Scope};

    fn halt(id: u64, cause: Cause) -> Halt {
        Halt {
            id: HaltId(id),
            cause,
            component: None,
            scope: Scope::System,
            cap: Permission::Shutdown,
            latched: true,
            trigger: None,
            evidence: "fdatasync failed".to_owned(),
        }
    }

    #[test]
    fn written_listed_removed() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(list_halt_latches(state.path()).unwrap(), []);
        remove_halt_latches(state.path()).unwrap();
        write_halt_latch(state.path(), &halt(31, Cause::Storage)).unwrap();
        write_halt_latch(state.path(), &halt(31, Cause::Storage)).unwrap();
        write_halt_latch(state.path(), &halt(32, Cause::HeartbeatLost)).unwrap();
        let latches = list_halt_latches(state.path()).unwrap();
        assert_eq!(latches.iter().map(|latch| latch.cause).collect::<Vec<_>>(), [Cause::HeartbeatLost, Cause::Storage]);
        assert_eq!(latches[1].halt, Some(halt(31, Cause::Storage)));
        remove_halt_latches(state.path()).unwrap();
        assert_eq!(list_halt_latches(state.path()).unwrap(), []);
    }

    #[test]
    fn whatever_stands_there_counts() {
        let state = tempfile::tempdir().unwrap();
        write_halt_latch(state.path(), &halt(7, Cause::Witness)).unwrap();
        let dir = state.path().join("latches");
        std::fs::write(dir.join("witness.h-7.json"), "{\"id\"").unwrap();
        std::fs::write(dir.join("zzz"), "").unwrap();
        std::fs::create_dir(dir.join("zzzz")).unwrap();
        let latches = list_halt_latches(state.path()).unwrap();
        let causes: Vec<_> = latches.iter().map(|latch| (latch.cause, latch.halt.is_some())).collect();
        assert_eq!(causes, [(Cause::Witness, false), (Cause::Storage, false), (Cause::Storage, false)]);
        assert!(latches[0].evidence.contains("cannot be read"), "{}", latches[0].evidence);
    }

    #[test]
    fn a_directory_that_cannot_be_listed_is_an_error() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("latches"), "").unwrap();
        assert!(list_halt_latches(state.path()).is_err());
        assert!(write_halt_latch(state.path(), &halt(1, Cause::Storage)).is_err());
    }
}
