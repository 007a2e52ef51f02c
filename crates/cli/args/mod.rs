//! What may be typed after `failstop`: every command, flag and value, and the help that says so.
//!
//! Pure definitions: nothing here but clap's derive, so that the completions and the manual pages are generated from
//! the same words that the program parses. Names are API: more may come, none changes its meaning.

use clap::builder::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

pub mod access;
pub mod capital;
pub mod config;
pub mod gate;
mod help;
mod help_orders;
mod help_within;
pub mod journal;

use access::{BreakerArgs, MaintenanceArgs, ModeArgs, RemoteArgs, TokenArgs};
use capital::{ImportArgs, OrdersArgs, SnapshotArgs};
use config::ConfigArgs;
use gate::{GateArgs, LimitsArgs, Section};
use journal::{EventsArgs, ExportArgs, JournalArgs, LogsArgs, ReportArgs, VerifyArgs};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "failstop",
    version,
    about = help::ABOUT,
    long_about = help::LONG_ABOUT,
    after_help = help::ROOT_HELP,
    styles = Styles::plain(),
    max_term_width = 100,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented configuration for a bot
    #[command(after_help = help::INIT_HELP)]
    Init(InitArgs),
    /// Run the bot under failstop
    #[command(after_help = help::RUN_HELP)]
    Run(RunArgs),
    /// Test the configuration and the host, as `run` does at its start
    #[command(after_help = help::CHECK_HELP)]
    Check(CheckArgs),
    /// Verify the journal, from its first record to its last
    #[command(after_help = help::VERIFY_HELP)]
    VerifyData(VerifyArgs),
    /// Put a journal that does not verify aside
    #[command(after_help = journal::JOURNAL_HELP, subcommand_required = true, arg_required_else_help = true)]
    Journal(JournalArgs),
    /// Show what the system may do, why, and what it does
    #[command(after_help = help::STATUS_HELP)]
    Status(StatusArgs),
    /// Stop all trading at once, in whatever state the engine is
    #[command(after_help = help::KILL_HELP, subcommand_required = true, arg_required_else_help = true)]
    KillSwitch(KillSwitchArgs),
    /// Release latched halts, with a reason
    #[command(after_help = help::RESUME_HELP)]
    Resume(ResumeArgs),
    /// Show the configuration, compare, change and take it while the engine runs
    #[command(after_help = help::CONFIG_HELP, subcommand_required = true, arg_required_else_help = true)]
    Config(ConfigArgs),
    /// Choose between paper and real orders
    #[command(after_help = help::MODE_HELP, subcommand_required = true, arg_required_else_help = true)]
    Mode(ModeArgs),
    /// Begin or end a time in which failstop leaves the system alone
    #[command(after_help = help::MAINTENANCE_HELP, subcommand_required = true, arg_required_else_help = true)]
    Maintenance(MaintenanceArgs),
    /// Make tokens for people and programs on other hosts, show which there are, revoke one
    #[command(after_help = help::TOKEN_HELP, subcommand_required = true, arg_required_else_help = true)]
    Token(TokenArgs),
    /// Show what people were told, take an incident on, or try the channels
    #[command(after_help = help::ALERTS_HELP, subcommand_required = true, arg_required_else_help = true)]
    Alerts(AlertsArgs),
    /// Show every process under its component, with what it uses
    #[command(after_help = help::PS_HELP)]
    Ps(PsArgs),
    /// Stop components, and keep them stopped
    #[command(after_help = help::STOP_HELP)]
    Stop(ComponentArgs),
    /// Start components that an operator stopped
    #[command(after_help = help::START_HELP)]
    Start(ComponentArgs),
    /// Stop and start components
    #[command(after_help = help::RESTART_HELP)]
    Restart(ComponentArgs),
    /// Ask components to read their configuration again
    #[command(after_help = help::RELOAD_HELP)]
    Reload(ComponentArgs),
    /// Print the journal's records
    #[command(after_help = help::EVENTS_HELP)]
    Events(EventsArgs),
    /// Write a slice of the journal as CSV or Parquet
    #[command(after_help = help::EXPORT_HELP)]
    Export(ExportArgs),
    /// Sum up a time: what was allowed, what failed, what people were told
    #[command(after_help = help::REPORT_HELP)]
    Report(ReportArgs),
    /// Print what components wrote to standard output and standard error
    #[command(after_help = help::LOGS_HELP)]
    Logs(LogsArgs),
    /// Take a snapshot of capital, positions and halts, or look at those there are
    #[command(after_help = help_orders::SNAPSHOT_HELP, subcommand_required = true, arg_required_else_help = true)]
    Snapshot(SnapshotArgs),
    /// Show open orders, and say what became of one that is in doubt
    #[command(after_help = help_orders::ORDERS_HELP, subcommand_required = true, arg_required_else_help = true)]
    Orders(OrdersArgs),
    /// Compare a venue's statement with the book, or take over what became of orders
    #[command(after_help = help_orders::IMPORT_HELP)]
    Import(ImportArgs),
    /// Say something to the engine from a bot that is a shell script
    #[command(after_help = help::SEND_HELP)]
    Send(SendArgs),
    /// Ask whether an order may be sent, from a bot that is a shell script
    #[command(after_help = help_orders::GATE_HELP)]
    Gate(GateArgs),
    /// Show what is used of each limit, or give one another value for a while
    #[command(after_help = help_orders::LIMITS_HELP, subcommand_required = true, arg_required_else_help = true)]
    Limits(LimitsArgs),
    /// Show whether the dashboard gives way to a busy host, or have everything shown again
    #[command(after_help = help_orders::BREAKER_HELP, subcommand_required = true, arg_required_else_help = true)]
    Breaker(BreakerArgs),
    /// Print the completions for a shell
    #[command(after_help = help::COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// How a bot places its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Orders {
    /// After asking the permit before each
    Asks,
    /// By itself, asking nobody: it runs only while the permission is active and the mode live
    Direct,
    /// Never
    None,
}

