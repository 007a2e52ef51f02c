//! When what of a log was written: sparse marks in a file beside it, so that `failstop logs --since` can find its place in lines
//! that carry no time of their own. The log itself stays what the component wrote.
//!
//! `NAME.times` begins with `of INODE`, the log that it belongs to, and has a line `OFFSET MILLISECONDS` (of the Unix epoch) for
//! what was written from that byte on, at most one a second. A help and no record: what goes wrong with it is passed over.

use super::log_file::numbered;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What is written within so many milliseconds after a mark needs none of its own.
pub const APART_MS: i64 = 1_000;
/// The most bytes of marks; a log that outgrows them is found by its last mark.
const MAX_BYTES: u64 = 1024 * 1024;

/// The marks of a log that is being written.
#[derive(Debug)]
pub(super) struct Marks {
    file: Option<File>,
    bytes: u64,
    last_ms: Option<i64>,
}

impl Marks {
    /// Goes on with the marks of this log, or begins them.
    pub(super) fn open(log: &Path, inode: u64) -> Self {
        let path = marks_path(log);
        let known = read(&path);
        let last_ms = known.as_ref().filter(|marks| marks.inode == inode).and_then(|marks| marks.last_ms());
        let fresh = known.is_none_or(|marks| marks.inode != inode);
        let opened = || -> io::Result<(File, u64)> {
            let mut options = OpenOptions::new();
            options
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
            let mut file = options.open(&path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::from(io::ErrorKind::InvalidInput));
            }
            if fresh {
                file.set_len(0)?;
                file.write_all(format!("of {inode}\n").as_bytes())?;
            }
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        };
        let (file, bytes) = opened().map_or((None, 0), |(file, bytes)| (Some(file), bytes));
        Self { file, bytes, last_ms }
    }

    /// Something is about to be written at this byte, at this time.
    pub(super) fn mark(&mut self, offset: u64, at_ms: i64) {
        // A clock that was set back makes a mark as well: the next ones would be passed over otherwise.
        if self.last_ms.is_some_and(|last| (last..last + APART_MS).contains(&at_ms)) || self.bytes > MAX_BYTES {
            return;
        }
        let Some(file) = &mut self.file else { return };
        let line = format!("{offset} {at_ms}\n");
        match file.write_all(line.as_bytes()) {
            Ok(()) => {
                self.bytes += line.len() as u64;
                self.last_ms = Some(at_ms);
            }
            Err(_) => self.file = None,
        }
    }
}

/// The marks of a log, as they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTimes {
    /// Which log they belong to.
    pub inode: u64,
    /// Byte and time (milliseconds of the Unix epoch), in the order of the bytes.
    pub marks: Vec<(u64, i64)>,
}

impl LogTimes {
    fn last_ms(&self) -> Option<i64> {
        self.marks.last().map(|(_, ms)| *ms)
    }

    /// The first byte of a log that may have been written at or after `since_ms`; `changed_ms` is when it was last written to.
    /// `None` where all of it is older. Never later than it must be.
    pub fn since(&self, since_ms: i64, changed_ms: i64) -> Option<u64> {
        let found = self.marks.iter().find(|(_, ms)| *ms + APART_MS > since_ms).map(|(offset, _)| *offset);
        let by_its_end =
            || (changed_ms + APART_MS > since_ms).then(|| self.marks.last().map_or(0, |(offset, _)| *offset));
        found.or_else(by_its_end)
    }
}

/// Where the marks of a log are: of `bot.log` in `bot.times`, of `bot.log.2` in `bot.times.2`.
pub fn marks_path(log: &Path) -> PathBuf {
    let name = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    log.with_file_name(name.replacen(".log", ".times", 1))
}

/// The marks of every turn of the log whose present file is `log`; each says itself which file it belongs to.
pub fn log_times(log: &Path, most: usize) -> Vec<LogTimes> {
    let present = marks_path(log);
    std::iter::once(present.clone())
        .chain((1..=most).map(|number| numbered(&present, number)))
        .filter_map(|path| read(&path))
        .collect()
}

fn read(path: &Path) -> Option<LogTimes> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 4096).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let inode = lines.next()?.strip_prefix("of ")?.parse().ok()?;
    let mark = |line: &str| {
        let (offset, ms) = line.split_once(' ')?;
        Some((offset.parse().ok()?, ms.parse().ok()?))
    };
    Some(LogTimes { inode, marks: lines.filter_map(mark).collect() })
}

/// The file's number on its file system, by which a log is known after it was renamed.
pub(super) fn inode(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(marks: &[(u64, i64)]) -> LogTimes {
        LogTimes { inode: 1, marks: marks.to_vec() }
    }

    #[test]
    fn the_place_is_never_later_than_it_must_be() {
        let marks = times(&[(0, 1_000), (100, 5_000), (900, 9_000)]);
        for (since, place) in [
            (0, Some(0)),
            (1_999, Some(0)),
            (2_000, Some(100)),
            (5_500, Some(100)),
            (6_000, Some(900)),
            (9_999, Some(900)),
            (10_000, None),
        ] {
            assert_eq!(marks.since(since, 9_000), place, "{since}");
        }
        assert_eq!(marks.since(20_000, 30_000), Some(900), "written to after its last mark");
        assert_eq!(times(&[]).since(20_000, 30_000), Some(0));
        assert_eq!(
            times(&[(0, 50_000), (10, 3_000)]).since(4_000, 3_000),
            Some(0),
            "a clock that went back hides nothing"
        );
    }

    #[test]
    fn marks_lie_beside_their_log() {
        assert_eq!(marks_path(Path::new("logs/bot.log")), Path::new("logs/bot.times"));
        assert_eq!(marks_path(Path::new("a.log/x.log.2")), Path::new("a.log/x.times.2"));
    }
}
