//! A component's credentials on their way from where they are kept to where it finds them: read anew at each start, so that a secret
//! that was replaced is the new one.

use super::components::Blueprint;
use super::engine::Engine;
use crate::config::{Credentials, Secret};
use crate::process::credentials::{BYTES_MAX, CredentialFolders, Mount};
use failstop_core::Slot;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// The credentials themselves, by name; why one is not to be had, with its name and never with what it holds.
///
/// # Errors
/// Says which, and why.
pub(crate) fn read(credentials: &Credentials) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut read = Vec::new();
    let mut total = 0;
    for (name, secret) in credentials {
        let bytes = bytes_of(secret).map_err(|why| format!("credential \"{name}\": {why}"))?;
        total += bytes.len();
        if total > BYTES_MAX {
            return Err(format!("its credentials are larger than {BYTES_MAX} bytes together"));
        }
        read.push((name.clone(), bytes));
    }
    Ok(read)
}

/// Byte for byte: a file's last line break belongs to it, as in a private key.
fn bytes_of(secret: &Secret) -> Result<Vec<u8>, String> {
    if let Some(variable) = secret.variable() {
        return match std::env::var_os(variable) {
            Some(value) if !value.is_empty() => Ok(value.into_vec()),
            _ => Err(format!("the environment variable {variable} is not set")),
        };
    }
    let Some(path) = secret.path() else {
        return match secret {
            Secret::Credential(name) => {
                Err(format!("CREDENTIALS_DIRECTORY is not set, so systemd's credential {name} is not there"))
            }
            Secret::Variable(_) | Secret::File(_) | Secret::Inline(_) => {
                secret.reveal().map(String::into_bytes).map_err(|error| error.to_string())
            }
        };
    };
    let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
    // Nothing but a file: a pipe would be waited for.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(&path)
        .map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(bytes) }
}

/// Puts a component's credentials where it finds them.
///
/// # Errors
/// In words.
pub(super) fn give(folders: &CredentialFolders, blueprint: &Blueprint) -> Result<Option<Mount>, String> {
    if blueprint.credentials.is_empty() {
        return Ok(None);
    }
    let credentials = read(&blueprint.credentials)?;
    let owner = blueprint.account.uid.zip(blueprint.account.gid);
    let on_disk = blueprint.credentials_on_disk;
    folders.give(&blueprint.name, &credentials, owner, on_disk).map_err(|error| error.to_string())
}

/// Lets a hook that runs beside its component find them, too.
///
/// # Errors
/// In words.
pub(super) fn give_beside(folders: &CredentialFolders, blueprint: &Blueprint) -> Result<Option<Mount>, String> {
    if blueprint.credentials.is_empty() {
        return Ok(None);
    }
    let credentials = read(&blueprint.credentials)?;
    let owner = blueprint.account.uid.zip(blueprint.account.gid);
    folders.give_beside(&blueprint.name, &credentials, owner).map_err(|error| error.to_string())
}

impl Engine {
    /// Its tree is gone, or was never there.
    pub(super) fn take_credentials_away(&mut self, slot: Slot) {
        let Some(blueprint) = slot.index().and_then(|index| self.blueprints.get(index)) else { return };
        if blueprint.credentials.is_empty() {
            return;
        }
        if let Err(error) = self.credentials.take_away(&blueprint.name) {
            let name = blueprint.name.clone();
            self.say(&name, &format!("its credentials could not be removed: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn a_file_is_given_byte_for_byte_and_what_is_none_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Secret::File(path)
        };
        let key = b"-----BEGIN\n\xff\n".to_vec();
        let credentials = Credentials::from([("key".to_owned(), file("key", &key))]);
        assert_eq!(read(&credentials), Ok(vec![("key".to_owned(), key)]));
        nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (secret, said) in [
            (file("empty", b""), "empty is empty"),
            (Secret::File(folder.path().join("absent")), "absent cannot be read: No such file"),
            (Secret::File(folder.path().join("pipe")), "pipe is no file"),
            (Secret::Variable("NOBODY_SETS_THIS".to_owned()), "the environment variable NOBODY_SETS_THIS is not set"),
            (file("huge", &vec![b'x'; BYTES_MAX + 1]), "larger than 1048576 bytes"),
        ] {
            let error = read(&Credentials::from([("key".to_owned(), secret)])).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
