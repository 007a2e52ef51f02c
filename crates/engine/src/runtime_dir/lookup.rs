//! Finds the runtime directories that a system may have, from outside and without its configuration if need be: for the
//! kill switch, `status` and every command that talks to an engine. Makes nothing.
//!
//! Some of the places are open to everybody. A directory counts only where nobody but root, the caller or the owner of the state
//! directory can have put it: whoever could plant one would answer in the engine's name and tell the kill switch whom to kill.

use super::{EngineInfo, Places};
use std::collections::BTreeSet;
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

/// The existing directories that may be the system's, likeliest first, each once. One that plainly belongs to another
/// state directory is left out, unless it was named.
pub fn find(lookup: &Lookup<'_>) -> Vec<PathBuf> {
    find_in(lookup, &Places::here())
}

pub(super) fn find_in(lookup: &Lookup<'_>, places: &Places) -> Vec<PathBuf> {
    let mut uids = vec![places.uid];
    if let Some(state) = lookup.state_dir
        && let Ok(owner) = std::fs::metadata(state).map(|metadata| metadata.uid())
        && owner != places.uid
    {
        uids.push(owner);
    }
    let mut found = Found { seen: BTreeSet::new(), paths: Vec::new(), trusted: uids.clone() };
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
    found.paths
}

struct Found {
    seen: BTreeSet<(u64, u64)>,
    paths: Vec<PathBuf>,
    /// Users whose directories are believed.
    trusted: Vec<u32>,
}

impl Found {
    fn add(&mut self, path: PathBuf) {
        if self.believes(&path) {
            self.add_named(path);
        }
    }

    /// Whether only somebody who is trusted can have put the directory there. Neither it nor its parent may be a link of anybody
    /// else's, and where the parent is not closed to others the directory itself must be a trusted user's.
    fn believes(&self, path: &Path) -> bool {
        let Some(parent) = path.parent() else { return false };
        let (Ok(parent), Ok(directory)) = (std::fs::symlink_metadata(parent), std::fs::symlink_metadata(path)) else {
            return false;
        };
        let closed = parent.mode() & 0o022 == 0;
        self.trusted.contains(&parent.uid())
            && (self.trusted.contains(&directory.uid()) || closed && !directory.is_symlink())
    }

    fn add_named(&mut self, path: PathBuf) {
        let Ok(metadata) = std::fs::metadata(&path) else { return };
        if metadata.is_dir() && self.paths.len() < MAX_CANDIDATES && self.seen.insert((metadata.dev(), metadata.ino()))
        {
            self.paths.push(path);
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
