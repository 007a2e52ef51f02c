//! The trees of the components: who belongs to which, killing one until nothing is left of it, and the proof that nothing
//! is. For the engine's loop, without ever waiting.
//!
//! The proof rests on the engine being a child subreaper: once a component's main process is reaped, whatever is left of
//! its tree hangs, at the top, directly off the engine. So a tree is gone when its main process is reaped and no direct
//! child of the engine is an orphan of it; a cgroup, where there is one, must be empty besides. A process that cannot be
//! told to belong to anybody is killed, and until it is dead no tree that is being killed counts as gone.
//!
//! A tree in a process namespace of its own ([`namespaced`]) hangs off the first process of that, which is the engine's child: when
//! its status is taken the kernel has ended everything in there.

pub mod named_main;
pub mod namespaced;
mod orphans;

pub use orphans::Stray;

use crate::process::cgroup::{ComponentCgroup, Entry, InstanceCgroup, SystemCgroup};
use crate::process::extinguish::{kill_all_below, kill_child_and_below};
use crate::process::mark::SystemMark;
use crate::process::pidfd::PidFd;
use crate::process::procfs::{self, OwnChildren, ProcessId, Stat};
use crate::process::spawn::Child;
use failstop_core::{Instance, Slot};
use namespaced::Inner;
use orphans::{Orphans, Owner};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::time::Duration;

/// The first and the longest pause before a kill is tried again; SIGCHLD comes earlier as a rule.
const RETRY_FIRST: Duration = Duration::from_millis(1);
const RETRY_LONGEST: Duration = Duration::from_millis(100);
/// After so many rounds what is still there is reported.
const ROUNDS_UNTIL_STUCK: u32 = 20;
/// The longest chain of parents that is followed.
const DEPTH_MAX: usize = 4096;

/// One start of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId {
    /// Which component.
    pub slot: Slot,
    /// Which start.
    pub instance: Instance,
}

/// Why a component may not be spawned now.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The component's last tree was not proven gone.
    #[error("the tree of start {} of this component is not gone yet", .0.instance.0)]
    StillThere(TreeId),
    /// Its cgroup could not be made.
    #[error("the cgroup of this start cannot be made: {0}")]
    Cgroup(#[source] io::Error),
}

/// A process that does not die of SIGKILL, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Whose tree.
    pub tree: TreeId,
    /// The component's name.
    pub component: String,
    /// The process; state `D` is uninterruptible sleep.
    pub process: Stat,
}

#[derive(Debug)]
struct Tree {
    id: TreeId,
    main: ProcessId,
    pidfd: PidFd,
    main_reaped: bool,
    /// Whether it is not the process that was started, but one that the component named: it need not be a child of ours.
    adopted: bool,
    cgroup: Option<InstanceCgroup>,
    namespace: Option<Inner>,
    killing: Option<Killing>,
}

impl Tree {
    /// Whether the kernel says that nothing lives in its cgroup; true where there is none.
    fn is_unpopulated(&self) -> bool {
        self.cgroup.as_ref().is_none_or(|cgroup| matches!(cgroup.populated(), Ok(false)))
    }
}

#[derive(Debug)]
struct Killing {
    rounds: u32,
    pause: Duration,
}

/// Every tree there is.
#[derive(Debug)]
pub struct Trees {
    mark: SystemMark,
    cgroup_prefix: String,
    own_pid: i32,
    own_children: OwnChildren,
    names: BTreeMap<Slot, String>,
    cgroups: BTreeMap<Slot, ComponentCgroup>,
    /// Made ahead for the next start, so that a restart need not wait for it.
    prepared: BTreeMap<Slot, (Instance, InstanceCgroup)>,
    /// Of trees that are gone; removed when there is time.
    retired: Vec<InstanceCgroup>,
    trees: BTreeMap<Slot, Tree>,
    /// Direct children that are no component: probes, hooks.
    others: BTreeSet<i32>,
    /// Who belonged to whom when it was last looked at, for orphans that hide their environment.
    sampled: HashMap<ProcessId, TreeId>,
    strays: Vec<Stray>,
}

