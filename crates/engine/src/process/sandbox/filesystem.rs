//! What a sandboxed component reaches of the file system: its own folder for everything, what programs need of the host for reading,
//! and nothing else, whatever its user may. And no process outside of the sandbox by a signal, where the kernel can refuse that.

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetError, Scope,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Everything that is handled; what the kernel does not know of it is not refused, and is told as not covered.
const HANDLED: ABI = ABI::V6;

/// Read by programs of every kind: themselves, their libraries, the host's names, certificates, time zones and own numbers.
/// `/etc` as a whole: who replaces `resolv.conf` makes a new file, which a rule for the file alone would not know.
const READABLE: [&str; 13] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/etc",
    "/proc",
    "/sys",
    "/var/lib/ca-certificates",
];

/// Devices that programs write to without harm.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What one component reaches.
#[derive(Debug)]
pub struct Reach<'a> {
    /// Its own folder.
    pub own: &'a Path,
    /// Its program's file, as it is executed.
    pub program: &'a Path,
    /// The runtime directory: sockets and the permit page.
    pub runtime: &'a Path,
    /// Its credentials: the file system that is mounted for it, or the folder.
    pub mounted: Option<BorrowedFd<'a>>,
    /// The folder of its credentials, where they are not mounted.
    pub credentials: Option<&'a Path>,
    /// Further places for reading.
    pub readable: &'a [PathBuf],
    /// Further places for everything.
    pub writable: &'a [PathBuf],
}

/// Why there is no ruleset.
#[derive(Debug, thiserror::Error)]
pub enum FilesystemError {
    /// The kernel has no Landlock, or it is switched off.
    #[error(
        "this kernel cannot keep it to its own folder: Landlock is missing or switched off (Linux 5.13, `lsm=landlock,...` on the \
         kernel's command line); give it that, or write `filesystem = \"off\"` in its `sandbox`"
    )]
    Unsupported,
    /// A place that is named does not exist.
    #[error("its sandbox names {}, which cannot be opened: {source}: make it, or correct `{key}`", .path.display())]
    Place {
        /// Which.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// Why not.
        source: landlock::PathFdError,
    },
    /// The kernel refused.
    #[error("its sandbox cannot be made: {0}")]
    Refused(#[from] RulesetError),
}

/// Which version of Landlock this kernel has; 0 for none.
pub fn landlock_version() -> u32 {
    const VERSION: u32 = 1;
    // SAFETY: asks for a number; no memory is touched.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0, VERSION) };
    u32::try_from(version).unwrap_or(0)
}

/// A ruleset, ready to be put in force.
///
/// # Errors
/// [`FilesystemError`]: never less than what it says it refuses.
pub fn ruleset(reach: &Reach<'_>) -> Result<OwnedFd, FilesystemError> {
    let version = landlock_version();
    if version == 0 {
        return Err(FilesystemError::Unsupported);
    }
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(HANDLED))?;
    if version >= 6 {
        ruleset = ruleset.scope(Scope::from_all(HANDLED))?;
    }
    let (all, read) = (AccessFs::from_all(HANDLED), AccessFs::from_read(HANDLED));
    let mut rules = ruleset.create()?;
    rules = named(rules, reach.own, "working_dir", all)?;
    for path in reach.writable {
        rules = named(rules, path, "writable", all)?;
    }
    for path in reach.readable {
        rules = named(rules, path, "readable", read)?;
    }
    // Its sockets are connected to and not opened; the page is, and a later page is another file.
    rules = known(rules, reach.runtime, AccessFs::ReadFile.into())?;
    if let Some(mounted) = reach.mounted {
        rules = rules.add_rule(PathBeneath::new(mounted, AccessFs::ReadFile | AccessFs::ReadDir))?;
    } else if let Some(folder) = reach.credentials {
        rules = known(rules, folder, AccessFs::ReadFile | AccessFs::ReadDir)?;
    }
    for path in READABLE.iter().map(Path::new) {
        rules = known(rules, path, read)?;
    }
    for path in resolver().iter().chain(&program(reach.program)) {
        rules = known(rules, path, read)?;
    }
    for path in DEVICES.iter().map(Path::new) {
        rules = known(rules, path, AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    Option::<OwnedFd>::from(rules).ok_or(FilesystemError::Unsupported)
}

/// A place that the configuration names must be there.
fn named(
    rules: RulesetCreated,
    path: &Path,
    key: &'static str,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, FilesystemError> {
    let place = PathFd::new(path).map_err(|source| FilesystemError::Place { path: path.to_owned(), key, source })?;
    allow(rules, path, place, access)
}

/// A place that not every host has.
fn known(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, FilesystemError> {
    match PathFd::new(path) {
        Ok(place) => allow(rules, path, place, access),
        Err(_) => Ok(rules),
    }
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    place: impl AsFd,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, FilesystemError> {
    // Of a file only what can be done to a file: the kernel takes nothing else.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(HANDLED) };
    Ok(rules.add_rule(PathBeneath::new(place, access))?)
}

/// Where the file is that `/etc/resolv.conf` leads to, which is replaced by another file when the network changes.
fn resolver() -> Option<PathBuf> {
    let file = std::fs::canonicalize("/etc/resolv.conf").ok()?;
    let folder = file.parent()?;
    // Never as much as all of /run.
    Some(if folder.components().count() > 2 { folder.to_owned() } else { file })
}

/// The program's file, and where it is a `bin` in a folder of its own (a virtual environment, a version of an interpreter) that folder:
/// its libraries are there. By the name that is executed and by the file that it leads to.
fn program(program: &Path) -> Vec<PathBuf> {
    let mut places = vec![program.to_owned()];
    places.extend(std::fs::canonicalize(program).ok());
    let homes = |path: &Path| path.components().count() <= 2 || path.parent() == Some(Path::new("/home"));
    let installed: Vec<PathBuf> = places
        .iter()
        .filter_map(|file| file.parent().filter(|folder| folder.ends_with("bin"))?.parent())
        .filter(|folder| !homes(folder))
        .map(Path::to_owned)
        .collect();
    places.extend(installed);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreters_libraries_are_where_it_is_and_a_home_is_no_interpreter() {
        assert_eq!(
            program(Path::new("/no/such/venv/bin/python3")),
            [Path::new("/no/such/venv/bin/python3"), Path::new("/no/such/venv")]
        );
        assert_eq!(program(Path::new("/home/ana/bin/bot")), [Path::new("/home/ana/bin/bot")]);
        assert_eq!(program(Path::new("/root/bin/bot")), [Path::new("/root/bin/bot")]);
        assert_eq!(program(Path::new("/srv/bot/run")), [Path::new("/srv/bot/run")]);
    }
}
