//! One segment: its lines, its chain, and what is wrong in it. Needs nothing of the other segments, so that workers can take
//! one each; the seams between them are [`super::seams`]'s.

pub(crate) mod pieces;
mod stride;

use super::blame::{self, Neighbour};
use super::report::{Class, Violation};
use crate::chain::Head;
use crate::lines::{Chunk, Lines};
use crate::record::{Frame, Own, TAIL, tail_head};
use crate::segment::{SegClose, SegOpen};
use crate::storage::StorageFile;
use std::io;
use stride::Stride;

/// The most violations kept of one segment; the rest is counted.
pub(super) const KEPT_PER_SEGMENT: usize = 1000;

/// A place in a segment with what was verified before it.
#[derive(Clone, Debug)]
pub(crate) struct FirstDamage {
    pub line: u64,
    pub offset: u64,
    /// The highest `d` of any line from here on that can be read.
    pub durable_after: u64,
    /// Well-formed lines before it.
    pub records_before: u64,
    /// Whether a crash could have left it so. The chain holding over a broken rule is never a tear.
    pub tearable: bool,
}

/// A record's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub seq: u64,
    pub head: Head,
    pub epoch: u64,
    pub durable: u64,
}

/// What a segment holds.
#[derive(Debug)]
pub(crate) struct SegmentScan {
    pub name: String,
    /// From its name.
    pub first: u64,
    /// Its length when the scan began.
    pub bytes: u64,
    /// Well-formed lines.
    pub records: u64,
    /// Its first line, where that one is verified.
    pub open: Option<SegOpen>,
    /// The last record before the first damage.
    pub verified: Option<Last>,
    /// The last well-formed line, verified or not.
    pub last: Option<Last>,
    /// The last line whose hash fits the chain, before or after damage.
    pub fitting: Option<Last>,
    /// The first line, where it is verified.
    pub begin: Option<Last>,
    /// The last line that was seen.
    pub lines: u64,
    /// Whether the last verified record before the first damage seals the segment.
    pub closed: bool,
    pub damage: Option<FirstDamage>,
    /// Whether the last thing in the file is damage.
    pub damaged_end: bool,
    pub violations: Vec<Violation>,
    pub more_violations: u64,
    /// Whether there were none; they may have gone into a report since.
    pub clean: bool,
    /// SHA-256 of the file, where it was asked for.
    pub digest: Option<[u8; 32]>,
}

/// What the chain expects next.
#[derive(Clone, Copy)]
enum Expect {
    /// This sequence number after this hash.
    Next { seq: u64, previous: Head },
    /// After damage: a line that fits this hash, or, where even that is lost, any line from this sequence number on.
    Anchor { seq: u64, previous: Option<Head> },
}

/// A place behind a record that is known to be good: where a scan may begin.
#[derive(Clone, Debug)]
pub(crate) struct Middle {
    /// Where the next line begins.
    pub offset: u64,
    /// Lines before it, each a record.
    pub records: u64,
    /// The record before it.
    pub last: Last,
    /// Whether that one seals the segment.
    pub closed: bool,
    /// The segment's first line.
    pub open: SegOpen,
    pub begin: Last,
}

/// Told of each verified record during a scan.
pub(crate) trait Visit {
    /// A record whose hash fits the chain.
    fn verified(&mut self, frame: &Frame, line: &[u8]);
}

/// Nobody wants to know.
pub(crate) struct NoVisit;

impl Visit for NoVisit {
    #[inline]
    fn verified(&mut self, _frame: &Frame, _line: &[u8]) {}
}

/// Scans a segment up to `limit` bytes.
pub(crate) fn scan<F: StorageFile, V: Visit>(
    file: &F,
    name: &str,
    first: u64,
    limit: u64,
    digest: bool,
    visit: &mut V,
) -> SegmentScan {
    scan_in(Stride::new(), file, name, first, limit, digest, visit)
}

fn scan_in<F: StorageFile, V: Visit>(
    mut stride: Stride,
    file: &F,
    name: &str,
    first: u64,
    limit: u64,
    digest: bool,
    visit: &mut V,
) -> SegmentScan {
    let mut lines = Lines::new(file, limit, digest);
    let mut scan = Scan::begin(file, name, first, limit);
    while scan.on(&mut stride, &mut lines, visit) {}
    scan.out.digest = lines.digest();
    scan.out
}

