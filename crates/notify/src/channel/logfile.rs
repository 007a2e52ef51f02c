//! A log file: one JSON object a line, on disk before it counts as delivered, rotated at a bound.

use crate::answer::Answer;
use crate::message::Message;
use crate::settings::Revealed;
use failstop_settings::{Bytes, Consistent, section, within};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Former files that are kept beside the present one: `PATH.1` is the newest.
const KEPT: u32 = 3;

/// A log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Where; its folder must exist.
    pub path: PathBuf,
    /// A file that has grown to this many bytes is put aside.
    pub max_bytes: u64,
}

impl LogFile {
    /// The bound unless the configuration says otherwise.
    pub const MAX_BYTES: u64 = 10_000_000;

    /// Appends the message. Blocks on the disk.
    pub(crate) fn write(&self, message: &Message) -> Answer {
        let line = format!("{}\n", message.document());
        match self.append(&line) {
            Ok(()) => Answer::ok(),
            Err(error) => Answer::retry(format!("{} cannot be written: {}", self.path.display(), error.kind())),
        }
    }

    fn append(&self, line: &str) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() >= self.max_bytes) {
            self.rotate()?;
        }
        let mut file = OpenOptions::new().create(true).append(true).mode(0o640).open(&self.path)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    fn rotate(&self) -> io::Result<()> {
        for number in (1..KEPT).rev() {
            match fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        fs::rename(&self.path, numbered(&self.path, 1))
    }

    /// Whether the file holds the message.
    pub(crate) fn read_back(&self, message: &Message) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text.contains(&message.id))
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

section! {
    /// A log file: one JSON object a line.
    pub struct LogFileTable {
        /// Where; its folder must exist.
        path: PathBuf, required "logs/alerts.jsonl";
        /// A file that has grown to this size is put aside; three are kept.
        max_size: Bytes, default "10MB", within("4KiB", "1GiB");
        /// How long one attempt may take.
        timeout: Duration, default "10s", within("1s", "2m");
    }
}

impl Consistent for LogFileTable {}

impl LogFileTable {
    /// The channel.
    pub(crate) fn revealed(&self) -> Revealed {
        let log = LogFile { path: self.path.clone(), max_bytes: self.max_size.get() };
        Revealed { kind: crate::Kind::LogFile(log), timeout: self.timeout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heart::What;
    use crate::message::tests::message;

    #[test]
    fn one_line_a_message_and_a_bound() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let log = LogFile { path: folder.path().join("alerts.log"), max_bytes: 4_000 };
        for _ in 0..40 {
            assert_eq!(log.write(&message(What::Trigger)), Answer::ok());
        }
        assert!(log.read_back(&message(What::Trigger)));
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        assert_eq!(names, ["alerts.log", "alerts.log.1", "alerts.log.2", "alerts.log.3"]);
        let text = fs::read_to_string(&log.path).unwrap_or_default();
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            assert_eq!(value["data"]["title"], "bot beats no more");
        }
    }

    #[test]
    fn a_missing_folder_is_said_and_tried_again() {
        let log = LogFile { path: "/nonexistent/alerts.log".into(), max_bytes: 4_000 };
        assert_eq!(log.write(&message(What::Trigger)).class(), "retry");
    }
}
