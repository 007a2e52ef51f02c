//! Processes, told from any later one with the same number by their start time, and held by a pidfd so that no signal ever
//! reaches a stranger.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug)]
struct Stat {
    state: u8,
    parent: i32,
    start_time: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses too.
    let after = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(after + 2..)?).ok()?;
    let mut fields = rest.split(' ');
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    // Field 22 of the line; two were taken of those after the name, which is field 2.
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(Stat { state, parent, start_time })
}

impl Process {
    /// The process that has this number now.
    pub fn of(pid: i32) -> Option<Self> {
        stat(pid).map(|stat| Self { pid, start_time: stat.start_time })
    }

    /// Whether it runs, sleeps or is stopped. Zombies are dead.
    pub fn is_alive(self) -> bool {
        stat(self.pid)
            .is_some_and(|stat| stat.start_time == self.start_time && !matches!(stat.state, b'Z' | b'X' | b'x'))
    }

    /// When it started, seconds since boot.
    pub fn started_seconds(self) -> f64 {
        // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        #[expect(clippy::cast_precision_loss, reason = "a tick more or less does not matter")]
        let seconds = self.start_time as f64 / if ticks > 0 { ticks as f64 } else { 100.0 };
        seconds
    }

    /// It and everything that descends from it, now.
    pub fn tree(self) -> Vec<Self> {
        let mut children: BTreeMap<i32, Vec<Self>> = BTreeMap::new();
        for pid in all_pids() {
            if let Some(stat) = stat(pid) {
                children.entry(stat.parent).or_default().push(Self { pid, start_time: stat.start_time });
            }
        }
        let mut tree = vec![self];
        let mut at = 0;
        while let Some(process) = tree.get(at).copied() {
            at += 1;
            tree.extend(children.remove(&process.pid).unwrap_or_default());
        }
        tree
    }

    /// A hold on it; `None` where it is gone.
    pub fn hold(self) -> Option<Held> {
        // SAFETY: pidfd_open takes two integers and gives a new descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, self.pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        // SAFETY: the descriptor is new and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // The number may have changed hands before the hold: only now is the comparison final.
        self.is_alive().then_some(Held { process: self, fd })
    }
}

/// A process that cannot change under our hands.
#[derive(Debug)]
pub struct Held {
    /// Which.
    pub process: Process,
    fd: OwnedFd,
}

impl Held {
    /// Sends a signal. One that is gone takes it silently.
    ///
    /// # Errors
    /// Those of `pidfd_send_signal`, but for a process that is gone.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        // SAFETY: the descriptor is ours and open, the information is null as the call allows, the flags are 0.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        let error = io::Error::last_os_error();
        if sent == 0 || error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
    }

    /// Waits for its end, at most so long: whether it is gone.
    pub async fn ends(&self, within: Duration) -> bool {
        if !self.process.is_alive() {
            return true;
        }
        let Ok(fd) = self.fd.try_clone() else { return !self.process.is_alive() };
        // SAFETY: the AsyncFd owns the descriptor, so it stays open and its own for as long as it is registered.
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        let Ok(fd) = registered else { return !self.process.is_alive() };
        // A pidfd is readable once its process is dead; a zombie counts.
        let _ = tokio::time::timeout(within, fd.readable()).await;
        !self.process.is_alive()
    }
}

/// Every process that carries this mark in its environment (`FAILSTOP_SYSTEM=NAME/JID`), as far as this user may look.
pub fn marked(mark: &str) -> Vec<Process> {
    let wanted = format!("FAILSTOP_SYSTEM={mark}");
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    all_pids()
        .filter(|pid| *pid != own)
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()))
        })
        .filter_map(Process::of)
        .filter(|process| process.is_alive())
        .collect()
}

fn all_pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether a cgroup holds no process; `None` where it is not there or says nothing.
pub fn cgroup_is_empty(cgroup: &Path) -> Option<bool> {
    let events = fs::read_to_string(cgroup.join("cgroup.events")).ok()?;
    events.lines().find_map(|line| line.strip_prefix("populated ")).map(|value| value == "0")
}

/// Kills everything in a cgroup, where it is there.
pub fn kill_cgroup(cgroup: &Path) {
    // Where it cannot be written, the processes are killed one by one all the same.
    let _ = fs::write(cgroup.join("cgroup.kill"), "1");
}
