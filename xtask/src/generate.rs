//! The shell completions and manual pages of both binaries, generated from the definitions that the binaries parse by,
//! and committed so that packagers need no build to install them.

use crate::manual;
use crate::run::{TaskError, root};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../crates/cli/args/mod.rs"]
mod cli;

#[path = "../../crates/watchdog/src/args.rs"]
mod watchdog;

/// The folders that hold nothing but generated files.
const FOLDERS: [&str; 2] = ["completions", "man"];

/// Writes the generated files, or (`check`) compares them with what is committed. Files in the generated folders that
/// are generated no more are removed, or told of.
pub fn generate(check: bool) -> Result<(), TaskError> {
    let mut wanted = BTreeMap::new();
    for command in [cli::Cli::command(), watchdog::Watchdog::command()] {
        completions(&command, &mut wanted)?;
        manual(command, &mut wanted)?;
    }
    let found = committed()?;
    let stale: BTreeSet<&PathBuf> = found.iter().filter(|path| !wanted.contains_key(*path)).collect();
    let mut different = Vec::new();
    for (path, content) in &wanted {
        if fs::read(root().join(path)).is_ok_and(|committed| committed == *content) {
            continue;
        }
        different.push(path);
    }
    if check {
        let all: Vec<String> = different.into_iter().chain(stale).map(|path| path.display().to_string()).collect();
        return match all.as_slice() {
            [] => {
                println!("generate: {} files are as committed", wanted.len());
                Ok(())
            }
            _ => Err(TaskError::Differs {
                what: format!("generated files are not what the definitions say: {}", all.join(", ")),
                next: "cargo xtask generate, and commit what it writes".to_owned(),
            }),
        };
    }
    for path in different {
        let path = root().join(path);
        let folder = path.parent().map_or_else(root, Path::to_owned);
        fs::create_dir_all(&folder).map_err(|source| TaskError::File { path: folder, source })?;
        let content = wanted.get(path.strip_prefix(root()).unwrap_or(&path)).map(Vec::as_slice).unwrap_or_default();
        fs::write(&path, content).map_err(|source| TaskError::File { path, source })?;
    }
    for path in stale {
        let path = root().join(path);
        fs::remove_file(&path).map_err(|source| TaskError::File { path, source })?;
    }
    println!("generate: {} files", wanted.len());
    Ok(())
}

fn completions(command: &Command, wanted: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), TaskError> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let name = command.get_name().to_owned();
        let file = match shell {
            Shell::Zsh => format!("_{name}"),
            Shell::Fish => format!("{name}.fish"),
            _ => format!("{name}.bash"),
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), name, &mut script);
        wanted.insert(Path::new("completions").join(file), script);
    }
    Ok(())
}

/// One page a command: `failstop-kill-switch-engage.1` and so on.
fn manual(mut command: Command, wanted: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), TaskError> {
    command.build();
    pages(&command, command.get_name(), None, wanted)
}

fn pages(
    command: &Command,
    name: &str,
    above: Option<&str>,
    wanted: &mut BTreeMap<PathBuf, Vec<u8>>,
) -> Result<(), TaskError> {
    let path = Path::new("man").join(format!("{name}.1"));
    let page = manual::page(command, name, above).map_err(|source| TaskError::File { path: path.clone(), source })?;
    wanted.insert(path, page);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages(sub, &format!("{name}-{}", sub.get_name()), Some(name), wanted)?;
    }
    Ok(())
}

/// What lies in the generated folders now, relative to the root.
fn committed() -> Result<BTreeSet<PathBuf>, TaskError> {
    let mut found = BTreeSet::new();
    for folder in FOLDERS {
        let entries = match fs::read_dir(root().join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(TaskError::File { path: root().join(folder), source }),
        };
        for entry in entries {
            let entry = entry.map_err(|source| TaskError::File { path: root().join(folder), source })?;
            found.insert(Path::new(folder).join(entry.file_name()));
        }
    }
    Ok(found)
}
