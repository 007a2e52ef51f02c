//! Alert channels: whether each is configured so that it can be used, and (with a network) whether the service behind it can be
//! reached. A connection and nothing more: no message is sent. They only ever warn, since trading does not hang on them.

use super::{Finding, Subject};
use crate::alerts::survey;
use crate::config::{Config, HostPort, Probe, Profile};
use crate::probing::{Answer, ProbeFault, Runner, once};
use failstop_core::Mode;
use std::time::Duration;

/// How long a service may take to take a connection.
const WITHIN: Duration = Duration::from_secs(5);

/// Variables that send requests through a proxy.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Whether they can be used.
pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let alerts = &subject.config.alerts;
    if !alerts.enabled {
        return vec![Finding::warning(
            "alerts are off: nobody is told of anything",
            "set `enabled = true` under [alerts]",
        )];
    }
    let survey = survey(subject.config);
    let mut findings: Vec<Finding> = survey
        .unusable
        .iter()
        .map(|unusable| {
            Finding::warning(
                format!("nobody is told by {}: {}", unusable.channel, unusable.fault),
                "mend it, or take it out of `channels` under [alerts]",
            )
        })
        .collect();
    let names: Vec<&str> = survey.usable.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        findings.push(Finding::warning("no channel can be used", "add one to `channels` under [alerts]"));
    } else if findings.is_empty() {
        findings.push(told(subject.config, &names.join(", ")));
    }
    findings
}

/// Whom these channels reach. A system that trades, or is meant for it, needs one that reaches a person who does not look.
fn told(config: &Config, names: &str) -> Finding {
    if !config.alerts.stay_on_this_host() {
        return Finding::passed(names.to_owned());
    }
    let found = format!("{names}: whoever does not look at this host is told of nothing");
    if config.system.mode == Mode::Live || config.system.profile == Some(Profile::Production) {
        return Finding::warning(
            found,
            "add a channel that reaches you, such as [alerts.telegram], and try it with `failstop alerts test`",
        );
    }
    Finding::passed(found)
}

/// Whether they can be reached.
pub(super) fn reach(subject: &Subject<'_>) -> Vec<Finding> {
    if !subject.config.alerts.enabled {
        return vec![Finding::skipped("alerts are off")];
    }
    let targets: Vec<(String, HostPort)> = survey(subject.config)
        .usable
        .into_iter()
        .flat_map(|(name, hosts)| hosts.into_iter().map(move |host| (name.clone(), host)))
        .collect();
    if targets.is_empty() {
        return vec![Finding::passed("no channel needs a network")];
    }
    if PROXIES.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
        return vec![Finding::skipped("a proxy is set in the environment; `failstop alerts test` goes through it")];
    }
    let asked: Vec<(Probe, Duration)> = targets.iter().map(|(_, host)| (Probe::Tcp(host.clone()), WITHIN)).collect();
    let outcomes = once(&asked, Runner::default(), subject.config.folder.clone());
    targets.iter().zip(outcomes).map(|((name, host), outcome)| finding(name, host, outcome)).collect()
}

fn finding(name: &str, host: &HostPort, outcome: Result<Answer, ProbeFault>) -> Finding {
    match outcome {
        Ok(answer) => Finding::passed(format!("{name}: {host} {answer}")),
        Err(fault) => Finding::warning(
            format!("{name} cannot be reached: {fault}"),
            "see whether this host may connect to it, then try `failstop alerts test`",
        ),
    }
}
