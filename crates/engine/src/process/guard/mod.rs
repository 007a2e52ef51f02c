//! The guard: a tiny process above the engine that outlives it, and sees to it that nothing of the engine's outlives it.
//!
//! For `main`, before anything else: [`split`]. The guard takes the signals of the terminal and the service manager and
//! hands each on once; it is the service manager's main process and relays notify lines; when the engine dies, of
//! whatever cause, it revokes the permit, kills and reaps every descendant, and ends with the engine's status. It never
//! restarts the engine. When the guard itself dies, the engine sees the end of the link and does the same for itself.

mod link;
mod page;
mod watch;

pub use link::LinkError;

use crate::process::own_code;
use crate::process::past_guard::GUARD_NAME;
use crate::process::pidfd::PidFd;
use crate::process::signals::Signals;
use link::Message;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

/// The exit status when the engine died by a signal under its guard.
pub const ENGINE_DIED: u8 = 7;

/// Which of the two processes the caller is after [`split`].
#[derive(Debug)]
pub enum Role {
    /// The engine: go on.
    Engine(EngineSide),
    /// The guard, whose work is done: return this from `main`.
    Guard(ExitCode),
}

/// Why the two could not be made. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// There are threads already, which a fork would not carry over.
    #[error("the guard must be made before anything else, but {threads} threads are running")]
    Threads {
        /// How many.
        threads: usize,
    },
    /// The guard ended before the engine could look.
    #[error("the guard ended at once")]
    GuardGone,
    /// A system call failed.
    #[error("{what} failed: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Whether the guard lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardState {
    /// It does.
    Alive,
    /// It is dead: revoke the permit, kill every component ([`crate::process::extinguish`]) and end.
    Gone,
}

/// The engine's side of the pair.
#[derive(Debug)]
pub struct EngineSide {
    /// The guard's process number.
    pub guard_pid: i32,
    /// SIGCHLD, and SIGTERM, SIGINT and SIGHUP as the guard hands them on.
    pub signals: Signals,
    link: OwnedFd,
    relays_notify: bool,
}

impl EngineSide {
    /// The link to the guard; poll it for reading: it is readable only when the guard is dead.
    pub fn link(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }

    /// Whether the guard lives. Never waits.
    pub fn guard(&self) -> GuardState {
        link::peer(&self.link)
    }

    /// Whether a service manager listens, so that [`EngineSide::notify`] reaches anybody.
    pub fn relays_notify(&self) -> bool {
        self.relays_notify
    }

    /// Tells the guard which permit page to revoke. It maps the page at once, so that its word stays for this very file
    /// whatever is put in its place later. Before the first publication.
    ///
    /// # Errors
    /// When the guard is dead, or stopped for so long that the link is full.
    pub fn announce_permit(&self, page: &Path) -> Result<(), LinkError> {
        link::send(&self.link, Message::Permit(page.as_os_str().as_bytes()))
    }

    /// Tells the guard which cgroup to kill and remove. Before the first spawn.
    ///
    /// # Errors
    /// As [`EngineSide::announce_permit`].
    pub fn announce_cgroup(&self, cgroup: &Path) -> Result<(), LinkError> {
        link::send(&self.link, Message::Cgroup(cgroup.as_os_str().as_bytes()))
    }

    /// Has the guard send this to the service manager (`READY=1`, `WATCHDOG=1`, …), whose main process it is.
    ///
    /// # Errors
    /// As [`EngineSide::announce_permit`]; a lost line harms only the service manager's view.
    pub fn notify(&self, state: &str) -> Result<(), LinkError> {
        if self.relays_notify { link::send(&self.link, Message::Notify(state.as_bytes())) } else { Ok(()) }
    }
}

