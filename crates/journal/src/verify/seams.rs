//! The segments put together: does each continue the one before it, is each in the list of sums, and is what stands at the very
//! end a torn tail or damage.

use super::VIOLATIONS_MAX;
use super::report::{Class, Outcome, Position, Report, TornTail, Violation};
use super::scan::{FirstDamage, SegmentScan};
use crate::chain::{FORMAT, Head, hex};
use crate::segment::{SUMS, SegOpen, Sum, segment_first, segment_name};
use std::collections::{BTreeMap, BTreeSet};

/// The list of sums as it was read.
pub(super) struct Sums {
    lines: Vec<Sum>,
    present: bool,
    bytes: u64,
    /// Segments that it names and that are not there.
    absent: BTreeSet<String>,
    /// A segment's line; the last one where there are several.
    by_name: BTreeMap<String, usize>,
}

impl Sums {
    /// `raw` is absent where there is no list.
    pub fn new(raw: Option<&[u8]>, lines: Vec<Sum>, absent: BTreeSet<String>) -> Self {
        let by_name =
            lines.iter().enumerate().filter_map(|(i, sum)| Some((sum.entry.as_ref()?.1.clone(), i))).collect();
        Self { lines, present: raw.is_some(), bytes: raw.map_or(0, |raw| raw.len() as u64), absent, by_name }
    }

    fn of(&self, name: &str) -> Option<&Sum> {
        self.lines.get(*self.by_name.get(name)?)
    }

    fn legible(&self) -> bool {
        self.lines.iter().all(|sum| sum.entry.is_some())
    }
}

/// Judges all segments, in order, as one journal.
pub(super) fn join(scans: &[SegmentScan], sums: &Sums) -> Report {
    let mut join = Join { sums, found: Vec::new(), more: 0, torn: None, identity: None };
    for (index, scan) in scans.iter().enumerate() {
        let before = index.checked_sub(1).map(|i| &scans[i]);
        join.segment(before, scan, index + 1 == scans.len());
    }
    join.sums(scans);
    join.finish(scans)
}

/// Whether the damage at the end of the last segment is what a crash leaves: nothing in it proves that it had been durable.
pub(crate) fn torn_tail(scan: &SegmentScan, in_sums: bool) -> Option<(u64, u64)> {
    if in_sums || scan.closed {
        return None;
    }
    match &scan.damage {
        Some(FirstDamage { offset, durable_after, tearable: true, .. }) => {
            let verified = scan.verified.map_or(scan.first.saturating_sub(1), |last| last.seq);
            (*durable_after <= verified).then(|| (*offset, scan.bytes - offset))
        }
        None if scan.records == 0 => Some((0, scan.bytes)),
        Some(_) | None => None,
    }
}

struct Join<'a> {
    sums: &'a Sums,
    found: Vec<Violation>,
    more: u64,
    torn: Option<TornTail>,
    /// Origin, id and number of the last segment whose first line is verified.
    identity: Option<&'a SegOpen>,
}

impl<'a> Join<'a> {
    fn add(&mut self, class: Class, file: &str, line: u64, seq: u64, offset: u64, detail: String) {
        if self.found.len() == VIOLATIONS_MAX {
            self.more += 1;
            return;
        }
        self.found.push(Violation { class, file: file.to_owned(), line, seq, offset, detail });
    }

    fn segment(&mut self, before: Option<&'a SegmentScan>, scan: &'a SegmentScan, last: bool) {
        self.opening(before, scan);
        match before {
            None if scan.first > 1 => {
                let detail = format!("the journal's beginning is missing: records 1 to {}", scan.first - 1);
                self.add(Class::MissingSegment, &segment_name(1), 0, 1, 0, detail);
            }
            None => {}
            Some(before) => self.seam(before, scan),
        }
        let in_sums = self.sums.of(&scan.name).is_some();
        if last && let Some((offset, bytes)) = torn_tail(scan, in_sums) {
            self.torn = Some(TornTail { file: scan.name.clone(), offset, bytes });
            return;
        }
        let start = self.found.len();
        for violation in &scan.violations {
            let Violation { class, file, line, seq, offset, detail } = violation.clone();
            self.add(class, &file, line, seq, offset, detail);
        }
        self.more += scan.more_violations;
        if scan.records == 0 && scan.violations.is_empty() {
            self.add(Class::Truncation, &scan.name, 1, scan.first, 0, "the file is empty".into());
        }
        if self.found.len() == start && last && in_sums && !self.sum_fits(scan) && !scan.closed {
            let detail = format!("{SUMS} says that it was sealed, but its end is missing");
            self.end_of(Class::Truncation, scan, detail);
        }
    }

