//! What may be typed after the commands about capital: `snapshot`, `orders`, `import`.

use super::{Format, PlaceArgs, StateArgs, help_within, not_blank};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `failstop snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: SnapshotAction,
}

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotAction {
    /// Take one now, beside the daily one
    #[command(after_help = help_within::SNAPSHOT_TAKE)]
    Take {
        /// Why; it goes into the journal
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: Option<String>,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Show those there are, and what is wrong with any of them
    #[command(after_help = help_within::SNAPSHOT_LIST)]
    List {
        /// Which system.
        #[command(flatten)]
        place: StateArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Print one
    #[command(after_help = help_within::SNAPSHOT_SHOW)]
    Show {
        /// Which: its record, the day that it closes, or its file's name [default: the last]
        #[arg(value_name = "SNAPSHOT")]
        snapshot: Option<String>,
        /// Which system.
        #[command(flatten)]
        place: StateArgs,
        /// How it is printed; json is the file as it is
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
}

/// `failstop orders`.
#[derive(Debug, Args)]
pub struct OrdersArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: OrdersAction,
}

/// What to do with orders.
#[derive(Debug, Subcommand)]
pub enum OrdersAction {
    /// Show those whose end is not recorded, those in doubt first
    #[command(after_help = help_within::ORDERS_LIST)]
    List {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Confirm one that was refused since it is worth more than `confirm_above`; the bot then sends it again
    #[command(after_help = help_within::ORDERS_CONFIRM)]
    Confirm {
        /// Which: the bot's own id, as `failstop status --section risk` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Say what became of one, as found out at the venue
    #[command(after_help = help_within::ORDERS_RESOLVE)]
    Resolve {
        /// Which, as `failstop orders list` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// What became of it
        #[arg(long, value_name = "O", value_enum)]
        outcome: OrderOutcome,
        /// Why that is believed; it goes into the journal
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderOutcome {
    /// The venue has it, and it may still be filled
    Accepted,
    /// Filled whole
    Filled,
    /// Cancelled, perhaps after fills
    Cancelled,
    /// The venue refused it
    Rejected,
    /// Its time at the venue was up
    Expired,
    /// It never reached the venue
    NotSent,
}

/// `failstop import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What the venue states, as JSON or CSV; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The account that it is of, where the file names none
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// It names everything: what it does not name is nothing
    #[arg(long)]
    pub complete: bool,
    /// The time that it is of, as the venue writes it
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
    /// It is true and the book is not: what differs is booked against suspense, so that both agree
    #[arg(long, requires = "reason")]
    pub correct: bool,
    /// Why the book is wrong; it goes into the journal
    #[arg(long, value_name = "TEXT", value_parser = not_blank, requires = "correct")]
    pub reason: Option<String>,
    /// The pool whose part changes, where that is not plain
    #[arg(long, value_name = "NAME", requires = "correct")]
    pub pool: Option<String>,
    /// How the outcome is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
    /// Which system.
    #[command(flatten)]
    pub place: PlaceArgs,
}
