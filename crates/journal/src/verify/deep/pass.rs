//! The pass over all records: the fold, the snapshots that it gives, and what the journal says of them.

use super::super::{Class, Report, VerifyError, Violation};
use super::files::{self, Files, of_file};
use super::ids::{Filter, SUSPECTS_MAX, Suspects};
use super::times::{Odd, Times};
use super::walk::{Place, walk, walk_from};
use super::{Deep, DeepOptions, Findings, WARNINGS_MAX};
use crate::chain::Head;
use crate::jid::Jid;
use crate::ledger::{self, At, Book, Entry, Malformed, SnapshotTaken};
use crate::reader::Record;
use crate::segment::JOURNAL_DIR;
use crate::snapshot::{self, Closings, Identity, Snapshot, StoreError, snapshot_name};
use crate::storage::Storage;
use crate::time::Wall;
use crate::verify::Position;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

/// How many closings are kept: those of the last named snapshot, and of what was taken since. The next to be named is the last of them.
const CLOSINGS_KEPT: usize = 4;

/// What replay gave at a record.
struct Projected {
    seq: u64,
    closings: Closings,
    /// The sum of the file that it would be, where the day was known.
    sum: Option<Head>,
}

pub(super) struct Pass<'s, S> {
    storage: &'s S,
    files: Files,
    identity: Option<(String, Jid)>,
    book: Book,
    recent: VecDeque<Projected>,
    /// Named and not retired, by the record that each is of.
    named: BTreeSet<u64>,
    missing: BTreeMap<u64, SnapshotTaken>,
    times: Times<Place>,
    ids: Filter,
    /// Records that broke a rule about ids already.
    blamed: BTreeSet<u64>,
    /// Whether the book lacks a record that the writer may have booked.
    broken: bool,
    found: Findings,
    deep: Deep,
    last: u64,
    now: Wall,
}

impl<'s, S: Storage> Pass<'s, S> {
    pub fn new(storage: &'s S, files: Files, report: &Report, options: &DeepOptions) -> Self {
        let mut found = Findings::default();
        let mut files = files;
        found.violations.append(&mut files.found);
        Self {
            storage,
            files,
            identity: report.origin.clone().zip(report.jid),
            book: Book::new(),
            recent: VecDeque::new(),
            named: BTreeSet::new(),
            missing: BTreeMap::new(),
            times: Times::new(options.now),
            ids: Filter::new(0, 1, SUSPECTS_MAX),
            blamed: BTreeSet::new(),
            broken: false,
            found,
            deep: Deep::default(),
            last: 0,
            now: options.now,
        }
    }

    /// Takes the next record.
    pub fn record(&mut self, place: &Place, record: &Record<'_>) -> io::Result<()> {
        self.deep.records += 1;
        self.last = record.seq;
        for odd in self.times.record(place, record) {
            self.odd(odd);
        }
        if let Err((class, detail)) = self.fold(place, record) {
            self.broken = true;
            self.found.add(at(class, place, record.seq, detail));
        }
        if self.files.looked_at.contains(&record.seq) {
            self.look(record)?;
        }
        Ok(())
    }

    fn odd(&mut self, odd: Odd<Place>) {
        if self.found.warnings.len() < WARNINGS_MAX {
            self.found.warnings.push(at(Class::Time, &odd.place, odd.seq, odd.detail));
        }
    }

