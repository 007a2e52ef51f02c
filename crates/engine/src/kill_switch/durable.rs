//! Small files that must survive power loss: written beside, renamed over, and the directory's entry made durable too.
//! For the latches, the marks of emergency actions, the configuration and the file of tokens.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file's next content was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmade {
    /// It would be somebody else's than it is to be.
    #[error("it could not be given to user {uid} and group {gid} ({source})")]
    Owner {
        /// Whose it is to be.
        uid: u32,
        /// And of which group.
        gid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The disk, or the folder.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Unmade> for io::Error {
    fn from(unmade: Unmade) -> Self {
        match unmade {
            Unmade::Owner { ref source, .. } => Self::new(source.kind(), unmade.to_string()),
            Unmade::Io(error) => error,
        }
    }
}

/// A file's next content, whole and durable beside it and not yet in its place. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    path: &'a Path,
    temporary: PathBuf,
    placed: bool,
}

impl<'a> Next<'a> {
    /// Writes it to `temporary`, in the same folder and no other writer's at the same time; what a writer that was killed left there is
    /// removed. It belongs to `owner` (user, group), or, where that is `None`, to whoever writes it.
    ///
    /// # Errors
    /// [`Unmade`]: nothing is changed, and nothing left behind.
    pub fn write(
        path: &'a Path,
        temporary: PathBuf,
        bytes: &[u8],
        owner: Option<(u32, u32)>,
        mode: u32,
    ) -> Result<Self, Unmade> {
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let next = Self { path, temporary, placed: false };
        let made = file.metadata()?;
        if let Some((uid, gid)) = owner.filter(|owner| *owner != (made.uid(), made.gid())) {
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).map_err(|source| Unmade::Owner {
                uid,
                gid,
                source,
            })?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(next)
    }

    /// Puts it in its place, atomically and durably.
    pub fn place(mut self) -> io::Result<()> {
        std::fs::rename(&self.temporary, self.path)?;
        self.placed = true;
        sync_dir(self.path.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // What is left of it is no use to anybody.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// A name beside `path` that no other writer uses at the same time.
pub(super) fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    PathBuf::from(name)
}

/// Puts `bytes` in the place of whatever `path` holds, atomically and durably.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Next::write(path, temporary(path), bytes, None, 0o644)?.place()
}

/// As [`replace`], for a file that only the owner of its folder may read: made by root for somebody else's system, it is theirs.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let owner = owner_of(path.parent().unwrap_or(Path::new(".")))?;
    Next::write(path, temporary(path), bytes, owner, 0o600)?.place()
}

/// Whose this folder is, where root looks and it is somebody else's.
fn owner_of(folder: &Path) -> io::Result<Option<(u32, u32)>> {
    let owner = std::fs::metadata(named(folder))?;
    Ok((nix::unistd::geteuid().is_root() && owner.uid() != 0).then(|| (owner.uid(), owner.gid())))
}

/// Gives a file to the owner of this folder, where root makes it and the folder is somebody else's.
pub(crate) fn give_to_owner_of(folder: &Path, file: &File) -> io::Result<()> {
    match owner_of(folder)? {
        Some((uid, gid)) => std::os::unix::fs::fchown(file, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(named(dir))?.sync_all()
}

/// The folder of a name without one is where the process stands.
fn named(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn what_a_killed_writer_left_is_in_nobodys_way_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (path, temporary) = (dir.path().join("file"), dir.path().join("file.new"));
        std::fs::write(&temporary, "half").unwrap();
        Next::write(&path, temporary.clone(), b"one", None, 0o640).unwrap().place().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        let next = Next::write(&path, temporary.clone(), b"two", None, 0o600).unwrap();
        assert!(temporary.exists());
        drop(next);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        // A folder stands where it would be written.
        std::fs::create_dir(&temporary).unwrap();
        assert!(matches!(Next::write(&path, temporary, b"two", None, 0o600), Err(Unmade::Io(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
    }
}
