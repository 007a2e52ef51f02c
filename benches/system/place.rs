//! Where a bench's system runs: as whoever runs the bench, or in a place that is made for it. What a host does not have to
//! give is said and passed over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Somebody who owns nothing else here.
const USER: u32 = 65_534;

/// Names of places, separated by commas; all that can be made where it is not set.
const WANTED: &str = "FAILSTOP_BENCH_PLACES";

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// As whoever runs the bench, wherever that is.
    Plain,
    /// Root in a subtree of cgroups of its own, with controllers, as a systemd unit with Delegate=yes has it.
    Cgroup,
    /// Root where cgroups can only be read.
    NoCgroup,
    /// An ordinary user who may make no cgroup.
    User,
    /// The first process of namespaces of its own, in which cgroups can only be read.
    Container,
    /// As whoever runs the bench, each component in a process namespace of its own.
    Isolated,
}

impl Place {
    const ALL: [Self; 6] = [Self::Plain, Self::Cgroup, Self::NoCgroup, Self::User, Self::Container, Self::Isolated];

    /// As in `FAILSTOP_BENCH_PLACES`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cgroup => "cgroup",
            Self::NoCgroup => "no-cgroup",
            Self::User => "user",
            Self::Container => "container",
            Self::Isolated => "isolated",
        }
    }

    /// Those that are asked for.
    ///
    /// # Panics
    /// A name that no place has.
    pub fn wanted() -> Vec<Self> {
        let Ok(names) = std::env::var(WANTED) else { return Self::ALL.to_vec() };
        let place = |name: &str| {
            let found = Self::ALL.into_iter().find(|place| place.name() == name);
            let known = Self::ALL.map(Self::name).join(", ");
            found.unwrap_or_else(|| panic!("{WANTED} names {name:?}, which is none of {known}"))
        };
        names.split(',').map(|name| place(name.trim())).collect()
    }

    /// Makes it; the reason where this host does not have it to give.
    pub fn make(self) -> Result<Site, String> {
        let namespaces: &[&str] = match self {
            Self::Plain => &[],
            Self::Cgroup | Self::User if !is_root() => return Err("only root can make it".to_owned()),
            Self::Cgroup => return Delegated::make().map(|own| Site { place: self, delegated: Some(own) }),
            Self::User => &[],
            Self::NoCgroup => &["--mount"],
            Self::Isolated => &["--pid", "--fork", "--mount-proc"],
            Self::Container => &["--pid", "--fork", "--mount", "--mount-proc", "--cgroup"],
        };
        if !namespaces.is_empty() {
            let tried = Command::new("unshare").args(namespaces).arg("true").output();
            let tried = tried.map_err(|error| format!("unshare: {error}"))?;
            if !tried.status.success() {
                return Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned());
            }
        }
        Ok(Site { place: self, delegated: None })
    }
}

fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// A place that was made.
pub struct Site {
    place: Place,
    delegated: Option<Delegated>,
}

impl Site {
    /// As whoever runs the bench.
    pub fn plain() -> Self {
        Self { place: Place::Plain, delegated: None }
    }

    /// Whose the system's folder must be, where that is somebody else.
    pub fn owner(&self) -> Option<u32> {
        (self.place == Place::User).then_some(USER)
    }

    /// What its configuration says in `[system]`.
    pub fn system_lines(&self) -> &'static str {
        if self.place == Place::Isolated { "isolation = \"pid-namespace\"\n" } else { "" }
    }

    /// Whether what is started is the parent of the guard, and not the guard itself.
    pub fn is_parent_of_guard(&self) -> bool {
        self.place == Place::Container
    }

    /// This command, in this place.
    pub fn command(&self, inner: &Command) -> Command {
        // The mounts of cgroups are bound over themselves and made read-only, as container engines do it.
        const READ_ONLY: &str = "for mount in $(awk '$3 == \"cgroup2\" { print $2 }' /proc/self/mounts); do \
                                 mount --bind $mount $mount && mount -o remount,bind,ro $mount; done; exec \"$@\"";
        let user = USER.to_string();
        let enter = self.delegated.as_ref().map(Delegated::enter).unwrap_or_default();
        let before: Vec<&str> = match self.place {
            Place::Plain | Place::Isolated => Vec::new(),
            Place::Cgroup => vec!["sh", "-c", &enter, "sh"],
            Place::NoCgroup => vec!["unshare", "--mount", "sh", "-c", READ_ONLY, "sh"],
            Place::User => vec!["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"],
            Place::Container => {
                let unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--cgroup"];
                [&unshare[..], &["sh", "-c", READ_ONLY, "sh"]].concat()
            }
        };
        let words: Vec<_> = before.iter().map(|word| (*word).into()).chain([inner.get_program().to_owned()]).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(inner.get_args());
        command
    }
}

/// A cgroup for a system alone, with controllers. Taken away with the place.
struct Delegated(PathBuf);

impl Delegated {
    fn make() -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).ok_or("no cgroup v2 is mounted")?;
        let root = Path::new(line.split(' ').nth(4).ok_or("the mount of cgroup v2 cannot be read")?);
        let in_words = |error: std::io::Error| format!("no cgroup with controllers can be made: {error}");
        // Controllers can be handed on from the root alone without moving anybody.
        fs::write(root.join("cgroup.subtree_control"), "+memory +cpu +pids").map_err(in_words)?;
        let own = root.join(format!("failstop-bench-{}.service", std::process::id()));
        fs::create_dir(&own).map_err(in_words)?;
        Ok(Self(own))
    }

    /// A shell's script that moves there and becomes the command.
    fn enter(&self) -> String {
        format!("echo 0 > {}/cgroup.procs; exec \"$@\"", self.0.display())
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        // Only an empty one goes: the last process may be on its way out still.
        let end = Instant::now() + Duration::from_secs(2);
        while fs::remove_dir(&self.0).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
