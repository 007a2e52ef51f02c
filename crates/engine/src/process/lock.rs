//! One engine a system: a lock on the state directory, held as long as the engine lives, by the kernel's word.
//!
//! A process that was killed is not gone at once. Its lock is released when the last of its threads has left the kernel,
//! and on a busy machine that takes longer than a restart. So a start that meets the lock looks at who holds it: one that is
//! ending is waited for, one that lives is left alone.

use crate::process::past_guard::{self, Left, in_words};
use crate::process::procfs;
use crate::process::twin::JournalName;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The lock's file in the state directory: the process numbers of engine and guard.
pub const LOCK_FILE: &str = "LOCK";

/// How often the file may be replaced under our hands before we give up.
const TRIES: usize = 16;

/// How long a holder that is ending is waited for.
pub(super) const ENDING_WITHIN: Duration = Duration::from_secs(10);

/// How long a holder must look alive before it counts: there are moments at which a dying one does not show it, and at
/// which a new one has not written yet who it is.
const ALIVE_FOR: Duration = Duration::from_millis(100);

/// Between two looks at a holder.
const PAUSE: Duration = Duration::from_millis(2);

/// The longest text that is read from the file, bytes.
const TEXT_MAX: usize = 32;

/// Why the lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another engine holds it. Nothing was changed.
    #[error(
        "another failstop runs this system{}: it holds {}; `failstop status` shows it{}",
        engine_of(*.holder), .path.display(), stopped_by(*.holder)
    )]
    AlreadyRunning {
        /// Which, where it could be read.
        holder: Option<Holder>,
        /// The lock's file.
        path: PathBuf,
    },
    /// An engine that was killed, or whose guard was, holds it and does not come to its end. Nothing was changed.
    #[error(
        "an earlier failstop{} is ending but still holds {} after {} s, probably because it waits for a disk; start again \
         when it is gone", engine_of(*.holder), .path.display(), ENDING_WITHIN.as_secs()
    )]
    NotEnding {
        /// Which, where it could be read.
        holder: Option<Holder>,
        /// The lock's file.
        path: PathBuf,
    },
    /// The engine that held it is dead, and its guard still ends what that one left. Nothing was changed.
    #[error(
        "the guard (pid {guard}) of an earlier failstop still has to end what that one started: {}; a process of another user, \
         or one that waits for a disk, is out of its reach: end it (as root where it has to be), and start again",
        in_words(.left)
    )]
    GuardStillEnding {
        /// That guard.
        guard: i32,
        /// What it has not been able to end.
        left: Vec<Left>,
    },
    /// The file could not be opened or locked.
    #[error(
        "the instance lock {} cannot be taken: {source}; let this user write there, or correct `system.state_dir`",
        .path.display()
    )]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

fn engine_of(holder: Option<Holder>) -> String {
    holder.map(|holder| format!(" (pid {})", holder.engine)).unwrap_or_default()
}

fn stopped_by(holder: Option<Holder>) -> String {
    holder.map(|holder| format!(", `kill {}` stops it", holder.guard)).unwrap_or_default()
}

/// Who the lock's file says holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The engine's process number.
    pub engine: i32,
    /// Its guard's.
    pub guard: i32,
}

impl Holder {
    fn this() -> Self {
        // SAFETY: two calls that take nothing and cannot fail.
        let (engine, guard) = unsafe { (libc::getpid(), libc::getppid()) };
        Self { engine, guard }
    }

    /// Reads it from the lock's open file; `None` while nobody has written it yet.
    pub fn read(file: &File) -> Option<Self> {
        let mut buffer = [0_u8; TEXT_MAX];
        let length = file.read_at(&mut buffer, 0).ok()?;
        let mut numbers = std::str::from_utf8(buffer.get(..length)?).ok()?.split_ascii_whitespace();
        let holder = Self { engine: numbers.next()?.parse().ok()?, guard: numbers.next()?.parse().ok()? };
        Some(holder)
    }

    /// Always of one length, so that one write replaces it and no reader finds half of it.
    fn text(self) -> String {
        format!("{:<14} {:<14}\n", self.engine, self.guard)
    }

    /// Whether it is dead or dying, or about to end itself since its guard is gone.
    fn is_ending(self) -> bool {
        procfs::is_doomed(self.engine) || procfs::stat(self.engine).is_ok_and(|stat| stat.parent != self.guard)
    }
}

/// The lock, held until this is dropped or the process ends. Closed on exec, so no component ever inherits it.
#[derive(Debug)]
pub struct InstanceLock {
    file: File,
    path: PathBuf,
    journal: Option<JournalName>,
}

impl InstanceLock {
    /// Takes the lock, or says who has it. The state directory exists.
    ///
    /// # Errors
    /// [`LockError::AlreadyRunning`] or, after ten seconds, [`LockError::NotEnding`] or [`LockError::GuardStillEnding`], without
    /// having changed anything;
    /// [`LockError::Io`] otherwise.
    pub fn take(state_dir: &Path) -> Result<Self, LockError> {
        Self::take_within(state_dir, ENDING_WITHIN)
    }

