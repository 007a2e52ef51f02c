//! Facts about this host that decide what failstop can promise on it.

use std::path::{Path, PathBuf};

/// What can be had of cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cgroup {
    /// None: trees are followed by ancestry and marks; the reason.
    None(String),
    /// Sub-cgroups can be made below this directory; these controllers are there for limits.
    Writable {
        /// Where they would be made.
        path: PathBuf,
        /// `memory`, `cpu` and others; empty on the `unified` hierarchy of a hybrid host.
        controllers: Vec<String>,
    },
}

/// Facts about this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// What can be had of cgroups.
    pub cgroup: Cgroup,
    /// The kernel's clock source, if it says.
    pub clock_source: Option<String>,
    /// Whether reading the clock stays in user space.
    pub clock_is_cheap: bool,
    /// Whether this is root.
    pub root: bool,
    /// Whether systemd started this process (then its cgroup catches whatever survives).
    pub under_systemd: bool,
    /// Whether this is a container with a process namespace of its own (its end ends everything in it).
    pub in_container: bool,
}

/// Clock sources that the vDSO can read.
const CHEAP: [&str; 4] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];

const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// The magic number of a cgroup v2 file system.
const CGROUP2_MAGIC: i64 = 0x6367_7270;

impl HostFacts {
    /// Looks. Reads only, and cheap.
    pub fn gather() -> Self {
        let clock_source = std::fs::read_to_string(CLOCK_SOURCE).ok().map(|text| text.trim().to_owned());
        let clock_is_cheap = clock_source.as_deref().is_none_or(|source| CHEAP.contains(&source));
        Self {
            cgroup: cgroup(),
            clock_source,
            clock_is_cheap,
            root: nix::unistd::geteuid().is_root(),
            under_systemd: std::env::var_os("INVOCATION_ID").is_some(),
            in_container: Path::new("/.dockerenv").exists()
                || Path::new("/run/.containerenv").exists()
                || std::env::var_os("container").is_some(),
        }
    }
}

fn cgroup() -> Cgroup {
    let mounts = [Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup/unified")];
    let Some(mount) = mounts.into_iter().find(|path| file_system(path) == Some(CGROUP2_MAGIC)) else {
        return Cgroup::None("no cgroup v2 file system is mounted".to_owned());
    };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::")) else {
        return Cgroup::None("this process is in no cgroup v2".to_owned());
    };
    let path = mount.join(own.trim_start_matches('/'));
    let writable = nix::unistd::access(&path, nix::unistd::AccessFlags::W_OK).is_ok()
        && nix::unistd::access(&path.join("cgroup.procs"), nix::unistd::AccessFlags::W_OK).is_ok();
    if !writable {
        return Cgroup::None(format!("{} is not writable for this user", path.display()));
    }
    let controllers = std::fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
    Cgroup::Writable { path, controllers: controllers.split_whitespace().map(str::to_owned).collect() }
}

/// The magic number of the file system at `path`.
pub(crate) fn file_system(path: &Path) -> Option<i64> {
    let kind = nix::sys::statfs::statfs(path).ok()?.filesystem_type();
    #[expect(clippy::useless_conversion, reason = "the field's type differs between architectures")]
    Some(i64::from(kind.0))
}
