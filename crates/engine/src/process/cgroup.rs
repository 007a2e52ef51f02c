//! A cgroup for the system and one below it for each component, where they can be made: the kernel then knows a
//! component's tree and kills it in one call. Needs no controller, so the `unified` hierarchy of a hybrid host serves too.
//!
//! Only cgroups made here are ever touched, and they lie below failstop's own cgroup, so that whoever manages that one
//! (systemd, a container) takes them away with it.
//!
//! Each start of a component has a cgroup of its own below the component's. Linux (seen on 6.18) kills a process at birth
//! when it is cloned into a cgroup that was killed more often than its parent's, so a killed cgroup is never used again,
//! and whether birth works at all is tried once, before anything relies on it.

use crate::process::mark::SystemMark;
use crate::process::procfs;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often and at what distance a removal is tried.
const REMOVE_TRIES: u32 = 20;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);

/// Why there are no cgroups. Never an error of the system: it works without them.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Switched off.
    #[error("cgroups are switched off in the configuration")]
    SwitchedOff,
    /// Version 1 only, or none.
    #[error("no cgroup v2 hierarchy is mounted")]
    NotMounted,
    /// The cgroup of this process lies outside what is mounted here.
    #[error("failstop's own cgroup {path} lies outside the mounted hierarchy")]
    Outside {
        /// As the kernel says it.
        path: String,
    },
    /// Not allowed here: unprivileged outside a delegated subtree, or read-only in a container.
    #[error("no cgroup can be made in {}: {source}; with systemd set Delegate=yes", .parent.display())]
    Refused {
        /// Failstop's own cgroup.
        parent: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Below a threaded cgroup, or before Linux 5.14.
    #[error("a cgroup in {} cannot hold processes or has no cgroup.kill (Linux 5.14)", .parent.display())]
    Unsuited {
        /// Failstop's own cgroup.
        parent: PathBuf,
    },
    /// `/proc` could not be read.
    #[error("failstop's own cgroup cannot be found: {0}")]
    Unknown(#[source] io::Error),
}

/// What kills a cgroup and everything below it.
#[derive(Debug)]
pub struct KillHandle(OwnedFd);

impl KillHandle {
    /// Opens the cgroup at this path. It must be one that failstop made.
    ///
    /// # Errors
    /// When it is gone, or has no `cgroup.kill`.
    pub fn open(cgroup: &Path) -> io::Result<Self> {
        let file = File::options().write(true).custom_flags(libc::O_NOFOLLOW).open(cgroup.join("cgroup.kill"))?;
        Ok(Self(file.into()))
    }

    /// SIGKILL to every process in it and below, those that are just being forked included.
    ///
    /// # Errors
    /// `ENODEV` when the cgroup is gone.
    pub fn kill(&self) -> io::Result<()> {
        // SAFETY: an open descriptor and one byte to read.
        if unsafe { libc::write(self.0.as_raw_fd(), c"1".as_ptr().cast(), 1) } == 1 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    }
}

/// The system's cgroup of this epoch.
#[derive(Debug)]
pub struct SystemCgroup {
    path: PathBuf,
    at_birth: bool,
}

/// A cgroup that a new process is to be in.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its directory, opened.
    pub directory: BorrowedFd<'a>,
    /// Whether the kernel may put the process there when it is made (0.02 ms); otherwise it moves itself (0.3 ms, and
    /// now and then far more), before it becomes its program.
    pub at_birth: bool,
}

impl SystemCgroup {
    /// What every cgroup of a system is called, but for the epoch at its end.
    pub fn name_prefix(mark: &SystemMark) -> String {
        format!("failstop-{}-{}-", mark.name, mark.jid)
    }

    /// Makes `failstop-NAME-JID-EPOCH` below this process's own cgroup. After leftovers were cleared, on the main thread,
    /// before anything is spawned: it makes a process for a moment, and takes its status.
    ///
    /// # Errors
    /// Why there will be none; the system then works without.
    pub fn make(mark: &SystemMark, epoch: u64) -> Result<Self, Unavailable> {
        let parent = own_cgroup()?;
        let path = parent.join(format!("{}{epoch}", Self::name_prefix(mark)));
        // One of the same epoch is left of a start that ended before its epoch was durable.
        if let Err(source) = remove_tree(&path).and_then(|()| std::fs::create_dir(&path)) {
            return Err(Unavailable::Refused { parent, source });
        }
        let suited = std::fs::read_to_string(path.join("cgroup.type")).is_ok_and(|kind| kind.trim() == "domain")
            && KillHandle::open(&path).is_ok();
        // Moving a process needs write access to the common ancestor's list too, and that is our own cgroup.
        let movable = [&parent, &path].into_iter().try_for_each(|cgroup| writable(&cgroup.join("cgroup.procs")));
        let refusal = match (suited, movable) {
            (true, Ok(())) => {
                let at_birth = birth_works(&path);
                return Ok(Self { path, at_birth });
            }
            (false, _) => Unavailable::Unsuited { parent },
            (true, Err(source)) => Unavailable::Refused { parent, source },
        };
        let _ = remove_tree(&path);
        Err(refusal)
    }

