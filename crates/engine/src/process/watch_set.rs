//! Descriptors that come and go while the engine runs and whose end is news: main processes that components named
//! themselves, and descriptors that are kept for them. One epoll instance holds them all, so that the loop waits on one.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

/// How many are taken at a time.
const TAKEN_MAX: usize = 32;

/// The set.
#[derive(Debug)]
pub struct WatchSet(Epoll);

impl WatchSet {
    /// Nothing is watched yet.
    ///
    /// # Errors
    /// When the kernel has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// A second descriptor of the set, for the loop: readable while anything in the set is news.
    ///
    /// # Errors
    /// When the kernel has no descriptors left.
    pub fn to_wait_on(&self) -> io::Result<OwnedFd> {
        // SAFETY: an open descriptor, duplicated; the new one is nobody else's.
        let copy = unsafe { libc::fcntl(self.0.0.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) };
        if copy < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor.
        Ok(unsafe { OwnedFd::from_raw_fd(copy) })
    }

    /// Watches for the end of the process behind a pidfd.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn watch_process(&self, pidfd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        Ok(self.0.add(pidfd, EpollEvent::new(EpollFlags::EPOLLIN, token))?)
    }

    /// Watches whether the other end hangs up. `false` for what has no other end: files, memory.
    ///
    /// # Errors
    /// Whatever else the kernel says.
    pub fn watch_hang_up(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<bool> {
        // Hang-up and errors are always told.
        match self.0.add(fd, EpollEvent::new(EpollFlags::empty(), token)) {
            Ok(()) => Ok(true),
            Err(nix::errno::Errno::EPERM) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Watches it no more. Before it is closed: as long as somebody else holds the same open file the kernel would go on.
    pub fn forget(&self, fd: BorrowedFd<'_>) {
        // One that was never watched is none the less not watched now.
        let _ = self.0.delete(fd);
    }

    /// The tokens of what is news now. What is told stays so until it is forgotten.
    ///
    /// # Errors
    /// Whatever the kernel says; nothing is expected.
    pub fn news(&self) -> io::Result<Vec<u64>> {
        let mut events = [EpollEvent::empty(); TAKEN_MAX];
        let count = match self.0.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        Ok(events.iter().take(count).map(EpollEvent::data).collect())
    }
}

impl AsFd for WatchSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::process::pidfd::PidFd;

    #[test]
    fn the_end_of_a_process_and_of_a_connection_are_news_until_forgotten() {
        let set = WatchSet::new().unwrap();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pidfd = PidFd::open(i32::try_from(child.id()).unwrap()).unwrap();
        set.watch_process(pidfd.as_fd(), 7).unwrap();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(set.watch_hang_up(ours.as_fd(), 8).unwrap());
        assert!(!set.watch_hang_up(std::fs::File::open("/proc/self/exe").unwrap().as_fd(), 9).unwrap());
        std::io::Write::write_all(&mut &theirs, b"data").unwrap();
        assert!(set.news().unwrap().is_empty(), "data is no end");
        drop(theirs);
        assert_eq!(set.news().unwrap(), [8]);
        set.forget(ours.as_fd());
        assert!(set.news().unwrap().is_empty());
        child.kill().unwrap();
        assert!(pidfd.wait_end(10_000).unwrap());
        assert_eq!(set.news().unwrap(), [7]);
        child.wait().unwrap();
        assert_eq!(set.news().unwrap(), [7], "also once it is reaped");
    }
}
