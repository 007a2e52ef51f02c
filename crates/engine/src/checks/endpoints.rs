//! Each dependency answers. Read-only: a connection, a GET, a program of the user's own.

use super::probe::{Answer, ProbeFault, probe};
use super::program::Runner;
use super::{Caller, Finding, Subject};
use crate::config::Dependency;
use std::sync::mpsc;
use std::time::Duration;

/// What an answer may take beyond its own time-out before the thread that waits for it is left behind.
const SLACK: Duration = Duration::from_millis(500);

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let dependencies = &subject.config.dependencies;
    if dependencies.is_empty() {
        return vec![Finding::passed("no dependency is configured")];
    }
    // All at once: the slowest decides, not the sum. A name server that never answers cannot be interrupted, so the
    // threads are not joined.
    let asked: Vec<(&Dependency, mpsc::Receiver<Result<Answer, ProbeFault>>)> = dependencies
        .iter()
        .map(|dependency| {
            let (sender, receiver) = mpsc::sync_channel(1);
            let (what, timeout) = (dependency.probe.clone(), dependency.timeout);
            let folder = subject.config.folder.clone();
            let programs = match subject.caller {
                Caller::Command => Runner::Here,
                Caller::Engine(requests) => Runner::Loop(requests.clone()),
            };
            let spawned = std::thread::Builder::new().name("probe".into()).spawn(move || {
                // Nobody may be waiting any more.
                let _ = sender.send(probe(&what, &folder, timeout, &programs));
            });
            drop(spawned);
            (dependency, receiver)
        })
        .collect();
    asked.into_iter().map(|(dependency, receiver)| finding(dependency, &receiver)).collect()
}

fn finding(dependency: &Dependency, receiver: &mpsc::Receiver<Result<Answer, ProbeFault>>) -> Finding {
    let name = &dependency.name;
    match receiver.recv_timeout(dependency.timeout + SLACK) {
        Ok(Ok(answer)) => Finding::passed(format!("{name} {answer}")),
        Ok(Err(ProbeFault::NotSupported(why))) => Finding::skipped(format!("{name}: {why}")),
        Ok(Err(fault)) => Finding::failed(
            format!("{name} does not answer: {fault}"),
            format!("see whether it is up and reachable, or correct `{}`", dependency.probe.word()),
        ),
        Err(_) => Finding::failed(
            format!("{name} does not answer within {} s", dependency.timeout.as_secs_f64()),
            "see whether it is up and reachable, and whether its name can be resolved",
        ),
    }
}
