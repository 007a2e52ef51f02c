//! Finds and ends every process of a system: members of its cgroup, descendants of its engine and guard, and whoever
//! carries its mark. For the kill switch. Never touches engine, guard or the caller.

use crate::emergency::is_runner;
use crate::process::cgroup::{self, KillHandle};
use crate::process::leftovers;
use crate::process::mark::SystemMark;
use crate::process::pidfd::PidFd;
use crate::process::procfs::{self, ProcessId};
use crate::process::register;
use crate::runtime_dir::EngineInfo;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one round waits for what it killed before it looks again.
const ROUND: Duration = Duration::from_millis(20);

/// How far up a process's ancestors are looked at.
const ANCESTORS_MAX: usize = 64;

/// Looks in a row that must find nothing.
const CLEAN_LOOKS: usize = 2;

/// Which processes belong to a system, as its engines wrote it down.
#[derive(Clone, Debug, Default)]
pub(super) struct Quarry {
    hunts: Vec<Hunt>,
    /// Where whoever runs this system's emergency actions shows itself, which is spared.
    state_dir: Option<PathBuf>,
}

/// What one engine wrote down, or a state directory proves.
#[derive(Clone, Debug)]
struct Hunt {
    /// What its processes carry in their environment; `None` where that is not known.
    mark: Option<SystemMark>,
    /// The only user whose processes this may name: whoever owns the file that says so. `None`: root, who may name any. Otherwise
    /// a user could have root kill whatever that user writes into a file.
    of: Option<u32>,
    /// Processes that an engine recorded having started.
    recorded: BTreeSet<ProcessId>,
    /// Engine and guard, alive or not.
    keepers: BTreeSet<ProcessId>,
    cgroups: BTreeSet<PathBuf>,
}

impl Quarry {
    /// Adds what an engine wrote down in a file of the user `owner`. Process numbers and cgroups of another boot are left out, and
    /// so is a cgroup that does not bear the system's name.
    pub(super) fn add(&mut self, info: &EngineInfo, owner: u32) {
        let mark = SystemMark { name: info.system.clone(), jid: info.jid.clone() };
        let recorded = register::read(&info.runtime_dir);
        let hunt = self.hunt(Some(&mark), owner);
        hunt.recorded.extend(recorded.iter().map(|recorded| recorded.id));
        if info.boot_id == EngineInfo::this_boot() {
            hunt.keepers.insert(info.engine.into());
            hunt.keepers.extend(info.guard.map(ProcessId::from));
            hunt.cgroups.extend(info.cgroup.clone().filter(|cgroup| cgroup::is_of(&mark, cgroup)));
        }
    }

    /// Spares whoever runs the emergency actions of this state directory.
    pub(super) fn spare_actions_of(&mut self, state_dir: &Path) {
        self.state_dir = Some(state_dir.to_owned());
    }

    /// Whether this process runs emergency actions, or is one of them. Asked right before it would be killed: one that has just
    /// begun to work must not be ended in the middle.
    fn spares(&self, id: ProcessId) -> bool {
        let Some(state_dir) = &self.state_dir else { return false };
        let mut pid = id.pid;
        for _ in 0..ANCESTORS_MAX {
            let Ok(stat) = procfs::stat(pid) else { return false };
            if is_runner(&stat, state_dir) {
                return true;
            }
            if stat.parent <= 1 || self.keeps(stat.id) {
                return false;
            }
            pid = stat.parent;
        }
        false
    }

    /// Adds whoever carries this mark, as a file of the user `owner` says.
    pub(super) fn add_mark(&mut self, mark: &SystemMark, owner: u32) {
        self.hunt(Some(mark), owner);
    }

    /// Adds what is below an engine and its guard, as a file of the user `owner` says. Whether that user may say so of this
    /// engine.
    pub(super) fn add_keepers(&mut self, engine: ProcessId, guard: Option<ProcessId>, owner: u32) -> bool {
        let hunt = self.hunt(None, owner);
        hunt.keepers.insert(engine);
        hunt.keepers.extend(guard);
        hunt.reaches(engine.pid)
    }

