//! The reference: a bare loop that starts a process with `posix_spawn`, waits for its end on a pidfd, and starts it again,
//! recording nothing.

use crate::run::{monotonic, signal, stamp_program, wait_stamp};
use std::ffi::CString;
use std::time::Duration;

/// `rounds` times SIGKILL to the first instruction of the successor, milliseconds. Rests as long between two kills as the
/// system it is compared with: what has slept for a second wakes into cold caches.
pub fn restarts(rounds: usize, rest: Duration) -> Vec<f64> {
    let folder = tempfile::tempdir().unwrap();
    let stamps = folder.path().join("stamps");
    let program = CString::new(stamp_program()).unwrap();
    let file = CString::new(stamps.to_str().unwrap()).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let looping = std::thread::spawn(move || {
        for _ in 0..=rounds {
            let pid = spawn(&program, &file);
            tell.send(pid).unwrap();
            // SAFETY: no memory is touched.
            let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
            let mut poll = libc::pollfd { fd: i32::try_from(pidfd).unwrap(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd.
            unsafe { libc::poll(&raw mut poll, 1, -1) };
            let mut status = 0;
            // SAFETY: the pointer is valid; the descriptor is ours to close.
            unsafe {
                libc::waitpid(pid, &raw mut status, 0);
                libc::close(poll.fd);
            }
        }
    });
    let mut figures = Vec::new();
    for round in 0..rounds {
        let pid = told.recv().unwrap();
        wait_stamp(&stamps, round);
        std::thread::sleep(rest);
        let killed = monotonic();
        signal(pid, libc::SIGKILL);
        figures.push((wait_stamp(&stamps, round + 1) - killed) as f64 / 1e6);
    }
    signal(told.recv().unwrap(), libc::SIGKILL);
    looping.join().unwrap();
    figures
}

fn spawn(program: &CString, argument: &CString) -> i32 {
    let argv = [program.as_ptr().cast_mut(), argument.as_ptr().cast_mut(), std::ptr::null_mut()];
    let envp = [std::ptr::null_mut()];
    let mut pid = 0;
    // SAFETY: both arrays end with a null pointer and outlive the call.
    let failed = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            argv.as_ptr(),
            envp.as_ptr(),
        )
    };
    assert_eq!(failed, 0);
    pid
}
