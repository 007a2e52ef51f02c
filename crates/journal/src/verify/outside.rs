//! What somebody outside the host remembers of a journal (`docs/witness-format.md`), against the journal: a chain without a key
//! detects neither a rollback nor a rewriting by itself.

use super::report::{Class, Outcome, Report, Violation, Witnessed};
use super::scan::pieces::line_before;
use super::since::opening;
use super::{VerifyError, list};
use crate::chain::Head;
use crate::jid::Jid;
use crate::journal::path_of;
use crate::range::{next_line, seek};
use crate::segment::segment_name;
use crate::storage::{Disk, Storage, StorageFile};
use serde::Deserialize;
use std::io;
use std::path::Path;

/// The format's name.
const FORMAT: &str = "failstop-witness/1";

/// The most that is read of a witness's memory: 256 points are some 50 kB.
pub const MEMORY_MAX_BYTES: u64 = 1 << 20;

/// What a witness remembers of one journal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Memory {
    format: String,
    /// The witness's name.
    pub witness: String,
    /// The system's name, as the witness knows it.
    pub origin: String,
    /// The journal's identity; `None` before the first contact.
    pub jid: Option<Jid>,
    /// Records that were agreed on, oldest first.
    pub points: Vec<Point>,
    /// The highest head that was shown since the last of them.
    #[serde(default)]
    pub shown: Option<Point>,
    /// What the witness found to be wrong.
    pub alarm: Option<Alarm>,
}

/// What a look at a witness's memory says, without a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The last record on which both agree.
    pub last_agreed: Option<u64>,
    /// The last record that the witness has agreed on and made durable itself.
    pub kept: Option<u64>,
    /// Where they do not agree, in words.
    pub disagreement: Option<String>,
}

/// A record as a witness remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Point {
    /// Its sequence number.
    pub seq: u64,
    /// Its hash.
    pub head: Head,
    /// When, RFC 3339.
    pub at: String,
}

/// What a witness found to be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Alarm {
    /// In a sentence.
    pub found: String,
    /// The last record on which both agreed.
    pub last_agreed: Option<u64>,
    /// When, RFC 3339.
    pub at: String,
}

/// Why a text is no witness's memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Not the JSON of it.
    #[error("this is no witness's memory: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format.
    #[error("this is no witness's memory in the form failstop-witness/1: its format is {0:?}")]
    Format(String),
    /// Its points do not rise.
    #[error("this witness's memory contradicts itself: its records are not in order at {0}")]
    Order(u64),
}

impl Memory {
    /// Reads what `GET /witness/NAME` answers or `witness export` wrote.
    ///
    /// # Errors
    ///
    /// [`MemoryError`].
    pub fn parse(text: &[u8]) -> Result<Self, MemoryError> {
        let mut memory: Self = serde_json::from_slice(text)?;
        if memory.format != FORMAT {
            return Err(MemoryError::Format(memory.format));
        }
        let mut last = 0;
        for point in &memory.points {
            if point.seq <= last {
                return Err(MemoryError::Order(point.seq));
            }
            last = point.seq;
        }
        // What was shown last and is agreed on since says nothing more.
        memory.shown = memory.shown.filter(|shown| shown.seq > last);
        Ok(memory)
    }

    /// Everything that the journal must have, in order.
    fn all(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().chain(&self.shown)
    }

    /// The highest record that the journal must have.
    pub fn highest(&self) -> Option<&Point> {
        self.all().last()
    }

    /// Compares it with a journal and adds to its report what that says. To be asked for before the journal is verified: what a
    /// witness remembers was durable by then.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] where the journal cannot be read.
    pub fn compare(&self, state: &Path, report: &mut Report) -> Result<(), VerifyError> {
        self.compare_with(&Disk::new(state), report).map_err(|error| error.below(state))
    }

    /// Compares it with the records' own hash texts, without a verification of the chain: for whoever has verified that, or
    /// only wants to know how far the witness is.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] where the journal cannot be read.
    pub fn agreement(&self, state: &Path) -> Result<Agreement, VerifyError> {
        self.agreement_in(&Disk::new(state)).map_err(|error| error.below(state))
    }

