//! What others do with the same task, measured beside ours: only where it is asked for by name, and part of no test.

use crate::run::{TaskError, command, root, run};
use std::fs;

/// The name of the bench.
pub const NAUTILUS: &str = "nautilus";

const SOURCE: &str = "benches/nautilus";
/// A virtual environment of its own, and what is made there.
const FOLDER: &str = "target/peers";
const PYTHON: &str = "target/peers/bin/python3";
const ORDERS: &str = "target/peers/orders.jsonl";

/// The gate beside NautilusTrader's RiskEngine, on one stream of orders.
pub fn nautilus() -> Result<(), TaskError> {
    install()?;
    // A bench runs in its package's folder.
    let orders = root().join(ORDERS);
    let gate = ["bench", "--quiet", "--package", "failstop-core", "--bench", "gate", "--", "--stream"];
    run(command("cargo", &gate).arg(&orders))?;
    run(command(PYTHON, &[&format!("{SOURCE}/risk_engine.py")]).arg(&orders))
}

/// Installs it as the list says; does nothing where it is.
fn install() -> Result<(), TaskError> {
    let list = format!("{SOURCE}/requirements.txt");
    let unread = |path| move |source| TaskError::File { path, source };
    let wanted = fs::read_to_string(root().join(&list)).map_err(unread(root().join(&list)))?;
    let installed = root().join(FOLDER).join("installed");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(&mut command("python3", &["-m", "venv", "--clear", FOLDER]))?;
    let pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"];
    run(command(PYTHON, &pip).args(["--only-binary", ":all:", "--requirement", &list]))?;
    fs::write(&installed, wanted).map_err(unread(installed))
}
