//! What may be typed after the commands about the gate: `gate`, `limits`, `orders confirm`, `status --section`.

use super::{Format, PlaceArgs, not_blank};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// `failstop gate`.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// The order as one JSON object with the keys of the bot socket's `order`; `-` reads it from standard input
    #[arg(long, value_name = "ORDER", conflicts_with = "fields")]
    pub json: Option<String>,
    /// The order, key by key
    #[arg(value_name = "KEY=VALUE", value_parser = super::key_value)]
    pub fields: Vec<(String, String)>,
    /// How the answer is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
    /// The bot socket [default: $FAILSTOP_SOCKET]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// `failstop limits`.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: LimitsAction,
}

/// What to do with limits.
#[derive(Debug, Subcommand)]
pub enum LimitsAction {
    /// Show every limit that is set, what is used of it, and the overrides that stand
    List {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Give a limit another value for a while
    Override {
        /// Which limit, as the configuration names it
        #[arg(value_name = "NAME")]
        name: String,
        /// Its value, as the configuration would have it; or `waived`
        #[arg(value_name = "VALUE")]
        value: String,
        /// For how long: `30m`, `4h`; at most 168h
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        span: Duration,
        /// Why; it goes into the journal
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
        /// The limit of this component, not of the system
        #[arg(long, value_name = "NAME", group = "whose")]
        component: Option<String>,
        /// The limit of this instrument, not of the system
        #[arg(long, value_name = "NAME", group = "whose")]
        instrument: Option<String>,
        /// The limit of this user, not of the system
        #[arg(long, value_name = "NAME", group = "whose")]
        user: Option<String>,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// End an override before its time
    End {
        /// Which, as `failstop limits list` shows it
        #[arg(value_name = "OVERRIDE")]
        name: String,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// One part of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// Limits and what is used of them, results, overrides, orders that wait to be confirmed
    Risk,
    /// What is used of each rate, and of the venue's request budgets
    Rates,
    /// Prices, source by source
    Feeds,
}

/// A span as the configuration writes it: `30s`, `5m`, `4h`.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = [("s", 1), ("m", 60), ("h", 3_600)].iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u64>().ok().filter(|_| plain)?.checked_mul(*seconds)
    });
    seconds
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a duration above zero, such as 30m or 4h".to_owned())
}
