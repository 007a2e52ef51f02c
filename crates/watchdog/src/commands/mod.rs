//! The commands: configuration in, text and an exit status out.

mod actuating;
mod asking;
mod checking;
mod drilling;
mod watching;

pub use actuating::{actuate, actuate_ssh};
pub use asking::{ack, export, release, resume, silence, status, test_alert};
pub use checking::check;
pub use drilling::drill;
pub use watching::run;

use crate::config::{Config, from_environment};
use crate::exit;
use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;

/// Where the configuration is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this file.
    File(PathBuf),
    /// In the environment alone.
    Environment,
}

impl Place {
    /// What was given, else `$FAILSTOP_WATCHDOG_CONFIG`, else `./watchdog.toml` where there is one, else the environment.
    pub fn of(given: Option<PathBuf>) -> Self {
        let usual = PathBuf::from("watchdog.toml");
        let named = std::env::var_os("FAILSTOP_WATCHDOG_CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from);
        match given.or(named) {
            Some(file) => Self::File(file),
            None if usual.exists() => Self::File(usual),
            None => Self::Environment,
        }
    }

    /// The configuration; where it cannot be used, what to say about it.
    fn load(&self) -> Result<Config, String> {
        match self {
            Self::File(file) => Config::load(file).map_err(|errors| errors.to_string()),
            Self::Environment => {
                Config::of(&from_environment(|name| std::env::var(name).ok())).map_err(|errors| errors.to_string())
            }
        }
    }
}

/// Text on standard output. Where nobody reads it, nothing is left to do.
pub fn out(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// An error for people, on standard error.
fn err(text: &str) {
    let _ = writeln!(std::io::stderr(), "error: {}", text.strip_prefix("error: ").unwrap_or(text));
}

/// Loads the configuration and goes on, or says what is wrong.
fn with_config(place: &Place, go_on: impl FnOnce(Config) -> u8) -> u8 {
    match place.load() {
        Ok(config) => go_on(config),
        Err(text) => {
            err(&text);
            exit::USAGE
        }
    }
}

/// Runs to its end on one thread.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
    let local = tokio::task::LocalSet::new();
    Ok(local.block_on(&runtime, future))
}

/// The same for a command that ends in an exit status.
fn to_status(future: impl Future<Output = u8>) -> u8 {
    match block_on(future) {
        Ok(status) => status,
        Err(error) => {
            err(&format!("cannot start: {error}"));
            exit::UNKNOWN
        }
    }
}
