//! Records in order, for replay at a start and for whoever lists events. Hands out only what its hash vouches for.

use crate::chain::{FORMAT, Head};
use crate::journal::path_of;
use crate::record::{Frame, Own};
use crate::segment::{SegOpen, firsts, segment_name};
use crate::storage::{Disk, Storage, StorageFile};
use crate::verify::scan::{Visit, scan};
use std::io;
use std::path::Path;

/// A record as it stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its sequence number.
    pub seq: u64,
    /// The highest sequence number that was durable when it was formatted.
    pub durable: u64,
    /// The epoch that wrote it.
    pub epoch: u64,
    /// When, RFC 3339 UTC.
    pub time: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// Its payload, a JSON object.
    pub payload: &'a str,
    /// Its hash.
    pub head: Head,
    /// The whole line, without the line feed.
    pub line: &'a str,
}

impl Record<'_> {
    /// Whether it is the journal's own (`seg.open`, `seg.close`) and says nothing to replay.
    pub fn is_own(&self) -> bool {
        self.kind.starts_with("seg.")
    }
}

struct Each<'e, E, F> {
    each: &'e mut F,
    error: Option<E>,
}

impl<E, F: FnMut(Record<'_>) -> Result<(), E>> Visit for Each<'_, E, F> {
    fn verified(&mut self, frame: &Frame, bytes: &[u8]) {
        if self.error.is_some() {
            return;
        }
        let texts = frame.fields(bytes).zip(frame.head(bytes)).zip(std::str::from_utf8(&bytes[..bytes.len() - 1]).ok());
        let Some(((fields, head), line)) = texts else { return };
        let record = Record {
            seq: frame.seq,
            durable: frame.durable,
            epoch: frame.epoch,
            time: fields.time,
            kind: fields.kind,
            payload: fields.payload,
            head,
            line,
        };
        self.error = (self.each)(record).err();
    }
}

pub(crate) fn replay_segment<T: StorageFile, E: From<io::Error>>(
    file: &T,
    name: &str,
    first: u64,
    each: &mut impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let limit = file.len()?;
    let mut visit = Each { each, error: None };
    let _ = scan(file, name, first, limit, false, &mut visit);
    visit.error.map_or(Ok(()), Err)
}

/// Hands every record from `from` on to `each`, in order, the journal's own `seg.` records included; also beside a running
/// engine. Lines that their hash does not vouch for are left out: `verify-data` says where they are.
///
/// # Errors
///
/// The first error of `each`, or of reading.
pub fn read_records<E: From<io::Error>>(
    state: &Path,
    from: u64,
    mut each: impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let storage = Disk::new(state);
    let firsts = firsts(&storage)?;
    let mut each = |record: Record<'_>| if record.seq < from { Ok(()) } else { each(record) };
    for (index, first) in firsts.iter().enumerate() {
        if firsts.get(index + 1).is_some_and(|next| *next <= from) {
            continue;
        }
        let name = segment_name(*first);
        replay_segment(&storage.open(&path_of(&name))?, &name, *first, &mut each)?;
    }
    Ok(())
}

/// Reads a segment's first line, its line feed included, alone: whose journal it is, without the rest of it. `None` where it
/// is no such line, or its own hash does not vouch for it.
pub fn read_opening(line: &[u8]) -> Option<SegOpen> {
    let frame = Frame::read(line)?;
    let fields = frame.fields(line)?;
    let open: SegOpen = serde_json::from_str(fields.payload).ok()?;
    let is_one = frame.own == Own::Open && open.fmt == FORMAT && open.first == frame.seq;
    (is_one && Some(open.prev.next(&line[..frame.hashed])) == frame.head(line)).then_some(open)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    /// As `docs/journal-format.md` has it.
    const OPENING: &str = r#"{"seq":1,"d":0,"ep":7,"ts":"2026-11-07T00:05:00.123456789Z","t":"seg.open","b":{"fmt":"failstop-journal/1","origin":"demo","jid":"3f6c0a7e5d1b49828c1f2e9a7b60d4c5","seg":1,"first":1,"prev":"567a03763504a4824482ec2ec2f3bbf0e18f0fa2502806dabbbac5ba859bf3d5","boot":"8d0c3f0e-6a4e-4a65-9a0e-2f0b7a6f4a11","writer":"failstop 0.1.0"},"h":"49ef17d2bb80ca5bfd7e3fa23d69f98b19604f745b33e3cfb0a6a95cf878fc99"}"#;

    #[test]
    fn a_first_line_says_whose_journal_it_is_and_no_changed_one_does() {
        let line = format!("{OPENING}\n").into_bytes();
        let open = read_opening(&line).unwrap();
        assert_eq!((open.origin.as_str(), open.jid.to_string().as_str()), ("demo", "3f6c0a7e5d1b49828c1f2e9a7b60d4c5"));
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            assert!(read_opening(&changed).is_none(), "at {at}");
            assert!(read_opening(&line[..at]).is_none(), "cut at {at}");
        }
        assert!(read_opening(b"").is_none());
    }
}
