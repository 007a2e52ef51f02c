//! The versions of the configuration that were in force: `STATE/config/v-NNNNNNNN.toml`, the newest last; and among them, as
//! `v-NNNNNNNN.aside.toml`, what a command put another text in the place of. Bounded in number and in bytes, each written whole and
//! durably, readable by nobody but failstop's user.

use crate::kill_switch::durable::Next;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The folder within the state directory.
pub const CONFIG_DIR: &str = "config";

/// All versions together have at most so many bytes; the last two are kept whatever they have.
pub const KEPT_BYTES_MAX: u64 = 16 << 20;

/// The most that is read of one version: more than a configuration may have.
const VERSION_MAX_BYTES: u64 = 2 * crate::config::MAX_FILE_BYTES;

/// How the name of a version ends that was in force.
const IN_FORCE: &str = ".toml";

/// How it ends where that is not known.
const ASIDE: &str = ".aside.toml";

/// The most names in the folder that are looked at.
const NAMES_MAX: usize = 4_096;

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, which rises.
    pub number: u64,
    /// When it came into force, or was put aside.
    pub at: jiff::Timestamp,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether it is known to have been in force.
    pub was_in_force: bool,
}

/// Why a version cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The folder or a file in it cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such version.
    #[error("there is no version {0}; `failstop config history` shows those there are")]
    NoSuchVersion(u64),
    /// A version is larger than any configuration, or is no text.
    #[error("{} is no configuration: it was changed", .0.display())]
    NotAVersion(PathBuf),
}

/// The versions of one system.
#[derive(Clone, Debug)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// Of the system with this state directory.
    pub fn of(state_dir: &Path) -> Self {
        Self { folder: state_dir.join(CONFIG_DIR) }
    }

    /// Those there are, the newest first. A folder that is not there has none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn list(&self) -> Result<Vec<Version>, HistoryError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(&self.folder, source)),
        };
        let mut versions = Vec::new();
        for entry in entries.take(NAMES_MAX) {
            let entry = entry.map_err(|source| self.failed(&self.folder, source))?;
            let Some((number, was_in_force)) = entry.file_name().to_str().and_then(number_of) else { continue };
            // One that was removed meanwhile is none.
            let Ok(meta) = entry.metadata() else { continue };
            if !meta.is_file() {
                continue;
            }
            let at = jiff::Timestamp::from_second(meta.mtime()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            versions.push(Version { number, at, bytes: meta.size(), was_in_force });
        }
        versions.sort_unstable_by_key(|version| std::cmp::Reverse((version.number, version.was_in_force)));
        // One that was put aside and came into force after all, where its other name was left over.
        versions.dedup_by_key(|version| version.number);
        Ok(versions)
    }

    /// The text of a version.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read(&self, number: u64) -> Result<String, HistoryError> {
        match self.read_named(number, true) {
            Err(HistoryError::NoSuchVersion(_)) => self.read_named(number, false),
            read => read,
        }
    }

    fn read_named(&self, number: u64, was_in_force: bool) -> Result<String, HistoryError> {
        let path = self.path(number, was_in_force);
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(HistoryError::NoSuchVersion(number)),
            Err(source) => return Err(self.failed(&path, source)),
        };
        let mut bytes = Vec::new();
        file.take(VERSION_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|source| self.failed(&path, source))?;
        if bytes.len() as u64 > VERSION_MAX_BYTES {
            return Err(HistoryError::NotAVersion(path));
        }
        String::from_utf8(bytes).map_err(|_| HistoryError::NotAVersion(path))
    }

    /// Keeps a text that is in force as the newest version, and of the older ones as many as there may be. Nothing to do where it is
    /// the newest already. Its number.
    ///
    /// # Errors
    /// [`HistoryError`]; the versions that there were are untouched.
    pub fn keep(&self, text: &str, most: u32) -> Result<u64, HistoryError> {
        self.keep_as(text, most, true)
    }

    /// Keeps a text that is about to be overwritten, whether or not it ever was in force. Nothing to do where it is the newest
    /// version. Its number.
    ///
    /// # Errors
    /// As [`History::keep`].
    pub fn put_aside(&self, text: &str, most: u32) -> Result<u64, HistoryError> {
        self.keep_as(text, most, false)
    }

    /// Whether any version is this text. One that cannot be read is none.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn holds(&self, text: &str) -> Result<bool, HistoryError> {
        Ok(self.list()?.iter().any(|version| self.read(version.number).is_ok_and(|known| known == text)))
    }

    fn keep_as(&self, text: &str, most: u32, in_force: bool) -> Result<u64, HistoryError> {
        // A version that root keeps belongs to failstop's user, who reads it.
        let owner = self.owner();
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Ok(()) => {
                if let Some((uid, gid)) = owner {
                    let given = std::os::unix::fs::chown(&self.folder, Some(uid), Some(gid));
                    given.map_err(|source| self.failed(&self.folder, source))?;
                }
                self.sync(self.folder.parent().unwrap_or(Path::new(".")))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(self.failed(&self.folder, source)),
        }
        // An engine and a command may keep one in the same moment: one after the other.
        let folder = File::open(&self.folder).map_err(|source| self.failed(&self.folder, source))?;
        folder.lock().map_err(|source| self.failed(&self.folder, source))?;
        let versions = self.list()?;
        // One that cannot be read is no reason to keep no more.
        let same = versions.first().filter(|newest| self.read(newest.number).is_ok_and(|known| known == text));
        let number = match same {
            Some(newest) if newest.was_in_force || !in_force => return Ok(newest.number),
            // It was put aside before anybody heard that it is in force.
            Some(newest) => newest.number,
            None => versions.first().map_or(0, |newest| newest.number) + 1,
        };
        let path = self.path(number, in_force);
        let next = Next::write(&path, self.folder.join("new"), text.as_bytes(), owner, 0o600);
        let next = next.map_err(|unmade| self.failed(&path, unmade.into()))?;
        next.place().map_err(|source| self.failed(&path, source))?;
        if same.is_some() {
            // Left over, it changes nothing.
            let _ = fs::remove_file(self.path(number, false));
        }
        self.thin_out(most)?;
        Ok(number)
    }

    /// Whose the state directory is, where that is another user's and this is root.
    fn owner(&self) -> Option<(u32, u32)> {
        let meta = fs::metadata(self.folder.parent()?).ok()?;
        (nix::unistd::geteuid().is_root() && meta.uid() != 0).then(|| (meta.uid(), meta.gid()))
    }

    /// Removes the oldest ones beyond what there may be.
    fn thin_out(&self, most: u32) -> Result<(), HistoryError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        let mut bytes = 0_u64;
        for (index, version) in self.list()?.into_iter().enumerate() {
            bytes = bytes.saturating_add(version.bytes);
            if index >= most || (index > 1 && bytes > KEPT_BYTES_MAX) {
                let path = self.path(version.number, version.was_in_force);
                fs::remove_file(&path).map_err(|source| self.failed(&path, source))?;
            }
        }
        Ok(())
    }

    fn path(&self, number: u64, was_in_force: bool) -> PathBuf {
        self.folder.join(format!("v-{number:08}{}", if was_in_force { IN_FORCE } else { ASIDE }))
    }

    fn sync(&self, folder: &Path) -> Result<(), HistoryError> {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| self.failed(folder, source))
    }

    fn failed(&self, path: &Path, source: io::Error) -> HistoryError {
        HistoryError::Io { path: path.to_owned(), source }
    }
}

