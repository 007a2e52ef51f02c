//! Finds every process of a system, whoever started it and whether an engine runs or not: for the start, which kills what
//! an earlier engine left before it starts anything, and for the kill switch.
//!
//! A process belongs to a system by the mark in its environment, by its cgroup, or because an engine recorded having
//! started it. Another user's environment cannot be read without privileges; its cgroup can.

use crate::process::cgroup::{self, KillHandle, SystemCgroup};
use crate::process::mark::SystemMark;
use crate::process::pidfd::PidFd;
use crate::process::procfs::{self, ProcessId};
use crate::process::register::Recorded;
use crate::process::twin::{self, Twin};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a start waits for leftovers to die before it is refused.
pub const CLEAR_WITHIN: Duration = Duration::from_secs(5);
/// How long looks are repeated in which something ended before it could be told whose it was.
const SETTLED_WITHIN: Duration = Duration::from_millis(500);
/// How long one wait for one process is.
const WAIT_MS: u16 = 20;

/// How a process was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// `FAILSTOP_SYSTEM` in its environment.
    Environment,
    /// It is in a cgroup of the system.
    Cgroup,
    /// An engine recorded its number and start time.
    Record,
}

/// A process of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proc {
    /// Which process.
    pub id: ProcessId,
    /// Its program's name, at most 15 bytes.
    pub comm: String,
    /// Its state, as `/proc/PID/stat` shows it.
    pub state: char,
    /// Its user's number.
    pub user: u32,
    /// The component it belongs to, where that is known.
    pub component: Option<String>,
    /// How it was recognised.
    pub found_by: FoundBy,
}

impl fmt::Display for Proc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({}, user {}", self.id.pid, self.comm, self.user)?;
        if let Some(component) = &self.component {
            write!(f, ", component {component}")?;
        }
        f.write_str(")")
    }
}

/// Why the start is refused: something of an earlier engine may still be trading.
#[derive(Debug, thiserror::Error)]
pub enum LeftoverError {
    /// Another user's.
    #[error("{process} is left of an earlier start and cannot be killed: {source}; as that user or as root run `kill -9 {}`", .process.id.pid)]
    CannotKill {
        /// Which.
        process: Box<Proc>,
        /// What the kernel said.
        source: io::Error,
    },
    /// It does not die.
    #[error(
        "{process} is left of an earlier start and does not die of SIGKILL (state {}); it waits for a device or a file system: free that, or reboot",
        .process.state
    )]
    Undying {
        /// Which.
        process: Box<Proc>,
    },
    /// They are another engine's that lives.
    #[error(transparent)]
    Twin(#[from] Twin),
    /// `/proc` could not be read.
    #[error("leftovers of an earlier start cannot be looked for: {0}")]
    Unknown(#[source] io::Error),
}

/// Every living process of the system but the caller, as far as one look over `/proc` tells. When it finds none there was none
/// when it began, but what is put into the system from outside: see [`Look`]. What is there may have forked meanwhile, so repeat
/// until nothing is found.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn find_system(mark: &SystemMark) -> io::Result<Vec<Proc>> {
    find_system_and(mark, &[])
}

/// As [`find_system`], and those of the recorded processes that are still the same.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn find_system_and(mark: &SystemMark, recorded: &[Recorded]) -> io::Result<Vec<Proc>> {
    let begun = Instant::now();
    let mut before = Look::default();
    loop {
        let look = Look::take(mark, recorded, &before)?;
        // A host on which processes end all the time must not keep a start waiting for ever.
        if !look.found.is_empty() || look.untold.is_subset(&before.untold) || begun.elapsed() >= SETTLED_WITHIN {
            return Ok(look.found);
        }
        before = look;
    }
}

/// One look over `/proc`, process by process.
///
/// A process that forks its successor and ends every few milliseconds is always there and never where one looks: it is listed, and
/// gone before its environment is read, while its successor came behind the list. So a look in which something ended before it
/// could be told whose it was proves nothing, unless that was there before and stays: a zombie, or a process without any environment.
///
/// Such a one lives long enough to be judged where it is judged first: what the look before did not list comes before everything
/// else, and where one of those is ours the look ends, so that it can be killed before it is another.
#[derive(Default)]
struct Look {
    listed: BTreeSet<i32>,
    found: Vec<Proc>,
    untold: BTreeSet<ProcessId>,
}

