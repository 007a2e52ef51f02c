//! The state directory: one watchdog at a time, one file replaced as a whole, and a mark of the last sign of life.
//!
//! ```text
//! STATE/  (0700)  LOCK  state.json  alive.json  control.sock  outbox/  witness/  witness-shown.ndjson
//! ```

use crate::heart::stored::{Clock, Stored, VERSION};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A larger state file is not one of ours.
const STATE_MAX: u64 = 64 * 1024 * 1024;

/// The state directory, held.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Released by the kernel when the process ends, however it ends.
    _lock: File,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another watchdog runs on it.
    #[error(
        "another failstop-watchdog runs with the state directory {0}\n  next: stop it, or give this one a `state_dir` of its own"
    )]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error("{what} {path}: {source}\n  next: make it writable for this user, or set `state_dir` in [watchdog]")]
    Io {
        /// What could not be done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state was written by a later version.
    #[error(
        "{path} was written by a later version ({version}); this one knows {VERSION}\n  next: run the later version, or move the file away and lose what it remembers"
    )]
    Later {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The state cannot be read as what it is.
    #[error(
        "{path} is damaged: {reason}\n  next: move it away; the watchdog then starts without what it remembered, and open incidents are told anew"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl StateDir {
    /// Makes the directory where it is missing, and holds it.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn hold(path: &Path) -> Result<Self, DiskError> {
        let at = |what, path: &Path| {
            let path = path.to_owned();
            move |source| DiskError::Io { what, path, source }
        };
        for folder in [path.to_owned(), path.join("witness")] {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at("cannot make", &folder))?;
        }
        let lock_path = path.join("LOCK");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(at("cannot open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(DiskError::InUse(path.to_owned())),
            Err(fs::TryLockError::Error(source)) => return Err(at("cannot lock", &lock_path)(source)),
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was stored, and the last sign of life. Nothing stored is the default.
    ///
    /// # Errors
    /// [`DiskError`]. A damaged mark of life is none: the state's own time stands in for it.
    pub fn load(&self) -> Result<(Stored, Option<Clock>), DiskError> {
        let path = self.path.join("state.json");
        let stored = match read(&path, STATE_MAX) {
            Ok(bytes) => {
                let damaged = |reason: String| DiskError::Damaged { path: path.clone(), reason };
                let version: Version = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
                if version.version > VERSION {
                    return Err(DiskError::Later { path, version: version.version });
                }
                serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Stored::default(),
            Err(source) => return Err(DiskError::Io { what: "cannot read", path, source }),
        };
        let alive =
            read(&self.path.join("alive.json"), 4096).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok((stored, alive))
    }

    /// Makes the state durable: when this returns, a crash does not lose it.
    ///
    /// # Errors
    /// Those of writing, renaming and syncing.
    pub fn save(&self, stored: &Stored) -> Result<(), DiskError> {
        let path = self.path.join("state.json");
        let bytes = serde_json::to_vec(stored).unwrap_or_default();
        replace(&path, &bytes, true).map_err(|source| DiskError::Io { what: "cannot write", path, source })
    }

    /// Marks a sign of life. Not synced: a power failure may lose the last marks, which widens the gap that the next start
    /// sees, and that is the careful side.
    ///
    /// # Errors
    /// Those of writing and renaming.
    pub fn mark_alive(&self, mark: &Clock) -> Result<(), DiskError> {
        let path = self.path.join("alive.json");
        let bytes = serde_json::to_vec(mark).unwrap_or_default();
        replace(&path, &bytes, false).map_err(|source| DiskError::Io { what: "cannot write", path, source })
    }
}

#[derive(serde::Deserialize)]
struct Version {
    version: u32,
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Replaces a file as a whole; a reader, and a crash, see the old one or the new one.
pub fn replace(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)?;
    if durable && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::heart::time::{Boot, Wall};

    #[test]
    fn what_is_saved_is_loaded_and_one_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let state = StateDir::hold(&path).unwrap();
        assert_eq!(state.load().unwrap(), (Stored::default(), None));
        assert!(matches!(StateDir::hold(&path), Err(DiskError::InUse(_))));
        let stored = Stored { version: VERSION, acting: true, ..Stored::default() };
        let mark = Clock { boot_id: "b".to_owned(), boot: Boot(5), wall: Wall(6) };
        state.save(&stored).unwrap();
        state.mark_alive(&mark).unwrap();
        drop(state);
        assert_eq!(StateDir::hold(&path).unwrap().load().unwrap(), (stored, Some(mark)));
    }

    #[test]
    fn damage_and_later_versions_are_refused_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::hold(folder.path()).unwrap();
        let file = folder.path().join("state.json");
        for (text, is_later) in
            [("{", false), ("{\"version\":1}", false), ("{\"version\":99,\"x\":1}", true), ("", false)]
        {
            fs::write(&file, text).unwrap();
            let error = state.load().unwrap_err();
            assert_eq!(matches!(error, DiskError::Later { .. }), is_later, "{error}");
            assert!(error.to_string().contains("next: "));
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        fs::remove_file(&file).unwrap();
        fs::write(folder.path().join("alive.json"), "junk").unwrap();
        assert_eq!(state.load().unwrap().1, None);
    }
}