    /// Adds what a register says that was found without an engine's word beside it.
    pub(super) fn add_register(&mut self, runtime_dir: &Path) {
        if let Ok((recorded, owner)) = register::read_with_owner(runtime_dir)
            && !recorded.is_empty()
        {
            self.hunt(None, owner).recorded.extend(recorded.iter().map(|recorded| recorded.id));
        }
    }

    fn hunt(&mut self, mark: Option<&SystemMark>, owner: u32) -> &mut Hunt {
        let of = (owner != 0).then_some(owner);
        let known = self.hunts.iter().position(|hunt| hunt.mark.as_ref() == mark && hunt.of == of);
        let at = known.unwrap_or(self.hunts.len());
        if known.is_none() {
            let (recorded, keepers, cgroups) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            self.hunts.push(Hunt { mark: mark.cloned(), of, recorded, keepers, cgroups });
        }
        &mut self.hunts[at]
    }

    /// Whether anything is known to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.hunts.is_empty()
    }

    /// Whether it is an engine or a guard: these end by themselves, in order.
    fn keeps(&self, id: ProcessId) -> bool {
        self.hunts.iter().any(|hunt| hunt.keepers.contains(&id) && hunt.reaches(id.pid))
    }
}

impl Hunt {
    /// Whether it may name this process.
    fn reaches(&self, pid: i32) -> bool {
        self.of.is_none_or(|user| procfs::real_user(pid).is_ok_and(|real| real == user))
    }
}

/// A process that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Its number.
    pub pid: i32,
    /// Its program.
    pub command: String,
    /// Why it lives.
    pub why: Why,
}

/// Why a process lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is another user's: only that user, root or the engine can end it.
    NotAllowed,
    /// It sleeps in the kernel where no signal reaches it; it ends when it wakes.
    Uninterruptible,
    /// It was killed and had not ended when time was up, or the tree grew faster than it was killed.
    StillEnding,
}

/// What a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes that this sweep killed and that have ended.
    pub killed: usize,
    /// Those that were found, could not be killed by this user, and are gone: by the engine's hand, or by themselves.
    pub gone: usize,
    /// Those that are left.
    pub survivors: Vec<Survivor>,
    /// Looks over `/proc`.
    pub rounds: usize,
    /// When the last one was seen to be gone, from the beginning of the sweep.
    pub last_gone: Duration,
}

/// Kills until two whole looks over `/proc` in a row find nothing, or `limit` is over: a process that forks and ends all
/// the time may slip past one. With `engine_runs` it waits for processes
/// that the caller may not kill: the engine does.
pub(super) fn sweep(quarry: &Quarry, limit: Duration, engine_runs: bool) -> std::io::Result<Swept> {
    let begun = Instant::now();
    let mut swept = Swept::default();
    // Each process that was met, and whether it was killed here.
    let mut met: BTreeMap<ProcessId, bool> = BTreeMap::new();
    let mut clean = 0;
    loop {
        swept.rounds += 1;
        let mut round = Round::default();
        for hunt in &quarry.hunts {
            for cgroup in &hunt.cgroups {
                round.kill_cgroup(cgroup, hunt, quarry);
            }
        }
        let table = Table::read()?;
        for hunt in &quarry.hunts {
            // Descendants first: they cost one look, environments one file a process.
            for stat in table.descendants(hunt) {
                if table.may_be_killed(stat.id, hunt, quarry) {
                    round.add(stat.id, &stat.comm, true);
                }
            }
            for stat in table.recorded(hunt) {
                if table.may_be_killed(stat.id, hunt, quarry) {
                    round.add(stat.id, &stat.comm, true);
                }
            }
            let Some(mark) = &hunt.mark else { continue };
            for process in leftovers::find_system(mark)? {
                if table.may_be_killed(process.id, hunt, quarry) {
                    round.add(process.id, &process.comm, true);
                }
            }
        }
        for (id, target) in &round.targets {
            *met.entry(*id).or_default() |= target.allowed;
        }
        if round.targets.is_empty() {
            swept.survivors.clear();
            clean += 1;
            if clean == CLEAN_LOOKS {
                break;
            }
            continue;
        }
        clean = 0;
        round.wait(ROUND.min(limit.saturating_sub(begun.elapsed())));
        swept.survivors = round.survivors();
        let only_foreign =
            !swept.survivors.is_empty() && swept.survivors.iter().all(|survivor| survivor.why == Why::NotAllowed);
        if swept.survivors.is_empty() {
            swept.last_gone = begun.elapsed();
        }
        if begun.elapsed() >= limit || only_foreign && !engine_runs {
            break;
        }
    }
    let ended = |killed_here: bool| {
        let left = |id: &ProcessId| swept.survivors.iter().any(|survivor| survivor.pid == id.pid);
        met.iter().filter(|(id, killed)| **killed == killed_here && !left(id)).count()
    };
    (swept.killed, swept.gone) = (ended(true), ended(false));
    Ok(swept)
}

