//! The one place that takes exit statuses: of components, of their orphans, of anything re-parented to this process.
//!
//! One `waitid` loop for everything. Nothing else in the process may wait for children: two waiters steal each other's.

use failstop_core::Exit;
use std::io;

/// A child that ended; its number may be reused from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its number.
    pub pid: i32,
    /// How it ended.
    pub exit: Exit,
}

/// What there is to reap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This one ended.
    Ended(Reaped),
    /// There are children, and none has ended.
    NoneEnded,
    /// There are no children at all. Of a subreaper it means: no descendants either.
    NoChildren,
}

/// Takes the next ended child, if there is one. Call until it is not [`Next::Ended`] whenever SIGCHLD came.
///
/// # Errors
/// Whatever the kernel says; nothing is expected.
pub fn next() -> io::Result<Next> {
    loop {
        // SAFETY: siginfo_t is plain data; all zeros is a valid value of it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: a valid place for the answer.
        let done = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG) };
        if done == 0 {
            // SAFETY: waitid fills these fields; with nothing to report it leaves the number zero.
            let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
            if pid == 0 {
                return Ok(Next::NoneEnded);
            }
            return Ok(Next::Ended(Reaped { pid, exit: exit_of(info.si_code, status) }));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ECHILD) => return Ok(Next::NoChildren),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}

pub(crate) fn exit_of(code: i32, status: i32) -> Exit {
    if code == libc::CLD_EXITED { Exit::Status(status) } else { Exit::Signal(status) }
}
