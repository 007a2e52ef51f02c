//! Which processes this engine started: number, start time, component, instance. Written to the runtime directory (memory,
//! so one short write a start), read by the next engine when it looks for leftovers whose environment it may not read.

use crate::process::procfs::{self, ProcessId};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The file's name in the runtime directory.
pub const REGISTER_FILE: &str = "processes";
/// Above this the file is written anew with what still runs.
const COMPACT_BYTES: u64 = 64 * 1024;
/// The most that is read. The file is longer than [`COMPACT_BYTES`] only while that many processes run at once.
const MAX_BYTES: u64 = 16 * COMPACT_BYTES;

/// A process that an engine started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Which process of this boot.
    pub id: ProcessId,
    /// Its component's name.
    pub component: String,
    /// Which start.
    pub instance: u64,
}

/// The register that is being written.
#[derive(Debug)]
pub struct Register {
    path: PathBuf,
    file: File,
    bytes: u64,
    running: BTreeMap<i32, Recorded>,
}

impl Register {
    /// Begins an empty one, in place of an earlier engine's.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(runtime_dir: &Path) -> io::Result<Self> {
        let path = runtime_dir.join(REGISTER_FILE);
        let (file, bytes) = write_whole(&path, &BTreeMap::new())?;
        Ok(Self { path, file, bytes, running: BTreeMap::new() })
    }

    /// Notes a start.
    ///
    /// # Errors
    /// When the file cannot be written; the process can then only be found by its environment and its cgroup.
    pub fn started(&mut self, recorded: Recorded) -> io::Result<()> {
        let line = line(&recorded);
        self.running.insert(recorded.id.pid, recorded);
        if self.bytes + line.len() as u64 > COMPACT_BYTES {
            (self.file, self.bytes) = write_whole(&self.path, &self.running)?;
            return Ok(());
        }
        self.file.write_all(line.as_bytes())?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Forgets a process that was reaped. Its line stays until the file is written anew: its start time tells it from
    /// whoever has its number next.
    pub fn reaped(&mut self, pid: i32) {
        self.running.remove(&pid);
    }
}

/// What the last engine recorded, if it was in this boot. Lines that cannot be read are passed over: the environment and
/// the cgroup say the same.
pub fn read(runtime_dir: &Path) -> Vec<Recorded> {
    read_with_owner(runtime_dir).map(|(recorded, _)| recorded).unwrap_or_default()
}

/// The same, with the user that the file belongs to: what it says is worth no more than that user's word. Never waits, follows
/// no link, and reads no more than an engine writes.
///
/// # Errors
/// When it cannot be read, or is no file.
pub fn read_with_owner(runtime_dir: &Path) -> io::Result<(Vec<Recorded>, u32)> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(runtime_dir.join(REGISTER_FILE))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    // What a bit turned into no text at all costs its line and no more.
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    let boot = procfs::boot_id().unwrap_or_default();
    let recorded = if boot.is_empty() || lines.next() != Some(boot.as_str()) {
        Vec::new()
    } else {
        lines.filter_map(parse).collect()
    };
    Ok((recorded, metadata.uid()))
}

fn line(recorded: &Recorded) -> String {
    format!("{} {} {} {}\n", recorded.id.pid, recorded.id.start_time, recorded.component, recorded.instance)
}

fn parse(line: &str) -> Option<Recorded> {
    let mut fields = line.split(' ');
    let id = ProcessId { pid: fields.next()?.parse().ok()?, start_time: fields.next()?.parse().ok()? };
    let recorded = Recorded { id, component: fields.next()?.to_owned(), instance: fields.next()?.parse().ok()? };
    (fields.next().is_none() && id.pid > 1).then_some(recorded)
}

fn write_whole(path: &Path, running: &BTreeMap<i32, Recorded>) -> io::Result<(File, u64)> {
    let mut text = procfs::boot_id()?;
    text.push('\n');
    for recorded in running.values() {
        text.push_str(&line(recorded));
    }
    let new = path.with_extension("new");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&new, path)?;
    Ok((file, text.len() as u64))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn recorded(pid: i32) -> Recorded {
        Recorded {
            id: ProcessId { pid, start_time: 5000 + u64::from(pid.unsigned_abs()) },
            component: "bot".into(),
            instance: 2,
        }
    }

    #[test]
    fn what_was_started_is_read_back_and_torn_lines_are_passed_over() {
        let runtime = tempfile::tempdir().unwrap();
        let mut register = Register::begin(runtime.path()).unwrap();
        register.started(recorded(100)).unwrap();
        register.started(recorded(101)).unwrap();
        register.reaped(100);
        register.file.write_all(b"77 12").unwrap();
        assert_eq!(read(runtime.path()), [recorded(100), recorded(101)]);
        assert_eq!(read(Path::new("/nonexistent")), []);
    }

    #[test]
    fn what_is_no_file_keeps_nobody_waiting() {
        let runtime = tempfile::tempdir().unwrap();
        let path = runtime.path().join(REGISTER_FILE);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(runtime.path()), []);
        std::fs::remove_file(&path).unwrap();
        let real = runtime.path().join("real");
        std::fs::write(&real, format!("{}\n100 5 bot 1\n", procfs::boot_id().unwrap())).unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        assert_eq!(read(runtime.path()), [], "a link");
        std::fs::rename(&real, &path).unwrap();
        assert_eq!(read_with_owner(runtime.path()).unwrap().1, nix::unistd::geteuid().as_raw());
        assert_eq!(read(runtime.path()).len(), 1);
    }

    #[test]
    fn an_earlier_boot_says_nothing_about_this_one() {
        let runtime = tempfile::tempdir().unwrap();
        std::fs::write(runtime.path().join(REGISTER_FILE), "another-boot\n100 5 bot 1\n").unwrap();
        assert_eq!(read(runtime.path()), []);
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let runtime = tempfile::tempdir().unwrap();
        let mut register = Register::begin(runtime.path()).unwrap();
        register.started(recorded(7)).unwrap();
        for pid in 1000..11_000 {
            register.started(recorded(pid)).unwrap();
            register.reaped(pid);
        }
        assert!(std::fs::metadata(runtime.path().join(REGISTER_FILE)).unwrap().len() <= COMPACT_BYTES);
        assert!(read(runtime.path()).contains(&recorded(7)));
    }
}
