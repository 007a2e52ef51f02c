//! Gives way to other processes: for a verification that runs beside a live bot.

use crate::failure::Failure;
use std::io;

/// The lowest processor priority.
const NICEST: libc::c_int = 19;

/// `IOPRIO_WHO_PROCESS` of the kernel's ioprio interface: the caller's own thread with id 0.
const WHO_PROCESS: libc::c_int = 1;

/// Class `IOPRIO_CLASS_IDLE`, shifted to its place: the disk only when nobody else wants it.
const IDLE: libc::c_int = 3 << 13;

/// Lowers this process's processor and disk priority. To be called before any thread starts, since threads inherit it.
pub fn give_way() -> Result<(), Failure> {
    // SAFETY: plain system calls on numbers; they touch no memory of ours.
    let failed = unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICEST) != 0
            || libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, IDLE) != 0
    };
    if failed {
        let source = io::Error::last_os_error();
        return Err(Failure::System { what: "lower the priority (--nice)", source });
    }
    Ok(())
}
