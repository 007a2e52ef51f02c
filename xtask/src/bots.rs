//! Installs the trading bots that others wrote and that the end-to-end tests run unmodified: libraries from the package index, and
//! the archives of those whose examples are in them. Every file's digest is committed; nothing of it is kept in the repository.

use crate::run::{TaskError, command, root, run};
use std::fs;
use std::path::Path;

/// A virtual environment of their own: what bots ask for is no other test's.
const FOLDER: &str = "target/bots";
const PYTHON: &str = "target/bots/bin/python3";

const ARCHIVED: &str = "target/bots/archives";
const PUBLISHED: &str = "target/bots/published";

/// Libraries and all that they need.
const LIBRARIES: &str = "tests/e2e/real_bots/libraries.txt";
/// What is published as source alone, in archives: examples are run from there.
const ARCHIVES: &str = "tests/e2e/real_bots/archives.txt";

/// Has them installed as the lists say; does nothing where they are.
pub fn bots() -> Result<(), TaskError> {
    let wanted = [LIBRARIES, ARCHIVES].map(|list| read(&root().join(list)));
    let [libraries, archives] = wanted;
    let wanted = libraries? + &archives?;
    let installed = root().join(FOLDER).join("installed");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(&mut command("python3", &["-m", "venv", "--clear", FOLDER]))?;
    run(&mut pip(&["install", "--only-binary", ":all:", "--requirement", LIBRARIES]))?;
    // What an archive is called is asked of its own build, with what was just installed.
    let ask = ["download", "--no-binary", ":all:", "--no-deps", "--no-build-isolation", "--dest", ARCHIVED];
    run(pip(&ask).args(["--requirement", ARCHIVES]))?;
    let unread = |source| TaskError::File { path: ARCHIVED.into(), source };
    for entry in fs::read_dir(root().join(ARCHIVED)).map_err(unread)? {
        let archive = entry.map_err(unread)?.path();
        run(command(PYTHON, &["-m", "tarfile", "--extract"]).arg(archive).arg(PUBLISHED))?;
    }
    let from = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--find-links", ARCHIVED];
    run(pip(&from).args(["--requirement", ARCHIVES]))?;
    fs::write(&installed, wanted).map_err(|source| TaskError::File { path: installed, source })
}

fn pip(arguments: &[&str]) -> std::process::Command {
    let mut pip = command(PYTHON, &["-m", "pip", "--disable-pip-version-check"]);
    pip.arg(arguments[0]).args(["--quiet", "--require-hashes"]).args(&arguments[1..]);
    pip
}

fn read(path: &Path) -> Result<String, TaskError> {
    fs::read_to_string(path).map_err(|source| TaskError::File { path: path.to_owned(), source })
}