    /// Where it is: for `engine.json`, the guard and the kill switch.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the cgroup of a component, or takes the one that is there.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn component(&self, name: &str) -> io::Result<ComponentCgroup> {
        let path = self.path.join(name);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(ComponentCgroup { path, at_birth: self.at_birth }),
        }
    }

    /// Whether new processes are put into their cgroup when they are made.
    pub fn at_birth(&self) -> bool {
        self.at_birth
    }

    /// Kills everything in all of its cgroups.
    ///
    /// # Errors
    /// When it is gone.
    pub fn kill(&self) -> io::Result<()> {
        KillHandle::open(&self.path)?.kill()
    }

    /// Whether any process is alive in it or below.
    ///
    /// # Errors
    /// When it is gone.
    pub fn populated(&self) -> io::Result<bool> {
        read_populated(&File::open(self.path.join("cgroup.events"))?)
    }

    /// Removes it and what is below, once everything in it has ended: see [`remove_ended`].
    ///
    /// # Errors
    /// `EBUSY` while a process lives in it.
    pub fn remove(self) -> io::Result<()> {
        remove_ended(&self.path)
    }
}

/// A component's cgroup: no process is in it, but those of its starts are below. For limits and accounting.
#[derive(Debug)]
pub struct ComponentCgroup {
    path: PathBuf,
    at_birth: bool,
}

impl ComponentCgroup {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the cgroup of one start.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn instance(&self, instance: u64) -> io::Result<InstanceCgroup> {
        self.make(&instance.to_string())
    }

    /// Makes the cgroup of what runs after one start: another one, since that of the start was killed perhaps. A zero in front
    /// of its number tells the two apart, and whoever reads the number finds the same start.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn after(&self, instance: u64) -> io::Result<InstanceCgroup> {
        self.make(&format!("0{instance}"))
    }

    fn make(&self, name: &str) -> io::Result<InstanceCgroup> {
        let path = self.path.join(name);
        remove_tree(&path)?;
        std::fs::create_dir(&path)?;
        let directory = File::options().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(&path)?;
        let kill = KillHandle::open(&path)?;
        let events = File::open(path.join("cgroup.events"))?;
        Ok(InstanceCgroup { path, directory: directory.into(), kill, events, at_birth: self.at_birth })
    }
}

/// The cgroup of one start of a component: its whole tree, and nothing else, ever.
#[derive(Debug)]
pub struct InstanceCgroup {
    path: PathBuf,
    directory: OwnedFd,
    kill: KillHandle,
    events: File,
    at_birth: bool,
}

impl InstanceCgroup {
    /// For the spawner.
    pub fn entry(&self) -> Entry<'_> {
        Entry { directory: self.directory.as_fd(), at_birth: self.at_birth }
    }

    /// Kills everything in it.
    ///
    /// # Errors
    /// Nothing is expected.
    pub fn kill(&self) -> io::Result<()> {
        self.kill.kill()
    }

    /// Whether any process is alive in it or below. Zombies do not count.
    ///
    /// # Errors
    /// Nothing is expected.
    pub fn populated(&self) -> io::Result<bool> {
        read_populated(&self.events)
    }

    /// The processes in it, those of cgroups below not included.
    ///
    /// # Errors
    /// Nothing is expected.
    pub fn processes(&self) -> io::Result<Vec<i32>> {
        let text = std::fs::read_to_string(self.path.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect())
    }

    /// Removes it. What it could not remove is removed with the system's.
    ///
    /// # Errors
    /// `EBUSY` while a process lives in it.
    pub fn remove(self) -> io::Result<()> {
        remove_tree(&self.path)
    }
}

/// Where a process is within the cgroups of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside<'a> {
    /// The component's name; empty where it is in the system's cgroup itself.
    pub component: &'a str,
    /// Which start, where it is in one's cgroup.
    pub instance: Option<u64>,
}