/// Scans a segment up to `limit` bytes from a place on behind which everything is known to be good.
pub(crate) fn scan_from<F: StorageFile, V: Visit>(
    file: &F,
    name: &str,
    first: u64,
    middle: Middle,
    limit: u64,
    visit: &mut V,
) -> SegmentScan {
    let mut lines = Lines::from(file, middle.offset, middle.records, limit, false);
    let mut scan = Scan::begin(file, name, first, limit);
    scan.goes_on(middle);
    let mut stride = Stride::new();
    while scan.on(&mut stride, &mut lines, visit) {}
    scan.out
}

impl SegmentScan {
    /// The place behind the last record before the first damage, to scan again from there.
    pub fn before_damage(&self) -> Option<Middle> {
        let (damage, last) = (self.damage.as_ref()?, self.verified?);
        let (open, begin) = (self.open.clone()?, self.begin?);
        let (offset, records) = (damage.offset, damage.records_before);
        Some(Middle { offset, records, last, closed: self.closed, open, begin })
    }

    /// Of a segment of which only the first line was read.
    pub fn opened(name: &str, first: u64, bytes: u64, open: SegOpen, begin: Last) -> Self {
        let (open, last) = (Some(open), Some(begin));
        Self {
            records: 1,
            open,
            verified: last,
            last,
            fitting: last,
            begin: last,
            lines: 1,
            ..empty(name, first, bytes)
        }
    }
}

fn empty(name: &str, first: u64, bytes: u64) -> SegmentScan {
    SegmentScan {
        name: name.to_owned(),
        first,
        bytes,
        records: 0,
        open: None,
        verified: None,
        last: None,
        fitting: None,
        begin: None,
        lines: 0,
        closed: false,
        damage: None,
        damaged_end: false,
        violations: Vec::new(),
        more_violations: 0,
        clean: true,
        digest: None,
    }
}

struct Scan<'f, F> {
    file: &'f F,
    limit: u64,
    /// `None` before the first line.
    expect: Option<Expect>,
    durable: u64,
    epoch: u64,
    /// A sealing line was seen; nothing may follow.
    closed: bool,
    /// The disk gave no more; nothing behind it was looked at.
    unreadable: bool,
    out: SegmentScan,
}

/// Whether a line keeps every rule that does not need its hash, after lines with this `d` and epoch, and is not the journal's own.
#[inline]
fn ordinary(frame: &Frame, seq: u64, durable: u64, epoch: u64) -> bool {
    frame.own == Own::No && frame.seq == seq && frame.durable < seq && frame.durable >= durable && frame.epoch >= epoch
}

impl<'f, F: StorageFile> Scan<'f, F> {
    fn begin(file: &'f F, name: &str, first: u64, limit: u64) -> Self {
        let out = empty(name, first, limit);
        Self { file, limit, expect: None, durable: 0, epoch: 0, closed: false, unreadable: false, out }
    }

    /// Takes everything before a place as good.
    fn goes_on(&mut self, middle: Middle) {
        let Middle { offset: _, records, last, closed, open, begin } = middle;
        self.expect = Some(Expect::Next { seq: last.seq + 1, previous: last.head });
        (self.durable, self.epoch, self.closed) = (last.durable, last.epoch, closed);
        let out = &mut self.out;
        (out.records, out.lines, out.closed) = (records, records, closed);
        (out.open, out.begin) = (Some(open), Some(begin));
        (out.verified, out.last, out.fitting) = (Some(last), Some(last), Some(last));
    }

    /// Takes the ordinary lines ahead, many at a time, then whatever stopped that, alone. False at the end.
    fn on<V: Visit>(&mut self, stride: &mut Stride, lines: &mut Lines<'_, F>, visit: &mut V) -> bool {
        while stride.take(self, lines, visit) {}
        match lines.next() {
            Ok(Some(chunk)) => {
                self.out.lines = chunk.line;
                self.chunk(&chunk, visit);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.cannot_read(lines.line(), lines.offset(), &error);
                false
            }
        }
    }

    #[inline]
    fn chunk<V: Visit>(&mut self, chunk: &Chunk<'_>, visit: &mut V) {
        if !self.ordinary(chunk, visit) {
            self.judge(chunk, visit);
        }
    }

