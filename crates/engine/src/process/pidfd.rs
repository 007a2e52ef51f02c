//! A handle on exactly one process, for everybody who signals: a number may be reused, a pidfd never is.

use crate::process::procfs::{self, ProcessId};
use failstop_core::Exit;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A pidfd (closed on exec). Readable, as poll sees it, once the process has ended.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// A handle on whatever process has this number now.
    ///
    /// # Errors
    /// `ESRCH` when there is none; `ENOSYS` before Linux 5.3.
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: the call takes two integers and returns a new descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0_u32) };
        let fd = i32::try_from(fd).unwrap_or(-1);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// A handle on this very process; `None` when it is gone, also when another one has its number by now.
    ///
    /// # Errors
    /// Whatever the kernel says but "no such process".
    pub fn open_exactly(id: ProcessId) -> io::Result<Option<Self>> {
        let pidfd = match Self::open(id.pid) {
            Ok(pidfd) => pidfd,
            Err(error) if procfs::is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Looked at after opening: if the number still means the same process now, it did when we opened.
        match procfs::stat(id.pid) {
            Ok(stat) if stat.id == id => Ok(Some(pidfd)),
            Ok(_) => Ok(None),
            Err(error) if procfs::is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A descriptor that somebody else passed on: itself, and which process it is of.
    ///
    /// # Errors
    /// When it is no pidfd, or its process is gone or not seen from here.
    pub fn of_descriptor(fd: OwnedFd) -> io::Result<(Self, i32)> {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).and_then(|pid| pid.trim().parse().ok());
        match pid {
            Some(pid) if pid > 0 => Ok((Self(fd), pid)),
            Some(_) => Err(io::Error::other("its process is gone, or not seen from here")),
            None => Err(io::Error::other("it is no pidfd")),
        }
    }

    /// The inode number of the pidfd: of no two processes of one boot the same (Linux 6.9; before that of all the same).
    ///
    /// # Errors
    /// When the descriptor cannot be looked at.
    pub fn inode(&self) -> io::Result<u64> {
        Ok(nix::sys::stat::fstat(&self.0)?.st_ino)
    }

    /// How the process ended, where the kernel remembers it although somebody else took its status (Linux 6.15).
    pub fn exit(&self) -> Option<Exit> {
        const PIDFD_GET_INFO: u64 = 3 << 30 | 64 << 16 | 0xff << 8 | 11;
        const PIDFD_INFO_EXIT: u64 = 1 << 3;
        /// The kernel's `struct pidfd_info`, as it was first: 64 bytes.
        #[repr(C)]
        struct Info {
            mask: u64,
            cgroup: u64,
            numbers: [u32; 11],
            exit_code: i32,
        }
        let mut info = Info { mask: PIDFD_INFO_EXIT, cgroup: 0, numbers: [0; 11], exit_code: 0 };
        // SAFETY: an open descriptor and a valid place of the size that the request names. The request's type differs
        // between C libraries.
        let asked = unsafe { libc::ioctl(self.0.as_raw_fd(), PIDFD_GET_INFO as _, &raw mut info) };
        (asked == 0 && info.mask & PIDFD_INFO_EXIT != 0).then(|| exit_of_wait_status(info.exit_code))
    }

    /// Takes over a pidfd that a clone returned.
    pub(crate) fn from_owned(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends a signal. `Ok(false)` when the process has ended and was reaped.
    ///
    /// # Errors
    /// `EPERM` for another user's process, `EINVAL` for a signal that does not exist.
    pub fn signal(&self, signal: i32) -> io::Result<bool> {
        // SAFETY: a valid descriptor, an integer, no siginfo, no flags.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                0_u32,
            )
        };
        if sent == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ESRCH) { Ok(false) } else { Err(error) }
    }

    /// Whether the process has ended (it may still be a zombie).
    ///
    /// # Errors
    /// When the descriptor cannot be polled.
    pub fn has_ended(&self) -> io::Result<bool> {
        self.wait_end(0)
    }

    /// Waits at most this long for its end; whether it has ended.
    ///
    /// # Errors
    /// When the descriptor cannot be polled.
    pub fn wait_end(&self, milliseconds: u16) -> io::Result<bool> {
        let mut descriptor = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd, which outlives the call.
        let ready = unsafe { libc::poll(&raw mut descriptor, 1, i32::from(milliseconds)) };
        match ready {
            0 => Ok(false),
            1.. => Ok(true),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
                error => Err(error),
            },
        }
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A status as `wait` gives it.
pub fn exit_of_wait_status(status: i32) -> Exit {
    match status & 0x7f {
        0 => Exit::Status(status >> 8 & 0xff),
        signal => Exit::Signal(signal),
    }
}

/// Kills exactly this process. `Ok(false)` when it is gone already.
///
/// # Errors
/// `EPERM` for another user's process.
pub fn kill_exactly(id: ProcessId) -> io::Result<bool> {
    match PidFd::open_exactly(id)? {
        Some(pidfd) => pidfd.signal(libc::SIGKILL),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn a_descriptor_says_which_process_it_is_of_and_nothing_else_does() {
        let me = i32::try_from(std::process::id()).unwrap();
        let (pidfd, pid) = PidFd::of_descriptor(PidFd::open(me).unwrap().0).unwrap();
        assert_eq!(pid, me);
        assert_eq!(pidfd.inode().unwrap(), PidFd::open(me).unwrap().inode().unwrap());
        assert!(PidFd::of_descriptor(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    }

    #[test]
    fn the_end_of_anothers_child_is_known_where_the_kernel_remembers_it() {
        assert_eq!((exit_of_wait_status(3 << 8), exit_of_wait_status(9)), (Exit::Status(3), Exit::Signal(9)));
        let mut command = std::process::Command::new("sh");
        let mut child = command.args(["-c", "read line; exit 3"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pidfd = PidFd::open(i32::try_from(child.id()).unwrap()).unwrap();
        assert_eq!(pidfd.exit(), None, "it lives");
        child.wait().unwrap();
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        if (numbers.next(), numbers.next()) >= (Some(6), Some(15)) {
            assert_eq!(pidfd.exit(), Some(Exit::Status(3)));
        }
    }

    #[test]
    fn another_start_time_is_another_process() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let id = procfs::stat(i32::try_from(child.id()).unwrap()).unwrap().id;
        assert!(!kill_exactly(ProcessId { start_time: id.start_time + 1, ..id }).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        let pidfd = PidFd::open_exactly(id).unwrap().unwrap();
        assert!(!pidfd.has_ended().unwrap());
        assert!(kill_exactly(id).unwrap());
        assert!(pidfd.wait_end(10_000).unwrap());
        child.wait().unwrap();
        assert!(!kill_exactly(id).unwrap());
        assert!(!pidfd.signal(libc::SIGKILL).unwrap());
    }
}
