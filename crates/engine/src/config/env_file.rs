//! `env_file` of a component: `NAME=VALUE` lines, read when it is checked and when the engine starts.

use super::variables::{NameFault, usable};
use crate::process::user::User;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The largest file that is read, bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Why the file cannot be used. Values are secrets as a rule: none is ever shown.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Opening or reading anything else may wait for ever.
    #[error("is no regular file")]
    NoFile,
    /// It is not of the user whose word the configuration is.
    #[error("is {}'s, and root reads nothing of others for a configuration of {}", User(*.its), User(*.owner))]
    Anothers {
        /// The owner of the file.
        its: u32,
        /// The owner of the configuration.
        owner: u32,
    },
    /// It is too large.
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// A line is none.
    #[error("line {line} is not NAME=VALUE")]
    NotAVariable {
        /// Which, from 1.
        line: usize,
    },
    /// A name cannot be used.
    #[error("line {line}: \"{name}\" {fault}; {}", .fault.remedy())]
    Name {
        /// Which, from 1.
        line: usize,
        /// The name.
        name: String,
        /// Why not.
        fault: NameFault,
    },
    /// A value has a zero byte, at which it would end.
    #[error("line {line}: the value contains a zero byte")]
    ZeroByte {
        /// Which, from 1.
        line: usize,
    },
}

/// Reads names and values, in the file's order. Empty lines and lines that begin with `#` are skipped; a value in double quotes is
/// taken without them.
///
/// # Errors
/// [`EnvFileError`].
pub fn env_file(file: &Path) -> Result<Vec<(String, String)>, EnvFileError> {
    read(std::fs::File::open(file)?)
}

/// As [`env_file`], for something that must not wait for what is no file. With an `owner`: only what is that user's, and no
/// symbolic link, so that root reads nothing for a configuration that its owner could not read.
///
/// # Errors
/// [`EnvFileError`].
pub fn env_file_of(file: &Path, owner: Option<u32>) -> Result<Vec<(String, String)>, EnvFileError> {
    // A mere place first: opening a device may do something.
    let follow = if owner.is_some() { libc::O_NOFOLLOW } else { 0 };
    let place = std::fs::File::options().read(true).custom_flags(libc::O_PATH | follow).open(file)?;
    let metadata = place.metadata()?;
    if !metadata.is_file() {
        return Err(EnvFileError::NoFile);
    }
    if let Some(owner) = owner.filter(|owner| metadata.uid() != *owner) {
        return Err(EnvFileError::Anothers { its: metadata.uid(), owner });
    }
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let same = format!("/proc/self/fd/{}", place.as_raw_fd());
    read(std::fs::File::options().read(true).custom_flags(flags).open(same)?)
}

fn read(file: std::fs::File) -> Result<Vec<(String, String)>, EnvFileError> {
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(EnvFileError::TooLarge);
    }
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    let mut variables = Vec::new();
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let (name, value) = content.split_once('=').ok_or(EnvFileError::NotAVariable { line })?;
        let (name, value) = (name.trim(), value.trim());
        usable(name).map_err(|fault| EnvFileError::Name { line, name: name.to_owned(), fault })?;
        if value.contains('\0') {
            return Err(EnvFileError::ZeroByte { line });
        }
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        variables.push((name.to_owned(), quoted.unwrap_or(value).to_owned()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values() {
        let text = "# keys\n\nKEY = abc=d\nQUOTED=\"a b\"\r\nEMPTY=\n";
        let expected = [("KEY", "abc=d"), ("QUOTED", "a b"), ("EMPTY", "")];
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse(text).ok(), Some(expected));
    }

    #[test]
    fn what_failstop_sets_and_what_is_no_name_is_refused_with_its_line_and_without_its_value() {
        for (text, said) in [
            ("A=1\nFAILSTOP_SYSTEM=x/1", "line 2: \"FAILSTOP_SYSTEM\" is set by failstop itself; remove it"),
            ("NOTIFY_SOCKET=secret", "line 1: \"NOTIFY_SOCKET\" is set by failstop itself; remove it"),
            ("export A=secret", "line 1: \"export A\" cannot be the name of a variable; use letters, digits and '_'"),
            ("=secret", "line 1: \"\" cannot be the name of a variable; use letters, digits and '_'"),
            ("secret", "line 1 is not NAME=VALUE"),
            ("A=se\0cret", "line 1: the value contains a zero byte"),
        ] {
            assert_eq!(parse(text).map_err(|error| error.to_string()), Err(said.to_owned()), "{text}");
        }
    }
}
