//! The few operations on files that the journal needs, so that the same code runs on a real disk and on a simulated one that
//! loses power at every possible moment. Paths are relative to the state directory.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory tree on a disk.
pub trait Storage: Send + Sync + 'static {
    /// An open file.
    type File: StorageFile;

    /// The names of the regular files in a folder.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Hands the same names to `each`, one after the other, for a folder that may hold very many.
    fn each_name(&self, dir: &str, each: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.list(dir)?.iter().for_each(|name| each(name));
        Ok(())
    }
    /// Makes a folder; it may exist already.
    fn make_dir(&self, dir: &str) -> io::Result<()>;
    /// Creates a new file for appending; it must not exist.
    fn create(&self, path: &str) -> io::Result<Self::File>;
    /// Opens a regular file for reading.
    fn open(&self, path: &str) -> io::Result<Self::File>;
    /// Opens a regular file for reading, truncating and appending.
    fn open_write(&self, path: &str) -> io::Result<Self::File>;
    /// Whether this path names this open file still: not where it was removed, renamed, or another one lies in its place or over its
    /// folder.
    fn names(&self, path: &str, file: &Self::File) -> io::Result<bool>;
    /// Renames a file, replacing what is there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes a folder's entries durable. The empty path is the state directory itself.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Makes a sealed file read-only for everybody (0440). Best effort: some file systems know no modes.
    fn protect(&self, path: &str) -> io::Result<()>;
    /// Creates a file that really occupies this many bytes.
    fn reserve(&self, path: &str, bytes: u64) -> io::Result<()>;
}

/// An open file.
pub trait StorageFile: Send {
    /// Its length.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads at a place; 0 at the end.
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at the end; may write less than asked for.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts to a length.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Makes content and length durable (fdatasync).
    fn sync_data(&mut self) -> io::Result<()>;
    /// Drops what the page cache holds of it, so that the next read comes from the disk: after a failed fdatasync the cache may
    /// show what the disk does not have.
    fn drop_cache(&mut self) -> io::Result<()>;
}

/// The real disk.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The tree below this directory, the state directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The state directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

/// Never follows a link, never blocks on a pipe that somebody put in a segment's place.
const CAREFUL: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

impl Storage for Disk {
    type File = File;

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_name(dir, &mut |name| names.push(name.to_owned()))?;
        Ok(names)
    }

    fn each_name(&self, dir: &str, each: &mut dyn FnMut(&str)) -> io::Result<()> {
        for entry in fs::read_dir(self.path(dir))? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Some(name) = entry.file_name().to_str()
            {
                each(name);
            }
        }
        Ok(())
    }

    fn make_dir(&self, dir: &str) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.path(dir))
    }

    fn create(&self, path: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true).mode(0o640).custom_flags(libc::O_CLOEXEC);
        options.open(self.path(path))
    }

    fn open(&self, path: &str) -> io::Result<File> {
        regular(OpenOptions::new().read(true).custom_flags(CAREFUL).open(self.path(path))?)
    }

    fn open_write(&self, path: &str) -> io::Result<File> {
        regular(OpenOptions::new().read(true).append(true).custom_flags(CAREFUL).open(self.path(path))?)
    }

    fn names(&self, path: &str, file: &File) -> io::Result<bool> {
        let open = file.metadata()?;
        if open.nlink() == 0 {
            return Ok(false);
        }
        match fs::symlink_metadata(self.path(path)) {
            Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.path(dir))?.sync_all()
    }

    fn protect(&self, path: &str) -> io::Result<()> {
        fs::set_permissions(self.path(path), Permissions::from_mode(0o440))
    }

    fn reserve(&self, path: &str, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.path(path))?;
        let len = libc::off_t::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: `file` is open for the whole call; posix_fallocate takes no pointers.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl StorageFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, to, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use std::io::Write;
        loop {
            match self.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn drop_cache(&mut self) -> io::Result<()> {
        // SAFETY: `self` is open for the whole call; posix_fadvise takes no pointers.
        match unsafe { libc::posix_fadvise(self.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Reads a small file whole.
///
/// # Errors
///
/// What the storage said, or `FileTooLarge` beyond `most` bytes.
pub(crate) fn read_small<S: Storage>(storage: &S, path: &str, most: u64) -> io::Result<Vec<u8>> {
    let file = storage.open(path)?;
    let len = file.len()?;
    if len > most {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let mut out = vec![0u8; usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?];
    let mut at = 0;
    while at < out.len() {
        match file.read_at(&mut out[at..], at as u64)? {
            0 => break,
            n => at += n,
        }
    }
    out.truncate(at);
    Ok(out)
}
