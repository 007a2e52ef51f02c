//! Ended processes: whose each was, what the core is told of it, and what goes on being killed until a tree is gone.

use super::engine::Engine;
use crate::clock;
use crate::process::cgroup::ComponentCgroup;
use crate::process::reaper::{self, Next};
use crate::process::tree::TreeId;
use failstop_core::{HookOutcome, Input};

impl Engine {
    /// Takes every ended process, and what follows from its end.
    pub(super) fn reap(&mut self) {
        let mut may_have_left_orphans = false;
        loop {
            match reaper::next() {
                Ok(Next::Ended(reaped)) => {
                    self.register.reaped(reaped.pid);
                    if let Some(tree) = self.trees.of_main(reaped.pid) {
                        self.take_last_words(tree.slot);
                        self.trees.unwatch(tree.slot, &self.watch_set);
                    }
                    if let Some(tree) = self.trees.of_first(reaped.pid) {
                        may_have_left_orphans = true;
                        self.take_last_words(tree.slot);
                        if let Some((tree, exit)) = self.trees.namespace_ended(tree.slot, &self.watch_set) {
                            self.main_ended(tree, exit);
                        }
                    } else if let Some((tree, hook)) = self.hooks.ended(reaped.pid) {
                        // The last one is its tree's main process.
                        self.trees.reaped(reaped.pid);
                        may_have_left_orphans = true;
                        let outcome = HookOutcome::Ended(reaped.exit);
                        self.feed(Input::HookEnded { slot: tree.slot, instance: tree.instance, hook, outcome });
                    } else if let Some(tree) = self.trees.reaped(reaped.pid) {
                        may_have_left_orphans = true;
                        self.look_for_kills(tree, reaped.exit);
                        self.feed(Input::Exited { slot: tree.slot, instance: tree.instance, exit: reaped.exit });
                    } else if self.emergencies.ended(reaped) || self.programs.ended(reaped) {
                        may_have_left_orphans = true;
                    }
                }
                Ok(Next::NoneEnded | Next::NoChildren) => break,
                Err(error) => {
                    self.say("engine", &format!("ended processes cannot be reaped: {error}"));
                    break;
                }
            }
        }
        if may_have_left_orphans {
            self.trees.sweep_strays();
        }
        self.poll_trees();
        for stray in self.trees.take_strays() {
            if let Some(what) = self.strays.killed(clock::now(), &stray) {
                self.note("x.failstop.stray_killed", &what);
            }
        }
    }

    /// Tells the core who killed this tree, before it hears of the end: whoever engaged the kill switch, which latches first, so that what
    /// it killed did not end by itself; or the kernel, for want of memory.
    pub(super) fn look_for_kills(&mut self, tree: TreeId, exit: failstop_core::Exit) {
        if !self.core.kill_switch() {
            self.look_at_latch();
        }
        let cgroup = self.trees.component_cgroup(tree.slot).map(ComponentCgroup::path);
        let by_us = self.trees.is_being_killed(tree);
        if let Some(certainty) = self.kill_counts.judge(tree.slot, cgroup, exit, by_us) {
            self.feed(Input::OutOfMemory { slot: tree.slot, instance: tree.instance, certainty });
        }
    }

    /// Goes on with every kill, and tells the core which trees are gone.
    pub(super) fn poll_trees(&mut self) {
        for tree in self.trees.poll() {
            self.take_credentials_away(tree.slot);
            self.feed(Input::TreeGone { slot: tree.slot, instance: tree.instance });
        }
        self.arm_kill_retry();
    }

    pub(super) fn arm_kill_retry(&mut self) {
        self.kill_again_at = self.trees.retry_after().map(|pause| clock::now().plus(pause));
    }
}