/// How the outcome of the checks is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// A JUnit report for CI
    Junit,
    /// Annotations for GitHub's CI
    Github,
}

/// Which system: by its configuration.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArg {
    /// The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Which system: by its configuration, or by its directories where that cannot be read.
#[derive(Clone, Debug, Default, Args)]
pub struct PlaceArgs {
    /// The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The state directory, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// The runtime directory, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    pub runtime: Option<PathBuf>,
    /// Or a system on another host.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Which system, for what reads files alone: by its configuration, or by its state directory.
#[derive(Clone, Debug, Default, Args)]
pub struct StateArgs {
    /// The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    pub config: Option<PathBuf>,
    /// The state directory, without any configuration
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// `failstop init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write it; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "failstop.toml")]
    pub output: PathBuf,
    /// The system's name: letters, digits, `-` and `_` [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How the bot places its orders
    #[arg(long, value_name = "HOW", value_enum)]
    pub orders: Option<Orders>,
    /// The bot's command, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `failstop run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The profile whose defaults come before the file: production or development
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Where the observe address listens, instead of the configuration's [observe] listen
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Serve no page at `/` of the observe address
    #[arg(long)]
    pub no_dashboard: bool,
    /// The least severe log lines to print
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,
    /// How log lines are printed
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log_format: Option<Format>,
    /// Override one setting, as in `--set health.errors_per_minute=20`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// End with status 5 on a fail-safe shutdown, instead of staying up and answering
    #[arg(long)]
    pub exit_on_failsafe: bool,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Failures only
    Error,
    /// And what needs attention
    Warn,
    /// And what happens
    Info,
    /// And how
    Debug,
    /// And everything
    Trace,
}

/// `failstop check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Skip the checks that need a network
    #[arg(long)]
    pub offline: bool,
    /// Run only these checks: names with commas between them; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave out these checks: names with commas between them; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "only")]
    pub skip: Vec<String>,
    /// Let a warning count as a failure
    #[arg(long)]
    pub strict: bool,
    /// How the outcome is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: CheckFormat,
}

/// `failstop status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["socket", "url"])]
    pub config: Option<PathBuf>,
    /// The engine's control socket, without any configuration
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    pub socket: Option<PathBuf>,
    /// The engine's observe address, as in http://127.0.0.1:8080, or its control listener, as in https://bot-host:8443
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The file with the token to show there, over TLS
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,
    /// The authority that signed its certificate, PEM, beside those of the web
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca: Option<PathBuf>,
    /// Print it again every two seconds until interrupted
    #[arg(long, conflicts_with = "nagios")]
    pub watch: bool,
    /// Print one part alone
    #[arg(long, value_name = "SECTION", value_enum, conflicts_with = "nagios")]
    pub section: Option<Section>,
    /// Print one line with performance data, as Nagios and its kin read it
    #[arg(long, conflicts_with = "format")]
    pub nagios: bool,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
}

/// `failstop kill-switch`.
#[derive(Debug, Args)]
pub struct KillSwitchArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub action: KillSwitchAction,
}

