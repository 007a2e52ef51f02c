//! The fencing epoch: it rises at every start, and is durable before anything acts under it.

use failstop_core::Epoch;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The epoch's file in the state directory: a decimal number and a newline.
pub const EPOCH_FILE: &str = "epoch";
const NEW_FILE: &str = "epoch.new";
/// A longer file is no epoch.
const MAX_BYTES: usize = 32;

/// Why no epoch could be given.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The file cannot be understood and no journal says what the epoch was.
    #[error(
        "{} cannot be read ({why}) and the journal holds no epoch: restore the state directory whole, or start with an empty one",
        .path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The last epoch was the greatest there is.
    #[error("the epoch in {} cannot rise any more", .path.display())]
    Exhausted {
        /// The file.
        path: PathBuf,
    },
    /// The new epoch could not be made durable.
    #[error("the epoch cannot be written to {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A new epoch, durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The epoch of this start.
    pub epoch: Epoch,
    /// What was odd about the file, where the journal had to stand in for it.
    pub note: Option<String>,
}

enum Stored {
    Missing,
    Epoch(u64),
    Unreadable(String),
}

/// Gives this start its epoch: one above the file's and the journal's last one, whichever is greater. On return it is
/// durable. The instance lock is held.
///
/// # Errors
/// See [`EpochError`]; nothing may be started then.
pub fn raise(state_dir: &Path, journal_last: Option<Epoch>) -> Result<Raised, EpochError> {
    let path = state_dir.join(EPOCH_FILE);
    let journal = journal_last.map(|epoch| epoch.0);
    let (last, note) = match (read(&path), journal) {
        (Stored::Epoch(stored), journal) => (stored.max(journal.unwrap_or(0)), None),
        (Stored::Missing, None) => (0, None),
        (Stored::Missing, Some(journal)) => {
            (journal, Some("the epoch's file was missing: the journal's was taken".into()))
        }
        (Stored::Unreadable(why), Some(journal)) => {
            (journal, Some(format!("the epoch's file could not be read ({why}): the journal's was taken")))
        }
        (Stored::Unreadable(why), None) => return Err(EpochError::Unreadable { path, why }),
    };
    let Some(epoch) = last.checked_add(1) else { return Err(EpochError::Exhausted { path }) };
    write(state_dir, epoch).map_err(|source| EpochError::Write { path, source })?;
    Ok(Raised { epoch: Epoch(epoch), note })
}

/// The epoch of the last start; `None` where there is none or it cannot be read. For those who only look.
pub fn last(state_dir: &Path) -> Option<Epoch> {
    match read(&state_dir.join(EPOCH_FILE)) {
        Stored::Epoch(epoch) => Some(Epoch(epoch)),
        Stored::Missing | Stored::Unreadable(_) => None,
    }
}

fn read(path: &Path) -> Stored {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Stored::Missing,
        Err(error) => return Stored::Unreadable(error.to_string()),
    };
    let digits = bytes
        .strip_suffix(b"\n")
        .filter(|digits| !digits.is_empty() && digits.len() <= MAX_BYTES && digits.iter().all(u8::is_ascii_digit));
    match digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok()) {
        Some(epoch) => Stored::Epoch(epoch),
        None => Stored::Unreadable(format!("{} bytes that are no number", bytes.len())),
    }
}

/// The old file stays whole until the new one is on disk.
fn write(state_dir: &Path, epoch: u64) -> io::Result<()> {
    let new = state_dir.join(NEW_FILE);
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&new)?;
    file.write_all(format!("{epoch}\n").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, state_dir.join(EPOCH_FILE))?;
    File::open(state_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn raised(state: &Path, journal: Option<u64>) -> u64 {
        raise(state, journal.map(Epoch)).unwrap().epoch.0
    }

    #[test]
    fn it_rises_at_every_start_and_never_below_the_journal() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(raised(state.path(), None), 1);
        assert_eq!(raised(state.path(), Some(1)), 2);
        // A start that ended before its record was durable: the file is ahead.
        assert_eq!(raised(state.path(), Some(1)), 3);
        // A restored older file: the journal is ahead.
        assert_eq!(raised(state.path(), Some(40)), 41);
        assert_eq!(last(state.path()), Some(Epoch(41)));
        assert!(!state.path().join(NEW_FILE).exists());
    }

    #[test]
    fn the_journal_stands_in_for_a_file_that_is_missing_or_cannot_be_read() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join(EPOCH_FILE);
        let first = raise(state.path(), Some(Epoch(9))).unwrap();
        assert!(first.epoch == Epoch(10) && first.note.is_some());
        for bad in ["", "\n", "7", "7 \n", "-7\n", "seven\n", "99999999999999999999999\n", "7\n8\n"] {
            std::fs::write(&file, bad).unwrap();
            let error = raise(state.path(), None).unwrap_err();
            assert!(matches!(error, EpochError::Unreadable { .. }), "{bad:?}: {error}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), bad, "nothing was written");
            let again = raise(state.path(), Some(Epoch(9))).unwrap();
            assert!(again.epoch == Epoch(10) && again.note.is_some(), "{bad:?}");
        }
    }

    #[test]
    fn the_greatest_epoch_is_an_error_and_not_a_new_beginning() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join(EPOCH_FILE), format!("{}\n", u64::MAX)).unwrap();
        assert!(matches!(raise(state.path(), Some(Epoch(3))), Err(EpochError::Exhausted { .. })));
    }
}