/// What a process's cgroup path says of where it belongs, if it is in a cgroup of this system, of any epoch.
pub fn inside<'a>(prefix: &str, path: &'a str) -> Option<Inside<'a>> {
    let mut parts = path.split('/');
    parts.by_ref().find(|part| is_epoch_of(prefix, part))?;
    let component = parts.next().unwrap_or_default();
    Some(Inside { component, instance: parts.next().and_then(|instance| instance.parse().ok()) })
}

/// The path of the system's cgroup within a process's cgroup path, where there is one.
pub fn system_in_path<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    let mut end = 0;
    for part in path.split('/') {
        end += part.len() + 1;
        if is_epoch_of(prefix, part) {
            return path.get(..end - 1);
        }
    }
    None
}

/// Whether a path is that of a cgroup of this system: only such a one may be killed because a file says so.
pub fn is_of(mark: &SystemMark, path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| is_epoch_of(&SystemCgroup::name_prefix(mark), name))
}

fn is_epoch_of(prefix: &str, part: &str) -> bool {
    part.strip_prefix(prefix).is_some_and(|epoch| !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Cgroups of earlier epochs of this system below this process's own cgroup.
pub fn earlier(mark: &SystemMark) -> Vec<PathBuf> {
    let prefix = SystemCgroup::name_prefix(mark);
    let Ok(own) = own_cgroup() else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(own) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| is_epoch_of(&prefix, name)))
        .map(|entry| entry.path())
        .collect()
}

/// Where a path of the kernel's (as in `/proc/PID/cgroup`) lies in the file system.
///
/// # Errors
/// See [`Unavailable`].
pub fn locate(path: &str) -> Result<PathBuf, Unavailable> {
    let mounts = std::fs::read("/proc/self/mountinfo").map_err(Unavailable::Unknown)?;
    locate_in(&String::from_utf8_lossy(&mounts), path)
}

/// Removes a cgroup made by failstop whose processes have all ended. Tries for a moment: the kernel lets go of the last
/// one a little later than its status is taken. Only empty cgroups can be removed, so nothing is lost by trying.
///
/// # Errors
/// `EBUSY` while a process lives in it.
pub fn remove_ended(cgroup: &Path) -> io::Result<()> {
    let mut tries = REMOVE_TRIES;
    loop {
        match remove_tree(cgroup) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && tries > 1 => tries -= 1,
            done => return done,
        }
        std::thread::sleep(REMOVE_PAUSE);
    }
}