/// What to do with the kill switch.
#[derive(Debug, Subcommand)]
pub enum KillSwitchAction {
    /// Deny all orders and kill every process of every component, now
    #[command(after_help = help::ENGAGE_HELP)]
    Engage {
        /// Why; it goes into the latch and the journal
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Let the system run again, as far as its other halts allow
    #[command(after_help = help::RELEASE_HELP)]
    Release {
        /// Why; it goes into the journal
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
        /// The system's name, typed out
        #[arg(long, value_name = "NAME-OF-SYSTEM")]
        confirm: String,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Rehearse the emergency actions: nothing is revoked, stopped or latched
    #[command(after_help = help::DRILL_HELP)]
    Drill {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Say whether it is engaged, by whom, when and why
    #[command(after_help = help_within::KILL_STATUS)]
    Status {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
}

/// `failstop resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Which halt, as `failstop status` names it; may be repeated [default: all but the kill switch]
    #[arg(long = "halt", value_name = "ID", value_parser = halt_id)]
    pub halts: Vec<u64>,
    /// Why; it goes into the journal
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub reason: String,
    /// The system's name, typed out
    #[arg(long, value_name = "NAME-OF-SYSTEM")]
    pub confirm: String,
    /// Which system.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `failstop stop`, `start`, `restart` and `reload`.
#[derive(Debug, Args)]
pub struct ComponentArgs {
    /// Which components
    #[arg(value_name = "COMPONENT", required = true)]
    pub components: Vec<String>,
    /// Why; it goes into the journal. `start` needs one where an operator stopped the component
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub reason: Option<String>,
    /// Return when the order is recorded, not when it is carried out
    #[arg(long)]
    pub no_wait: bool,
    /// How the outcome is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
    /// Which system.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `failstop alerts`.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: AlertsAction,
}

/// What to do with alerts.
#[derive(Debug, Subcommand)]
pub enum AlertsAction {
    /// Show open incidents and the last that are over
    #[command(after_help = help_within::ALERTS_LIST)]
    List {
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
    /// Take an incident on: its reminders and its escalation end
    #[command(after_help = help_within::ALERTS_ACK)]
    Ack {
        /// Which, as `failstop alerts list` shows it; or a halt, as in h-31
        #[arg(value_name = "ID")]
        id: String,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Send a message marked as a drill, and say what became of it
    #[command(after_help = help_within::ALERTS_TEST)]
    Test {
        /// Only to this channel [default: all]
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// Which system.
        #[command(flatten)]
        place: PlaceArgs,
        /// How it is printed
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: Format,
    },
}

/// `failstop ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Which system.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
}

/// `failstop send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// What kind of message
    #[arg(value_name = "TYPE", value_enum)]
    pub kind: SendKind,
    /// What it says
    #[arg(value_name = "KEY=VALUE", value_parser = key_value)]
    pub fields: Vec<(String, String)>,
    /// The bot socket [default: $FAILSTOP_SOCKET]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// The messages of the bot socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SendKind {
    /// Who connects
    Hello,
    /// A sign of life
    Heartbeat,
    /// Market data arrived
    Tick,
    /// A number to watch
    Metric,
    /// The state of a part inside the bot
    Part,
    /// The state of the execution queue
    Queue,
    /// Something went wrong
    Error,
    /// Hold this bot back
    Halt,
    /// An entry for the journal
    Event,
    /// Capital changed
    Posting,
    /// An order was filled
    Fill,
    /// What an account holds
    Capital,
    /// What a position is
    Position,
    /// A strategy went to another state
    #[value(name = "strategy_state")]
    StrategyState,
    /// Take a snapshot
    #[value(name = "snapshot_request")]
    SnapshotRequest,
    /// A price
    Price,
    /// How much of the venue's request budget is used
    #[value(name = "api_usage")]
    ApiUsage,
    /// What became of an order
    #[value(name = "order_result")]
    OrderResult,
    /// May something else be done now
    Rate,
    /// What may I do now
    #[value(alias = "permission?")]
    Permission,
}

/// `failstop completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: ShellName,
}

/// A shell that completions are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// GNU bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// A reason that says nothing is no reason.
fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("a reason in words is needed, since it is recorded for those who come after".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// `h-31`, or just `31`.
fn halt_id(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("h-").unwrap_or(text);
    digits.parse().map_err(|_| "expected a halt as `failstop status` names it, such as h-31".to_owned())
}

/// `KEY=VALUE`, split at the first `=`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) => Err("there is no key before the `=`".to_owned()),
        None => Err("expected KEY=VALUE".to_owned()),
    }
}
