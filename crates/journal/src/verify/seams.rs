//! The segments put together: does each continue the one before it, is each in the list of sums, and is what stands at the very
//! end a torn tail or damage.

use super::VIOLATIONS_MAX;
use super::report::{Class, End, Outcome, Position, Report, TornTail, Violation};
use super::scan::{FirstDamage, Last, SegmentScan};
use super::sums::{Entry, Sums, Wrong};
use crate::chain::{FORMAT, Head};
use crate::jid::Jid;
use crate::segment::{SUMS, SegOpen, segment_first, segment_name};
use std::collections::BTreeSet;

/// What recovery needs to know of all segments beside the last two.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The last segment, and the one before it. Their violations are in the report.
    pub last: Option<SegmentScan>,
    pub before: Option<SegmentScan>,
    /// The highest epoch of a record whose hash fits.
    pub epoch: u64,
    /// The highest segment number.
    pub segment: u64,
    /// The last segment that has a well-formed line: its first sequence number, that line, and the last one that fits.
    pub lined: Option<(u64, Last, Option<Last>)>,
}

/// Which part of a journal the segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its end, from a segment on.
    End,
    /// Something before that.
    Middle,
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

/// Whose journal it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub origin: String,
    pub jid: Jid,
    /// The number of the last segment whose first line is verified.
    pub segment: u64,
}

/// Judges segments, one after the other in order, as one journal. Keeps the last two of them and what is wrong; never all.
pub(super) struct Join<'a> {
    sums: &'a Sums,
    part: Part,
    found: Vec<Violation>,
    more: u64,
    torn: Option<TornTail>,
    identity: Option<Identity>,
    pub ends: Ends,
    segments: u64,
    records: u64,
    bytes: u64,
    head: Option<Position>,
    end: Option<End>,
    /// Whether damage came before, behind which the head is not looked for.
    damaged: bool,
    /// Sums that differ from what a segment has; and segments without a sum, with their own. Bounded as violations are.
    differing: Vec<Entry>,
    unlisted: Vec<(u64, [u8; 32])>,
    /// The segment behind the last one, of which only the first line was read.
    next: Option<SegmentScan>,
}

impl<'a> Join<'a> {
    pub fn new(sums: &'a Sums, part: Part, identity: Option<Identity>) -> Self {
        Self {
            sums,
            part,
            found: Vec::new(),
            more: 0,
            torn: None,
            identity,
            ends: Ends::default(),
            segments: 0,
            records: 0,
            bytes: 0,
            head: None,
            end: None,
            damaged: false,
            differing: Vec::new(),
            unlisted: Vec::new(),
            next: None,
        }
    }

    /// The same, for segments before one of which only the first line was read.
    pub fn before(self, next: Option<SegmentScan>) -> Self {
        Self { next, ..self }
    }

    fn add(&mut self, class: Class, file: &str, line: u64, seq: u64, offset: u64, detail: String) {
        self.keep(Violation { class, file: file.to_owned(), line, seq, offset, detail });
    }

    fn keep(&mut self, violation: Violation) {
        if self.found.len() == VIOLATIONS_MAX {
            self.more += 1;
        } else {
            self.found.push(violation);
        }
    }

    /// The next segment. `read` says how many bytes and records of it were read, where that is not all of it.
    pub fn segment(&mut self, mut scan: SegmentScan, last: bool, read: Option<(u64, u64)>) {
        let before = self.ends.last.take();
        self.opening(before.as_ref(), &scan);
        match &before {
            None if scan.first > 1 && self.part == Part::Whole => {
                self.beginning_is_missing(scan.first);
            }
            None => {}
            Some(before) => self.seam(before, &scan),
        }
        let in_sums = self.sums.names(scan.first);
        self.count(&scan, read);
        match torn_tail(&scan, in_sums).filter(|_| last) {
            Some((offset, bytes)) => {
                self.torn = Some(TornTail { file: scan.name.clone(), offset, bytes });
                if let Some(damage) = &scan.damage {
                    self.records -= scan.records - damage.records_before;
                }
                scan.violations.clear();
            }
            None => self.judge(&mut scan, last, in_sums),
        }
        self.remember(scan, before);
    }

    fn judge(&mut self, scan: &mut SegmentScan, last: bool, in_sums: bool) {
        let start = self.found.len();
        for violation in std::mem::take(&mut scan.violations) {
            self.keep(violation);
        }
        self.more += scan.more_violations;
        if scan.records == 0 && scan.clean {
            self.add(Class::Truncation, &scan.name, 1, scan.first, 0, "the file is empty".into());
        }
        if self.found.len() == start && last && in_sums && !self.sum_fits(scan) && !scan.closed {
            let detail = format!("{SUMS} says that it was sealed, but its end is missing");
            self.end_of(Class::Truncation, scan, detail);
        }
        let Some(digest) = scan.digest else { return };
        for entry in self.sums.of(scan.first).filter(|entry| entry.digest != digest) {
            if self.differing.len() < VIOLATIONS_MAX {
                self.differing.push(*entry);
            }
        }
        if !in_sums && self.unlisted.len() < VIOLATIONS_MAX {
            self.unlisted.push((scan.first, digest));
        }
    }