    fn fold(&mut self, place: &Place, record: &Record<'_>) -> Result<(), (Class, String)> {
        let malformed = |error: Malformed| (Class::Payload, error.to_string());
        let when = At { seq: record.seq, epoch: record.epoch, time: Wall::parse(record.time).unwrap_or(Wall(0)) };
        let Some(entry) = Entry::parse(record.kind, record.payload).map_err(malformed)? else {
            return self.book.take(&when, record.kind, record.payload).map_err(|error| match error {
                ledger::Unsound::Malformed(error) => malformed(error),
                ledger::Unsound::Violation(violation) => (Class::Ledger, words(&violation)),
            });
        };
        self.deep.entries += 1;
        if let Some((kind, id)) = ledger::once(&entry) {
            self.ids.see(&ledger::mark(kind, id));
        }
        self.book.take_entry(&when, &entry).map_err(|violation| {
            if violation.check == ledger::Check::IdReused {
                self.blamed.insert(record.seq);
            }
            (Class::Ledger, words(&violation))
        })?;
        match &entry {
            Entry::SnapshotTaken(taken) => self.taken(place, record.seq, taken),
            Entry::SnapshotRetired(retired) => self.retired(retired.upto),
            Entry::Refused(_) => self.deep.refused += 1,
            Entry::Asset(_)
            | Entry::Account(_)
            | Entry::Pool(_)
            | Entry::Instrument(_)
            | Entry::Posted(_)
            | Entry::Fill(_)
            | Entry::Capital(_)
            | Entry::Position(_)
            | Entry::Statement(_)
            | Entry::Strategy(_)
            | Entry::Moved(_)
            | Entry::OrderIntent(_)
            | Entry::OrderOutcome(_)
            | Entry::OrderResolved(_) => {}
        }
        Ok(())
    }

    /// The journal names a snapshot.
    fn taken(&mut self, place: &Place, seq: u64, taken: &SnapshotTaken) {
        if taken.file != snapshot_name(taken.seq) || taken.seq >= seq {
            let detail = format!("names {:?} as the snapshot of record {}", taken.file, taken.seq);
            return self.found.add(at(Class::SnapshotUnbound, place, seq, detail));
        }
        self.named.insert(taken.seq);
        let given = self.recent.iter().find(|projected| projected.seq == taken.seq).and_then(|projected| projected.sum);
        let sound = match self.files.by_seq.get(&taken.seq) {
            Some(Some(sound)) => sound.clone(),
            // Its damage has been told of.
            Some(None) => return,
            None => match snapshot::read(self.storage, &taken.file) {
                // Taken while we looked.
                Ok(snapshot) => files::Sound { header: snapshot.header().clone(), sum: snapshot.sum() },
                Err(StoreError::Damaged { damage, .. }) => {
                    let (line, offset) = (damage.line, damage.offset);
                    return self.found.add(of_file(Class::SnapshotDamaged, taken.seq, line, offset, damage.detail));
                }
                Err(_) => {
                    self.missing.insert(taken.seq, taken.clone());
                    return;
                }
            },
        };
        if sound.sum != taken.sha256 {
            let why = match given {
                Some(given) if given == sound.sum => "replay gives the file: the record is wrong",
                Some(given) if given == taken.sha256 => "replay gives what the journal names: the file was rewritten",
                Some(_) | None => "one of them was rewritten",
            };
            let detail = format!("has the sum {}, but record {seq} names {}; {why}", sound.sum, taken.sha256);
            self.found.add(of_file(Class::SnapshotUnbound, taken.seq, 1, 0, detail));
        } else if sound.header.day != taken.day {
            let detail = format!("closes {:?}, but record {seq} says {:?}", sound.header.day, taken.day);
            self.found.add(of_file(Class::SnapshotUnbound, taken.seq, 1, 0, detail));
        }
    }

    fn retired(&mut self, upto: u64) {
        self.named = self.named.split_off(&(upto + 1));
        self.missing = self.missing.split_off(&(upto + 1));
    }

