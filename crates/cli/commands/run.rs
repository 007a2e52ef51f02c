//! `failstop run`: hands what was typed to the engine, which forks its guard before anything else happens.

use crate::args::{Format, LogLevel, RunArgs};
use crate::configuration;
use crate::failure::Failure;
use failstop_engine::app::{self, RunOptions};
use failstop_engine::config::Overrides;
use std::process::ExitCode;

/// Runs until asked to stop. The exit statuses are named in [`failstop_engine::app::status`].
pub fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let config = configuration::path(args.config.config.as_deref())?;
    let overrides = Overrides {
        profile: args.profile,
        listen: args.listen,
        no_dashboard: args.no_dashboard,
        log_level: args.log_level.map(|level| level_name(level).to_owned()),
        log_format: args.log_format.map(|format| format_name(format).to_owned()),
        set: args.set,
        ..Overrides::from_environment()
    };
    Ok(app::run(&RunOptions { config, overrides, exit_on_failsafe: args.exit_on_failsafe }))
}

/// As the configuration writes it.
fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

/// As the configuration writes it.
fn format_name(format: Format) -> &'static str {
    match format {
        Format::Text => "text",
        Format::Json => "json",
    }
}