    /// A violation at the end of a segment.
    fn end_of(&mut self, class: Class, scan: &SegmentScan, detail: String) {
        self.add(class, &scan.name, scan.lines + 1, after(scan), scan.bytes, detail);
    }

    /// What a verified first line says, against the journal's identity.
    fn opening(&mut self, before: Option<&SegmentScan>, scan: &'a SegmentScan) {
        let Some(open) = &scan.open else { return };
        let wrong = if open.fmt != FORMAT {
            Some((Class::Protocol, format!("the format is {:?}, not {FORMAT}", open.fmt)))
        } else if open.first != scan.first {
            Some((Class::Protocol, format!("the segment says that it begins with record {}", open.first)))
        } else if let Some(known) = self.identity.filter(|known| known.jid != open.jid || known.origin != open.origin) {
            Some((Class::Fork, format!("a segment of journal {} among those of {}", open.jid, known.jid)))
        } else if self.identity.is_some_and(|known| open.seg <= known.seg) {
            Some((Class::Protocol, format!("segment number {} does not rise", open.seg)))
        } else if before.is_none() && open.first == 1 && open.prev != Head::genesis(&open.origin, &open.jid) {
            Some((Class::Fork, "the chain does not start from its own origin and id".to_owned()))
        } else {
            None
        };
        self.identity = Some(open);
        if let Some((class, detail)) = wrong {
            self.add(class, &scan.name, 1, scan.first, 0, detail);
        }
        if let Some(damage) = open.damage.as_ref().filter(|damage| damage.class == Class::AcknowledgedLost) {
            self.add(damage.class, &scan.name, 1, scan.first, 0, damage.detail.clone());
        }
    }

    /// The seam between two segments.
    fn seam(&mut self, before: &SegmentScan, scan: &SegmentScan) {
        let expected = after(before);
        let Some(open) = &scan.open else {
            // Its first line is damaged and says nothing; its name still does.
            if scan.first > expected && !before.damaged_end {
                if before.closed {
                    self.missing(expected, scan.first - 1);
                } else {
                    let detail = format!("records {expected} to {} are missing at the end", scan.first - 1);
                    self.end_of(Class::Truncation, before, detail);
                }
            }
            return;
        };
        let Some(left) = &open.prev_seg else {
            let detail = "seg.open names no segment before it".to_owned();
            return self.add(Class::Protocol, &scan.name, 1, scan.first, 0, detail);
        };
        if left.name != before.name {
            if segment_first(&left.name).is_some_and(|first| first > before.first) && scan.first > expected {
                return self.missing(expected, scan.first - 1);
            }
            let detail = format!("seg.open names {} as the segment before it, not {}", left.name, before.name);
            return self.add(Class::Fork, &scan.name, 1, scan.first, 0, detail);
        }
        if before.bytes < left.bytes {
            let missing = left.bytes - before.bytes;
            let detail = format!("{missing} bytes are missing at the end of the file");
            match self.found.last_mut() {
                Some(last) if before.damaged_end && last.file == before.name => {
                    last.detail = format!("{}; {detail}", last.detail);
                }
                Some(last) if last.file == before.name && last.class == Class::Truncation => last.detail = detail,
                Some(_) | None => self.end_of(Class::Truncation, before, detail),
            }
            return;
        }
        let clean = before.violations.is_empty();
        if before.bytes > left.bytes {
            if clean {
                let more = before.bytes - left.bytes;
                let detail = format!("{more} bytes more than when the next segment was opened");
                self.add(Class::ForeignBytes, &before.name, left.records + 1, scan.first, left.bytes, detail);
            }
            return;
        }
        let rules = scan.begin.zip(before.last).filter(|_| clean);
        let continues = before.last.is_some_and(|last| last.head == open.prev);
        if continues && scan.first > expected && !before.damaged_end {
            // Opened after damage: the numbers of what was lost are not used again.
            self.missing(expected, scan.first - 1);
        } else if !before.damaged_end && (expected != scan.first || !continues) {
            let detail = format!("continues another chain than {} ends with", before.name);
            self.add(Class::Fork, &scan.name, 1, scan.first, 0, detail);
        } else if clean && left.records != before.records {
            let detail = format!("seg.open counts {} records in {}", left.records, before.name);
            self.add(Class::Protocol, &scan.name, 1, scan.first, 0, detail);
        } else if let Some((begin, last)) = rules
            && (begin.epoch < last.epoch || begin.durable < last.durable)
        {
            let detail = "the epoch or d falls from one segment to the next".to_owned();
            self.add(Class::Protocol, &scan.name, 1, scan.first, 0, detail);
        }
    }

    fn missing(&mut self, from: u64, to: u64) {
        let detail = format!("records {from} to {to} are missing with their segments");
        self.add(Class::MissingSegment, &segment_name(from), 0, from, 0, detail);
    }

