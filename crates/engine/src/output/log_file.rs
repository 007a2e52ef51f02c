//! One component's log: appended to, and turned over at a size so that it never grows beyond `keep` files of it.

use super::log_path;
use super::marks::{Marks, inode, marks_path};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How large logs become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes of one file. At least one line goes in, however long.
    pub max_bytes: u64,
    /// Files of a component, the present one included; at least 1.
    pub keep: usize,
}

impl Default for Rotation {
    /// 10 MB × 3.
    fn default() -> Self {
        Self { max_bytes: 10_000_000, keep: 3 }
    }
}

/// A component's present file, opened when the first byte comes.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: Option<Open>,
}

/// A file that is open, and how much is in it.
#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    marks: Marks,
}

impl LogFile {
    pub(super) fn new(state_dir: &Path, component: &str, rotation: Rotation) -> Self {
        Self { path: log_path(state_dir, component), rotation, file: None }
    }

    /// Appends whole lines that came at this time (milliseconds of the Unix epoch). On an error some of them may stand in the file.
    pub(super) fn append(&mut self, lines: &[u8], at_ms: i64) -> io::Result<()> {
        let written = self.try_append(lines, at_ms);
        if written.is_err() {
            // Opened anew next time: whoever made room may have removed the file too.
            self.file = None;
        }
        written
    }

    fn try_append(&mut self, lines: &[u8], at_ms: i64) -> io::Result<()> {
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let mut open = match self.file.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if open.size > 0 && open.size.saturating_add(length) > self.rotation.max_bytes {
            drop(open);
            self.turn_over()?;
            open = self.open()?;
        }
        open.marks.mark(open.size, at_ms);
        open.file.write_all(lines)?;
        open.size += length;
        self.file = Some(open);
        Ok(())
    }

    fn open(&self) -> io::Result<Open> {
        let (file, size) = open(&self.path)?;
        let marks = Marks::open(&self.path, inode(&file)?);
        Ok(Open { file, size, marks })
    }

    /// `log` becomes `log.1`, that becomes `log.2`; the oldest goes. The marks go with them; where they cannot, they say themselves
    /// that they belong to another file.
    fn turn_over(&self) -> io::Result<()> {
        let _ = turn_over(&marks_path(&self.path), self.rotation.keep);
        turn_over(&self.path, self.rotation.keep)
    }
}

fn turn_over(path: &Path, keep: usize) -> io::Result<()> {
    let oldest = keep.saturating_sub(1);
    if oldest == 0 {
        return std::fs::remove_file(path);
    }
    for number in (1..oldest).rev() {
        match std::fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(path, numbered(path, 1))
}

/// The file's name after `number` turns.
pub(super) fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    if let Some(dir) = path.parent() {
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).recursive(true).create(dir)?;
    }
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, metadata.len()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn turned_over_at_its_size_and_never_more_than_kept() {
        let state = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(state.path(), "bot", Rotation { max_bytes: 10, keep: 3 });
        for line in ["one....\n", "two....\n", "three..\n", "four\n", "five\n", "six\n"] {
            log.append(line.as_bytes(), 0).unwrap();
        }
        let path = log_path(state.path(), "bot");
        assert_eq!(read(&path), "six\n");
        assert_eq!(read(&numbered(&path, 1)), "four\nfive\n");
        assert_eq!(read(&numbered(&path, 2)), "three..\n");
        assert!(!numbered(&path, 3).exists());
        log.append(&[b'x'; 100], 0).unwrap();
        assert_eq!(read(&path).len(), 100, "one that is longer than a file still goes in");
    }

    #[test]
    fn marks_turn_over_with_their_log_and_are_continued() {
        let state = tempfile::tempdir().unwrap();
        let rotation = Rotation { max_bytes: 10, keep: 3 };
        let path = log_path(state.path(), "bot");
        let mut log = LogFile::new(state.path(), "bot", rotation);
        for (line, at) in [("one\n", 1_000), ("two\n", 1_500), ("three\n", 7_000)] {
            log.append(line.as_bytes(), at).unwrap();
        }
        LogFile::new(state.path(), "bot", rotation).append(b"4\n", 9_000).unwrap();
        let of = |path: PathBuf| std::fs::File::open(path).and_then(|file| inode(&file)).unwrap();
        let times = crate::output::log_times(&path, 9);
        assert_eq!(times.len(), 2, "{times:?}");
        assert_eq!(
            (times[0].inode, times[0].marks.as_slice()),
            (of(path.clone()), [(0, 7_000), (6, 9_000)].as_slice())
        );
        assert_eq!((times[1].inode, times[1].marks.as_slice()), (of(numbered(&path, 1)), [(0, 1_000)].as_slice()));
        // Marks that were left by another log are none of this one's.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(state.path().join("logs/bot.times"), "of 1\n0 5\n").unwrap();
        LogFile::new(state.path(), "bot", rotation).append(b"5\n", 20_000).unwrap();
        assert_eq!(crate::output::log_times(&path, 0)[0].marks, [(0, 20_000)]);
    }

    #[test]
    fn an_earlier_file_is_continued() {
        let state = tempfile::tempdir().unwrap();
        for line in ["a\n", "b\n"] {
            LogFile::new(state.path(), "bot", Rotation::default()).append(line.as_bytes(), 0).unwrap();
        }
        assert_eq!(read(&log_path(state.path(), "bot")), "a\nb\n");
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let state = tempfile::tempdir().unwrap();
        let path = log_path(state.path(), "bot");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(state.path().join("elsewhere"), &path).unwrap();
        let mut log = LogFile::new(state.path(), "bot", Rotation::default());
        assert!(log.append(b"x\n", 0).is_err());
        assert!(!state.path().join("elsewhere").exists());
        std::fs::remove_file(&path).unwrap();
        log.append(b"x\n", 0).unwrap();
        assert_eq!(read(&path), "x\n");
    }
}
