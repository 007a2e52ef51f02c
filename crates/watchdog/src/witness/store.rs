//! The witness's own store: one file an origin, lines chained as in a journal, each on disk before it is answered. Only ever
//! appended to; when it grows large, it is begun anew with what is remembered, and its first line names the old end.

pub use super::chained::StoreError;

use super::chained::Chained;
use super::judge::{Alarm, Finding, Memory, Point};
use crate::heart::order::Shown;
use crate::heart::time::{Boot, Wall};
use failstop_journal::Head;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What one line says. The words are part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Entry {
    /// The file begins. `continues`: the last hash of the file before.
    Begin {
        /// The format's name.
        format: String,
        /// The system.
        origin: String,
        /// Where the file before ended.
        continues: Option<String>,
    },
    /// A record was agreed on.
    Agreed {
        /// The journal's id.
        jid: Option<String>,
        /// The record.
        #[serde(flatten)]
        point: Point,
        /// Whether it was recomputed.
        proved: bool,
    },
    /// An alarm.
    Alarm(Alarm),
    /// An operator released it.
    Released {
        /// Who.
        by: String,
        /// When.
        at: Wall,
    },
}

/// The format's name.
pub const FORMAT: &str = "failstop-witness/1";

/// The memory of one origin and its file.
#[derive(Debug)]
pub struct Store {
    origin: String,
    file: Chained,
    memory: Memory,
}

impl Store {
    /// Opens the store of an origin, or begins it. A last line that a crash cut short is dropped: nobody was answered on it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path, origin: &str) -> Result<Self, StoreError> {
        let begin = Entry::Begin { format: FORMAT.to_owned(), origin: origin.to_owned(), continues: None };
        let mut memory = Memory::default();
        let path = folder.join(format!("{origin}.ndjson"));
        let file = Chained::open(&path, &begin, |index, entry| take(&mut memory, origin, index, entry))?;
        Ok(Self { origin: origin.to_owned(), file, memory })
    }

    /// Reads the store of an origin beside a running watchdog: nothing is written, and a line that is being written is not seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(folder: &Path, origin: &str) -> Result<Self, StoreError> {
        let mut memory = Memory::default();
        let path = folder.join(format!("{origin}.ndjson"));
        let file = Chained::read(&path, |index, entry| take(&mut memory, origin, index, entry))?;
        Ok(Self { origin: origin.to_owned(), file, memory })
    }

    /// What is remembered.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The store's own last hash: what anchors it somewhere else.
    pub fn head(&self) -> Head {
        self.file.head()
    }

    /// The system.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// A head was shown: where it is the highest so far, it is what must not be gone later, proved or not. The record then, for
    /// [`ShownLog`](super::shown::ShownLog).
    pub fn saw(&mut self, shown: &Shown, at: Wall, seen: Boot) -> Option<Point> {
        self.memory.saw(shown, at, Some(seen))
    }

    /// A head that an earlier life of the watchdog was shown.
    pub fn recall(&mut self, jid: Option<&str>, point: &Point) {
        let jid = jid.unwrap_or_default().to_owned();
        let shown = Shown { jid, seq: point.seq, head: point.head.clone(), asked: None };
        if self.memory.jid.as_deref().is_none_or(|pinned| shown.jid.is_empty() || shown.jid == pinned) {
            self.memory.saw(&shown, point.at, None);
        }
    }

    /// Remembers a record; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is remembered.
    pub fn remember(&mut self, finding: &Finding, seen: Option<Boot>) -> Result<(), StoreError> {
        let entry = Entry::Agreed { jid: finding.jid.clone(), point: finding.point.clone(), proved: finding.proved };
        self.file.append(&[entry])?;
        self.memory.remember(finding, seen);
        if self.file.is_full() { self.begin_anew() } else { Ok(()) }
    }

    /// Raises an alarm; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; the alarm stands in memory all the same.
    pub fn raise(&mut self, alarm: Alarm) -> Result<(), StoreError> {
        let written = self.file.append(&[Entry::Alarm(alarm.clone())]);
        self.memory.alarm = Some(alarm);
        written
    }

    /// An operator releases it.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not released.
    pub fn release(&mut self, by: &str, at: Wall) -> Result<(), StoreError> {
        self.file.append(&[Entry::Released { by: by.to_owned(), at }])?;
        self.memory.release();
        Ok(())
    }

    fn begin_anew(&mut self) -> Result<(), StoreError> {
        let begin = Entry::Begin {
            format: FORMAT.to_owned(),
            origin: self.origin.clone(),
            continues: Some(self.head().to_string()),
        };
        let agreed = self.memory.points.iter().map(|point| Entry::Agreed {
            jid: self.memory.jid.clone(),
            point: point.clone(),
            proved: self.memory.proved,
        });
        let entries: Vec<Entry> = std::iter::once(begin).chain(agreed).collect();
        self.file.begin_anew(&entries)
    }
}

/// Takes a line in; `false` where it is not ours.
fn take(memory: &mut Memory, origin: &str, index: usize, entry: Entry) -> bool {
    match entry {
        Entry::Begin { format, origin: of, .. } => return index == 0 && format == FORMAT && of == origin,
        Entry::Agreed { jid, point, proved } => memory.remember(&Finding { point, jid, proved }, None),
        Entry::Alarm(alarm) => memory.alarm = Some(alarm),
        Entry::Released { .. } => memory.release(),
    }
    index > 0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn finding(seq: u64) -> Finding {
        let point = Point { seq, head: format!("{seq:064x}"), at: Wall(7) };
        Finding { point, jid: Some("j".into()), proved: true }
    }

    #[test]
    fn what_is_remembered_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), "demo").unwrap();
        store.remember(&finding(5), None).unwrap();
        store.remember(&finding(9), None).unwrap();
        let head = store.head();
        let again = Store::open(folder.path(), "demo").unwrap();
        assert_eq!((again.memory(), again.head()), (store.memory(), head));
        store.raise(Alarm { found: "x".into(), last_agreed: Some(5), at: Wall(8) }).unwrap();
        assert!(Store::open(folder.path(), "demo").unwrap().memory().alarm.is_some());
        store.release("ana", Wall(9)).unwrap();
        assert_eq!(*Store::open(folder.path(), "demo").unwrap().memory(), Memory::default());
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_any_other_damage_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.ndjson");
        let mut store = Store::open(folder.path(), "demo").unwrap();
        store.remember(&finding(5), None).unwrap();
        let before = std::fs::read(&path).unwrap();
        store.remember(&finding(9), None).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for end in before.len()..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(Store::open(folder.path(), "demo").unwrap().memory().last().unwrap().seq, 5);
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
        for at in 0..whole.len() - 1 {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(Store::open(folder.path(), "demo"), Err(StoreError::Damaged { .. })), "byte {at}");
            assert_eq!(std::fs::read(&path).unwrap(), bad, "and left as it is");
        }
    }

    #[test]
    fn it_stays_bounded_and_names_its_old_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.ndjson");
        let mut store = Store::open(folder.path(), "demo").unwrap();
        store.remember(&finding(1), None).unwrap();
        store.file.grow(super::super::chained::FILE_MAX);
        let old = store.head();
        store.remember(&finding(2), None).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&format!("\"continues\":\"{old}\"")) && text.contains("\"continues\":\""));
        store.remember(&finding(3), None).unwrap();
        let again = Store::open(folder.path(), "demo").unwrap();
        assert_eq!(again.memory().points.iter().map(|point| point.seq).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
