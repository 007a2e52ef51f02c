//! Each dependency answers. Read-only: a connection, a GET, a program of the user's own.

use super::{Caller, Finding, Subject};
use crate::config::{Dependency, Probe};
use crate::probing::{Answer, ProbeFault, Runner, once};
use std::time::Duration;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let dependencies = &subject.config.dependencies;
    if dependencies.is_empty() {
        return vec![Finding::passed("no dependency is configured")];
    }
    let programs = match subject.caller {
        Caller::Command => {
            let variables = subject.config.secrets().filter_map(|own| own.secret.variable()).map(str::to_owned);
            Runner::Here { withheld: variables.collect() }
        }
        Caller::Engine(requests) => Runner::Loop(requests.clone()),
    };
    let asked: Vec<(Probe, Duration)> =
        dependencies.iter().map(|dependency| (dependency.probe.clone(), dependency.pace.timeout)).collect();
    let outcomes = once(&asked, programs, subject.config.folder.clone());
    dependencies.iter().zip(outcomes).map(|(dependency, outcome)| finding(dependency, outcome)).collect()
}

fn finding(dependency: &Dependency, outcome: Result<Answer, ProbeFault>) -> Finding {
    let name = &dependency.name;
    match outcome {
        Ok(answer) => Finding::passed(format!("{name} {answer}")),
        Err(fault) => Finding::failed(
            format!("{name} does not answer: {fault}"),
            format!("see whether it is up and reachable, or correct `{}`", dependency.probe.word()),
        ),
    }
}
