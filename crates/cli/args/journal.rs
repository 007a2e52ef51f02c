//! What may be typed after the commands that read what was recorded: `verify-data`, `events`, `report`, `export`, `logs`; and `journal`.

use super::{Format, StateArgs, not_blank};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `failstop verify-data`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which system.
    #[command(flatten)]
    pub place: StateArgs,
    /// Replay too: every payload, the ledger's rules, each snapshot byte for byte, ids that were used twice
    #[arg(long)]
    pub deep: bool,
    /// Let a warning count as a violation
    #[arg(long, requires = "deep")]
    pub strict: bool,
    /// Give way to other processes: lowest processor and disk priority
    #[arg(long)]
    pub nice: bool,
    /// Threads that read and hash [default: as many as there are processors, 1 with --nice]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Read only what came since this checkpoint, and some old segments each time; all of it where there is none yet
    #[arg(long, value_name = "FILE")]
    pub since_checkpoint: Option<PathBuf>,
    /// Write a checkpoint there when intact: the next run may go on from it
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Compare with what a witness remembers: its address, as in https://HOST:8081/witness/NAME, or a file that it exported
    #[arg(long, value_name = "URL|FILE")]
    pub witness: Option<String>,
    /// Tell this check-in when it begins and how it ended, as in https://HOST:8081/ping/nightly-verify
    #[arg(long, value_name = "URL")]
    pub check_in: Option<String>,
    /// Authorities that are trusted beside the usual ones by --witness and --check-in, in PEM form
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Print nothing when intact
    #[arg(long)]
    pub quiet: bool,
    /// How the outcome is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
}

/// `failstop journal`.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub action: JournalAction,
}

/// What to do with a journal.
#[derive(Debug, Subcommand)]
pub enum JournalAction {
    /// Put a journal that does not verify aside, and begin a new one with its latches
    #[command(after_help = RETIRE_HELP)]
    Retire(RetireArgs),
}

/// `failstop journal retire`.
#[derive(Debug, Args)]
pub struct RetireArgs {
    /// Why; it goes into the new journal
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub reason: String,
    /// The system's name, typed out
    #[arg(long, value_name = "NAME-OF-SYSTEM")]
    pub confirm: String,
    /// Which system.
    #[command(flatten)]
    pub place: StateArgs,
}

/// `failstop events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Which system.
    #[command(flatten)]
    pub place: StateArgs,
    /// Go on printing what is recorded from now on
    #[arg(long)]
    pub follow: bool,
    /// Only records of this type, or of all types below it, as in `halt` or `halt.raised`; may be repeated
    #[arg(long = "type", value_name = "T")]
    pub types: Vec<String>,
    /// Only records since then: a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only records that follow from this request or incident, by 8 digits or more of the name that an alert, a log line or
    /// the header `failstop-trace` gives it
    #[arg(long, value_name = "ID")]
    pub trace: Option<String>,
    /// How they are printed; json is the journal's own lines
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
}

/// `failstop report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Which system.
    #[command(flatten)]
    pub place: StateArgs,
    /// From when on: a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)
    #[arg(long, value_name = "WHEN", default_value = "7d")]
    pub since: String,
    /// Read the journal alone and ask no engine, as one does with a copy of it
    #[arg(long)]
    pub offline: bool,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
}

/// `failstop export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Which system.
    #[command(flatten)]
    pub place: StateArgs,
    /// The file; `-` is standard output, for CSV
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Its format [default: what the file's name ends with]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<ExportFormat>,
    /// Only records since then: a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only records before then
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Only records of this type, or of all types below it, as in `halt` or `halt.raised`; may be repeated
    #[arg(long = "type", value_name = "T")]
    pub types: Vec<String>,
}

/// `failstop logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Which components [default: all]
    #[arg(value_name = "COMPONENT")]
    pub components: Vec<String>,
    /// Which system.
    #[command(flatten)]
    pub place: StateArgs,
    /// Go on printing what is written from now on, over rotations
    #[arg(short, long)]
    pub follow: bool,
    /// At most so many lines of each component from before now [default: 100, or all with --since or --trace]
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Only what was written since then: a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only lines that have this name of a request or an incident in them: 8 digits of it or more
    #[arg(long, value_name = "ID")]
    pub trace: Option<String>,
}

/// What a slice of the journal is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// For spreadsheets
    Csv,
    /// For pandas, DuckDB and their kin
    Parquet,
}

/// Below the options of `journal`.
pub const JOURNAL_HELP: &str = "\
Exit status:
  0  done
  1  refused
  2  usage
  3  it could not be done

Examples:
  failstop journal retire --reason \"disk lost a sector, copy kept\" --confirm demo";

/// Below the options of `journal retire`.
pub const RETIRE_HELP: &str = "\
For a journal that `verify-data` finds damaged and of which there is no better copy. No engine may
run. Journal, snapshots, torn tails and checkpoints go to STATE/retired/ID and stay as they are;
`failstop verify-data --state STATE/retired/ID` reads them. The new journal names the old head and
carries over every latched halt that the old one still shows, the kill switch among them, and every
component that an operator keeps stopped. `new-journal` is latched besides, so that nothing trades
before `failstop resume`; live trading needs `failstop mode live` again. Balances, positions, open
orders and counted rates are not carried over. Interrupted, it is completed by the same command, and
no engine starts meanwhile.

Exit status:
  0  retired
  1  refused: an engine runs, processes of it are left, or there is no journal
  2  usage
  3  it could not be done; the message says what, and whether anything was moved

Examples:
  cp -a state /elsewhere/state && failstop verify-data --format json > violations.json
  failstop journal retire --reason \"disk lost a sector, copy kept\" --confirm demo
  failstop journal retire --state /var/lib/failstop/demo --reason \"bit rot\" --confirm demo";
