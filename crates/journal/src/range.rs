//! Raw lines from a sequence number on, for whoever keeps a copy elsewhere: byte for byte as they stand in the segments,
//! never more than was asked for, also beside a running engine.
//!
//! The segment is found by its name and the line by bisection, so the cost depends on what is handed out and not on how long
//! the journal is. Nothing is hashed: a copy that recomputes the chain proves more than this side could say of itself.

use crate::record::LINE_MAX;
use crate::segment::{JOURNAL_DIR, firsts, segment_name};
use crate::storage::{Disk, Storage, StorageFile};
use std::io;
use std::path::Path;

/// How every line begins.
const BEGINS: &[u8] = b"{\"seq\":";

/// Below this many bytes bisection ends and the lines are walked.
const WALK: u64 = 64 * 1024;

/// How much is read at a time while a line's beginning is looked for.
const PEEK: usize = 4 * 1024;

/// Lines as they stand in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Whole lines, each with its line feed.
    pub bytes: Vec<u8>,
    /// The sequence number after the last of them: where to go on.
    pub next: u64,
}

/// Why there are no lines.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The journal no longer goes back so far.
    #[error("the journal begins at record {first}: what was before it is no longer here")]
    Gone {
        /// The first that there is.
        first: u64,
    },
    /// The record does not stand where it must.
    #[error(
        "record {seq} does not stand where it must, in {file}: the journal is damaged there; `failstop verify-data` says how"
    )]
    Damaged {
        /// The segment.
        file: String,
        /// The record that was looked for.
        seq: u64,
    },
    /// The disk.
    #[error("cannot read the journal ({file}): {source}")]
    Io {
        /// The segment, or the folder.
        file: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The lines of the records `from` to `upto` (sequence numbers, both included) of the journal below `state`, as many whole
/// ones as fit into `most` bytes. `most` is raised to the longest line's length, so that there is always progress.
///
/// The caller says with `upto` what is durable; what stands behind it is never handed out.
///
/// # Errors
/// [`RangeError`]; never after at least one line could be read.
pub fn read_range(state: &Path, from: u64, upto: u64, most: usize) -> Result<Range, RangeError> {
    let most = most.max(LINE_MAX);
    let mut range = Range { bytes: Vec::new(), next: from };
    if from > upto {
        return Ok(range);
    }
    let storage = Disk::new(state);
    let io = |file: &str| {
        let file = file.to_owned();
        move |source| RangeError::Io { file, source }
    };
    let firsts = firsts(&storage).map_err(io(JOURNAL_DIR))?;
    let Some(index) = firsts.partition_point(|first| *first <= from).checked_sub(1) else {
        return Err(RangeError::Gone { first: firsts.first().copied().unwrap_or(upto.saturating_add(1)) });
    };
    for first in firsts.into_iter().skip(index) {
        let file_name = segment_name(first);
        let damaged = || RangeError::Damaged { file: file_name.clone(), seq: from };
        let mut read = || -> io::Result<Option<bool>> {
            let file = storage.open(&format!("{JOURNAL_DIR}/{file_name}"))?;
            let len = StorageFile::len(&file)?;
            match seek(&file, first, range.next, len)? {
                Some(offset) => copy(&file, offset, upto, most, &mut range).map(Some),
                None => Ok(None),
            }
        };
        match read() {
            Ok(Some(true)) => {}
            Ok(Some(false)) => return Ok(range),
            // The line is not in this segment: it ends before it, a segment is missing before this one, or it is damaged.
            Ok(None) if range.bytes.is_empty() => return Err(damaged()),
            Err(source) if range.bytes.is_empty() => return Err(RangeError::Io { file: file_name, source }),
            Ok(None) | Err(_) => return Ok(range),
        }
    }
    if range.bytes.is_empty() {
        return Err(RangeError::Damaged { file: JOURNAL_DIR.to_owned(), seq: from });
    }
    Ok(range)
}

/// Where the line of `target` begins, in a segment of `len` bytes whose first line has the number `first`.
pub(crate) fn seek<F: StorageFile>(file: &F, first: u64, target: u64, len: u64) -> io::Result<Option<u64>> {
    // The line at `low` is at or before the target; no line at or after `high` is.
    let (mut low, mut high) = (0, len);
    if first == target {
        return Ok(number_at(file, 0)?.filter(|seq| *seq == target).map(|_| 0));
    }
    while high - low > WALK {
        let middle = low + (high - low) / 2;
        let found = match next_line(file, middle, high)? {
            Some(start) => number_at(file, start)?.map(|seq| (start, seq)),
            None => None,
        };
        match found {
            Some((start, seq)) if seq == target => return Ok(Some(start)),
            Some((start, seq)) if seq < target => low = start,
            // Beyond it, or no whole line: the end that is being written, or damage, which the walk then meets.
            Some(_) | None => high = middle,
        }
    }
    let mut at = Some(low);
    while let Some(start) = at {
        match number_at(file, start)? {
            Some(seq) if seq == target => return Ok(Some(start)),
            Some(seq) if seq < target => at = next_line(file, start, len)?,
            Some(_) | None => return Ok(None),
        }
    }
    Ok(None)
}

/// Where the first line after the line feed at or behind `from` begins, before `end`.
pub(crate) fn next_line<F: StorageFile>(file: &F, from: u64, end: u64) -> io::Result<Option<u64>> {
    let mut piece = [0; PEEK];
    let mut at = from;
    // A line has at most LINE_MAX bytes: whoever finds no line feed in more looks at damage.
    while at < end && at - from <= LINE_MAX as u64 {
        let got = file.read_at(&mut piece, at)?;
        if got == 0 {
            return Ok(None);
        }
        if let Some(feed) = memchr::memchr(b'\n', &piece[..got]) {
            let start = at + feed as u64 + 1;
            return Ok((start < end).then_some(start));
        }
        at += got as u64;
    }
    Ok(None)
}

/// The number of the line that begins here.
fn number_at<F: StorageFile>(file: &F, start: u64) -> io::Result<Option<u64>> {
    let mut head = [0; BEGINS.len() + 20];
    let mut got = 0;
    while got < head.len() {
        match file.read_at(&mut head[got..], start + got as u64)? {
            0 => break,
            more => got += more,
        }
    }
    Ok(number_of(&head[..got]))
}

/// The number that a line's first bytes say.
fn number_of(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(BEGINS)?;
    let digits = rest.get(..memchr::memchr(b',', rest)?)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Appends whole lines from `offset` on; whether the segment's end was reached with room left.
fn copy<F: StorageFile>(file: &F, offset: u64, upto: u64, most: usize, range: &mut Range) -> io::Result<bool> {
    let before = range.bytes.len();
    let room = most - before;
    let mut block = vec![0; room];
    let mut got = 0;
    while got < room {
        match file.read_at(&mut block[got..], offset + got as u64)? {
            0 => break,
            more => got += more,
        }
    }
    let mut end = 0;
    for feed in memchr::memchr_iter(b'\n', &block[..got]) {
        let line = &block[end..=feed];
        if range.next > upto || number_of(line) != Some(range.next) {
            break;
        }
        end = feed + 1;
        range.next += 1;
    }
    range.bytes.extend_from_slice(&block[..end]);
    // What is left over is a line that has no room, one behind `upto`, one that is being written, or damage.
    Ok(end == got && got < room && range.next <= upto)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;
    use crate::journal::{Importance, Settings};
    use crate::recovery::recover;
    use crate::segment::segment_first;
    use crate::time::Wall;
    use std::fs;

    /// A journal of many segments, and all of its bytes in order.
    fn journal(records: usize) -> (tempfile::TempDir, Vec<u8>, u64) {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::new("demo", "boot", "test");
        settings.roll_bytes = 256 * 1024;
        settings.ballast_bytes = 4096;
        let recovered = recover(Disk::new(dir.path()), settings, None).unwrap();
        let mut journal = recovered.start(1, Wall::now()).unwrap();
        for index in 0..records {
            // Lines of very different lengths, some near the longest.
            let length = if index % 97 == 0 { 30_000 } else { index * 37 % 600 };
            let payload = format!("{{\"n\":{index},\"x\":\"{}\"}}", "y".repeat(length));
            journal.stage(Wall::now(), "x.test", &payload, Importance::Ordinary).unwrap();
            if index % 50 == 0 {
                journal.commit().unwrap();
            }
        }
        journal.commit().unwrap();
        let last = journal.durable().seq;
        let mut names: Vec<String> = Disk::new(dir.path()).list(JOURNAL_DIR).unwrap();
        names.retain(|name| segment_first(name).is_some());
        names.sort();
        assert!(names.len() > 3, "{names:?}");
        let all = names.iter().flat_map(|name| fs::read(dir.path().join(JOURNAL_DIR).join(name)).unwrap()).collect();
        (dir, all, last)
    }

    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.split_inclusive(|byte| *byte == b'\n').collect()
    }

    #[test]
    fn a_walk_through_all_segments_is_the_files_byte_for_byte() {
        let (dir, all, last) = journal(3_000);
        for most in [0, LINE_MAX + 1, 200_000, 10 << 20] {
            let (mut copy, mut from) = (Vec::new(), 1);
            while from <= last {
                let range = read_range(dir.path(), from, last, most).unwrap();
                assert!(range.bytes.len() <= most.max(LINE_MAX) && range.next > from, "{from}");
                copy.extend_from_slice(&range.bytes);
                from = range.next;
            }
            assert_eq!(from, last + 1);
            assert!(copy == all, "{} of {} bytes at {most}", copy.len(), all.len());
        }
    }

    #[test]
    fn every_record_is_found_and_nothing_behind_the_mark_is_handed_out() {
        let (dir, all, last) = journal(1_500);
        let lines = lines(&all);
        for (index, line) in lines.iter().enumerate() {
            let seq = index as u64 + 1;
            let range = read_range(dir.path(), seq, seq, 1 << 20).unwrap();
            assert!(range.bytes == *line, "record {seq}");
            assert_eq!(range.next, seq + 1);
        }
        let nothing = read_range(dir.path(), last + 1, last, 1 << 20).unwrap();
        assert_eq!(nothing, Range { bytes: Vec::new(), next: last + 1 });
    }

    #[test]
    fn an_end_that_is_being_written_is_left_out() {
        let (dir, all, last) = journal(1_200);
        let names = Disk::new(dir.path()).list(JOURNAL_DIR).unwrap();
        let newest = names.into_iter().filter(|name| segment_first(name).is_some()).max().unwrap();
        let path = dir.path().join(JOURNAL_DIR).join(newest);
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(format!("{{\"seq\":{},\"d\":{last},\"ep\"", last + 1).as_bytes());
        text.extend_from_slice(&[b'z'; 200_000]);
        fs::write(&path, &text).unwrap();
        let whole = lines(&all);
        for seq in [last - 3, last] {
            let range = read_range(dir.path(), seq, last + 1, 1 << 20).unwrap();
            assert_eq!(range.bytes, whole[usize::try_from(seq).unwrap() - 1..].concat());
            assert_eq!(range.next, last + 1);
        }
    }

    #[test]
    fn what_is_gone_or_damaged_is_said() {
        let (dir, all, last) = journal(2_000);
        let mut firsts: Vec<u64> =
            Disk::new(dir.path()).list(JOURNAL_DIR).unwrap().iter().filter_map(|name| segment_first(name)).collect();
        firsts.sort_unstable();
        let path = |first: u64| dir.path().join(JOURNAL_DIR).join(segment_name(first));
        fs::remove_file(path(firsts[0])).unwrap();
        let gone = read_range(dir.path(), 1, last, 1 << 20).unwrap_err();
        assert!(matches!(gone, RangeError::Gone { first } if first == firsts[1]), "{gone}");

        // A hole between segments: up to it, and no further.
        fs::remove_file(path(firsts[2])).unwrap();
        let before = read_range(dir.path(), firsts[2] - 2, last, 1 << 20).unwrap();
        assert_eq!(before.next, firsts[2]);
        assert_eq!(before.bytes, lines(&all)[usize::try_from(firsts[2]).unwrap() - 3..][..2].concat());
        let hole = read_range(dir.path(), firsts[2], last, 1 << 20).unwrap_err();
        assert!(matches!(hole, RangeError::Damaged { seq, .. } if seq == firsts[2]), "{hole}");

        // Bytes that are no line.
        let mut text = fs::read(path(firsts[1])).unwrap();
        let middle = text.len() / 2;
        let start_of_line = middle + memchr::memchr(b'\n', &text[middle..]).unwrap() + 1;
        text[start_of_line..start_of_line + 1_000].fill(0);
        fs::write(path(firsts[1]), &text).unwrap();
        let start = read_range(dir.path(), firsts[1], last, 1 << 20).unwrap();
        assert!(start.next > firsts[1] && start.next < firsts[2], "{}", start.next);
        let damaged = read_range(dir.path(), start.next, last, 1 << 20).unwrap_err();
        assert!(matches!(&damaged, RangeError::Damaged { seq, .. } if *seq == start.next), "{damaged}");
    }
}
