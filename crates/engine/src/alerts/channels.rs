//! From the configuration to the channels that the notifier is opened with. One that cannot be had never takes the others with
//! it: it is a fault, which `failstop check`, status and health show.

use crate::config::{Channel, Config};
use failstop_notify::{Channel as Way, Config as Delivery, Kind};

/// A channel that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub channel: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// The notifier's configuration, and what could not be taken into it.
pub(super) fn of(config: &Config) -> (Delivery, Vec<Fault>) {
    let mut delivery = Delivery::default();
    let mut faults = Vec::new();
    for channel in &config.alerts.channels {
        match channel {
            Channel::Console => delivery.channels.push(Way::new(Kind::Console)),
            Channel::Telegram | Channel::Slack | Channel::Pagerduty | Channel::Email => faults.push(Fault {
                channel: channel.word().to_owned(),
                what: "this version does not deliver to it".to_owned(),
            }),
        }
    }
    (delivery, faults)
}

/// What keeps configured channels from being used, without opening anything.
pub fn faults(config: &Config) -> Vec<Fault> {
    of(config).1
}
