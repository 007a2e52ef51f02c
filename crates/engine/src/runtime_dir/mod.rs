//! Where a running system keeps its sockets and its permit page: finds or makes that directory for the engine, and finds
//! it again for everybody who looks for a system from outside.
//!
//! Order: the configured one, `/run/failstop/NAME`, `$XDG_RUNTIME_DIR/failstop/NAME`, `/dev/shm/failstop-UID/NAME`, and
//! `STATE/run` with a warning, since that is not memory-backed. The directory belongs to the engine's user alone. One in
//! a place where anybody may write that belongs to somebody else is refused: its owner could revoke or forge permits.

mod engine_end;
mod engine_info;
mod lookup;

pub use engine_end::EngineEnd;
pub use engine_info::{EngineInfo, EngineState, InfoError, ProcessRef, ProcessState};
pub use lookup::{Found, Ignored, Lookup, find};

use crate::process::credentials;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::statfs::{self, statfs};
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The longest path that fits the kernel's socket address, in bytes, without its terminating zero.
pub const MAX_SOCKET_PATH: usize = 107;

/// Who may pass through the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The engine's user alone: every component runs as that user.
    Private,
    /// Anybody who knows a name inside, since a component runs as another user. Reading the directory and writing the
    /// permit stay the engine's; the sockets check the peer's user.
    Components,
}

impl Access {
    fn dir_mode(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Components => 0o711,
        }
    }

    /// The mode of the permit file.
    pub fn permit_mode(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Components => 0o644,
        }
    }

    /// The mode of a socket that components connect to.
    pub fn socket_mode(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Components => 0o666,
        }
    }
}

/// What the engine wants.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The system's name.
    pub system: &'a str,
    /// `system.runtime_dir`, already made absolute.
    pub configured: Option<&'a Path>,
    /// The state directory, which exists.
    pub state_dir: &'a Path,
    /// Every component's name: each gets a socket of its own.
    pub components: &'a [&'a str],
    /// Who may pass through.
    pub access: Access,
}

/// Why there is no runtime directory.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeDirError {
    /// It exists and is somebody else's.
    #[error(
        "runtime directory {path} belongs to user {owner}, and this is user {us}: whoever owns it could forge permits; \
         remove it, or set `system.runtime_dir` to a directory of your own"
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who asks.
        us: u32,
    },
    /// Somebody else could replace it.
    #[error(
        "runtime directory {path}: {ancestor} may be written by anybody and has no sticky bit, so that others could \
         replace what is below; choose another place in `system.runtime_dir`, or `chmod +t {ancestor}`"
    )]
    Replaceable {
        /// The directory asked for.
        path: PathBuf,
        /// What is above it.
        ancestor: PathBuf,
    },
    /// Its name is taken by something else.
    #[error(
        "runtime directory {path} is not a directory (a symbolic link does not count); remove it, or set `system.runtime_dir`"
    )]
    NotADirectory {
        /// Which.
        path: PathBuf,
    },
    /// A socket's path would not fit.
    #[error(
        "the socket path {path} has {length} bytes and the kernel takes at most {MAX_SOCKET_PATH}; set \
         `system.runtime_dir` to a shorter path, such as /run/failstop/NAME"
    )]
    PathTooLong {
        /// The longest of them.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// Another engine uses it, for another state directory.
    #[error("runtime directory {path} is in use by {holder}; two systems of one name need a `system.runtime_dir` each")]
    InUse {
        /// Which.
        path: PathBuf,
        /// Who, as far as its `engine.json` says.
        holder: String,
    },
    /// The system refused something.
    #[error("cannot {action} runtime directory {path}: {source}; correct that, or set `system.runtime_dir`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The runtime directory, held by this engine: nobody else gets it while this value lives.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    access: Access,
    memory_backed: bool,
    notes: Vec<String>,
    /// A lock on the directory itself. Close-on-exec, so that no component inherits it.
    held: Flock<File>,
}