    fn count(&mut self, scan: &SegmentScan, read: Option<(u64, u64)>) {
        let (bytes, records) = read.unwrap_or((scan.bytes, scan.records));
        self.segments += 1;
        self.bytes += bytes;
        self.records += records;
        if self.damaged {
            return;
        }
        if let Some(last) = scan.verified {
            self.head = Some(Position { seq: last.seq, hash: last.head });
            let offset = scan.damage.as_ref().map_or(scan.bytes, |damage| damage.offset);
            // A sealing line may be seen before its fdatasync; the list of sums names the segment after it.
            let settled = scan.closed && self.sums.names(scan.first);
            let durable = if settled { last.seq } else { last.durable };
            self.end = Some(End { first: scan.first, seq: last.seq, offset, durable });
        }
        self.damaged = scan.damage.is_some();
    }

    fn remember(&mut self, scan: SegmentScan, before: Option<SegmentScan>) {
        if let Some(fitting) = scan.fitting {
            self.ends.epoch = self.ends.epoch.max(fitting.epoch);
        }
        if let Some(open) = &scan.open {
            self.ends.segment = self.ends.segment.max(open.seg);
        }
        if let Some(last) = scan.last {
            self.ends.lined = Some((scan.first, last, scan.fitting));
        }
        self.ends.before = before;
        self.ends.last = Some(scan);
    }

    /// Whether the segment behind the last one goes on from there.
    fn followed_by(&mut self, next: &SegmentScan) {
        if let Some(before) = self.ends.last.take() {
            self.seam(&before, next);
            self.ends.last = Some(before);
        }
    }

    /// A violation at the end of a segment.
    fn end_of(&mut self, class: Class, scan: &SegmentScan, detail: String) {
        self.add(class, &scan.name, scan.lines + 1, after(scan), scan.bytes, detail);
    }

