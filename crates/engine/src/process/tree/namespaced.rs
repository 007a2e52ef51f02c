//! Trees in process namespaces of their own: the component's main process is a grandchild of the engine there, and how it ended is
//! told by the first process of the namespace.

use super::{Tree, TreeId, Trees};
use crate::process::namespace::{MAIN, Namespace, Word};
use crate::process::procfs::ProcessId;
use crate::process::watch_set::WatchSet;
use failstop_core::{Exit, Slot};
use std::io;
use std::os::fd::AsFd as _;

/// What the watch set calls the link to a slot's namespace: above every slot's own token, below those of kept descriptors.
const TOKENS_FROM: u64 = 1 << 16;

/// The namespace of a tree.
#[derive(Debug)]
pub(super) struct Inner {
    namespace: Namespace,
    /// The main process, as it is numbered in there.
    main: i32,
    /// Its first process has no children any more.
    empty: bool,
    /// Its first process was reaped: the kernel has ended everything in there.
    ended: bool,
}

impl Inner {
    pub(super) fn new(namespace: Namespace) -> Self {
        Self { namespace, main: MAIN, empty: false, ended: false }
    }
}

impl Tree {
    /// The first process of its namespace, while it lives.
    pub(super) fn first(&self) -> Option<ProcessId> {
        self.namespace.as_ref().filter(|inner| !inner.ended).map(|inner| inner.namespace.first)
    }

    pub(super) fn is_first(&self, pid: i32) -> bool {
        self.first().is_some_and(|first| first.pid == pid)
    }

    /// Whether nothing of it is in a namespace; true where it has none.
    pub(super) fn has_left_its_namespace(&self) -> bool {
        self.namespace.as_ref().is_none_or(|inner| inner.ended)
    }

    /// Kills everything in its namespace.
    pub(super) fn kill_namespace(&self) {
        if let Some(inner) = self.namespace.as_ref().filter(|inner| !inner.ended) {
            // Our own unreaped child; tried again in the next round.
            let _ = inner.namespace.kill();
        }
    }
}

impl Trees {
    /// The namespace of a start, while it is there.
    pub fn namespace_of(&self, id: TreeId) -> Option<&Namespace> {
        self.tree(id)?.namespace.as_ref().filter(|inner| !inner.ended).map(|inner| &inner.namespace)
    }

    /// The first processes of the namespaces that there are, and whose: ours, not the components'.
    pub fn first_processes(&self) -> impl Iterator<Item = (TreeId, ProcessId)> {
        self.trees.values().filter_map(|tree| Some((tree.id, tree.first()?)))
    }

    /// Has what the first process of a start's namespace says told by the watch set.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn watch_namespace(&self, id: TreeId, watch: &WatchSet) -> io::Result<()> {
        match self.namespace_of(id) {
            Some(namespace) => watch.watch_process(namespace.link(), TOKENS_FROM + id.slot.number() as u64),
            None => Ok(()),
        }
    }

    /// Whose namespace this token of the watch set is of.
    pub fn namespace_token(&self, token: u64) -> Option<Slot> {
        let is_of = |tree: &&Tree| TOKENS_FROM + tree.id.slot.number() as u64 == token && tree.namespace.is_some();
        self.trees.values().find(is_of).map(|tree| tree.id.slot)
    }

    /// Whose namespace a process is the first of.
    pub fn of_first(&self, pid: i32) -> Option<TreeId> {
        self.trees.values().find(|tree| tree.is_first(pid)).map(|tree| tree.id)
    }

    /// How a start's main process ended, if the first process of its namespace says so. Takes everything that this has said.
    pub fn listen_to_namespace(&mut self, slot: Slot, watch: &WatchSet) -> Option<(TreeId, Exit)> {
        let tree = self.trees.get_mut(&slot)?;
        let inner = tree.namespace.as_mut()?;
        let mut ended = None;
        while let Some(word) = inner.namespace.word() {
            match word {
                Word::Empty => inner.empty = true,
                // One that was the main process before, and has handed over since, is not.
                Word::Ended { number, exit } => ended = (number == inner.main).then_some(exit).or(ended),
                Word::Gone => {
                    watch.forget(inner.namespace.link());
                    break;
                }
            }
        }
        let exit = ended.filter(|_| !tree.main_reaped)?;
        tree.main_reaped = true;
        if tree.adopted {
            watch.forget(tree.pidfd.as_fd());
        }
        let told = if exit == Exit::Unknown { tree.pidfd.exit().unwrap_or(Exit::Unknown) } else { exit };
        Some((tree.id, told))
    }

    /// The process that a component means by a number: as it is numbered where the component is.
    pub fn number_outside(&self, id: TreeId, number: i32) -> Option<i32> {
        match self.namespace_of(id) {
            Some(namespace) => namespace.number_outside(&self.members(id), number),
            None => Some(number),
        }
    }

    /// How a process is numbered where this start is.
    pub fn number_inside(&self, id: TreeId, pid: i32) -> Option<i32> {
        match self.namespace_of(id) {
            Some(namespace) => namespace.number_inside(pid),
            None => Some(pid),
        }
    }

    /// Notes that a start's main process is another one from now on, of whose end its namespace's first process is to tell.
    pub(super) fn main_is_now(&mut self, id: TreeId, pid: i32) {
        let Some(number) = self.number_inside(id, pid) else { return };
        if let Some(inner) = self.trees.get_mut(&id.slot).and_then(|tree| tree.namespace.as_mut()) {
            inner.main = number;
            // Where that is dead the end of everything is on its way.
            let _ = inner.namespace.ask_about(number);
        }
    }

    /// Notes that the reaper took the first process of a namespace. What it did not live to say about the main process is that it
    /// was killed with it.
    pub fn namespace_ended(&mut self, slot: Slot, watch: &WatchSet) -> Option<(TreeId, Exit)> {
        let told = self.listen_to_namespace(slot, watch);
        let tree = self.trees.get_mut(&slot)?;
        if let Some(inner) = &mut tree.namespace {
            inner.ended = true;
            watch.forget(inner.namespace.link());
        }
        if told.is_none() && !tree.main_reaped {
            tree.main_reaped = true;
            if tree.adopted {
                watch.forget(tree.pidfd.as_fd());
            }
            return Some((tree.id, Exit::Signal(libc::SIGKILL)));
        }
        told
    }

    /// Ends the namespace of a tree of which nothing is left in there. What runs beside it (a hook) would end with it.
    pub(super) fn end_empty_namespace(&self, slot: Slot, beside: &[i32]) {
        if let Some(tree) = self.trees.get(&slot)
            && tree.main_reaped
            && beside.is_empty()
            && tree.namespace.as_ref().is_some_and(|inner| inner.empty)
        {
            tree.kill_namespace();
        }
    }
}
