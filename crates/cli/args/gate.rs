//! What may be typed after the commands about the gate: `gate`, `limits`, `orders confirm`, `status --section`.

use super::{Format, PlaceArgs, help_within, not_blank};
use clap::{Args, Subcommand, ValueEnum};
use failstop_settings::parse_duration;
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
    #[command(after_help = help_within::LIMITS_LIST)]
    List {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Give a limit another value for a while
    #[command(after_help = help_within::LIMITS_OVERRIDE)]
    Override {
        /// Which limit, as the configuration names it
        #[arg(value_name = "NAME")]
        name: String,
        /// Its value, as the configuration would have it; or `waived`
        #[arg(value_name = "VALUE", allow_negative_numbers = true)]
        value: String,
        /// For how long: `30m`, `4h`, `2d`; at most 7d
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
    #[command(after_help = help_within::LIMITS_END)]
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

/// The longest that an override or maintenance may last. The engine has the same bound.
pub(crate) const FOR_MAX: Duration = Duration::from_secs(168 * 3_600);

/// A span as the configuration writes it, in whole seconds, or in days as `--since` has them: `30s`, `5m`, `4h`, `7d`; at most
/// [`FOR_MAX`].
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let fits = |span: &Duration| !span.is_zero() && span.subsec_nanos() == 0;
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let days = days.and_then(|days| days.checked_mul(86_400)).map(Duration::from_secs);
    let meant = match days.map_or_else(|| parse_duration(text), Ok) {
        Ok(span) if span > FOR_MAX => return Err("at most 168h, which is 7d: it is for a while".to_owned()),
        Ok(span) if fits(&span) => return Ok(span),
        Ok(_) => None,
        Err(meant) => meant.filter(|meant| parse_duration(meant).is_ok_and(|span| fits(&span) && span <= FOR_MAX)),
    };
    let such = meant.unwrap_or_else(|| "30m, 4h or 2d".to_owned());
    Err(format!("expected a duration of whole seconds above zero, such as {such}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_whole_seconds_above_zero() {
        for (text, seconds) in [
            ("30s", 30),
            ("30m", 1_800),
            ("4h", 14_400),
            ("5000ms", 5),
            ("2d", 172_800),
            ("168h", 604_800),
            ("7d", 604_800),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, such) in [
            ("2 h", "2h"),
            ("2 days", "48h"),
            ("0d", "30m"),
            ("-1d", "30m"),
            ("99999 days", "30m"),
            ("0h", "30m"),
            ("1500ms", "30m"),
            ("0.5s", "30m"),
            ("+5m", "30m"),
            ("", "30m"),
        ] {
            let wrong = duration(text).err().unwrap_or_default();
            assert!(wrong.contains(&format!("whole seconds above zero, such as {such}")), "{text}: {wrong}");
        }
        // What is too long is not proposed in other units.
        for text in ["8d", "169h", "604801s", "99999999999999999999d"] {
            let wrong = duration(text).err().unwrap_or_default();
            assert!(wrong.contains("at most 168h") || text.len() > 8 && wrong.contains("30m"), "{text}: {wrong}");
        }
    }
}
