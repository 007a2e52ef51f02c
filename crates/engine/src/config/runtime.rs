//! The engine's own sections: `[startup]`, `[journal]`, `[permit]`, `[output]`, `[log]`.

use failstop_settings::{Bytes, Choice, Consistent, Kind, Places, Reading, section, within, write_duration};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// What happens at start.
    pub struct Startup {
        /// When an endpoint, a dependency or the disk is not as it must be: "retry" goes on by itself once it is, "operator"
        /// waits for `failstop resume`.
        environment: Environment, default "retry";
    }
}

impl Consistent for Startup {}

/// What clears a failed environment check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// It is retried until it passes.
    Retry,
    /// An operator.
    Operator,
}

impl Choice for Environment {
    const WORDS: &'static [(&'static str, Self)] = &[("retry", Self::Retry), ("operator", Self::Operator)];
    const WANTED: &'static str = "\"retry\" or \"operator\"";
}

section! {
    /// The append-only, hash-chained event log.
    pub struct Journal {
        /// A segment is sealed and a new one begun at this size, and at midnight UTC.
        segment_max: Bytes, default "64MiB", within("128KiB", "1GiB");
        /// Space held back, so that a full disk can still be recorded.
        ballast: Bytes, default "64MiB", within("1MiB", "1GiB");
        /// How often a summary heartbeat is written.
        heartbeat_every: Duration, default "30s", within("1s", "10m");
        /// How often what is new in the journal is verified while the engine runs, and some of what is old again. On a
        /// busy host ([breaker]) it is put off by as long again, once.
        verify_every: Duration, default "1h", within("1s", "24h");
    }
}

impl Consistent for Journal {}

section! {
    /// The lease by which a bot may trade. A frozen, killed or swapped-out engine closes the gate by doing nothing.
    pub struct Permit {
        /// How long a permit is good for without renewal.
        lease: Duration, default "2s", within("100ms", "60s");
        /// How often it is renewed; less than half of the lease.
        renew: Duration, default "500ms", within("10ms", "30s");
    }
}

impl Consistent for Permit {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.renew * 2 >= self.lease {
            let quarter = Duration::from_millis(u64::try_from(self.lease.as_millis() / 4).unwrap_or(u64::MAX));
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["renew", "lease"]),
                format!(
                    "`renew` ({}) must be less than half of `lease` ({}) in {}",
                    write_duration(self.renew),
                    write_duration(self.lease),
                    places.label
                ),
                format!("write for example `renew = \"{}\"`", write_duration(quarter)),
            );
        }
    }
}

section! {
    /// What components write to standard output and standard error.
    pub struct Output {
        /// Where it goes: "files" (logs/NAME.log in the state directory, for `failstop logs`), "stdout" (failstop's own, each line
        /// with the component's name; where systemd leads that to its journal, as "journal"), "journal" (systemd's, with the fields of
        /// lines that are JSON), several of them, or with [] nowhere.
        to: Vec<Destination>, default ["files"];
        /// A file is rotated at this size.
        max_size: Bytes, default "10MB", within("4KiB", "10GiB");
        /// How many files a component keeps, the one being written included.
        files: u32, default 3, within("1", "100");
        /// The socket by which the journal daemon takes entries.
        journal_socket: PathBuf, default "/run/systemd/journal/socket";
    }
}

impl Consistent for Output {}

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Rotating files in the state directory.
    Files,
    /// Failstop's own standard output.
    Stdout,
    /// The journal daemon.
    Journal,
}

impl Choice for Destination {
    const WORDS: &'static [(&'static str, Self)] =
        &[("files", Self::Files), ("stdout", Self::Stdout), ("journal", Self::Journal)];
    const WANTED: &'static str = "\"files\", \"stdout\" or \"journal\"";
}

section! {
    /// What failstop itself logs, to standard error.
    pub struct Log {
        /// "error", "warn", "info", "debug" or "trace".
        level: Level, default "info";
        /// "text" for people, "json" for machines.
        format: Format, default "text";
        /// Whether only the last characters of wallet addresses are shown, in the log and everywhere else.
        mask_addresses: bool, default true;
    }
}

impl Consistent for Log {}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only what went wrong.
    Error,
    /// And what may go wrong.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And every step.
    Trace,
}

impl Choice for Level {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
    const WANTED: &'static str = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Choice for Format {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
    const WANTED: &'static str = "\"text\" or \"json\"";
}
