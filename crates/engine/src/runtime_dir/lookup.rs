//! Finds the runtime directories that a system may have, from outside and without its configuration if need be: for the
//! kill switch, `status` and every command that talks to an engine. Makes nothing.
//!
//! Some of the places are open to everybody. A directory counts only where nobody but root, the caller or the owner of the state
//! directory can have put it: whoever could plant one would answer in the engine's name and tell the kill switch whom to kill.

use super::{EngineInfo, Places};
use crate::process::user::User;
use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most directories that one search looks into, should somebody fill a public place with them.
const MAX_CANDIDATES: usize = 256;

/// What is known about the system. Less may be known when its configuration is broken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookup<'a> {
    /// Its name.
    pub system: Option<&'a str>,
    /// `system.runtime_dir` or `--runtime`.
    pub runtime_dir: Option<&'a Path>,
    /// The state directory.
    pub state_dir: Option<&'a Path>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The existing directories that may be the system's, likeliest first, each once.
    pub dirs: Vec<PathBuf>,
    /// Those that are not believed. Somebody may have wanted them to be.
    pub ignored: Vec<Ignored>,
}

/// A directory in one of the system's places that a stranger may have put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Which.
    pub path: PathBuf,
    /// The stranger: who owns it, or what is above it.
    pub owner: u32,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, owner } = self;
        write!(f, "{} is ignored: {} may have put it there to speak for the system", path.display(), User(*owner))
    }
}

/// Searches. A directory that plainly belongs to another state directory is left out, unless it was named.
pub fn find(lookup: &Lookup<'_>) -> Found {
    find_in(lookup, &Places::here())
}

pub(super) fn find_in(lookup: &Lookup<'_>, places: &Places) -> Found {
    let mut uids = vec![places.uid];
    if let Some(state) = lookup.state_dir
        && let Ok(owner) = std::fs::metadata(state).map(|metadata| metadata.uid())
        && owner != places.uid
    {
        uids.push(owner);
    }
    let mut found = Search { seen: BTreeSet::new(), found: Found::default(), trusted: uids.clone() };
    found.trusted.push(0);
    if let Some(named) = lookup.runtime_dir {
        found.add_named(named.to_owned());
    }
    // What the last engine wrote down about itself.
    if let Some(state) = lookup.state_dir
        && let Ok(info) = EngineInfo::read(state)
        && !belongs_to_another(&info.runtime_dir, state)
    {
        found.add(info.runtime_dir);
    }
    let mut bases = vec![places.run.clone()];
    bases.extend(places.xdg.iter().map(|xdg| xdg.join("failstop")));
    for uid in uids {
        bases.push(places.users.join(uid.to_string()).join("failstop"));
        bases.push(places.shm_base(uid));
    }
    for base in bases {
        match (lookup.system, lookup.state_dir) {
            (Some(system), state) => {
                let path = base.join(system);
                if state.is_none_or(|state| !belongs_to_another(&path, state)) {
                    found.add(path);
                }
            }
            (None, Some(state)) => {
                let Ok(entries) = std::fs::read_dir(&base) else { continue };
                for entry in entries.flatten().take(MAX_CANDIDATES) {
                    let path = entry.path();
                    if EngineInfo::read(&path).is_ok_and(|info| same_place(&info.state_dir, state)) {
                        found.add(path);
                    }
                }
            }
            (None, None) => {}
        }
    }
    if let Some(state) = lookup.state_dir {
        found.add(state.join("run"));
    }
    found.found
}

struct Search {
    seen: BTreeSet<(u64, u64)>,
    found: Found,
    /// Users whose directories are believed.
    trusted: Vec<u32>,
}

impl Search {
    fn add(&mut self, path: PathBuf) {
        match self.stranger_in(&path) {
            None => self.add_named(path),
            Some(owner) => {
                let ignored = Ignored { path, owner };
                if self.found.ignored.len() < MAX_CANDIDATES && !self.found.ignored.contains(&ignored) {
                    self.found.ignored.push(ignored);
                }
            }
        }
    }

    /// Who may have put the directory there without being trusted. Neither it nor its parent may be a link of anybody else's,
    /// and where the parent is not closed to others the directory itself must be a trusted user's.
    fn stranger_in(&self, path: &Path) -> Option<u32> {
        let parent = std::fs::symlink_metadata(path.parent()?).ok()?;
        let directory = std::fs::symlink_metadata(path).ok()?;
        let closed = parent.mode() & 0o022 == 0;
        if !self.trusted.contains(&parent.uid()) {
            return Some(parent.uid());
        }
        let believed = self.trusted.contains(&directory.uid()) || closed && !directory.is_symlink();
        (!believed).then_some(directory.uid())
    }

    fn add_named(&mut self, path: PathBuf) {
        let Ok(metadata) = std::fs::metadata(&path) else { return };
        let dirs = &mut self.found.dirs;
        if metadata.is_dir() && dirs.len() < MAX_CANDIDATES && self.seen.insert((metadata.dev(), metadata.ino())) {
            dirs.push(path);
        }
    }
}

fn belongs_to_another(runtime_dir: &Path, state_dir: &Path) -> bool {
    // Only a readable word of an engine for a state directory that exists counts as proof.
    EngineInfo::read(runtime_dir)
        .is_ok_and(|info| info.state_dir.is_dir() && state_dir.is_dir() && !same_place(&info.state_dir, state_dir))
}

fn same_place(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => one == other,
    }
}
