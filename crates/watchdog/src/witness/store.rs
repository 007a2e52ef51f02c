//! The witness's own store: one file an origin, lines chained as in a journal, each on disk before it is answered. Only ever
//! appended to; when it grows large, it is begun anew with what is remembered, and its first line names the old end.

use super::judge::{Alarm, Finding, Memory, Point};
use crate::disk::replace;
use crate::heart::time::{Boot, Wall};
use failstop_journal::Head;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file larger than this is begun anew, bytes.
const FILE_MAX: u64 = 1024 * 1024;

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
    path: PathBuf,
    origin: String,
    file: File,
    bytes: u64,
    head: Head,
    memory: Memory,
}

/// Why a store is no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("the witness's store {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this program wrote.
    #[error(
        "the witness's store {path} is damaged at line {line}\n  next: find out who wrote to it; move it away to begin anew, and say so to whoever relies on it"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
    },
}

impl Store {
    /// Opens the store of an origin, or begins it. A last line that a crash cut short is dropped: nobody was answered on it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path, origin: &str) -> Result<Self, StoreError> {
        let path = folder.join(format!("{origin}.ndjson"));
        let io = |source| StoreError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(io)?;
        let mut text = Vec::new();
        (&mut file).take(FILE_MAX * 4).read_to_end(&mut text).map_err(io)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (memory, head) =
            replay(&text[..whole], origin).map_err(|line| StoreError::Damaged { path: path.clone(), line })?;
        if whole < text.len() {
            file.set_len(whole as u64).and_then(|()| file.sync_all()).map_err(io)?;
        }
        let mut store = Self { path, origin: origin.to_owned(), file, bytes: whole as u64, head, memory };
        if whole == 0 {
            store.append(&Entry::Begin { format: FORMAT.to_owned(), origin: origin.to_owned(), continues: None })?;
            if let Some(folder) = store.path.parent() {
                File::open(folder)
                    .and_then(|folder| folder.sync_all())
                    .map_err(|source| StoreError::Io { path: store.path.clone(), source })?;
            }
        }
        Ok(store)
    }

    /// Reads the store of an origin beside a running watchdog: nothing is written, and a line that is being written is not seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(folder: &Path, origin: &str) -> Result<Self, StoreError> {
        let path = folder.join(format!("{origin}.ndjson"));
        let io = |source| StoreError::Io { path: path.clone(), source };
        let mut file = File::open(&path).map_err(io)?;
        let mut text = Vec::new();
        (&mut file).take(FILE_MAX * 4).read_to_end(&mut text).map_err(io)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (memory, head) =
            replay(&text[..whole], origin).map_err(|line| StoreError::Damaged { path: path.clone(), line })?;
        Ok(Self { path, origin: origin.to_owned(), file, bytes: whole as u64, head, memory })
    }

    /// What is remembered.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The store's own last hash: what anchors it somewhere else.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The system.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Remembers a record; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is remembered.
    pub fn remember(&mut self, finding: &Finding, seen: Option<Boot>) -> Result<(), StoreError> {
        self.append(&Entry::Agreed { jid: finding.jid.clone(), point: finding.point.clone(), proved: finding.proved })?;
        self.memory.remember(finding, seen);
        if self.bytes > FILE_MAX { self.begin_anew() } else { Ok(()) }
    }

    /// Raises an alarm; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; the alarm stands in memory all the same.
    pub fn raise(&mut self, alarm: Alarm) -> Result<(), StoreError> {
        let written = self.append(&Entry::Alarm(alarm.clone()));
        self.memory.alarm = Some(alarm);
        written
    }

    /// An operator releases it.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not released.
    pub fn release(&mut self, by: &str, at: Wall) -> Result<(), StoreError> {
        self.append(&Entry::Released { by: by.to_owned(), at })?;
        self.memory.release();
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        let (line, head) = chained(&self.head, entry);
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What is there of the line must not be taken for one later.
            let _ = self.file.set_len(self.bytes);
            return Err(io(source));
        }
        self.head = head;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn begin_anew(&mut self) -> Result<(), StoreError> {
        let zero = zero();
        let begin = Entry::Begin {
            format: FORMAT.to_owned(),
            origin: self.origin.clone(),
            continues: Some(self.head.to_string()),
        };
        let (mut text, mut head) = chained(&zero, &begin);
        for point in &self.memory.points {
            let entry =
                Entry::Agreed { jid: self.memory.jid.clone(), point: point.clone(), proved: self.memory.proved };
            let (line, next) = chained(&head, &entry);
            text.extend_from_slice(&line);
            head = next;
        }
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        replace(&self.path, &text, true).map_err(io)?;
        self.file = OpenOptions::new().append(true).open(&self.path).map_err(io)?;
        self.bytes = text.len() as u64;
        self.head = head;
        Ok(())
    }
}

fn zero() -> Head {
    #[expect(clippy::expect_used, reason = "64 zeros are 64 digits")]
    Head::from_hex(&[b'0'; 64]).expect("64 digits")
}

/// The entry's line and its hash.
fn chained(previous: &Head, entry: &Entry) -> (Vec<u8>, Head) {
    let mut line = serde_json::to_vec(entry).unwrap_or_default();
    // The object stays open for the hash.
    line.pop();
    let head = previous.next(&line);
    line.extend_from_slice(format!(",\"h\":\"{head}\"}}\n").as_bytes());
    (line, head)
}

/// What the lines add up to, or the number of the first that is not ours.
fn replay(text: &[u8], origin: &str) -> Result<(Memory, Head), usize> {
    let mut memory = Memory::default();
    let mut head = zero();
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let wrong = || index + 1;
        let (body, tail) = line.split_at_checked(line.len().saturating_sub(73)).ok_or_else(wrong)?;
        let stated =
            tail.strip_prefix(b",\"h\":\"").and_then(|rest| rest.strip_suffix(b"\"}\n")).and_then(Head::from_hex);
        head = head.next(body);
        if stated != Some(head) {
            return Err(wrong());
        }
        let entry: Entry = serde_json::from_slice(line.trim_ascii_end()).map_err(|_| wrong())?;
        match entry {
            Entry::Begin { format, origin: of, .. } => {
                if index != 0 || format != FORMAT || of != origin {
                    return Err(wrong());
                }
            }
            Entry::Agreed { jid, point, proved } => memory.remember(&Finding { point, jid, proved }, None),
            Entry::Alarm(alarm) => memory.alarm = Some(alarm),
            Entry::Released { .. } => memory.release(),
        }
        if index == 0 && !matches!(line.get(..16), Some(b"{\"kind\":\"begin\",")) {
            return Err(wrong());
        }
    }
    Ok((memory, head))
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
        store.bytes = FILE_MAX;
        let old = store.head();
        store.remember(&finding(2), None).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&format!("\"continues\":\"{old}\"")) && text.contains("\"continues\":\""));
        store.remember(&finding(3), None).unwrap();
        let again = Store::open(folder.path(), "demo").unwrap();
        assert_eq!(again.memory().points.iter().map(|point| point.seq).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
