//! A handle on exactly one process, for everybody who signals: a number may be reused, a pidfd never is.

use crate::process::procfs::{self, ProcessId};
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
