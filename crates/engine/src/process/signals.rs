//! Signals as one descriptor, for the guard's loop and for the engine's.
//!
//! The four signals are blocked before the guard and the engine part, so none is ever lost or kills one of them by
//! default, however early it comes.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A signal that the loop acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGCHLD: a child ended. Several endings may be one notice.
    Child,
    /// SIGTERM: stop cleanly.
    Terminate,
    /// SIGINT: stop cleanly.
    Interrupt,
    /// SIGHUP: have the components that want it reload.
    Hangup,
}

impl Signal {
    const ALL: [Self; 4] = [Self::Child, Self::Terminate, Self::Interrupt, Self::Hangup];

    /// The kernel's number.
    pub const fn number(self) -> i32 {
        match self {
            Self::Child => libc::SIGCHLD,
            Self::Terminate => libc::SIGTERM,
            Self::Interrupt => libc::SIGINT,
            Self::Hangup => libc::SIGHUP,
        }
    }
}

/// The four signals, blocked, as a non-blocking descriptor. Readable when one is waiting.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the four signals for this thread and those that it will start, and restores SIGCHLD's default: where the
    /// parent ignored it, children would vanish without a status.
    ///
    /// # Errors
    /// Whatever the kernel says; nothing is expected.
    pub fn block() -> io::Result<()> {
        let set = set();
        // SAFETY: a valid set; the old one is not wanted.
        let failed = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed));
        }
        // SAFETY: the default disposition is no code of ours.
        if unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Opens the descriptor. [`Signals::block`] came first.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn open() -> io::Result<Self> {
        let set = set();
        // SAFETY: a valid set; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next waiting signal; `None` when there is none now.
    ///
    /// # Errors
    /// Whatever the kernel says; nothing is expected.
    pub fn next(&self) -> io::Result<Option<Signal>> {
        loop {
            let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
            let size = size_of::<libc::signalfd_siginfo>();
            // SAFETY: a valid descriptor and a buffer of exactly this size.
            let read = unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) };
            if usize::try_from(read) == Ok(size) {
                // SAFETY: the kernel has filled it whole.
                let number = unsafe { info.assume_init() }.ssi_signo;
                let known = Signal::ALL.into_iter().find(|signal| u32::try_from(signal.number()) == Ok(number));
                if known.is_some() {
                    return Ok(known);
                }
                continue;
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::WouldBlock => return Ok(None),
                io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn set() -> libc::sigset_t {
    // SAFETY: sigset_t is plain data, and sigemptyset gives it its value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid set and valid signal numbers.
    unsafe {
        libc::sigemptyset(&raw mut set);
        for signal in Signal::ALL {
            libc::sigaddset(&raw mut set, signal.number());
        }
    }
    set
}
