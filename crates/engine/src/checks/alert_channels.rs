//! Alert channels. This version delivers to the console only and says so, so that nobody waits for a message.

use super::{Finding, Subject};
use crate::config::Channel;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let channels = &subject.config.alerts.channels;
    let waiting: Vec<&str> =
        channels.iter().filter(|channel| **channel != Channel::Console).map(|channel| channel.word()).collect();
    vec![if !waiting.is_empty() {
        Finding::warning(
            format!(
                "this version does not deliver to {}: alerts appear on the console and in the journal only",
                waiting.join(", ")
            ),
            "watch the observe address from outside, or the exit of `failstop status --nagios`",
        )
    } else if channels.is_empty() {
        Finding::warning("no channel is configured", "add `channels = [\"console\"]` below [alerts]")
    } else {
        Finding::passed("console")
    }]
}
