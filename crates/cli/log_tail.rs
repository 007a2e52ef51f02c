//! Reads the lines of a component's log over its rotations, while an engine may be writing and rotating it. For `failstop logs`.
//!
//! The file that is being read is held open and known by its number on the file system, whatever it is called by now; when it is
//! read to its end and a newer one exists, that one is next. Files are looked for from the newest to the oldest: a rotation meanwhile
//! can then show one twice, and hide none.

use failstop_engine::output::log_times;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The most files that a component keeps, the present one included (`output.files`).
const FILES_MAX: usize = 100;
/// The longest piece of a line that is handed out at once.
const PIECE_MAX_BYTES: u64 = 1 << 20;
const BLOCK_BYTES: u64 = 64 * 1024;

/// One file of a log, open.
struct Turn {
    inode: u64,
    file: File,
}

/// A place in a component's log up to which every line was handed out.
pub struct LogTail {
    present: PathBuf,
    current: Option<Reading>,
    /// The beginning of a line whose end was not there yet.
    begun: Vec<u8>,
}

struct Reading {
    inode: u64,
    reader: BufReader<File>,
    /// Whether a newer file was seen after this one was read to its end.
    ended: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its line feed.
    Line(Vec<u8>),
    /// What comes next was rotated away before it was read.
    Missed,
    /// Nothing more for now.
    End,
}

impl LogTail {
    /// Starts at the first line that there is of this log, which need not be there yet.
    pub fn open(present: PathBuf) -> Self {
        Self { present, current: None, begun: Vec::new() }
    }

