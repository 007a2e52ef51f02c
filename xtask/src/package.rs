//! Builds the Debian package: release binaries, the watchdog in its small profile, and `deploy/debian/build`, which needs no
//! network and can be run by itself.

use crate::run::{TaskError, command, run};

/// Builds it into `target/debian`.
pub fn package() -> Result<(), TaskError> {
    run(&mut command("cargo", &["build", "--release", "--locked", "--bin", "failstop"]))?;
    run(&mut command("cargo", &["build", "--profile", "small", "--locked", "--package", "failstop-watchdog"]))?;
    run(&mut command("deploy/debian/build", &["--watchdog", "target/small/failstop-watchdog"]))
}