impl Look {
    fn take(mark: &SystemMark, recorded: &[Recorded], before: &Self) -> io::Result<Self> {
        let prefix = SystemCgroup::name_prefix(mark);
        let me = i32::try_from(std::process::id()).unwrap_or_default();
        let listed = procfs::all()?.into_iter().filter(|pid| *pid != me).collect();
        let mut look = Self { listed, ..Self::default() };
        let (new, known): (Vec<i32>, Vec<i32>) = look.listed.iter().partition(|pid| !before.listed.contains(pid));
        let hunting = !before.listed.is_empty();
        // The youngest has the highest number, as a rule.
        for pid in new.into_iter().rev() {
            look.judge(pid, mark, &prefix, recorded);
            if hunting && !look.found.is_empty() {
                return Ok(look);
            }
        }
        for pid in known {
            look.judge(pid, mark, &prefix, recorded);
        }
        Ok(look)
    }

    fn judge(&mut self, pid: i32, mark: &SystemMark, prefix: &str, recorded: &[Recorded]) {
        match judge(pid, mark, prefix, recorded) {
            Judged::Ours(process) => self.found.push(process),
            Judged::Other => {}
            Judged::Untold(id) => {
                self.untold.insert(id);
            }
        }
    }
}

enum Judged {
    Ours(Proc),
    Other,
    /// It cannot be told any more, or not yet. Without a start time where it is gone.
    Untold(ProcessId),
}

/// Whether it belongs to the system, and is alive.
fn judge(pid: i32, mark: &SystemMark, prefix: &str, recorded: &[Recorded]) -> Judged {
    let gone = Judged::Untold(ProcessId { pid, start_time: u64::MAX });
    let Ok(first) = procfs::stat(pid) else { return gone };
    if first.kernel {
        return Judged::Other;
    }
    let belongs = belongs(pid, mark, prefix, recorded);
    let Ok(stat) = procfs::stat(pid) else { return gone };
    if procfs::is_dead(&stat) {
        return Judged::Untold(stat.id);
    }
    match belongs {
        Belongs::Yes(component, found_by) => {
            let user = procfs::user(pid).unwrap_or(u32::MAX);
            Judged::Ours(Proc { id: stat.id, comm: stat.comm, state: stat.state, user, component, found_by })
        }
        Belongs::No if procfs::is_ending(&stat) => Judged::Untold(stat.id),
        Belongs::No => Judged::Other,
        Belongs::Untold => Judged::Untold(stat.id),
    }
}

enum Belongs {
    Yes(Option<String>, FoundBy),
    No,
    /// It shows no environment, and nothing else says that it is ours.
    Untold,
}

fn belongs(pid: i32, mark: &SystemMark, prefix: &str, recorded: &[Recorded]) -> Belongs {
    let marks = procfs::marks(pid);
    if let Ok(marks) = &marks
        && marks.belongs_to(mark)
    {
        return Belongs::Yes(marks.component.clone(), FoundBy::Environment);
    }
    if let Ok(Some(path)) = procfs::cgroup_path(pid)
        && let Some(cgroup::Inside { component, .. }) = cgroup::inside(prefix, &path)
    {
        return Belongs::Yes((!component.is_empty()).then(|| component.to_owned()), FoundBy::Cgroup);
    }
    if let Some(recorded) = recorded.iter().find(|recorded| recorded.id.pid == pid)
        && procfs::stat(pid).is_ok_and(|stat| stat.id == recorded.id)
    {
        return Belongs::Yes(Some(recorded.component.clone()), FoundBy::Record);
    }
    match marks {
        Ok(marks) if !marks.shown => Belongs::Untold,
        // Another user's is not shown to us, today or tomorrow.
        Ok(_) | Err(_) => Belongs::No,
    }
}

/// Kills every process of the system, removes its old cgroups, and says what was killed. On `Ok` a full scan has found
/// nothing. Before anything is spawned; the instance lock is held.
///
/// # Errors
/// When something cannot be killed or does not die within `budget`, or when it belongs to an engine that lives, on another state
/// directory than `state_dir`: nothing may be started then.
pub fn clear(
    mark: &SystemMark,
    recorded: &[Recorded],
    state_dir: &Path,
    budget: Duration,
) -> Result<Vec<Proc>, LeftoverError> {
    let deadline = Instant::now() + budget;
    let mut killed: Vec<Proc> = Vec::new();
    let mut cgroups: BTreeSet<PathBuf> = cgroup::earlier(mark).into_iter().collect();
    loop {
        let found = find_system_and(mark, recorded).map_err(LeftoverError::Unknown)?;
        // Before anything of this round is killed: what lives below an engine is nobody's leftover.
        if let Some(twin) = twin::engine_above(&found, &mark.jid, state_dir) {
            return Err(twin.into());
        }
        for process in &found {
            cgroups.extend(cgroup_of(process.id.pid, mark));
        }
        for cgroup in &cgroups {
            if let Ok(handle) = KillHandle::open(cgroup) {
                // A failure changes nothing: what is in it was found one by one as well.
                let _ = handle.kill();
            }
        }
        if found.is_empty() {
            for cgroup in &cgroups {
                // An old cgroup that is not empty yet, or not ours to remove, harms nobody.
                let _ = cgroup::remove_tree(cgroup);
            }
            return Ok(killed);
        }
        if Instant::now() >= deadline
            && let Some(process) = found.first()
        {
            return Err(LeftoverError::Undying { process: Box::new(process.clone()) });
        }
        let mut dying = Vec::with_capacity(found.len());
        for process in found {
            match kill(process.id) {
                Ok(Some(pidfd)) => dying.push(pidfd),
                Ok(None) => {}
                Err(source) => return Err(LeftoverError::CannotKill { process: Box::new(process), source }),
            }
            if !killed.iter().any(|known| known.id == process.id) {
                killed.push(process);
            }
        }
        for pidfd in dying {
            while Instant::now() < deadline && !pidfd.wait_end(WAIT_MS).map_err(LeftoverError::Unknown)? {}
        }
    }
}

