//! The folder in which a component finds its secrets: in memory, its own alone, gone with it.
//!
//! Where this process may mount, each start gets a file system of its own that is made without a place in any tree, filled,
//! closed for writing, and mounted by the new process in a mount namespace of its own: no other component's tree has it, and it
//! ends with the last process of the tree, whatever becomes of failstop. Elsewhere the files lie in the runtime directory, which is in
//! memory, and are removed when the tree is gone, by the guard when the engine died, and by the next start.

use std::ffi::{CStr, CString};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder in the runtime directory, below which each engine has one of its own.
pub const FOLDER: &str = "credentials";
/// The most bytes of one component's credentials.
pub const BYTES_MAX: usize = 1024 * 1024;
/// Room beyond the files themselves, and the unit in which they take it.
const ROOM_BYTES: usize = 64 * 1024;

/// A file system that has no place yet; the new process mounts it there.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The file system.
    pub tree: Arc<OwnedFd>,
    /// Where it is to be, an empty folder.
    pub at: PathBuf,
}

/// Why the credentials are not there.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// They would be written to a disk.
    #[error(
        "its credentials would be on a disk: {} is not in memory, and failstop may not mount: set `system.runtime_dir` to a \
         place in memory (/run, /dev/shm), or `credentials_on_disk = true`", .0.display()
    )]
    OnDisk(PathBuf),
    /// The system refused something.
    #[error("its credentials cannot be put into {}: {source}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Where one engine puts its components' credentials.
#[derive(Debug)]
pub struct CredentialFolders {
    base: PathBuf,
    memory_backed: bool,
    may_mount: bool,
}

/// An engine's folder.
pub fn folder_of(runtime_dir: &Path, engine_pid: i32) -> PathBuf {
    runtime_dir.join(FOLDER).join(engine_pid.to_string())
}

impl CredentialFolders {
    /// Below this runtime directory, for this engine. `wanted`: whether any component has credentials; where none has, nothing is
    /// tried out.
    pub fn new(runtime_dir: &Path, engine_pid: i32, memory_backed: bool, wanted: bool) -> Self {
        Self { base: folder_of(runtime_dir, engine_pid), memory_backed, may_mount: wanted && may_mount() }
    }

    /// `$CREDENTIALS_DIRECTORY` of a component.
    pub fn of(&self, component: &str) -> PathBuf {
        self.base.join(component)
    }

    /// From here on without mounting: a new process could not do it.
    pub fn without_mounts(&mut self) {
        self.may_mount = false;
    }

    /// Whether each start gets a file system of its own.
    pub fn mounts(&self) -> bool {
        self.may_mount
    }

    /// Puts them there for one start, its owner's alone. What is to be mounted is handed to the new process.
    ///
    /// # Errors
    /// [`CredentialError`]; nothing of it is left there then.
    pub fn give(
        &self,
        component: &str,
        credentials: &[(String, Vec<u8>)],
        owner: Option<(u32, u32)>,
        on_disk: bool,
    ) -> Result<Option<Mount>, CredentialError> {
        let at = self.of(component);
        let failed = |source| CredentialError::Io { path: at.clone(), source };
        if !self.may_mount && !self.memory_backed && !on_disk {
            return Err(CredentialError::OnDisk(at));
        }
        // Others must pass through to theirs, and see nothing on the way.
        for folder in [self.base.parent(), Some(self.base.as_path())].into_iter().flatten() {
            make_folder(folder, 0o711).map_err(failed)?;
        }
        remove_all(&at).map_err(failed)?;
        DirBuilder::new().mode(0o700).create(&at).map_err(failed)?;
        let given = if self.may_mount {
            file_system(credentials, owner).map(|tree| Some(Mount { tree: Arc::new(tree), at: at.clone() }))
        } else {
            files(&at, credentials, owner).map(|()| None)
        };
        given.map_err(|source| {
            let _ = remove_all(&at);
            failed(source)
        })
    }

