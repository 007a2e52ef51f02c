//! No second engine runs this system. Asks the kernel who holds the lock without taking it: taking it, however briefly,
//! could turn away an engine that is just starting.

use super::{Finding, Subject};
use crate::process::lock;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::Path;

/// Who holds a state directory.
#[derive(Debug)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// An engine, with its process number where the lock's file says it.
    Engine(Option<i32>),
    /// It could not be found out.
    Unknown(io::Error),
}

/// Who holds the instance lock of a state directory.
pub fn holder_of(state_dir: &Path) -> Holder {
    let file = match File::open(state_dir.join(lock::LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Holder::Nobody,
        Err(error) => return Holder::Unknown(error),
    };
    // SAFETY: plain data; all zeros covers the whole file from its start, and `l_pid` must be 0 for this call.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    // A read lock would conflict with the engine's write lock and can be asked about on a file open for reading.
    range.l_type = libc::F_RDLCK as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: an open descriptor and a valid, writable description of a range.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) } != 0 {
        return Holder::Unknown(io::Error::last_os_error());
    }
    if i32::from(range.l_type) == libc::F_UNLCK {
        return Holder::Nobody;
    }
    Holder::Engine(lock::Holder::read(&file).map(|holder| holder.engine))
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let state = subject.config.state_dir();
    vec![match holder_of(state) {
        Holder::Nobody => Finding::passed("no engine runs this system"),
        Holder::Engine(Some(pid)) => Finding::passed(format!("one engine runs this system, pid {pid}")),
        Holder::Engine(None) => Finding::passed("one engine runs this system"),
        Holder::Unknown(error) => Finding::undetermined(
            format!("the lock in {} cannot be asked about: {error}", state.display()),
            "run this as the engine's user or root",
        ),
    }]
}
