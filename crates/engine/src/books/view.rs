//! Snapshots as they lie in the state directory, held against what the journal names: for `failstop snapshot list` and `show`.

use failstop_client::books::SnapshotEntry;
use failstop_journal::ledger::{Entry, SnapshotTaken, Taken};
use failstop_journal::snapshot::{self, Snapshot, StoreError};
use failstop_journal::{Disk, read_records};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// One snapshot: what the journal says of it, and what the disk has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotFile {
    /// The record that it was taken at.
    pub seq: u64,
    /// Its name.
    pub file: String,
    /// The day that it closes.
    pub day: Option<String>,
    /// The sum that the journal states; absent where the journal does not name it.
    pub sha256: Option<String>,
    /// The record that names it.
    pub recorded: Option<u64>,
    /// That record's time.
    pub taken: Option<String>,
    /// What is wrong with it; absent where it is sound.
    pub problem: Option<String>,
}

impl SnapshotFile {
    /// Whether it is as the journal says. One that the journal does not name (a crash left it before it was recorded) proves nothing
    /// and harms nothing.
    pub fn is_sound(&self) -> bool {
        self.problem.is_none() || self.recorded.is_none()
    }
}

/// Why there is nothing to show.
#[derive(Debug)]
pub enum SnapshotsUnreadable {
    /// No such one.
    NoSuch {
        /// What was asked for; absent: the last.
        asked: Option<String>,
        /// The name of the last one that there is.
        known: Option<String>,
    },
    /// It is no sound snapshot.
    Damaged(String),
    /// The disk.
    Disk(io::Error),
}

