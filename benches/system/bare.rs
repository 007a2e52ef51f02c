//! The reference: a bare loop that starts a process with `posix_spawn`, waits for its end on a pidfd, and starts it again,
//! recording nothing.

use crate::run::{monotonic, signal, stamp_program, wait_stamp};
use std::ffi::CString;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

/// What this program is started with to be the reference at rest; the seconds follow.
pub const REST: &str = "--bare-rest";

/// Sleeps, and twice a second reads two clocks and looks at eight files, as the engine's loop does at rest, and does nothing else.
/// Says how many nanoseconds of processor time that took.
pub fn rest(seconds: u64) {
    let path = std::env::current_exe().unwrap();
    let used = || -> u64 {
        let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    let before = used();
    for _ in 0..2 * seconds {
        std::thread::sleep(Duration::from_millis(500));
        monotonic();
        monotonic();
        for _ in 0..8 {
            std::fs::metadata(&path).unwrap();
        }
    }
    println!("{}", used() - before);
}

/// That in a process of its own, milliseconds of processor time a minute.
pub fn at_rest(seconds: u64) -> u64 {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args([REST, &seconds.to_string()]).output().unwrap();
    let nanos: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    nanos * 60 / seconds / 1_000_000
}

/// The loop, on a thread of its own, until it is dropped.
pub struct Bare {
    folder: tempfile::TempDir,
    started: Receiver<i32>,
    running: i32,
    go_on: Arc<AtomicBool>,
    looping: Option<JoinHandle<()>>,
}

impl Bare {
    /// Starts the loop and its first process.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = CString::new(stamp_program()).unwrap();
        let file = CString::new(folder.path().join("stamps").to_str().unwrap()).unwrap();
        let (tell, started) = mpsc::channel();
        let go_on = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&go_on);
        let looping = std::thread::spawn(move || {
            while goes_on.load(Ordering::Relaxed) {
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
        let running = started.recv().unwrap();
        Self { folder, started, running, go_on, looping: Some(looping) }
    }

    /// SIGKILL of the process that runs to the first instruction of its successor, milliseconds. `round` counts from 0.
    pub fn restart(&mut self, round: usize) -> f64 {
        let stamps = self.folder.path().join("stamps");
        wait_stamp(&stamps, round);
        let killed = monotonic();
        signal(self.running, libc::SIGKILL);
        let took = (wait_stamp(&stamps, round + 1) - killed) as f64 / 1e6;
        self.running = self.started.recv().unwrap();
        took
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.go_on.store(false, Ordering::Relaxed);
        signal(self.running, libc::SIGKILL);
        drop(self.looping.take().map(JoinHandle::join));
    }
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
