//! `failstop completions`: prints the completions for a shell.

use crate::args::{Cli, CompletionsArgs, ShellName};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Prints them.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let shell = match args.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    // Into memory first: the generator panics where its writer fails, and a closed pipe is no reason to.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "failstop", &mut script);
    out::print_last(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Good)
}
