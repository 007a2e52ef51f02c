//! Every verified record with its place, in order, up to the first that damage takes.

use crate::journal::path_of;
use crate::reader::{Record, replay_segment};
use crate::segment::{firsts, segment_name};
use crate::storage::Storage;
use std::io;

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub file: String,
    pub line: u64,
    pub offset: u64,
}

enum Stop {
    /// Nothing more is to be read.
    Done,
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Hands every record below `end` to `each`, as long as each is the next one.
pub(super) fn walk<S: Storage>(
    storage: &S,
    end: Option<u64>,
    each: impl FnMut(&Place, &Record<'_>) -> io::Result<()>,
) -> io::Result<()> {
    walk_from(storage, 1, end, each)
}

/// The same, from the segment on that this record is in.
pub(super) fn walk_from<S: Storage>(
    storage: &S,
    from: u64,
    end: Option<u64>,
    mut each: impl FnMut(&Place, &Record<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let firsts = firsts(storage)?;
    let mut expected = None;
    for (index, first) in firsts.iter().enumerate() {
        let name = segment_name(*first);
        if firsts.get(index + 1).is_some_and(|next| *next <= from) {
            continue;
        }
        if expected.is_some_and(|expected| expected != *first) {
            return Ok(());
        }
        let mut place = Place { file: name.clone(), line: 0, offset: 0 };
        let mut next = *first;
        let mut one = |record: Record<'_>| -> Result<(), Stop> {
            if record.seq != next || end.is_some_and(|end| record.seq >= end) {
                return Err(Stop::Done);
            }
            place.line += 1;
            next += 1;
            each(&place, &record)?;
            place.offset += record.line.len() as u64 + 1;
            Ok(())
        };
        match replay_segment(&storage.open(&path_of(&name))?, &name, *first, &mut one) {
            Ok(()) => expected = Some(next),
            Err(Stop::Done) => return Ok(()),
            Err(Stop::Io(error)) => return Err(error),
        }
    }
    Ok(())
}
