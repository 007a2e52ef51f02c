//! Makes a snapshot on the disk, and removes old ones: on a thread beside the loop, since both wait for the disk.

use failstop_journal::ledger::{Book, SnapshotTaken};
use failstop_journal::snapshot::{self, Identity, Snapshot, StoreError, TakeError};
use failstop_journal::verify::Position;
use failstop_journal::{Disk, Jid};
use std::io;
use std::path::{Path, PathBuf};

/// A snapshot to be made.
#[derive(Debug)]
pub struct Request {
    /// Where.
    pub state_dir: PathBuf,
    /// Of this book, which has folded everything up to `at` and nothing after it.
    pub book: Book,
    /// The durable record that it is of.
    pub at: Position,
    /// Whose.
    pub origin: String,
    /// Which journal's.
    pub jid: Jid,
    /// The day that it closes.
    pub day: Option<String>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// The last snapshot that the journal names is not as the journal says. It is never made again.
    #[error("snapshot {file}, which the journal names in record {record}, {what}")]
    Previous {
        /// Its name.
        file: String,
        /// The record that names it.
        record: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The state cannot be made a snapshot of.
    #[error(transparent)]
    Take(#[from] TakeError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the last snapshot back, makes the next one after it, and writes it durably. Returns what the journal is to say of it.
///
/// # Errors
///
/// [`NotMade`]. The journal must not name it then.
pub fn make(request: &Request) -> Result<SnapshotTaken, NotMade> {
    let disk = Disk::new(&request.state_dir);
    let previous = match request.book.last_snapshot() {
        None => None,
        Some(named) => {
            let file = &named.taken.file;
            let wrong = |what: String| NotMade::Previous { file: file.clone(), record: named.at, what };
            let read = snapshot::read(&disk, file).map_err(|error| match error {
                StoreError::Storage { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                    wrong("is missing".to_owned())
                }
                StoreError::Damaged { damage, .. } => wrong(format!("is damaged: {damage}")),
                other @ (StoreError::Storage { .. } | StoreError::NoSpace { .. } | StoreError::Exists { .. }) => {
                    NotMade::Store(other)
                }
            })?;
            if read.sum() != named.taken.sha256 {
                return Err(wrong(format!("has the sum {}, the journal says {}", read.sum(), named.taken.sha256)));
            }
            Some(read)
        }
    };
    let identity = Identity { origin: &request.origin, jid: request.jid };
    let snapshot = Snapshot::take(&request.book, identity, request.at, request.day.as_deref(), previous.as_ref())?;
    snapshot::write(&disk, &snapshot)?;
    Ok(snapshot.taken())
}

/// Removes the files up to the one that the journal says may be gone; how many there were.
///
/// # Errors
///
/// Those of the disk; what is left is removed the next time.
pub fn retire_files(state_dir: &Path, upto: u64) -> Result<u64, StoreError> {
    snapshot::retire(&Disk::new(state_dir), upto)
}
