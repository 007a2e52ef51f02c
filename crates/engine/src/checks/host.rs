//! Facts about this host that decide what failstop can promise on it.

use super::place::Kind;
use crate::config::{Config, Isolation};
use crate::process::cgroup::home;
use crate::process::controllers::{self, Outlook};
use crate::process::init;
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
    /// Which limits the kernel can hold for a component, started from here.
    pub kernel: Outlook,
    /// What kind of place this is.
    pub place: Kind,
    /// Whether this is root.
    pub root: bool,
    /// Whether something above failstop ends whatever outlives both engine and guard: systemd, whose service this process
    /// or its guard is, the process namespace whose first process failstop is, or those that each component has to itself.
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
        let cgroup = cgroup();
        let (service, first) = (is_service(), is_init());
        Self {
            kernel: kernel(&cgroup),
            place: Kind::find(service, first),
            cgroup,
            clock_source,
            clock_is_cheap,
            root: nix::unistd::geteuid().is_root(),
            caught_from_above: service || first,
            landlock: landlock_version(),
            filters: filters_available(),
        }
    }

    /// These facts as this configuration uses them.
    pub(crate) fn with(mut self, config: &Config) -> Self {
        if !config.system.cgroup {
            self.cgroup = Cgroup::None("`cgroup = false` in [system]".to_owned());
            self.kernel = Outlook { why_not: Some("`cgroup = false` in [system]".to_owned()), ..Outlook::default() };
        }
        // Where none can be had no component is started.
        self.caught_from_above |= config.system.isolation == Isolation::PidNamespace;
        self
    }
}

/// Whether systemd started this process, or its parent (the guard), as a service. A terminal under systemd is none.
fn is_service() -> bool {
    let named = std::env::var("SYSTEMD_EXEC_PID").ok().and_then(|text| text.parse::<i32>().ok());
    named.is_some_and(|pid| pid == nix::unistd::getpid().as_raw() || pid == nix::unistd::getppid().as_raw())
}

/// Whether this program is the first process of its process namespace, as in a container of its own; and not a component's in
/// whose namespace a failstop of its own looks.
fn is_init() -> bool {
    let named = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    if named.trim() == init::NAME {
        return false;
    }
    match (std::fs::read_link("/proc/1/exe"), std::fs::read_link("/proc/self/exe")) {
        (Ok(first), Ok(own)) => first == own,
        _ => false,
    }
}

fn cgroup() -> Cgroup {
    let path = match home() {
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

/// What the kernel could hold. Engine and guard are this process and its parent; of a check run from a shell the parent is the
/// shell, which is somebody else's.
fn kernel(cgroup: &Cgroup) -> Outlook {
    let path = match cgroup {
        Cgroup::None(reason) => return Outlook { why_not: Some(reason.clone()), ..Outlook::default() },
        Cgroup::Writable { path, .. } => path,
    };
    let (me, parent) = (nix::unistd::getpid().as_raw(), nix::unistd::getppid().as_raw());
    let executable = |pid: i32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let guarded = executable(me).is_some() && executable(me) == executable(parent);
    let ours = if guarded { vec![me, parent] } else { vec![me] };
    controllers::outlook(path, &ours)
}

/// The magic number of the file system at `path`.
pub(crate) fn file_system(path: &Path) -> Option<i64> {
    let kind = nix::sys::statfs::statfs(path).ok()?.filesystem_type();
    #[expect(clippy::useless_conversion, reason = "the field's type differs between architectures")]
    Some(i64::from(kind.0))
}
