//! Installs what the tests need beyond the Rust toolchain, git, python3, node and npm: Debian packages when root,
//! otherwise it says what is missing; packages that would start a service are unpacked under `target/` instead; Python packages (a
//! foreign sd_notify library, a mail server, a reader of Parquet) go into a virtual environment there.

use crate::bots;
use crate::run::{TaskError, command, root, run};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Programs that tests run, and the Debian packages that bring them.
const PROGRAMS: &[(&str, &str)] = &[
    ("strace", "strace"),
    ("setpriv", "util-linux"),
    ("systemd-notify", "systemd"),
    ("systemd-analyze", "systemd"),
    ("nsenter", "util-linux"),
    ("docker-compose", "docker-compose"),
    ("dpkg-deb", "dpkg"),
    ("objdump", "binutils"),
    ("jq", "jq"),
    ("sha256sum", "coreutils"),
    ("ip", "iproute2"),
    ("stress-ng", "stress-ng"),
    ("chromium", "chromium"),
    // The server's own program by another name, without the service.
    ("redis-check-rdb", "redis-tools"),
];

/// Programs whose packages start a service where they are installed: they are unpacked under `target/` instead, and what
/// they need beside glibc is in them.
const UNPACKED: &[(&str, &str)] = &[
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("amtool", "prometheus-alertmanager"),
];

/// Where.
const UNPACKED_TO: &str = "target/prometheus";

/// Python packages that tests use.
const PACKAGES: &[&str] = &["sdnotify", "aiosmtpd", "duckdb"];

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
    unpack()?;
    python()?;
    for package in PACKAGES {
        let import = Command::new(root().join(PYTHON)).args(["-c", &format!("import {package}")]).output();
        if !import.is_ok_and(|output| output.status.success()) {
            run(&mut command(PYTHON, &["-m", "pip", "install", "--quiet", package]))?;
        }
    }
    bots::bots()
}

/// Downloads the packages of [`UNPACKED`] and unpacks them, if one of the programs is missing.
fn unpack() -> Result<(), TaskError> {
    let target = root().join(UNPACKED_TO);
    let packages: BTreeSet<&str> = UNPACKED
        .iter()
        .filter(|(program, _)| !target.join("usr/bin").join(program).exists())
        .map(|(_, package)| *package)
        .collect();
    if packages.is_empty() {
        return Ok(());
    }
    let file = |source| TaskError::File { path: target.clone(), source };
    let downloads = target.join("packages");
    std::fs::create_dir_all(&downloads).map_err(file)?;
    // The lists of packages are as old as the machine's image until somebody asks for new ones, which takes root.
    if is_root() {
        run(command("apt-get", &["update", "--quiet"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    // As root, apt downloads as a user of its own, who may not write here; it says so and goes on.
    run(command("apt-get", &["download", "--quiet"]).args(&packages).current_dir(&downloads))?;
    for entry in std::fs::read_dir(&downloads).map_err(file)? {
        let package = entry.map_err(file)?.path();
        run(command("dpkg-deb", &["--extract"]).arg(&package).arg(&target))?;
        std::fs::remove_file(&package).map_err(|source| TaskError::File { path: package, source })?;
    }
    Ok(())
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