impl From<io::Error> for SnapshotsUnreadable {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn of_disk(error: StoreError) -> SnapshotsUnreadable {
    match error {
        StoreError::Storage { source, .. } | StoreError::NoSpace { source, .. } => SnapshotsUnreadable::Disk(source),
        damaged @ (StoreError::Damaged { .. } | StoreError::Exists { .. }) => {
            SnapshotsUnreadable::Damaged(damaged.to_string())
        }
    }
}

/// A snapshot as the journal names it, for the doors.
pub fn snapshot_entry(named: &Taken) -> SnapshotEntry {
    entry_of(&named.taken, named.at, named.time.to_string())
}

fn entry_of(taken: &SnapshotTaken, recorded: u64, at: String) -> SnapshotEntry {
    let SnapshotTaken { seq, sha256, file, day } = taken;
    SnapshotEntry { seq: *seq, sha256: sha256.to_string(), file: file.clone(), day: day.clone(), recorded, taken: at }
}

/// What the journal names and has not retired, by the record that each was taken at.
fn named(state: &Path) -> io::Result<BTreeMap<u64, SnapshotEntry>> {
    let mut named = BTreeMap::new();
    if !state.join("journal").exists() {
        return Ok(named);
    }
    read_records::<io::Error>(state, 0, |record| {
        // Anything else, and what cannot be read, is for verification.
        match Entry::parse(record.kind, record.payload) {
            Ok(Some(Entry::SnapshotTaken(taken))) => {
                named.insert(taken.seq, entry_of(&taken, record.seq, record.time.to_owned()));
            }
            Ok(Some(Entry::SnapshotRetired(retired))) => named.retain(|seq, _| *seq > retired.upto),
            Ok(_) | Err(_) => {}
        }
        Ok(())
    })?;
    Ok(named)
}

/// Every snapshot that the journal names or the folder has, oldest first.
///
/// # Errors
///
/// When the journal or the folder cannot be read.
pub fn snapshot_files(state: &Path) -> Result<Vec<SnapshotFile>, SnapshotsUnreadable> {
    files_of(state, named(state)?)
}

/// As [`snapshot_files`], where the journal named these when it was read: an engine may have retired some of them since.
fn files_of(state: &Path, names: BTreeMap<u64, SnapshotEntry>) -> Result<Vec<SnapshotFile>, SnapshotsUnreadable> {
    const MISSING: &str = "is missing";
    let disk = Disk::new(state);
    let mut found: BTreeMap<u64, SnapshotFile> = names
        .into_iter()
        .map(|(seq, entry)| {
            let file = SnapshotFile {
                seq,
                file: entry.file,
                day: entry.day,
                sha256: Some(entry.sha256),
                recorded: Some(entry.recorded),
                taken: Some(entry.taken),
                problem: Some(MISSING.to_owned()),
            };
            (seq, file)
        })
        .collect();
    for (seq, name) in snapshot::list(&disk).map_err(of_disk)? {
        let (day, problem) = match snapshot::read(&disk, &name) {
            Ok(read) => {
                let stated = found.get(&seq).and_then(|known| known.sha256.clone());
                let sum = read.sum().to_string();
                let problem = match stated {
                    None => Some("the journal does not name it: a crash left it, or it was retired".to_owned()),
                    Some(stated) if stated != sum => Some(format!("has the sum {sum}, the journal says {stated}")),
                    Some(_) => None,
                };
                (read.header().day.clone(), problem)
            }
            Err(StoreError::Damaged { damage, .. }) => (None, Some(format!("is damaged: {damage}"))),
            // Gone since it was listed: missing, where it is named.
            Err(StoreError::Storage { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
            Err(other) => return Err(of_disk(other)),
        };
        let known = found.entry(seq).or_insert_with(|| SnapshotFile {
            seq,
            file: name,
            day,
            sha256: None,
            recorded: None,
            taken: None,
            problem: None,
        });
        known.problem = problem;
    }
    if found.values().any(|file| file.problem.as_deref() == Some(MISSING)) {
        let still = named(state)?;
        found.retain(|seq, file| file.problem.as_deref() != Some(MISSING) || still.contains_key(seq));
    }
    Ok(found.into_values().collect())
}

/// One snapshot: by its record, the day that it closes, or its file's name; the last where nothing is said.
///
/// # Errors
///
/// [`SnapshotsUnreadable`].
pub fn snapshot_of(state: &Path, which: Option<&str>) -> Result<Snapshot, SnapshotsUnreadable> {
    let disk = Disk::new(state);
    let files = snapshot_files(state)?;
    let chosen = match which {
        None => files.iter().rev().find(|file| file.recorded.is_some()).or_else(|| files.last()),
        Some(which) => files
            .iter()
            .rev()
            .find(|file| file.file == which || file.day.as_deref() == Some(which) || which.parse() == Ok(file.seq)),
    };
    let Some(chosen) = chosen else {
        let known = files.last().map(|file| file.file.clone());
        return Err(SnapshotsUnreadable::NoSuch { asked: which.map(str::to_owned), known });
    };
    if let (Some(problem), false) = (&chosen.problem, chosen.is_sound()) {
        return Err(SnapshotsUnreadable::Damaged(format!("snapshot {} {problem}", chosen.file)));
    }
    snapshot::read(&disk, &chosen.file).map_err(of_disk)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_journal::{Importance, Settings, Wall, recover};

    #[test]
    fn what_was_retired_meanwhile_is_not_missing_and_what_is_still_named_is() {
        let state = tempfile::tempdir().unwrap();
        let taken = |seq: u64| {
            let sum = "a".repeat(64);
            let file = format!("s-{seq:016}.ndjson");
            ("snapshot.taken", format!(r#"{{"seq":{seq},"sha256":"{sum}","file":"{file}","day":null}}"#))
        };
        let append = |records: &[(&str, String)]| {
            let recovered = recover(Disk::new(state.path()), Settings::new("demo", "boot", "a test"), None).unwrap();
            let epoch = recovered.last_epoch() + 1;
            let mut journal = recovered.start(epoch, Wall::now()).unwrap();
            for (kind, payload) in records {
                journal.stage(Wall::now(), kind, payload, Importance::Ordinary).unwrap();
            }
            journal.commit().unwrap();
            journal.seal(Wall::now()).unwrap();
        };
        append(&[taken(2), taken(3)]);
        let before = named(state.path()).unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), [&2, &3]);
        append(&[("snapshot.retired", r#"{"upto":2}"#.to_owned())]);
        let files = files_of(state.path(), before).unwrap();
        let [only] = &files[..] else { panic!("{files:?}") };
        assert_eq!((only.seq, only.problem.as_deref(), only.is_sound()), (3, Some("is missing"), false));
    }
}
