//! `sandbox` of a component: what the kernel keeps it from, whatever its user may.

use failstop_settings::{Choice, Consistent, Kind, Places, Reading, section};
use std::path::{Path, PathBuf};

section! {
    /// What the kernel keeps a component from, whatever its user may. A host that cannot do it does not start the component.
    pub struct Sandbox {
        /// "own-folder": it reaches its working directory; for reading what programs need of the host (/usr, /etc, /proc, /sys), its
        /// program, the permit page and its credentials; and nothing else. Where it did not set TMPDIR, that is its working directory.
        /// Signals to processes outside of its tree are refused too, from Linux 6.12. "off": whatever its user may.
        filesystem: Files as FilesWord, default "off";
        /// "ordinary": system calls that no bot needs (looking into other processes, mounting, modules, namespaces, the clock, other
        /// sockets than Unix and internet ones) fail with EPERM. "off": whatever its user may.
        system_calls: Calls as CallsWord, default "off";
        /// Further places that it may read, with "own-folder".
        readable: Vec<PathBuf>, default [];
        /// Further places that it may read and write, with "own-folder".
        writable: Vec<PathBuf>, default [];
    }
}

impl Consistent for Sandbox {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.filesystem == Files::Off && !(self.readable.is_empty() && self.writable.is_empty()) {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["readable", "writable"]),
                format!("{} opens places although nothing is closed", places.label),
                "add `filesystem = \"own-folder\"`, or remove them",
            );
        }
    }
}

impl Sandbox {
    /// Whether anything is kept from it.
    pub fn is_on(&self) -> bool {
        self.filesystem == Files::OwnFolder || self.system_calls == Calls::Ordinary
    }
}

/// What it reaches of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Whatever its user may.
    Off,
    /// Its own folder.
    OwnFolder,
}

/// How [`Files`] is written.
#[derive(Clone, Copy)]
pub(crate) struct FilesWord(Files);

impl From<FilesWord> for Files {
    fn from(word: FilesWord) -> Self {
        word.0
    }
}

impl Choice for FilesWord {
    const WORDS: &'static [(&'static str, Self)] = &[("own-folder", Self(Files::OwnFolder)), ("off", Self(Files::Off))];
    const WANTED: &'static str = "\"own-folder\" or \"off\"";
}

/// Which system calls it may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Whatever its user may.
    Off,
    /// Those of ordinary programs.
    Ordinary,
}

/// How [`Calls`] is written.
#[derive(Clone, Copy)]
pub(crate) struct CallsWord(Calls);

impl From<CallsWord> for Calls {
    fn from(word: CallsWord) -> Self {
        word.0
    }
}

impl Choice for CallsWord {
    const WORDS: &'static [(&'static str, Self)] = &[("ordinary", Self(Calls::Ordinary)), ("off", Self(Calls::Off))];
    const WANTED: &'static str = "\"ordinary\" or \"off\"";
}

/// Which of failstop's own places lies in a component's own folder, by its name and by where it leads: the component could then
/// rewrite what it is judged by.
pub fn ours_inside<'a>(own: &Path, ours: &[&'a Path]) -> Option<&'a Path> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    ours.iter().find(|path| path.starts_with(own) || real(path).starts_with(real(own))).copied()
}
