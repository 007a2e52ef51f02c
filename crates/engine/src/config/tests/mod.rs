//! What a configuration means, and what is said about one that means nothing.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod bad;
mod good;

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The least that is a configuration.
const LEAST: &str =
    "[system]\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n";

/// Loads a text from a file of this mode in a folder of its own.
fn load_with(text: impl AsRef<[u8]>, mode: u32, overrides: &Overrides) -> Result<Config, ConfigErrors> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("failstop.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    Config::load(&file, overrides)
}

fn load(text: impl AsRef<[u8]>) -> Result<Config, ConfigErrors> {
    load_with(text, 0o600, &Overrides::default())
}

/// A configuration of one component with these lines at its end, for other modules' tests.
pub(crate) fn with(lines: &str) -> Config {
    load(format!("{LEAST}{lines}")).unwrap()
}

/// What is said first of a configuration of one component with these lines at its end, and what to do about it; for other modules'
/// tests.
pub(crate) fn refused(lines: &str) -> (String, String) {
    let problem = load(format!("{LEAST}{lines}")).unwrap_err().problems.remove(0);
    (problem.message, problem.help)
}

/// The least configuration under a profile, for other modules' tests.
pub(crate) fn profiled(profile: &str) -> Config {
    load_with(LEAST, 0o600, &Overrides { profile: Some(profile.to_owned()), ..Overrides::default() }).unwrap()
}

/// The systems of a fleet as this list names them, for other modules' tests.
pub(crate) fn fleet(list: &str) -> Vec<FleetSystem> {
    load(format!("{LEAST}[observe]\nfleet = {list}\n")).unwrap().observe.fleet
}

fn variable(name: &str, value: &str) -> Overrides {
    Overrides { environment: vec![(name.into(), value.into())], ..Overrides::default() }
}

fn set(assignment: &str) -> Overrides {
    Overrides { set: vec![assignment.to_owned()], ..Overrides::default() }
}
