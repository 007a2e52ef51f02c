//! The kill switch's latch: `STATE/kill-switch`. Its existence is the latch, whatever is in it, and whoever cannot tell
//! whether it exists takes it to be engaged.

use super::durable::{self, sync_dir};
use serde::{Deserialize, Serialize};
use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The latch's name in the state directory.
pub const LATCH_FILE: &str = "kill-switch";
const LATCH_FILE_C: &CStr = c"kill-switch";

/// The largest latch that is read.
const MAX_BYTES: u64 = 64 * 1024;
/// The most later engagements that are noted beside the first.
const MAX_AGAIN: usize = 100;
/// The longest reason that is kept, in bytes.
pub const MAX_REASON_BYTES: usize = 4096;

/// Who engaged the kill switch, why and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engagement {
    /// Who: user name and number.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// RFC 3339, UTC.
    pub time: String,
}

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    #[serde(flatten)]
    first: Engagement,
    /// Who engaged it while it was engaged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<Engagement>,
}

/// The state of the kill switch as the disk tells it.
#[derive(Debug)]
pub enum Latch {
    /// There is no latch.
    Clear,
    /// It is engaged.
    Engaged {
        /// By whom first.
        first: Engagement,
        /// Who engaged it again since.
        again: Vec<Engagement>,
    },
    /// It is engaged, and who and why cannot be read; or nobody can tell whether it is, which counts as engaged.
    Unreadable(LatchError),
}

impl Latch {
    /// Whether nothing may trade.
    pub fn is_engaged(&self) -> bool {
        match self {
            Self::Clear => false,
            Self::Engaged { .. } | Self::Unreadable(_) => true,
        }
    }

    /// Who and why, for the record, as it may be shown; `None` when it is clear.
    pub fn who_and_why(&self) -> Option<(String, String)> {
        match self {
            Self::Clear => None,
            Self::Engaged { first, .. } => Some((first.by.clone(), crate::masking::owned(first.reason.clone()))),
            Self::Unreadable(error) => Some(("unknown".to_owned(), error.to_string())),
        }
    }
}

/// What went wrong with a latch.
#[derive(Debug, thiserror::Error)]
pub enum LatchError {
    /// It could not be read, so it counts as engaged.
    #[error("the latch {path} cannot be read ({source}) and counts as engaged")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else than who, why and when; its existence is what counts.
    #[error("the latch {path} is there and does not say who engaged it or why ({source})")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It could not be written.
    #[error("the latch {path} could not be written ({source}): after a restart nothing would remember the kill switch")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It could not be removed, or its removal could not be made durable.
    #[error("the latch {path} could not be removed durably ({source}): the kill switch stays engaged")]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl LatchError {
    /// What went wrong, wherever the latch is.
    pub fn without_place(&self) -> String {
        match self {
            Self::Read { path: _, source } => format!("read: {source}"),
            Self::Malformed { path: _, source } => format!("malformed: {source}"),
            Self::Write { path: _, source } => format!("write: {source}"),
            Self::Remove { path: _, source } => format!("remove: {source}"),
        }
    }
}

/// Reads the latch.
///
/// A state directory that does not exist cannot hold a latch and cannot prove that there was none: it counts as
/// unreadable. The engine makes the directory before it asks.
pub fn read_latch(state_dir: &Path) -> Latch {
    let path = state_dir.join(LATCH_FILE);
    let unreadable = |source| Latch::Unreadable(LatchError::Read { path: path.clone(), source });
    let opened =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match std::fs::metadata(state_dir) {
                Ok(metadata) if metadata.is_dir() => Latch::Clear,
                Ok(_) => unreadable(io::Error::from(io::ErrorKind::NotADirectory)),
                Err(error) => unreadable(error),
            };
        }
        Err(error) => return unreadable(error),
    };
    let mut text = Vec::new();
    if let Err(error) = file.take(MAX_BYTES).read_to_end(&mut text) {
        return unreadable(error);
    }
    match serde_json::from_slice::<Content>(&text) {
        Ok(content) => Latch::Engaged { first: content.first, again: content.again },
        Err(source) => Latch::Unreadable(LatchError::Malformed { path, source }),
    }
}