    fn sum_fits(&self, scan: &SegmentScan) -> bool {
        let sum = self.sums.of(&scan.name).and_then(|sum| sum.entry.as_ref());
        matches!((sum, scan.digest), (Some((sum, _)), Some(digest)) if sum.as_bytes() == &hex(&digest))
    }

    /// The list of sums against the segments. Where a segment is already known to be damaged, its sum says nothing new.
    fn sums(&mut self, scans: &'a [SegmentScan]) {
        let blamed: BTreeSet<String> = self.found.iter().map(|violation| violation.file.clone()).collect();
        if !self.sums.present {
            if scans.len() > 1 && blamed.is_empty() {
                self.add(Class::Sums, SUMS, 0, 1, 0, "the list of sums is missing".into());
            }
            return;
        }
        let by_name: BTreeMap<&str, &SegmentScan> = scans.iter().map(|scan| (scan.name.as_str(), scan)).collect();
        for sum in &self.sums.lines {
            let Some((digest, name)) = &sum.entry else {
                let detail = "this line is no sum of a segment".to_owned();
                self.add(Class::Sums, SUMS, sum.line, 0, sum.offset, detail);
                continue;
            };
            let first = segment_first(name).unwrap_or(0);
            if self.sums.absent.contains(name) {
                self.absent(scans, sum, digest, name, first);
            } else if let Some(scan) = by_name.get(name.as_str())
                && !blamed.contains(name)
                && scan.digest.is_some_and(|computed| digest.as_bytes() != &hex(&computed))
            {
                let detail = format!("the sum of {name} is another, though its chain is intact");
                self.add(Class::Sums, SUMS, sum.line, first, sum.offset, detail);
            }
        }
        if self.sums.legible() && self.sums.absent.is_empty() {
            let sealed = scans.len().saturating_sub(1);
            for scan in &scans[..sealed] {
                if self.sums.of(&scan.name).is_none() && !blamed.contains(&scan.name) {
                    let (line, offset) = (self.sums.lines.len() as u64 + 1, self.sums.bytes);
                    self.add(Class::Sums, SUMS, line, scan.first, offset, format!("no sum of {}", scan.name));
                }
            }
        }
    }

    /// A sum of a segment that is not there: either the segment is gone, or the name in the list was changed.
    fn absent(&mut self, scans: &[SegmentScan], sum: &Sum, digest: &Head, name: &str, first: u64) {
        let renamed = scans.iter().find(|scan| {
            self.sums.of(&scan.name).is_none() && scan.digest.is_some_and(|d| &hex(&d) == digest.as_bytes())
        });
        if let Some(renamed) = renamed {
            let detail = format!("this is the sum of {}, but the name was changed", renamed.name);
            self.add(Class::Sums, SUMS, sum.line, renamed.first, sum.offset, detail);
        } else if scans.last().is_none_or(|last| first > last.first) {
            let detail = format!("{SUMS} names it, but it is not there; records from {first} on are missing");
            self.add(Class::MissingSegment, name, 0, first, 0, detail);
        } else if !self.found.iter().any(|violation| violation.class == Class::MissingSegment) {
            let detail = format!("the sum of {name}, which is not there");
            self.add(Class::Sums, SUMS, sum.line, first, sum.offset, detail);
        }
    }

    fn finish(self, scans: &[SegmentScan]) -> Report {
        let torn = self.torn.is_some();
        let records = |scan: &SegmentScan| match &scan.damage {
            Some(damage) if torn && scan.name == scans.last().map_or("", |last| &last.name) => damage.records_before,
            Some(_) | None => scan.records,
        };
        Report {
            result: if self.found.is_empty() { Outcome::Intact } else { Outcome::Violated },
            records: scans.iter().map(records).sum(),
            bytes: scans.iter().map(|scan| scan.bytes).sum(),
            segments: scans.len() as u64,
            head: head(scans),
            violations: self.found,
            more_violations: self.more,
            torn_tail: self.torn,
            origin: self.identity.map(|open| open.origin.clone()),
            jid: self.identity.map(|open| open.jid),
            warnings: Vec::new(),
            deep: None,
            error: None,
            seconds: 0.0,
        }
    }
}

/// The sequence number after a segment's last line.
fn after(scan: &SegmentScan) -> u64 {
    scan.last.map_or(scan.first, |last| last.seq.saturating_add(1))
}

/// The end of the longest valid prefix.
fn head(scans: &[SegmentScan]) -> Option<Position> {
    let mut head = None;
    for scan in scans {
        if let Some(last) = scan.verified {
            head = Some(Position { seq: last.seq, hash: last.head });
        }
        if scan.damage.is_some() {
            break;
        }
    }
    head
}
