//! One component's log: appended to, and turned over at a size so that it never grows beyond `keep` files of it.

use super::log_path;
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
    file: Option<(File, u64)>,
}

impl LogFile {
    pub(super) fn new(state_dir: &Path, component: &str, rotation: Rotation) -> Self {
        Self { path: log_path(state_dir, component), rotation, file: None }
    }

    /// Appends whole lines. On an error some of them may stand in the file.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.try_append(lines);
        if written.is_err() {
            // Opened anew next time: whoever made room may have removed the file too.
            self.file = None;
        }
        written
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let (mut file, mut size) = match self.file.take() {
            Some(open) => open,
            None => open(&self.path)?,
        };
        if size > 0 && size.saturating_add(length) > self.rotation.max_bytes {
            drop(file);
            self.turn_over()?;
            (file, size) = open(&self.path)?;
        }
        file.write_all(lines)?;
        self.file = Some((file, size + length));
        Ok(())
    }

    /// `log` becomes `log.1`, that becomes `log.2`; the oldest goes.
    fn turn_over(&self) -> io::Result<()> {
        let oldest = self.rotation.keep.saturating_sub(1);
        if oldest == 0 {
            return std::fs::remove_file(&self.path);
        }
        for number in (1..oldest).rev() {
            match std::fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, numbered(&self.path, 1))
    }
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
            log.append(line.as_bytes()).unwrap();
        }
        let path = log_path(state.path(), "bot");
        assert_eq!(read(&path), "six\n");
        assert_eq!(read(&numbered(&path, 1)), "four\nfive\n");
        assert_eq!(read(&numbered(&path, 2)), "three..\n");
        assert!(!numbered(&path, 3).exists());
        log.append(&[b'x'; 100]).unwrap();
        assert_eq!(read(&path).len(), 100, "one that is longer than a file still goes in");
    }

    #[test]
    fn an_earlier_file_is_continued() {
        let state = tempfile::tempdir().unwrap();
        for line in ["a\n", "b\n"] {
            LogFile::new(state.path(), "bot", Rotation::default()).append(line.as_bytes()).unwrap();
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
        assert!(log.append(b"x\n").is_err());
        assert!(!state.path().join("elsewhere").exists());
        std::fs::remove_file(&path).unwrap();
        log.append(b"x\n").unwrap();
        assert_eq!(read(&path), "x\n");
    }
}
