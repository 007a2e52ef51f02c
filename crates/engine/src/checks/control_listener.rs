//! Who may control the system: the users with a role exist; the control listener's keys, tokens and private key are there and nobody
//! else may read them, its certificate is good for a while, its port is free.

use super::{Finding, Subject};
use crate::access::{Holders, Roster};
use crate::config::Listen;
use crate::doors::tls::{Tls, not_after};
use crate::runtime_dir::{EngineInfo, EngineState};
use failstop_client::signed::{Key, Verifier};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// A certificate that runs out sooner is worth a warning.
const SOON: Duration = Duration::from_secs(21 * 24 * 3600);

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let control = &subject.config.control;
    let (_, unknown) = Holders::find(control);
    let mut findings: Vec<Finding> = unknown.into_iter().map(unheld).collect();
    let address = match control.listen {
        Listen::Off => {
            findings.push(Finding::passed("the control listener is off"));
            return findings;
        }
        Listen::At(address) => address,
    };
    let keys: Vec<Key> = control
        .keys
        .iter()
        .filter_map(|path| Key::read(path).map_err(|error| findings.push(unheard(&error))).ok())
        .collect();
    let keys_are_good = keys.len() == control.keys.len();
    match Verifier::new(keys, 0) {
        Ok(_) if control.keys.is_empty() => {}
        Ok(_) if keys_are_good => {
            findings.push(Finding::passed(match control.keys.len() {
                1 => "1 watchdog key, private".to_owned(),
                count => format!("{count} watchdog keys, private"),
            }));
        }
        Ok(_) => {}
        Err(error) => findings.push(unheard(&error)),
    }
    if let Some(path) = &control.token_file {
        findings.push(tokens(path, subject.config.state_dir()));
    }
    if let (Some(cert), Some(key)) = (&control.tls_cert, &control.tls_key) {
        match Tls::read(cert, key, control.client_ca.as_deref()) {
            Ok(_) => findings.push(match not_after(cert) {
                Ok(end) => validity(cert, end, crate::clock::wall(), "watchdogs"),
                Err(error) => unheard(&error),
            }),
            Err(error) => findings.push(unheard(&error)),
        }
    }
    if matches!(subject.caller, super::Caller::Command) {
        findings.push(port(subject, &address.to_string()));
    }
    findings
}

fn unheld(why: String) -> Finding {
    Finding::warning(why, "correct the name, or make that user or group on this host")
}

pub(super) fn tokens(path: &Path, state_dir: &Path) -> Finding {
    // The engine's user, whoever makes this check.
    let engine = std::fs::metadata(state_dir).map_or_else(|_| nix::unistd::geteuid().as_raw(), |state| state.uid());
    match Roster::read(path, engine) {
        Ok(roster) if roster.entries().is_empty() => Finding::warning(
            format!("there is no token in {}: nobody can use one", path.display()),
            "make one with `failstop token new NAME --role ROLE`",
        ),
        Ok(roster) => Finding::passed(match roster.entries().len() {
            1 => "1 token".to_owned(),
            count => format!("{count} tokens"),
        }),
        Err(error) => {
            let text = error.to_string();
            let (reason, remedy) = text.rsplit_once("; ").unwrap_or((&text, "correct [control] token_file"));
            Finding::failed(format!("no token is taken: {reason}"), remedy)
        }
    }
}

fn unheard(error: &dyn std::error::Error) -> Finding {
    failed("no watchdog will be heard", error, "correct [control]")
}

/// That something is no use, and what follows of it; `remedy` where the error names none.
pub(super) fn failed(so: &str, error: &dyn std::error::Error, remedy: &'static str) -> Finding {
    let text = error.to_string();
    // What to do is said in a line of its own, or last.
    let (reason, remedy) = text.split_once("\n  next: ").or_else(|| text.rsplit_once("; ")).unwrap_or((&text, remedy));
    Finding::failed(format!("{so}: {reason}"), remedy)
}

/// How long a certificate is good; `whose`: who will refuse this host when it is not any more.
pub(super) fn validity(cert: &Path, end: jiff::Timestamp, now: jiff::Timestamp, whose: &str) -> Finding {
    let shown = crate::clock::rfc3339(end);
    if end <= now {
        Finding::warning(
            format!("the certificate {} ran out on {shown}: {whose} will refuse this host", cert.display()),
            "have a new one made and restart",
        )
    } else if now.saturating_add(SOON).is_ok_and(|soon| end <= soon) {
        Finding::warning(
            format!("the certificate {} runs out on {shown}", cert.display()),
            "have a new one made, and restart before then",
        )
    } else {
        Finding::passed(format!("the certificate is good until {shown}"))
    }
}

fn port(subject: &Subject<'_>, address: &str) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::passed(format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let ours = EngineInfo::read(subject.config.state_dir()).is_ok_and(|info| {
                info.engine_state() != EngineState::Gone && info.control.is_some_and(|url| url.ends_with(address))
            });
            if ours {
                Finding::passed(format!("{address} is in use by the engine of this system"))
            } else {
                Finding::warning(
                    format!("{address} is in use by another program"),
                    "write another port in `control.listen`; without it no watchdog can ask for a stop",
                )
            }
        }
        Err(error) => Finding::warning(
            format!("{address} cannot be bound: {error}"),
            "write an address of this machine in `control.listen`; a port below 1024 needs privileges",
        ),
    }
}

#[cfg(test)]
mod tests;