    /// Takes a line that keeps all rules and fits the chain; false where it does not.
    #[inline]
    fn ordinary<V: Visit>(&mut self, chunk: &Chunk<'_>, visit: &mut V) -> bool {
        if let Some(Expect::Next { seq, previous }) = self.expect
            && !self.closed
            && let Some(frame) = Frame::read(chunk.bytes)
            && ordinary(&frame, seq, self.durable, self.epoch)
        {
            let head = previous.next(&chunk.bytes[..frame.hashed]);
            if *head.as_bytes() == frame.head_bytes(chunk.bytes) {
                self.accept(&frame, head, 1);
                visit.verified(&frame, chunk.bytes);
                return true;
            }
        }
        false
    }

    /// Takes so many verified records as good, of which this is the last.
    #[inline]
    fn accept(&mut self, frame: &Frame, head: Head, records: u64) {
        self.takes(Last { seq: frame.seq, head, epoch: frame.epoch, durable: frame.durable }, records);
    }

    #[inline]
    fn takes(&mut self, last: Last, records: u64) {
        self.durable = last.durable;
        self.epoch = last.epoch;
        self.expect = Some(Expect::Next { seq: last.seq + 1, previous: last.head });
        self.out.records += records;
        self.out.damaged_end = false;
        self.out.last = Some(last);
        self.out.fitting = Some(last);
        match &mut self.out.damage {
            None => self.out.verified = Some(last),
            Some(damage) => damage.durable_after = damage.durable_after.max(last.durable),
        }
    }

    /// Everything but the ordinary line: the segment's own records, and damage.
    #[cold]
    fn judge<V: Visit>(&mut self, chunk: &Chunk<'_>, visit: &mut V) {
        let Some(frame) = Frame::read(chunk.bytes) else {
            return self.unframed(chunk);
        };
        let Some(head) = frame.head(chunk.bytes) else {
            if !self.rehashed(&frame, chunk) {
                self.unframed(chunk);
            }
            return;
        };
        let body = &chunk.bytes[..frame.hashed];
        let (seq, previous) = match self.expect {
            None => match self.opening(&frame, chunk) {
                Some(open) => {
                    let previous = open.prev;
                    self.out.open = Some(open);
                    (self.out.first, Some(previous))
                }
                None => return self.unopened(chunk, &frame, head),
            },
            Some(Expect::Next { seq, previous }) => (seq, Some(previous)),
            Some(Expect::Anchor { seq, previous }) => (seq, previous),
        };
        let anchoring = matches!(self.expect, Some(Expect::Anchor { .. }));
        let holds = previous.is_none_or(|previous| previous.next(body) == head);
        if holds {
            if anchoring && frame.seq > seq {
                self.note_lost(seq, frame.seq - 1);
            }
            let broken = self.broken_rule(&frame, chunk.line, seq, anchoring);
            if let Some((class, detail)) = broken {
                self.violate(class, chunk, seq, detail, false);
                self.note_line(&frame, head);
                self.expect = Some(Expect::Next { seq: frame.seq.saturating_add(1), previous: head });
                return;
            }
            self.accept(&frame, head, 1);
            if chunk.line == 1 {
                self.out.begin = self.out.last;
            }
            if frame.own == Own::Close {
                self.closed = true;
                if self.out.damage.is_none() && !self.closes(&frame, chunk) {
                    let detail = "the sealing line counts other records or bytes than the segment has";
                    self.violate(Class::Protocol, chunk, seq, detail.into(), false);
                }
                if self.out.damage.is_none() {
                    self.out.closed = true;
                }
            }
            // A line found again without its predecessor's hash is known to be a line, not to be true.
            if previous.is_some() {
                visit.verified(&frame, chunk.bytes);
            }
            return;
        }
        if self.closed {
            self.violate(Class::ForeignBytes, chunk, seq, "bytes after the line that seals the segment".into(), true);
            self.note_line(&frame, head);
            self.expect = Some(Expect::Anchor { seq, previous: None });
            return;
        }
        let Some(previous) = previous else { return };
        let next = Neighbour::read(self.file, chunk.offset + chunk.len, self.limit);
        let found = blame::line(self.file, chunk, &frame, head, seq, previous, next.as_ref(), self.out.first);
        self.violate(found.class, chunk, seq, found.detail, true);
        self.note_line(&frame, head);
        if chunk.line == 1 && found.class != Class::HashChanged {
            self.out.open = None;
        }
        self.expect = Some(match found.resume {
            blame::Resume::Next { seq, previous } => Expect::Next { seq, previous },
            blame::Resume::Anchor { seq, previous } => Expect::Anchor { seq, previous: Some(previous) },
        });
    }

