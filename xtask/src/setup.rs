//! Installs what the tests need beyond the Rust toolchain, git, python3, node and npm: Debian packages when root, otherwise it
//! says what is missing; Python packages (a foreign sd_notify library, a mail server) in a virtual environment under `target/`.

use crate::bots;
use crate::run::{TaskError, command, root, run};
use std::path::Path;
use std::process::Command;

/// Programs that tests run, and the Debian packages that bring them.
const PROGRAMS: &[(&str, &str)] = &[
    ("strace", "strace"),
    ("setpriv", "util-linux"),
    ("systemd-notify", "systemd"),
    ("jq", "jq"),
    ("sha256sum", "coreutils"),
    ("ip", "iproute2"),
    ("stress-ng", "stress-ng"),
];

/// Python packages that tests use.
const PACKAGES: &[&str] = &["sdnotify", "aiosmtpd"];

/// Where the tests find the Python that has them.
pub const PYTHON: &str = "target/python/bin/python3";

/// Makes everything the tests need available.
pub fn setup() -> Result<(), TaskError> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        if !is_root() {
            return Err(TaskError::Differs {
                what: format!("the tests need the Debian packages {}", missing.join(" ")),
                next: format!("sudo apt-get install {}", missing.join(" ")),
            });
        }
        run(command("apt-get", &["update", "--quiet"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
        let mut install = command("apt-get", &["install", "--yes", "--quiet", "--no-install-recommends"]);
        run(install.args(&missing).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    python()?;
    for package in PACKAGES {
        let import = Command::new(root().join(PYTHON)).args(["-c", &format!("import {package}")]).output();
        if !import.is_ok_and(|output| output.status.success()) {
            run(&mut command(PYTHON, &["-m", "pip", "install", "--quiet", package]))?;
        }
    }
    bots::bots()
}

/// Makes the virtual environment.
pub fn python() -> Result<(), TaskError> {
    if root().join(PYTHON).exists() {
        return Ok(());
    }
    run(&mut command("python3", &["-m", "venv", "target/python"]))
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).exists()))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|metadata| metadata.uid() == 0)
}
