//! The guard of the engine that held the instance lock last. An engine that died has let go of the lock while its guard still
//! kills what that one left; as a rule that takes milliseconds. Where something is out of its reach (a set-user-ID program that
//! became another user, a process that waits for a disk) it stays, and a new start would see no mark on what it may not look into:
//! the old guard is the only witness that something is left.

use crate::process::procfs::{self, Stat};
use std::fmt::{self, Display, Formatter};
use std::io;

/// The name that a guard gives itself.
pub(super) const GUARD_NAME: &std::ffi::CStr = c"failstop-guard";

/// The most processes that an error names.
const NAMED_MAX: usize = 8;

/// A process that the guard of an earlier start could not end yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its number.
    pub pid: i32,
    /// Its program's name.
    pub name: String,
    /// Its user's number, where it could be read.
    pub user: Option<u32>,
}

impl From<Stat> for Left {
    fn from(stat: Stat) -> Self {
        Self { pid: stat.id.pid, user: procfs::real_user(stat.id.pid).ok(), name: stat.comm }
    }
}

impl Display for Left {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} `{}`", self.pid, self.name.escape_debug())?;
        self.user.map_or(Ok(()), |user| write!(f, " of user {user}"))
    }
}

/// In words, separated by commas.
pub fn in_words(left: &[Left]) -> String {
    let named: Vec<String> = left.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = left.len().saturating_sub(NAMED_MAX);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{rest}", named.join(", "))
}

/// Those of them that live.
pub(super) fn living(children: impl IntoIterator<Item = Stat>) -> Vec<Left> {
    children.into_iter().filter(|stat| !stat.is_zombie()).map(Left::from).collect()
}

fn left_below(pid: i32) -> io::Result<Vec<Left>> {
    Ok(living(procfs::children_of(pid)?.into_iter().filter_map(|pid| procfs::stat(pid).ok())))
}

/// What the guard of that earlier engine still has to end; `None` where it has ended, was stopped (then what it left is the next
/// start's to kill), or its number is another process's now. `engine` is the program name of engines: a guard that has a living
/// one is busy with that.
pub(super) fn still_has(guard: i32, engine: &str) -> Option<Vec<Left>> {
    let stat = procfs::stat(guard).ok()?;
    let is_guard = stat.comm.as_bytes() == GUARD_NAME.to_bytes();
    if !is_guard || stat.is_zombie() || matches!(stat.state, 'T' | 't') {
        return None;
    }
    let left = left_below(guard).ok()?;
    (!left.is_empty() && left.iter().all(|left| left.name != engine)).then_some(left)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            // Its group: the shell and what it waits for.
            // SAFETY: a group that this test made, whose leader it has not reaped.
            unsafe { libc::kill(-self.0.id().cast_signed(), libc::SIGKILL) };
            let _ = self.0.wait();
        }
    }

    /// A shell with the guard's name that waits for a `sleep`, copied under this name.
    fn guard_with(folder: &std::path::Path, child: &str) -> Killed {
        let (guard, below) = (folder.join("failstop-guard"), folder.join(child));
        // By another process: nothing may hold it open for writing when it is executed.
        for (from, to) in [("/bin/sh", &guard), ("/bin/sleep", &below)] {
            assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
        }
        let script = format!("{} 600; :", below.display());
        let shell = Command::new(&guard).args(["-c", &script]).process_group(0).stdin(Stdio::null()).spawn().unwrap();
        let shell = Killed(shell);
        let pid = shell.0.id().cast_signed();
        let end = Instant::now() + Duration::from_secs(30);
        while left_below(pid).unwrap().iter().all(|left| left.name != child) {
            assert!(Instant::now() < end, "no child");
            std::thread::sleep(Duration::from_millis(2));
        }
        shell
    }

    #[test]
    fn a_guard_that_still_ends_something_is_seen_with_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let guard = guard_with(folder.path(), "stubborn");
        let pid = guard.0.id().cast_signed();
        let left = still_has(pid, "failstop").unwrap();
        assert_eq!(left.iter().map(|left| left.name.as_str()).collect::<Vec<_>>(), ["stubborn"]);
        assert!(in_words(&left).contains("`stubborn` of user "), "{}", in_words(&left));
        drop(guard);
        assert_eq!(still_has(pid, "failstop"), None);
    }

    #[test]
    fn neither_a_guard_that_was_stopped_nor_another_systems_nor_another_program_counts() {
        let folder = tempfile::tempdir().unwrap();
        let guard = guard_with(folder.path(), "engine");
        let pid = guard.0.id().cast_signed();
        assert!(still_has(pid, "failstop").is_some());
        assert_eq!(still_has(pid, "engine"), None, "it has a living engine");
        // SAFETY: our own child.
        unsafe { libc::kill(pid, libc::SIGSTOP) };
        let end = Instant::now() + Duration::from_secs(30);
        while procfs::stat(pid).unwrap().state != 'T' {
            assert!(Instant::now() < end, "not stopped");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(still_has(pid, "failstop"), None);
        let own = std::process::id().cast_signed();
        assert_eq!(still_has(own, "failstop"), None, "this is no guard");
    }
}