    /// As [`Self::take`], for a command that keeps engines away while it works and is none itself: whoever finds it there waits for
    /// its end, and does not take the process that called it for a guard.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn take_aside(state_dir: &Path) -> Result<Self, LockError> {
        let lock = Self::take(state_dir)?;
        let holder = Holder { guard: 0, ..Holder::this() };
        let written = lock.file.write_all_at(holder.text().as_bytes(), 0);
        written.map_err(|source| LockError::Io { path: lock.path.clone(), source })?;
        Ok(lock)
    }

    fn take_within(state_dir: &Path, ending_within: Duration) -> Result<Self, LockError> {
        let path = state_dir.join(LOCK_FILE);
        let io_error = |source| LockError::Io { path: path.clone(), source };
        let started = Instant::now();
        let mut alive_since = started;
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
            if !lock(&file).map_err(io_error)? {
                let holder = Holder::read(&file);
                if holder.is_some_and(Holder::is_ending) {
                    alive_since = Instant::now();
                }
                if alive_since.elapsed() >= ALIVE_FOR {
                    return Err(LockError::AlreadyRunning { holder, path });
                }
                if started.elapsed() >= ending_within {
                    return Err(LockError::NotEnding { holder, path });
                }
                std::thread::sleep(PAUSE);
                continue;
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
            if let Some(before) = Holder::read(&file) {
                wait_for_guard(before, ending_within.saturating_sub(started.elapsed()))?;
            }
            file.write_all_at(Holder::this().text().as_bytes(), 0).map_err(io_error)?;
            return Ok(Self { file, path, journal: None });
        }
        Err(io_error(io::Error::other("the file was replaced again and again while it was being locked")))
    }

    /// Keeps the journal's name for as long as the lock.
    pub fn keep(&mut self, name: JournalName) {
        self.journal = Some(name);
    }

    /// The journal's name, where this engine has it.
    pub fn journal_name(&self) -> Option<&JournalName> {
        self.journal.as_ref()
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

/// Waits until the guard of the engine that held the lock has ended what that one left. The lock is held meanwhile, so that nobody
/// else starts either.
fn wait_for_guard(before: Holder, within: Duration) -> Result<(), LockError> {
    let own = Holder::this();
    let Ok(engine) = procfs::stat(own.engine).map(|stat| stat.comm) else { return Ok(()) };
    let started = Instant::now();
    // In a container the numbers are the same each time: our own guard is nobody's of before.
    while before.guard != own.guard
        && let Some(left) = past_guard::still_has(before.guard, &engine)
    {
        if started.elapsed() >= within {
            return Err(LockError::GuardStillEnding { guard: before.guard, left });
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
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
        let own = Holder::this();
        assert!(matches!(&error, LockError::AlreadyRunning { holder: Some(holder), .. } if *holder == own), "{error}");
        assert!(error.to_string().contains(&own.engine.to_string()));
        assert!(error.to_string().contains(&format!("kill {}", own.guard)));
        assert_eq!(std::fs::read(state.path().join(LOCK_FILE)).unwrap(), before);
        drop(first);
        InstanceLock::take(state.path()).unwrap();
    }

    #[test]
    fn a_holder_that_is_ending_is_waited_for_and_not_taken_for_a_second_instance() {
        let state = tempfile::tempdir().unwrap();
        let first = InstanceLock::take(state.path()).unwrap();
        let own = Holder::this();
        // Its guard is gone: somebody else is its parent. And one that is gone altogether, but for a child of its that has
        // not let go of the file yet.
        for holder in [Holder { guard: own.engine, ..own }, Holder { engine: i32::MAX, guard: 1 }] {
            first.file.write_all_at(holder.text().as_bytes(), 0).unwrap();
            let error = InstanceLock::take_within(state.path(), ALIVE_FOR * 2).unwrap_err();
            assert!(matches!(&error, LockError::NotEnding { holder: Some(seen), .. } if *seen == holder), "{error}");
            assert!(error.to_string().contains("start again when it is gone"), "{error}");
        }
        drop(first);
        InstanceLock::take(state.path()).unwrap();
    }

    #[test]
    fn a_command_that_keeps_engines_away_is_waited_for_and_has_no_guard() {
        let state = tempfile::tempdir().unwrap();
        let aside = InstanceLock::take_aside(state.path()).unwrap();
        let holder = Holder::read(&aside.file).unwrap();
        assert_eq!((holder.engine, holder.guard), (Holder::this().engine, 0));
        assert!(matches!(InstanceLock::take_within(state.path(), ALIVE_FOR * 2), Err(LockError::NotEnding { .. })));
        drop(aside);
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
