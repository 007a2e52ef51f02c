//! The observe address can be bound, unless our own engine holds it; its certificate is good for a while, its tokens are there, and who else
//! could read it is said.

use super::control_listener::{failed, tokens, validity};
use super::{Finding, Subject};
use crate::config::{Config, Listen};
use crate::doors::tls::{Tls, not_after};
use crate::runtime_dir::{EngineInfo, EngineState};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let address = match subject.config.observe.listen {
        Listen::Off => return vec![Finding::passed("the observe address is off")],
        Listen::At(address) => address,
    };
    let mut findings = vec![match TcpListener::bind(address) {
        Ok(_) => Finding::passed(format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if held_by_our_engine(subject.config.state_dir(), &address.to_string()) {
                Finding::passed(format!("{address} is in use by the engine of this system"))
            } else {
                Finding::warning(
                    format!("{address} is in use by another program"),
                    "write another port in `observe.listen`; without it the system runs, but cannot be watched",
                )
            }
        }
        Err(error) => Finding::warning(
            format!("{address} cannot be bound: {error}"),
            "write an address of this machine in `observe.listen`; a port below 1024 needs privileges",
        ),
    }];
    findings.extend(exposed(subject.config).into_iter().map(|(what, next)| Finding::warning(what, next)));
    let observe = &subject.config.observe;
    if let (Some(cert), Some(key)) = (&observe.tls_cert, &observe.tls_key) {
        findings.push(match Tls::read(cert, key, None).and_then(|_| not_after(cert)) {
            Ok(end) => validity(cert, end, crate::clock::wall(), "watchdogs, scrapers and browsers"),
            Err(error) => failed("the observe address will be off", &error, "correct [observe]"),
        });
    }
    if let (true, Some(path)) = (observe.require_token, &subject.config.control.token_file) {
        findings.push(tokens(path, subject.config.state_dir()));
    }
    findings
}

/// What whoever can reach this machine could do with an observe address beyond loopback, each with what to do about it.
pub fn exposed(config: &Config) -> Vec<(String, &'static str)> {
    let observe = &config.observe;
    let Listen::At(address) = observe.listen else { return Vec::new() };
    if address.ip().is_loopback() {
        return Vec::new();
    }
    let mut exposed = Vec::new();
    if !observe.speaks_tls() {
        exposed.push((
            format!("the observe address {address} is without TLS: whoever is on the way reads and changes what is answered there"),
            "write `tls_cert` and `tls_key` in [observe], or listen on 127.0.0.1 behind a proxy",
        ));
    }
    if !observe.require_token {
        exposed.push((
            format!(
                "the observe address {address} is readable by everybody who can reach this machine: no token is wanted"
            ),
            "write `require_token = true` in [observe], or restrict it with a firewall",
        ));
    }
    exposed
}

/// Whether the engine that left word in the state directory lives and listens there.
fn held_by_our_engine(state_dir: &Path, address: &str) -> bool {
    EngineInfo::read(state_dir).is_ok_and(|info| {
        info.engine_state() != EngineState::Gone && info.observe.is_some_and(|observe| observe.ends_with(address))
    })
}
