//! The folder of snapshots as it is: which are sound by themselves, and whether they name one another.

use super::super::{Class, Report, VerifyError, Violation};
use super::Findings;
use crate::chain::Head;
use crate::range::read_range;
use crate::record::{Frame, LINE_MAX};
use crate::snapshot::{self, Header, SNAPSHOT_DIR, Snapshot, StoreError, path_of, snapshot_name};
use crate::storage::Storage;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// What is known of a file that is sound by itself.
#[derive(Clone, Debug)]
pub(super) struct Sound {
    pub header: Header,
    pub sum: Head,
}

/// The folder.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// By the record in its name; `None` where it is damaged.
    pub by_seq: BTreeMap<u64, Option<Sound>>,
    /// Records at which the book is looked at: of each file, and of the one before it.
    pub looked_at: BTreeSet<u64>,
    pub found: Vec<Violation>,
}

impl Files {
    pub fn read<S: Storage>(storage: &S, report: &Report) -> Result<Self, VerifyError> {
        let listed = snapshot::list(storage).map_err(|error| unreadable(SNAPSHOT_DIR, error))?;
        let mut files = Self::default();
        for (seq, name) in listed {
            let sound = match snapshot::read(storage, &name) {
                Ok(snapshot) => {
                    files.one(report, &snapshot);
                    Some(Sound { header: snapshot.header().clone(), sum: snapshot.sum() })
                }
                Err(error) => {
                    if let Some(violation) = damage(seq, &name, error)? {
                        files.found.push(violation);
                        None
                    } else {
                        // Retired while we looked.
                        continue;
                    }
                }
            };
            files.looked_at.insert(seq);
            files.looked_at.extend(sound.iter().filter_map(|sound| sound.header.prev).map(|prev| prev.seq));
            files.by_seq.insert(seq, sound);
        }
        Ok(files)
    }

    /// A sound file against the journal's identity and the files before it.
    fn one(&mut self, report: &Report, snapshot: &Snapshot) {
        let header = snapshot.header();
        let mut unbound = |detail: String| self.found.push(of_file(Class::SnapshotUnbound, header.seq, 1, 0, detail));
        if report.jid.is_some_and(|jid| jid != header.jid)
            || report.origin.as_ref().is_some_and(|o| *o != header.origin)
        {
            return unbound(format!("is of journal {} of system {}", header.jid, header.origin));
        }
        if let Some(prev) = header.prev
            && let Some(Some(before)) = self.by_seq.get(&prev.seq)
            && before.sum != prev.sha256
        {
            let detail = format!("names {} by another sum than it has", snapshot_name(prev.seq));
            return unbound(detail);
        }
        // Along those that it opens from: one that an attempt left beside them, which the journal names nowhere, closed nothing.
        let before = |seq: u64| self.by_seq.get(&seq).and_then(Option::as_ref).map(|sound| &sound.header);
        let chain = std::iter::successors(header.prev.and_then(|prev| before(prev.seq)), |header| {
            header.prev.filter(|prev| prev.seq < header.seq).and_then(|prev| before(prev.seq))
        });
        if let (Some(day), Some(last)) = (&header.day, chain.filter_map(|header| header.day.as_ref()).next())
            && day <= last
        {
            let detail = format!("closes {day}, but {last} was closed before it: days rise strictly");
            unbound(detail);
        }
    }

    /// Whether the journal has the record that each is of.
    pub fn against_records(&self, state: &Path, end: Option<u64>, found: &mut Findings) {
        for (seq, sound) in &self.by_seq {
            let Some(sound) = sound else { continue };
            // What damage took is not looked for.
            if end.is_some_and(|end| *seq >= end) {
                break;
            }
            let detail = match read_range(state, *seq, *seq, LINE_MAX) {
                Ok(range) => match Frame::read(&range.bytes).and_then(|frame| frame.head(&range.bytes)) {
                    Some(head) if head == sound.header.h => continue,
                    Some(_) => format!("names another hash of record {seq} than the journal has"),
                    None => format!("is of record {seq}, which the journal does not have"),
                },
                Err(error) => format!("is of record {seq}, which the journal does not have: {error}"),
            };
            found.add(of_file(Class::SnapshotUnbound, *seq, 1, 0, detail));
        }
    }
}

/// A violation in a snapshot's file.
pub(super) fn of_file(class: Class, seq: u64, line: u64, offset: u64, detail: String) -> Violation {
    Violation { class, file: path_of(&snapshot_name(seq)), line, seq, offset, detail }
}

/// What is wrong with a file that cannot be read as a snapshot; nothing where it is gone.
pub(super) fn damage(seq: u64, name: &str, error: StoreError) -> Result<Option<Violation>, VerifyError> {
    match error {
        StoreError::Damaged { damage, .. } => {
            Ok(Some(of_file(Class::SnapshotDamaged, seq, damage.line, damage.offset, damage.detail)))
        }
        StoreError::Storage { source, .. } if source.kind() == io::ErrorKind::NotFound => Ok(None),
        StoreError::Storage { source, .. } if source.kind() == io::ErrorKind::FileTooLarge => {
            let detail = "is larger than any snapshot".to_owned();
            Ok(Some(of_file(Class::SnapshotDamaged, seq, 1, 0, detail)))
        }
        StoreError::Storage { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Err(VerifyError::Unreadable { path: path_of(name), source })
        }
        StoreError::Storage { source, .. } => {
            Ok(Some(of_file(Class::Unreadable, seq, 1, 0, format!("the disk reports: {source}"))))
        }
        other @ (StoreError::NoSpace { .. } | StoreError::Exists { .. }) => Err(unreadable(name, other)),
    }
}

pub(super) fn unreadable(path: &str, error: StoreError) -> VerifyError {
    let source = match error {
        StoreError::Storage { source, .. } | StoreError::NoSpace { source, .. } => source,
        other @ (StoreError::Exists { .. } | StoreError::Damaged { .. }) => io::Error::other(other),
    };
    VerifyError::Unreadable { path: path.to_owned(), source }
}
