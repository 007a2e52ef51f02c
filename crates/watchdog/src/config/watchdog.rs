//! `[watchdog]`: itself.

use super::listen::Listen;
use failstop_settings::{Choice, Consistent, Name, section, within};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// The watchdog itself.
    pub struct Watchdog {
        /// Its name: in every alert, and what the other watchdog knows it by.
        name: Name, default "watchdog";
        /// Where it listens, for status, check-ins, metrics and the other watchdog; "off" for nowhere. It shows names and
        /// states, and takes check-ins.
        listen: Listen, default "0.0.0.0:8081";
        /// What it remembers. One watchdog a directory.
        state_dir: PathBuf, default "watchdog-state";
        /// Marks every alert: "production", "staging", or a name of your own.
        environment: String, default "production";
        /// A PEM file of further certificate authorities, for targets of your own.
        ca_file: Option<PathBuf>, absent "ca.pem";
        /// How its log is written on standard error: "text" or "json".
        log_format: LogFormat, default "text";
        /// Its own /health fails while a channel for critical alerts has never delivered anything: run
        /// `failstop-watchdog test-alert` once.
        prove_channels: bool, default true;
        /// Its own /health fails while an alert has waited for longer than this.
        outbox_max_age: Duration, default "10m", within("1s", "24h");
    }
}

impl Consistent for Watchdog {}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
    const WANTED: &'static str = "\"text\" or \"json\"";
}
