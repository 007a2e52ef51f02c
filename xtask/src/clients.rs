//! The clients in other languages: builds, checks and tests them. What they need of PyPI and npm is pinned by hash in their folders.

use crate::run::{TaskError, command, root, run};
use crate::setup::{self, PYTHON};
use std::path::PathBuf;

const NODE: &str = "clients/node";
const PYTHON_CLIENT: &str = "clients/python";
/// Where the wheel is, and where it is installed for its tests.
const WHEELS: &str = "target/clients/wheels";
const INSTALLED: &str = "target/clients/python";

/// The Node client's JavaScript, for its tests and for the end-to-end tests.
fn build_node() -> Result<(), TaskError> {
    run(command("npm", &["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(root().join(NODE)))?;
    run(command("npm", &["run", "build", "--silent"]).current_dir(root().join(NODE)))
}

/// Types, wheel and tests of the Python client, the tests against the installed wheel; build and tests of the Node client.
pub fn test() -> Result<(), TaskError> {
    build_node()?;
    setup::python()?;
    let requirements = format!("{PYTHON_CLIENT}/requirements-dev.txt");
    run(&mut command(
        PYTHON,
        &["-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", &requirements],
    ))?;
    let python = root().join(PYTHON);
    let mut types = command(&python.to_string_lossy(), &["-m", "mypy", "--cache-dir", "../../target/clients/mypy"]);
    run(types.current_dir(root().join(PYTHON_CLIENT)))?;
    for folder in [WHEELS, INSTALLED] {
        remove(root().join(folder))?;
    }
    let wheel = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", WHEELS];
    run(command(PYTHON, &wheel).arg(PYTHON_CLIENT))?;
    let install =
        ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", INSTALLED, "--find-links", WHEELS];
    run(command(PYTHON, &install).arg("failstop"))?;
    let mut tests = command(&python.to_string_lossy(), &["-m", "unittest", "discover", "-s", "tests", "-t", "."]);
    run(tests.current_dir(root().join(PYTHON_CLIENT)).env("PYTHONPATH", root().join(INSTALLED)))?;
    // `npm test` would build once more.
    run(command("npm", &["run", "check", "--silent"]).current_dir(root().join(NODE)))
}

/// Runs the benches of the clients whose name contains `filter`.
pub fn bench(filter: Option<&str>) -> Result<(), TaskError> {
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    for script in ["permit", "round_trip"] {
        if wanted(&format!("python_{script}")) {
            run(&mut command("python3", &[&format!("{PYTHON_CLIENT}/benches/{script}.py")]))?;
        }
    }
    if ["permit", "round_trip"].iter().any(|script| wanted(&format!("node_{script}"))) {
        build_node()?;
    }
    for script in ["permit", "round_trip"] {
        if wanted(&format!("node_{script}")) {
            run(&mut command("node", &[&format!("{NODE}/benches/{script}.mjs")]))?;
        }
    }
    Ok(())
}

fn remove(folder: PathBuf) -> Result<(), TaskError> {
    match std::fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(TaskError::File { path: folder, source }),
        Ok(()) | Err(_) => Ok(()),
    }
}
