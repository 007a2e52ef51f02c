//! Facts about this host that decide what failstop can promise on it.

use crate::config::Config;
use crate::process::cgroup::locate;
use crate::process::sandbox::{filters_available, landlock_version};
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
    /// Whether something above failstop ends whatever outlives both engine and guard: systemd, whose service this process
    /// or its guard is, or the process namespace whose first process failstop is.
    pub caught_from_above: bool,
    /// The version of Landlock, which keeps a component to its own folder; 0 for none.
    pub landlock: u32,
    /// Whether the kernel takes filters of system calls.
    pub filters: bool,
}

/// Clock sources that the vDSO can read.
const CHEAP: [&str; 4] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];

const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

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
            caught_from_above: is_service() || is_init(),
            landlock: landlock_version(),
            filters: filters_available(),
        }
    }

    /// These facts as this configuration uses them.
    pub(crate) fn with(mut self, config: &Config) -> Self {
        if !config.system.cgroup {
            self.cgroup = Cgroup::None("`cgroup = false` in [system]".to_owned());
        }
        self
    }
}

/// Whether systemd started this process, or its parent (the guard), as a service. A terminal under systemd is none.
fn is_service() -> bool {
    let named = std::env::var("SYSTEMD_EXEC_PID").ok().and_then(|text| text.parse::<i32>().ok());
    named.is_some_and(|pid| pid == nix::unistd::getpid().as_raw() || pid == nix::unistd::getppid().as_raw())
}

/// Whether this program is the first process of its process namespace, as in a container of its own.
fn is_init() -> bool {
    match (std::fs::read_link("/proc/1/exe"), std::fs::read_link("/proc/self/exe")) {
        (Ok(first), Ok(own)) => first == own,
        _ => false,
    }
}

fn cgroup() -> Cgroup {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::")) else {
        return Cgroup::None("this process is in no cgroup v2".to_owned());
    };
    let path = match locate(own) {
        Ok(path) => path,
        Err(unavailable) => return Cgroup::None(unavailable.to_string()),
    };
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
