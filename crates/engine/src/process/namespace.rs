//! The engine's hold on a component's process namespace: its first process, the link to that, and which number of one side means
//! whom on the other.

use crate::process::init::WORD_BYTES;
use crate::process::pidfd::PidFd;
use crate::process::procfs::{self, ProcessId};
use crate::process::reaper::exit_of;
use crate::process::spawn::reap;
use failstop_core::Exit;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

/// The number that a component's first process has in its namespace: the second that was born there.
pub(crate) const MAIN: i32 = 2;

/// A namespace that lives as long as its first process.
#[derive(Debug)]
pub struct Namespace {
    /// Its first process, a child of ours.
    pub first: ProcessId,
    pidfd: PidFd,
    link: Link,
    /// At which place in a process's list of numbers the one in here stands.
    level: usize,
}

/// What the first process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// This one (as it is numbered in there) ended, this way.
    Ended {
        /// Which.
        number: i32,
        /// How.
        exit: Exit,
    },
    /// It has no children any more.
    Empty,
    /// It is dead, and everything that it said has been read.
    Gone,
}

impl Namespace {
    /// Takes hold of a namespace that has just begun, whose first process has this number and still waits for a word; and of the
    /// component's process in it.
    ///
    /// # Errors
    /// When it cannot be looked at or spoken to: it is ended then.
    pub(crate) fn hold(pid: i32, pidfd: PidFd, link: Link) -> io::Result<(Self, ProcessId, PidFd)> {
        let look = || -> io::Result<_> {
            let (id, main) = link.find()?;
            let level = procfs::numbers(pid)?.len().saturating_sub(1);
            let first = procfs::stat(pid)?.id;
            link.ask_about(MAIN)?;
            Ok((first, level, id, main))
        };
        match look() {
            Ok((first, level, id, main)) => Ok((Self { first, pidfd, link, level }, id, main)),
            Err(error) => {
                end(link, &pidfd);
                Err(error)
            }
        }
    }

    /// Has the end of this process told, whatever its parent is by then; as it is numbered in there.
    ///
    /// # Errors
    /// When the first process is dead.
    pub fn ask_about(&self, number: i32) -> io::Result<()> {
        self.link.ask_about(number)
    }

    /// What its first process says; `None` when it says nothing now. Never waits.
    pub fn word(&self) -> Option<Word> {
        let mut bytes = [0_u8; WORD_BYTES];
        loop {
            // SAFETY: an open socket and a buffer of this length.
            let received = unsafe {
                libc::recv(self.link.0.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT)
            };
            return match usize::try_from(received) {
                Ok(WORD_BYTES) => {
                    let mut numbers = bytes.chunks_exact(4).map(|four| four.try_into().map_or(0, i32::from_ne_bytes));
                    let mut next = || numbers.next().unwrap_or(0);
                    Some(match (next(), next(), next()) {
                        (0, _, _) => Word::Empty,
                        (number, 0, _) => Word::Ended { number, exit: Exit::Unknown },
                        (number, code, status) => Word::Ended { number, exit: exit_of(code, status) },
                    })
                }
                Ok(_) => Some(Word::Gone),
                Err(_) => match io::Error::last_os_error().raw_os_error() {
                    Some(libc::EINTR) => continue,
                    Some(libc::EAGAIN) => None,
                    _ => Some(Word::Gone),
                },
            };
        }
    }

    /// Kills everything in it: the kernel does, with its first process.
    ///
    /// # Errors
    /// Nothing is expected of our own child.
    pub fn kill(&self) -> io::Result<bool> {
        self.pidfd.signal(libc::SIGKILL)
    }

    /// Ends it and takes its first process's status.
    pub(crate) fn finish(self) {
        end(self.link, &self.pidfd);
    }

    /// How a process is numbered in there; `None` for one that is not in there.
    pub fn number_inside(&self, pid: i32) -> Option<i32> {
        procfs::numbers(pid).ok()?.get(self.level).copied()
    }

    /// Which of these processes is meant by a number that was said in there.
    pub fn number_outside(&self, members: &[ProcessId], number: i32) -> Option<i32> {
        members.iter().map(|member| member.pid).find(|pid| self.number_inside(*pid) == Some(number))
    }

    /// What is readable when its first process says something or is dead.
    pub fn link(&self) -> BorrowedFd<'_> {
        self.link.0.as_fd()
    }

    /// Its first process, to go where it is.
    pub fn door(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Ends the first process of a namespace, and everything in there with it, and takes its status.
fn end(link: Link, pidfd: &PidFd) {
    drop(link);
    // Whether by the link's end or by this.
    let _ = pidfd.signal(libc::SIGKILL);
    reap(pidfd);
}

/// Our end of a link to a new process.
#[derive(Debug)]
pub(crate) struct Link(OwnedFd);

impl Link {
    /// Both ends, closed on exec: ours, and the new process's, which waits when it reads.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let mut ends = [-1; 2];
        // SAFETY: room for two descriptors.
        let made =
            unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) };
        if made != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us both, and nobody else knows them.
        let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        setsockopt(&ours, sockopt::PassCred, &true)?;
        Ok((Self(ours), theirs))
    }

    /// The process that has said that it is there. Nobody has taken its status yet: its parent waits for our word, or is this process.
    pub(crate) fn find(&self) -> io::Result<(ProcessId, PidFd)> {
        let pid = self.who()?;
        let pidfd = PidFd::open(pid)?;
        Ok((procfs::stat(pid)?.id, pidfd))
    }

    fn ask_about(&self, number: i32) -> io::Result<()> {
        let bytes = number.to_ne_bytes();
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: an open socket and a buffer of this length.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Which process has said that it is there, numbered as we see it: the kernel says so, and it is true whatever became of it.
    pub(crate) fn who(&self) -> io::Result<i32> {
        let mut byte = [0_u8; 1];
        let mut parts = [IoSliceMut::new(&mut byte)];
        let mut room = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
        let message = recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_DONTWAIT)?;
        let sender = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
            _ => None,
        });
        setsockopt(&self.0, sockopt::PassCred, &false)?;
        sender.filter(|pid| *pid > 0).ok_or_else(|| io::Error::other("the kernel does not say which process it is"))
    }
}
