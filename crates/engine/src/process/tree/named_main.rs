//! The main process that a component named itself: it need not be a child of the engine, so a watch set tells of its end.

use super::{TreeId, Trees};
use crate::process::pidfd::{PidFd, exit_of_wait_status};
use crate::process::procfs::{self, ProcessId};
use crate::process::watch_set::WatchSet;
use failstop_core::{Exit, Slot};
use std::io;
use std::os::fd::AsFd as _;

/// Why a process that a component named is not its main process.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// The component's main process has ended, or its tree is being killed.
    #[error("MAINPID={0} comes too late: its main process has ended")]
    TooLate(i32),
    /// There is no such process, or not the one that was meant.
    #[error("MAINPID={0}: there is no such process")]
    Gone(i32),
    /// It is no process of the component's.
    #[error("MAINPID={0} is no process of this component's")]
    Foreign(i32),
    /// It could not be looked at or watched.
    #[error("MAINPID={pid} cannot be watched: {source}")]
    Unwatchable {
        /// Which.
        pid: i32,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Trees {
    /// Takes a living process of the tree, named by the component itself, for its main process: its end is the component's
    /// from now on, and the end of the one before is not. `None` when it is that already.
    ///
    /// # Errors
    /// [`HandOverError`]; nothing has changed then.
    pub fn hand_over(
        &mut self,
        id: TreeId,
        pid: i32,
        pidfd_id: Option<u64>,
        named_by: Option<&PidFd>,
        watch: &WatchSet,
    ) -> Result<Option<ProcessId>, HandOverError> {
        let Some(tree) = self.tree(id).filter(|tree| !tree.main_reaped && tree.killing.is_none()) else {
            return Err(HandOverError::TooLate(pid));
        };
        if tree.main.pid == pid {
            return Ok(None);
        }
        let unwatchable = |source| HandOverError::Unwatchable { pid, source };
        let stat = procfs::stat(pid).ok().filter(|stat| !procfs::is_dead(stat)).ok_or(HandOverError::Gone(pid))?;
        let pidfd = PidFd::open_exactly(stat.id).map_err(unwatchable)?.ok_or(HandOverError::Gone(pid))?;
        // The number means the process behind the sender's descriptor as long as that one has not ended.
        let meant = named_by.is_none_or(|named| matches!(named.has_ended(), Ok(false)))
            && pidfd_id.is_none_or(|wanted| pidfd.inode().is_ok_and(|inode| inode == wanted));
        if !meant {
            return Err(HandOverError::Gone(pid));
        }
        // Looked at after opening: what it belongs to is true of this very process.
        if self.tree_of(pid) != Some(id) {
            return Err(HandOverError::Foreign(pid));
        }
        watch.watch_process(pidfd.as_fd(), Self::token(id.slot)).map_err(unwatchable)?;
        if let Some(tree) = self.trees.get_mut(&id.slot) {
            if tree.adopted {
                watch.forget(tree.pidfd.as_fd());
            }
            (tree.main, tree.pidfd, tree.adopted) = (stat.id, pidfd, true);
        }
        self.main_is_now(id, pid);
        Ok(Some(stat.id))
    }

    fn token(slot: Slot) -> u64 {
        slot.number() as u64
    }

    /// Whose named main process this token of the watch set is of.
    pub fn adopted_of(&self, token: u64) -> Option<Slot> {
        self.trees.values().find(|tree| tree.adopted && Self::token(tree.id.slot) == token).map(|tree| tree.id.slot)
    }

    /// Watches a named main process no more.
    pub fn unwatch(&self, slot: Slot, watch: &WatchSet) {
        if let Some(tree) = self.trees.get(&slot).filter(|tree| tree.adopted) {
            watch.forget(tree.pidfd.as_fd());
        }
    }

    /// A named main process ended: which tree's it was and how it ended, as far as the kernel says. `None` when it lives, or
    /// when it is our own child and the reaper takes its status.
    pub fn adopted_ended(&mut self, slot: Slot, watch: &WatchSet) -> Option<(TreeId, Exit)> {
        let own_pid = self.own_pid;
        let tree = self.trees.get(&slot).filter(|tree| tree.adopted && !tree.main_reaped)?;
        if !tree.pidfd.has_ended().unwrap_or(false) {
            return None;
        }
        let stat = procfs::stat(tree.main.pid).ok().filter(|stat| stat.id == tree.main);
        // Its status is the reaper's to take, or its namespace's first process's, which tells.
        if stat.as_ref().is_some_and(|stat| stat.parent == own_pid || tree.is_first(stat.parent)) {
            return None;
        }
        // Who took its status may have been its namespace's first process, which told it before: that word is unread where the
        // end was news first.
        if stat.is_none()
            && let Some(told) = self.listen_to_namespace(slot, watch)
        {
            return Some(told);
        }
        let tree = self.trees.get_mut(&slot)?;
        let exit = match stat {
            // Its parent has not looked yet.
            Some(_) => procfs::exit_code(tree.main.pid).map_or(Exit::Unknown, exit_of_wait_status),
            None => tree.pidfd.exit().unwrap_or(Exit::Unknown),
        };
        tree.main_reaped = true;
        Some((tree.id, exit))
    }
}
