//! The first process of a component's namespace (`isolation = "pid-namespace"`): it takes the statuses of what loses its parent
//! in there, tells the engine how the component's main process ended, and by its own end has the kernel end everything in there.
//!
//! For `main`, before anything else: [`run_if_first`]. It is failstop's own file under another name, sleeps between two ends, holds
//! no descriptor but its end of a link to the engine, and takes no signal but SIGKILL. It ends when the engine does, whatever
//! became of the guard: by its parent-death signal and by the end of the link, whichever comes first.

use crate::process::reaper::{self, Seen};
use crate::process::spawn::LINK;
use std::io;
use std::os::fd::RawFd;
use std::process::ExitCode;

/// What it is called, by its zeroth argument and in lists of processes.
pub const NAME: &str = "failstop-init";

/// What it says of an end: which process, `si_code`, `si_status`, as three numbers of the machine's own order. Which 0 means that
/// it has no children any more; `si_code` 0 that nobody knows how that process ended.
pub(crate) const WORD_BYTES: usize = 12;

/// Becomes the first process of a namespace if that is what this program was started as; the status to end with.
pub fn run_if_first() -> Option<ExitCode> {
    if std::env::args_os().next()? != NAME {
        return None;
    }
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::getpid() } == 1 {
        serve(LINK);
    }
    // Somebody tries whether a namespace can be had, and this is the program in it.
    Some(ExitCode::SUCCESS)
}

/// Until the engine is gone.
fn serve(link: RawFd) {
    let unused: libc::c_ulong = 0;
    // SAFETY: options that take a number or a literal. Its program changed since its parent set the first, and may have cleared it;
    // none of its users may look into it or hold it up.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(libc::SIGKILL.unsigned_abs()), unused, unused, unused);
        libc::prctl(libc::PR_SET_DUMPABLE, unused, unused, unused, unused);
        libc::prctl(libc::PR_SET_NAME, c"failstop-init".as_ptr());
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
    let Some(ends) = ends() else { return };
    // Whom the engine wants to know about. Until it has said so nobody's status is taken: it must find its process first.
    let Some(mut main) = listen(link, true) else { return };
    loop {
        if take_ends(link, main).is_err() {
            return;
        }
        let watch = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut watched = [watch(ends), watch(link)];
        // SAFETY: two valid entries.
        let ready = unsafe { libc::poll(watched.as_mut_ptr(), 2, -1) };
        if ready > 0 && watched[1].revents != 0 {
            match listen(link, false) {
                Some(another) => main = another,
                None => return,
            }
            // SAFETY: asks whether there is such a process, and sends nothing.
            if main > 1 && unsafe { libc::kill(main, 0) } != 0 {
                say(link, [main, 0, 0]);
            }
        }
        if ready > 0 && watched[0].revents != 0 {
            let mut told = [0_u8; 128];
            // SAFETY: a valid buffer of the size of one `signalfd_siginfo`.
            unsafe { libc::read(ends, told.as_mut_ptr().cast(), told.len()) };
        }
    }
}

/// A descriptor that is readable when a child has ended. SIGCHLD alone: everything else stays blocked for ever.
fn ends() -> Option<RawFd> {
    // SAFETY: a valid set of one signal, and flags.
    let fd = unsafe {
        let mut child: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut child);
        libc::sigaddset(&raw mut child, libc::SIGCHLD);
        libc::signalfd(-1, &raw const child, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    (fd >= 0).then_some(fd)
}

/// The number of the process that the engine wants to know about; `None` when the engine is gone.
fn listen(link: RawFd, first: bool) -> Option<i32> {
    let mut number = [0_u8; 4];
    let flags = if first { 0 } else { libc::MSG_DONTWAIT };
    loop {
        // SAFETY: a buffer of this length.
        let received = unsafe { libc::recv(link, number.as_mut_ptr().cast(), number.len(), flags) };
        match received {
            4 => return Some(i32::from_ne_bytes(number)),
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}

/// Takes every status there is, and tells of the one that the engine waits for before its number is free.
///
/// # Errors
/// When even that does not work any more.
fn take_ends(link: RawFd, main: i32) -> io::Result<()> {
    loop {
        match reaper::look()? {
            Seen::Ended(ended) => {
                if ended.pid == main {
                    say(link, [ended.pid, ended.code, ended.status]);
                }
                reaper::take(ended);
            }
            Seen::NoneEnded => return Ok(()),
            Seen::NoChildren => {
                say(link, [0, 0, 0]);
                return Ok(());
            }
        }
    }
}

/// An engine that does not read is gone or about to be: nothing waits for it here.
fn say(link: RawFd, word: [i32; 3]) {
    let mut bytes = [0_u8; WORD_BYTES];
    for (at, number) in bytes.chunks_exact_mut(4).zip(word) {
        at.copy_from_slice(&number.to_ne_bytes());
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: a buffer of this length.
    unsafe { libc::send(link, bytes.as_ptr().cast(), bytes.len(), flags) };
}
