//! The highest head that each system has shown, durable within two seconds, whether or not it could be proved yet: what a system
//! showed shortly before it was stopped or killed must not be gone when it comes back.
//!
//! One file for all of them, so that however many systems show a head each second, the disk is waited for once.

use super::chained::{Chained, StoreError};
use super::judge::Point;
use crate::heart::time::Boot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The disk is waited for no more often than this, milliseconds. The first head after as long without one is written at once.
const SYNC_EVERY_MS: u64 = 2_000;

/// The format's name.
const FORMAT: &str = "failstop-witness-shown/1";

/// What one line says. The words are part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Entry {
    /// The file begins. `continues`: the last hash of the file before.
    Begin { format: String, continues: Option<String> },
    /// A system showed this as its head.
    Shown {
        origin: String,
        jid: Option<String>,
        #[serde(flatten)]
        point: Point,
    },
    /// What it showed counts no more: an operator accepted what is there now.
    Released { origin: String },
}

/// A head and the journal that it is of, where that was said.
pub type Kept = (Option<String>, Point);

/// The file.
#[derive(Debug)]
pub struct ShownLog {
    file: Chained,
    latest: BTreeMap<String, Kept>,
    /// Not written yet.
    waiting: BTreeMap<String, Kept>,
    synced: Option<Boot>,
}

impl ShownLog {
    /// Opens the file, or begins it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let begin = Entry::Begin { format: FORMAT.to_owned(), continues: None };
        let mut latest = BTreeMap::new();
        let file = Chained::open(path, &begin, |index, entry| match entry {
            Entry::Begin { format, .. } => index == 0 && format == FORMAT,
            Entry::Shown { origin, jid, point } => {
                latest.insert(origin, (jid, point));
                index > 0
            }
            Entry::Released { origin } => {
                latest.remove(&origin);
                index > 0
            }
        })?;
        Ok(Self { file, latest, waiting: BTreeMap::new(), synced: None })
    }

    /// What a system showed last before this life of the watchdog.
    pub fn of(&self, origin: &str) -> Option<&Kept> {
        self.latest.get(origin)
    }

    /// A system showed a higher head than ever before.
    pub fn note(&mut self, origin: &str, jid: Option<String>, point: Point) {
        self.waiting.insert(origin.to_owned(), (jid, point));
    }

    /// When what waits is to be written; `None`: nothing does.
    pub fn due(&self) -> Option<Boot> {
        (!self.waiting.is_empty()).then(|| self.synced.map_or(Boot(i64::MIN), |at| at.plus(SYNC_EVERY_MS)))
    }

    /// Writes what waits, where it is due; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; what waits is tried again two seconds later.
    pub fn write_where_due(&mut self, now: Boot) -> Result<(), StoreError> {
        if self.due().is_none_or(|at| now < at) {
            return Ok(());
        }
        self.synced = Some(now);
        let entries: Vec<Entry> = self.waiting.iter().map(|(origin, kept)| entry(origin, kept)).collect();
        self.file.append(&entries)?;
        self.latest.append(&mut self.waiting);
        if !self.file.is_full() {
            return Ok(());
        }
        let begin = Entry::Begin { format: FORMAT.to_owned(), continues: Some(self.file.head().to_string()) };
        let kept = self.latest.iter().map(|(origin, kept)| entry(origin, kept));
        let entries: Vec<Entry> = std::iter::once(begin).chain(kept).collect();
        self.file.begin_anew(&entries)
    }

    /// An operator accepts what a system shows now; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; then it still counts.
    pub fn release(&mut self, origin: &str) -> Result<(), StoreError> {
        self.file.append(&[Entry::Released { origin: origin.to_owned() }])?;
        self.latest.remove(origin);
        self.waiting.remove(origin);
        Ok(())
    }
}

fn entry(origin: &str, (jid, point): &Kept) -> Entry {
    Entry::Shown { origin: origin.to_owned(), jid: jid.clone(), point: point.clone() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::super::chained::FILE_MAX;
    use super::*;
    use crate::heart::time::Wall;

    fn point(seq: u64) -> Point {
        Point { seq, head: format!("{seq:064x}"), at: Wall(7) }
    }

    fn seq(log: &ShownLog, origin: &str) -> Option<u64> {
        log.of(origin).map(|(_, point)| point.seq)
    }

    #[test]
    fn what_was_shown_is_there_after_a_restart_and_the_disk_is_waited_for_seldom() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shown.ndjson");
        let mut log = ShownLog::open(&path).unwrap();
        let again = || ShownLog::open(&path).unwrap();
        assert_eq!(log.due(), None);
        log.note("a", Some("j".to_owned()), point(5));
        log.write_where_due(Boot(-2000)).unwrap();
        assert_eq!(seq(&again(), "a"), Some(5), "at once");
        log.note("a", None, point(6));
        log.note("b", None, point(1));
        log.note("a", None, point(7));
        assert_eq!(log.due(), Some(Boot(0)));
        log.write_where_due(Boot(-1)).unwrap();
        assert_eq!(seq(&again(), "a"), Some(5), "not yet");
        let size = std::fs::metadata(&path).unwrap().len();
        log.write_where_due(Boot(0)).unwrap();
        assert_eq!((seq(&again(), "a"), seq(&again(), "b"), log.due()), (Some(7), Some(1), None));
        assert!(std::fs::metadata(&path).unwrap().len() - size < 500, "one line each");
    }

    #[test]
    fn what_was_released_counts_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shown.ndjson");
        let mut log = ShownLog::open(&path).unwrap();
        log.note("a", None, point(5));
        log.write_where_due(Boot(0)).unwrap();
        log.note("a", None, point(6));
        log.release("a").unwrap();
        assert_eq!((log.due(), seq(&log, "a"), seq(&ShownLog::open(&path).unwrap(), "a")), (None, None, None));
    }

    #[test]
    fn it_stays_bounded_and_damage_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shown.ndjson");
        let mut log = ShownLog::open(&path).unwrap();
        for n in 1..=9 {
            log.note("a", None, point(n));
            log.note("b", None, point(n));
            log.file.grow(if n == 9 { FILE_MAX } else { 100 });
            log.write_where_due(Boot(i64::try_from(n).unwrap() * 2000)).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("\"continues\":\""));
        assert_eq!(seq(&ShownLog::open(&path).unwrap(), "b"), Some(9));
        std::fs::write(&path, text.replace("\"seq\":9", "\"seq\":8")).unwrap();
        assert!(matches!(ShownLog::open(&path), Err(StoreError::Damaged { line: 2, .. })));
    }
}
