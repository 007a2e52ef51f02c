//! The writer: formats records into a batch, writes a batch with one write and one fdatasync, and opens and seals segments.
//! One owner, no thread of its own; [`crate::Recorder`] is its thread in the engine, a simulation calls it directly.
//!
//! After a failed write or fdatasync that is not "disk full" the writer drops its descriptor and refuses everything: nothing is
//! ever appended after bytes whose fate is unknown, and nothing is acknowledged again by this process.

use crate::chain::{FORMAT, Head};
use crate::jid::Jid;
use crate::payload::{self, PayloadError};
use crate::record::{Envelope, SEG_CLOSE, SEG_OPEN, SEQ_END, encode, is_kind};
use crate::segment::{BALLAST, JOURNAL_DIR, PrevSegment, SUMS, SegClose, SegOpen, Torn, segment_name, sums_line};
use crate::sha256::FileDigest;
use crate::storage::{Storage, StorageFile};
use crate::time::Wall;
use crate::verify::{Position, Violation};
use std::io;

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The system's name.
    pub origin: String,
    /// The host's boot, as `/proc/sys/kernel/random/boot_id` has it; informs.
    pub boot: String,
    /// The program that writes; informs.
    pub writer: String,
    /// A segment is sealed before it would grow beyond this. Default 64 MiB.
    pub roll_bytes: u64,
    /// The size of the reserve that is given up when the disk is full; 0 for none. Default 64 MiB.
    pub ballast_bytes: u64,
}

impl Settings {
    /// The defaults.
    pub fn new(origin: impl Into<String>, boot: impl Into<String>, writer: impl Into<String>) -> Self {
        let (origin, boot, writer) = (origin.into(), boot.into(), writer.into());
        Self { origin, boot, writer, roll_bytes: 64 << 20, ballast_bytes: 64 << 20 }
    }
}

/// Why nothing was written, or not durably.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full. Nothing of the batch is in the journal; the ballast has been given up, and records marked as last
    /// words are still taken.
    #[error("no space left for the journal ({path}: {source}): free space, then start again")]
    NoSpace {
        /// What was being written.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed. Final for this process: what was written since the last commit may or may not be on the disk.
    #[error("{doing} {path}: {source}: the journal is closed until the next start, which reads back what the disk has")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier failure closed the journal for this process.
    #[error("the journal was closed by an earlier storage failure; start again")]
    Poisoned,
    /// Only last words are taken since the disk was found full.
    #[error("the journal takes only last words since the disk was found full; free space and start again")]
    OnlyLastWords,
    /// Not a record type.
    #[error("{kind:?} is no record type: 1 to 64 of a-z, 0-9, '.', '_', '-', and not seg.open or seg.close")]
    Kind {
        /// What was given.
        kind: String,
    },
    /// Not a payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// 2^53 records.
    #[error("the journal's sequence numbers are used up: retire it")]
    Exhausted,
}

impl JournalError {
    /// Whether the disk is full, after which last words are still taken.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }

    /// Whether the caller's record was refused and the journal itself is well.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Kind { .. } | Self::Payload(_))
    }
}

/// How important a record is once the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Not written any more.
    Ordinary,
    /// Written into the space that the ballast gave back: the halt itself.
    LastWords,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    Full,
    Poisoned,
}

/// A segment that is written to.
struct Open<F> {
    file: F,
    name: String,
    first: u64,
    day: u64,
    /// Durable bytes and records.
    bytes: u64,
    records: u64,
    /// Of those bytes but the last commit's, which wait in `undigested`.
    digest: FileDigest,
    undigested: Vec<u8>,
}

impl<F> Open<F> {
    fn digest(&mut self) {
        self.digest.update(&self.undigested);
        self.undigested.clear();
    }
}

/// The segment before the one to be opened.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub prev: PrevSegment,
    /// Its sum, while it is not in the list.
    pub digest: Option<[u8; 32]>,
}

enum Tail<F> {
    Open(Box<Open<F>>),
    Left(Option<Left>),
}

/// What recovery hands to the writer.
pub(crate) struct Begin {
    pub jid: Jid,
    pub position: Position,
    pub left: Option<Left>,
    pub segment: u64,
    pub sums: Vec<u8>,
    pub torn: Option<Torn>,
    pub damage: Option<Violation>,
}

/// A journal open for appending.
pub struct Journal<S: Storage> {
    storage: S,
    settings: Settings,
    jid: Jid,
    epoch: u64,
    state: State,
    started: bool,
    tail: Tail<S::File>,
    /// The list of sums as it is on the disk.
    sums: Vec<u8>,
    batch: Vec<u8>,
    batch_records: u64,
    staged: Position,
    durable: Position,
    /// The number of the last segment.
    segment: u64,
    torn: Option<Torn>,
    damage: Option<Violation>,
}

