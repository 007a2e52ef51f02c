//! The versions of the configuration that were in force: `STATE/config/v-NNNNNNNN.toml`, the newest last. Bounded in number and in
//! bytes, each written whole and durably, readable by nobody but failstop's user.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The folder within the state directory.
pub const CONFIG_DIR: &str = "config";

/// All versions together have at most so many bytes; the last two are kept whatever they have.
pub const KEPT_BYTES_MAX: u64 = 16 << 20;

/// The most that is read of one version: more than a configuration may have.
const VERSION_MAX_BYTES: u64 = 2 * crate::config::MAX_FILE_BYTES;

/// The most names in the folder that are looked at.
const NAMES_MAX: usize = 4_096;

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, which rises.
    pub number: u64,
    /// When it came into force.
    pub at: jiff::Timestamp,
    /// How many bytes it has.
    pub bytes: u64,
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
            let Some(number) = entry.file_name().to_str().and_then(number_of) else { continue };
            // One that was removed meanwhile is none.
            let Ok(meta) = entry.metadata() else { continue };
            if !meta.is_file() {
                continue;
            }
            let at = jiff::Timestamp::from_second(meta.mtime()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            versions.push(Version { number, at, bytes: meta.size() });
        }
        versions.sort_unstable_by_key(|version| std::cmp::Reverse(version.number));
        Ok(versions)
    }

    /// The text of a version.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read(&self, number: u64) -> Result<String, HistoryError> {
        let path = self.path(number);
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

    /// Keeps a text as the newest version, and of the older ones as many as there may be. Nothing to do where it is the newest
    /// already. Its number.
    ///
    /// # Errors
    /// [`HistoryError`]; the versions that there were are untouched.
    pub fn keep(&self, text: &str, most: u32) -> Result<u64, HistoryError> {
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
        let newest = versions.first().map_or(0, |version| version.number);
        // One that cannot be read is no reason to keep no more.
        if newest > 0 && self.read(newest).is_ok_and(|known| known == text) {
            return Ok(newest);
        }
        let number = newest + 1;
        let path = self.path(number);
        let temporary = self.folder.join("new");
        let written = (|| {
            let _ = fs::remove_file(&temporary);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            if let Some((uid, gid)) = owner {
                std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        })();
        if let Err(source) = written {
            let _ = fs::remove_file(&temporary);
            return Err(self.failed(&path, source));
        }
        self.sync(&self.folder)?;
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
                let path = self.path(version.number);
                fs::remove_file(&path).map_err(|source| self.failed(&path, source))?;
            }
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("v-{number:08}.toml"))
    }

    fn sync(&self, folder: &Path) -> Result<(), HistoryError> {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| self.failed(folder, source))
    }

    fn failed(&self, path: &Path, source: io::Error) -> HistoryError {
        HistoryError::Io { path: path.to_owned(), source }
    }
}

/// `v-00000012.toml`.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("v-")?.strip_suffix(".toml")?;
    (digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
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
