//! The shipped files, read as their readers read them, and the tools that check them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use yaml_rust2::{Yaml, YamlLoader};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A shipped file.
pub fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below a folder whose name ends so, relative to the root, sorted.
pub fn below(folder: &str, end: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(end) {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing ends with {end} below {folder}");
    found
}

/// One YAML document.
pub fn yaml(text: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1, "one document is wanted");
    documents.remove(0)
}

/// A text in a document, by its way down; panics where there is none.
#[track_caller]
pub fn text<'a>(document: &'a Yaml, way: &[&str]) -> &'a str {
    let found = way.iter().fold(document, |at, key| &at[*key]);
    found.as_str().unwrap_or_else(|| panic!("{way:?} is {found:?} and no text"))
}

/// The command under test.
pub fn failstop() -> &'static str {
    env!("CARGO_BIN_EXE_failstop")
}

/// The watchdog, built beside it.
pub fn watchdog() -> PathBuf {
    let binary = Path::new(failstop()).with_file_name("failstop-watchdog");
    assert!(binary.exists(), "{} is not there: cargo build --workspace --bins", binary.display());
    binary
}

/// A tool of Prometheus's, which `cargo xtask setup` unpacks.
pub fn prometheus_tool(name: &str) -> PathBuf {
    let tool = root().join("target/prometheus/usr/bin").join(name);
    assert!(tool.exists(), "{} is not there: cargo xtask setup", tool.display());
    tool
}

/// Runs a tool in the root to its end; where it is not there, says what brings it.
pub fn run(program: impl AsRef<OsStr>, arguments: &[&str]) -> Output {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).current_dir(root());
    command.output().unwrap_or_else(|error| panic!("{:?}: {error}: cargo xtask setup", program.as_ref()))
}

/// All that a tool said, if it ended well; panics with it otherwise.
#[track_caller]
pub fn good(output: &Output) -> String {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}:\n{said}", output.status);
    said
}