/// What writing the latch came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was clear; now it is engaged, durably.
    Engaged,
    /// It was engaged before, and is; durably.
    Already {
        /// By whom, as far as it can be read.
        first: Option<Engagement>,
    },
    /// It is engaged, durably, but there was no room for who and why.
    WithoutWords,
}

/// Engages the latch durably. The first engagement stays; a later one is noted beside it.
///
/// Visible at once and durable on return, in this order: a running engine sees it before the disk has it.
///
/// # Errors
/// [`LatchError::Write`]; whatever could be achieved may stand nevertheless: look with [`read_latch`].
pub fn write_latch(state_dir: &Path, engagement: &Engagement) -> Result<Written, LatchError> {
    const TRIES: usize = 3;
    let path = state_dir.join(LATCH_FILE);
    let failed = |source| LatchError::Write { path: path.clone(), source };
    let mut engagement = engagement.clone();
    engagement.reason = shortened(&engagement.reason);
    // A release by the engine may come between looking and writing; then the latch is written anew.
    for _ in 0..TRIES {
        match create(state_dir, &path, &engagement) {
            Ok(()) => return Ok(Written::Engaged),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                // No room for a file with words in it: its existence is enough.
                bare_latch(state_dir, &path).map_err(|_| failed(error))?;
                return Ok(Written::WithoutWords);
            }
        }
        let first = match read_latch(state_dir) {
            Latch::Clear => continue,
            Latch::Engaged { first, mut again } => {
                // The newest is always there: a release of this very moment tells by it that it is too late.
                again.truncate(MAX_AGAIN - 1);
                again.push(engagement.clone());
                let content = Content { first: first.clone(), again };
                // Only a note: that it cannot be taken down must not fail an engaged kill switch.
                if let Ok(text) = to_text(&content) {
                    let _ = durable::replace(&path, &text);
                }
                Some(first)
            }
            Latch::Unreadable(_) => None,
        };
        sync_existing(&path).map_err(failed)?;
        sync_dir(state_dir).map_err(failed)?;
        if std::fs::symlink_metadata(&path).is_ok() {
            return Ok(Written::Already { first });
        }
    }
    Err(failed(io::Error::other("it was released as often as it was engaged")))
}

/// Removes the latch durably. For the engine, when a release is permitted; nobody else.
///
/// # Errors
/// [`LatchError::Remove`]: then it counts as engaged.
pub fn remove_latch(state_dir: &Path) -> Result<(), LatchError> {
    let path = state_dir.join(LATCH_FILE);
    let failed = |source| LatchError::Remove { path: path.clone(), source };
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    sync_dir(state_dir).map_err(failed)
}

/// Makes a latch that somebody else wrote durable: perhaps its author was killed before it was.
fn sync_existing(path: &Path) -> io::Result<()> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    match opened {
        Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => file.sync_all(),
        // What is no file has no content to lose, and what may not be read is another user's to sync.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn to_text(content: &Content) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(content)?;
    text.push(b'\n');
    Ok(text)
}

fn create(state_dir: &Path, path: &Path, engagement: &Engagement) -> io::Result<()> {
    let text = to_text(&Content { first: engagement.clone(), again: Vec::new() })?;
    let temporary = durable::temporary(path);
    let _ = std::fs::remove_file(&temporary);
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        // Another user's engine has to read it, whatever the umask of who engages it.
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.write_all(&text)?;
        // A hard link fails where the name exists: of two at once, one is the first.
        match std::fs::hard_link(&temporary, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // No hard links on this file system. At worst the later of two authors is the one on record.
            Err(_) if std::fs::symlink_metadata(path).is_err() => std::fs::rename(&temporary, path)?,
            Err(_) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
        }
        file.sync_all()?;
        sync_dir(state_dir)
    })();
    let _ = std::fs::remove_file(&temporary);
    made
}

