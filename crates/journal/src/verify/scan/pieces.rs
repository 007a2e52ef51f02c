//! A large segment in pieces, cut behind line feeds, so that many workers can take one each. A piece is judged by the hash text
//! of the line before it; what is ordinary in it needs no second look, since the walk that puts the pieces together only asks
//! whether that line is the one it came to. Whatever is not ordinary is walked line by line as in a small segment, so that a
//! segment gets the same verdict however it was cut.

use super::stride::Stride;
use super::{Expect, Last, NoVisit, Scan, SegmentScan};
use crate::lines::Lines;
use crate::record::{Frame, LINE_MAX};
use crate::storage::StorageFile;
use std::io;

/// How much is read at a time to find a line feed.
const PEEK: usize = 4096;

/// The ordinary lines at the beginning of a piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Good {
    /// Where they end.
    end: u64,
    records: u64,
    /// The line before them, whose hash text they are hashed after.
    before: Last,
    last: Last,
}

/// What came of a piece: where it begins, if a line does, and what is ordinary at its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Piece {
    begin: Option<u64>,
    good: Option<Good>,
}

/// Scans the ordinary lines from a piece's beginning on; up to the next one's. A piece that cannot be read is left to the walk,
/// which says so.
pub(crate) fn piece<F: StorageFile>(file: &F, index: u64, size: u64, limit: u64) -> Piece {
    let Ok(begin) = begins(file, index, size, limit) else { return Piece::default() };
    let end = begins(file, index + 1, size, limit).ok().flatten().unwrap_or(limit.min((index + 1) * size));
    let good = begin.filter(|begin| *begin < end).and_then(|begin| {
        let before = line_before(file, begin).ok()??;
        ordinary(file, begin, end, before)
    });
    Piece { begin, good }
}

/// Puts a segment's pieces together.
pub(crate) fn join<F: StorageFile>(file: &F, name: &str, first: u64, limit: u64, pieces: &[Piece]) -> SegmentScan {
    let mut scan = Scan::begin(file, name, first, limit);
    let mut lines = Lines::new(file, limit, false);
    let mut stride = Stride::new();
    let mut pieces = pieces.iter().filter_map(|piece| piece.begin.map(|begin| (begin, piece.good))).peekable();
    loop {
        let at = lines.offset();
        while pieces.peek().is_some_and(|(begin, _)| *begin < at) {
            pieces.next();
        }
        if let Some((_, good)) = pieces.next_if(|(begin, _)| *begin == at)
            && let Some(good) = good.filter(|good| scan.comes_to(good))
        {
            scan.pass(&good);
            lines.jump(good.end, good.records);
            scan.out.lines = lines.line() - 1;
            continue;
        }
        let stop = pieces.peek().map_or(limit, |(begin, _)| *begin);
        lines.stop_at(stop);
        while scan.on(&mut stride, &mut lines, &mut NoVisit) {}
        if stop >= limit || scan.unreadable || lines.offset() < stop {
            return scan.out;
        }
    }
}

impl<F: StorageFile> Scan<'_, F> {
    /// Whether the walk stands where these lines begin, and came to the line before them.
    fn comes_to(&self, good: &Good) -> bool {
        let before = good.before;
        let expected = matches!(self.expect, Some(Expect::Next { seq, previous })
            if seq == before.seq + 1 && previous == before.head);
        expected && !self.closed && (self.durable, self.epoch) == (before.durable, before.epoch)
    }

    /// Takes them as good.
    fn pass(&mut self, good: &Good) {
        self.takes(good.last, good.records);
    }
}

/// Where a piece begins: behind the first line feed at or behind the byte before its nominal beginning.
fn begins<F: StorageFile>(file: &F, index: u64, size: u64, limit: u64) -> io::Result<Option<u64>> {
    let Some(nominal) = index.checked_mul(size).filter(|at| *at < limit) else { return Ok(None) };
    if nominal == 0 {
        return Ok(Some(0));
    }
    let mut block = [0; PEEK];
    let mut at = nominal - 1;
    // Further off there is no line: the walk passes over what is there.
    let stop = limit.min(nominal + LINE_MAX as u64);
    while at < stop {
        let room = usize::try_from(stop - at).unwrap_or(PEEK).min(PEEK);
        let got = file.read_at(&mut block[..room], at)?;
        if let Some(feed) = memchr::memchr(b'\n', &block[..got]) {
            return Ok(Some(at + feed as u64 + 1));
        }
        if got == 0 {
            break;
        }
        at += got as u64;
    }
    Ok(None)
}

/// The line that ends before a byte, where it is a well-formed one.
pub(crate) fn line_before<F: StorageFile>(file: &F, end: u64) -> io::Result<Option<Last>> {
    let from = end.saturating_sub(LINE_MAX as u64 + 1);
    let mut block = vec![0; usize::try_from(end - from).unwrap_or_default()];
    let mut got = 0;
    while got < block.len() {
        match file.read_at(&mut block[got..], from + got as u64)? {
            0 => return Ok(None),
            more => got += more,
        }
    }
    let Some(text) = block.strip_suffix(b"\n") else { return Ok(None) };
    let start = memchr::memrchr(b'\n', text).map_or(0, |feed| feed + 1);
    let line = &block[start..];
    let last = Frame::read(line).and_then(|frame| {
        let Frame { seq, epoch, durable, .. } = frame;
        Some(Last { seq, head: frame.head(line)?, epoch, durable })
    });
    Ok(last)
}

/// The ordinary lines from here on, hashed after the line before.
fn ordinary<F: StorageFile>(file: &F, begin: u64, end: u64, before: Last) -> Option<Good> {
    let mut scan = Scan::begin(file, "", before.seq, end);
    scan.expect = Some(Expect::Next { seq: before.seq.checked_add(1)?, previous: before.head });
    (scan.durable, scan.epoch) = (before.durable, before.epoch);
    let mut lines = Lines::from(file, begin, 0, end, false);
    let mut stride = Stride::new();
    loop {
        while stride.take(&mut scan, &mut lines, &mut NoVisit) {}
        let at = lines.offset();
        let ordinary = match lines.next() {
            Ok(Some(chunk)) => scan.ordinary(&chunk, &mut NoVisit),
            // What cannot be read is the walk's to say.
            Ok(None) | Err(_) => false,
        };
        if !ordinary {
            let (records, last) = (scan.out.records, scan.out.last?);
            return Some(Good { end: at, records, before, last });
        }
    }
}
