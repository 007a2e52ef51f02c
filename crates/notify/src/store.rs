//! The outbox on disk: one file of checksummed lines that only grows, and now and then is written anew in short. Blocking;
//! the driver calls it off its own thread.
//!
//! ```text
//! FOLDER/LOCK            held while a notifier runs
//! FOLDER/outbox          16 hexadecimal digits of SHA-256 of the text, a space, the text (JSON), a line feed
//! FOLDER/outbox.new      a compacted outbox that is not complete yet
//! FOLDER/outbox.damaged  a copy of the last outbox in which something other than a torn end was found
//! ```
//!
//! A crash leaves at most a torn last line, which is cut off: it was not on disk, so nothing was sent on its account. Damage
//! anywhere else is skipped line by line, the file is kept aside, and people are told. So is a file that does not begin with a
//! whole header, an empty one too: a header is on disk before its file has the name, and whatever was queued is gone.

use crate::heart::{At, Now};
use crate::heart::{Fact, Record};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The format of the lines. A file of a newer version is not touched.
const VERSION: u32 = 1;

/// A file that grew beyond this is compacted, if that makes it much smaller.
const COMPACT_BEYOND: u64 = 256 * 1024;

/// The largest file that is read, bytes; the open incidents in it are bounded far below.
const FILE_MAX: u64 = 256 * 1024 * 1024;

/// Hexadecimal digits of a line's checksum.
const CHECK_DIGITS: usize = 16;

/// How often and how long apart a taken lock is looked at.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
}

/// Why the outbox cannot be opened at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("in use by another process")]
    InUse,
    #[error("written by a later version (format {0}; this version reads {VERSION})")]
    Later(u32),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What was in the outbox.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    /// Bytes of a torn last line.
    pub(crate) torn: u64,
    /// Lines that could not be read.
    pub(crate) damaged: usize,
}

/// The open outbox.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Absent after a failure: what was written through it is not to be trusted, only a new file is.
    file: Option<File>,
    bytes: u64,
    compacted: u64,
    _lock: File,
}

impl Store {
    /// Opens the outbox in `folder`, which is made if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Found), StoreError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = private().create(true).truncate(false).open(folder.join("LOCK"))?;
        locked(&lock)?;
        let path = folder.join("outbox");
        let mut store = Self { folder: folder.to_owned(), file: None, bytes: 0, compacted: 0, _lock: lock };
        let text = match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > FILE_MAX => {
                return Err(io::Error::other(format!("{} is larger than {FILE_MAX} bytes", path.display())).into());
            }
            Ok(_) => Some(fs::read(&path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let Some(text) = text else { return Ok((store, Found::default())) };
        let (mut found, good) = read(&text)?;
        if found.damaged > 0 {
            fs::copy(&path, folder.join("outbox.damaged"))?;
        }
        // With damage in it a new file is written before anything else.
        if found.damaged == 0 {
            let file = private().open(&path)?;
            if good < text.len() as u64 {
                found.torn = text.len() as u64 - good;
                file.set_len(good)?;
                file.sync_data()?;
            }
            store.file = Some(private_append().open(&path)?);
            store.bytes = good;
            store.compacted = COMPACT_BEYOND;
        }
        Ok((store, found))
    }

    /// Whether the next write must be [`Self::rewrite`].
    pub(crate) fn wants_rewrite(&self) -> bool {
        self.file.is_none() || self.bytes > COMPACT_BEYOND.max(self.compacted.saturating_mul(4))
    }

    /// Appends records; with `sync` they are on disk when it returns.
    pub(crate) fn append(&mut self, records: &[Record], sync: bool) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("the outbox must be written anew after a failure"));
        };
        let text = records.iter().map(line).collect::<io::Result<String>>()?;
        let written = file.write_all(text.as_bytes()).and_then(|()| if sync { file.sync_data() } else { Ok(()) });
        if written.is_err() {
            self.file = None;
        }
        self.bytes += text.len() as u64;
        written
    }

    /// Replaces the file by these facts. The old file stays until the new one is on disk.
    pub(crate) fn rewrite(&mut self, now: Now, facts: Vec<Fact>) -> io::Result<()> {
        self.file = None;
        let header = Header { format: "failstop-outbox".to_owned(), version: VERSION };
        let mut text = checked(&serde_json::to_string(&header)?);
        for fact in facts {
            text.push_str(&line(&Record { at: now.at, wall: now.wall, fact })?);
        }
        let (new, path) = (self.folder.join("outbox.new"), self.folder.join("outbox"));
        let mut file = private().create(true).truncate(true).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&new, &path)?;
        File::open(&self.folder)?.sync_all()?;
        self.file = Some(private_append().open(&path)?);
        self.bytes = text.len() as u64;
        self.compacted = self.bytes;
        Ok(())
    }
}