    fn agreement_in<S: Storage>(&self, storage: &S) -> Result<Agreement, VerifyError> {
        let firsts = list(storage)?;
        let jid = match firsts.last() {
            Some(first) => jid_of(storage, *first)?,
            None => None,
        };
        let report = Report { jid, ..Report::without_a_verdict() };
        let (said, found) = self.look(storage, &report)?;
        let disagreement = found.into_iter().next().map(|violation| violation.detail);
        let kept = self.points.last().map(|point| point.seq).filter(|_| disagreement.is_none());
        Ok(Agreement { last_agreed: said.last_agreed, kept, disagreement })
    }

    pub(crate) fn compare_with<S: Storage>(&self, storage: &S, report: &mut Report) -> Result<(), VerifyError> {
        let (said, found) = self.look(storage, report)?;
        report.witness = Some(said);
        if !found.is_empty() {
            report.violations.extend(found);
            report.result = Outcome::Violated;
        }
        Ok(())
    }

    /// What it says of the journal that a report is about, and where that is otherwise.
    fn look<S: Storage>(&self, storage: &S, report: &Report) -> Result<(Witnessed, Vec<Violation>), VerifyError> {
        let mut found = Vec::new();
        let mut said = Witnessed { witness: self.witness.clone(), agreed: 0, last_agreed: None };
        let another = match (report.jid, self.jid) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                Some(format!("{} remembers journal {theirs}; this is journal {ours}", self.witness))
            }
            _ => None,
        };
        if let Some(detail) = another {
            found.push(Violation { class: Class::Rewrite, file: segment_name(1), line: 0, seq: 1, offset: 0, detail });
        } else {
            self.walk(storage, report, &mut said, &mut found)?;
        }
        if let Some(alarm) = &self.alarm {
            let Alarm { found: what, last_agreed, at } = alarm;
            let agreed = last_agreed.map_or_else(String::new, |seq| format!("; it last agreed on record {seq}"));
            let detail = format!("{} raised an alarm at {at}: {what}{agreed}", self.witness);
            let seq = last_agreed.map_or(1, |seq| seq + 1);
            found.push(Violation { class: Class::Rewrite, file: segment_name(1), line: 0, seq, offset: 0, detail });
        }
        Ok((said, found))
    }

    /// Looks at each record that the witness remembers, up to the first that differs.
    fn walk<S: Storage>(
        &self,
        storage: &S,
        report: &Report,
        said: &mut Witnessed,
        found: &mut Vec<Violation>,
    ) -> Result<(), VerifyError> {
        let firsts = list(storage)?;
        let have = report.head.map(|head| head.seq);
        // Damage behind the last verified record may have taken what was there; any other has nothing to do with it.
        let takes = |found: &Violation| found.class.takes_records() && have.is_none_or(|have| found.seq > have);
        let explained = report.more_violations > 0 || report.violations.iter().any(takes);
        let agreed = |last: Option<u64>| match last {
            Some(seq) => format!("the last record on which both agree is {seq}"),
            None => "no record is known on which both agree".to_owned(),
        };
        for point in self.all() {
            let index = firsts.partition_point(|first| *first <= point.seq).checked_sub(1);
            let first = index.map_or(1, |index| firsts[index]);
            let Point { seq, head, at } = point;
            let witness = &self.witness;
            let mut differs = |class, line, offset, what: String| {
                let detail = format!("{what}; {}", agreed(said.last_agreed));
                found.push(Violation { class, file: segment_name(first), line, seq: *seq, offset, detail });
            };
            match record(storage, first, *seq)? {
                Some((_, _, found)) if found == *head => {
                    said.agreed += 1;
                    said.last_agreed = Some(*seq);
                    continue;
                }
                Some((line, offset, found)) => {
                    let what = format!("record {seq} has the hash {found}; {witness} saw {head} at {at}");
                    differs(Class::Rewrite, line, offset, what);
                }
                None if have.is_none_or(|have| *seq > have) && !explained => {
                    let ends = match have {
                        Some(have) => format!("the journal ends with record {have}"),
                        None => format!("the journal has no record {seq}"),
                    };
                    let what = format!("{ends}; {witness} saw record {seq} at {at}");
                    differs(Class::Rollback, 0, 0, what);
                }
                // Why it is not where it must be stands in the report already.
                None => {}
            }
            break;
        }
        Ok(())
    }
}

