//! The observe address can be bound, unless our own engine holds it.

use super::instance::{Holder, holder_of};
use super::{Finding, Subject};
use crate::config::Listen;
use std::io::ErrorKind;
use std::net::TcpListener;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let address = match subject.config.observe.listen {
        Listen::Off => return vec![Finding::passed("the observe address is off")],
        Listen::At(address) => address,
    };
    let mut findings = vec![match TcpListener::bind(address) {
        Ok(_) => Finding::passed(format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match holder_of(subject.config.state_dir()) {
            Holder::Engine(_) => Finding::passed(format!("{address} is in use, and the engine of this system runs")),
            Holder::Nobody | Holder::Unknown(_) => Finding::warning(
                format!("{address} is in use by another program"),
                "write another port in `observe.listen`; without it the system runs, but cannot be watched",
            ),
        },
        Err(error) => Finding::warning(
            format!("{address} cannot be bound: {error}"),
            "write an address of this machine in `observe.listen`; a port below 1024 needs privileges",
        ),
    }];
    if !address.ip().is_loopback() {
        findings.push(Finding::warning(
            format!("{address} is readable by everybody who can reach this machine, without TLS or a token"),
            "listen on 127.0.0.1 behind a proxy, or restrict it with a firewall",
        ));
    }
    findings
}
