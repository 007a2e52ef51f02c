//! What may be typed after `failstop-watchdog`.
//!
//! Pure definitions: nothing here but clap's derive, so that the completions and the manual page are generated from the
//! same words that the program parses.

use clap::Parser;
use clap::builder::Styles;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
This version does not watch anything yet: it says so and ends with status 3.

Exit status:
  2  usage
  3  could not do its work";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "failstop-watchdog",
    version,
    about = "Watch failstop systems from another machine",
    after_help = AFTER_HELP,
    styles = Styles::plain(),
    max_term_width = 100
)]
pub struct Watchdog {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
