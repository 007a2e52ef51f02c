//! Reads the journal's lines from its files, in order, while an engine may be writing them. For `failstop events`: it
//! shows, and does not judge; `failstop verify-data` judges.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The longest line of a journal, with its line feed. A longer one is damage, and is passed over.
const LINE_MAX_BYTES: u64 = 65_536;

/// A place in the journal's files up to which every line was handed out.
#[derive(Debug)]
pub struct JournalTail {
    folder: PathBuf,
    /// The segment that is being read.
    current: Option<(PathBuf, BufReader<File>)>,
    /// Whether a later segment was seen after this one was read to its end.
    ended: bool,
    /// The first byte of it that was not handed out.
    offset: u64,
    /// The first byte of the line that was handed out last.
    last: u64,
}

/// What comes next in the journal.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its line feed; see [`JournalTail::place`] for where it stands.
    Line,
    /// More than a line may hold, at this byte of this file; passed over.
    Oversized(PathBuf, u64),
    /// Nothing more for now; an unfinished line may stand there.
    End,
}

impl JournalTail {
    /// Starts at the first line of the journal in `state`.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn open(state: &Path) -> io::Result<Self> {
        let folder = state.join("journal");
        fs::read_dir(&folder)?;
        Ok(Self { folder, current: None, ended: false, offset: 0, last: 0 })
    }

    /// The folder with the segments.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the line stands that was handed out last, for people: file and byte.
    pub fn place(&self) -> String {
        match &self.current {
            Some((path, _)) => format!("{} byte {}", path.display(), self.last),
            None => self.folder.display().to_string(),
        }
    }

    /// Starts at the last segment of which `early` is true, instead of at the first: for a reader who wants only what
    /// came later than its beginning.
    ///
    /// # Errors
    /// When the folder cannot be listed or the segment cannot be opened.
    pub fn start_at_last(&mut self, early: impl Fn(&Path) -> bool) -> io::Result<()> {
        match self.segments()?.into_iter().rfind(|segment| early(segment)) {
            Some(segment) => self.enter(segment),
            None => Ok(()),
        }
    }

    /// The next line, put in place of what `line` held.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Next> {
        loop {
            if self.current.is_none() && !self.enter_next()? {
                return Ok(Next::End);
            }
            let Some((path, reader)) = &mut self.current else { return Ok(Next::End) };
            line.clear();
            reader.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', line)?;
            if line.last() == Some(&b'\n') {
                self.last = self.offset;
                self.offset += line.len() as u64;
                line.pop();
                return Ok(Next::Line);
            }
            if line.len() as u64 == LINE_MAX_BYTES {
                let oversized = Next::Oversized(path.clone(), self.offset);
                self.offset += line.len() as u64 + pass_over(reader)?;
                return Ok(oversized);
            }
            // The end of this file, or an unfinished line: read again from there when more is to be had.
            reader.seek(SeekFrom::Start(self.offset))?;
            match self.after_current()? {
                None => return Ok(Next::End),
                // What was appended between the last look at this one and the birth of the next is read first.
                Some(_) if !self.ended => self.ended = true,
                Some(next) => self.enter(next)?,
            }
        }
    }

    /// Opens the segment after the current one, if there is one.
    fn enter_next(&mut self) -> io::Result<bool> {
        match self.after_current()? {
            Some(path) => self.enter(path).map(|()| true),
            None => Ok(false),
        }
    }

    fn after_current(&self) -> io::Result<Option<PathBuf>> {
        let after = self.current.as_ref().map(|(path, _)| path);
        Ok(self.segments()?.into_iter().find(|segment| after.is_none_or(|after| segment > after)))
    }

    fn enter(&mut self, path: PathBuf) -> io::Result<()> {
        let file = File::open(&path)?;
        self.current = Some((path, BufReader::with_capacity(1 << 18, file)));
        self.offset = 0;
        self.ended = false;
        Ok(())
    }

    /// The segments, by the first sequence number in their names.
    fn segments(&self) -> io::Result<Vec<PathBuf>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("j-") && name.ends_with(".ndjson") {
                segments.push(path);
            }
        }
        segments.sort();
        Ok(segments)
    }
}

/// Reads up to and with the next line feed and says how many bytes that was.
fn pass_over(reader: &mut BufReader<File>) -> io::Result<u64> {
    let mut passed = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(passed);
        }
        let (length, found) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(index) => (index + 1, true),
            None => (buffer.len(), false),
        };
        reader.consume(length);
        passed += length as u64;
        if found {
            return Ok(passed);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;
    use std::io::Write as _;

    fn line(text: &str) -> (Next, String) {
        (Next::Line, text.to_owned())
    }

    /// The next line with its text.
    fn take(tail: &mut JournalTail) -> (Next, String) {
        let mut text = b"what was there before".to_vec();
        let next = tail.next(&mut text).unwrap();
        let text = if next == Next::Line { String::from_utf8(text).unwrap() } else { String::new() };
        (next, text)
    }

    fn end() -> (Next, String) {
        (Next::End, String::new())
    }

    #[test]
    fn lines_come_in_order_over_segments_and_growth() {
        let state = tempfile::tempdir().unwrap();
        assert!(JournalTail::open(state.path()).is_err());
        let folder = state.path().join("journal");
        fs::create_dir(&folder).unwrap();
        let mut tail = JournalTail::open(state.path()).unwrap();
        assert_eq!(take(&mut tail), end());

        fs::write(folder.join("SHA256SUMS"), "not a segment\n").unwrap();
        fs::write(folder.join("j-0000000000000001.ndjson"), "one\ntwo\n").unwrap();
        let mut second = File::create(folder.join("j-0000000000000003.ndjson")).unwrap();
        second.write_all(b"three\nfo").unwrap();
        assert_eq!(take(&mut tail), line("one"));
        assert_eq!(take(&mut tail), line("two"));
        assert_eq!(take(&mut tail), line("three"));
        assert_eq!(take(&mut tail), end());
        assert_eq!(take(&mut tail), end());

        second.write_all(b"ur\nfive\n").unwrap();
        assert_eq!(take(&mut tail), line("four"));
        assert_eq!(take(&mut tail), line("five"));
        assert_eq!(take(&mut tail), end());
        fs::write(folder.join("j-0000000000000006.ndjson"), "six\n").unwrap();
        assert_eq!(take(&mut tail), line("six"));
        assert_eq!(take(&mut tail), end());
    }

    #[test]
    fn an_endless_line_is_passed_over() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("journal");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("j-0000000000000001.ndjson");
        fs::write(&path, format!("one\n{}\ntwo\n", "x".repeat(200_000))).unwrap();
        let mut tail = JournalTail::open(state.path()).unwrap();
        assert_eq!(take(&mut tail), line("one"));
        assert_eq!(take(&mut tail), (Next::Oversized(path, 4), String::new()));
        assert_eq!(take(&mut tail), line("two"));
        assert_eq!(take(&mut tail), end());
    }
}
