//! What may be typed after `failstop-watchdog`.
//!
//! Pure definitions: nothing here but clap's derive, so that the completions and the manual pages are generated from the same
//! words that the program parses.

use clap::builder::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  failstop-watchdog --config watchdog.toml
  HEALTH_CHECK_URL=http://bot-host:8080/health failstop-watchdog
  failstop-watchdog check
  failstop-watchdog test-alert
  failstop-watchdog silence demo --for 30m --reason 'new disk'

Without a command it watches until SIGTERM. The configuration is --config, $FAILSTOP_WATCHDOG_CONFIG or
./watchdog.toml; without any of them the environment: HEALTH_CHECK_URL, CHECK_INTERVAL, FAILURE_THRESHOLD,
STATE_DIR, TELEGRAM_BOT_TOKEN, TELEGRAM_CHAT_ID, SLACK_WEBHOOK_URL, PAGERDUTY_ROUTING_KEY (or
PAGERDUTY_API_KEY, PAGERDUTY_SERVICE_ID, PAGERDUTY_FROM), SMTP_URL, SMTP_PASSWORD, SMTP_FROM, SMTP_TO.

Exit status:
  0  good, or done
  1  the answer is no, or refused
  2  usage, or a configuration that cannot be used
  3  could not find out, or no watchdog runs";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "failstop-watchdog",
    version,
    about = "Watch failstop systems from another machine, restart them within strict limits, tell people",
    after_help = AFTER_HELP,
    styles = Styles::plain(),
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Watchdog {
    /// The configuration
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// What to do; without it, watch
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the configuration, its keys and its secrets, and say what is and is not covered
    #[command(
        after_help = "Examples:\n  failstop-watchdog check --config watchdog.toml && systemctl restart failstop-watchdog\n\nExit status: 0 good, 1 something is not, 2 the configuration cannot be used."
    )]
    Check,

    /// Show how everything stands
    #[command(
        after_help = "Examples:\n  failstop-watchdog status\n  failstop-watchdog status --format json | jq '.targets[] | select(.state != \"up\")'\n\nExit status: 0 all up, 1 something is unknown or in maintenance, 2 something is down, 3 no watchdog answers."
    )]
    Status(Format),

    /// Send a marked test message through the running watchdog, and say what each service answered
    #[command(
        after_help = "Examples:\n  failstop-watchdog test-alert\n  failstop-watchdog test-alert --channel telegram\n\nExit status: 0 every service took it, 1 one did not, 2 usage, 3 no watchdog answers."
    )]
    TestAlert {
        /// Only this channel
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
    },

    /// Release a held target: its restarts are counted anew, and the journal that it has now is accepted
    #[command(
        after_help = "Examples:\n  failstop-watchdog release demo\n\nExit status: 0 done, 1 refused, 2 usage, 3 no watchdog answers."
    )]
    Release {
        /// Which
        target: String,
    },

    /// Acknowledge an incident: reminders and escalation end
    #[command(
        after_help = "Examples:\n  failstop-watchdog ack demo/target-down/7\n\nExit status: 0 done, 1 refused, 2 usage, 3 no watchdog answers."
    )]
    Ack {
        /// The incident's key, as in the alert
        id: String,
    },

    /// Silence a target for a while: nobody is told of it, and it is not restarted
    #[command(
        after_help = "Examples:\n  failstop-watchdog silence demo --for 30m --reason 'new disk'\n\nAt most a week. At its end the target is compared with what it was before.\n\nExit status: 0 done, 1 refused, 2 usage, 3 no watchdog answers."
    )]
    Silence {
        /// Which
        target: String,
        /// For how long: 30m, 4h
        #[arg(long = "for", value_name = "DURATION")]
        duration: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },

    /// End a silence
    #[command(
        after_help = "Examples:\n  failstop-watchdog resume demo\n\nExit status: 0 done, 1 refused, 2 usage, 3 no watchdog answers."
    )]
    Resume {
        /// Which
        target: String,
    },

    /// What is remembered of a system's journal
    #[command(subcommand)]
    Witness(Witness),

    /// Be the responder on a bot's host: signed stop, kill and start of the units in the configuration
    #[command(
        after_help = "Examples:\n  failstop-watchdog actuate --config actuate.toml\n\nAs a forced command of ssh, in authorized_keys:\n  restrict,command=\"failstop-watchdog actuate --ssh --config /etc/failstop/actuate.toml\" ssh-ed25519 AAAA...\nThen, from the watchdog's host:  ssh bot-host stop demo   (also: kill demo, start demo, status demo)\n\nExit status with --ssh: 0 proved, 3 not, 4 refused, 5 stopped on purpose."
    )]
    Actuate {
        /// Carry out the one command in $SSH_ORIGINAL_COMMAND, print its receipt, and end
        #[arg(long)]
        ssh: bool,
    },

    /// Rehearse: an incident goes all the way to people and ends; every key and way of restarting is tried, and nothing is touched
    #[command(
        after_help = "Examples:\n  failstop-watchdog drill\n  failstop-watchdog drill --severity warning\n\nThe incident is marked as a drill, and goes where the routes send a real one. Engines and responders are only\nasked how they are. To try every channel past the routes: failstop-watchdog test-alert.\n\nExit status: 0 everything answered as it should, 1 something did not, 3 no watchdog answers."
    )]
    Drill {
        /// As bad as a real one that is this
        #[arg(long, value_enum, default_value_t = SeverityWord::Critical)]
        severity: SeverityWord,
    },

    /// Print the reference of the configuration
    #[command(hide = true)]
    Reference,
}

/// What is remembered of a system's journal.
#[derive(Debug, Subcommand)]
pub enum Witness {
    /// Write it as a file for `failstop verify-data --witness FILE`
    #[command(
        after_help = "Examples:\n  failstop-watchdog witness export demo --output demo.witness.json\n\nExit status: 0 written, 2 usage, 3 nothing is known of it, or it cannot be written."
    )]
    Export {
        /// Which system
        origin: String,
        /// Where to; standard output without it
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// How an answer is printed.
#[derive(Debug, Args)]
pub struct Format {
    /// text or json
    #[arg(long, value_enum, default_value_t = FormatWord::Text)]
    pub format: FormatWord,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatWord {
    /// For people
    Text,
    /// For scripts
    Json,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SeverityWord {
    /// Act now
    Critical,
    /// Something will be at risk if nobody acts
    Warning,
    /// Good to know
    Info,
}
