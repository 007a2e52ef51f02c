//! Runs a command in the repository's root and turns its failure into an error that names it.

use std::path::PathBuf;
use std::process::Command;

/// What stopped a task.
#[derive(Debug)]
pub enum TaskError {
    /// A command could not be started.
    Start { command: String, source: std::io::Error },
    /// A command ended with a failure.
    Failed { command: String, status: std::process::ExitStatus },
    /// A file could not be read or written.
    File { path: PathBuf, source: std::io::Error },
    /// What was found is not what is committed.
    Differs { what: String, next: String },
}

impl std::fmt::Display for TaskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start { command, source } => write!(f, "could not start `{command}`: {source}"),
            Self::Failed { command, status } => write!(f, "`{command}` failed: {status}"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Differs { what, next } => write!(f, "{what}\n  next: {next}"),
        }
    }
}

/// The repository's root: the parent of this package's folder.
pub fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// `program arguments…` in the root, output shown.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs it; an exit status other than 0 is an error.
pub fn run(command: &mut Command) -> Result<(), TaskError> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command.status().map_err(|source| TaskError::Start { command: shown.clone(), source })?;
    if status.success() { Ok(()) } else { Err(TaskError::Failed { command: shown, status }) }
}

/// Runs it and returns what it printed on standard output.
pub fn output(command: &mut Command) -> Result<String, TaskError> {
    let shown = shown(command);
    let output = command.output().map_err(|source| TaskError::Start { command: shown.clone(), source })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        Err(TaskError::Failed { command: shown, status: output.status })
    }
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
