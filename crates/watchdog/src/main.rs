//! The `failstop-watchdog` command, for a second machine: so far it only says that it does not watch anything yet, and
//! fails, so that nobody mistakes its presence for being watched.

#![forbid(unsafe_code)]

mod args;

use args::Watchdog;
use clap::Parser as _;
use std::io::Write as _;
use std::process::ExitCode;

/// It could not do its work.
const COULD_NOT: u8 = 3;

fn main() -> ExitCode {
    let config = Watchdog::parse().config;
    let unread = config.map(|path| format!("\n  {} was not read", path.display())).unwrap_or_default();
    // Where standard error is closed there is nobody left to tell; the status still says it.
    let _ = writeln!(
        std::io::stderr(),
        "error: this version of failstop-watchdog does not watch anything yet{unread}\n  \
         next: watch /healthz of the observe address with what you have (`failstop status --nagios`, an HTTP check)"
    );
    ExitCode::from(COULD_NOT)
}
