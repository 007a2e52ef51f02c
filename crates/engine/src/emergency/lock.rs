//! Who runs emergency actions now: the kernel's word on a lock, by which the holder's number can be asked. One at a time, whoever
//! started it.

use super::{FOLDER, runner};
use crate::kill_switch::durable::give_to_owner_of;
use crate::process::procfs::{self, ProcessId, Stat};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "lock";

/// The most that is read of what its holder wrote into it, bytes.
const ANNOUNCED_MAX: u64 = 128;

/// The lock, held until this process ends or drops it. A lock of the process's: no program that it starts inherits it.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// Who has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nobody.
    No,
    /// This runner.
    By(ProcessId),
    /// Somebody who cannot be seen from here, or is no runner of failstop's.
    Unseen,
}

/// Makes the folder of emergency actions where there is none.
///
/// # Errors
/// Those of making it.
pub fn make_folder(state_dir: &Path) -> io::Result<PathBuf> {
    let folder = state_dir.join(FOLDER);
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        // Made by root for somebody else's system, it is theirs.
        Ok(()) => give_to_owner_of(state_dir, &File::open(&folder)?)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // Whoever owns the state directory may put a link there, to a folder that only root may write.
    if nix::unistd::geteuid().is_root() && std::fs::symlink_metadata(&folder)?.is_symlink() {
        return Err(io::Error::other(format!("{} is a symbolic link, which root does not follow", folder.display())));
    }
    Ok(folder)
}

impl Lock {
    /// Takes it; `None` where another process has it.
    pub(super) fn try_take(folder: &Path) -> io::Result<Option<Self>> {
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(folder.join(FILE))?;
        // A file that has other names is not one that was made here.
        if file.metadata()?.nlink() == 1 {
            give_to_owner_of(folder, &file)?;
        }
        let range = whole(libc::F_WRLCK);
        // SAFETY: an open descriptor and a valid description of a range.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const range) } == 0 {
            return Ok(Some(Self { file }));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(None),
            _ => Err(error),
        }
    }

    /// Writes into it how long its holder may take, so that whoever waits knows when waiting is in vain. What cannot be written
    /// is taken for the most that there is.
    pub(super) fn announce(&self, longest: Duration) -> io::Result<()> {
        let this = procfs::stat(i32::try_from(std::process::id()).map_err(io::Error::other)?)?.id;
        self.file.set_len(0)?;
        self.file.write_all_at(format!("{} {} {}\n", this.pid, this.start_time, longest.as_millis()).as_bytes(), 0)
    }
}

/// How long this holder of the lock may take, as it wrote there; `None` where it did not.
pub(super) fn announced_by(holder: ProcessId, state_dir: &Path) -> Option<Duration> {
    let mut text = String::new();
    open(state_dir)?.take(ANNOUNCED_MAX).read_to_string(&mut text).ok()?;
    let mut words = text.split_whitespace();
    let (pid, start_time) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let longest = Duration::from_millis(words.next()?.parse().ok()?);
    // Of another one, who had it before.
    (ProcessId { pid, start_time } == holder).then_some(longest)
}

fn open(state_dir: &Path) -> Option<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    File::options().read(true).custom_flags(flags).open(state_dir.join(FOLDER).join(FILE)).ok()
}

/// A lock of this kind on the whole file.
fn whole(kind: libc::c_int) -> libc::flock {
    // SAFETY: plain data; all zeros covers the whole file from its start.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = kind as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range
}

/// The process that runs emergency actions of this system now, as it is seen from here; `None` where none does, or where it is
/// not failstop's own runner.
pub fn runner_of(state_dir: &Path) -> Option<ProcessId> {
    match held(state_dir) {
        Held::By(runner) => Some(runner),
        Held::No | Held::Unseen => None,
    }
}

/// Who has the lock. Whoever has it must not ask: the kernel lets it go with any handle that is closed.
pub fn held(state_dir: &Path) -> Held {
    let Some(file) = open(state_dir) else { return Held::No };
    let mut range = whole(libc::F_RDLCK);
    // SAFETY: an open descriptor and a valid, writable description of a range.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut range) } != 0
        || i32::from(range.l_type) == libc::F_UNLCK
    {
        return Held::No;
    }
    match procfs::stat(range.l_pid) {
        // One that merely holds the lock is nobody to be spared.
        Ok(stat) if range.l_pid > 1 && is_called_so(stat.id.pid) => Held::By(stat.id),
        Ok(_) | Err(_) => Held::Unseen,
    }
}

/// Whether this process runs emergency actions of this system, or is about to: failstop's own program under that name, of the
/// state directory's owner or root. One that is not at work yet holds no lock.
pub fn is_runner(stat: &Stat, state_dir: &Path) -> bool {
    if stat.comm != runner::COMM || !is_called_so(stat.id.pid) {
        return false;
    }
    let (Ok(user), Ok(state)) = (procfs::real_user(stat.id.pid), std::fs::metadata(state_dir)) else { return false };
    let is_ours = |path: String| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let same_program = is_ours(format!("/proc/{}/exe", stat.id.pid))
        .is_some_and(|its| is_ours("/proc/self/exe".to_owned()) == Some(its));
    // After an update its program is another file than this one's; then the lock says that it is at work.
    (user == 0 || user == state.uid()) && (same_program || runner_of(state_dir) == Some(stat.id))
}

fn is_called_so(pid: i32) -> bool {
    let called = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    called.split(|byte| *byte == 0).next() == Some(runner::NAME.as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn who_has_it_says_how_long_it_may_take_and_what_another_said_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = make_folder(dir.path()).unwrap();
        let this = procfs::stat(std::process::id().cast_signed()).unwrap().id;
        assert_eq!(announced_by(this, dir.path()), None);
        let lock = Lock::try_take(&folder).unwrap().unwrap();
        lock.announce(Duration::from_secs(3_600)).unwrap();
        lock.announce(Duration::from_millis(1_500)).unwrap();
        assert_eq!(announced_by(this, dir.path()), Some(Duration::from_millis(1_500)));
        let later = ProcessId { start_time: this.start_time + 1, ..this };
        assert_eq!(announced_by(later, dir.path()), None, "it has the number of one that is gone");
        std::fs::write(folder.join(FILE), "half").unwrap();
        assert_eq!(announced_by(this, dir.path()), None);
    }
}
