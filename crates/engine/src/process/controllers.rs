//! The memory, cpu and pids controllers of cgroup v2 for the system's cgroup: whether they can be had, and how.
//!
//! A cgroup that gives controllers to those below it may hold no processes itself. So where failstop's own cgroup is its own
//! alone (a systemd unit with Delegate=yes, a container), engine and guard move into a leaf beside the components' cgroups. Where
//! anybody else's process is in it, or it is the host's root, nothing is moved and nothing is switched on: the limits are then
//! measured and not held by the kernel. At an orderly end everything is put back as it was found.

use crate::process::cgroup;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// A controller that is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// `memory.max` and what belongs to it.
    Memory,
    /// `cpu.max`.
    Cpu,
    /// `pids.max`.
    Pids,
}

impl Controller {
    /// All that are used here.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    /// The kernel's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }
}

/// What can be had of controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// These can be had for components.
    pub usable: BTreeSet<Controller>,
    /// Whether engine and guard must move into a leaf for that.
    pub needs_leaf: bool,
    /// Why others cannot, in words, with what to do about it.
    pub why_not: Option<String>,
}

/// What the engine's own leaf may use of memory, bytes. Five times what it ever should: what is beyond is a defect, and must not
/// take the host with it. Hooks and probes run in it, too. No limit on its processors: an engine that is held back lets permits
/// run out.
const LEAF_MEMORY_MAX: u64 = 512 << 20;

/// The most processes and threads in the engine's own leaf.
const LEAF_PIDS_MAX: u64 = 512;

/// What can be had below `parent`, failstop's own cgroup, whose only processes may be `ours`. Reads only.
pub fn outlook(parent: &Path, ours: &[i32]) -> Outlook {
    let available = listed(&parent.join("cgroup.controllers"));
    let active: BTreeSet<Controller> =
        listed(&parent.join("cgroup.subtree_control")).intersection(&available).copied().collect();
    if available.is_empty() {
        let why = "no memory, cpu or pids controller of cgroup v2 is given to failstop's own cgroup".to_owned();
        return Outlook { why_not: Some(why), ..Outlook::default() };
    }
    if active == available {
        return Outlook { usable: available, ..Outlook::default() };
    }
    let refused = |why: String| Outlook { usable: active.clone(), needs_leaf: false, why_not: Some(why) };
    // The root of the hierarchy alone has no type, and may hold processes.
    if !parent.join("cgroup.type").exists() {
        return refused("failstop's own cgroup is the host's root, where it switches nothing on".to_owned());
    }
    match processes(parent) {
        Ok(there) if there.iter().all(|pid| ours.contains(pid)) => {}
        Ok(_) => return refused(format!("other processes share failstop's own cgroup {}", parent.display())),
        Err(error) => return refused(format!("{}: {error}", parent.join("cgroup.procs").display())),
    }
    let switch = parent.join("cgroup.subtree_control");
    if nix::unistd::access(&switch, nix::unistd::AccessFlags::W_OK).is_err() {
        return refused(format!("{} is not writable for this user", switch.display()));
    }
    Outlook { usable: available, needs_leaf: true, why_not: None }
}

/// Controllers as they were switched on, to be put back.
#[derive(Debug, Default)]
pub struct Controllers {
    /// These hold for the system's cgroup and for the components' below it.
    pub usable: BTreeSet<Controller>,
    /// Why others do not.
    pub why_not: Option<String>,
    moved: Option<Moved>,
}

/// Engine and guard in a leaf of their own.
#[derive(Debug)]
struct Moved {
    parent: PathBuf,
    leaf: PathBuf,
    ours: Vec<i32>,
    switched_on: BTreeSet<Controller>,
}

impl Controllers {
    /// Switches on what can be had for `system`, which lies below failstop's own cgroup. `leaf` is the name of the engine's own.
    /// Before anything is spawned.
    pub fn switch_on(system: &Path, leaf: &str, ours: &[i32]) -> Self {
        let Some(parent) = system.parent() else { return Self::default() };
        let outlook = outlook(parent, ours);
        let mut controllers = Self { why_not: outlook.why_not, ..Self::default() };
        if outlook.needs_leaf {
            match Moved::into(parent, leaf, ours, &outlook.usable) {
                Ok(moved) => controllers.moved = Some(moved),
                Err(error) => controllers.why_not = Some(format!("the engine's own leaf cannot be made: {error}")),
            }
        }
        for controller in listed(&system.join("cgroup.controllers")) {
            match switch(system, controller, true) {
                Ok(()) => {
                    controllers.usable.insert(controller);
                }
                Err(error) => {
                    controllers.why_not = Some(format!("controller {}: {error}", controller.name()));
                }
            }
        }
        controllers
    }

    /// Puts everything back as it was found, once the system's cgroup is gone. What cannot be put back goes with failstop's own
    /// cgroup, as whoever made that removes it.
    pub fn put_back(&mut self) {
        if let Some(moved) = self.moved.take() {
            moved.back();
        }
    }
}

