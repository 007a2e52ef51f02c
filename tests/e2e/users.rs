//! Other users of the host, who run a program of their own: the folder that cargo builds in may be root's alone.

use crate::system::{System, failstop};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Their copy of the program.
pub struct Users {
    place: tempfile::TempDir,
    program: PathBuf,
}

impl Users {
    /// Makes the copy.
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = place.path().join("failstop");
        // By a program of its own: a file that this one still had open for writing while another test forks could not be run.
        assert!(Command::new("cp").arg(failstop()).arg(&program).status().unwrap().success());
        Self { place, program }
    }

    /// What one of them gets for a command about the system with this configuration.
    pub fn run(&self, configuration: &Path, user: u32, command: &str, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(command.split(' '))
            .args(arguments)
            .arg("--config")
            .arg(configuration)
            .current_dir(self.place.path())
            .uid(user)
            .gid(user)
            .output()
            .unwrap()
    }
}

/// Lets everybody read a system's configuration.
pub fn may_read(system: &System) {
    fs::set_permissions(system.path(""), fs::Permissions::from_mode(0o711)).unwrap();
    fs::set_permissions(system.path("failstop.toml"), fs::Permissions::from_mode(0o644)).unwrap();
}