impl RuntimeDir {
    /// Finds or makes the directory and takes it.
    ///
    /// # Errors
    /// [`RuntimeDirError`]; nothing is left half made but empty directories.
    pub fn prepare(request: &Request<'_>) -> Result<Self, RuntimeDirError> {
        Self::prepare_in(request, &Places::here())
    }

    fn prepare_in(request: &Request<'_>, places: &Places) -> Result<Self, RuntimeDirError> {
        let mut notes = Vec::new();
        let path = choose(request, places, &mut notes)?;
        check_socket_lengths(&path, request.components)?;
        let held = hold(&path)?;
        let memory_backed = is_memory_backed(&path);
        if !memory_backed {
            notes.push(format!(
                "the runtime directory {} is not memory-backed: a slow disk may hold up the permit's renewal",
                path.display()
            ));
        }
        Ok(Self { path, access: request.access, memory_backed, notes, held })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who may pass through.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether it lives in memory, as it should.
    pub fn memory_backed(&self) -> bool {
        self.memory_backed
    }

    /// What the operator should know about the choice; empty when all is as it should be.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What of it is there no more, in words; `None` while all of it is. Somebody, or something that tidies up, can remove it under the engine,
    /// which does not notice: what is open stays open. Nobody who comes later finds anything, though.
    pub fn missing(&self) -> Option<String> {
        let path = self.path.display();
        let same = self.held.metadata().and_then(|held| {
            let named = std::fs::symlink_metadata(&self.path)?;
            Ok((held.dev(), held.ino()) == (named.dev(), named.ino()))
        });
        match same {
            Ok(true) => {}
            Ok(false) => return Some(format!("another directory is at {path}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(format!("{path} is gone")),
            Err(error) => return Some(format!("{path} cannot be looked at: {error}")),
        }
        [self.permit(), self.bot_socket(), self.control_socket()].into_iter().find_map(|file| {
            let error = std::fs::symlink_metadata(&file).err()?;
            Some(match error.kind() {
                io::ErrorKind::NotFound => format!("{} is gone", file.display()),
                _ => format!("{} cannot be looked at: {error}", file.display()),
            })
        })
    }

    /// The permit page.
    pub fn permit(&self) -> PathBuf {
        permit_path(&self.path)
    }

    /// The bot socket.
    pub fn bot_socket(&self) -> PathBuf {
        self.path.join("bot.sock")
    }

    /// The control socket.
    pub fn control_socket(&self) -> PathBuf {
        control_socket_path(&self.path)
    }

    /// The notify socket of a component.
    pub fn notify_socket(&self, component: &str) -> PathBuf {
        self.path.join(format!("notify-{component}.sock"))
    }

    /// Takes the sockets, credentials and `engine.json` away, at the start (left by an engine that was killed) and at the end. The
    /// permit stays: its lease has run out, and a page that denies is better than none.
    pub fn clear(&self) {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == credentials::FOLDER {
                let _ = credentials::remove_all(&entry.path());
                continue;
            }
            if name.ends_with(".sock") || name == engine_info::FILE_NAME || name.starts_with("permit.new") {
                // What cannot be removed is replaced, or refused by name, when its successor is made.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The permit page of the system whose runtime directory this is.
pub fn permit_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("permit")
}

/// The control socket of the system whose runtime directory this is.
pub fn control_socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}

/// The well-known places of this host, for this user. A value, so that tests have a host of their own.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// `/run/failstop`.
    run: PathBuf,
    /// `$XDG_RUNTIME_DIR`.
    xdg: Option<PathBuf>,
    /// `/run/user`: where the runtime directory of a user is when a cron job has no `$XDG_RUNTIME_DIR`.
    users: PathBuf,
    /// `/dev/shm`.
    shm: PathBuf,
    /// The effective user.
    uid: u32,
}

impl Places {
    pub(crate) fn here() -> Self {
        Self {
            run: PathBuf::from("/run/failstop"),
            xdg: std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute()),
            users: PathBuf::from("/run/user"),
            shm: PathBuf::from("/dev/shm"),
            uid: nix::unistd::geteuid().as_raw(),
        }
    }

    fn shm_base(&self, uid: u32) -> PathBuf {
        self.shm.join(format!("failstop-{uid}"))
    }
}

/// How a try at one place went wrong.
enum Miss {
    /// Try the next.
    Unusable(String),
    /// Stop here: something is wrong that must not be walked around.
    Refused(RuntimeDirError),
}

impl From<RuntimeDirError> for Miss {
    fn from(error: RuntimeDirError) -> Self {
        Self::Refused(error)
    }
}

fn choose(request: &Request<'_>, places: &Places, notes: &mut Vec<String>) -> Result<PathBuf, RuntimeDirError> {
    let mode = request.access.dir_mode();
    if let Some(configured) = request.configured {
        make_with_parents(configured, mode, places.uid)?;
        return Ok(configured.to_owned());
    }
    let mut missed = Vec::new();
    let tries: [&dyn Fn() -> Result<PathBuf, Miss>; 3] = [
        &|| below(&places.run, 0o755, request.system, mode, places.uid),
        &|| {
            let xdg = places.xdg.as_deref().ok_or_else(|| Miss::Unusable("XDG_RUNTIME_DIR is not set".to_owned()))?;
            if request.access == Access::Components {
                return Err(Miss::Unusable(format!("{}: components of other users cannot pass", xdg.display())));
            }
            let owner = std::fs::metadata(xdg).map_err(|error| unusable(xdg, &error))?.uid();
            if owner != places.uid {
                return Err(Miss::Unusable(format!("{} belongs to user {owner}", xdg.display())));
            }
            below(&xdg.join("failstop"), 0o700, request.system, mode, places.uid)
        },
        &|| below(&places.shm_base(places.uid), mode, request.system, mode, places.uid),
    ];
    for attempt in tries {
        match attempt() {
            Ok(path) => return Ok(path),
            Err(Miss::Unusable(why)) => missed.push(why),
            Err(Miss::Refused(error)) => return Err(error),
        }
    }
    let path = request.state_dir.join("run");
    make_with_parents(&path, mode, places.uid)?;
    notes.push(format!(
        "no memory-backed place for the runtime directory ({}): using {}",
        missed.join("; "),
        path.display()
    ));
    Ok(path)
}

fn unusable(path: &Path, error: &io::Error) -> Miss {
    Miss::Unusable(format!("{}: {error}", path.display()))
}

/// `base/name`, both made where they are missing.
fn below(base: &Path, base_mode: u32, name: &str, mode: u32, uid: u32) -> Result<PathBuf, Miss> {
    match std::fs::DirBuilder::new().mode(base_mode).create(base) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(base).map_err(|error| unusable(base, &error))?;
            if !found.is_dir() {
                return Err(RuntimeDirError::NotADirectory { path: base.to_owned() }.into());
            }
            let parent = base.parent().unwrap_or(Path::new("/"));
            if found.uid() != uid && anybody_may_write(parent) {
                return Err(RuntimeDirError::Foreign { path: base.to_owned(), owner: found.uid(), us: uid }.into());
            }
            if found.uid() != uid && found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0 {
                return Err(RuntimeDirError::Replaceable { path: base.join(name), ancestor: base.to_owned() }.into());
            }
        }
        Err(error) => return Err(unusable(base, &error)),
    }
    if std::fs::symlink_metadata(base).is_ok_and(|found| found.uid() == uid) {
        // The umask may have narrowed it, an earlier start may have left it wider.
        set_mode(base, base_mode)?;
    }
    let path = base.join(name);
    match std::fs::DirBuilder::new().mode(mode).create(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(&path).map_err(|error| unusable(&path, &error))?;
            if found.is_dir() && found.uid() != uid && !anybody_may_write(base) {
                // Put there by the administrator for somebody else; nobody could have slipped it in.
                return Err(Miss::Unusable(format!("{} belongs to user {}", path.display(), found.uid())));
            }
        }
        Err(error) => return Err(unusable(&path, &error)),
    }
    own(&path, mode, uid)?;
    Ok(path)
}