impl Moved {
    fn into(parent: &Path, leaf: &str, ours: &[i32], wanted: &BTreeSet<Controller>) -> io::Result<Self> {
        let leaf = parent.join(leaf);
        match std::fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let mut moved = Self { parent: parent.to_owned(), leaf, ours: ours.to_vec(), switched_on: BTreeSet::new() };
        for pid in ours {
            if let Err(error) = std::fs::write(moved.leaf.join("cgroup.procs"), pid.to_string()) {
                moved.back();
                return Err(error);
            }
        }
        for controller in wanted {
            // One that is refused is missing below, and said there.
            if switch(parent, *controller, true).is_ok() {
                moved.switched_on.insert(*controller);
            }
        }
        // A cap that is refused is no reason to be without the others.
        let _ = std::fs::write(moved.leaf.join("memory.max"), LEAF_MEMORY_MAX.to_string());
        let _ = std::fs::write(moved.leaf.join("pids.max"), LEAF_PIDS_MAX.to_string());
        Ok(moved)
    }

    fn back(self) {
        for controller in &self.switched_on {
            let _ = switch(&self.parent, *controller, false);
        }
        for pid in &self.ours {
            let _ = std::fs::write(self.parent.join("cgroup.procs"), pid.to_string());
        }
        let _ = cgroup::remove_ended(&self.leaf);
    }
}

fn switch(cgroup: &Path, controller: Controller, on: bool) -> io::Result<()> {
    let sign = if on { '+' } else { '-' };
    std::fs::write(cgroup.join("cgroup.subtree_control"), format!("{sign}{}", controller.name()))
}

fn listed(file: &Path) -> BTreeSet<Controller> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let words: BTreeSet<&str> = text.split_whitespace().collect();
    Controller::ALL.into_iter().filter(|controller| words.contains(controller.name())).collect()
}

fn processes(cgroup: &Path) -> io::Result<Vec<i32>> {
    let text = std::fs::read_to_string(cgroup.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::fs;

    /// A directory that looks like a cgroup; what is written stays as it was written last.
    fn looks_like(controllers: &str, active: &str, processes: &str, is_root: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("cgroup.controllers", controllers);
        write("cgroup.subtree_control", active);
        write("cgroup.procs", processes);
        if !is_root {
            write("cgroup.type", "domain\n");
        }
        folder
    }

    #[test]
    fn what_is_on_already_is_used_and_nothing_is_moved_for_it() {
        let folder = looks_like("cpuset cpu memory pids\n", "cpu memory pids\n", "1\n77\n", true);
        let outlook = outlook(folder.path(), &[77]);
        assert_eq!((outlook.usable.len(), outlook.needs_leaf, outlook.why_not), (3, false, None));
    }

    #[test]
    fn nothing_is_switched_on_in_the_root_nor_where_somebody_else_is() {
        let root = looks_like("cpu memory pids\n", "memory\n", "77\n", true);
        let found = outlook(root.path(), &[77]);
        assert_eq!((found.usable.len(), found.needs_leaf), (1, false));
        assert!(found.why_not.unwrap().contains("the host's root"));
        let shared = looks_like("cpu memory pids\n", "\n", "77\n78\n79\n", false);
        let found = outlook(shared.path(), &[77, 78]);
        assert_eq!((found.usable.len(), found.needs_leaf), (0, false));
        assert!(found.why_not.unwrap().contains("other processes share"));
        let hybrid = looks_like("hugetlb\n", "\n", "77\n", false);
        assert!(outlook(hybrid.path(), &[77]).why_not.unwrap().contains("no memory, cpu or pids controller"));
    }

    #[test]
    fn alone_in_its_own_cgroup_it_moves_into_a_leaf_and_back() {
        let folder = looks_like("cpu memory\n", "\n", "77\n78\n", false);
        let ours = [77, 78];
        let system = folder.path().join("failstop-demo-00ff-7");
        fs::create_dir(&system).unwrap();
        fs::write(system.join("cgroup.controllers"), "cpu memory\n").unwrap();
        fs::create_dir(folder.path().join("leaf")).unwrap();
        let mut controllers = Controllers::switch_on(&system, "leaf", &ours);
        assert_eq!(controllers.usable, [Controller::Memory, Controller::Cpu].into());
        let leaf = folder.path().join("leaf");
        assert_eq!(fs::read_to_string(leaf.join("cgroup.procs")).unwrap(), "78", "the last one written");
        assert_eq!(fs::read_to_string(leaf.join("memory.max")).unwrap(), (512_u64 << 20).to_string());
        assert!(!leaf.join("cpu.max").exists(), "an engine that is held back lets permits run out");
        assert!(fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap().starts_with('+'));
        assert!(fs::read_to_string(system.join("cgroup.subtree_control")).unwrap().starts_with('+'));
        controllers.put_back();
        assert!(fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap().starts_with('-'));
        assert_eq!(fs::read_to_string(folder.path().join("cgroup.procs")).unwrap(), "78");
    }
}
