//! Puts another text in the place of the configuration file: whole or not at all, durably, with the owner and the mode that it had.
//! For the commands that write it; the engine only reads.

use super::places::places;
use crate::config::read_source;
use crate::kill_switch::durable::{Next, Unmade};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Why the file is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// It is somebody else's to write.
    #[error("{} is mounted from a ConfigMap, which writes it anew by itself", file.display())]
    ConfigMap {
        /// The file.
        file: PathBuf,
    },
    /// One file is mounted by itself: nothing can be renamed over it.
    #[error("{} is mounted by itself, so that no other file can take its place", file.display())]
    MountPoint {
        /// The file.
        file: PathBuf,
    },
    /// It is another than the one that was read before.
    #[error("{} was changed meanwhile", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// The owner could not be kept.
    #[error("{} belongs to user {uid} and group {gid}, and this user cannot keep that", file.display())]
    Owner {
        /// The file.
        file: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// It cannot be written.
    #[error("{} cannot be written: {source}", file.display())]
    Io {
        /// What.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RewriteError {
    /// What to do next.
    pub fn next(&self) -> String {
        match self {
            Self::ConfigMap { .. } => {
                "change the ConfigMap: `kubectl edit configmap NAME`; failstop notices it".to_owned()
            }
            Self::MountPoint { file } => {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                format!("write {name} where it is mounted from, or mount its folder instead of the file")
            }
            Self::Changed { .. } => "look at what it says now (`failstop config diff`), and try again".to_owned(),
            Self::Owner { .. } => "run the command as that user or as root".to_owned(),
            Self::Io { file, source } => match source.kind() {
                // Root itself is kept out where the file or its folder may not be changed at all.
                ErrorKind::PermissionDenied if source.raw_os_error() == Some(libc::EPERM) => format!(
                    "{} or its folder may be immutable: `lsattr -d {} {}` shows an `i`, `chattr -i` takes it away",
                    file.display(),
                    folder_of(file).display(),
                    file.display()
                ),
                ErrorKind::PermissionDenied => {
                    format!("run the command as the user who may write {}, or as root", folder_of(file).display())
                }
                ErrorKind::ReadOnlyFilesystem => {
                    "it is mounted read-only: change it where it is mounted from".to_owned()
                }
                _ => "see the disk and the path".to_owned(),
            },
        }
    }
}

/// Writes `text` in the place of `file`, which holds `known` now. A link stays one: what it leads to is replaced.
///
/// # Errors
/// [`RewriteError`]; the file is as it was.
pub fn rewrite(file: &Path, known: &str, text: &str) -> Result<(), RewriteError> {
    let failed = |source| RewriteError::Io { file: file.to_owned(), source };
    if is_config_map(file) {
        return Err(RewriteError::ConfigMap { file: file.to_owned() });
    }
    let target = fs::canonicalize(file).map_err(failed)?;
    let meta = fs::metadata(&target).map_err(failed)?;
    let temporary = folder_of(&target).join(temporary_name(&target));
    let owner = Some((meta.uid(), meta.gid()));
    let next = Next::write(&target, temporary, text.as_bytes(), owner, meta.mode() & 0o7777);
    let next = next.map_err(|unmade| match unmade {
        Unmade::Owner { uid, gid, source: _ } => RewriteError::Owner { file: file.to_owned(), uid, gid },
        Unmade::Io(source) => failed(source),
    })?;
    // As late as can be: whoever wrote meanwhile is not overwritten.
    match read_source(&target) {
        Ok(now) if now.text == known => {}
        Ok(_) | Err(_) => return Err(RewriteError::Changed { file: file.to_owned() }),
    }
    next.place().map_err(|source| match source.kind() {
        ErrorKind::ResourceBusy => RewriteError::MountPoint { file: file.to_owned() },
        _ => failed(source),
    })
}

/// Whether the path goes by way of `..data`, as the kubelet mounts ConfigMaps and Secrets.
fn is_config_map(file: &Path) -> bool {
    places(file).iter().any(|(_, name)| name == "..data")
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Beside the file, hidden, and no other writer's at the same time.
fn temporary_name(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.new-{}", std::process::id())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_replaced_with_its_mode_and_by_way_of_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.toml"), folder.path().join("link.toml"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.toml", &link).unwrap();
        rewrite(&link, "old", "new").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(folder.path()), ["link.toml", "real.toml"]);
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        fs::write(&file, "theirs").unwrap();
        let error = rewrite(&file, "old", "new").unwrap_err();
        assert!(matches!(error, RewriteError::Changed { .. }) && error.next().contains("failstop config diff"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["f.toml"]);
    }

    #[test]
    fn a_config_map_is_changed_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("..1")).unwrap();
        fs::write(folder.path().join("..1/f.toml"), "old").unwrap();
        symlink("..1", folder.path().join("..data")).unwrap();
        symlink("..data/f.toml", folder.path().join("f.toml")).unwrap();
        let error = rewrite(&folder.path().join("f.toml"), "old", "new").unwrap_err();
        assert!(matches!(error, RewriteError::ConfigMap { .. }) && error.next().contains("kubectl"));
        assert_eq!(fs::read_to_string(folder.path().join("f.toml")).unwrap(), "old");
    }

    #[test]
    fn a_folder_that_may_not_be_written_says_who_may() {
        if nix::unistd::geteuid().is_root() {
            // Root writes everywhere but where nothing can be written.
            let error = rewrite(Path::new("/proc/self/status"), "old", "new").unwrap_err();
            assert!(matches!(error, RewriteError::Io { .. }), "{error:?}");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let error = rewrite(&file, "old", "new").unwrap_err();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(error.next().contains("or as root"), "{error:?}");
    }

    #[test]
    fn root_is_not_sent_to_root_where_the_file_is_immutable() {
        let next = |errno| {
            let source = std::io::Error::from_raw_os_error(errno);
            RewriteError::Io { file: "failstop.toml".into(), source }.next()
        };
        assert!(next(libc::EPERM).contains("chattr -i"), "{}", next(libc::EPERM));
        assert!(next(libc::EACCES).contains("or as root"), "{}", next(libc::EACCES));
    }
}