    /// Passes over what was written before then (milliseconds of the Unix epoch), as far as that is known.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn skip_before(&mut self, since_ms: i64) -> io::Result<()> {
        let times = log_times(&self.present, FILES_MAX);
        let turns = self.turns()?;
        let newest = turns.len().saturating_sub(1);
        for (index, turn) in turns.into_iter().enumerate() {
            let metadata = turn.file.metadata()?;
            let changed_ms = metadata.mtime().saturating_mul(1_000) + metadata.mtime_nsec() / 1_000_000;
            let place = match times.iter().find(|times| times.inode == turn.inode) {
                Some(times) => times.since(since_ms, changed_ms),
                None => (changed_ms >= since_ms).then_some(0),
            };
            if let Some(place) = place {
                return self.enter(turn, place);
            }
            if index == newest {
                return self.enter(turn, metadata.len());
            }
        }
        Ok(())
    }

    /// Passes over all but the last `lines` lines of what is there from here on.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn skip_to_last(&mut self, lines: usize) -> io::Result<()> {
        let mut wanted = lines;
        let (first, from) = match &mut self.current {
            Some(reading) => (Some(reading.inode), reading.reader.stream_position()?),
            None => (None, 0),
        };
        // The newest first.
        for turn in self.turns()?.into_iter().rev() {
            let is_first = first == Some(turn.inode);
            let start = if is_first { from } else { 0 };
            let end = turn.file.metadata()?.len();
            match last_lines(&turn.file, start, end, &mut wanted)? {
                Some(place) => return self.enter(turn, place),
                None if is_first => return Ok(()),
                None => {}
            }
        }
        Ok(())
    }

    /// The next line.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next(&mut self) -> io::Result<Next> {
        loop {
            let Some(reading) = &mut self.current else {
                match self.turns()?.into_iter().next() {
                    Some(oldest) => self.enter(oldest, 0)?,
                    None => return Ok(Next::End),
                }
                continue;
            };
            let length = reading.reader.by_ref().take(PIECE_MAX_BYTES).read_until(b'\n', &mut self.begun)?;
            if self.begun.last() == Some(&b'\n') {
                self.begun.pop();
                return Ok(Next::Line(std::mem::take(&mut self.begun)));
            }
            if self.begun.len() as u64 >= PIECE_MAX_BYTES {
                return Ok(Next::Line(std::mem::take(&mut self.begun)));
            }
            if length > 0 {
                continue;
            }
            if !reading.ended {
                let inode = reading.inode;
                let superseded = self.newest_inode()?.is_some_and(|newest| newest != inode);
                let Some(reading) = &mut self.current else { continue };
                if !superseded {
                    return Ok(Next::End);
                }
                // What was appended between the last look at this one and its rotation is read first.
                reading.ended = true;
                continue;
            }
            let inode = reading.inode;
            let mut turns = self.turns()?;
            let at = turns.iter().position(|turn| turn.inode == inode);
            if !self.begun.is_empty() {
                // Its writer was cut off in the middle of it.
                return Ok(Next::Line(std::mem::take(&mut self.begun)));
            }
            match at {
                Some(at) if at + 1 < turns.len() => {
                    let next = turns.swap_remove(at + 1);
                    self.enter(next, 0)?;
                }
                // In the middle of a rotation: the new file is about to be made.
                Some(_) => return Ok(Next::End),
                None if turns.is_empty() => return Ok(Next::End),
                None => {
                    let oldest = turns.swap_remove(0);
                    self.enter(oldest, 0)?;
                    return Ok(Next::Missed);
                }
            }
        }
    }

    fn enter(&mut self, turn: Turn, place: u64) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 16, turn.file);
        reader.seek(SeekFrom::Start(place))?;
        self.current = Some(Reading { inode: turn.inode, reader, ended: false });
        Ok(())
    }

    fn newest_inode(&self) -> io::Result<Option<u64>> {
        Ok(open(&self.present)?.map(|turn| turn.inode))
    }

    /// Every file of the log, the oldest first, each once.
    fn turns(&self) -> io::Result<Vec<Turn>> {
        let mut turns: Vec<Turn> = Vec::new();
        for number in 0..FILES_MAX {
            let path = if number == 0 { self.present.clone() } else { numbered(&self.present, number) };
            if let Some(turn) = open(&path)?
                && turns.iter().all(|known| known.inode != turn.inode)
            {
                turns.push(turn);
            }
        }
        turns.reverse();
        Ok(turns)
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// `None` where there is no such file. Nothing but a file is opened: a pipe in its place would be waited for.
fn open(path: &Path) -> io::Result<Option<Turn>> {
    let mut options = OpenOptions::new();
    match options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        Ok(file) => {
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no file", path.display())));
            }
            Ok(Some(Turn { inode: metadata.ino(), file }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the last `wanted` lines between these bytes begin; `None`, and how many are still wanted, where there are fewer.
fn last_lines(file: &File, start: u64, end: u64, wanted: &mut usize) -> io::Result<Option<u64>> {
    if *wanted == 0 {
        return Ok(Some(end));
    }
    let mut block = Vec::new();
    let mut upper = end;
    while upper > start {
        let lower = upper.saturating_sub(BLOCK_BYTES).max(start);
        block.resize(usize::try_from(upper - lower).unwrap_or(0), 0);
        file.read_exact_at(&mut block, lower)?;
        for (index, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let after = lower + index as u64 + 1;
            // The last line feed ends the last line; every other one begins a line.
            if after == end {
                continue;
            }
            *wanted -= 1;
            if *wanted == 0 {
                return Ok(Some(after));
            }
        }
        upper = lower;
    }
    if end > start {
        *wanted -= 1;
        if *wanted == 0 {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::io::Write as _;

    /// A log that is rotated as the engine does it.
    struct Log {
        folder: tempfile::TempDir,
        keep: usize,
    }

    impl Log {
        fn new(keep: usize) -> Self {
            Self { folder: tempfile::tempdir().unwrap(), keep }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("bot.log")
        }

        fn write(&self, text: &str) {
            let mut file = OpenOptions::new().append(true).create(true).open(self.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self) {
            for number in (1..self.keep - 1).rev() {
                let _ = std::fs::rename(numbered(&self.path(), number), numbered(&self.path(), number + 1));
            }
            std::fs::rename(self.path(), numbered(&self.path(), 1)).unwrap();
        }

        fn tail(&self) -> LogTail {
            LogTail::open(self.path())
        }
    }

    fn rest(tail: &mut LogTail) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match tail.next().unwrap() {
                Next::Line(line) => lines.push(String::from_utf8(line).unwrap()),
                Next::Missed => lines.push("(missed)".to_owned()),
                Next::End => return lines,
            }
        }
    }

    #[test]
    fn lines_come_in_order_over_files_and_rotations() {
        let log = Log::new(3);
        let mut tail = log.tail();
        assert_eq!(rest(&mut tail), [""; 0]);
        log.write("a\nb\nhal");
        assert_eq!(rest(&mut tail), ["a", "b"]);
        log.write("f\n");
        log.rotate();
        assert_eq!(rest(&mut tail), ["half"], "the new file is not there yet");
        log.write("c\n");
        assert_eq!(rest(&mut tail), ["c"]);
        log.write("d\n");
        log.rotate();
        log.write("e\n");
        log.rotate();
        log.write("f\n");
        assert_eq!(rest(&mut tail), ["d", "e", "f"], "two rotations at once");
        assert_eq!(rest(&mut log.tail()), ["c", "d", "e", "f"], "from the oldest on");
    }

    #[test]
    fn what_was_rotated_away_is_told() {
        let log = Log::new(2);
        log.write("a\n");
        let mut tail = log.tail();
        assert_eq!(rest(&mut tail), ["a"]);
        for text in ["b\n", "c\n", "d\n"] {
            log.rotate();
            log.write(text);
        }
        assert_eq!(rest(&mut tail), ["(missed)", "c", "d"]);
    }

    #[test]
    fn the_last_lines_are_counted_over_files() {
        let log = Log::new(3);
        log.write("a\nb\n");
        log.rotate();
        log.write("c\nd\ne");
        for (lines, wanted) in [
            (0, &[] as &[&str]),
            (1, &[]),
            (2, &["d"]),
            (3, &["c", "d"]),
            (4, &["b", "c", "d"]),
            (5, &["a", "b", "c", "d"]),
            (500, &["a", "b", "c", "d"]),
        ] {
            let mut tail = log.tail();
            tail.skip_to_last(lines).unwrap();
            assert_eq!(rest(&mut tail), wanted, "{lines}");
        }
        let mut tail = log.tail();
        tail.skip_to_last(1).unwrap();
        log.write("nd\n");
        assert_eq!(rest(&mut tail), ["end"], "an unfinished line counts as one");
        log.write(&"x\n".repeat(100_000));
        let mut tail = log.tail();
        tail.skip_to_last(70_000).unwrap();
        assert_eq!(rest(&mut tail).len(), 70_000);
    }

    #[test]
    fn what_is_older_is_passed_over_by_the_marks() {
        let log = Log::new(3);
        log.write("a\nb\n");
        let inode = std::fs::metadata(log.path()).unwrap().ino();
        log.rotate();
        log.write("c\nd\n");
        let second = std::fs::metadata(log.path()).unwrap().ino();
        let beside = |name: &str, text: String| std::fs::write(log.folder.path().join(name), text).unwrap();
        beside("bot.times.1", format!("of {inode}\n0 1000\n2 9000\n"));
        beside("bot.times", format!("of {second}\n0 20000\n2 90000\n"));
        for path in [log.path(), numbered(&log.path(), 1)] {
            let times = std::fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
            File::options().write(true).open(path).unwrap().set_times(times).unwrap();
        }
        for (since, wanted) in
            [(0, &["a", "b", "c", "d"] as &[&str]), (5_000, &["b", "c", "d"]), (50_000, &["d"]), (95_000, &[])]
        {
            let mut tail = log.tail();
            tail.skip_before(since).unwrap();
            assert_eq!(rest(&mut tail), wanted, "{since}");
        }
        let mut tail = log.tail();
        tail.skip_before(0).unwrap();
        tail.skip_to_last(3).unwrap();
        assert_eq!(rest(&mut tail), ["b", "c", "d"]);
        let mut tail = log.tail();
        tail.skip_before(50_000).unwrap();
        tail.skip_to_last(3).unwrap();
        assert_eq!(rest(&mut tail), ["d"], "both bounds hold");
    }

    #[test]
    fn a_pipe_in_a_logs_place_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot.log");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(LogTail::open(path).next().is_err());
    }
}