impl<S: Storage> Journal<S> {
    pub(crate) fn start(
        storage: S,
        settings: Settings,
        begin: Begin,
        epoch: u64,
        now: Wall,
    ) -> Result<Self, JournalError> {
        let Begin { jid, position, left, segment, sums, torn, damage } = begin;
        let mut journal = Self {
            storage,
            settings,
            jid,
            epoch,
            state: State::Well,
            started: false,
            tail: Tail::Left(left),
            sums,
            batch: Vec::new(),
            batch_records: 0,
            staged: position,
            durable: position,
            segment,
            torn,
            damage,
        };
        journal.open_segment(now)?;
        journal.started = true;
        journal.make_ballast();
        Ok(journal)
    }

    /// The journal's identity.
    pub fn jid(&self) -> Jid {
        self.jid
    }

    /// The epoch that it writes.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The last durable record.
    pub fn durable(&self) -> Position {
        self.durable
    }

    /// How many bytes wait for the next commit.
    pub fn staged_bytes(&self) -> usize {
        self.batch.len()
    }

    /// Formats a record into the batch and returns its sequence number. It is durable after the next [`Self::commit`]; writes
    /// by itself only where a segment has to be rolled first.
    ///
    /// # Errors
    ///
    /// [`JournalError`]; after a refusal ([`JournalError::is_refusal`]) the batch is as before, after anything else it is lost.
    pub fn stage(&mut self, now: Wall, kind: &str, payload: &str, importance: Importance) -> Result<u64, JournalError> {
        check(kind, payload)?;
        self.stage_checked(now, kind, payload, importance)
    }

    pub(crate) fn stage_checked(
        &mut self,
        now: Wall,
        kind: &str,
        payload: &str,
        importance: Importance,
    ) -> Result<u64, JournalError> {
        match self.state {
            State::Well => {}
            State::Full if importance == Importance::LastWords => {}
            State::Full => return Err(JournalError::OnlyLastWords),
            State::Poisoned => return Err(JournalError::Poisoned),
        }
        if self.rolls(now, kind.len() + payload.len()) {
            self.close_segment(now)?;
        }
        if matches!(self.tail, Tail::Left(_)) {
            self.open_segment(now)?;
        }
        self.format(now, kind, payload)
    }

    /// Makes the batch durable: one write, one fdatasync. Then it looks whether the file that it wrote to is still the one of its name:
    /// bytes in a file that was removed, or that something lies over, are on the disk and yet nobody reads them again.
    ///
    /// # Errors
    ///
    /// [`JournalError::NoSpace`]: nothing of the batch is in the journal. Anything else is final, and what became of the batch
    /// is known at the next start only.
    pub fn commit(&mut self) -> Result<Position, JournalError> {
        if self.state == State::Poisoned {
            return Err(JournalError::Poisoned);
        }
        if self.batch.is_empty() {
            return Ok(self.durable);
        }
        let Tail::Open(segment) = &mut self.tail else { return Err(JournalError::Poisoned) };
        if let Err(source) = write_all(&mut segment.file, &self.batch) {
            let path = path_of(&segment.name);
            if !is_no_space(&source) {
                return Err(self.poison("write to", path, source));
            }
            // The part that went in is taken back, durably, before anything else is written after it.
            let bytes = segment.bytes;
            if let Err(source) = segment.file.truncate(bytes).and_then(|()| segment.file.sync_data()) {
                return Err(self.poison("take back a partial write from", path, source));
            }
            return Err(self.full(path, source));
        }
        if let Err(source) = segment.file.sync_data() {
            let path = path_of(&segment.name);
            return Err(self.poison("fdatasync of", path, source));
        }
        let path = path_of(&segment.name);
        match self.storage.names(&path, &segment.file) {
            Ok(true) => {}
            Ok(false) => return Err(self.poison("find what was written at", path, io::Error::other(GONE))),
            Err(source) => return Err(self.poison("find what was written at", path, source)),
        }
        segment.bytes += self.batch.len() as u64;
        segment.records += self.batch_records;
        segment.digest();
        std::mem::swap(&mut segment.undigested, &mut self.batch);
        self.batch_records = 0;
        self.durable = self.staged;
        Ok(self.durable)
    }

    /// Adds what was committed last to the segment's sum. Worth calling while there is nothing better to do; the next commit does
    /// it otherwise.
    pub(crate) fn catch_up(&mut self) {
        if let Tail::Open(segment) = &mut self.tail {
            segment.digest();
        }
    }