/// One look over all processes.
struct Table {
    processes: BTreeMap<i32, procfs::Stat>,
    own: i32,
}

impl Table {
    fn read() -> std::io::Result<Self> {
        let mut processes = BTreeMap::new();
        for pid in procfs::all()? {
            // One that is gone by now is no concern.
            if let Ok(stat) = procfs::stat(pid)
                && !stat.kernel
            {
                processes.insert(pid, stat);
            }
        }
        Ok(Self { processes, own: i32::try_from(std::process::id()).unwrap_or(0) })
    }

    fn may_be_killed(&self, id: ProcessId, hunt: &Hunt, quarry: &Quarry) -> bool {
        id.pid != self.own && !quarry.keeps(id) && hunt.reaches(id.pid) && !quarry.spares(id)
    }

    /// The recorded processes that are still the same.
    fn recorded<'a>(&'a self, hunt: &'a Hunt) -> impl Iterator<Item = &'a procfs::Stat> {
        hunt.recorded.iter().filter_map(|id| self.processes.get(&id.pid).filter(|stat| stat.id == *id))
    }

    /// Everything below engine and guard.
    fn descendants<'a>(&'a self, hunt: &'a Hunt) -> impl Iterator<Item = &'a procfs::Stat> {
        let keepers: BTreeSet<ProcessId> =
            hunt.keepers.iter().copied().filter(|keeper| hunt.reaches(keeper.pid)).collect();
        let below = move |stat: &procfs::Stat| {
            let mut parent = stat.parent;
            // Bounded by the number of processes: a table that is not read at one instant may hold a circle.
            for _ in 0..self.processes.len() {
                let Some(above) = self.processes.get(&parent) else { return false };
                if keepers.contains(&above.id) {
                    return true;
                }
                parent = above.parent;
            }
            false
        };
        self.processes.values().filter(move |stat| below(stat))
    }
}

/// What one round kills and waits for.
#[derive(Default)]
struct Round {
    targets: BTreeMap<ProcessId, Target>,
}

struct Target {
    /// `None` where there was no descriptor left for it: then it was killed by its number, and `/proc` is asked.
    pidfd: Option<PidFd>,
    command: String,
    allowed: bool,
    ended: bool,
}

impl Round {
    /// Kills a whole cgroup in one stroke, provided that nothing is in it that must not be killed.
    fn kill_cgroup(&mut self, cgroup: &Path, hunt: &Hunt, quarry: &Quarry) {
        const CGROUP2_MAGIC: i64 = 0x6367_7270;
        #[expect(clippy::useless_conversion, reason = "the field's type differs between architectures")]
        let is_cgroup =
            nix::sys::statfs::statfs(cgroup).is_ok_and(|fs| i64::from(fs.filesystem_type().0) == CGROUP2_MAGIC);
        if !is_cgroup {
            return;
        }
        let mut members = Vec::new();
        members_of(cgroup, &mut members, 0);
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let stats: Vec<_> = members.iter().filter_map(|pid| procfs::stat(*pid).ok()).collect();
        let may_be_killed = |stat: &procfs::Stat| {
            stat.id.pid != own && !quarry.keeps(stat.id) && hunt.reaches(stat.id.pid) && !quarry.spares(stat.id)
        };
        let safe = stats.iter().all(may_be_killed);
        let killed = safe && KillHandle::open(cgroup).and_then(|handle| handle.kill()).is_ok();
        for stat in &stats {
            if killed || may_be_killed(stat) {
                // Also after the stroke: to wait for its end, and to kill where the stroke was refused.
                self.add(stat.id, &stat.comm, !killed);
            }
        }
    }

