//! Components in process namespaces of their own: what the first process of one says, and what follows from it.

use super::engine::Engine;
use crate::process::register::Recorded;
use crate::process::tree::TreeId;
use failstop_core::{Exit, HookOutcome, Input, Slot};

impl Engine {
    /// Notes the first process of a start's namespace, where it has one: for the next engine, and to hear what it says.
    pub(super) fn heed_namespace(&mut self, tree: TreeId) {
        let Some(first) = self.trees.namespace_of(tree).map(|namespace| namespace.first) else { return };
        let component = self.name_of(tree.slot).unwrap_or_default().to_owned();
        let recorded = Recorded { id: first, component: component.clone(), instance: tree.instance.0 };
        if let Err(error) = self.register.started(recorded) {
            self.say("engine", &format!("the register of processes cannot be written: {error}"));
        }
        if let Err(error) = self.trees.watch_namespace(tree, &self.watch_set) {
            // Its end would not be noticed before everything in there has ended.
            self.say(&component, &format!("its namespace cannot be watched ({error}): it is killed"));
            self.trees.begin_kill(tree);
            self.arm_kill_retry();
        }
    }

    /// The first process of a namespace says something: how the main process ended, as a rule.
    pub(super) fn namespace_speaks(&mut self, slot: Slot) {
        // What was said before the end is taken before it: another one may be the main process since.
        self.take_last_words(slot);
        if let Some((tree, exit)) = self.trees.listen_to_namespace(slot, &self.watch_set) {
            self.main_ended(tree, exit);
            self.trees.sweep_strays();
        }
        self.poll_trees();
    }

    /// A main process ended that the reaper does not take: a component's, or a hook's that is the main process of its tree.
    pub(super) fn main_ended(&mut self, tree: TreeId, exit: Exit) {
        let pid = self.trees.main_of(tree).unwrap_or_default();
        self.register.reaped(pid);
        if let Some((tree, hook)) = self.hooks.ended(pid) {
            let outcome = HookOutcome::Ended(exit);
            self.feed(Input::HookEnded { slot: tree.slot, instance: tree.instance, hook, outcome });
            return;
        }
        self.look_for_kills(tree, exit);
        self.feed(Input::Exited { slot: tree.slot, instance: tree.instance, exit });
    }
}