/// The records of an outbox that another process may be using; touches nothing.
pub(crate) fn peek(folder: &Path) -> io::Result<Vec<Record>> {
    let bytes = match fs::read(folder.join("outbox")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    match read(&bytes) {
        Ok((found, _)) => Ok(found.records),
        Err(StoreError::Io(error)) => Err(error),
        Err(error @ (StoreError::InUse | StoreError::Later(_))) => Err(io::Error::other(error.to_string())),
    }
}

/// Takes the lock. A program that is just being started by somebody else in this process holds a copy of every descriptor
/// for an instant, so a lock that is taken is looked at again for a moment.
fn locked(lock: &File) -> Result<(), StoreError> {
    for left in (0..LOCK_TRIES).rev() {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if left > 0 => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(StoreError::InUse)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn private_append() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options
}

fn line(record: &Record) -> io::Result<String> {
    Ok(checked(&serde_json::to_string(record)?))
}

fn checked(text: &str) -> String {
    format!("{} {text}\n", check(text))
}

fn check(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(CHECK_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a line, if it is as it was written.
fn unchecked(line: &[u8]) -> Option<&str> {
    let (digits, text) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    (check(text) == digits).then_some(text)
}

/// Everything that can be read of an outbox that is there, and the length up to the end of the last whole line.
fn read(bytes: &[u8]) -> Result<(Found, u64), StoreError> {
    let mut found = Found::default();
    let mut good = 0_u64;
    let mut at = 0_u64;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
    let first = lines.peek().and_then(|line| line.strip_suffix(b"\n")).and_then(unchecked);
    match first.and_then(|text| serde_json::from_str::<Header>(text).ok()) {
        Some(header) if header.version > VERSION => return Err(StoreError::Later(header.version)),
        Some(_) => {
            at += lines.next().map_or(0, |line| line.len() as u64);
            good = at;
        }
        None => {
            found.damaged += 1;
            // It counts once. Where it is a record, only the header is missing.
            if first.is_none_or(|text| serde_json::from_str::<Record>(text).is_err()) {
                at += lines.next().map_or(0, |line| line.len() as u64);
            }
        }
    }
    while let Some(line) = lines.next() {
        at += line.len() as u64;
        let whole = line.strip_suffix(b"\n");
        let text = whole.and_then(unchecked);
        match text.and_then(|text| serde_json::from_str::<Record>(text).ok()) {
            Some(record) => {
                found.records.push(record);
                good = at;
            }
            // A power loss may leave zeros, or a line feed before what belongs in front of it.
            None if lines.peek().is_none() => {}
            None => found.damaged += 1,
        }
    }
    Ok((found, good))
}

/// Where the outbox's own clock goes on: at its last record, and later by the wall time that passed since, within reason.
pub(crate) fn resume(records: &[Record], wall: jiff::Timestamp) -> At {
    /// A wall clock that jumped while nobody ran moves deadlines by at most so much, milliseconds.
    const GAP_MAX: i128 = 7 * 86_400_000;
    let last = records.iter().map(|record| record.at).max().unwrap_or_default();
    let told = records.iter().rev().find(|record| record.at == last).map_or(wall, |record| record.wall);
    let gap = wall.duration_since(told).as_millis().clamp(0, GAP_MAX);
    At(last.0.saturating_add(u64::try_from(gap).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heart::LaneId;
    use crate::key::Key;
    use jiff::Timestamp;

    fn records() -> Vec<Record> {
        let key = Key::parse("demo/x/1").unwrap_or_else(|fault| panic!("{fault}"));
        (1..=5)
            .map(|seq| Record {
                at: At(u64::from(seq)),
                wall: Timestamp::UNIX_EPOCH,
                fact: Fact::Tried { key: key.clone(), lane: LaneId("a".into()), seq, plain: false },
            })
            .collect()
    }

    fn filled(folder: &Path) -> Vec<u8> {
        let (mut store, _) = Store::open(folder).unwrap_or_else(|error| panic!("{error}"));
        let now = Now { at: At(0), wall: Timestamp::UNIX_EPOCH };
        assert!(store.wants_rewrite());
        store.rewrite(now, Vec::new()).unwrap_or_else(|error| panic!("{error}"));
        store.append(&records(), true).unwrap_or_else(|error| panic!("{error}"));
        fs::read(folder.join("outbox")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_crash_at_any_byte_leaves_a_beginning() {
        let (made, other) = (folder(), folder());
        let whole = filled(made.path());
        for length in 0..=whole.len() {
            let cut = &whole[..length];
            fs::write(other.path().join("outbox"), cut).unwrap_or_else(|error| panic!("{error}"));
            let (mut store, found) = Store::open(other.path()).unwrap_or_else(|error| panic!("{length}: {error}"));
            assert_eq!(found.records, records()[..found.records.len()], "{length}");
            let lines = cut.iter().filter(|byte| **byte == b'\n').count();
            // The header is on disk before the file has its name: no crash cuts it.
            assert_eq!(found.damaged, usize::from(lines == 0), "{length}");
            assert_eq!(found.records.len(), lines.saturating_sub(1), "{length}");
            if store.wants_rewrite() {
                store.rewrite(Now { at: At(0), wall: Timestamp::UNIX_EPOCH }, Vec::new()).unwrap_or_default();
            }
            store.append(&records()[..1], true).unwrap_or_else(|error| panic!("{length}: {error}"));
            drop(store);
            let (_, again) = Store::open(other.path()).unwrap_or_else(|error| panic!("{length}: {error}"));
            let kept = if lines == 0 { 0 } else { found.records.len() };
            assert_eq!((again.records.len(), again.damaged), (kept + 1, 0), "{length}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_line_and_is_noticed() {
        let (made, other) = (folder(), folder());
        let whole = filled(made.path());
        let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            fs::write(other.path().join("outbox"), &flipped).unwrap_or_else(|error| panic!("{error}"));
            let (_, found) = Store::open(other.path()).unwrap_or_else(|error| panic!("{at}: {error}"));
            // A line feed that is gone joins two lines.
            assert!(found.records.len() + 2 >= records().len(), "{at}: {}", found.records.len());
            assert!(found.records.iter().all(|record| records().contains(record)), "{at}");
            if at < last_line {
                assert!(found.damaged > 0, "{at}");
                let kept =
                    fs::read(other.path().join("outbox.damaged")).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(kept, flipped);
            }
        }
    }

    #[test]
    fn what_does_not_begin_as_an_outbox_is_damage() {
        let whole = filled(folder().path());
        let header = whole.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
        let (zeros, garbage, line) = (vec![0; 4096], vec![0xa5; 100], b"x\n".to_vec());
        let headless = whole[header..].to_vec();
        let zeros_then_records = [vec![0; header], headless.clone()].concat();
        for (what, bytes, kept) in [
            ("zeros", zeros, 0),
            ("garbage", garbage, 0),
            ("a line", line, 0),
            ("nothing", Vec::new(), 0),
            ("no header", headless, 5),
            ("zeros before records", zeros_then_records, 4),
        ] {
            let folder = folder();
            fs::write(folder.path().join("outbox"), &bytes).unwrap_or_else(|error| panic!("{error}"));
            let (store, found) = Store::open(folder.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!((found.damaged, found.records.len()), (1, kept), "{what}");
            assert!(store.wants_rewrite(), "{what}");
            assert_eq!(fs::read(folder.path().join("outbox.damaged")).ok(), Some(bytes), "{what}");
        }
        let (_, found) = Store::open(folder().path()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.damaged, 0, "no outbox yet is not a damaged one");
    }

    #[test]
    fn two_notifiers_never_share_an_outbox() {
        let folder = folder();
        let first = Store::open(folder.path());
        assert!(matches!(Store::open(folder.path()), Err(StoreError::InUse)));
        drop(first);
        assert!(Store::open(folder.path()).is_ok());
    }

    #[test]
    fn a_later_format_is_not_touched() {
        let folder = folder();
        let text = checked("{\"format\":\"failstop-outbox\",\"version\":2}");
        fs::write(folder.path().join("outbox"), &text).unwrap_or_else(|error| panic!("{error}"));
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Later(2))));
        assert_eq!(fs::read(folder.path().join("outbox")).unwrap_or_default(), text.as_bytes());
    }

    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let base = folder();
        let folder = base.path().join("state/outbox");
        filled(&folder);
        let mode = |path: &Path| fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777).ok();
        assert_eq!(mode(&folder), Some(0o700));
        assert_eq!(mode(&folder.join("outbox")), Some(0o600));
    }

    #[test]
    fn the_clock_goes_on_and_never_back() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut records = records();
        records[4].wall = at(1_000);
        assert_eq!(resume(&records, at(61_000)), At(60_005));
        assert_eq!(resume(&records, at(0)), At(5));
        assert_eq!(resume(&records, at(900 * 86_400_000)), At(5 + 7 * 86_400_000));
        assert_eq!(resume(&[], at(5)), At(0));
    }
}