    /// A record that a snapshot is of, or that one opens from: what does replay give here?
    fn look(&mut self, record: &Record<'_>) -> io::Result<()> {
        let Some((origin, jid)) = self.identity.clone() else { return Ok(()) };
        let sound = self.files.by_seq.get(&record.seq).cloned().flatten();
        let before = self.book.last_snapshot().map(|known| known.taken.seq);
        let openings = match before {
            None => Some(Closings::default()),
            Some(seq) => self.closings_of(seq),
        };
        let position = Position { seq: record.seq, hash: record.head };
        let identity = Identity { origin: &origin, jid };
        let day = sound.as_ref().and_then(|sound| sound.header.day.as_deref());
        let projected = Snapshot::project(&self.book, identity, position, day, &openings.clone().unwrap_or_default());
        let given = match projected {
            Ok(given) => given,
            Err(error) => {
                let detail = format!("replay gives no snapshot: {error}");
                self.found.add(of_file(Class::SnapshotDiffers, record.seq, 1, 0, detail));
                return Ok(());
            }
        };
        let known = openings.is_some() && sound.is_some();
        let projected =
            Projected { seq: record.seq, closings: given.closings().clone(), sum: known.then(|| given.sum()) };
        self.recent.push_back(projected);
        // The last that the journal names is what the next ones open from, however many crashes left between them.
        if self.recent.len() > CLOSINGS_KEPT
            && let Some(oldest) = self.recent.iter().position(|projected| Some(projected.seq) != before)
        {
            self.recent.remove(oldest);
        }
        if let Some(sound) = sound.filter(|_| openings.is_some()) {
            if sound.sum == given.sum() {
                self.deep.snapshots += 1;
            } else {
                self.compare(record.seq, &given)?;
            }
        }
        Ok(())
    }

    /// What the snapshot of this record closed with: by replay, else by its file.
    fn closings_of(&self, seq: u64) -> Option<Closings> {
        let replayed = self.recent.iter().find(|projected| projected.seq == seq);
        replayed.map(|projected| projected.closings.clone()).or_else(|| {
            let file = snapshot::read(self.storage, &snapshot_name(seq)).ok()?;
            Some(file.closings().clone())
        })
    }

    /// A file whose sum is another, against what replay gives.
    fn compare(&mut self, seq: u64, given: &Snapshot) -> io::Result<()> {
        let file = match snapshot::read(self.storage, &snapshot_name(seq)) {
            Ok(file) => file,
            // Gone or damaged meanwhile: the next run says so.
            Err(_) => return Ok(()),
        };
        // The sum was taken when the files were looked at, before the first record: whoever put the right one back meanwhile is believed.
        if file.bytes() == given.bytes() {
            self.deep.snapshots += 1;
            return Ok(());
        }
        let (stated, ours) = (file.header(), given.header());
        let unbound = if stated.h != ours.h {
            Some(format!("names another hash of record {seq} than the journal has"))
        } else if stated.prev != ours.prev {
            let name = |prev: Option<snapshot::Prev>| prev.map_or("none".to_owned(), |prev| snapshot_name(prev.seq));
            Some(format!(
                "says that {} is the snapshot before it; by then the journal names {}, and by its sum",
                name(stated.prev),
                name(ours.prev)
            ))
        } else {
            None
        };
        if let Some(detail) = unbound {
            self.found.add(of_file(Class::SnapshotUnbound, seq, 1, 0, detail));
        } else if stated.origin == ours.origin && stated.jid == ours.jid {
            let (line, offset, detail) = snapshot::difference(&file, given);
            self.found.add(of_file(Class::SnapshotDiffers, seq, line, offset, detail));
        }
        // Where a record broke the book, that has been told: from here on the file is believed, and what is behind it is judged by
        // itself. Otherwise replay is.
        if self.broken
            && stated.h == ours.h
            && let Ok(book) = file.restore()
        {
            self.broken = false;
            self.book.adopt(book);
            if let Some(last) = self.recent.back_mut().filter(|last| last.seq == seq) {
                last.closings = file.closings().clone();
            }
        }
        Ok(())
    }