fn kill(id: ProcessId) -> io::Result<Option<PidFd>> {
    let Some(pidfd) = PidFd::open_exactly(id)? else { return Ok(None) };
    Ok(pidfd.signal(libc::SIGKILL)?.then_some(pidfd))
}

fn cgroup_of(pid: i32, mark: &SystemMark) -> Option<PathBuf> {
    let path = procfs::cgroup_path(pid).ok()??;
    cgroup::locate(cgroup::system_in_path(&SystemCgroup::name_prefix(mark), &path)?).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::process::{Child, Command};

    fn mark(test: &str) -> SystemMark {
        SystemMark { name: test.into(), jid: format!("{:032x}", std::process::id()) }
    }

    fn sleeper(mark: &SystemMark) -> Child {
        Command::new("sleep").arg("100").envs(mark.variables("bot", 3)).spawn().unwrap()
    }

    fn pid(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    #[test]
    fn every_process_of_the_system_is_found_and_no_other() {
        let (ours, theirs) = (mark("ours"), mark("theirs"));
        let (mut one, mut two, mut other) = (sleeper(&ours), sleeper(&ours), sleeper(&theirs));
        let mut found: Vec<i32> = find_system(&ours).unwrap().iter().map(|process| process.id.pid).collect();
        found.sort_unstable();
        let mut expected = [pid(&one), pid(&two)];
        expected.sort_unstable();
        assert_eq!(found, expected);

        let killed = clear(&ours, &[], Path::new("/"), CLEAR_WITHIN).unwrap();
        assert_eq!(killed.len(), 2);
        assert!(killed.iter().all(|process| process.component.as_deref() == Some("bot")));
        assert!(find_system(&ours).unwrap().is_empty(), "zombies count as dead");
        assert!(other.try_wait().unwrap().is_none(), "another system is left alone");
        other.kill().unwrap();
        for child in [&mut one, &mut two, &mut other] {
            child.wait().unwrap();
        }
    }

    /// Always there, and never where one looks.
    #[test]
    fn one_that_becomes_another_process_all_the_time_is_found_and_killed() {
        let mark = mark("hopper");
        // Each becomes the next after a few milliseconds, for a minute at most.
        let script = "import os, time\nend = time.time() + 60\nif os.fork():\n    os._exit(0)\n\
                      while time.time() < end:\n    time.sleep(0.004)\n    if os.fork():\n        os._exit(0)\n";
        let mut first = Command::new("python3").args(["-c", script]).envs(mark.variables("bot", 1)).spawn().unwrap();
        first.wait().unwrap();
        for _ in 0..50 {
            assert!(!find_system(&mark).unwrap().is_empty());
        }
        clear(&mark, &[], Path::new("/"), CLEAR_WITHIN).unwrap();
        for _ in 0..20 {
            assert!(find_system(&mark).unwrap().is_empty());
        }
    }

    #[test]
    fn a_recorded_process_is_found_only_while_it_is_the_same() {
        let mark = mark("recorded");
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let id = procfs::stat(pid(&child)).unwrap().id;
        let recorded =
            |start_time| Recorded { id: ProcessId { pid: id.pid, start_time }, component: "bot".into(), instance: 1 };
        assert!(find_system_and(&mark, &[recorded(id.start_time + 1)]).unwrap().is_empty());
        let found = find_system_and(&mark, &[recorded(id.start_time)]).unwrap();
        assert_eq!(
            found.iter().map(|process| (process.id, process.found_by)).collect::<Vec<_>>(),
            [(id, FoundBy::Record)]
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
