//! Who holds a state directory's instance lock, asked from outside and without taking it: for the kill switch and the commands,
//! which must know whether an engine runs whatever became of the files in which it left word.
//!
//! The kernel says that the lock is held and not by whom. So a process counts as the holder only if it has this very file open
//! and its `/proc/PID/fdinfo` shows the lock on that descriptor; what the file says is only where to look first.

use crate::process::lock::{Holder, LOCK_FILE};
use crate::process::procfs::{self, ProcessId, Stat};
use crate::process::user::User;
use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The name of the guard's program, as the guard sets it.
const GUARD: &str = "failstop-guard";

/// What can be said of a state directory's engine.
#[derive(Debug)]
pub enum Held {
    /// Nobody holds the lock: no engine runs.
    Free,
    /// This engine does.
    By {
        /// The engine.
        engine: ProcessId,
        /// Its guard, while it has one.
        guard: Option<ProcessId>,
        /// The owner of the lock's file: whoever could write what is in it.
        owner: u32,
    },
    /// A process that is not seen from here: in another process namespace, another user's, or at its very beginning or end.
    Unseen {
        /// Its number, as it sees itself, where the file says it.
        pid: Option<i32>,
    },
    /// This user may not look.
    Closed(Closed),
    /// It cannot be found out.
    Unknown(io::Error),
}

/// What keeps this user from seeing whether an engine runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The lock's file, or the directory on the way to it that may not be entered.
    pub path: PathBuf,
    /// Whose it is.
    pub owner: u32,
}

impl Closed {
    /// The nearest thing on the way to `path` that can be seen: what it holds cannot.
    fn on_the_way_to(path: &Path) -> Self {
        let seen = path.ancestors().find_map(|ancestor| {
            let named = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
            Some(Self { path: named.to_owned(), owner: std::fs::symlink_metadata(named).ok()?.uid() })
        });
        seen.unwrap_or_else(|| Self { path: path.to_owned(), owner: 0 })
    }

    /// As whom to look, for people.
    pub fn next(&self) -> String {
        if self.owner == 0 {
            "run this as root".to_owned()
        } else {
            format!("run this as {} or as root", User(self.owner))
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = User(nix::unistd::geteuid().as_raw());
        write!(f, "{} belongs to {} and is closed to {us}", self.path.display(), User(self.owner))
    }
}

/// Asks who holds the lock of this state directory. Never waits, takes nothing, follows no link in its last part.
pub fn ask(state_dir: &Path) -> Held {
    match open_held(state_dir) {
        Ok(Some((file, metadata))) => holder(&file, &metadata),
        Ok(None) => Held::Free,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Held::Closed(Closed::on_the_way_to(&state_dir.join(LOCK_FILE)))
        }
        Err(error) => Held::Unknown(error),
    }
}

/// The lock's file, where somebody holds the lock; `None` where nobody does, or there is no such file.
///
/// # Errors
/// The file cannot be opened, is no file, or cannot be asked about.
pub fn open_held(state_dir: &Path) -> io::Result<Option<(File, Metadata)>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match File::options().read(true).custom_flags(flags).open(state_dir.join(LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok(is_locked(&file)?.then_some((file, metadata)))
}

fn is_locked(file: &File) -> io::Result<bool> {
    // SAFETY: plain data; all zeros covers the whole file from its start, and `l_pid` must be 0 for this call.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    // A read lock would conflict with the engine's write lock and can be asked about on a file open for reading.
    range.l_type = libc::F_RDLCK as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: an open descriptor and a valid, writable description of a range.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::from(range.l_type) != libc::F_UNLCK)
}