/// Whose journal a segment's first line says that it is.
fn jid_of<S: Storage>(storage: &S, first: u64) -> Result<Option<Jid>, VerifyError> {
    let path = path_of(&segment_name(first));
    let file = storage.open(&path).map_err(|source| VerifyError::Unreadable { path, source })?;
    Ok(opening(&file, first).map(|(open, _)| open.jid))
}

/// A record's line, where it begins, and its hash.
fn record<S: Storage>(storage: &S, first: u64, seq: u64) -> Result<Option<(u64, u64, Head)>, VerifyError> {
    let path = path_of(&segment_name(first));
    let read = || -> io::Result<Option<(u64, u64, Head)>> {
        let file = match storage.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.len()?;
        let Some(start) = seek(&file, first, seq, length)? else { return Ok(None) };
        let Some(end) = next_line(&file, start, length + 1)? else { return Ok(None) };
        let last = line_before(&file, end)?.filter(|last| last.seq == seq);
        Ok(last.map(|last| (seq + 1 - first, start, last.head)))
    };
    read().map_err(|source| VerifyError::Unreadable { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::journal::{Importance, Settings};
    use crate::recovery::recover;
    use crate::time::Wall;
    use crate::verify::verify;

    /// A journal of three segments, and the hash of each record.
    fn journal(state: &Path, salt: &str) -> Vec<Head> {
        let mut settings = Settings::new("demo", "boot", "test");
        (settings.ballast_bytes, settings.roll_bytes) = (0, 4_000);
        let mut journal = recover(Disk::new(state), settings, None).unwrap().start(1, Wall(1)).unwrap();
        for number in 0..30 {
            journal
                .stage(Wall(2), "x.note", &format!("{{\"n\":{number},\"s\":\"{salt}\"}}"), Importance::Ordinary)
                .unwrap();
            journal.commit().unwrap();
        }
        let mut heads = Vec::new();
        crate::read_records(state, 1, |record| -> io::Result<()> {
            heads.push(record.head);
            Ok(())
        })
        .unwrap();
        heads
    }

    fn memory(jid: Jid, points: &[(u64, Head)], shown: Option<(u64, Head)>) -> Memory {
        let point = |(seq, head): &(u64, Head)| Point { seq: *seq, head: *head, at: "then".to_owned() };
        Memory {
            format: FORMAT.to_owned(),
            witness: "wd1".to_owned(),
            origin: "demo".to_owned(),
            jid: Some(jid),
            points: points.iter().map(point).collect(),
            shown: shown.as_ref().map(point),
            alarm: None,
        }
    }

    fn judged(state: &Path, memory: &Memory) -> Report {
        let mut report = verify(state, &crate::verify::Options::default(), &|_| {}).unwrap();
        memory.compare(state, &mut report).unwrap();
        report
    }

    #[test]
    fn a_witness_agrees_or_says_from_where_on_it_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let heads = journal(dir.path(), "a");
        let at = |seq: u64| (seq, heads[usize::try_from(seq).unwrap() - 1]);
        let jid = verify(dir.path(), &crate::verify::Options::default(), &|_| {}).unwrap().jid.unwrap();
        let last = heads.len() as u64;

        let agreed = judged(dir.path(), &memory(jid, &[at(1), at(9), at(last - 1)], Some(at(last))));
        assert_eq!(agreed.result, Outcome::Intact, "{:?}", agreed.violations);
        assert_eq!((agreed.witness.as_ref().unwrap().agreed, agreed.witness.unwrap().last_agreed), (4, Some(last)));

        let other = (20, Head::genesis("x", &jid));
        let rewritten = judged(dir.path(), &memory(jid, &[at(1), at(9), other, at(25)], None));
        let found = &rewritten.violations[0];
        assert_eq!((found.class, found.seq, rewritten.violations.len()), (Class::Rewrite, 20, 1), "{found}");
        assert!(found.detail.contains("both agree is 9"), "{found}");

        let rolled_back = judged(dir.path(), &memory(jid, &[at(1), at(9)], Some((last + 5, other.1))));
        let found = &rolled_back.violations[0];
        assert_eq!((found.class, found.seq), (Class::Rollback, last + 5), "{found}");

        let another = judged(dir.path(), &memory(Jid::from_u128(5), &[at(1)], None));
        assert_eq!(another.violations[0].class, Class::Rewrite);

        let mut alarmed = memory(jid, &[at(1), at(9)], None);
        alarmed.alarm = Some(Alarm { found: "rollback".to_owned(), last_agreed: Some(9), at: "then".to_owned() });
        let alarmed = judged(dir.path(), &alarmed);
        assert_eq!((alarmed.result, alarmed.violations[0].seq), (Outcome::Violated, 10));
    }

    #[test]
    fn a_rollback_is_told_beside_whatever_else_is_wrong_unless_that_explains_it() {
        let dir = tempfile::tempdir().unwrap();
        let heads = journal(dir.path(), "a");
        let intact = verify(dir.path(), &crate::verify::Options::default(), &|_| {}).unwrap();
        let (jid, last) = (intact.jid.unwrap(), heads.len() as u64);
        let ahead = memory(jid, &[(9, heads[8])], Some((last + 5, heads[0])));

        // The list of sums has damage of its own.
        let list = dir.path().join("journal/SHA256SUMS");
        let mut sums = std::fs::read(&list).unwrap();
        sums[0] ^= 1;
        std::fs::remove_file(&list).unwrap();
        std::fs::write(&list, &sums).unwrap();
        let found = judged(dir.path(), &ahead).violations;
        let classes: Vec<Class> = found.iter().map(|violation| violation.class).collect();
        assert_eq!(classes, [Class::Sums, Class::Rollback], "{found:?}");
        sums[0] ^= 1;
        std::fs::write(&list, &sums).unwrap();

        // A snapshot is of a record that the journal does not have: that takes no record either.
        let unbound = Violation {
            class: Class::SnapshotUnbound,
            file: "snapshots/s-0000000000000099.ndjson".to_owned(),
            line: 1,
            seq: 99,
            offset: 0,
            detail: "is of record 99".to_owned(),
        };
        let mut report = Report { result: Outcome::Violated, violations: vec![unbound], ..intact.clone() };
        ahead.compare(dir.path(), &mut report).unwrap();
        assert_eq!(report.violations.last().unwrap().class, Class::Rollback, "{:?}", report.violations);

        // An incremental run read an old segment again, and found one record rotten.
        let rotten = Violation {
            class: Class::BodyChanged,
            file: segment_name(1),
            line: 5,
            seq: 5,
            offset: 0,
            detail: "the body of this record was changed".to_owned(),
        };
        let mut report = Report { result: Outcome::Violated, violations: vec![rotten], ..intact };
        ahead.compare(dir.path(), &mut report).unwrap();
        assert_eq!(report.violations.last().unwrap().class, Class::Rollback, "{:?}", report.violations);

        // Damage before it may have taken the record: why it is not there is known.
        let path = dir.path().join("journal").join(segment_name(list_of(dir.path())[0]));
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..].fill(0);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let found = judged(dir.path(), &ahead).violations;
        assert!(!found.is_empty() && found.iter().all(|violation| violation.class != Class::Rollback), "{found:?}");
    }

    fn list_of(state: &Path) -> Vec<u64> {
        list(&Disk::new(state)).unwrap()
    }

    #[test]
    fn only_a_memory_is_one() {
        let text = r#"{"format":"failstop-witness/1","witness":"wd1","origin":"demo","jid":null,"seq":null,"head":null,
            "at":null,"proved":false,"points":[],"shown":null,"alarm":null,"store_head":"x","later":1}"#;
        assert_eq!(Memory::parse(text.as_bytes()).unwrap().witness, "wd1");
        assert!(matches!(Memory::parse(text.replace("/1", "/2").as_bytes()), Err(MemoryError::Format(_))));
        assert!(matches!(Memory::parse(b"<html>"), Err(MemoryError::Json(_))));
        let head = "0".repeat(64);
        let points = format!(r#""points":[{{"seq":2,"head":"{head}","at":""}},{{"seq":2,"head":"{head}","at":""}}]"#);
        let out_of_order = text.replace(r#""points":[]"#, &points);
        assert!(matches!(Memory::parse(out_of_order.as_bytes()), Err(MemoryError::Order(2))));
    }
}
