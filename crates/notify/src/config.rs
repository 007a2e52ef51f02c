//! The notifier's configuration as values: channels in order, and the policy. Read from a file by [`crate::section`], or made
//! by hand where there is none.

use crate::channel::Kind;
use crate::policy::{Environments, Policy};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that the notifier needs to know.
#[derive(Clone, Default)]
pub struct Config {
    /// In order: a message that a channel refuses for good moves to the next one.
    pub channels: Vec<Channel>,
    /// Who hears of what, when, and how often.
    pub policy: Policy,
    /// PEM file with further certificate authorities, for services of one's own.
    pub ca_file: Option<PathBuf>,
}

/// One channel.
#[derive(Clone)]
pub struct Channel {
    /// Its name in routes, status and metrics; unique: `telegram`, `staging.telegram`.
    pub name: String,
    /// Which environments it serves.
    pub environments: Environments,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// What it is.
    pub kind: Kind,
}

impl Channel {
    /// How long one attempt may take unless the configuration says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A channel by its kind's own name, for production, with the default time-out. The console and the log file serve
    /// every environment.
    pub fn new(kind: Kind) -> Self {
        let environments = match &kind {
            Kind::Console => Environments::All,
        };
        Self { name: kind.word().to_owned(), environments, timeout: Self::TIMEOUT, kind }
    }
}