fn make_with_parents(path: &Path, mode: u32, uid: u32) -> Result<(), RuntimeDirError> {
    let failed = |source| RuntimeDirError::Io { action: "make", path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed)?;
    }
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    own(path, mode, uid)
}

/// The directory is one, is ours, cannot be replaced by others, and has exactly this mode.
fn own(path: &Path, mode: u32, uid: u32) -> Result<(), RuntimeDirError> {
    let found = std::fs::symlink_metadata(path).map_err(|source| RuntimeDirError::Io {
        action: "inspect",
        path: path.to_owned(),
        source,
    })?;
    if !found.is_dir() {
        return Err(RuntimeDirError::NotADirectory { path: path.to_owned() });
    }
    if found.uid() != uid {
        return Err(RuntimeDirError::Foreign { path: path.to_owned(), owner: found.uid(), us: uid });
    }
    for ancestor in path.ancestors().skip(1) {
        if ancestor.as_os_str().is_empty() {
            continue;
        }
        if std::fs::metadata(ancestor).is_ok_and(|m| m.mode() & 0o002 != 0 && m.mode() & 0o1000 == 0) {
            return Err(RuntimeDirError::Replaceable { path: path.to_owned(), ancestor: ancestor.to_owned() });
        }
    }
    set_mode(path, mode)
}

