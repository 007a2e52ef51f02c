//! The runtime directory: memory-backed, ours, and short enough for socket paths. Nothing is made here.

use super::disk::nearest_existing;
use super::host::file_system;
use super::{Finding, Subject};
use crate::config::Config;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The longest path that fits the kernel's socket address, bytes.
const MAX_SOCKET_PATH: usize = 107;

const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let (path, configured) = place(config);
    let mut findings = Vec::new();
    let longest = config.components.iter().map(|c| format!("notify-{}.sock", c.name)).max_by_key(String::len);
    let longest = path.join(longest.unwrap_or_else(|| "control.sock".to_owned()));
    let length = longest.as_os_str().as_bytes().len();
    if length > MAX_SOCKET_PATH {
        findings.push(Finding::failed(
            format!("the socket path {} has {length} bytes; at most {MAX_SOCKET_PATH} are possible", longest.display()),
            "write a shorter `runtime_dir`, or a shorter component name",
        ));
    }
    let existing = nearest_existing(&path);
    if !in_memory(&existing) {
        let remedy = if configured {
            "remove `runtime_dir` from [system], or write one on a tmpfs, such as /dev/shm/failstop-NAME"
        } else {
            "write a `runtime_dir` on a tmpfs in [system], such as /dev/shm/failstop-NAME"
        };
        findings.push(Finding::warning(
            format!("{} is not memory-backed: a slow disk can hold up permits", path.display()),
            remedy,
        ));
    }
    let us = nix::unistd::geteuid().as_raw();
    match std::fs::symlink_metadata(&path) {
        Ok(meta) if !meta.is_dir() => findings.push(Finding::failed(
            format!("{} is not a directory", path.display()),
            "remove it, or correct `runtime_dir`",
        )),
        Ok(meta) if meta.uid() != us && us != 0 => findings.push(Finding::failed(
            format!("{} belongs to user {}, not to this one ({us})", path.display(), meta.uid()),
            "run as that user, or write another `runtime_dir`",
        )),
        Ok(_) => {}
        Err(_) if nix::unistd::access(&existing, nix::unistd::AccessFlags::W_OK).is_err() => {
            findings.push(Finding::failed(
                format!("{} cannot be made: {} is not writable for this user", path.display(), existing.display()),
                "write another `runtime_dir`",
            ))
        }
        Err(_) => {}
    }
    if findings.is_empty() {
        findings.push(Finding::passed(format!("{}, memory-backed", path.display())));
    }
    findings
}

/// Where it is or would be, and whether the configuration says so.
fn place(config: &Config) -> (PathBuf, bool) {
    match &config.system.runtime_dir {
        Some(path) => (path.clone(), true),
        None => (expected(config), false),
    }
}

fn in_memory(existing: &Path) -> bool {
    matches!(file_system(existing), Some(TMPFS | RAMFS))
}

/// Where the runtime directory is or would be, if that is not in memory.
pub(super) fn on_disk(config: &Config) -> Option<PathBuf> {
    let (path, _) = place(config);
    (!in_memory(&nearest_existing(&path))).then_some(path)
}

/// Where it would be: the first of the well-known places that this user can use.
fn expected(config: &Config) -> PathBuf {
    let name = config.name();
    let uid = nix::unistd::geteuid().as_raw();
    let usable = |base: &Path| {
        let existing = nearest_existing(base);
        existing.is_dir() && nix::unistd::access(&existing, nix::unistd::AccessFlags::W_OK).is_ok()
    };
    let mut bases = vec![PathBuf::from("/run/failstop")];
    bases.extend(std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("failstop")));
    bases.push(PathBuf::from(format!("/dev/shm/failstop-{uid}")));
    match bases.into_iter().find(|base| base.is_absolute() && usable(base)) {
        Some(base) => base.join(name),
        None => config.state_dir().join("run"),
    }
}
