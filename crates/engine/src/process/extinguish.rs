//! Kills every descendant of this process and takes its status, until there is none. For the guard once the engine is
//! dead, and for the engine once its guard is dead or when it ends.
//!
//! Why it is complete: the caller is a child subreaper, so whoever loses its parent becomes the caller's child, and "no
//! children" means "no descendants", however they were started and whatever they ignore. Direct children are killed by
//! number, which is safe because only this thread can free it. The walk below them only makes it quicker.

use crate::process::cgroup::KillHandle;
use crate::process::pidfd::PidFd;
use crate::process::procfs::{self, Stat};
use crate::process::reaper::{self, Next, Reaped};
use std::io;
use std::time::{Duration, Instant};

/// The most processes that one sweep visits, so that something that forks faster than it is killed cannot hold it.
const SWEEP_MAX: usize = 65_536;
/// The first and the longest pause between two sweeps in which nothing died.
const PAUSE_FIRST: Duration = Duration::from_millis(1);
const PAUSE_LONGEST: Duration = Duration::from_millis(50);

/// How it came out.
#[derive(Debug, Default)]
pub struct Extinguished {
    /// How many statuses were taken.
    pub reaped: usize,
    /// How many sweeps it took.
    pub sweeps: usize,
    /// Direct children that were still there when the time was up: as a rule in uninterruptible sleep. Empty when all is
    /// gone.
    pub left: Vec<Stat>,
}

/// Kills and reaps until no child is left, or, where there is a budget, until it is spent.
///
/// # Errors
/// When not even the reaper works; nothing is expected.
pub fn extinguish(
    cgroup: Option<&KillHandle>,
    budget: Option<Duration>,
    on_reaped: &mut dyn FnMut(Reaped),
) -> io::Result<Extinguished> {
    let start = Instant::now();
    let mut outcome = Extinguished::default();
    let mut pause = PAUSE_FIRST;
    loop {
        outcome.sweeps += 1;
        if let Some(cgroup) = cgroup {
            // A failure changes nothing: the sweep below reaches the same processes.
            let _ = cgroup.kill();
        }
        sweep();
        let before = outcome.reaped;
        loop {
            match reaper::next()? {
                Next::Ended(reaped) => {
                    outcome.reaped += 1;
                    on_reaped(reaped);
                }
                Next::NoneEnded => break,
                Next::NoChildren => return Ok(outcome),
            }
        }
        if budget.is_some_and(|budget| start.elapsed() >= budget) {
            let me = own_pid();
            outcome.left = procfs::children_of(me)?.into_iter().filter_map(|pid| procfs::stat(pid).ok()).collect();
            return Ok(outcome);
        }
        if outcome.reaped > before {
            pause = PAUSE_FIRST;
            continue;
        }
        wait_for_child(pause);
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// Kills all children and what is below them, once.
fn sweep() {
    // Without /proc nothing can be listed; the cgroup and the parent-death signals remain.
    for child in procfs::children_of(own_pid()).unwrap_or_default() {
        kill_child_and_below(child);
    }
}

/// Kills a direct child and everything below it, once.
pub(crate) fn kill_child_and_below(child: i32) {
    let below = procfs::children_of(child).unwrap_or_default();
    // SAFETY: no memory is involved. The number is ours to signal: this thread alone could free it, by reaping.
    unsafe { libc::kill(child, libc::SIGKILL) };
    kill_all_below(child, below);
}

/// Kills these children of `parent`, and what is below them, once. Each one's own children are listed before it is
/// killed; those that it makes in between come back as our own children.
pub(crate) fn kill_all_below(parent: i32, children: Vec<i32>) {
    let me = own_pid();
    let mut open: Vec<(i32, i32)> = children.into_iter().map(|child| (child, parent)).collect();
    for _ in 0..SWEEP_MAX {
        let Some((pid, parent)) = open.pop() else { return };
        let below = procfs::children_of(pid).unwrap_or_default();
        if let Ok(pidfd) = PidFd::open(pid)
            // Looked at after opening: a number that has been reused since we listed it has another parent.
            && procfs::stat(pid).is_ok_and(|stat| stat.parent == parent || stat.parent == me)
        {
            // EPERM can only be a set-user-ID program below an unprivileged failstop; its parents die all the same.
            let _ = pidfd.signal(libc::SIGKILL);
        }
        open.extend(below.into_iter().map(|child| (child, pid)));
    }
}

/// Waits for SIGCHLD, at most this long. Where the signal is not blocked it only waits.
fn wait_for_child(pause: Duration) {
    // SAFETY: sigset_t is plain data, and sigemptyset gives it its value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    let timeout = libc::timespec { tv_sec: 0, tv_nsec: libc::c_long::from(pause.subsec_nanos().cast_signed()) };
    // SAFETY: a valid set and a valid span; the signal's details are not wanted.
    unsafe {
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const timeout);
    }
}

fn own_pid() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getpid() }
}