    /// A rule that a line breaks although its hash fits.
    fn broken_rule(&self, frame: &Frame, line: u64, seq: u64, anchoring: bool) -> Option<(Class, String)> {
        if self.closed {
            return Some((Class::ForeignBytes, "a record after the line that seals the segment".into()));
        }
        if frame.seq < seq || (frame.seq > seq && !anchoring) {
            return Some((Class::Protocol, format!("the sequence number is {}, not {seq}", frame.seq)));
        }
        if frame.durable >= frame.seq {
            return Some((Class::Protocol, format!("d is {}, not below the sequence number", frame.durable)));
        }
        if frame.durable < self.durable {
            return Some((Class::Protocol, format!("d falls from {} to {}", self.durable, frame.durable)));
        }
        if frame.epoch < self.epoch {
            return Some((Class::Protocol, format!("the epoch falls from {} to {}", self.epoch, frame.epoch)));
        }
        if (frame.own == Own::Open) != (line == 1) {
            return Some((Class::Protocol, "a segment opens with seg.open, and nowhere else".into()));
        }
        None
    }

    /// The payload of a segment's first line, if that is what it is.
    fn opening(&self, frame: &Frame, chunk: &Chunk<'_>) -> Option<SegOpen> {
        let fields = frame.fields(chunk.bytes).filter(|_| frame.own == Own::Open)?;
        serde_json::from_str(fields.payload).ok()
    }

    /// Whether a sealing line says what the segment holds.
    fn closes(&self, frame: &Frame, chunk: &Chunk<'_>) -> bool {
        let close = frame.fields(chunk.bytes).and_then(|fields| serde_json::from_str::<SegClose>(fields.payload).ok());
        close.is_some_and(|close| {
            close.records == self.out.records && close.bytes == chunk.offset && close.first == self.out.first
        })
    }

    /// A first line that is a line, but does not open a segment.
    fn unopened(&mut self, chunk: &Chunk<'_>, frame: &Frame, head: Head) {
        let first = self.out.first;
        let next = Neighbour::read(self.file, chunk.offset + chunk.len, self.limit);
        let (class, detail) = if frame.seq > first && next.as_ref().is_some_and(|next| next.opens(first)) {
            (Class::Reorder, format!("record {} stands before the one that opens the segment", frame.seq))
        } else if frame.seq > first {
            (Class::Gap, format!("the segment's first record is missing: it begins with record {}", frame.seq))
        } else if next.is_some_and(|next| next.follows(&head)) {
            let detail = "the body of this record was changed: it no longer opens the segment (the next one agrees on the hash it had)";
            (Class::BodyChanged, detail.to_owned())
        } else {
            (Class::BodyChanged, "the segment does not begin with seg.open".to_owned())
        };
        self.violate(class, chunk, first, detail, true);
        self.note_line(frame, head);
        let seq = if class == Class::Gap { frame.seq + 1 } else { first + 1 };
        self.expect = Some(Expect::Anchor { seq, previous: Some(head) });
    }

    /// A line whose hash text is not even digits: true where the next line agrees on the hash that its body has, or most of the
    /// text is still what that hash is.
    fn rehashed(&mut self, frame: &Frame, chunk: &Chunk<'_>) -> bool {
        let open = self.opening(frame, chunk).filter(|_| self.expect.is_none());
        let (seq, previous) = match (self.expect, &open) {
            (Some(Expect::Next { seq, previous }), _) if !self.closed => (seq, previous),
            (None, Some(open)) => (self.out.first, open.prev),
            _ => return false,
        };
        let computed = previous.next(&chunk.bytes[..frame.hashed]);
        let next = Neighbour::read(self.file, chunk.offset + chunk.len, self.limit);
        let agreed = next.is_some_and(|next| next.follows(&computed));
        if frame.seq != seq || !(agreed || blame::is_near(&computed, &frame.head_bytes(chunk.bytes))) {
            return false;
        }
        let detail = if agreed {
            "the hash text of this record was changed (its body fits the next record's hash)"
        } else {
            "the hash text of this record was changed (its body hashes to nearly the same digits)"
        };
        self.violate(Class::HashChanged, chunk, seq, detail.into(), true);
        self.note_line(frame, computed);
        self.out.open = open.or(self.out.open.take());
        self.expect = Some(Expect::Next { seq: seq + 1, previous: computed });
        true
    }

