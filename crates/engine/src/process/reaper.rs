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
    Ok(match wait(libc::P_ALL, 0, libc::WEXITED)? {
        Seen::Ended(Ended { pid, code, status }) => Next::Ended(Reaped { pid, exit: exit_of(code, status) }),
        Seen::NoneEnded => Next::NoneEnded,
        Seen::NoChildren => Next::NoChildren,
    })
}

/// A child that ended, in the kernel's numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// Its number.
    pub(crate) pid: i32,
    /// `si_code`.
    pub(crate) code: i32,
    /// `si_status`.
    pub(crate) status: i32,
}

/// What there is to take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen {
    /// This one ended.
    Ended(Ended),
    /// There are children, and none has ended.
    NoneEnded,
    /// There are no children at all.
    NoChildren,
}

/// Looks for an ended child of whatever kind, whose status and number stay until [`take`]. For the small processes beside the
/// engine: it allocates nothing.
///
/// # Errors
/// Whatever the kernel says; nothing is expected.
pub(crate) fn look() -> io::Result<Seen> {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOWAIT | libc::__WALL)
}

/// Takes the status of a child that was seen to have ended. Its number may be reused from now on.
pub(crate) fn take(ended: Ended) {
    // It is there, and nobody else takes it.
    let _ = wait(libc::P_PID, ended.pid.unsigned_abs(), libc::WEXITED | libc::__WALL);
}

fn wait(which: libc::idtype_t, id: libc::id_t, flags: libc::c_int) -> io::Result<Seen> {
    loop {
        // SAFETY: siginfo_t is plain data; all zeros is a valid value of it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: a valid place for the answer.
        let done = unsafe { libc::waitid(which, id, &raw mut info, flags | libc::WNOHANG) };
        if done == 0 {
            // SAFETY: waitid fills these fields; with nothing to report it leaves the number zero.
            let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
            return Ok(if pid == 0 { Seen::NoneEnded } else { Seen::Ended(Ended { pid, code: info.si_code, status }) });
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ECHILD) => return Ok(Seen::NoChildren),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}

pub(crate) fn exit_of(code: i32, status: i32) -> Exit {
    if code == libc::CLD_EXITED { Exit::Status(status) } else { Exit::Signal(status) }
}
