//! What kind of place failstop was started in, in words: as a service, in a container, by cron, or by hand.

use crate::process::procfs;
use std::path::Path;

/// Where failstop runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As a service of systemd; its unit, where the cgroup's name says it.
    Service(Option<String>),
    /// As the first process of a container or of a process namespace of its own.
    First,
    /// In a container, with something else as its first process.
    Container,
    /// Started by cron.
    Cron,
    /// From a terminal or by another program.
    Plain,
}

/// Programs that run what a crontab says.
const CRONS: [&str; 5] = ["cron", "crond", "anacron", "fcron", "busybox-crond"];

/// The longest chain of parents that is followed.
const PARENTS_MAX: usize = 64;

impl Kind {
    /// Looks. `service` and `first` are known already.
    pub(super) fn find(service: bool, first: bool) -> Self {
        if service {
            let own = procfs::cgroup_path(nix::unistd::getpid().as_raw()).ok().flatten();
            return Self::Service(own.as_deref().and_then(unit_of).map(str::to_owned));
        }
        if first {
            return Self::First;
        }
        if started_by_cron(nix::unistd::getpid().as_raw()) {
            return Self::Cron;
        }
        let marked = std::env::var_os("container").is_some_and(|value| !value.is_empty());
        let files = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
        if marked || files { Self::Container } else { Self::Plain }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Service(Some(unit)) => format!("systemd unit {unit}"),
            Self::Service(None) => "service of systemd".to_owned(),
            Self::First => "first process of a container".to_owned(),
            Self::Container => "in a container, below its first process".to_owned(),
            Self::Cron => "started by cron".to_owned(),
            Self::Plain => "started by hand or by a program".to_owned(),
        }
    }
}

/// The unit in a cgroup's path: the last part that is named like one.
fn unit_of(path: &str) -> Option<&str> {
    path.split('/').rev().find(|part| part.ends_with(".service"))
}

fn started_by_cron(pid: i32) -> bool {
    let mut current = pid;
    for _ in 0..PARENTS_MAX {
        let Ok(stat) = procfs::stat(current) else { return false };
        if current != pid && CRONS.contains(&stat.comm.to_ascii_lowercase().as_str()) {
            return true;
        }
        if stat.parent <= 1 {
            return false;
        }
        current = stat.parent;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_innermost_service() {
        assert_eq!(unit_of("/system.slice/demo.service/failstop-demo-00ff-engine"), Some("demo.service"));
        assert_eq!(unit_of("/user.slice/user@0.service/app.slice/bot.service"), Some("bot.service"));
        assert_eq!(unit_of("/user.slice/session-1.scope"), None);
    }

    #[test]
    fn whoever_runs_the_tests_is_no_cron() {
        assert!(!started_by_cron(nix::unistd::getpid().as_raw()));
        assert_eq!(Kind::find(false, true), Kind::First);
        assert!(matches!(Kind::find(true, true), Kind::Service(_)));
    }
}
