//! The notifier's configuration as values: channels in order, and the policy. Read from a file by [`crate::settings`], or
//! made by hand where there is none.

use crate::channel::Kind;
use crate::policy::{Environments, Policy};
use crate::transport::program::{Children, Programs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that the notifier needs to know.
#[derive(Clone)]
pub struct Config {
    /// Who speaks: the name of the system or of the watchdog. Incidents about channels carry it.
    pub name: String,
    /// In order: a message that a channel refuses for good moves to the next one.
    pub channels: Vec<Channel>,
    /// Who hears of what, when, and how often.
    pub policy: Policy,
    /// PEM file with further certificate authorities, for services of one's own.
    pub ca_file: Option<PathBuf>,
    /// Runs the programs of exec channels.
    pub programs: Arc<dyn Programs>,
}

impl Config {
    /// Nothing but a name: no channel, the shipped policy.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            channels: Vec::new(),
            policy: Policy::default(),
            ca_file: None,
            programs: Arc::new(Children),
        }
    }
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

    /// A channel by its kind's own word, with the default time-out. It serves production; the console and a log file, which
    /// reach nobody but this host, serve every environment.
    pub fn new(kind: Kind) -> Self {
        let environments = match &kind {
            Kind::Console | Kind::LogFile(_) => Environments::All,
            Kind::Telegram(_)
            | Kind::SlackWebhook(_)
            | Kind::SlackBot(_)
            | Kind::PagerdutyEvents(_)
            | Kind::PagerdutyRest(_)
            | Kind::Email(_)
            | Kind::Webhook(_)
            | Kind::Alertmanager(_)
            | Kind::Ntfy(_)
            | Kind::Discord(_)
            | Kind::Twilio(_)
            | Kind::Exec(_) => Environments::Production,
        };
        Self { name: kind.word().to_owned(), environments, timeout: Self::TIMEOUT, kind }
    }
}
