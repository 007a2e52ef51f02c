//! What hangs directly off the engine without being what it started: whose it is, and the end of what is nobody's.

use super::{TreeId, Trees};
use crate::process::cgroup::{self, Inside};
use crate::process::extinguish::kill_child_and_below;
use crate::process::procfs::{self, ProcessId};
use failstop_core::Slot;
use std::collections::BTreeMap;
use std::io;

/// An orphan that belonged to no running tree and was killed; for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Which process.
    pub id: ProcessId,
    /// Its program's name.
    pub comm: String,
    /// The component that it was of, where that is known (an older start's).
    pub component: Option<String>,
}

/// Whose a direct child of the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A tree that is here now.
    Tree(TreeId),
    /// Nobody's who is here; the component is named where it is known.
    Nobody(Option<String>),
    /// Dead, or about to be; the reaper takes it.
    Dead,
}

/// What hangs directly off the engine without being a main process.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// Living ones, by the tree that they belong to.
    pub(super) of: BTreeMap<Slot, Vec<i32>>,
    /// Whether there is something that belongs to nobody, or that changed while it was looked at: then nothing is
    /// proven gone in this look.
    pub(super) unsettled: bool,
}

impl Trees {
    /// Kills orphans that belong to no tree. Call after reaping a main process and with every sampling.
    pub fn sweep_strays(&mut self) {
        let _ = self.orphans();
    }

    /// The strays that were killed since this was last asked, for the journal.
    pub fn take_strays(&mut self) -> Vec<Stray> {
        std::mem::take(&mut self.strays)
    }

    /// Looks at every direct child once, and kills those that cannot be told to be anybody's.
    pub(super) fn orphans(&mut self) -> Orphans {
        let mut orphans = Orphans::default();
        let Ok(children) = self.direct_children() else {
            return Orphans { unsettled: true, ..orphans };
        };
        for pid in children {
            match self.owner_of_child(pid) {
                Owner::Tree(id) => orphans.of.entry(id.slot).or_default().push(pid),
                // What it was of can no longer be told, and its children may have come to us since we listed. SIGCHLD
                // is on its way.
                Owner::Dead => orphans.unsettled = true,
                Owner::Nobody(component) => {
                    orphans.unsettled = true;
                    let stat = procfs::stat(pid);
                    kill_child_and_below(pid);
                    if let Ok(stat) = stat
                        && !self.strays.iter().any(|stray| stray.id == stat.id)
                    {
                        self.strays.push(Stray { id: stat.id, comm: stat.comm, component });
                    }
                }
            }
        }
        orphans
    }

    /// The engine's children that are neither main processes, nor the first ones of namespaces, nor noted by
    /// [`Trees::other_started`]. Those of its main thread suffice: it alone starts components, and orphans come to it.
    pub(super) fn direct_children(&self) -> io::Result<Vec<i32>> {
        let mut children = self.own_children.read()?;
        children.retain(|pid| {
            !self.others.contains(pid)
                && !self.trees.values().any(|tree| tree.main.pid == *pid && !tree.main_reaped || tree.is_first(*pid))
        });
        Ok(children)
    }

    /// Told apart by the cgroup, else by the environment's mark, else by the last sampled ancestry.
    pub(super) fn owner_of_child(&self, pid: i32) -> Owner {
        let Ok(stat) = procfs::stat(pid) else { return Owner::Dead };
        if procfs::is_ending(&stat) {
            return Owner::Dead;
        }
        if let Ok(Some(path)) = procfs::cgroup_path(pid)
            && let Some(Inside { component, instance }) = cgroup::inside(&self.cgroup_prefix, &path)
        {
            return self.owner_named(component, instance);
        }
        let marks = procfs::marks(pid).unwrap_or_default();
        if marks.belongs_to(&self.mark)
            && let Some(component) = &marks.component
        {
            return self.owner_named(component, marks.instance);
        }
        // It may have begun to end since the first look, and then its environment was gone for that reason alone.
        if procfs::stat(pid).map_or(true, |now| now.id != stat.id || procfs::is_ending(&now)) {
            return Owner::Dead;
        }
        match self.sampled.get(&stat.id) {
            Some(id) if self.tree(*id).is_some() => Owner::Tree(*id),
            Some(id) => Owner::Nobody(self.names.get(&id.slot).cloned()),
            None => Owner::Nobody(None),
        }
    }

    fn owner_named(&self, component: &str, instance: Option<u64>) -> Owner {
        let tree = self.trees.values().find(|tree| {
            instance == Some(tree.id.instance.0) && self.names.get(&tree.id.slot).is_some_and(|name| name == component)
        });
        match tree {
            Some(tree) => Owner::Tree(tree.id),
            None => Owner::Nobody(Some(component.to_owned())),
        }
    }
}
