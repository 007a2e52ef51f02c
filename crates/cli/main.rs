//! The `failstop` command: arguments in, text and exit status out.

mod args;
mod check_in;
mod commands;
mod configuration;
mod engine_client;
mod exit;
mod export;
mod failure;
mod journal_tail;
mod log_tail;
mod out;
mod place;
mod priority;
mod record_types;
mod render;
mod report;
mod statement;
mod traces;
mod watch;

use args::{Cli, Command};
use clap::Parser as _;
use exit::Exit;
use failstop_engine::doors::control::wire::ComponentVerb;
use failure::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

// No thread and no runtime starts before a command is chosen: `run` forks its guard first.
fn main() -> ExitCode {
    // As the first process of a component's namespace it is no command at all.
    if let Some(status) = failstop_engine::process::init::run_if_first() {
        return status;
    }
    // As the process that runs emergency actions neither.
    if let Some(status) = failstop_engine::emergency::runner::run_if_runner() {
        return status;
    }
    let cli = match Cli::try_parse_from(asked(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, the rest is usage.
            let printed = out::judge(error.print());
            return match printed {
                // To whoever watches, 2 means critical: what keeps `status` from finding out is a 3.
                _ if error.use_stderr() && std::env::args_os().nth(1).is_some_and(|command| command == "status") => {
                    Exit::Unknown.into()
                }
                _ if error.use_stderr() => Exit::Usage.into(),
                Ok(_) => Exit::Good.into(),
                Err(failure) => {
                    out::complain(&failure.report());
                    failure.exit().into()
                }
            };
        }
    };
    dispatch(cli.command).unwrap_or_else(|failure| {
        out::complain(&failure.report());
        failure.exit().into()
    })
}

/// `failstop help config set` asks for what `failstop config set --help` does.
fn asked(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|word| word == "help") {
        words.remove(1);
        words.push("--help".into());
    }
    words
}

fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    let exit = match command {
        Command::Run(args) => return commands::run::run(args),
        Command::Init(args) => commands::init::init(&args),
        Command::Check(args) => commands::check::check(&args),
        Command::VerifyData(args) => commands::verify_data::verify_data(&args),
        Command::Journal(args) => commands::journal::journal(&args.action),
        Command::Status(args) => commands::status::status(&args),
        Command::KillSwitch(args) => commands::kill_switch::kill_switch(args.action),
        Command::Resume(args) => commands::resume::resume(args),
        Command::Config(args) => commands::config::config(args.action),
        Command::Mode(args) => commands::mode::mode(args.mode),
        Command::Maintenance(args) => commands::maintenance::maintenance(args.action),
        Command::Token(args) => commands::token::token(args.action),
        Command::Alerts(args) => commands::alerts::alerts(args.action),
        Command::Ps(args) => commands::ps::ps(&args),
        Command::Stop(args) => commands::component::component(ComponentVerb::Stop, args),
        Command::Start(args) => commands::component::component(ComponentVerb::Start, args),
        Command::Restart(args) => commands::component::component(ComponentVerb::Restart, args),
        Command::Reload(args) => commands::component::component(ComponentVerb::Reload, args),
        Command::Events(args) => commands::events::events(&args),
        Command::Export(args) => commands::export::export(&args),
        Command::Report(args) => commands::report::report(&args),
        Command::Logs(args) => commands::logs::logs(&args),
        Command::Snapshot(args) => commands::snapshot::snapshot(args.action),
        Command::Orders(args) => commands::orders::orders(args.action),
        Command::Import(args) => commands::import::import(&args),
        Command::Send(args) => commands::send::send(&args),
        Command::Gate(args) => commands::gate::gate(&args),
        Command::Limits(args) => commands::limits::limits(args.action),
        Command::Breaker(args) => commands::breaker::breaker(args.action),
        Command::Completions(args) => commands::completions::completions(&args),
    };
    exit.map(ExitCode::from)
}