fn holder(file: &File, metadata: &Metadata) -> Held {
    let written = Holder::read(file);
    let named = written.filter(|written| match holds(written.engine, metadata) {
        Ok(holds) => holds,
        // A process that gave up its rights may not be looked into even by its own user. That it is the child of the guard
        // which the file names as well is not chance.
        Err(error) => {
            error.kind() == io::ErrorKind::PermissionDenied
                && procfs::stat(written.engine).is_ok_and(|stat| stat.parent == written.guard)
        }
    });
    let pid = named.map(|named| named.engine).or_else(|| {
        // In a process namespace of its own it has another number here.
        procfs::all().ok()?.into_iter().find(|pid| holds(*pid, metadata).unwrap_or(false))
    });
    let Some(engine) = pid.and_then(|pid| procfs::stat(pid).ok()).map(|found| eldest_holder(found, metadata)) else {
        return Held::Unseen { pid: written.map(|written| written.engine) };
    };
    let guard = procfs::stat(engine.parent)
        .ok()
        .filter(|parent| parent.comm == GUARD || written.is_some_and(|written| written.guard == parent.id.pid))
        .map(|parent| parent.id);
    Held::By { engine: engine.id, guard, owner: metadata.uid() }
}

/// The state directory whose lock this process holds, as that process sees it; `None` where it holds none, or this user may not look.
pub fn state_dir_of(pid: i32) -> Option<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    entries.filter_map(Result::ok).find_map(|entry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        let name = target.file_name()?.to_str()?;
        let named = name.strip_suffix(" (deleted)").unwrap_or(name) == LOCK_FILE;
        (named && shows_lock(pid, &entry.file_name().to_string_lossy())).then(|| target.parent().map(Path::to_owned))?
    })
}

/// The engine, where `found` is a child that it has just forked: until that one runs a program of its own, it has the engine's
/// descriptors and shows its lock.
fn eldest_holder(mut found: Stat, metadata: &Metadata) -> Stat {
    while let Ok(parent) = procfs::stat(found.parent)
        && holds(parent.id.pid, metadata).unwrap_or(false)
    {
        found = parent;
    }
    found
}

/// Whether the process holds a lock on this file.
fn holds(pid: i32, file: &Metadata) -> io::Result<bool> {
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        // By name first: asking a file system that hangs what else is open would hang with it.
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.strip_suffix(" (deleted)").unwrap_or(name) != LOCK_FILE {
            continue;
        }
        let same =
            std::fs::metadata(entry.path()).is_ok_and(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()));
        if same && shows_lock(pid, &entry.file_name().to_string_lossy()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn shows_lock(pid: i32, descriptor: &str) -> bool {
    let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).unwrap_or_default();
    info.lines().any(|line| line.starts_with("lock:") && line.contains("OFDLCK") && line.contains("WRITE"))
}

/// Whether the kernel's own list shows a lock of an engine's kind on this file, which need not be opened for that. Device
/// numbers are not compared: some file systems show others there than `stat` does.
pub fn seems_held(lock: &Path) -> bool {
    let Ok(metadata) = std::fs::symlink_metadata(lock) else { return false };
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    is_listed(&locks, metadata.ino())
}