    /// The same once more, for a process that is started while the component's own are there: a hook. Nothing of theirs is
    /// touched; where they are files in a folder, that process finds them there.
    ///
    /// # Errors
    /// See [`CredentialError`].
    pub fn give_beside(
        &self,
        component: &str,
        credentials: &[(String, Vec<u8>)],
        owner: Option<(u32, u32)>,
    ) -> Result<Option<Mount>, CredentialError> {
        if !self.may_mount {
            return Ok(None);
        }
        let at = self.of(component);
        let tree = file_system(credentials, owner);
        tree.map(|tree| Some(Mount { tree: Arc::new(tree), at: at.clone() }))
            .map_err(|source| CredentialError::Io { path: at.clone(), source })
    }

    /// Removes a component's, after its tree is gone.
    ///
    /// # Errors
    /// They are still there.
    pub fn take_away(&self, component: &str) -> io::Result<()> {
        remove_all(&self.of(component))
    }
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // The umask may have narrowed it.
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Whether a file system can be made that has no place yet.
pub fn may_mount() -> bool {
    nix::unistd::geteuid().is_root() && file_system(&[], None).is_ok()
}

fn files(at: &Path, credentials: &[(String, Vec<u8>)], owner: Option<(u32, u32)>) -> io::Result<()> {
    for (name, bytes) in credentials {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o400).custom_flags(libc::O_NOFOLLOW).open(at.join(name))?;
        fill(&mut file, bytes, owner)?;
    }
    std::fs::set_permissions(at, Permissions::from_mode(0o500))?;
    match owner {
        Some((user, group)) => std::os::unix::fs::lchown(at, Some(user), Some(group)),
        None => Ok(()),
    }
}

fn fill(file: &mut File, bytes: &[u8], owner: Option<(u32, u32)>) -> io::Result<()> {
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o400))?;
    match owner {
        Some((user, group)) => std::os::unix::fs::fchown(&*file, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// The kernel's numbers for making file systems (mount.h); the C library's have no names for them everywhere.
mod number {
    pub const FSOPEN_CLOEXEC: u32 = 1;
    pub const FSCONFIG_SET_FLAG: u32 = 0;
    pub const FSCONFIG_SET_STRING: u32 = 1;
    pub const FSCONFIG_CMD_CREATE: u32 = 6;
    pub const FSMOUNT_CLOEXEC: u32 = 1;
    pub const MOUNT_ATTR_RDONLY: u64 = 1;
    pub const MOUNT_ATTR_NOSUID: u64 = 2;
    pub const MOUNT_ATTR_NODEV: u64 = 4;
    pub const MOUNT_ATTR_NOEXEC: u64 = 8;
}

/// A file system in memory with these files, closed for writing.
fn file_system(credentials: &[(String, Vec<u8>)], owner: Option<(u32, u32)>) -> io::Result<OwnedFd> {
    use number::{
        FSCONFIG_CMD_CREATE, FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSMOUNT_CLOEXEC, FSOPEN_CLOEXEC, MOUNT_ATTR_NODEV,
        MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID,
    };
    let room =
        credentials.iter().map(|(_, bytes)| bytes.len().next_multiple_of(ROOM_BYTES)).sum::<usize>() + ROOM_BYTES;
    let (user, group) = owner.unwrap_or_else(|| (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()));
    // SAFETY: a literal and a flag.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), FSOPEN_CLOEXEC) })?;
    let set = |command: u32, key: Option<&CStr>, value: Option<&CStr>| -> io::Result<()> {
        let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: an open context, and texts that live across the call.
        let done =
            unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, pointer(key), pointer(value), 0) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    let number = |value: usize| CString::new(value.to_string()).map_err(io::Error::other);
    let options = [
        (c"size", number(room)?),
        (c"nr_inodes", number(credentials.len() + 16)?),
        (c"mode", c"0500".to_owned()),
        (c"uid", number(user as usize)?),
        (c"gid", number(group as usize)?),
    ];
    for (key, value) in &options {
        set(FSCONFIG_SET_STRING, Some(key), Some(value))?;
    }
    // Since Linux 6.4; before, a host without encrypted swap may write it there.
    let _ = set(FSCONFIG_SET_FLAG, Some(c"noswap"), None);
    set(FSCONFIG_CMD_CREATE, None, None)?;
    let attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    // SAFETY: an open context and flags.
    let tree = owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) })?;
    for (name, bytes) in credentials {
        let name = CString::new(name.as_bytes()).map_err(io::Error::other)?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
        // SAFETY: an open folder and a text.
        let file = unsafe { libc::openat(tree.as_raw_fd(), name.as_ptr(), flags, 0o400) };
        fill(&mut File::from(owned(libc::c_long::from(file))?), bytes, owner)?;
    }
    close_for_writing(tree.as_raw_fd());
    Ok(tree)
}