    /// The end of the journal, or of what damage left of it.
    pub fn end(mut self, end: Option<u64>) -> Result<Findings, VerifyError> {
        if let Some(odd) = self.times.end() {
            self.odd(odd);
        }
        let unreadable = |source| VerifyError::Unreadable { path: JOURNAL_DIR.to_owned(), source };
        if !self.missing.is_empty() {
            // An engine may have retired them while we read.
            let mut retired = 0;
            walk_from(self.storage, self.last, end, |_, record| {
                if let Ok(Some(Entry::SnapshotRetired(said))) = Entry::parse(record.kind, record.payload) {
                    retired = retired.max(said.upto);
                }
                Ok(())
            })
            .map_err(unreadable)?;
            self.retired(retired);
        }
        for (seq, taken) in std::mem::take(&mut self.missing) {
            let detail = format!("the journal names it by the sum {}, and it is not there", taken.sha256);
            self.found.add(of_file(Class::SnapshotMissing, seq, 0, 0, detail));
        }
        for (seq, sound) in &self.files.by_seq {
            if sound.is_none() || self.named.contains(seq) {
                continue;
            }
            if *seq > self.last {
                // What damage took is not looked for.
                if end.is_none() {
                    let detail = format!("is of record {seq}, but the journal ends with {}", self.last);
                    self.found.add(of_file(Class::SnapshotUnbound, *seq, 1, 0, detail));
                }
            } else {
                self.deep.unnamed += 1;
            }
        }
        self.booked_twice(end).map_err(unreadable)?;
        self.deep.in_doubt = self.book.in_doubt(self.now).count() as u64;
        self.deep.discrepancies = self.book.discrepancies().count() as u64;
        let mut found = self.found;
        found.deep = Some(self.deep);
        Ok(found)
    }

    /// Ids that were booked again after the running fold had forgotten them.
    fn booked_twice(&mut self, end: Option<u64>) -> io::Result<()> {
        let first = std::mem::replace(&mut self.ids, Filter::new(0, 1, 0));
        let mut todo = vec![(0, 1, Some(first))];
        while let Some((part, parts, filter)) = todo.pop() {
            let filter = match filter {
                Some(filter) => filter,
                None => self.filter(part, parts, end)?,
            };
            match filter.suspects() {
                // Too many: each of four smaller parts alone.
                None => todo.extend((0..4).map(|number| (part + number * parts, parts * 4, None))),
                Some(suspects) if suspects.is_empty() => {}
                Some(suspects) => self.exactly(suspects, end)?,
            }
        }
        Ok(())
    }

    fn filter(&self, part: u64, parts: u64, end: Option<u64>) -> io::Result<Filter> {
        let mut filter = Filter::new(part, parts, SUSPECTS_MAX);
        walk(self.storage, end, |_, record| {
            if let Some(mark) = id_of(record) {
                filter.see(&mark);
            }
            Ok(())
        })?;
        Ok(filter)
    }

    fn exactly(&mut self, mut suspects: Suspects, end: Option<u64>) -> io::Result<()> {
        walk(self.storage, end, |place, record| {
            if let Some(mark) = id_of(record)
                && let Some(first) = suspects.see(&mark, record.seq)
                && !self.blamed.contains(&record.seq)
            {
                let detail = format!("id-reused: {} was booked by record {first} already", record.kind);
                self.found.add(at(Class::Ledger, place, record.seq, detail));
            }
            Ok(())
        })
    }
}

fn id_of(record: &Record<'_>) -> Option<ledger::Mark> {
    let entry = Entry::parse(record.kind, record.payload).ok().flatten()?;
    let (kind, id) = ledger::once(&entry)?;
    Some(ledger::mark(kind, id))
}

fn words(violation: &ledger::Violation) -> String {
    match &violation.difference {
        Some(difference) => format!("{violation}; difference {difference}"),
        None => violation.to_string(),
    }
}

fn at(class: Class, place: &Place, seq: u64, detail: String) -> Violation {
    Violation { class, file: place.file.clone(), line: place.line, seq, offset: place.offset, detail }
}
