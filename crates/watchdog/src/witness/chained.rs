//! A file of chained lines, as the witness keeps them: each line's hash covers the line before, a line is on disk before anybody
//! is answered on it, and the file is only ever appended to or begun anew as a whole.

use crate::disk::replace;
use failstop_journal::Head;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file larger than this is begun anew, bytes.
pub(super) const FILE_MAX: u64 = 1024 * 1024;

/// Why a file of the witness's is no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("the witness's store {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this program wrote.
    #[error(
        "the witness's store {path} is damaged at line {line}\n  next: find out who wrote to it; move it away to begin anew, and say so to whoever relies on it"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
    },
}

/// One file.
#[derive(Debug)]
pub(super) struct Chained {
    path: PathBuf,
    file: File,
    bytes: u64,
    head: Head,
}

impl Chained {
    /// Opens a file, or begins it with the line that `begin` gives for the end of the file before (there is none here). `take`
    /// gets every line with its index; `false` says that it is not ours. A last line that a crash cut short is dropped: nobody
    /// was answered on it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open<T: Serialize + DeserializeOwned>(
        path: &Path,
        begin: &T,
        take: impl FnMut(usize, T) -> bool,
    ) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let (mut chained, whole, read) = Self::replayed(options.open(path).map_err(io)?, path, take)?;
        if whole < read {
            chained.file.set_len(whole).and_then(|()| chained.file.sync_all()).map_err(io)?;
        }
        if whole == 0 {
            chained.append(std::slice::from_ref(begin))?;
            if let Some(folder) = path.parent() {
                File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
            }
        }
        Ok(chained)
    }

    /// Reads a file beside whoever writes it: nothing is written, and a line that is being written is not seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read<T: DeserializeOwned>(path: &Path, take: impl FnMut(usize, T) -> bool) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        Self::replayed(file, path, take).map(|(chained, _, _)| chained)
    }

    /// The file, how many of its bytes are whole lines, and how many there are.
    fn replayed<T: DeserializeOwned>(
        mut file: File,
        path: &Path,
        take: impl FnMut(usize, T) -> bool,
    ) -> Result<(Self, u64, u64), StoreError> {
        let mut text = Vec::new();
        (&mut file)
            .take(FILE_MAX * 4)
            .read_to_end(&mut text)
            .map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let head = replay(&text[..whole], take).map_err(|line| StoreError::Damaged { path: path.to_owned(), line })?;
        let chained = Self { path: path.to_owned(), file, bytes: whole as u64, head };
        Ok((chained, whole as u64, text.len() as u64))
    }

    /// The last hash.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Whether it is to be begun anew.
    pub fn is_full(&self) -> bool {
        self.bytes > FILE_MAX
    }

    /// Appends lines, all of them with one sync; they are on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; then none of them is there.
    pub fn append<T: Serialize>(&mut self, entries: &[T]) -> Result<(), StoreError> {
        let (text, head) = lines(self.head, entries);
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What is there of the lines must not be taken for them later.
            let _ = self.file.set_len(self.bytes);
            return Err(StoreError::Io { path: self.path.clone(), source });
        }
        self.head = head;
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Begins the file anew with these lines alone.
    ///
    /// # Errors
    /// [`StoreError`]; then the old one stands.
    pub fn begin_anew<T: Serialize>(&mut self, entries: &[T]) -> Result<(), StoreError> {
        let (text, head) = lines(zero(), entries);
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        replace(&self.path, &text, true).map_err(io)?;
        self.file = OpenOptions::new().append(true).open(&self.path).map_err(io)?;
        self.bytes = text.len() as u64;
        self.head = head;
        Ok(())
    }

    #[cfg(test)]
    pub fn grow(&mut self, bytes: u64) {
        self.bytes = bytes;
    }
}

fn zero() -> Head {
    #[expect(clippy::expect_used, reason = "64 zeros are 64 digits")]
    Head::from_hex(&[b'0'; 64]).expect("64 digits")
}

/// The entries' lines after this hash, and the last one's.
fn lines<T: Serialize>(mut head: Head, entries: &[T]) -> (Vec<u8>, Head) {
    let mut text = Vec::new();
    for entry in entries {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        // The object stays open for the hash.
        line.pop();
        head = head.next(&line);
        text.extend_from_slice(&line);
        text.extend_from_slice(format!(",\"h\":\"{head}\"}}\n").as_bytes());
    }
    (text, head)
}

/// The last hash of these lines, or the number of the first that is not ours.
fn replay<T: DeserializeOwned>(text: &[u8], mut take: impl FnMut(usize, T) -> bool) -> Result<Head, usize> {
    let mut head = zero();
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let wrong = || index + 1;
        let (body, tail) = line.split_at_checked(line.len().saturating_sub(73)).ok_or_else(wrong)?;
        let stated =
            tail.strip_prefix(b",\"h\":\"").and_then(|rest| rest.strip_suffix(b"\"}\n")).and_then(Head::from_hex);
        head = head.next(body);
        if stated != Some(head) {
            return Err(wrong());
        }
        let entry: T = serde_json::from_slice(line.trim_ascii_end()).map_err(|_| wrong())?;
        if !take(index, entry) {
            return Err(wrong());
        }
    }
    Ok(head)
}
