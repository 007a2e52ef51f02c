//! State and runtime have space, and the state lives on a file system that keeps what it acknowledged.

use super::host::file_system;
use super::{Finding, Subject};
use std::path::{Path, PathBuf};

/// Below this much free space a full disk is a matter of days.
const COMFORTABLE_BYTES: u64 = 1 << 30;

/// Free file names below which a full disk is near.
const COMFORTABLE_FILES: u64 = 1_000;

const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6;
const OVERLAY: i64 = 0x794c_7630;
const NFS: i64 = 0x6969;
const SMB2: i64 = 0xfe53_4d42;
const FUSE: i64 = 0x6573_5546;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let state = config.state_dir();
    let existing = nearest_existing(state);
    if existing.is_symlink() && !existing.exists() {
        return vec![Finding::failed(
            format!("{} is a link to nothing", existing.display()),
            "make what it leads to, or correct `state_dir`",
        )];
    }
    // What the ballast occupies already is not asked for again.
    let reserved = std::fs::metadata(state.join(failstop_journal::BALLAST))
        .map_or(0, |ballast| std::os::unix::fs::MetadataExt::blocks(&ballast) * 512);
    let needed = config.journal.ballast.get().saturating_sub(reserved) + config.journal.segment_max.get();
    let space = match nix::sys::statvfs::statvfs(existing.as_path()) {
        Ok(space) => space,
        Err(error) => {
            return vec![Finding::undetermined(
                format!("the space at {} cannot be measured: {error}", existing.display()),
                "run this as the engine's user or root",
            )];
        }
    };
    let free = space.blocks_available().saturating_mul(space.fragment_size());
    let mut findings = Vec::new();
    findings.push(if free < needed {
        Finding::failed(
            format!(
                "{} free at {}; ballast and one segment of the journal need {}",
                human(free),
                existing.display(),
                human(needed)
            ),
            "free some space, or move `state_dir`",
        )
    } else if free < COMFORTABLE_BYTES {
        Finding::warning(format!("{} free at {}", human(free), existing.display()), "free some space")
    } else if space.files() > 0 && space.files_available() < COMFORTABLE_FILES {
        Finding::warning(
            format!("only {} more files fit at {}", space.files_available(), existing.display()),
            "remove small files there",
        )
    } else {
        Finding::passed(format!("{} free at {}", human(free), existing.display()))
    });
    findings.extend(kind_of_file_system(&existing));
    if let Err(error) = nix::unistd::access(&existing, nix::unistd::AccessFlags::W_OK) {
        findings.push(Finding::failed(
            format!("{} is not writable for this user: {error}", existing.display()),
            "run as the engine's user, correct its owner, or move `state_dir`",
        ));
    }
    findings
}

fn kind_of_file_system(path: &Path) -> Option<Finding> {
    let (what, consequence) = match file_system(path)? {
        TMPFS | RAMFS => ("memory", "journal and latches are gone after a reboot"),
        OVERLAY => ("a container's own layer", "journal and latches are gone with the container"),
        NFS | SMB2 => ("a network file system", "its locks and fsync may not keep their word"),
        FUSE => ("a FUSE file system", "its fsync may not keep its word"),
        _ => return None,
    };
    Some(Finding::warning(
        format!("`state_dir` is on {what}: {consequence}"),
        "put it on a local disk or a mounted volume",
    ))
}

/// The path itself or what exists above it.
pub(super) fn nearest_existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.symlink_metadata().is_ok()).map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// Bytes as people say them.
fn human(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..10_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        10_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
