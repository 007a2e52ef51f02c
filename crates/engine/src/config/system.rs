//! `[system]`: which system this is and where its state lives.

use super::profile::Profile;
use failstop_core::Mode;
use failstop_settings::{Choice, Consistent, Kind, Name, Places, Reading, section};
use std::path::PathBuf;

section! {
    /// Which system this is, and where its state lives.
    pub struct System {
        /// The system's name: it appears in every alert, metric and command that must be confirmed.
        name: Name, required "demo";
        /// What must survive a reboot: journal, latches, logs. One system, one directory; mode 0700.
        state_dir: PathBuf, default "state";
        /// What must not survive a reboot: permit page and sockets; on a memory-backed file system.
        /// Absent: /run/failstop/NAME, else $XDG_RUNTIME_DIR/failstop/NAME, else /dev/shm/failstop-UID/NAME, else the
        /// state directory, with a warning.
        runtime_dir: Option<PathBuf>, absent "run";
        /// A named set of defaults that come before this file: "production" or "development". Absent: the built-in ones.
        profile: Option<Profile>, absent "production";
        /// The most that this file allows: in "dry" no order reaches the exchange, whatever an operator says; "live" needs
        /// `failstop mode live` besides.
        mode: Mode as ModeWord, default "dry";
        /// What this system is: "production", "staging" or a name of your own. Every alert says so, and channels of one
        /// environment hear nothing of another.
        environment: Name, default "production";
        /// Whether components are born into cgroups of their own where the host allows it. Without one, trees are followed
        /// by ancestry and marks.
        cgroup: bool, default true;
        /// "pid-namespace": each start of a component has a process namespace of its own, so that nothing of it lives on where
        /// guard and engine are both killed, on a host without systemd and container too. Its processes then see none but
        /// themselves, under other numbers, and a /proc of their own. As root, or in a user namespace where the host lets this user
        /// have one (`failstop check` says so). "none": a component sees what its user may see.
        isolation: Isolation as IsolationWord, default "none";
    }
}

/// What keeps a component's processes together whatever becomes of failstop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Nothing of the kernel's.
    None,
    /// A process namespace a start.
    PidNamespace,
}

/// How [`Isolation`] is written.
#[derive(Clone, Copy)]
pub(crate) struct IsolationWord(Isolation);

impl From<IsolationWord> for Isolation {
    fn from(word: IsolationWord) -> Self {
        word.0
    }
}

impl Choice for IsolationWord {
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self(Isolation::None)), ("pid-namespace", Self(Isolation::PidNamespace))];
    const WANTED: &'static str = "\"none\" or \"pid-namespace\"";
}

/// How a [`Mode`] is written.
#[derive(Clone, Copy)]
pub(crate) struct ModeWord(Mode);

impl From<ModeWord> for Mode {
    fn from(word: ModeWord) -> Self {
        word.0
    }
}

impl Choice for ModeWord {
    const WORDS: &'static [(&'static str, Self)] = &[("dry", Self(Mode::Dry)), ("live", Self(Mode::Live))];
    const WANTED: &'static str = "\"dry\" or \"live\"";
}

impl Consistent for System {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.runtime_dir.as_ref() == Some(&self.state_dir) {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["runtime_dir", "state_dir"]),
                format!("`state_dir` and `runtime_dir` in {} are the same directory", places.label),
                "remove `runtime_dir`, or write another one: what it holds must not survive a reboot",
            );
        }
    }
}
