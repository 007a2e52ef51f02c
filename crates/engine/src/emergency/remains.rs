//! What a runner that died left below an action: its direct child dies with it, but not what that had started. Known by the run's
//! name, which every action is given.

use crate::process::pidfd::PidFd;
use crate::process::procfs;
use std::time::{Duration, Instant};

/// The variable that has the run's name.
pub(super) const TRACE_ID: &str = "FAILSTOP_TRACE_ID";

/// How long what was killed may take to be gone before the action begins all the same.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Kills everything that carries the name of this run, again until there is nothing, with a bound. How many there were at most.
pub(super) fn kill_of_run(id: &str) -> usize {
    let begun = Instant::now();
    let mut most = 0;
    loop {
        // Without /proc nothing can be found.
        let found: Vec<i32> =
            procfs::all().unwrap_or_default().into_iter().filter(|pid| kill_if_of(*pid, id)).collect();
        most = most.max(found.len());
        if found.is_empty() || begun.elapsed() >= GONE_WITHIN {
            return most;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Kills a process that carries the name; whether it does.
fn kill_if_of(pid: i32, id: &str) -> bool {
    // Looked at after opening: the number may be another process's by then, which the handle is not of.
    if !carries(pid, id) {
        return false;
    }
    let Ok(pidfd) = PidFd::open(pid) else { return false };
    if !carries(pid, id) {
        return false;
    }
    // Where it may not be killed (a program of another user's) nothing more can be done about it.
    let _ = pidfd.signal(libc::SIGKILL);
    true
}

fn carries(pid: i32, id: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let wanted = format!("{TRACE_ID}={id}");
    environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, Command};

    fn sleeper(id: &str) -> Child {
        Command::new("sleep").arg("100").env(TRACE_ID, id).spawn().unwrap()
    }

    #[test]
    fn what_carries_the_name_is_killed_and_nothing_else() {
        let id = format!("{:016x}", std::process::id());
        let (mut ours, mut other) = (sleeper(&id), sleeper(&format!("{id}0")));
        // It becomes its program a moment after it was made.
        let ours_pid = ours.id().cast_signed();
        while !carries(ours_pid, &id) {
            std::thread::sleep(LOOK_EVERY);
        }
        assert_eq!(kill_of_run(&id), 1);
        assert_eq!(ours.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
