//! `failstop config`.

use super::{Format, PlaceArgs, help, help_within};
use clap::{Args, Subcommand};

/// `failstop config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Show every value that is in force
    #[command(after_help = help_within::CONFIG_SHOW)]
    Show {
        /// What the file comes to, without asking an engine
        #[arg(long)]
        file: bool,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Print the value of one key
    #[command(after_help = help_within::CONFIG_GET)]
    Get {
        /// Which, as in health.every or component.bot.stop_grace
        #[arg(value_name = "KEY")]
        key: String,
        /// What the file comes to, without asking an engine
        #[arg(long)]
        file: bool,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Say whether the file is a configuration
    #[command(after_help = help_within::CONFIG_CHECK)]
    Check {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Show what of the file is not in force, and whether a reload would take it
    #[command(after_help = help::CONFIG_DIFF_HELP)]
    Diff {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Have the file read now, and taken: whole or not at all
    #[command(after_help = help::CONFIG_RELOAD_HELP)]
    Reload {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// List the versions that were in force
    #[command(after_help = help_within::CONFIG_HISTORY)]
    History {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Put an earlier version in the place of the file, and have it taken
    #[command(after_help = help::CONFIG_ROLLBACK_HELP)]
    Rollback {
        /// Which, as `failstop config history` numbers them [default: the last that the file is not]
        #[arg(value_name = "N")]
        number: Option<u64>,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Print the JSON Schema of a configuration, for editors
    #[command(after_help = help_within::CONFIG_SCHEMA)]
    Schema,
    /// Set one key in the file, leave the rest as it is, and have it taken
    #[command(after_help = help::CONFIG_SET_HELP)]
    Set {
        /// Which, as in health.every or component.bot.stop_grace
        #[arg(value_name = "KEY")]
        key: String,
        /// Its value, as TOML writes it; a text needs no quotes
        #[arg(value_name = "VALUE", allow_negative_numbers = true)]
        value: String,
        /// Write it although a key needs a restart: until then no other change of the file is taken
        #[arg(long, conflicts_with = "no_persist")]
        at_restart: bool,
        /// Leave the file alone: it holds until this engine ends
        #[arg(long)]
        no_persist: bool,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
}
