//! The key that a watchdog and those whom it asks hold in common, and the file that it is kept in.

use super::unhex;
use crate::private_file::{PrivateFile, PrivateFileFault};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A secret has at least this many bytes: the width of the hash, below which a key is weaker than its signatures.
pub const SECRET_MIN: usize = 32;

/// A key file has at most this many bytes.
pub const KEY_FILE_MAX: u64 = 4096;

/// A key's id has at most this many bytes.
const ID_MAX: usize = 64;

/// A named secret. Its text is `ID:HEX`, like `wd1:` and 64 hexadecimal digits; it is never shown.
#[derive(Clone)]
pub struct Key {
    id: String,
    secret: Vec<u8>,
}

/// The text is not a key. It does not say what the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no colon.
    #[error("a key is `ID:HEX`, like `wd1:` and 64 hexadecimal digits; there is no colon")]
    NoColon,
    /// The id is empty, too long, or has other characters.
    #[error("a key's id is 1 to 64 letters, digits, `-`, `_` or `.`")]
    Id,
    /// The secret is not lower-case hexadecimal digits.
    #[error("a key's secret is written in lower-case hexadecimal digits, two a byte")]
    Digits,
    /// The secret is too short.
    #[error("a key's secret has at least 32 bytes (64 digits)")]
    Short,
}

/// Why a key file is no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error(
        "the key file {path} cannot be read: {source}\n  \
         next: make one with: (umask 077; printf 'wd1:%s\\n' \"$(openssl rand -hex 32)\" > {path})"
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or change it.
    #[error(
        "the key file {path} may be read or changed by others (mode {mode:04o})\n  \
         next: chmod 600 {path}, and make a new key: this one was exposed"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not a plain file, or larger than a key.
    #[error("the key file {path} is not a plain file of at most {KEY_FILE_MAX} bytes of text")]
    NotAKeyFile {
        /// Which file.
        path: PathBuf,
    },
    /// What it holds is not a key.
    #[error("the key file {path}: {source}")]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: KeyError,
    },
}

impl Key {
    /// The key that a text spells; white space around it is dropped.
    ///
    /// # Errors
    /// [`KeyError`], which never quotes the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (id, digits) = text.trim().split_once(':').ok_or(KeyError::NoColon)?;
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > ID_MAX || !id.bytes().all(named) {
            return Err(KeyError::Id);
        }
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return Err(KeyError::Digits) };
        let secret: Option<Vec<u8>> = pairs.iter().map(|pair| unhex::<1>(pair).map(|[byte]| byte)).collect();
        let secret = secret.ok_or(KeyError::Digits)?;
        if secret.len() < SECRET_MIN {
            return Err(KeyError::Short);
        }
        Ok(Self { id: id.to_owned(), secret })
    }

    /// Reads a key file. It must be a plain file that nobody but its owner and group may read and nobody but its owner
    /// may change.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let at = path.to_owned();
        let text = PrivateFile::open(path, KEY_FILE_MAX).and_then(PrivateFile::text).map_err(|fault| match fault {
            PrivateFileFault::Unreadable(source) => KeyFileError::Unreadable { path: at, source },
            PrivateFileFault::NotText => KeyFileError::NotAKeyFile { path: at },
            PrivateFileFault::Exposed(mode) => KeyFileError::Exposed { path: at, mode },
        })?;
        Self::parse(&text).map_err(|source| KeyFileError::NotAKey { path: path.to_owned(), source })
    }

    /// Its name, which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
