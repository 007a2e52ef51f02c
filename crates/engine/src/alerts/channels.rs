//! From the configuration to the channels that the notifier is opened with, and where each of them leads. A channel that cannot
//! be had never takes the others with it: it is a fault, which `failstop check`, status and health show.

use crate::config::{Config, HostPort};
use failstop_notify::{Channel, Kind, Programs};
use hyper::Uri;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use failstop_notify::settings::Unusable;

/// The notifier's configuration, and what could not be taken into it.
pub(super) fn of(config: &Config, programs: Option<Arc<dyn Programs>>) -> (failstop_notify::Config, Vec<Unusable>) {
    let (mut delivery, unusable) = config.alerts.config(config.name());
    if let Some(programs) = programs {
        delivery.programs = programs;
    }
    (delivery, unusable)
}

/// The channels of a configuration with their secrets read, ready to be handed to a notifier that runs.
pub struct ReadyChannels {
    /// Whether anything leaves this host.
    pub(super) enabled: bool,
    /// Those that can be used.
    pub(super) wanted: failstop_notify::Config,
    /// The others, and why not.
    pub(super) faults: BTreeMap<String, String>,
}

impl fmt::Debug for ReadyChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.wanted.channels.iter().map(|channel| channel.name.as_str()).collect();
        f.debug_struct("ReadyChannels").field("channels", &names).field("faults", &self.faults).finish_non_exhaustive()
    }
}

/// Makes the channels of a configuration ready, as [`super::Delivery::open`] would. Reads files; opens and sends nothing.
///
/// # Errors
/// Why no channel at all could be used.
pub fn ready_channels(config: &Config) -> Result<ReadyChannels, String> {
    let (mut wanted, unusable) = of(config, None);
    let mut faults: BTreeMap<String, String> = unusable.into_iter().map(|fault| (fault.channel, fault.fault)).collect();
    let connects = |kind: &Kind| !matches!(kind, Kind::Console | Kind::LogFile(_));
    // Each round leaves out one channel at least, so it ends. Those of this host alone have nothing that could be wrong.
    while wanted.ca_file.is_some() || wanted.channels.iter().any(|channel| connects(&channel.kind)) {
        let found = failstop_notify::faults(&wanted);
        if found.is_empty() {
            break;
        }
        for Unusable { channel, fault } in found {
            let before = wanted.channels.len();
            wanted.channels.retain(|other| other.name != channel);
            if wanted.channels.len() == before {
                return Err(fault);
            }
            faults.insert(channel, fault);
        }
    }
    Ok(ReadyChannels { enabled: config.alerts.enabled, wanted, faults })
}

/// Everything that can be told of the channels without opening or connecting to anything.
#[derive(Debug)]
pub struct Survey {
    /// Channels that can be used, and where each of them connects to; nowhere for those of this host.
    pub usable: Vec<(String, Vec<HostPort>)>,
    /// The others.
    pub unusable: Vec<Unusable>,
}

/// Looks at the configured channels.
pub fn survey(config: &Config) -> Survey {
    let (delivery, mut unusable) = of(config, None);
    let mut usable = Vec::new();
    for channel in &delivery.channels {
        match endpoints(channel) {
            Ok(endpoints) => usable.push((channel.name.clone(), endpoints)),
            Err(fault) => unusable.push(Unusable { channel: channel.name.clone(), fault }),
        }
    }
    Survey { usable, unusable }
}

/// Where a channel connects to. Hosts only: paths may hold tokens.
fn endpoints(channel: &Channel) -> Result<Vec<HostPort>, String> {
    let one = |url: &str| Ok(vec![host_of(url)?]);
    match &channel.kind {
        Kind::Console | Kind::LogFile(_) | Kind::Exec(_) => Ok(Vec::new()),
        Kind::Telegram(telegram) => one(&telegram.api_base),
        Kind::SlackWebhook(slack) => one(slack.webhook_url.expose()),
        Kind::SlackBot(slack) => one(&slack.api_base),
        Kind::PagerdutyEvents(pagerduty) => one(&pagerduty.api_base),
        Kind::PagerdutyRest(pagerduty) => one(&pagerduty.api_base),
        Kind::Email(email) => Ok(vec![HostPort { host: email.host.clone(), port: email.port }]),
        Kind::Webhook(webhook) => one(webhook.url.expose()),
        Kind::Alertmanager(alertmanager) => alertmanager.members.iter().map(|member| host_of(member)).collect(),
        Kind::Ntfy(ntfy) => one(&ntfy.server),
        Kind::Discord(discord) => one(discord.webhook_url.expose()),
        Kind::Twilio(twilio) => one(&twilio.api_base),
    }
}

fn host_of(url: &str) -> Result<HostPort, String> {
    let uri: Uri = url.parse().map_err(|_| "its address is not a URL".to_owned())?;
    let host = uri.host().ok_or_else(|| "its address names no host".to_owned())?;
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    Ok(HostPort { host: host.trim_matches(['[', ']']).to_owned(), port })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn hosts_are_told_and_paths_are_not() {
        let host = |url| host_of(url).map(|host| host.to_string());
        assert_eq!(host("https://hooks.slack.com/services/T0/SECRET"), Ok("hooks.slack.com:443".to_owned()));
        assert_eq!(host("http://127.0.0.1:9093"), Ok("127.0.0.1:9093".to_owned()));
        assert_eq!(host("http://[::1]/x"), Ok("[::1]:80".to_owned()));
        for bad in ["", "/x", "https://"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert!(!host("https://bad host/SECRET").unwrap_err().contains("SECRET"));
    }
}
