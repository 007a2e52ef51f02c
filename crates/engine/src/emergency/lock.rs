//! Who runs emergency actions now: the kernel's word on a lock, by which the holder's number can be asked. One at a time, whoever
//! started it.

use super::{FOLDER, runner};
use crate::kill_switch::durable::give_to_owner_of;
use crate::process::procfs::{self, ProcessId, Stat};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE: &str = "lock";

/// The lock, held until this process ends or drops it. A lock of the process's: no program that it starts inherits it.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
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
        give_to_owner_of(folder, &file)?;
        let range = whole(libc::F_WRLCK);
        // SAFETY: an open descriptor and a valid description of a range.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const range) } == 0 {
            return Ok(Some(Self { _file: file }));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(None),
            _ => Err(error),
        }
    }
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
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(state_dir.join(FOLDER).join(FILE)).ok()?;
    let mut range = whole(libc::F_RDLCK);
    // SAFETY: an open descriptor and a valid, writable description of a range.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut range) } != 0 {
        return None;
    }
    if i32::from(range.l_type) == libc::F_UNLCK || range.l_pid <= 1 {
        return None;
    }
    let stat = procfs::stat(range.l_pid).ok()?;
    // One that merely holds the lock is nobody to be spared.
    is_called_so(stat.id.pid).then_some(stat.id)
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
