//! One engine a system: a lock on the state directory, held as long as the engine lives, by the kernel's word.

use crate::process::procfs;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The lock's file in the state directory.
pub const LOCK_FILE: &str = "LOCK";

/// How often the file may be replaced under our hands before we give up.
const TRIES: usize = 16;

/// How long a holder that is already dying is waited for.
const DYING_WITHIN: Duration = Duration::from_secs(2);
const DYING_PAUSE: Duration = Duration::from_millis(2);

/// Whether a process is dead but for what the kernel has yet to clear away.
fn is_dying(pid: i32) -> bool {
    match procfs::stat(pid) {
        Ok(stat) => procfs::is_dead(&stat),
        Err(error) => procfs::is_gone(&error),
    }
}

/// Why the lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another engine holds it. Nothing was changed.
    #[error("another failstop runs this system{}: it holds {}", holder(*.pid), .path.display())]
    AlreadyRunning {
        /// Its process number, where it could be read.
        pid: Option<i32>,
        /// The lock's file.
        path: PathBuf,
    },
    /// The file could not be opened or locked.
    #[error("the instance lock {} cannot be taken: {source}", .path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

fn holder(pid: Option<i32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// The lock, held until this is dropped or the process ends. Closed on exec, so no component ever inherits it.
#[derive(Debug)]
pub struct InstanceLock {
    file: File,
    path: PathBuf,
}

impl InstanceLock {
    /// Takes the lock, or says who has it. The state directory exists.
    ///
    /// # Errors
    /// [`LockError::AlreadyRunning`] without having changed anything; [`LockError::Io`] otherwise.
    pub fn take(state_dir: &Path) -> Result<Self, LockError> {
        let path = state_dir.join(LOCK_FILE);
        let io_error = |source| LockError::Io { path: path.clone(), source };
        let patience = Instant::now() + DYING_WITHIN;
        let mut tries = 0;
        while tries < TRIES {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path)
                .map_err(io_error)?;
            match lock(&file) {
                Ok(true) => {}
                Ok(false) => {
                    let pid = read_pid(&file);
                    // An engine that was killed a moment ago holds the lock until the last of its threads is gone.
                    let dying = pid.is_some_and(is_dying);
                    if !dying || Instant::now() >= patience {
                        return Err(LockError::AlreadyRunning { pid, path });
                    }
                    std::thread::sleep(DYING_PAUSE);
                    continue;
                }
                Err(source) => return Err(io_error(source)),
            }
            tries += 1;
            // Somebody may have removed or replaced the file between our opening and our locking: then what we hold
            // keeps nobody out.
            let held = file.metadata().map_err(io_error)?;
            match std::fs::symlink_metadata(&path) {
                Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => {}
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error(error)),
            }
            let text = format!("{}\n", std::process::id());
            file.set_len(0).and_then(|()| file.write_all_at(text.as_bytes(), 0)).map_err(io_error)?;
            return Ok(Self { file, path });
        }
        Err(io_error(io::Error::other("the file was replaced again and again while it was being locked")))
    }

    /// Whether the lock's file is still the one that we hold. Where it is not, somebody has removed it, and a second
    /// engine could start.
    pub fn still_named(&self) -> bool {
        match (self.file.metadata(), std::fs::symlink_metadata(&self.path)) {
            (Ok(held), Ok(named)) => (named.dev(), named.ino()) == (held.dev(), held.ino()),
            _ => false,
        }
    }
}

/// An open-file-description lock: it belongs to this descriptor, not to the process, so that no other closing of the file
/// drops it.
fn lock(file: &File) -> io::Result<bool> {
    // SAFETY: plain data; all zeros covers the whole file from its start.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = libc::F_WRLCK as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: an open descriptor and a valid description of a range.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const range) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(error),
    }
}

fn read_pid(file: &File) -> Option<i32> {
    let mut buffer = [0_u8; 32];
    let length = file.read_at(&mut buffer, 0).ok()?;
    std::str::from_utf8(buffer.get(..length)?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first_and_changes_nothing() {
        let state = tempfile::tempdir().unwrap();
        let first = InstanceLock::take(state.path()).unwrap();
        let before = std::fs::read(state.path().join(LOCK_FILE)).unwrap();
        let error = InstanceLock::take(state.path()).unwrap_err();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(matches!(&error, LockError::AlreadyRunning { pid: Some(pid), .. } if *pid == own), "{error}");
        assert!(error.to_string().contains(&own.to_string()));
        assert_eq!(std::fs::read(state.path().join(LOCK_FILE)).unwrap(), before);
        drop(first);
        InstanceLock::take(state.path()).unwrap();
    }

    #[test]
    fn another_opening_of_the_file_does_not_drop_the_lock() {
        let state = tempfile::tempdir().unwrap();
        let first = InstanceLock::take(state.path()).unwrap();
        drop(File::open(state.path().join(LOCK_FILE)).unwrap());
        assert!(matches!(InstanceLock::take(state.path()), Err(LockError::AlreadyRunning { .. })));
        assert!(first.still_named());
    }

    #[test]
    fn a_removed_lock_file_is_noticed() {
        let state = tempfile::tempdir().unwrap();
        let first = InstanceLock::take(state.path()).unwrap();
        std::fs::remove_file(state.path().join(LOCK_FILE)).unwrap();
        assert!(!first.still_named());
        let second = InstanceLock::take(state.path()).unwrap();
        assert!(second.still_named() && !first.still_named());
    }

    #[test]
    fn a_missing_state_directory_is_an_error_with_its_path() {
        let error = InstanceLock::take(Path::new("/nonexistent/state")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/state/LOCK"), "{error}");
    }
}
