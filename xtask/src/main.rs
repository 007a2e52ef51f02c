//! Developer tasks: `cargo xtask TASK`. Everything CI does is one of these, so that it can be done at a desk too.

mod bench;
mod bots;
mod clients;
mod generate;
mod manual;
mod order;
mod package;
mod peers;
mod quickstart;
mod run;
mod setup;
mod test;
mod walls;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of failstop")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything and run the quickstart: a paper-trading bot under `failstop run` on recorded market data.
    Quickstart,
    /// Install what the tests need, then format check, lints, walls, generated files, the clients in other languages
    /// and every test: what CI runs.
    Test {
        /// The long variants too: 10 000 simulated power losses, the full model check, 200 rounds of each kill.
        #[arg(long)]
        long: bool,
    },
    /// Compare the dependency trees of the walled crates with the committed lists.
    Walls {
        /// Write the lists instead of comparing.
        #[arg(long)]
        write: bool,
    },
    /// Write the shell completions and manual pages of both binaries.
    Generate {
        /// Compare with what is committed instead of writing.
        #[arg(long)]
        check: bool,
    },
    /// Run every bench and print our figure, the reference's and the ratio.
    Bench {
        /// Only benches whose name contains this. `nautilus`, which installs another program, runs only when asked for.
        filter: Option<String>,
    },
    /// Build, check and test the clients in Python and Node, and nothing else.
    Clients,
    /// Build the Debian package into target/debian.
    Package,
    /// Build the release, watch which functions run at rest, and write the order in which they are linked. Takes minutes.
    Order {
        /// Only say how much of the committed order the release still has.
        #[arg(long)]
        check: bool,
        /// A release that was built before, with its symbols.
        #[arg(long)]
        program: Option<std::path::PathBuf>,
    },
    /// Install what the tests need, and nothing else.
    Setup,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Quickstart => quickstart::quickstart(),
        Task::Test { long } => test::test(long),
        Task::Walls { write } => walls::walls(write),
        Task::Generate { check } => generate::generate(check),
        Task::Bench { filter } => bench::bench(filter.as_deref()),
        Task::Clients => clients::test(),
        Task::Package => package::package(),
        Task::Order { check, program } => order::order(check, program),
        Task::Setup => setup::setup(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
