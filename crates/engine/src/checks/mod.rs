//! Start-up checks and `failstop check`: one file a check, each with a name, an outcome, a reason and a remedy. They look
//! and change nothing: no directory is made, no lock taken, no order sent.
//!
//! Blocking, with a bound on every wait; an engine calls [`run`] on a thread of its own.

mod alert_channels;
mod books;
mod clock;
mod command;
mod configuration;
mod control_listener;
mod coverage;
mod disk;
mod emergency;
mod endpoints;
mod gate;
mod host;
mod instance;
mod isolation;
mod journal;
mod latches;
mod limits;
mod metrics;
mod mode;
mod output;
mod place;
mod ports;
mod render;
mod report;
mod runtime;
mod sandbox;
mod secrets;
mod snapshots;
mod telegram;
mod witness;

pub use coverage::{coverage, host_notes};
pub use host::{Cgroup, HostFacts};
pub use instance::{Holder, holder_of};
pub use place::Kind as PlaceKind;
pub use ports::exposed;
pub use render::{Format, Paint, github, json, junit, plain, text};
pub use report::{CheckResult, Class, Finding, Outcome, Report, Verdict};

use crate::config::Config;
use crate::process::program::ProgramRequest;
use crate::status::Configured;
use std::time::Instant;
use tokio::sync::mpsc;

/// Who runs the checks.
#[derive(Clone, Debug, Default)]
pub enum Caller {
    /// A command, beside a running engine or without one.
    #[default]
    Command,
    /// The engine at its start: it holds the lock and the journal itself, and all children of this process are its loop's,
    /// which takes requests to run programs here.
    Engine(mpsc::Sender<ProgramRequest>),
}

/// Which checks are made, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who asks.
    pub caller: Caller,
    /// Nothing is connected to.
    pub offline: bool,
    /// Only these; empty for all.
    pub only: Vec<String>,
    /// Not these.
    pub skip: Vec<String>,
}

/// What a check looks at.
pub(crate) struct Subject<'a> {
    pub(crate) config: &'a Config,
    pub(crate) host: &'a HostFacts,
    pub(crate) caller: &'a Caller,
    /// The books as the journal's files give them, read once for all checks that ask.
    pub(crate) folded: books::Once,
}

/// One check.
struct Check {
    name: &'static str,
    about: &'static str,
    class: Class,
    /// Whether it connects to anything.
    network: bool,
    /// Whether the engine makes it, at its start and before a resume; the others it answers itself (lock, latches, port).
    at_start: bool,
    run: fn(&Subject<'_>) -> Vec<Finding>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "configuration",
        about: "the configuration is valid",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: configuration::check,
    },
    Check {
        name: "command",
        about: "each component's program, script, folder and user exist",
        class: Class::Environment,
        network: false,
        at_start: true,
        run: command::check,
    },
    Check {
        name: "secrets",
        about: "secrets are there, and only their owner may read them",
        class: Class::Environment,
        network: false,
        at_start: true,
        run: secrets::check,
    },
    Check {
        name: "instance",
        about: "no second engine runs this system",
        class: Class::Advisory,
        network: false,
        at_start: false,
        run: instance::check,
    },
    Check {
        name: "journal",
        about: "the journal's chain is intact",
        class: Class::Integrity,
        network: false,
        at_start: true,
        run: journal::check,
    },
    Check {
        name: "snapshots",
        about: "snapshots are consistent",
        class: Class::Integrity,
        network: false,
        at_start: true,
        run: snapshots::check,
    },
    Check {
        name: "capital",
        about: "capital reconciles",
        class: Class::Capital,
        network: false,
        at_start: true,
        run: books::capital,
    },
    Check {
        name: "strategies",
        about: "strategies' states are valid",
        class: Class::Integrity,
        network: false,
        at_start: true,
        run: books::strategies,
    },
    Check {
        name: "orders",
        about: "no order is in doubt",
        class: Class::Advisory,
        network: false,
        at_start: false,
        run: books::orders,
    },
    Check {
        name: "witness",
        about: "the journal is the one that its witness remembers",
        class: Class::Witness,
        network: true,
        at_start: true,
        run: witness::check,
    },
    Check {
        name: "latches",
        about: "neither the kill switch nor a halt is latched on disk",
        class: Class::Advisory,
        network: false,
        at_start: false,
        run: latches::check,
    },
    Check {
        name: "mode",
        about: "permission and mode fit the components",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: mode::check,
    },
    Check {
        name: "gate",
        about: "which limits orders are judged by, and which are waived",
        class: Class::Advisory,
        network: false,
        at_start: false,
        run: gate::check,
    },
    Check {
        name: "emergency",
        about: "each emergency action's program, folder, user and variables are there, and it was rehearsed",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: emergency::check,
    },
    Check {
        name: "endpoints",
        about: "each dependency answers (read-only)",
        class: Class::Environment,
        network: true,
        at_start: true,
        run: endpoints::check,
    },
    Check {
        name: "alerts",
        about: "alert channels are usable",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: alert_channels::check,
    },
    Check {
        name: "alert-endpoints",
        about: "the services behind the alert channels can be reached (nothing is sent)",
        class: Class::Advisory,
        network: true,
        at_start: false,
        run: alert_channels::reach,
    },
    Check {
        name: "metrics",
        about: "the programs that print metrics can be run",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: metrics::check,
    },
    Check {
        name: "metrics-endpoints",
        about: "the endpoints that are asked for metrics answer, and say what is taken of them (read-only)",
        class: Class::Advisory,
        network: true,
        at_start: false,
        run: metrics::reach,
    },
    Check {
        name: "clock",
        about: "the clock is synchronised and cheap to read",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: clock::check,
    },
    Check {
        name: "disk",
        about: "state and runtime have space, on file systems that keep their word",
        class: Class::Environment,
        network: false,
        at_start: true,
        run: disk::check,
    },
    Check {
        name: "ports",
        about: "the observe address can be bound",
        class: Class::Advisory,
        network: false,
        at_start: false,
        run: ports::check,
    },
    Check {
        name: "control",
        about: "the control listener's keys and certificate can be used",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: control_listener::check,
    },
    Check {
        name: "telegram",
        about: "whoever may give commands over Telegram can be heard",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: telegram::check,
    },
    Check {
        name: "telegram-bot",
        about: "Telegram takes the bot's token and gives failstop its messages",
        class: Class::Advisory,
        network: true,
        at_start: false,
        run: telegram::reach,
    },
    Check {
        name: "runtime",
        about: "the runtime directory is usable and memory-backed",
        class: Class::Advisory,
        network: false,
        at_start: false,
        run: runtime::check,
    },
    Check {
        name: "sandbox",
        about: "this host can keep components from what their sandbox says",
        class: Class::Environment,
        network: false,
        at_start: true,
        run: sandbox::check,
    },
    Check {
        name: "isolation",
        about: "this host gives each component a process namespace, where that is wanted",
        class: Class::Environment,
        network: false,
        at_start: false,
        run: isolation::check,
    },
    Check {
        name: "output",
        about: "what components print can go where it is to go",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: output::check,
    },
    Check {
        name: "limits",
        about: "what this host lets failstop enforce",
        class: Class::Advisory,
        network: false,
        at_start: true,
        run: limits::check,
    },
];