    /// A chunk that is no line.
    fn unframed(&mut self, chunk: &Chunk<'_>) {
        let seq = match self.expect {
            None => self.out.first,
            Some(Expect::Next { seq, .. } | Expect::Anchor { seq, .. }) => seq,
        };
        let previous = if chunk.len == chunk.bytes.len() as u64 { tail_head(chunk.bytes) } else { None };
        let feed = chunk.bytes.last() == Some(&b'\n') || chunk.len > chunk.bytes.len() as u64;
        let at_end = chunk.offset + chunk.len >= self.limit;
        let (class, detail) = if self.closed {
            (Class::ForeignBytes, format!("{} bytes after the line that seals the segment", self.limit - chunk.offset))
        } else if chunk.bytes.len() > 1 && chunk.bytes.iter().filter(|b| **b == 0).count() * 2 > chunk.bytes.len() {
            let zeros = chunk.bytes.iter().filter(|b| **b == 0).count();
            (Class::ZeroFilled, format!("{zeros} zero bytes where a record was"))
        } else if !feed && at_end {
            (Class::Truncation, "the file ends within a record".into())
        } else if previous.is_some() || chunk.bytes.starts_with(crate::record::START) {
            (Class::BodyChanged, "the envelope of this record was changed: it is no line of the format".into())
        } else {
            (Class::ForeignBytes, format!("{} bytes that are no record", chunk.len))
        };
        // What a line feed too many cut in two, or a run of garbage, is one damage and not several.
        let continues = self.out.damaged_end
            && matches!(self.expect, Some(Expect::Anchor { previous: None, .. }))
            && self.out.damage.is_some();
        if !continues {
            self.violate(class, chunk, seq, detail, true);
        }
        self.out.damaged_end = true;
        let next = if continues { seq } else { seq + 1 };
        self.expect = Some(Expect::Anchor { seq: next, previous });
    }

    fn cannot_read(&mut self, line: u64, offset: u64, error: &io::Error) {
        self.unreadable = true;
        let seq = match self.expect {
            None => self.out.first,
            Some(Expect::Next { seq, .. } | Expect::Anchor { seq, .. }) => seq,
        };
        let chunk = Chunk { bytes: &[], len: self.limit.saturating_sub(offset), offset, line };
        self.violate(Class::Unreadable, &chunk, seq, format!("cannot be read from here on: {error}"), false);
    }

    fn violate(&mut self, class: Class, chunk: &Chunk<'_>, seq: u64, detail: String, tearable: bool) {
        self.out.damaged_end = true;
        self.out.clean = false;
        match &mut self.out.damage {
            Some(damage) => damage.tearable &= tearable,
            damage @ None => {
                *damage = Some(FirstDamage {
                    line: chunk.line,
                    offset: chunk.offset,
                    durable_after: 0,
                    records_before: self.out.records,
                    tearable,
                });
            }
        }
        if self.out.violations.len() == KEPT_PER_SEGMENT {
            self.out.more_violations += 1;
            return;
        }
        let (file, line, offset) = (self.out.name.clone(), chunk.line, chunk.offset);
        self.out.violations.push(Violation { class, file, line, seq, offset, detail });
    }

    /// Remembers a well-formed line that is damaged or stands in the wrong place.
    fn note_line(&mut self, frame: &Frame, head: Head) {
        self.out.records += 1;
        let Frame { seq, epoch, durable, .. } = *frame;
        self.out.last = Some(Last { seq, head, epoch, durable });
        if let Some(damage) = &mut self.out.damage {
            damage.durable_after = damage.durable_after.max(durable);
        }
    }

    /// After damage the chain was found again only at a later record.
    fn note_lost(&mut self, from: u64, to: u64) {
        if let Some(violation) = self.out.violations.last_mut() {
            let also = if from == to {
                format!("; record {from} is lost too")
            } else {
                format!("; records {from} to {to} are lost too")
            };
            violation.detail.push_str(&also);
        }
    }
}

/// The most bytes of a line that a neighbour is read with.
pub(super) const NEIGHBOUR: usize = crate::record::LINE_MAX;

const _: () = assert!(TAIL < NEIGHBOUR);