fn anybody_may_write(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o002 != 0)
}

fn open_dir(path: &Path) -> Result<File, Errno> {
    open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
        .map(File::from)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), RuntimeDirError> {
    open_dir(path).and_then(|dir| fchmod(&dir, Mode::from_bits_truncate(mode))).map_err(|errno| RuntimeDirError::Io {
        action: "set the mode of",
        path: path.to_owned(),
        source: errno.into(),
    })
}

fn hold(path: &Path) -> Result<Flock<File>, RuntimeDirError> {
    let failed =
        |errno: Errno| RuntimeDirError::Io { action: "open", path: path.to_owned(), source: io::Error::from(errno) };
    let dir = open_dir(path).map_err(failed)?;
    Flock::lock(dir, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => RuntimeDirError::InUse {
            path: path.to_owned(),
            holder: EngineInfo::read(path).map_or_else(
                |_| "another engine".to_owned(),
                |info| format!("the engine {} of state directory {}", info.engine.pid, info.state_dir.display()),
            ),
        },
        other => failed(other),
    })
}

fn is_memory_backed(path: &Path) -> bool {
    const RAMFS_MAGIC: i64 = 0x8584_58f6;
    statfs(path).is_ok_and(|fs| {
        let kind = fs.filesystem_type();
        #[expect(clippy::useless_conversion, reason = "the field's type differs between architectures")]
        let number = i64::from(kind.0);
        kind == statfs::TMPFS_MAGIC || number == RAMFS_MAGIC
    })
}

fn check_socket_lengths(path: &Path, components: &[&str]) -> Result<(), RuntimeDirError> {
    use std::os::unix::ffi::OsStrExt;
    let longest = components.iter().max_by_key(|name| name.len()).map_or_else(
        || path.join("control.sock"),
        |name| {
            let notify = path.join(format!("notify-{name}.sock"));
            let control = path.join("control.sock");
            if notify.as_os_str().len() > control.as_os_str().len() { notify } else { control }
        },
    );
    let length = longest.as_os_str().as_bytes().len();
    if length > MAX_SOCKET_PATH { Err(RuntimeDirError::PathTooLong { path: longest, length }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