/// A latch without words, by means that need ever less room: an empty file, then one more name for a file that exists.
fn bare_latch(state_dir: &Path, path: &Path) -> io::Result<()> {
    let exists = |error: io::Error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map(drop).or_else(exists);
    made.or_else(|error| {
        ["LOCK", "epoch"]
            .iter()
            .find_map(|name| std::fs::hard_link(state_dir.join(name), path).or_else(exists).ok())
            .ok_or(error)
    })?;
    sync_dir(state_dir)
}

fn shortened(reason: &str) -> String {
    if reason.len() <= MAX_REASON_BYTES {
        return reason.to_owned();
    }
    let end = (0..=MAX_REASON_BYTES).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
    reason[..end].to_owned()
}

/// A cheap look at the latch, for the engine before each publication and before and after each spawn: two system calls.
#[derive(Debug)]
pub struct LatchProbe {
    state_dir: PathBuf,
    dir: File,
    identity: (u64, u64),
}

impl LatchProbe {
    /// Opens the state directory.
    ///
    /// # Errors
    /// Those of opening a directory.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(state_dir)?;
        let metadata = dir.metadata()?;
        Ok(Self { state_dir: state_dir.to_owned(), dir, identity: (metadata.dev(), metadata.ino()) })
    }

    /// Whether the latch stands, or nobody can tell. The latter also when the state directory was moved away or
    /// replaced: what the kill switch writes would then end up somewhere else.
    pub fn engaged(&self) -> bool {
        if !self.is_in_place() {
            return true;
        }
        let found = nix::sys::stat::fstatat(self.dir.as_fd(), LATCH_FILE_C, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW);
        !matches!(found, Err(nix::errno::Errno::ENOENT))
    }

    /// Whether the latch is on the disk for certain, where the next start looks for it. Where nobody can tell it is not.
    pub fn stands(&self) -> bool {
        self.is_in_place() && std::fs::symlink_metadata(self.state_dir.join(LATCH_FILE)).is_ok()
    }

    fn is_in_place(&self) -> bool {
        std::fs::metadata(&self.state_dir).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn by(who: &str) -> Engagement {
        Engagement { by: who.to_owned(), reason: "test".to_owned(), time: "2026-11-03T09:14:07Z".to_owned() }
    }

    fn names(dir: &Path) -> Vec<String> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_wallet_in_a_reason_goes_into_no_record() {
        let dir = tempfile::tempdir().unwrap();
        let reason = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed is drained".to_owned();
        write_latch(dir.path(), &Engagement { reason, ..by("alice (1000)") }).unwrap();
        let (_, reason) = read_latch(dir.path()).who_and_why().unwrap();
        assert_eq!(reason, "…1BeAed is drained");
    }

    #[test]
    fn engaged_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let probe = LatchProbe::open(dir.path()).unwrap();
        assert!(matches!(read_latch(dir.path()), Latch::Clear));
        assert!(!probe.engaged());
        assert_eq!(write_latch(dir.path(), &by("alice (1000)")).unwrap(), Written::Engaged);
        assert!(probe.engaged());
        assert_eq!(read_latch(dir.path()).who_and_why(), Some(("alice (1000)".to_owned(), "test".to_owned())));
        assert_eq!(names(dir.path()), [LATCH_FILE], "nothing temporary stays");
        remove_latch(dir.path()).unwrap();
        remove_latch(dir.path()).unwrap();
        assert!(!probe.engaged());
    }

    #[test]
    fn a_latch_that_nobody_can_see_counts_as_engaged_and_stands_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (state, away) = (dir.path().join("state"), dir.path().join("away"));
        std::fs::create_dir(&state).unwrap();
        let probe = LatchProbe::open(&state).unwrap();
        assert!(!probe.engaged() && !probe.stands());
        std::fs::rename(&state, &away).unwrap();
        assert!(probe.engaged() && !probe.stands(), "moved away");
        write_latch(&away, &by("alice")).unwrap();
        assert!(!probe.stands(), "no start looks for it there");
        std::fs::rename(&away, &state).unwrap();
        assert!(probe.engaged() && probe.stands());
    }

    #[test]
    fn the_first_author_stays_and_later_ones_are_noted() {
        let dir = tempfile::tempdir().unwrap();
        write_latch(dir.path(), &by("alice")).unwrap();
        let second = write_latch(dir.path(), &by("bob")).unwrap();
        assert_eq!(second, Written::Already { first: Some(by("alice")) });
        match read_latch(dir.path()) {
            Latch::Engaged { first, again } => assert_eq!((first, again), (by("alice"), vec![by("bob")])),
            other => panic!("{other:?}"),
        }
        for _ in 0..2 * MAX_AGAIN {
            write_latch(dir.path(), &by("bob")).unwrap();
        }
        write_latch(dir.path(), &by("carol")).unwrap();
        let Latch::Engaged { again, .. } = read_latch(dir.path()) else { panic!("not engaged") };
        assert_eq!((again.len(), again.last()), (MAX_AGAIN, Some(&by("carol"))), "the newest is always kept");
    }

    #[test]
    fn whatever_cannot_be_read_is_engaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LATCH_FILE);
        let engaged = |what: &str| {
            let latch = read_latch(dir.path());
            assert!(matches!(latch, Latch::Unreadable(_)), "{what}: {latch:?}");
            assert!(latch.is_engaged() && LatchProbe::open(dir.path()).unwrap().engaged(), "{what}");
            assert!(matches!(write_latch(dir.path(), &by("bob")).unwrap(), Written::Already { first: None }), "{what}");
        };
        for torn in ["", "{", "{\"by\":\"x\"}", "null"] {
            std::fs::write(&path, torn).unwrap();
            engaged(torn);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), torn, "left as it was found");
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        engaged("a dangling link");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        engaged("a directory");
        std::fs::remove_dir(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let latch = read_latch(dir.path());
        assert!(latch.is_engaged(), "a pipe: {latch:?}");
    }

    #[test]
    fn a_state_directory_that_is_gone_or_replaced_is_engaged() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert!(read_latch(&state).is_engaged());
        std::fs::create_dir(&state).unwrap();
        assert!(!read_latch(&state).is_engaged());
        let probe = LatchProbe::open(&state).unwrap();
        std::fs::rename(&state, dir.path().join("away")).unwrap();
        assert!(probe.engaged());
        std::fs::create_dir(&state).unwrap();
        assert!(probe.engaged(), "another directory of that name is not the one");
    }

    #[test]
    fn a_long_reason_is_shortened_and_not_refused() {
        let dir = tempfile::tempdir().unwrap();
        let long = Engagement { reason: "\u{e9}".repeat(MAX_REASON_BYTES), ..by("alice") };
        write_latch(dir.path(), &long).unwrap();
        let (_, reason) = read_latch(dir.path()).who_and_why().unwrap();
        assert_eq!(reason, "\u{e9}".repeat(MAX_REASON_BYTES / 2));
    }

    #[test]
    fn of_two_at_once_one_is_the_first_and_the_latch_stands_whole() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..50 {
            let written: Vec<_> = std::thread::scope(|scope| {
                let state = dir.path();
                let threads: Vec<_> =
                    ["alice", "bob"].map(|who| scope.spawn(move || write_latch(state, &by(who)).unwrap())).into();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(written.iter().filter(|written| **written == Written::Engaged).count(), 1, "{written:?}");
            assert!(matches!(read_latch(dir.path()), Latch::Engaged { .. }));
            remove_latch(dir.path()).unwrap();
        }
    }

    #[test]
    fn existence_alone_can_be_written_without_room() {
        let dir = tempfile::tempdir().unwrap();
        bare_latch(dir.path(), &dir.path().join(LATCH_FILE)).unwrap();
        assert!(read_latch(dir.path()).is_engaged());
        bare_latch(dir.path(), &dir.path().join(LATCH_FILE)).unwrap();
    }
}
