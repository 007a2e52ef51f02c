//! `actuate`: the responder, as a service or as a forced command of ssh.

use super::{Place, err, out, to_status, with_config};
use crate::actuate::Refused;
use crate::actuate::responder::{Responder, serve};
use crate::app::units_of;
use crate::clock;
use crate::config::{Actuate, Config, Listen};
use crate::exit;
use crate::log::{Format, Log};
use failstop_client::signed::{Key, Verifier};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The responder, until SIGTERM.
pub fn actuate(place: &Place) -> u8 {
    with_config(place, |config| {
        let Some(actuate) = &config.actuate else {
            err(
                "there is no [actuate] in the configuration\n  next: name the responder, its keys, and its [[unit]] sections",
            );
            return exit::USAGE;
        };
        let mut keys = Vec::new();
        for path in &actuate.keys {
            match Key::read(path) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    err(&error.to_string());
                    return exit::USAGE;
                }
            }
        }
        if keys.is_empty() {
            err("`keys` in [actuate] is empty\n  next: give the key file of each watchdog that may ask");
            return exit::USAGE;
        }
        match Verifier::new(keys, clock::wall_ms()) {
            Ok(verifier) => to_status(respond(&config, actuate, verifier)),
            Err(error) => {
                err(&error.to_string());
                exit::USAGE
            }
        }
    })
}

async fn respond(config: &Config, actuate: &Actuate, verifier: Verifier) -> u8 {
    let Listen::At(address) = actuate.listen else {
        err("`listen` in [actuate] is off\n  next: give an address, or use `actuate --ssh` as a forced command");
        return exit::USAGE;
    };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            err(&format!("cannot listen on {address}: {error}\n  next: free the port, or set `listen` in [actuate]"));
            return exit::UNKNOWN;
        }
    };
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        err("SIGTERM cannot be waited for");
        return exit::UNKNOWN;
    };
    let log = Log { format: Format::Text };
    let place = listener.local_addr().map_or_else(|_| address.to_string(), |address| address.to_string());
    log.info(clock::now().wall, &format!("responds for {} units on {place}", config.units.len()));
    let responder = Responder {
        audience: format!("actuate/{}", actuate.name),
        units: units_of(config),
        verifier: RefCell::new(verifier),
        log,
    };
    serve(Rc::new(responder), listener, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await;
    exit::GOOD
}

/// One command, as ssh hands it over: `stop UNIT [EPOCH]`, `kill UNIT [EPOCH]`, `start UNIT`, `status UNIT`. Words only: nothing
/// of it ever reaches a shell.
pub fn actuate_ssh(place: &Place) -> u8 {
    with_config(place, |config| {
        let command = std::env::var("SSH_ORIGINAL_COMMAND").unwrap_or_default();
        let words: Vec<&str> = command.split_whitespace().collect();
        let units = units_of(&config);
        let epoch = |word: Option<&&str>| word.map(|word| word.parse::<u64>()).transpose();
        to_status(async {
            let (done, good) = match words.as_slice() {
                ["status", unit] => (units.status(unit), true),
                ["start", unit] => (units.start(unit).await, true),
                [verb @ ("stop" | "kill"), unit, rest @ ..] if rest.len() <= 1 => match epoch(rest.first()) {
                    Ok(epoch) => (units.stop(unit, epoch, *verb == "kill").await, false),
                    Err(_) => {
                        err("the epoch is a number");
                        return exit::USAGE;
                    }
                },
                _ => {
                    err("commands: stop UNIT [EPOCH], kill UNIT [EPOCH], start UNIT, status UNIT");
                    return exit::USAGE;
                }
            };
            match done {
                Ok(receipt) => {
                    out(&(serde_json::to_string(&receipt).unwrap_or_default() + "\n"));
                    match &receipt.stopped_on_purpose {
                        Some(_) if !good => exit::STOPPED,
                        Some(_) | None if good || receipt.gone => exit::GOOD,
                        Some(_) | None => exit::UNKNOWN,
                    }
                }
                Err(refused) => {
                    err(&refused.to_string());
                    match refused {
                        Refused::StoppedOnPurpose(_) => exit::STOPPED,
                        Refused::Busy | Refused::Epoch { .. } | Refused::Lives(_) | Refused::KillSwitch(_) => {
                            exit::REFUSED
                        }
                        Refused::Unknown(_) | Refused::NoStart | Refused::Failed(_) => exit::UNKNOWN,
                    }
                }
            }
        })
    })
}
