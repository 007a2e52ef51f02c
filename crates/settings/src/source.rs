//! The configuration file as bytes: opens it safely, refuses what cannot be a configuration, and finds line and column of
//! a byte, for every message that points into the file.

use crate::problem::{Kind, Origin, Problem};
use crate::vocabulary::Vocabulary;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The largest configuration file that is read, bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The text of a configuration file and where it came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user gave it: what messages show.
    pub file: PathBuf,
    /// Without a byte order mark.
    pub text: String,
    /// Whether users other than the owner and the group may read the file.
    pub world_readable: bool,
}

/// Who may write a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Its owner, with this number, and root.
    Owner(u32),
    /// Its group or everybody, too: nobody can say whose word it is.
    Others,
}

impl Writer {
    /// Of the file that this handle is of, whatever its path names by now.
    ///
    /// # Errors
    /// Those of looking at it.
    pub fn of(handle: &File) -> std::io::Result<Self> {
        handle.metadata().map(|meta| Self::of_metadata(&meta))
    }

    /// The owner, where nobody else may.
    pub fn owner(self) -> Option<u32> {
        match self {
            Self::Owner(owner) => Some(owner),
            Self::Others => None,
        }
    }

    fn of_metadata(meta: &Metadata) -> Self {
        if meta.permissions().mode() & 0o022 == 0 { Self::Owner(meta.uid()) } else { Self::Others }
    }
}

impl Source {
    /// Opens and reads `file`.
    ///
    /// # Errors
    /// It cannot be read, or is nothing that a configuration could be.
    pub fn read(file: &Path, vocabulary: &Vocabulary) -> Result<Self, Box<Problem>> {
        Self::read_with_writer(file, vocabulary).map(|(source, _)| source)
    }

    /// The same, and who may write what was read.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read_with_writer(file: &Path, vocabulary: &Vocabulary) -> Result<(Self, Writer), Box<Problem>> {
        let refuse = |kind, message: String, help: String| Box::new(Problem::new(kind, Origin::Whole, message, help));
        // Without O_NONBLOCK, opening a FIFO would wait for a writer for ever.
        let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(file);
        let mut handle = match opened {
            Ok(handle) => handle,
            Err(error) => {
                return Err(refuse(Kind::Unreadable, cannot_open(&error), next_step(file, &error, vocabulary)));
            }
        };
        let meta = match handle.metadata() {
            Ok(meta) => meta,
            Err(error) => {
                return Err(refuse(Kind::Unreadable, cannot_open(&error), next_step(file, &error, vocabulary)));
            }
        };
        if meta.is_dir() {
            let inside = file.join(vocabulary.file);
            let help = if inside.is_file() {
                format!("give the file itself: --config {}", inside.display())
            } else {
                format!("give the path of a file, for example --config {}", vocabulary.file)
            };
            return Err(refuse(Kind::Unreadable, "this is a directory, not a configuration file".to_owned(), help));
        }
        if !meta.is_file() {
            let what = match meta.file_type() {
                t if t.is_fifo() => "a pipe",
                t if t.is_socket() => "a socket",
                _ => "a device",
            };
            return Err(refuse(
                Kind::Unreadable,
                format!("this is {what}, not a regular file"),
                "write the configuration to a file and give its path".to_owned(),
            ));
        }
        let mut bytes = Vec::new();
        if let Err(error) = Read::by_ref(&mut handle).take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes) {
            return Err(refuse(Kind::Unreadable, cannot_open(&error), next_step(file, &error, vocabulary)));
        }
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(refuse(
                Kind::TooLarge,
                format!("the file has {} bytes; a configuration may have at most {MAX_FILE_BYTES}", meta.len()),
                "check that this is the right file".to_owned(),
            ));
        }
        let text = decode(bytes)?;
        let world_readable = meta.permissions().mode() & 0o004 != 0;
        Ok((Self { file: file.to_owned(), text, world_readable }, Writer::of_metadata(&meta)))
    }

    /// Line and column (both from 1, columns in characters) of the byte at `offset`.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        position(self.text.as_bytes(), offset.min(self.text.len()))
    }

    /// The text of a line (from 1), without its line ending.
    pub fn line(&self, number: usize) -> &str {
        self.text.split('\n').nth(number.saturating_sub(1)).unwrap_or("").trim_end_matches('\r')
    }
}

/// Line and column of a byte, counting the start bytes of UTF-8 characters.
fn position(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.get(start..).unwrap_or(&[]).iter().filter(|b| **b & 0xC0 != 0x80).count() + 1;
    (line, column)
}

fn decode(mut bytes: Vec<u8>) -> Result<String, Box<Problem>> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Box::new(Problem::new(
            Kind::Encoding,
            Origin::Whole,
            "the file is encoded in UTF-16".to_owned(),
            "save it as UTF-8, for example with: iconv -f UTF-16 -t UTF-8".to_owned(),
        )));
    }
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let (line, column) = position(bytes, offset);
        let byte = bytes.get(offset).copied().unwrap_or_default();
        Box::new(Problem::new(
            Kind::Encoding,
            Origin::Whole,
            format!("line {line}, column {column}: the byte 0x{byte:02X} is not valid UTF-8"),
            "save the file as UTF-8; if it was written as Latin-1: iconv -f LATIN1 -t UTF-8".to_owned(),
        ))
    })
}

fn cannot_open(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

fn next_step(file: &Path, error: &std::io::Error, vocabulary: &Vocabulary) -> String {
    match error.kind() {
        ErrorKind::NotFound => vocabulary.no_file.to_owned(),
        ErrorKind::PermissionDenied => {
            format!("run as the user that owns it, or let this user read it: ls -l {}", file.display())
        }
        _ => "check the path and the disk".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_not_bytes() {
        let text = "a\nüß x = 1\r\n";
        let at = text.find('x').unwrap_or(0);
        assert_eq!(position(text.as_bytes(), at), (2, 4));
        assert_eq!(position(text.as_bytes(), 0), (1, 1));
        assert_eq!(position(text.as_bytes(), 10_000), (3, 1));
    }
}
