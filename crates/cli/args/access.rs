//! What may be typed after `mode`, `maintenance`, `breaker` and `token`, and to say which system on another host.

use super::gate::duration;
use super::{ConfigArg, Format, PlaceArgs, help_within, not_blank};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// A system on another host, by its control listener.
#[derive(Clone, Debug, Default, Args)]
pub struct RemoteArgs {
    /// The control listener of a system on another host, as in https://bot-host:8443
    #[arg(long, value_name = "URL", requires = "token_file", conflicts_with_all = ["config", "state", "runtime"])]
    pub url: Option<String>,
    /// The file with the token to show there
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,
    /// The authority that signed its certificate, PEM, beside those of the web
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca: Option<PathBuf>,
}

/// `failstop mode`.
#[derive(Debug, Args)]
pub struct ModeArgs {
    /// Which mode.
    #[command(subcommand)]
    pub mode: ModeChoice,
}

/// The execution mode.
#[derive(Debug, Subcommand)]
pub enum ModeChoice {
    /// Paper only: no order reaches the exchange
    #[command(after_help = help_within::MODE_DRY)]
    Dry {
        /// Why; it goes into the journal
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: Option<String>,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Real orders, whenever the permission allows
    #[command(after_help = help_within::MODE_LIVE)]
    Live {
        /// The system's name, typed out
        #[arg(long, value_name = "NAME-OF-SYSTEM")]
        confirm: String,
        /// Why; it goes into the journal
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: Option<String>,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// `failstop maintenance`.
#[derive(Debug, Args)]
pub struct MaintenanceArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: MaintenanceAction,
}

/// Begin or end it.
#[derive(Debug, Subcommand)]
pub enum MaintenanceAction {
    /// Suppress restarts and alerts for a while; nothing is opened meanwhile
    #[command(after_help = help_within::MAINTENANCE_ON)]
    On {
        /// For how long: `30m`, `4h`, `2d`; at most 7d
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        span: Duration,
        /// Why; it goes into the journal and to the bots
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
        /// Let trading go on meanwhile
        #[arg(long)]
        keep_trading: bool,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// End it before its time
    #[command(after_help = help_within::MAINTENANCE_OFF)]
    Off {
        /// Why; it goes into the journal
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: Option<String>,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// `failstop token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: TokenAction,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenAction {
    /// Make one, print it once, and write its hash to the token file
    #[command(after_help = help_within::TOKEN_NEW)]
    New {
        /// Whose it is, or what for: letters, digits, `-`, `_` and `.`
        #[arg(value_name = "NAME")]
        name: String,
        /// What it may do
        #[arg(long, value_name = "ROLE", value_enum)]
        role: RoleName,
        /// Where its hash goes.
        #[command(flatten)]
        file: RosterArgs,
    },
    /// Show which there are
    #[command(after_help = help_within::TOKEN_LIST)]
    List {
        /// Where their hashes are.
        #[command(flatten)]
        file: RosterArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Take one out: with its next request it is nobody's
    #[command(after_help = help_within::TOKEN_REVOKE)]
    Revoke {
        /// Which
        #[arg(value_name = "NAME")]
        name: String,
        /// Where its hash is.
        #[command(flatten)]
        file: RosterArgs,
    },
}

/// The file with the hashes of tokens.
#[derive(Clone, Debug, Args)]
pub struct RosterArgs {
    /// The configuration, whose [control] token_file it is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The token file, without any configuration
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub file: Option<PathBuf>,
}

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// May look
    Viewer,
    /// May stop, and whatever does not loosen for the whole system
    Admin,
    /// May release, resume, go live, suspend the watch
    SuperAdmin,
}

/// `failstop breaker`.
#[derive(Debug, Args)]
pub struct BreakerArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: BreakerAction,
}

/// What to do with the breaker.
#[derive(Debug, Subcommand)]
pub enum BreakerAction {
    /// Say whether it has tripped, why, and when it tries to come back
    #[command(after_help = help_within::BREAKER_STATUS)]
    Status {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Have everything shown again
    #[command(after_help = help_within::BREAKER_RESET)]
    Reset {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
}