    fn add(&mut self, id: ProcessId, command: &str, signal: bool) {
        if self.targets.contains_key(&id) {
            return;
        }
        let (pidfd, killed) = match PidFd::open_exactly(id) {
            Ok(None) => return,
            Ok(Some(pidfd)) => {
                // A zombie has ended, unless threads of it run on.
                if pidfd.has_ended().unwrap_or(false) {
                    return;
                }
                let killed = if signal { pidfd.signal(libc::SIGKILL).map(drop) } else { Ok(()) };
                (Some(pidfd), killed)
            }
            Err(_) => {
                if !still_runs(id) {
                    return;
                }
                let pid = nix::unistd::Pid::from_raw(id.pid);
                (None, nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).map_err(std::io::Error::from))
            }
        };
        let allowed = !matches!(killed, Err(error) if error.raw_os_error() == Some(libc::EPERM));
        self.targets.insert(id, Target { pidfd, command: command.to_owned(), allowed, ended: false });
    }

    /// Waits until all have ended, at most this long.
    fn wait(&mut self, limit: Duration) {
        let until = Instant::now() + limit;
        loop {
            for (id, target) in &mut self.targets {
                target.ended |= target.pidfd.is_none() && !still_runs(*id);
            }
            let mut waiting: Vec<&mut Target> = self.targets.values_mut().filter(|target| !target.ended).collect();
            if waiting.is_empty() {
                return;
            }
            // A negative descriptor is passed over by poll.
            let mut polled: Vec<libc::pollfd> = waiting
                .iter()
                .map(|target| target.pidfd.as_ref().map_or(-1, |pidfd| pidfd.as_fd().as_raw_fd()))
                .map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 })
                .collect();
            let left = until.saturating_duration_since(Instant::now());
            let unseen = waiting.iter().any(|target| target.pidfd.is_none());
            let longest = if unseen { left.min(Duration::from_millis(1)) } else { left };
            let millis = i32::try_from(longest.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
            let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
            // SAFETY: `polled` is an array of that many entries and lives across the call.
            let ready = unsafe { libc::poll(polled.as_mut_ptr(), count, millis) };
            for (target, polled) in waiting.iter_mut().zip(&polled) {
                target.ended |= ready > 0 && polled.revents != 0;
            }
            if left.is_zero() {
                return;
            }
        }
    }

    fn survivors(&self) -> Vec<Survivor> {
        self.targets
            .iter()
            .filter(|(_, target)| !target.ended)
            .map(|(id, target)| {
                let sleeping = procfs::stat(id.pid).is_ok_and(|stat| stat.id == *id && stat.is_uninterruptible());
                let why = match (target.allowed, sleeping) {
                    (false, _) => Why::NotAllowed,
                    (true, true) => Why::Uninterruptible,
                    (true, false) => Why::StillEnding,
                };
                Survivor { pid: id.pid, command: target.command.clone(), why }
            })
            .collect()
    }
}

fn still_runs(id: ProcessId) -> bool {
    procfs::stat(id.pid).is_ok_and(|stat| stat.id == id && !stat.is_zombie())
}

/// Members of a cgroup and of those below it. Ours are two levels deep; a component may have made more.
fn members_of(cgroup: &Path, members: &mut Vec<i32>, depth: usize) {
    const DEEPEST: usize = 16;
    if let Ok(list) = std::fs::read_to_string(cgroup.join("cgroup.procs")) {
        members.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
    }
    if depth == DEEPEST {
        return;
    }
    let Ok(entries) = std::fs::read_dir(cgroup) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            members_of(&entry.path(), members, depth + 1);
        }
    }
}
