//! A component's sandbox, made anew at each start: what its folder is, and which file its program is, may have changed.

use super::components::Blueprint;
use crate::config::{Files, ours_inside};
use crate::process::credentials::CredentialFolders;
use crate::process::sandbox::{Reach, Sandbox, ruleset};
use crate::process::spawn::Command;
use crate::runtime_dir::RuntimeDir;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;

/// What the new process puts in force on itself.
///
/// # Errors
/// In words: what this host cannot refuse it. It is not started then.
pub(super) fn of(
    blueprint: &Blueprint,
    command: &Command,
    runtime: &RuntimeDir,
    credentials: &CredentialFolders,
) -> Result<Sandbox, String> {
    let calls = blueprint.filter.clone();
    let files = match blueprint.sandbox.filesystem {
        Files::Off => None,
        Files::OwnFolder => {
            let folder = credentials.of(&blueprint.name);
            let given = !blueprint.credentials.is_empty();
            let ours: [&Path; 1] = [runtime.path()];
            if let Some(inside) = ours_inside(&blueprint.directory, &ours) {
                return Err(format!(
                    "it is to be kept to its own folder {}, and failstop's {} is in there: give it a folder of its own",
                    blueprint.directory.display(),
                    inside.display()
                ));
            }
            let reach = Reach {
                own: &blueprint.directory,
                program: &command.program,
                runtime: runtime.path(),
                mounted: command.credentials.as_ref().map(|mount| mount.tree.as_fd()),
                credentials: given.then_some(folder.as_path()),
                readable: &blueprint.sandbox.readable,
                writable: &blueprint.sandbox.writable,
            };
            Some(Arc::new(ruleset(&reach).map_err(|error| error.to_string())?))
        }
    };
    Ok(Sandbox { files, calls })
}
