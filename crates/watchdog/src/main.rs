//! The `failstop-watchdog` command.

#![forbid(unsafe_code)]

mod args;

use args::{Command, FormatWord, SeverityWord, Watchdog, Witness};
use clap::Parser as _;
use failstop_notify::Severity;
use failstop_watchdog::commands::{self, Place};
use failstop_watchdog::exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Watchdog { config, command } = Watchdog::parse();
    let place = Place::of(config);
    let status = match command {
        None => commands::run(&place),
        Some(Command::Check) => commands::check(&place),
        Some(Command::Status(format)) => commands::status(&place, format.format == FormatWord::Json),
        Some(Command::TestAlert { channel }) => commands::test_alert(&place, channel),
        Some(Command::Release { target }) => commands::release(&place, &target),
        Some(Command::Ack { id }) => commands::ack(&place, &id),
        Some(Command::Silence { target, duration, reason }) => commands::silence(&place, &target, &duration, &reason),
        Some(Command::Resume { target }) => commands::resume(&place, &target),
        Some(Command::Witness(Witness::Export { origin, output })) => {
            commands::export(&place, &origin, output.as_deref())
        }
        Some(Command::Actuate { ssh: false }) => commands::actuate(&place),
        Some(Command::Actuate { ssh: true }) => commands::actuate_ssh(&place),
        Some(Command::Drill { severity }) => {
            let severity = match severity {
                SeverityWord::Critical => Severity::Critical,
                SeverityWord::Warning => Severity::Warning,
                SeverityWord::Info => Severity::Info,
            };
            commands::drill(&place, severity)
        }
        Some(Command::Reference) => {
            commands::out(&failstop_watchdog::config::reference());
            exit::GOOD
        }
    };
    ExitCode::from(status)
}
