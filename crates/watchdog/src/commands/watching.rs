//! The watchdog itself.

use super::{Place, err, to_status, with_config};
use crate::app::{self, RunError};
use crate::exit;

/// Watches until SIGTERM.
pub fn run(place: &Place) -> u8 {
    with_config(place, |config| {
        for notice in &config.notices {
            err(&format!("note: {notice}"));
        }
        to_status(async {
            match app::run(config).await {
                Ok(()) => exit::GOOD,
                Err(error) => {
                    err(&error.to_string());
                    match error {
                        RunError::Build(_) | RunError::Alerts(_) => exit::USAGE,
                        RunError::Disk(_) | RunError::Listen { .. } | RunError::Io { .. } => exit::UNKNOWN,
                    }
                }
            }
        })
    })
}