/// `v-00000012.toml`, and whether it was in force.
fn number_of(name: &str) -> Option<(u64, bool)> {
    let rest = name.strip_prefix("v-")?;
    let aside = rest.strip_suffix(ASIDE).map(|digits| (digits, false));
    let (digits, was_in_force) = aside.or_else(|| Some((rest.strip_suffix(IN_FORCE)?, true)))?;
    let number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| digits.parse().ok()).flatten().map(|number| (number, was_in_force))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn numbers(history: &History) -> Vec<u64> {
        history.list().unwrap().into_iter().map(|version| version.number).collect()
    }

    #[test]
    fn the_last_versions_are_kept_and_nobody_else_reads_them() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path());
        assert!(numbers(&history).is_empty());
        assert_eq!(history.keep("one", 3).unwrap(), 1);
        assert_eq!(history.keep("one", 3).unwrap(), 1, "it is the newest already");
        for text in ["two", "three", "four", "one"] {
            history.keep(text, 3).unwrap();
        }
        assert_eq!(numbers(&history), [5, 4, 3]);
        assert_eq!(history.read(5).unwrap(), "one");
        assert!(matches!(history.read(1), Err(HistoryError::NoSuchVersion(1))));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state.path().join("config")), 0o700);
        assert_eq!(mode(&state.path().join("config/v-00000005.toml")), 0o600);
        assert!(!state.path().join("config/new").exists());
    }

    #[test]
    fn what_is_put_aside_is_a_version_that_was_not_in_force_until_it_is() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path());
        let known = || -> Vec<(u64, bool)> {
            history.list().unwrap().into_iter().map(|version| (version.number, version.was_in_force)).collect()
        };
        history.keep("one", 3).unwrap();
        assert_eq!(history.put_aside("one", 3).unwrap(), 1, "it is kept");
        assert_eq!(history.put_aside("two", 3).unwrap(), 2);
        assert_eq!(history.put_aside("two", 3).unwrap(), 2);
        assert_eq!(known(), [(2, false), (1, true)]);
        assert_eq!(history.read(2).unwrap(), "two");
        assert!(history.holds("one").unwrap() && history.holds("two").unwrap() && !history.holds("three").unwrap());
        assert_eq!(history.keep("two", 3).unwrap(), 2, "the same one");
        assert_eq!(known(), [(2, true), (1, true)]);
        assert!(!state.path().join("config/v-00000002.aside.toml").exists());
        fs::write(state.path().join("config/v-00000002.aside.toml"), "left over").unwrap();
        assert_eq!((known().len(), history.read(2).unwrap()), (2, "two".to_owned()));
        fs::remove_file(state.path().join("config/v-00000002.aside.toml")).unwrap();
        for text in ["three", "four", "five"] {
            history.put_aside(text, 3).unwrap();
        }
        assert_eq!(known(), [(5, false), (4, false), (3, false)], "bounded with the others");
    }

    #[test]
    fn large_versions_are_bounded_in_bytes_and_the_one_before_stays() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path());
        let large = "#".repeat(usize::try_from(KEPT_BYTES_MAX / 2).unwrap());
        for number in 0..4 {
            history.keep(&format!("{large}{number}"), 100).unwrap();
        }
        assert_eq!(numbers(&history), [4, 3]);
    }

    #[test]
    fn what_is_no_version_is_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path());
        history.keep("one", 1).unwrap();
        fs::write(state.path().join("config/notes.txt"), "mine").unwrap();
        fs::create_dir(state.path().join("config/v-00000009.toml")).unwrap();
        history.keep("two", 1).unwrap();
        assert_eq!(numbers(&history), [2]);
        assert!(state.path().join("config/notes.txt").exists());
        fs::write(state.path().join("config/v-00000002.toml"), [0xff]).unwrap();
        assert!(matches!(history.read(2), Err(HistoryError::NotAVersion(_))));
    }
}