/// `1: OFDLCK ADVISORY  WRITE -1 fe:00:5456145 0 EOF`
fn is_listed(locks: &str, inode: u64) -> bool {
    locks.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        (fields.next(), fields.nth(1)) == (Some("OFDLCK"), Some("WRITE"))
            && fields.nth(1).and_then(|file| file.rsplit(':').next()?.parse().ok()) == Some(inode)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::process::lock::InstanceLock;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, Instant};

    fn state() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn own() -> ProcessId {
        procfs::stat(i32::try_from(std::process::id()).unwrap()).unwrap().id
    }

    #[test]
    fn nobody_holds_what_is_not_there_or_not_locked() {
        let state = state();
        assert!(matches!(ask(state.path()), Held::Free));
        assert!(matches!(ask(&state.path().join("missing")), Held::Free));
        std::fs::write(state.path().join(LOCK_FILE), "4711 4710\n").unwrap();
        assert!(matches!(ask(state.path()), Held::Free), "a text is no lock");
        assert!(!seems_held(&state.path().join(LOCK_FILE)));
    }

    #[test]
    fn the_holder_is_found_whatever_the_file_says() {
        let state = state();
        let lock = InstanceLock::take(state.path()).unwrap();
        let is_us = |held: &Held| matches!(held, Held::By { engine, guard: Some(_), .. } if *engine == own());
        let held = ask(state.path());
        assert!(is_us(&held), "{held:?}");
        assert_eq!(state_dir_of(4_000_000), None);
        assert!(seems_held(&state.path().join(LOCK_FILE)));
        // Its own number in its own process namespace, that of a stranger, nonsense.
        for text in ["4711 4710\n", "1 0\n", "x"] {
            std::fs::write(state.path().join(LOCK_FILE), text).unwrap();
            let held = ask(state.path());
            assert!(matches!(held, Held::By { engine, .. } if engine == own()), "{text:?}: {held:?}");
        }
        drop(lock);
        // Other tests of this program start children, which have its descriptors for a moment.
        let until = Instant::now() + Duration::from_secs(20);
        while !matches!(ask(state.path()), Held::Free) {
            assert!(Instant::now() < until, "{:?}", ask(state.path()));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_child_that_has_just_been_forked_is_not_taken_for_the_engine() {
        let state = state();
        let lock = InstanceLock::take(state.path()).unwrap();
        // SAFETY: the child only waits to be killed, which a child of a program with threads may do.
        let child = unsafe { libc::fork() };
        if child == 0 {
            loop {
                // SAFETY: no arguments.
                unsafe { libc::pause() };
            }
        }
        std::fs::write(state.path().join(LOCK_FILE), format!("{child} 0\n")).unwrap();
        let held = ask(state.path());
        // SAFETY: a child of ours that nobody else waits for.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
        assert!(matches!(held, Held::By { engine, .. } if engine == own()), "{held:?}");
        drop(lock);
    }

    #[test]
    fn a_process_that_only_has_the_file_open_does_not_hold_it() {
        let state = state();
        let path = state.path().join(LOCK_FILE);
        std::fs::write(&path, "1 0\n").unwrap();
        let open = File::open(&path).unwrap();
        assert!(!holds(own().pid, &open.metadata().unwrap()).unwrap());
    }

    #[test]
    fn what_is_no_file_keeps_nobody_waiting() {
        let state = state();
        nix::unistd::mkfifo(&state.path().join(LOCK_FILE), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(ask(state.path()), Held::Unknown(_)));
        std::fs::remove_file(state.path().join(LOCK_FILE)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", state.path().join(LOCK_FILE)).unwrap();
        assert!(matches!(ask(state.path()), Held::Unknown(_)));
    }

    #[test]
    fn a_lock_is_recognised_in_the_kernels_list() {
        let list = "1: FLOCK  ADVISORY  WRITE 13926 fe:00:77 0 EOF\n2: OFDLCK ADVISORY  READ -1 fe:00:78 0 EOF\n\
                    3: OFDLCK ADVISORY  WRITE -1 fe:00:79 0 EOF\n3: -> OFDLCK ADVISORY  WRITE -1 fe:00:80 0 EOF\n";
        assert_eq!([77, 78, 79, 80].map(|inode| is_listed(list, inode)), [false, false, true, false]);
    }

    #[test]
    fn what_is_closed_to_us_is_named_with_whom_it_belongs_to() {
        let state = state();
        let inner = state.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let closed = Closed::on_the_way_to(&inner.join("deeper/LOCK"));
        assert_eq!(closed, Closed { path: inner.clone(), owner: nix::unistd::geteuid().as_raw() });
        assert_eq!(Closed { path: inner, owner: 4_000_000_017 }.next(), "run this as user 4000000017 or as root");
        if !nix::unistd::geteuid().is_root() {
            std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o000)).unwrap();
            assert!(matches!(ask(state.path()), Held::Closed(Closed { path, .. }) if path == state.path()));
            std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}
