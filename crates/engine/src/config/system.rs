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
    }
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
