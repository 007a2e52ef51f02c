//! Tokens of people and programs for the control listener: how one is spelt, what is kept of it, and how it is read from a file.
//!
//! ```text
//! failstop_<64 hexadecimal digits: 256 random bits><8 more: a checksum of what stands before>
//! ```
//!
//! The first word lets scanners for secrets find one that got into a repository or a log, and the checksum tells them (and
//! whoever mistyped it) that it is one, without asking anybody. What is kept of a token is its SHA-256: 256 random bits cannot
//! be guessed, so nothing slower is needed, and whoever reads the file of hashes learns no token.
//!
//! ```
//! use failstop_client::token::{Digest, Token};
//!
//! let token = Token::of([7; 32]);
//! let kept = token.digest();
//! assert_eq!(Token::parse(token.reveal()).unwrap().digest(), kept);
//! assert_eq!(Digest::parse(&kept.to_string()), Some(kept));
//! assert!(Token::parse(&token.reveal().replace('7', "8")).is_err(), "a slip is told without asking");
//! ```

use crate::private_file::{PrivateFile, PrivateFileFault};
use crate::signed::{hex, unhex};
use core::hint::black_box;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What every token begins with.
pub const PREFIX: &str = "failstop_";

/// A token has so many bytes.
pub const TOKEN_LEN: usize = PREFIX.len() + 64 + CHECKSUM_DIGITS;

const CHECKSUM_DIGITS: usize = 8;

/// A token file has at most this many bytes.
pub const TOKEN_FILE_MAX: u64 = 4096;

/// A token. Never shown by accident: what shows it is [`Token::reveal`].
#[derive(Clone)]
pub struct Token {
    text: String,
}

/// The text is no token. It does not say what the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not look like one at all.
    #[error("a token is `{PREFIX}` and 72 lower-case hexadecimal digits")]
    NotAToken,
    /// It looks like one, and is not what was given out.
    #[error("the token's checksum is wrong: a part of it is missing or mistyped")]
    Checksum,
}

/// Why a token file is no use.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("the token file {path} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or change it.
    #[error(
        "the token file {path} may be read or changed by others (mode {mode:04o}): chmod 600 {path}, and have a new token made, \
         since this one was exposed"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not a plain file, or larger than a token.
    #[error("the token file {path} is not a plain file of at most {TOKEN_FILE_MAX} bytes of text")]
    NotATokenFile {
        /// Which file.
        path: PathBuf,
    },
    /// What it holds is no token.
    #[error("the token file {path}: {source}")]
    NotAToken {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: TokenError,
    },
}

impl Token {
    /// The token of these random bytes.
    pub fn of(random: [u8; 32]) -> Self {
        let text = format!("{PREFIX}{}", hex(&random));
        let checksum = checksum(&text);
        Self { text: text + &checksum }
    }

    /// The token that a text spells; white space around it is dropped.
    ///
    /// # Errors
    /// [`TokenError`], which never quotes the text.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let digits = text.strip_prefix(PREFIX).ok_or(TokenError::NotAToken)?;
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != TOKEN_LEN || !digits.bytes().all(lower) {
            return Err(TokenError::NotAToken);
        }
        let (before, after) = text.split_at(TOKEN_LEN - CHECKSUM_DIGITS);
        if checksum(before) != after {
            return Err(TokenError::Checksum);
        }
        Ok(Self { text: text.to_owned() })
    }

    /// Reads a token file. It must be a plain file that nobody but its owner and group may read and nobody but its owner may
    /// change.
    ///
    /// # Errors
    /// [`TokenFileError`].
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let at = path.to_owned();
        let text =
            PrivateFile::open(path, TOKEN_FILE_MAX).and_then(PrivateFile::text).map_err(|fault| match fault {
                PrivateFileFault::Unreadable(source) => TokenFileError::Unreadable { path: at, source },
                PrivateFileFault::NotText => TokenFileError::NotATokenFile { path: at },
                PrivateFileFault::Exposed(mode) => TokenFileError::Exposed { path: at, mode },
            })?;
        Self::parse(&text).map_err(|source| TokenFileError::NotAToken { path: path.to_owned(), source })
    }

    /// The token itself: to be given out once, or sent.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(covered)")
    }
}

fn checksum(before: &str) -> String {
    let mut digits = hex(&Digest::of(before.as_bytes()).0);
    digits.truncate(CHECKSUM_DIGITS);
    digits
}

/// A SHA-256: what is kept of a token, or of a certificate. Two are compared in a time that does not tell where they differ.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest that 64 hexadecimal digits spell.
    pub fn parse(digits: &str) -> Option<Self> {
        unhex(digits.as_bytes()).map(Self)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        let differ = self.0.iter().zip(&other.0).fold(0, |differ, (one, two)| black_box(differ | (one ^ two)));
        black_box(differ) == 0
    }
}

impl Eq for Digest {}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_token_has_one_spelling_the_same_in_every_version() {
        let token = Token::of([0x5a; 32]);
        assert_eq!(token.reveal().len(), TOKEN_LEN);
        assert!(token.reveal().starts_with(&format!("failstop_{}", "5a".repeat(32))));
        let parsed = Token::parse(&format!("  {}\n", token.reveal())).unwrap();
        assert_eq!(parsed.digest(), token.digest());
        assert_eq!(format!("{token:?}"), "Token(covered)");
        // Any digit that is changed, dropped or added is noticed before anybody is asked.
        let text = token.reveal().to_owned();
        for at in PREFIX.len()..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(Token::parse(&other).unwrap_err(), TokenError::Checksum, "{at}");
        }
        for wrong in ["", "failstop_", &text[1..], &text[..text.len() - 1], &format!("{text}0"), &text.to_uppercase()] {
            assert_eq!(Token::parse(wrong).unwrap_err(), TokenError::NotAToken, "{wrong}");
        }
    }

    #[test]
    fn digests_are_equal_where_every_byte_is() {
        let one = Digest::of(b"one");
        assert_eq!(one, Digest::parse(&one.to_string()).unwrap());
        for at in 0..32 {
            let mut other = one;
            other.0[at] ^= 1;
            assert_ne!(one, other, "{at}");
        }
        // FIPS 180-2's example.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), known);
        for wrong in ["", "ba", &known[1..], &format!("{known}00"), &known.to_uppercase()] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_file_is_private_and_holds_a_token() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Token::read(&path)
        };
        let text = Token::of([1; 32]).reveal().to_owned();
        assert_eq!(write(&format!("{text}\n"), 0o600).unwrap().digest(), Token::of([1; 32]).digest());
        assert!(write(&text, 0o640).is_ok());
        for mode in [0o644, 0o660, 0o602, 0o601] {
            assert!(matches!(write(&text, mode), Err(TokenFileError::Exposed { .. })), "{mode:o}");
        }
        assert!(matches!(write(&text[..40], 0o600), Err(TokenFileError::NotAToken { .. })));
        assert!(matches!(write(&"x".repeat(5000), 0o600), Err(TokenFileError::NotATokenFile { .. })));
        assert!(matches!(Token::read(dir.path()), Err(TokenFileError::NotATokenFile { .. })));
        assert!(matches!(Token::read(&dir.path().join("none")), Err(TokenFileError::Unreadable { .. })));
    }
}
