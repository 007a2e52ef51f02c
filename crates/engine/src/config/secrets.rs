//! The secrets that failstop itself uses. No component inherits what they are kept in.

use super::{Config, Secret};

/// What a secret of failstop's own is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFor {
    /// An alert channel.
    Alerts,
    /// Commands over Telegram.
    Commands,
    /// What the gate judges by: prices, and rates that several systems share.
    Gate,
    /// A page that is asked for metrics.
    Metrics,
    /// Another system of the fleet's page.
    Fleet,
}

/// A secret that failstop itself uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSecret<'a> {
    /// What it is for.
    pub of: SecretFor,
    /// What it is called: `telegram.bot_token`.
    pub what: String,
    /// Where it is kept.
    pub secret: &'a Secret,
}

impl Config {
    /// Every secret of failstop's own. Not those of components (`credentials`, `env_file`), and not those of dependencies, which a
    /// component may share.
    pub fn secrets(&self) -> impl Iterator<Item = OwnSecret<'_>> {
        let of_alerts =
            self.alerts.secrets().into_iter().map(|(what, secret)| OwnSecret { of: SecretFor::Alerts, what, secret });
        let of_group = self.shared_rates.iter().filter_map(|shared| shared.password.as_ref());
        let of_group = of_group.map(|secret| ("password of shared_rates".to_owned(), secret));
        let of_polls = self.prices.poll.iter().flat_map(|poll| {
            let what = |name: &str| format!("header {name} of price source \"{}\"", poll.source);
            poll.headers.iter().map(move |header| (what(&header.name), &header.value))
        });
        let of_gate = of_group.chain(of_polls);
        let of_commands = self.telegram.bot_token.iter().map(|secret| ("bot_token of [telegram]".to_owned(), secret));
        let of_metrics = self.metrics.prometheus.iter().flat_map(|page| {
            let what = |name: &str| format!("header {name} of source of metrics \"{}\"", page.name);
            page.headers.iter().map(move |header| (what(&header.name), &header.value))
        });
        let of_fleet = self.observe.fleet.iter().filter_map(|system| {
            let what = format!("token of \"{}\" in fleet of [observe]", system.name);
            system.token.as_ref().map(|token| (what, token))
        });
        let own = |of: SecretFor| move |(what, secret)| OwnSecret { of, what, secret };
        of_alerts
            .chain(of_commands.map(own(SecretFor::Commands)))
            .chain(of_gate.map(own(SecretFor::Gate)))
            .chain(of_metrics.map(own(SecretFor::Metrics)))
            .chain(of_fleet.map(own(SecretFor::Fleet)))
    }
}
