//! Snapshots on the disk: written so that a crash at any moment leaves the whole file or none, read back, listed, and retired.

use super::file::{Damage, Snapshot};
use super::{SNAPSHOT_DIR, SNAPSHOT_MAX, snapshot_seq};
use crate::journal::{is_no_space, write_all};
use crate::storage::{Storage, StorageFile, read_small};
use std::collections::BTreeSet;
use std::io;

/// Why a snapshot was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. Nothing is left of the attempt.
    #[error("no space left for the snapshot ({path}: {source}): free space; it is tried again")]
    NoSpace {
        /// What was being written.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another failure of the storage.
    #[error("{doing} {path}: {source}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A snapshot of this record is there already. It is never made again.
    #[error("{path} is there already, and a snapshot is never made again")]
    Exists {
        /// Which.
        path: String,
    },
    /// The file is no sound snapshot.
    #[error("{path}: {damage}")]
    Damaged {
        /// Which.
        path: String,
        /// What is wrong with it.
        damage: Damage,
    },
}

pub(crate) fn path_of(name: &str) -> String {
    format!("{SNAPSHOT_DIR}/{name}")
}

/// Writes a snapshot durably. When this returns, the file is there whole and survives a loss of power; then, and only then, the
/// journal may name it ([`Snapshot::taken`]).
///
/// # Errors
///
/// [`StoreError`]. The file is not there then, or it is there whole but perhaps not durably: no record may name it, and the next one is
/// taken at a later record.
pub fn write<S: Storage>(storage: &S, snapshot: &Snapshot) -> Result<(), StoreError> {
    let path = path_of(&snapshot.name());
    let temporary = format!("{path}.tmp");
    let failed = |doing: &'static str, path: &str| {
        let path = path.to_owned();
        move |source: io::Error| StoreError::Storage { doing, path, source }
    };
    storage.make_dir(SNAPSHOT_DIR).map_err(failed("create", SNAPSHOT_DIR))?;
    storage.sync_dir("").map_err(failed("fsync of the folder of", SNAPSHOT_DIR))?;
    match storage.open(&path) {
        Ok(_) => return Err(StoreError::Exists { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(failed("open", &path)(source)),
    }
    // What a crash left of an earlier attempt.
    match storage.remove(&temporary) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(failed("remove", &temporary)(source)),
    }
    let written = fill(storage, &temporary, snapshot.bytes());
    if let Err((doing, source)) = written {
        // The attempt is given back; if even that fails, the next one removes it.
        drop(storage.remove(&temporary));
        if is_no_space(&source) {
            return Err(StoreError::NoSpace { path: temporary, source });
        }
        return Err(failed(doing, &temporary)(source));
    }
    // Some file systems know no modes; nothing depends on it.
    drop(storage.protect(&temporary));
    storage.rename(&temporary, &path).map_err(failed("rename to", &path))?;
    storage.sync_dir(SNAPSHOT_DIR).map_err(failed("fsync of the folder of", &path))
}

fn fill<S: Storage>(storage: &S, path: &str, bytes: &[u8]) -> Result<(), (&'static str, io::Error)> {
    let mut file = storage.create(path).map_err(|error| ("create", error))?;
    write_all(&mut file, bytes).map_err(|error| ("write to", error))?;
    file.sync_data().map_err(|error| ("fdatasync of", error))
}

/// Reads a snapshot back, strictly.
///
/// # Errors
///
/// [`StoreError::Storage`] where it cannot be read (`NotFound` where it is missing), [`StoreError::Damaged`].
pub fn read<S: Storage>(storage: &S, name: &str) -> Result<Snapshot, StoreError> {
    let path = path_of(name);
    let bytes = match read_small(storage, &path, SNAPSHOT_MAX) {
        Ok(bytes) => bytes,
        Err(source) => return Err(StoreError::Storage { doing: "read", path, source }),
    };
    let snapshot = Snapshot::decode(bytes).map_err(|damage| StoreError::Damaged { path: path.clone(), damage })?;
    if snapshot.name() != name {
        let detail = format!("is the snapshot {} under another name", snapshot.name());
        return Err(StoreError::Damaged { path, damage: Damage { line: 1, offset: 0, detail } });
    }
    Ok(snapshot)
}

/// The names of the snapshots in the folder, by rising record.
///
/// # Errors
///
/// [`StoreError::Storage`]. A folder that is not there holds none.
pub fn list<S: Storage>(storage: &S) -> Result<Vec<(u64, String)>, StoreError> {
    let names = match storage.list(SNAPSHOT_DIR) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(StoreError::Storage { doing: "list", path: SNAPSHOT_DIR.to_owned(), source }),
    };
    let mut found: Vec<(u64, String)> =
        names.into_iter().filter_map(|name| Some((snapshot_seq(&name)?, name))).collect();
    found.sort_unstable();
    Ok(found)
}

/// Up to which snapshot may be retired so that `keep` remain (at least two: the last, and the one that it opens from), if any may.
/// `named` are those that the journal names and has not retired. The answer is to be recorded as `snapshot.retired` and made durable
/// before [`retire`] removes anything.
pub fn retirable(named: &BTreeSet<u64>, keep: usize) -> Option<u64> {
    let surplus = named.len().checked_sub(keep.max(KEPT_LEAST))?;
    named.iter().nth(surplus.checked_sub(1)?).copied()
}

/// The least that retention keeps.
pub const KEPT_LEAST: usize = 2;

/// Removes the files of snapshots up to the retired one: those that the journal named, and what crashes left between them.
///
/// # Errors
///
/// [`StoreError::Storage`]; what is left is removed the next time.
pub fn retire<S: Storage>(storage: &S, upto: u64) -> Result<u64, StoreError> {
    let mut removed = 0;
    for (seq, name) in list(storage)? {
        if seq > upto {
            break;
        }
        let path = path_of(&name);
        storage.remove(&path).map_err(|source| StoreError::Storage { doing: "remove", path, source })?;
        removed += 1;
    }
    if removed > 0 {
        let synced = storage.sync_dir(SNAPSHOT_DIR);
        let path = SNAPSHOT_DIR.to_owned();
        synced.map_err(|source| StoreError::Storage { doing: "fsync of the folder", path, source })?;
    }
    Ok(removed)
}
