//! By way of which names a file is found: every directory that its path goes through, links included.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The most links that are followed: the kernel's own bound.
const LINKS_MAX: usize = 40;

/// The most names; a path of so many is longer than the kernel takes.
const NAMES_MAX: usize = 2_048;

/// Each directory that the path goes through with the name that is looked up in it, in order. The last ones are of the file itself.
/// What is not there ends the list: its directory is watched for it.
pub fn places(file: &Path) -> Vec<(PathBuf, OsString)> {
    // The working directory may be gone; then there is nothing to watch.
    let Ok(absolute) = std::path::absolute(file) else { return Vec::new() };
    let mut left: VecDeque<PathBuf> = parts(&absolute);
    let mut folder = PathBuf::from("/");
    let (mut places, mut links): (Vec<(PathBuf, OsString)>, usize) = (Vec::new(), 0);
    while let Some(part) = left.pop_front() {
        match part.components().next() {
            Some(Component::RootDir) => folder = PathBuf::from("/"),
            // Links on the way were followed, so this is the parent that the kernel takes.
            Some(Component::ParentDir) => drop(folder.pop()),
            Some(Component::Normal(name)) => {
                let place = (folder.clone(), name.to_owned());
                if !places.contains(&place) {
                    places.push(place);
                }
                let path = folder.join(name);
                match std::fs::read_link(&path) {
                    Ok(target) => {
                        links += 1;
                        for part in parts(&target).into_iter().rev() {
                            left.push_front(part);
                        }
                    }
                    Err(_) => folder = path,
                }
            }
            Some(Component::CurDir | Component::Prefix(_)) | None => {}
        }
        if links > LINKS_MAX || places.len() > NAMES_MAX {
            break;
        }
    }
    places
}

fn parts(path: &Path) -> VecDeque<PathBuf> {
    path.components().map(|component| PathBuf::from(component.as_os_str())).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::fs::symlink;

    /// The names in `root`, relative to it.
    fn within(root: &Path, file: &Path) -> Vec<String> {
        let below = |(folder, name): (PathBuf, OsString)| {
            let path = folder.join(name);
            path.strip_prefix(root).ok().map(|path| path.to_string_lossy().into_owned())
        };
        places(file).into_iter().filter_map(below).filter(|path| !path.is_empty()).collect()
    }

    #[test]
    fn a_file_is_found_by_way_of_every_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        // As a ConfigMap is mounted: file -> ..data/file, ..data -> ..2026/.
        std::fs::create_dir_all(root.join("mount/..2026")).unwrap();
        std::fs::write(root.join("mount/..2026/f.toml"), "x").unwrap();
        symlink("..2026", root.join("mount/..data")).unwrap();
        symlink("..data/f.toml", root.join("mount/f.toml")).unwrap();
        symlink("../mount/./f.toml", root.join("mount/other.toml")).unwrap();
        let found = ["mount", "mount/f.toml", "mount/..data", "mount/..2026", "mount/..2026/f.toml"];
        assert_eq!(within(&root, &root.join("mount/f.toml")), found);
        let by_the_other = within(&root, &root.join("mount/other.toml"));
        assert_eq!(by_the_other[..3], ["mount", "mount/other.toml", "mount/f.toml"]);
    }

    #[test]
    fn what_is_not_there_is_waited_for_where_it_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        assert_eq!(within(&root, &root.join("no/such.toml")), ["no", "no/such.toml"]);
    }

    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert_eq!(within(&root, &root.join("a/f.toml"))[..2], ["a", "b"]);
    }
}