    /// Commits and seals the last segment: what a graceful stop does last. The next record would open a new segment.
    ///
    /// # Errors
    ///
    /// As [`Self::commit`].
    pub fn seal(&mut self, now: Wall) -> Result<Position, JournalError> {
        if self.state == State::Poisoned {
            return Err(JournalError::Poisoned);
        }
        if matches!(self.tail, Tail::Open(_)) {
            self.close_segment(now)?;
        }
        self.list_sum()?;
        Ok(self.durable)
    }

    /// The storage, for what is kept beside the journal.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    fn rolls(&self, now: Wall, len: usize) -> bool {
        let Tail::Open(segment) = &self.tail else { return false };
        let grown = segment.bytes + self.batch.len() as u64 + len as u64 + LINE_OVERHEAD;
        // A segment always takes at least one record beside its own first line.
        segment.records + self.batch_records > 1
            && (grown + CLOSE_ROOM > self.settings.roll_bytes || now.day() > segment.day)
    }

    fn format(&mut self, at: Wall, kind: &str, payload: &str) -> Result<u64, JournalError> {
        let seq = self.staged.seq + 1;
        if seq >= SEQ_END {
            return Err(JournalError::Exhausted);
        }
        let envelope = Envelope { seq, durable: self.durable.seq, epoch: self.epoch, at, kind };
        let hash = encode(&mut self.batch, &envelope, payload, &self.staged.hash);
        self.batch_records += 1;
        self.staged = Position { seq, hash };
        Ok(seq)
    }

    fn close_segment(&mut self, now: Wall) -> Result<(), JournalError> {
        self.commit()?;
        let Tail::Open(segment) = &self.tail else { return Ok(()) };
        let close =
            SegClose { records: segment.records + 1, bytes: segment.bytes, first: segment.first, d: self.durable.seq };
        self.format(now, SEG_CLOSE, &json(&close))?;
        self.commit()?;
        self.catch_up();
        if let Tail::Open(segment) = std::mem::replace(&mut self.tail, Tail::Left(None)) {
            let Open { name, bytes, records, digest, .. } = *segment;
            let left = Left { prev: PrevSegment { name, bytes, records }, digest: Some(digest.finish()) };
            self.tail = Tail::Left(Some(left));
        }
        Ok(())
    }

    /// Protects the segment before and adds its sum to the list, if that has not been done. The list is replaced as a whole, so
    /// that no crash leaves half a line in it.
    fn list_sum(&mut self) -> Result<(), JournalError> {
        let Tail::Left(Some(Left { prev, digest: Some(digest) })) = &self.tail else { return Ok(()) };
        // Some file systems know no modes; the chain does not depend on it.
        drop(self.storage.protect(&path_of(&prev.name)));
        let mut sums = self.sums.clone();
        if sums.last().is_some_and(|byte| *byte != b'\n') {
            sums.push(b'\n');
        }
        sums.extend_from_slice(&sums_line(digest, &prev.name));
        let (path, temporary) = (path_of(SUMS), path_of("SHA256SUMS.tmp"));
        match replace(&self.storage, JOURNAL_DIR, &path, &temporary, &sums) {
            Ok(()) => {}
            Err(source) if is_no_space(&source) => {
                drop(self.storage.remove(&temporary));
                return Err(self.full(path, source));
            }
            Err(source) => return Err(self.poison("replace", path, source)),
        }
        self.sums = sums;
        if let Tail::Left(Some(left)) = &mut self.tail {
            left.digest = None;
        }
        Ok(())
    }

    fn open_segment(&mut self, now: Wall) -> Result<(), JournalError> {
        self.list_sum()?;
        let Tail::Left(left) = &self.tail else { return Ok(()) };
        let first = self.staged.seq + 1;
        let open = SegOpen {
            fmt: FORMAT.to_owned(),
            origin: self.settings.origin.clone(),
            jid: self.jid,
            seg: self.segment + 1,
            first,
            prev: self.staged.hash,
            prev_seg: left.as_ref().map(|left| left.prev.clone()),
            boot: self.settings.boot.clone(),
            writer: self.settings.writer.clone(),
            torn: self.torn.clone(),
            damage: self.damage.clone(),
        };
        let name = segment_name(first);
        let path = path_of(&name);
        let before = self.staged;
        self.format(now, SEG_OPEN, &json(&open))?;
        let line = std::mem::take(&mut self.batch);
        self.batch_records = 0;
        match self.create(&path, &line) {
            Ok(file) => {
                let mut digest = FileDigest::default();
                digest.update(&line);
                let bytes = line.len() as u64;
                let (day, undigested) = (now.day(), Vec::new());
                let open = Open { file, name, first, day, bytes, records: 1, digest, undigested };
                self.tail = Tail::Open(Box::new(open));
                self.durable = self.staged;
                self.segment += 1;
                (self.torn, self.damage) = (None, None);
                Ok(())
            }
            Err((_, source)) if is_no_space(&source) => {
                self.staged = before;
                match self.storage.remove(&path) {
                    Ok(()) => Err(self.full(path, source)),
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound => Err(self.full(path, source)),
                    Err(source) => Err(self.poison("remove a partial", path, source)),
                }
            }
            Err((doing, source)) => Err(self.poison(doing, path, source)),
        }
    }

    fn create(&self, path: &str, line: &[u8]) -> Result<S::File, (&'static str, io::Error)> {
        let mut file = self.storage.create(path).map_err(|e| ("create", e))?;
        write_all(&mut file, line).map_err(|e| ("write to", e))?;
        file.sync_data().map_err(|e| ("fdatasync of", unsynced(e)))?;
        self.storage.sync_dir(JOURNAL_DIR).map_err(|e| ("fsync of the folder of", unsynced(e)))?;
        Ok(file)
    }

    fn full(&mut self, path: String, source: io::Error) -> JournalError {
        self.batch.clear();
        self.batch_records = 0;
        self.staged = self.durable;
        if self.started {
            self.state = State::Full;
            // Where there is no ballast there is nothing to give up.
            drop(self.storage.remove(BALLAST));
        }
        JournalError::NoSpace { path, source }
    }

    fn poison(&mut self, doing: &'static str, path: String, source: io::Error) -> JournalError {
        self.state = State::Poisoned;
        self.batch.clear();
        self.batch_records = 0;
        self.tail = Tail::Left(None);
        JournalError::Storage { doing, path, source }
    }

    /// The reserve. Not having it is no reason not to start; the disk-space check says so.
    fn make_ballast(&self) {
        if self.settings.ballast_bytes == 0 {
            return;
        }
        let enough = self.storage.open(BALLAST).and_then(|file| file.len());
        if !enough.is_ok_and(|bytes| bytes >= self.settings.ballast_bytes)
            && self.storage.reserve(BALLAST, self.settings.ballast_bytes).is_err()
        {
            drop(self.storage.remove(BALLAST));
        }
    }
}

