//! The programs of the user's at the end of a component: started like the component itself, with its user, folder and
//! environment, as processes of its tree, so that nothing of them outlives it.

use super::engine::Engine;
use super::{credentials, sandbox};
use crate::process::extinguish::kill_child_and_below;
use crate::process::register::Recorded;
use crate::process::spawn::Place;
use crate::process::tree::TreeId;
use failstop_core::{Hook, HookOutcome, Input};
use std::collections::BTreeMap;
use std::os::fd::AsFd as _;

/// The hooks that run, by process number: each is a child of ours that is not reaped yet.
#[derive(Debug, Default)]
pub struct Hooks(BTreeMap<i32, (TreeId, Hook)>);

impl Hooks {
    /// Takes what the reaper took; whose hook it was, if it was one.
    pub fn ended(&mut self, pid: i32) -> Option<(TreeId, Hook)> {
        self.0.remove(&pid)
    }

    /// Whether this process is a hook of this start.
    pub fn is_of(&self, pid: i32, tree: TreeId) -> bool {
        self.0.get(&pid).is_some_and(|(of, _)| *of == tree)
    }

    /// The hook that runs for this start.
    fn of(&self, tree: TreeId) -> Option<i32> {
        self.0.iter().find(|(_, (of, _))| *of == tree).map(|(pid, _)| *pid)
    }
}

/// How a hook is called, in the configuration, to itself and in records.
pub fn name(hook: Hook) -> &'static str {
    match hook {
        Hook::PreStop => "pre_stop",
        Hook::PostStop => "post_stop",
    }
}

impl Engine {
    /// Starts a hook, or tells the core why not.
    pub(super) fn run_hook(&mut self, tree: TreeId, hook: Hook, reason: &str, pid: Option<u32>) {
        // Nothing is started under the kill switch; looked at again behind the spawn, as for components.
        if self.is_engaged_from_outside() {
            self.engaged_from_outside();
            self.hook_not_started(tree, hook, "the kill switch is engaged".to_owned());
            return;
        }
        let started = self.start_hook(tree, hook, reason, pid);
        self.output.capture();
        match started {
            Ok(pid) => {
                self.hooks.0.insert(pid, (tree, hook));
            }
            Err(why) => self.hook_not_started(tree, hook, why),
        }
        if self.is_engaged_from_outside() {
            self.trees.begin_kill(tree);
            self.engaged_from_outside();
        }
    }

    fn hook_not_started(&mut self, tree: TreeId, hook: Hook, why: String) {
        let outcome = HookOutcome::NotStarted(why);
        self.bring(Input::HookEnded { slot: tree.slot, instance: tree.instance, hook, outcome });
    }

    fn start_hook(&mut self, tree: TreeId, hook: Hook, reason: &str, pid: Option<u32>) -> Result<i32, String> {
        let blueprint = tree.slot.index().and_then(|index| self.blueprints.get(index));
        let blueprint = blueprint.ok_or_else(|| "no component has this slot".to_owned())?;
        let argv = match hook {
            Hook::PreStop => blueprint.pre_stop.as_ref(),
            Hook::PostStop => blueprint.post_stop.as_ref(),
        };
        let argv = argv.ok_or_else(|| "it is not configured".to_owned())?;
        let mut command = blueprint.hook(argv, &self.mark, tree.instance, &self.config.folder)?;
        // What its component is given and kept from, a hook is too.
        command.credentials = match hook {
            Hook::PreStop => credentials::give_beside(&self.credentials, blueprint)?,
            Hook::PostStop => credentials::give(&self.credentials, blueprint)?,
        };
        command.sandbox = sandbox::of(blueprint, &command, &self.runtime, &self.credentials)?;
        command.environment.push(("FAILSTOP_HOOK".into(), name(hook).into()));
        command.environment.push(("FAILSTOP_REASON".into(), reason.replace('\0', " ").into()));
        let pid = pid.and_then(|pid| self.trees.number_inside(tree, pid.cast_signed()));
        command.environment.extend(pid.map(|pid| ("MAINPID".into(), pid.to_string().into())));
        let stdout = self.output.pipe(tree.slot).map_err(|error| error.to_string())?;
        let stderr = self.output.pipe(tree.slot).map_err(|error| error.to_string())?;
        let component = blueprint.name.clone();
        // A tree that is gone had a cgroup that was killed: what is born there dies at once.
        let of_its_own = match hook {
            Hook::PreStop => None,
            Hook::PostStop => self.trees.prepare_hook(tree).map_err(|error| error.to_string())?,
        };
        let cgroup = of_its_own.as_ref().map(|cgroup| cgroup.entry()).or_else(|| self.trees.entry_of(tree));
        // What runs beside its component sees it, and ends with what that one ends with; what comes after it is alone.
        let beside = match hook {
            Hook::PreStop if command.isolated => {
                let namespace = self.trees.namespace_of(tree);
                Some(namespace.ok_or_else(|| "nothing is left of its component".to_owned())?)
            }
            Hook::PreStop | Hook::PostStop => None,
        };
        command.isolated &= beside.is_none();
        let place = Place { stdin: None, stdout: stdout.as_fd(), stderr: stderr.as_fd(), cgroup, given: &[], beside };
        let child = self.spawner.spawn(&command, &place).map_err(|error| error.to_string())?;
        let pid = child.id.pid;
        let recorded = Recorded { id: child.id, component, instance: tree.instance.0 };
        if let Err(error) = self.register.started(recorded) {
            self.say("engine", &format!("the register of processes cannot be written: {error}"));
        }
        if hook == Hook::PostStop {
            self.trees.planted_hook(tree, child, of_its_own).map_err(|error| error.to_string())?;
            self.heed_namespace(tree);
        }
        Ok(pid)
    }

    /// A hook's time is up, or nothing waits for it any more.
    pub(super) fn kill_hook(&self, tree: TreeId) {
        if let Some(pid) = self.hooks.of(tree) {
            kill_child_and_below(pid);
        }
    }
}
