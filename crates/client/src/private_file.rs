//! Files that nobody but their owner and group may read, and nobody but their owner may change: keys, tokens, lists of who may what.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A file that was opened and looked at, and not read yet.
#[derive(Debug)]
pub struct PrivateFile {
    file: File,
    metadata: Metadata,
    max: u64,
}

/// Why one is no use, in no words: those are of whoever knows what it is for.
#[derive(Debug)]
pub enum PrivateFileFault {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is not a plain file of text that is no larger than it may be.
    NotText,
    /// Others may read or change it: its permission bits.
    Exposed(u32),
}

impl PrivateFile {
    /// Opens one of at most `max` bytes.
    ///
    /// # Errors
    /// [`PrivateFileFault::Unreadable`] and [`PrivateFileFault::NotText`].
    pub fn open(path: &Path, max: u64) -> Result<Self, PrivateFileFault> {
        // A FIFO must not hold the reader up.
        let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file =
            OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(PrivateFileFault::Unreadable)?;
        let metadata = file.metadata().map_err(PrivateFileFault::Unreadable)?;
        if !metadata.is_file() || metadata.len() > max {
            return Err(PrivateFileFault::NotText);
        }
        Ok(Self { file, metadata, max })
    }

    /// The number of the user that it is of.
    pub fn owner(&self) -> u32 {
        self.metadata.uid()
    }

    /// Its text.
    ///
    /// # Errors
    /// [`PrivateFileFault`]: nothing is read of one that others may read or change.
    pub fn text(self) -> Result<String, PrivateFileFault> {
        let mode = self.metadata.mode() & 0o7777;
        if mode & 0o027 != 0 {
            return Err(PrivateFileFault::Exposed(mode));
        }
        let mut bytes = Vec::new();
        self.file.take(self.max).read_to_end(&mut bytes).map_err(PrivateFileFault::Unreadable)?;
        String::from_utf8(bytes).map_err(|_| PrivateFileFault::NotText)
    }
}