/// What became of a segment that is written to and is no more where its name says.
const GONE: &str =
    "while it was written to, the file was removed or renamed, or another one was put in its place or over its folder";

/// The most that a line has beside its type and payload.
const LINE_OVERHEAD: u64 = 224;

/// Room that is left for the sealing line.
const CLOSE_ROOM: u64 = 512;

/// Checks what a caller wants to have written.
pub(crate) fn check(kind: &str, payload: &str) -> Result<(), JournalError> {
    if !is_kind(kind) || kind == SEG_OPEN || kind == SEG_CLOSE {
        return Err(JournalError::Kind { kind: kind.chars().take(80).collect() });
    }
    Ok(payload::check(payload)?)
}

pub(crate) fn path_of(name: &str) -> String {
    format!("{JOURNAL_DIR}/{name}")
}

pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A failed sync is final even where it says "no space": what became of the bytes is not known.
fn unsynced(error: io::Error) -> io::Error {
    if is_no_space(&error) { io::Error::other(error) } else { error }
}

pub(crate) fn write_all<F: StorageFile>(file: &mut F, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes)? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            n => bytes = &bytes[n..],
        }
    }
    Ok(())
}

/// Replaces a file of a folder so that a crash leaves the old one or the new one.
pub(crate) fn replace<S: Storage>(storage: &S, dir: &str, path: &str, temporary: &str, bytes: &[u8]) -> io::Result<()> {
    match storage.remove(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = storage.create(temporary)?;
    write_all(&mut file, bytes)?;
    file.sync_data().map_err(unsynced)?;
    drop(file);
    storage.rename(temporary, path)?;
    storage.sync_dir(dir).map_err(unsynced)
}

/// A payload of the journal's own. These structs have only strings and whole numbers, which always serialise.
fn json<T: serde::Serialize>(payload: &T) -> String {
    serde_json::to_string(payload).unwrap_or_else(|_| "{}".to_owned())
}

/// The head and number before the first record.
pub(crate) fn before_first(origin: &str, jid: &Jid) -> Position {
    Position { seq: 0, hash: Head::genesis(origin, jid) }
}