/// Removes a cgroup made by failstop, with what is below it, if all of it is empty now.
///
/// # Errors
/// `EBUSY` while a process lives in it.
pub fn remove_tree(cgroup: &Path) -> io::Result<()> {
    match std::fs::read_dir(cgroup) {
        Ok(entries) => {
            for entry in entries.filter_map(Result::ok) {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    remove_tree(&entry.path())?;
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match std::fs::remove_dir(cgroup) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a process can be cloned into a cgroup and live. Made as by a fork, so that it needs no stack; it ends at once.
fn birth_works(system: &Path) -> bool {
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let probe = system.join("birth");
    let try_it = || -> io::Result<bool> {
        std::fs::create_dir(&probe)?;
        let directory = File::open(&probe)?;
        // SAFETY: plain data; all zeros means "nothing of it".
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.flags = INTO_CGROUP;
        args.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
        args.cgroup = u64::from(directory.as_raw_fd().unsigned_abs());
        // SAFETY: a copy of this process, as by fork, on a copy of this stack.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
        match pid {
            0 => loop {
                // SAFETY: the copy does nothing but end.
                unsafe { libc::syscall(libc::SYS_exit_group, 0) };
            },
            1.. => {
                let mut status = 0;
                // SAFETY: our own child, and a place for its status.
                while unsafe { libc::waitpid(i32::try_from(pid).unwrap_or(-1), &raw mut status, 0) } < 0 {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
                Ok(status == 0)
            }
            _ => Err(io::Error::last_os_error()),
        }
    };
    let works = try_it().unwrap_or(false);
    // Where it cannot be removed yet it goes with the system's.
    let _ = std::fs::remove_dir(&probe);
    works
}

fn own_cgroup() -> Result<PathBuf, Unavailable> {
    // SAFETY: takes nothing and cannot fail.
    let me = unsafe { libc::getpid() };
    let path = procfs::cgroup_path(me).map_err(Unavailable::Unknown)?.ok_or(Unavailable::NotMounted)?;
    locate(&path)
}

/// Of all mounts of the hierarchy the first that shows the path.
fn locate_in(mountinfo: &str, path: &str) -> Result<PathBuf, Unavailable> {
    let mut mounted = false;
    for line in mountinfo.lines() {
        // 36 35 98:0 /root /mount/point options … - type source super-options
        let Some((left, right)) = line.split_once(" - ") else { continue };
        if right.split(' ').next() != Some("cgroup2") {
            continue;
        }
        let mut fields = left.split(' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else { continue };
        mounted = true;
        let root = unescape(root);
        let below = if root == b"/" {
            path.strip_prefix('/')
        } else {
            std::str::from_utf8(&root)
                .ok()
                .and_then(|root| path.strip_prefix(root))
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .map(|rest| rest.trim_start_matches('/'))
        };
        if let Some(below) = below
            && !below.split('/').any(|part| part == "..")
        {
            let point = unescape(point);
            let point = Path::new(std::ffi::OsStr::from_bytes(&point));
            return Ok(if below.is_empty() { point.to_owned() } else { point.join(below) });
        }
    }
    Err(if mounted { Unavailable::Outside { path: path.to_owned() } } else { Unavailable::NotMounted })
}

/// Undoes the `\040` of mountinfo.
fn unescape(field: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let octal = (byte == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(escaped) = octal {
            plain.push(escaped);
            rest = after.get(3..).unwrap_or_default();
        } else {
            plain.push(byte);
            rest = after;
        }
    }
    plain
}

fn writable(path: &Path) -> io::Result<()> {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a valid string; effective ids are what will be judged later.
    if unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::W_OK, libc::AT_EACCESS) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

fn read_populated(events: &File) -> io::Result<bool> {
    let mut buffer = [0_u8; 256];
    let length = match events.read_at(&mut buffer, 0) {
        Ok(length) => length,
        // Removed by somebody: then nothing lives in it.
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(false),
        Err(error) => return Err(error),
    };
    let text = buffer.get(..length).unwrap_or_default();
    if text.split(|byte| *byte == b'\n').any(|line| line == b"populated 0") {
        return Ok(false);
    }
    if text.split(|byte| *byte == b'\n').any(|line| line == b"populated 1") {
        return Ok(true);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "cgroup.events does not say `populated`"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    const HYBRID: &str = "24 1 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        25 24 0:22 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
        26 24 0:23 / /sys/fs/cgroup/uni\\040fied rw shared:4 - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_unified_hierarchy_of_a_hybrid_host_is_found() {
        assert_eq!(locate_in(HYBRID, "/a/b").unwrap(), Path::new("/sys/fs/cgroup/uni fied/a/b"));
        assert_eq!(locate_in(HYBRID, "/").unwrap(), Path::new("/sys/fs/cgroup/uni fied"));
        assert!(matches!(locate_in("24 1 0:21 / /x rw - cgroup cgroup rw", "/"), Err(Unavailable::NotMounted)));
    }

    #[test]
    fn a_path_outside_the_mount_is_not_guessed() {
        let bind = "26 24 0:23 /user.slice/mine /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(locate_in(bind, "/user.slice/mine/x").unwrap(), Path::new("/sys/fs/cgroup/x"));
        assert_eq!(locate_in(bind, "/user.slice/mine").unwrap(), Path::new("/sys/fs/cgroup"));
        assert!(matches!(locate_in(bind, "/user.slice/mine2/x"), Err(Unavailable::Outside { .. })));
        assert!(matches!(locate_in(HYBRID, "/../other"), Err(Unavailable::Outside { .. })));
    }

    #[test]
    fn a_cgroup_of_another_system_is_not_ours() {
        let mark = SystemMark { name: "demo".into(), jid: "00ff".into() };
        let prefix = SystemCgroup::name_prefix(&mark);
        let at = |component, instance| Some(Inside { component, instance });
        assert_eq!(inside(&prefix, "/x/failstop-demo-00ff-7/bot"), at("bot", None));
        assert_eq!(inside(&prefix, "/x/failstop-demo-00ff-7/bot/12/below"), at("bot", Some(12)));
        assert_eq!(inside(&prefix, "/x/failstop-demo-00ff-7"), at("", None));
        assert_eq!(system_in_path(&prefix, "/x/failstop-demo-00ff-7/bot"), Some("/x/failstop-demo-00ff-7"));
        assert_eq!(system_in_path(&prefix, "/failstop-demo-00ff-7"), Some("/failstop-demo-00ff-7"));
        for other in ["/failstop-demo-00fe-7/bot", "/failstop-demo-00ff-/bot", "/failstop-demo-00ff-7x/bot", "/", ""] {
            assert_eq!((inside(&prefix, other), system_in_path(&prefix, other)), (None, None), "{other}");
        }
    }
}
