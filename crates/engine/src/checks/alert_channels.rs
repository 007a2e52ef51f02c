//! Alert channels: whether each is configured so that it can be used, and (with a network) whether the service behind it can be
//! reached. A connection and nothing more: no message is sent. They only ever warn, since trading does not hang on them.

use super::probe::{Answer, ProbeFault, probe};
use super::program::Runner;
use super::{Finding, Subject};
use crate::alerts::survey;
use crate::config::{HostPort, Probe};
use std::sync::mpsc;
use std::time::Duration;

/// How long a service may take to take a connection.
const WITHIN: Duration = Duration::from_secs(5);

/// What the answer may take beyond that before the thread that waits for it is left behind.
const SLACK: Duration = Duration::from_millis(500);

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
        findings.push(Finding::passed(names.join(", ")));
    }
    findings
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
    // All at once, and not joined: a name server that never answers cannot be interrupted.
    let asked: Vec<_> = targets
        .into_iter()
        .map(|(name, host)| {
            let (sender, receiver) = mpsc::sync_channel(1);
            let what = Probe::Tcp(host.clone());
            let folder = subject.config.folder.clone();
            let spawned = std::thread::Builder::new().name("probe".into()).spawn(move || {
                // Nobody may be waiting any more.
                let _ = sender.send(probe(&what, &folder, WITHIN, &Runner::Here));
            });
            drop(spawned);
            (name, host, receiver)
        })
        .collect();
    asked.into_iter().map(|(name, host, receiver)| finding(&name, &host, &receiver)).collect()
}

fn finding(name: &str, host: &HostPort, receiver: &mpsc::Receiver<Result<Answer, ProbeFault>>) -> Finding {
    let remedy = "see whether this host may connect to it, then try `failstop alerts test`";
    match receiver.recv_timeout(WITHIN + SLACK) {
        Ok(Ok(answer)) => Finding::passed(format!("{name}: {host} {answer}")),
        Ok(Err(fault)) => Finding::warning(format!("{name} cannot be reached: {fault}"), remedy),
        Err(_) => Finding::warning(format!("{name} cannot be reached: {host} gives no answer in time"), remedy),
    }
}
