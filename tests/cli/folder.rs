//! A folder of its own for each test, and the command run in it with an environment of its own.

use assert_cmd::Command;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The bound of every command: far above what any takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder.
pub struct Folder {
    /// A system's name that nobody else on this machine has: whoever runs the tests may run real systems beside them.
    pub name: String,
    inside: tempfile::TempDir,
}

/// What a command did.
pub struct Ran {
    /// The exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("cli-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        Self { name, inside: tempfile::tempdir().unwrap() }
    }

    /// One with a sound configuration.
    pub fn with_system() -> Self {
        let folder = Self::new();
        folder.write(
            "failstop.toml",
            &format!(
                "[system]\nname = \"{}\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\n\
                 [[component]]\nname = \"bot\"\ncommand = [\"/bin/sleep\", \"60\"]\norders = \"none\"\n",
                folder.name
            ),
        );
        folder
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.inside.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The command, to be run here, with nothing in its environment but a width for help.
    pub fn command(&self) -> Command {
        let mut command = Command::cargo_bin("failstop").unwrap();
        command.env_clear().env("COLUMNS", "100").current_dir(self.inside.path()).timeout(PATIENCE);
        command
    }

    /// Runs it with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(arguments).output().unwrap())
    }
}

impl Ran {
    /// Reads what a finished process left.
    pub fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The exit status, or all that was said if it is another.
    #[track_caller]
    pub fn ends(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }

    /// Nothing on standard error.
    #[track_caller]
    pub fn quiet(self) -> Self {
        assert_eq!(self.err, "", "out:\n{}", self.out);
        self
    }
}

/// The bytes of a whole file.
pub fn contents(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