/// Since Linux 5.12; before, its owner may add to it, in its own memory.
fn close_for_writing(tree: RawFd) {
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        namespace: u64,
    }
    let attributes = Attributes { set: number::MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, namespace: 0 };
    // SAFETY: an open file system, and attributes of the size that is said.
    unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
}

fn owned(descriptor: libc::c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(descriptor) {
        // SAFETY: just made, and known to nobody else.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Removes a folder with everything in it, also where it was made unwritable. Links are removed and not followed, whatever somebody
/// who may write there does meanwhile. Gone already is well.
///
/// # Errors
/// Something is still there.
pub fn remove_all(path: &Path) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        // Root needs no mode to remove, and must not change one on the word of a name; others remove what is their own.
        make_writable(path, DEPTH);
    }
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A component's folder is so deep below that of all engines.
const DEPTH: u32 = 2;

/// What stays unwritable says so at its removal.
fn make_writable(path: &Path, depth: u32) {
    let mut options = OpenOptions::new();
    let Ok(folder) = options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(path) else { return };
    let _ = folder.set_permissions(Permissions::from_mode(0o700));
    if depth > 0 {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            make_writable(&entry.path(), depth - 1);
        }
    }
}

/// A path as the new process needs it.
pub(crate) fn text(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn secrets() -> Vec<(String, Vec<u8>)> {
        vec![("api_key".to_owned(), b"k\n".to_vec()), ("pem".to_owned(), vec![0xff; 100_000])]
    }

    fn folders(runtime: &Path, memory_backed: bool, may_mount: bool) -> CredentialFolders {
        CredentialFolders { base: folder_of(runtime, 7), memory_backed, may_mount }
    }

    #[test]
    fn files_are_their_owners_alone_and_are_replaced_and_removed() {
        let runtime = tempfile::tempdir().unwrap();
        let folders = folders(runtime.path(), true, false);
        for _ in 0..2 {
            assert!(folders.give("bot", &secrets(), None, false).unwrap().is_none());
            let at = folders.of("bot");
            assert_eq!(std::fs::read(at.join("api_key")).unwrap(), b"k\n");
            let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
            assert_eq!((mode(&at), mode(&at.join("pem"))), (0o500, 0o400));
        }
        folders.take_away("bot").unwrap();
        assert!(!folders.of("bot").exists());
        folders.take_away("bot").unwrap();
    }

    #[test]
    fn never_on_a_disk_unless_it_was_said() {
        let runtime = tempfile::tempdir().unwrap();
        let folders = folders(runtime.path(), false, false);
        let error = folders.give("bot", &secrets(), None, false).unwrap_err();
        assert!(error.to_string().contains("credentials_on_disk = true"), "{error}");
        assert!(!runtime.path().join(FOLDER).exists());
        folders.give("bot", &secrets(), None, true).unwrap();
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let runtime = tempfile::tempdir().unwrap();
        let kept = runtime.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        let folder = runtime.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&kept, folder.join("link")).unwrap();
        remove_all(&folder).unwrap();
        assert!(!folder.exists() && kept.join("file").exists());
    }

    #[test]
    fn a_file_system_without_a_place_holds_them_and_nothing_can_be_added() {
        if !may_mount() {
            return;
        }
        let tree = file_system(&secrets(), Some((65534, 65534))).unwrap();
        let at = PathBuf::from(format!("/proc/self/fd/{}", tree.as_raw_fd()));
        assert_eq!(std::fs::read(at.join("pem")).unwrap(), vec![0xff; 100_000]);
        let metadata = std::fs::metadata(at.join("pem")).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (65534, 0o400));
        assert!(std::fs::write(at.join("more"), "x").is_err());
    }
}