impl Trees {
    /// No trees yet. `names` are the components; each gets a cgroup where the system has one.
    ///
    /// # Errors
    /// When a component's cgroup cannot be made although the system's could.
    pub fn new(
        mark: SystemMark,
        names: impl IntoIterator<Item = (Slot, String)>,
        system: Option<&SystemCgroup>,
    ) -> io::Result<Self> {
        let names: BTreeMap<Slot, String> = names.into_iter().collect();
        let mut cgroups = BTreeMap::new();
        if let Some(system) = system {
            for (slot, name) in &names {
                cgroups.insert(*slot, system.component(name)?);
            }
        }
        Ok(Self {
            cgroup_prefix: SystemCgroup::name_prefix(&mark),
            mark,
            own_pid: i32::try_from(std::process::id()).unwrap_or_default(),
            own_children: OwnChildren::open(),
            names,
            cgroups,
            prepared: BTreeMap::new(),
            retired: Vec::new(),
            trees: BTreeMap::new(),
            others: BTreeSet::new(),
            sampled: HashMap::new(),
            strays: Vec::new(),
        })
    }

    /// Gets a start ready: proves that nothing is left of the component's last one, and makes the cgroup that the new
    /// process is to be in, where there are cgroups. Right before the spawn.
    ///
    /// # Errors
    /// See [`PrepareError`]; nothing may be spawned for this component then.
    pub fn prepare(&mut self, id: TreeId) -> Result<Option<Entry<'_>>, PrepareError> {
        if let Some(tree) = self.trees.get(&id.slot) {
            return Err(PrepareError::StillThere(tree.id));
        }
        let Some(component) = self.cgroups.get(&id.slot) else { return Ok(None) };
        if self.prepared.get(&id.slot).is_none_or(|(instance, _)| *instance != id.instance) {
            self.retired.extend(self.prepared.remove(&id.slot).map(|(_, unused)| unused));
            let cgroup = component.instance(id.instance.0).map_err(PrepareError::Cgroup)?;
            self.prepared.insert(id.slot, (id.instance, cgroup));
        }
        Ok(self.prepared.get(&id.slot).map(|(_, cgroup)| cgroup.entry()))
    }

    /// Throws away the cgroups that were made ahead: whoever killed the system's cgroup has killed them too, and a process
    /// that is born into a cgroup after its kill dies at once. After the kill switch was seen, and at its release.
    pub fn forget_prepared(&mut self) {
        let prepared = std::mem::take(&mut self.prepared);
        self.retired.extend(prepared.into_values().map(|(_, unused)| unused));
    }

    /// The component's cgroup as such, for limits and accounting.
    pub fn component_cgroup(&self, slot: Slot) -> Option<&ComponentCgroup> {
        self.cgroups.get(&slot)
    }

    /// Whether this start is being killed.
    pub fn is_being_killed(&self, id: TreeId) -> bool {
        self.tree(id).is_some_and(|tree| tree.killing.is_some())
    }

    /// Whether the component may be spawned: nothing is left of its last start.
    pub fn is_free(&self, slot: Slot) -> bool {
        !self.trees.contains_key(&slot)
    }

    /// Notes the start that [`Trees::prepare`] made way for.
    ///
    /// # Errors
    /// [`PrepareError::StillThere`] when there is a tree already. The new process is killed then.
    pub fn planted(&mut self, id: TreeId, child: Child) -> Result<(), PrepareError> {
        let prepared = if self.is_free(id.slot) { self.prepared.remove(&id.slot) } else { None };
        let cgroup = prepared.filter(|(instance, _)| *instance == id.instance);
        self.plant(id, child, cgroup.map(|(_, cgroup)| cgroup))
    }

    fn plant(&mut self, id: TreeId, child: Child, cgroup: Option<InstanceCgroup>) -> Result<(), PrepareError> {
        if let Some(tree) = self.trees.get(&id.slot) {
            // It comes back as an unknown child and dies as a stray, whatever becomes of this signal.
            let _ = child.pidfd.signal(libc::SIGKILL);
            let _ = child.namespace.map(|namespace| namespace.kill());
            return Err(PrepareError::StillThere(tree.id));
        }
        let tree = Tree {
            id,
            main: child.id,
            pidfd: child.pidfd,
            main_reaped: false,
            adopted: false,
            cgroup,
            namespace: child.namespace.map(Inner::new),
            killing: None,
        };
        self.trees.insert(id.slot, tree);
        Ok(())
    }

    /// Removes the cgroups of trees that are gone, and makes those of the next starts. Call some time after
    /// [`Trees::planted`], when there is time: new processes compete with this for the processors. A start that comes
    /// earlier makes its own.
    pub fn tidy(&mut self) {
        for cgroup in std::mem::take(&mut self.retired) {
            // What cannot be removed goes with the system's.
            let _ = cgroup.remove();
        }
        for tree in self.trees.values() {
            let (slot, next) = (tree.id.slot, Instance(tree.id.instance.0 + 1));
            // A failure comes up again, and is told, when it is needed.
            if !self.prepared.contains_key(&slot)
                && let Some(Ok(cgroup)) = self.cgroups.get(&slot).map(|component| component.instance(next.0))
            {
                self.prepared.insert(slot, (next, cgroup));
            }
        }
    }

    /// Notes a direct child that is no component, so that it is not taken for an orphan.
    pub fn other_started(&mut self, pid: i32) {
        self.others.insert(pid);
    }

    /// Notes what the reaper took; whose main process it was, if it was one.
    pub fn reaped(&mut self, pid: i32) -> Option<TreeId> {
        self.others.remove(&pid);
        let ours = |tree: &&mut Tree| tree.main.pid == pid && !tree.main_reaped;
        let tree = self.trees.values_mut().find(ours)?;
        tree.main_reaped = true;
        Some(tree.id)
    }

    /// Whether this is a start that is here now.
    pub fn is_here(&self, id: TreeId) -> bool {
        self.tree(id).is_some()
    }

    /// Whose main process this is, if it is one that has not ended.
    pub fn of_main(&self, pid: i32) -> Option<TreeId> {
        self.trees.values().find(|tree| tree.main.pid == pid && !tree.main_reaped).map(|tree| tree.id)
    }

    /// The number of a start's main process, ended or not.
    pub fn main_of(&self, id: TreeId) -> Option<i32> {
        self.tree(id).map(|tree| tree.main.pid)
    }

    /// The cgroup of a start that is here, where it has one: for a hook that runs beside it.
    pub fn entry_of(&self, id: TreeId) -> Option<Entry<'_>> {
        self.tree(id)?.cgroup.as_ref().map(InstanceCgroup::entry)
    }

    /// Gets the last hook of a start ready, whose tree is gone: makes the cgroup that it is to be in, where there are cgroups.
    ///
    /// # Errors
    /// See [`PrepareError`]; it may not be spawned then.
    pub fn prepare_hook(&mut self, id: TreeId) -> Result<Option<InstanceCgroup>, PrepareError> {
        if let Some(tree) = self.trees.get(&id.slot) {
            return Err(PrepareError::StillThere(tree.id));
        }
        self.cgroups
            .get(&id.slot)
            .map(|component| component.after(id.instance.0))
            .transpose()
            .map_err(PrepareError::Cgroup)
    }

    /// Notes the last hook of a start: it is the main process of a tree of its own, which is killed like any other.
    ///
    /// # Errors
    /// As [`Trees::planted`].
    pub fn planted_hook(
        &mut self,
        id: TreeId,
        child: Child,
        cgroup: Option<InstanceCgroup>,
    ) -> Result<(), PrepareError> {
        self.plant(id, child, cgroup)
    }

    /// Sends every process of the tree a signal: the stop signal, as a rule. All of them, as a service manager does: behind a shell
    /// or a start script the main process is not the bot. `Ok(false)` when the start has ended or is another one.
    ///
    /// # Errors
    /// `EPERM`, which is not expected of our own children.
    pub fn signal(&self, id: TreeId, signal: i32) -> io::Result<bool> {
        let Some(tree) = self.tree(id) else { return Ok(false) };
        // Listed first: the end of the main process gives its children another parent, and one that moves is found under neither.
        let members = self.members(id);
        let mut outcome = if tree.main_reaped { Ok(false) } else { tree.pidfd.signal(signal) };
        for member in members.into_iter().filter(|member| *member != tree.main) {
            match PidFd::open_exactly(member).and_then(|held| held.map_or(Ok(false), |held| held.signal(signal))) {
                Ok(sent) => outcome = outcome.map(|before| before || sent),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    /// Sends the tree's main process a signal. `Ok(false)` when it has ended or is another start's.
    ///
    /// # Errors
    /// `EPERM`, which is not expected of our own children.
    pub fn signal_main(&self, id: TreeId, signal: i32) -> io::Result<bool> {
        match self.tree(id).filter(|tree| !tree.main_reaped) {
            Some(tree) => tree.pidfd.signal(signal),
            None => Ok(false),
        }
    }

    /// Kills the tree, and goes on doing so at every [`Trees::poll`] until it is gone. A start that is not here is gone.
    pub fn begin_kill(&mut self, id: TreeId) {
        if let Some(tree) = self.trees.get_mut(&id.slot)
            && tree.id == id
            && tree.killing.is_none()
        {
            tree.killing = Some(Killing { rounds: 0, pause: RETRY_FIRST });
        }
    }

    /// Goes on with every kill that was begun, and says which trees are gone by now: of those that are killed, and of those whose
    /// main process is. Call right after [`Trees::begin_kill`], after reaping, and when [`Trees::retry_after`] has passed.
    pub fn poll(&mut self) -> Vec<TreeId> {
        if self.trees.values().all(|tree| tree.killing.is_none() && !tree.main_reaped) {
            return Vec::new();
        }
        let Orphans { of, unsettled } = self.orphans();
        for slot in self.trees.keys().copied().collect::<Vec<_>>() {
            let orphans = of.get(&slot).map(Vec::as_slice).unwrap_or_default();
            self.kill_round(slot, orphans);
            self.end_empty_namespace(slot, orphans);
        }
        let gone: Vec<TreeId> = self
            .trees
            .values()
            .filter(|tree| tree.main_reaped && tree.has_left_its_namespace())
            .filter(|tree| !unsettled && !of.contains_key(&tree.id.slot))
            .filter(|tree| tree.is_unpopulated())
            .map(|tree| tree.id)
            .collect();
        for id in &gone {
            self.retired.extend(self.trees.remove(&id.slot).and_then(|tree| tree.cgroup));
            self.sampled.retain(|_, owner| owner != id);
        }
        gone
    }

    /// How long until [`Trees::poll`] should be called at the latest; `None` when nothing is about to be gone.
    pub fn retry_after(&self) -> Option<Duration> {
        let pause = |tree: &Tree| match &tree.killing {
            Some(killing) => Some(killing.pause),
            None => tree.main_reaped.then_some(RETRY_LONGEST),
        };
        self.trees.values().filter_map(pause).min()
    }

    /// Processes that have outlived many rounds of SIGKILL.
    pub fn stuck(&self) -> Vec<Stuck> {
        let mut stuck = Vec::new();
        for tree in self.trees.values() {
            if tree.killing.as_ref().is_none_or(|killing| killing.rounds < ROUNDS_UNTIL_STUCK) {
                continue;
            }
            let component = self.names.get(&tree.id.slot).cloned().unwrap_or_default();
            let alive = self.members(tree.id).into_iter().filter_map(|id| procfs::stat(id.pid).ok());
            stuck.extend(alive.filter(|stat| !procfs::is_dead(stat)).map(|process| Stuck {
                tree: tree.id,
                component: component.clone(),
                process,
            }));
        }
        stuck
    }

    /// Every living process of the tree, the main process first.
    pub fn members(&self, id: TreeId) -> Vec<ProcessId> {
        let Some(tree) = self.tree(id) else { return Vec::new() };
        let mut open: Vec<i32> = Vec::new();
        let children = self.direct_children().unwrap_or_default();
        open.extend(children.into_iter().filter(|pid| self.owner_of_child(*pid) == Owner::Tree(id)));
        if !tree.main_reaped {
            open.push(tree.main.pid);
        }
        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        if let Some(first) = tree.first() {
            // Ours and not the component's. What lost its parent in there hangs off it.
            seen.insert(first.pid);
            let below = procfs::children_of(first.pid).unwrap_or_default();
            open.splice(0..0, below.into_iter().filter(|pid| *pid != tree.main.pid));
        }
        while let Some(pid) = open.pop() {
            if seen.insert(pid)
                && let Ok(stat) = procfs::stat(pid)
            {
                open.extend(procfs::children_of(pid).unwrap_or_default());
                if !procfs::is_dead(&stat) {
                    members.push(stat.id);
                }
            }
        }
        // What sits in the cgroup without hanging below us was put there by root; it counts, as it will be killed too.
        for pid in tree.cgroup.as_ref().and_then(|cgroup| cgroup.processes().ok()).unwrap_or_default() {
            if !seen.contains(&pid)
                && let Ok(stat) = procfs::stat(pid)
            {
                members.push(stat.id);
            }
        }
        members
    }

    /// Remembers who belongs to whom, for orphans that will hide their environment. Call with every resource sampling
    /// and when a component becomes ready.
    pub fn sample(&mut self) {
        let ids: Vec<TreeId> = self.trees.values().map(|tree| tree.id).collect();
        let sampled = ids.into_iter().flat_map(|id| self.members(id).into_iter().map(move |member| (member, id)));
        self.sampled = sampled.collect();
    }

    /// Which tree a process is in: for doors that must know whether a peer is a component's. `None` for everybody else.
    pub fn tree_of(&self, pid: i32) -> Option<TreeId> {
        let mut current = pid;
        for _ in 0..DEPTH_MAX {
            let is_of = |tree: &&Tree| tree.main.pid == current && !tree.main_reaped || tree.is_first(current);
            if let Some(tree) = self.trees.values().find(is_of) {
                return Some(tree.id);
            }
            let parent = procfs::stat(current).ok()?.parent;
            if parent == self.own_pid {
                return match self.owner_of_child(current) {
                    Owner::Tree(id) => Some(id),
                    Owner::Nobody(_) | Owner::Dead => None,
                };
            }
            if parent <= 1 {
                break;
            }
            current = parent;
        }
        None
    }

    /// The tree of a component, while anything of it may be alive.
    pub fn of_slot(&self, slot: Slot) -> Option<TreeId> {
        self.trees.get(&slot).map(|tree| tree.id)
    }

    /// The main process of each tree that has one.
    pub fn main_processes(&self) -> impl Iterator<Item = (TreeId, ProcessId)> {
        self.trees.values().filter(|tree| !tree.main_reaped).map(|tree| (tree.id, tree.main))
    }

    fn tree(&self, id: TreeId) -> Option<&Tree> {
        self.trees.get(&id.slot).filter(|tree| tree.id == id)
    }

    /// One round of SIGKILL to everything of a tree that is being killed.
    fn kill_round(&mut self, slot: Slot, orphans: &[i32]) {
        let Some(tree) = self.trees.get_mut(&slot) else { return };
        let Some(killing) = &mut tree.killing else { return };
        let first = killing.rounds == 0;
        if !first {
            killing.pause = (killing.pause * 2).min(RETRY_LONGEST);
        }
        killing.rounds += 1;
        if tree.main_reaped && orphans.is_empty() && tree.is_unpopulated() && tree.has_left_its_namespace() {
            return;
        }
        let by_cgroup = tree.cgroup.as_ref().is_some_and(|cgroup| cgroup.kill().is_ok());
        if first && by_cgroup {
            return;
        }
        // Also where a cgroup was killed before: root may have moved a process out of it.
        if tree.first().is_some() {
            tree.kill_namespace();
        } else if tree.adopted && !tree.main_reaped {
            // Perhaps no child of ours: its number could be another's by now, its pidfd could not.
            let below = procfs::children_of(tree.main.pid).unwrap_or_default();
            let _ = tree.pidfd.signal(libc::SIGKILL);
            kill_all_below(tree.main.pid, below);
        } else if !tree.main_reaped {
            kill_child_and_below(tree.main.pid);
        }
        for orphan in orphans {
            kill_child_and_below(*orphan);
        }
    }
}
