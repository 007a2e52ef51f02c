//! Builds everything in release mode and runs the quickstart in the foreground, as a user would from a terminal.

use crate::run::{TaskError, command, root, run};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Builds, then becomes `failstop run`, so that Ctrl-C and signals reach it directly.
pub fn quickstart() -> Result<(), TaskError> {
    run(&mut command("cargo", &["build", "--release", "--workspace", "--bins", "--examples"]))?;
    let source = Command::new(root().join("target/release/failstop"))
        .args(["run", "--config", "examples/quickstart/failstop.toml"])
        .current_dir(root())
        .exec();
    Err(TaskError::Start { command: "failstop run".to_owned(), source })
}
