//! Whether the kernel killed for want of memory: proven by the component's own cgroup, probable by the host's count, or unknown.

use failstop_core::{Exit, OutOfMemory, Slot};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What was counted when each component was last started.
#[derive(Debug)]
pub struct KillCounts {
    vmstat: PathBuf,
    starts: BTreeMap<Slot, AtStart>,
}

#[derive(Clone, Copy, Debug)]
struct AtStart {
    /// By its own cgroup; `None` where that has no memory controller.
    own: Option<u64>,
    /// By the host; `None` where it does not say.
    host: Option<u64>,
}

impl Default for KillCounts {
    fn default() -> Self {
        Self::at(PathBuf::from("/proc/vmstat"))
    }
}

impl KillCounts {
    fn at(vmstat: PathBuf) -> Self {
        Self { vmstat, starts: BTreeMap::new() }
    }

    /// A start of the component begins. `cgroup` is the component's, over all of its starts.
    pub fn begin(&mut self, slot: Slot, cgroup: Option<&Path>) {
        let at_start = AtStart { own: cgroup.and_then(own_kills), host: host_kills(&self.vmstat).ok() };
        self.starts.insert(slot, at_start);
    }

    /// What is known when its main process has ended. `by_us`: failstop was killing it.
    pub fn judge(&self, slot: Slot, cgroup: Option<&Path>, exit: Exit, by_us: bool) -> Option<OutOfMemory> {
        let before = self.starts.get(&slot)?;
        if let (Some(before), Some(now)) = (before.own, cgroup.and_then(own_kills)) {
            // Its own count is the whole truth: any kill for want of memory in it, whoever's limit it was.
            return (now > before).then_some(OutOfMemory::Proven);
        }
        let killed = match exit {
            Exit::Signal(signal) => signal == libc::SIGKILL,
            Exit::Status(_) => false,
            // It may have been.
            Exit::Unknown => true,
        };
        if !killed || by_us {
            return None;
        }
        match (before.host, host_kills(&self.vmstat)) {
            (Some(before), Ok(now)) => (now > before).then_some(OutOfMemory::Probable),
            (None, _) | (_, Err(_)) => Some(OutOfMemory::Unknown),
        }
    }
}

/// Kills for want of memory in a cgroup and below, since it was made.
fn own_kills(cgroup: &Path) -> Option<u64> {
    figure(&std::fs::read_to_string(cgroup.join("memory.events")).ok()?, "oom_kill")
}

/// Kills for want of memory on this host since it started (Linux 4.13).
fn host_kills(vmstat: &Path) -> io::Result<u64> {
    let text = std::fs::read_to_string(vmstat)?;
    figure(&text, "oom_kill").ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no oom_kill in vmstat"))
}

fn figure(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::fs;

    const KILLED: Exit = Exit::Signal(libc::SIGKILL);

    struct World {
        folder: tempfile::TempDir,
        counts: KillCounts,
        slot: Slot,
    }

    impl World {
        fn new(own: Option<u64>, host: Option<u64>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let counts = KillCounts::at(folder.path().join("vmstat"));
            let mut world = Self { folder, counts, slot: Slot::component(0).unwrap() };
            world.count(own, host);
            let path = world.folder.path().to_owned();
            world.counts.begin(world.slot, Some(&path));
            world
        }

        fn count(&mut self, own: Option<u64>, host: Option<u64>) {
            let events = |kills| format!("low 0\nhigh 7\nmax 3\noom 1\noom_kill {kills}\noom_group_kill 0\n");
            let write = |name: &str, text: Option<String>| match text {
                Some(text) => fs::write(self.folder.path().join(name), text).unwrap(),
                None => drop(fs::remove_file(self.folder.path().join(name))),
            };
            write("memory.events", own.map(events));
            write("vmstat", host.map(|kills| format!("nr_free_pages 5\noom_kill {kills}\n")));
        }

        fn judge(&self, exit: Exit, by_us: bool) -> Option<OutOfMemory> {
            self.counts.judge(self.slot, Some(self.folder.path()), exit, by_us)
        }
    }

    #[test]
    fn its_own_count_proves_it_and_proves_the_contrary() {
        let mut world = World::new(Some(2), Some(9));
        assert_eq!(world.judge(KILLED, false), None, "somebody sent it");
        world.count(Some(2), Some(10));
        assert_eq!(world.judge(KILLED, false), None, "another one's");
        world.count(Some(3), Some(11));
        assert_eq!(world.judge(KILLED, false), Some(OutOfMemory::Proven));
        assert_eq!(
            world.judge(Exit::Status(1), false),
            Some(OutOfMemory::Proven),
            "of a child, which it did not survive"
        );
    }

    #[test]
    fn the_hosts_count_makes_it_probable_for_a_kill_that_nobody_here_sent() {
        let mut world = World::new(None, Some(9));
        assert_eq!(world.judge(KILLED, false), None);
        world.count(None, Some(10));
        assert_eq!(world.judge(KILLED, false), Some(OutOfMemory::Probable));
        assert_eq!(world.judge(KILLED, true), None, "failstop sent it");
        assert_eq!(world.judge(Exit::Status(1), false), None);
        assert_eq!(world.judge(Exit::Signal(libc::SIGSEGV), false), None);
    }

    #[test]
    fn where_nothing_can_be_read_it_is_unknown() {
        let world = World::new(None, None);
        assert_eq!(world.judge(KILLED, false), Some(OutOfMemory::Unknown));
        assert_eq!(world.judge(KILLED, true), None);
    }
}