/// A name behind `--only` or `--skip` that no check has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no check `{name}`; the checks are {known}")]
pub struct UnknownCheck {
    /// As given.
    pub name: String,
    /// All of them, for the message.
    pub known: String,
}

/// Every check: its name and what it is about.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    CHECKS.iter().map(|check| (check.name, check.about))
}

/// The names of the checks of this class.
pub fn of_class(class: Class) -> impl Iterator<Item = &'static str> {
    CHECKS.iter().filter(move |check| check.class == class).map(|check| check.name)
}

/// Makes the checks.
///
/// # Errors
/// A name in `only` or `skip` that no check has.
pub fn run(config: &Config, options: &Options) -> Result<Report, UnknownCheck> {
    for name in options.only.iter().chain(&options.skip) {
        if !CHECKS.iter().any(|check| check.name == name.as_str()) {
            let known = CHECKS.iter().map(|check| check.name).collect::<Vec<_>>().join(", ");
            return Err(UnknownCheck { name: name.clone(), known });
        }
    }
    let started = Instant::now();
    let host = HostFacts::gather();
    let host = host.with(config);
    let subject = Subject { config, host: &host, caller: &options.caller, folded: books::Once::default() };
    let mut results = Vec::new();
    for check in CHECKS {
        let chosen = options.only.is_empty() || options.only.iter().any(|name| name == check.name);
        if !chosen || (matches!(options.caller, Caller::Engine(_)) && !check.at_start) {
            continue;
        }
        let findings = if options.skip.iter().any(|name| name == check.name) {
            vec![Finding::skipped("--skip")]
        } else if options.offline && check.network {
            vec![Finding::skipped("--offline")]
        } else {
            (check.run)(&subject)
        };
        results.extend(findings.into_iter().map(|finding| CheckResult::of(check.name, check.class, finding)));
    }
    Ok(Report {
        system: config.name().to_owned(),
        results,
        // Whoever asked for single checks asked for nothing else.
        coverage: if options.only.is_empty() { coverage(config, &host) } else { Vec::new() },
        host_notes: if options.only.is_empty() { host_notes(config, &host) } else { Vec::new() },
        not_watched: if options.only.is_empty() { Configured::of(config).before_anybody_speaks() } else { Vec::new() },
        seconds: started.elapsed().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests;
