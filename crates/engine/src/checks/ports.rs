//! The observe address can be bound, unless our own engine holds it.

use super::{Finding, Subject};
use crate::config::Listen;
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
    if !address.ip().is_loopback() {
        findings.push(Finding::warning(
            format!("{address} is readable by everybody who can reach this machine, without TLS or a token"),
            "listen on 127.0.0.1 behind a proxy, or restrict it with a firewall",
        ));
    }
    findings
}

/// Whether the engine that left word in the state directory lives and listens there.
fn held_by_our_engine(state_dir: &Path, address: &str) -> bool {
    EngineInfo::read(state_dir).is_ok_and(|info| {
        info.engine_state() != EngineState::Gone && info.observe.is_some_and(|observe| observe.ends_with(address))
    })
}
