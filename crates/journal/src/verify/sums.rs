//! The list of sums as it was read, small enough for any number of segments: 48 bytes a line.

use super::SUMS_MAX;
use crate::segment::{SUM_LINE, sum_of};
use crate::storage::StorageFile;
use std::io;
use std::ops::Range;

/// The most lines that are remembered of those that are no sum; the rest is counted.
const ODD_MAX: usize = super::VIOLATIONS_MAX;

/// A line of the list that is a sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The first sequence number of the segment that it names.
    pub first: u64,
    pub digest: [u8; 32],
    /// Line in the list, from 1, and where it begins. The list is at most [`SUMS_MAX`] bytes long.
    pub line: u32,
    pub offset: u32,
}

/// The list of sums.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    present: bool,
    bytes: u64,
    lines: u64,
    entries: Vec<Entry>,
    /// Entries in the order of the segments; a segment's last line last.
    by_first: Vec<u32>,
    /// Lines that are no sum: line and offset.
    odd: Vec<(u64, u64)>,
    more_odd: u64,
    /// Segments that it names and that are not there, in order.
    absent: Vec<u64>,
}

impl Sums {
    /// Reads it in bounded pieces.
    ///
    /// # Errors
    ///
    /// What the storage said; `FileTooLarge` beyond [`SUMS_MAX`].
    pub fn read<F: StorageFile>(file: &F) -> io::Result<Self> {
        let bytes = file.len()?;
        if bytes > SUMS_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let expected = usize::try_from(bytes).unwrap_or_default() / SUM_LINE + 1;
        let mut sums = Self { present: true, entries: Vec::with_capacity(expected), ..Self::default() };
        let mut buffer = vec![0; 64 << 10];
        // The unfinished line: as much of it as could be a sum, and how long it really is.
        let mut line = Vec::with_capacity(SUM_LINE + 1);
        let (mut length, mut at) = (0, 0);
        while at < bytes {
            let room = usize::try_from(bytes - at).unwrap_or(buffer.len()).min(buffer.len());
            let got = file.read_at(&mut buffer[..room], at)?;
            if got == 0 {
                break;
            }
            at += got as u64;
            for part in buffer[..got].split_inclusive(|byte| *byte == b'\n') {
                length += part.len() as u64;
                line.extend_from_slice(&part[..part.len().min(SUM_LINE + 1 - line.len())]);
                if part.last() == Some(&b'\n') {
                    sums.line(&line, length);
                    line.clear();
                    length = 0;
                }
            }
        }
        if length > 0 {
            sums.line(&line, length);
        }
        let mut by_first: Vec<u32> = (0..u32::try_from(sums.entries.len()).unwrap_or(u32::MAX)).collect();
        by_first.sort_by_key(|index| (sums.entry(*index).first, *index));
        sums.by_first = by_first;
        Ok(sums)
    }

    /// The next line, of which at least the first bytes are given.
    fn line(&mut self, line: &[u8], length: u64) {
        let offset = self.bytes;
        self.bytes += length;
        self.lines += 1;
        let whole = length == line.len() as u64;
        match sum_of(line).filter(|_| whole) {
            Some((digest, first)) => {
                let (line, offset) = (self.lines, offset);
                let line = u32::try_from(line).unwrap_or(u32::MAX);
                let offset = u32::try_from(offset).unwrap_or(u32::MAX);
                self.entries.push(Entry { first, digest, line, offset });
            }
            None if self.odd.len() < ODD_MAX => self.odd.push((self.lines, offset)),
            None => self.more_odd += 1,
        }
    }

    fn entry(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    fn range(&self, first: u64) -> Range<usize> {
        let from = self.by_first.partition_point(|index| self.entry(*index).first < first);
        let to = self.by_first.partition_point(|index| self.entry(*index).first <= first);
        from..to
    }

    /// A segment's lines; more than one where the list is damaged.
    pub fn of(&self, first: u64) -> impl Iterator<Item = &Entry> {
        self.by_first[self.range(first)].iter().map(|index| self.entry(*index))
    }

    /// Whether the list names a segment.
    pub fn names(&self, first: u64) -> bool {
        !self.range(first).is_empty()
    }

    /// All lines that are sums, in the order of the segments.
    pub fn in_order(&self) -> impl Iterator<Item = &Entry> {
        self.by_first.iter().map(|index| self.entry(*index))
    }

    /// The lines that say by themselves that something is wrong: sums of segments that are not there, and lines that are no sum.
    pub fn wrong(&self) -> Vec<Wrong> {
        let absent = self.in_order().filter(|entry| self.is_absent(entry.first)).take(ODD_MAX).copied();
        let odd = self.odd.iter().map(|(line, offset)| Wrong::NoSum { line: *line, offset: *offset });
        absent.map(Wrong::Absent).chain(odd).collect()
    }

    /// The highest segment that it names.
    pub fn last(&self) -> Option<u64> {
        self.by_first.last().map(|index| self.entry(*index).first)
    }

    /// Whether there is a list.
    pub fn is_present(&self) -> bool {
        self.present
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many lines it has.
    pub fn count(&self) -> u64 {
        self.lines
    }

    /// Whether every line is a sum.
    pub fn is_legible(&self) -> bool {
        self.odd.is_empty()
    }

    /// Lines that are no sum beyond those that are remembered.
    pub fn more_odd(&self) -> u64 {
        self.more_odd
    }

    /// Notes which of the segments that it names are not there.
    pub fn miss(&mut self, absent: Vec<u64>) {
        self.absent = absent;
    }

    /// Whether a segment that it names is not there.
    pub fn is_absent(&self, first: u64) -> bool {
        self.absent.binary_search(&first).is_ok()
    }

    /// Whether any is not.
    pub fn misses_some(&self) -> bool {
        !self.absent.is_empty()
    }
}

/// A line of the list that is wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    /// The sum of a segment that is not there.
    Absent(Entry),
    /// Another sum than the segment has.
    Differs(Entry),
    /// No sum at all.
    NoSum { line: u64, offset: u64 },
}

impl Wrong {
    /// Its line in the list.
    pub fn line(&self) -> u64 {
        match self {
            Self::Absent(entry) | Self::Differs(entry) => u64::from(entry.line),
            Self::NoSum { line, .. } => *line,
        }
    }
}