    /// What a verified first line says, against the journal's identity.
    fn opening(&mut self, before: Option<&SegmentScan>, scan: &SegmentScan) {
        let Some(open) = &scan.open else { return };
        let wrong = if open.fmt != FORMAT {
            Some((Class::Protocol, format!("the format is {:?}, not {FORMAT}", open.fmt)))
        } else if open.first != scan.first {
            Some((Class::Protocol, format!("the segment says that it begins with record {}", open.first)))
        } else if let Some(known) = self.identity.as_ref().filter(|known| known.is_not_of(open)) {
            Some((Class::Fork, format!("a segment of journal {} among those of {}", open.jid, known.jid)))
        } else if self.identity.as_ref().is_some_and(|known| open.seg <= known.segment) {
            Some((Class::Protocol, format!("segment number {} does not rise", open.seg)))
        } else if before.is_none() && open.first == 1 && open.prev != Head::genesis(&open.origin, &open.jid) {
            Some((Class::Fork, "the chain does not start from its own origin and id".to_owned()))
        } else {
            None
        };
        match &mut self.identity {
            Some(known) if !known.is_not_of(open) => known.segment = open.seg,
            known => *known = Some(Identity::of(open)),
        }
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
        let ends_well = !before.damaged_end && before.last.is_some_and(|last| last.head == open.prev);
        if before.bytes < left.bytes && ends_well && !before.clean {
            // What is missing is missing before its end, where it was found.
            return;
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
        let clean = before.clean;
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

    fn beginning_is_missing(&mut self, first: u64) {
        let detail = format!("the journal's beginning is missing: records 1 to {}", first - 1);
        self.add(Class::MissingSegment, &segment_name(1), 0, 1, 0, detail);
    }

    fn missing(&mut self, from: u64, to: u64) {
        let detail = format!("records {from} to {to} are missing with their segments");
        self.add(Class::MissingSegment, &segment_name(from), 0, from, 0, detail);
    }

    fn sum_fits(&self, scan: &SegmentScan) -> bool {
        let sum = self.sums.of(scan.first).last();
        matches!((sum, scan.digest), (Some(sum), Some(digest)) if sum.digest == digest)
    }

    /// The list of sums against the segments, all of which are given, in order. Where a segment is already known to be damaged,
    /// its sum says nothing new.
    fn check_sums(&mut self, firsts: &[u64]) {
        let blamed = self.blamed();
        if !self.sums.is_present() {
            if firsts.len() > 1 && blamed.is_empty() {
                self.add(Class::Sums, SUMS, 0, 1, 0, "the list of sums is missing".into());
            }
            return;
        }
        let mut wrong = self.sums.wrong();
        wrong.extend(std::mem::take(&mut self.differing).into_iter().map(Wrong::Differs));
        wrong.sort_by_key(Wrong::line);
        for wrong in wrong {
            match wrong {
                Wrong::NoSum { line, offset } => {
                    self.add(Class::Sums, SUMS, line, 0, offset, "this line is no sum of a segment".to_owned());
                }
                Wrong::Absent(entry) => self.absent(firsts, &entry),
                Wrong::Differs(entry) => self.differs(&entry, &blamed),
            }
        }
        self.more += self.sums.more_odd();
        if self.sums.is_legible() && !self.sums.misses_some() {
            let sealed = firsts.len().saturating_sub(1);
            for first in firsts[..sealed].iter().filter(|first| !self.sums.names(**first)) {
                let name = segment_name(*first);
                if !blamed.contains(&name) {
                    let (line, offset) = (self.sums.count() + 1, self.sums.bytes());
                    self.add(Class::Sums, SUMS, line, *first, offset, format!("no sum of {name}"));
                }
            }
        }
    }

    /// The files in which something is wrong already.
    fn blamed(&self) -> BTreeSet<String> {
        self.found.iter().map(|violation| violation.file.clone()).collect()
    }

    fn differs(&mut self, entry: &Entry, blamed: &BTreeSet<String>) {
        let name = segment_name(entry.first);
        if !blamed.contains(&name) {
            let detail = format!("the sum of {name} is another, though its chain is intact");
            self.add(Class::Sums, SUMS, entry.line.into(), entry.first, entry.offset.into(), detail);
        }
    }

    /// A sum of a segment that is not there: either the segment is gone, or the name in the list was changed.
    fn absent(&mut self, firsts: &[u64], entry: &Entry) {
        let (name, first) = (segment_name(entry.first), entry.first);
        let (line, offset) = (u64::from(entry.line), u64::from(entry.offset));
        let renamed = self.unlisted.iter().find(|(_, digest)| *digest == entry.digest).map(|(first, _)| *first);
        if let Some(renamed) = renamed {
            let detail = format!("this is the sum of {}, but the name was changed", segment_name(renamed));
            self.add(Class::Sums, SUMS, line, renamed, offset, detail);
        } else if self.part == Part::End && firsts.last().is_some_and(|last| first < *last) {
            // Its neighbours were not read, which would say so otherwise.
            self.add(Class::MissingSegment, &name, 0, first, 0, format!("{SUMS} names it, but it is not there"));
        } else if firsts.last().is_none_or(|last| first > *last) {
            let detail = format!("{SUMS} names it, but it is not there; records from {first} on are missing");
            self.add(Class::MissingSegment, &name, 0, first, 0, detail);
        } else if !self.found.iter().any(|violation| violation.class == Class::MissingSegment) {
            let detail = format!("the sum of {name}, which is not there");
            self.add(Class::Sums, SUMS, line, first, offset, detail);
        }
    }

    /// The report, and what recovery needs. `firsts` are the first sequence numbers of all segments that the journal has.
    pub fn finish(mut self, firsts: &[u64]) -> (Report, Ends) {
        match self.part {
            Part::End => {
                if let Some(first) = firsts.first().filter(|first| **first > 1) {
                    self.beginning_is_missing(*first);
                }
                self.check_sums(firsts);
            }
            Part::Whole => self.check_sums(firsts),
            Part::Middle => {
                if let Some(next) = self.next.take() {
                    self.followed_by(&next);
                }
                // The list as a whole is looked at with the journal's end; here only the sums of what was read.
                let blamed = self.blamed();
                for entry in std::mem::take(&mut self.differing) {
                    self.differs(&entry, &blamed);
                }
            }
        }
        // Behind what a successor was opened, all of it is durable.
        if let Some(end) = self.end.as_mut().filter(|end| firsts.last() != Some(&end.first)) {
            end.durable = end.seq;
        }
        let report = Report {
            result: if self.found.is_empty() { Outcome::Intact } else { Outcome::Violated },
            records: self.records,
            bytes: self.bytes,
            segments: self.segments,
            head: self.head,
            violations: self.found,
            more_violations: self.more,
            torn_tail: self.torn,
            origin: self.identity.as_ref().map(|known| known.origin.clone()),
            jid: self.identity.as_ref().map(|known| known.jid),
            end: self.end,
            ..Report::without_a_verdict()
        };
        (report, self.ends)
    }
}

impl Identity {
    /// That of a segment.
    pub fn of(open: &SegOpen) -> Self {
        Self { origin: open.origin.clone(), jid: open.jid, segment: open.seg }
    }

    fn is_not_of(&self, open: &SegOpen) -> bool {
        self.jid != open.jid || self.origin != open.origin
    }
}

/// The sequence number after a segment's last line.
fn after(scan: &SegmentScan) -> u64 {
    scan.last.map_or(scan.first, |last| last.seq.saturating_add(1))
}