/// Forks: the original process becomes the guard and stays in here until all is over; the child becomes the engine.
/// Before anything else, with one thread.
///
/// # Errors
/// See [`SplitError`]. Where the engine's side fails it returns the error and ends; the guard then ends with its status.
pub fn split() -> Result<Role, SplitError> {
    let system = |what| move |source| SplitError::System { what, source };
    let threads = std::fs::read_dir("/proc/self/task")
        .map_err(system("looking for threads in /proc/self/task, which must be mounted,"))?
        .count();
    if threads != 1 {
        return Err(SplitError::Threads { threads });
    }
    let notify_socket = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty());
    let (guard_end, engine_end) = link::pair().map_err(system("making the link"))?;
    Signals::block().map_err(system("blocking signals"))?;
    // SAFETY: takes nothing and cannot fail.
    let guard_pid = unsafe { libc::getpid() };
    // SAFETY: there is one thread, so the child is a whole copy.
    match unsafe { libc::fork() } {
        -1 => Err(system("forking")(io::Error::last_os_error())),
        0 => {
            drop(guard_end);
            become_engine(guard_pid, engine_end, notify_socket.is_some()).map(Role::Engine)
        }
        engine_pid => {
            drop(engine_end);
            become_guard(engine_pid, guard_end, notify_socket).map(Role::Guard)
        }
    }
}

fn become_engine(guard_pid: i32, link: OwnedFd, relays_notify: bool) -> Result<EngineSide, SplitError> {
    let system = |what| move |source| SplitError::System { what, source };
    // Its own group: a terminal's signals reach the guard alone.
    // SAFETY: two numbers.
    if unsafe { libc::setpgid(0, 0) } != 0 {
        return Err(system("making the engine's process group")(io::Error::last_os_error()));
    }
    // Never SIGKILL: the engine must live to kill its components. SIGCONT wakes a stopped one, so that it can.
    set_process_option(libc::PR_SET_PDEATHSIG, libc::SIGCONT).map_err(system("setting the parent-death signal"))?;
    set_process_option(libc::PR_SET_CHILD_SUBREAPER, 1).map_err(system("becoming a subreaper"))?;
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::getppid() } != guard_pid {
        return Err(SplitError::GuardGone);
    }
    // In the background of its terminal, the engine must not be stopped for printing to it; and past a limit on file sizes a write
    // shall fail like on a full disk, with words, and not end the engine.
    for signal in [libc::SIGTTOU, libc::SIGTTIN, libc::SIGXFSZ] {
        // SAFETY: ignoring is no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let signals = Signals::open().map_err(system("opening a descriptor for signals"))?;
    Ok(EngineSide { guard_pid, signals, link, relays_notify })
}

fn become_guard(engine_pid: i32, link: OwnedFd, notify_socket: Option<OsString>) -> Result<ExitCode, SplitError> {
    let prepare = || -> io::Result<(PidFd, Signals)> {
        // From now on whoever loses its parent below us becomes our child and not init's.
        set_process_option(libc::PR_SET_CHILD_SUBREAPER, 1)?;
        // A guard stopped by Ctrl-Z could not do its work; the terminal gets no answer to it.
        for signal in [libc::SIGTSTP, libc::SIGTTOU, libc::SIGTTIN] {
            // SAFETY: ignoring is no code of ours.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
        // SAFETY: a literal, of which the kernel takes at most 15 bytes.
        unsafe { libc::prctl(libc::PR_SET_NAME, GUARD_NAME.as_ptr()) };
        Ok((PidFd::open(engine_pid)?, Signals::open()?))
    };
    give_back_what_is_free();
    match prepare() {
        Ok((engine, signals)) => Ok(watch::until_all_is_over(engine_pid, &engine, &signals, link, notify_socket)),
        Err(source) => {
            // An engine without a guard must not be. It has started nothing yet that would outlive it: it sees the
            // link's end before its first spawn.
            // SAFETY: our own unreaped child.
            unsafe { libc::kill(engine_pid, libc::SIGKILL) };
            Err(SplitError::System { what: "making the guard ready", source })
        }
    }
}

/// Returns to the kernel what reading the command line needed: the guard, which lives as long as the system, never needs as much.
fn give_back_what_is_free() {
    // Where it cannot, the guard takes a little more memory than it must, and has nobody to tell.
    let _ = own_code::let_go();
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number, and may be called at any time.
    unsafe {
        libc::malloc_trim(0)
    };
}

fn set_process_option(option: i32, value: i32) -> io::Result<()> {
    let unused: libc::c_ulong = 0;
    // SAFETY: options that take one number and touch no memory.
    if unsafe { libc::prctl(option, libc::c_long::from(value), unused, unused, unused) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}
