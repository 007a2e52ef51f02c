//! Probes: how each kind of target is asked. What the answer means is the heart's.

mod program;
pub mod stream;

pub use program::{Ran, run_program};

use crate::client::{self, Ask, Connection, Endpoint, Tls};
use crate::heart::fault::{Fault, Stage};
use crate::heart::target::Probed;
use crate::heart::time::span;
use std::time::Duration;

/// How a target is asked.
#[derive(Clone, Debug)]
pub enum Method {
    /// A health URL: GET with a nonce in the query.
    Health {
        /// Where.
        endpoint: Endpoint,
        /// The token that its address asks for.
        token: Option<String>,
        /// Whether the nonce is sent.
        nonce: bool,
    },
    /// Any URL: GET.
    Http {
        /// Where.
        endpoint: Endpoint,
    },
    /// A connection can be made.
    Tcp {
        /// Name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A program ends with status 0.
    Exec {
        /// Program first.
        argv: Vec<String>,
    },
}

/// Probes once. The connection is given back for the next time.
pub async fn probe(
    method: &Method,
    kept: Option<Connection>,
    tls: &Tls,
    timeout_ms: u64,
) -> (Probed, Option<Connection>) {
    let timeout = Duration::from_millis(timeout_ms);
    match method {
        Method::Health { endpoint, token, nonce } => {
            let sent = if *nonce {
                match nonce_text() {
                    Ok(text) => text,
                    Err(error) => return (Probed::Internal(error), kept),
                }
            } else {
                String::new()
            };
            let asked = if *nonce { with_nonce(endpoint, &sent) } else { endpoint.clone() };
            let mut ask = Ask::get();
            ask.headers.push(("accept", "application/json".to_owned()));
            ask.headers.push(("cache-control", "no-cache".to_owned()));
            if let Some(token) = token {
                ask.headers.push(("authorization", format!("Bearer {token}")));
            }
            let (answer, kept) = client::exchange(kept, &asked, tls, &ask, client::HEALTH_MAX, timeout).await;
            (answered(answer, sent), kept)
        }
        Method::Http { endpoint } => {
            let (answer, kept) = client::exchange(kept, endpoint, tls, &Ask::get(), client::HEALTH_MAX, timeout).await;
            (answered(answer, String::new()), kept)
        }
        Method::Tcp { host, port } => match tokio::time::timeout(timeout, client::reach(host, *port)).await {
            Ok(Ok(_)) => (Probed::Reached, None),
            Ok(Err(fault)) => (failed(fault), None),
            Err(_) => {
                (Probed::Failed(Fault::new(Stage::TimeOut, format!("no connection within {}", span(timeout_ms)))), None)
            }
        },
        Method::Exec { argv } => match run_program(argv, &[], timeout).await {
            Ran::Ended { status: Some(0), .. } => (Probed::Reached, None),
            Ran::Ended { status, output } => {
                let how = status.map_or_else(|| "by a signal".to_owned(), |status| format!("with status {status}"));
                (Probed::Failed(Fault::new(Stage::Status, format!("{} ended {how}: {output}", argv[0]))), None)
            }
            Ran::TimedOut => (
                Probed::Failed(Fault::new(
                    Stage::TimeOut,
                    format!("{} did not end within {}", argv[0], span(timeout_ms)),
                )),
                None,
            ),
            Ran::NotStarted(error) => (Probed::Internal(format!("{} cannot be started: {error}", argv[0])), None),
        },
    }
}

fn answered(answer: Result<client::Answer, Fault>, nonce: String) -> Probed {
    match answer {
        Ok(answer) => Probed::Answer { status: answer.status, body: answer.body, nonce },
        Err(fault) => failed(fault),
    }
}

/// An error of this machine itself is not the target's: no descriptors, no memory, no ports.
fn failed(fault: Fault) -> Probed {
    const OWN: [&str; 4] = ["os error 24", "os error 23", "os error 12", "os error 99"];
    if OWN.iter().any(|own| fault.detail.contains(own)) {
        return Probed::Internal(fault.detail);
    }
    Probed::Failed(fault)
}

fn with_nonce(endpoint: &Endpoint, nonce: &str) -> Endpoint {
    let joint = if endpoint.path.contains('?') { '&' } else { '?' };
    endpoint.at(format!("{}{joint}nonce={nonce}", endpoint.path))
}

/// 16 random bytes in hexadecimal digits.
fn nonce_text() -> Result<String, String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(failstop_client::signed::Nonce(bytes).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nonce_joins_a_query() {
        let endpoint = Endpoint { tls: false, host: "h".into(), port: 1, path: "/health".into() };
        assert_eq!(with_nonce(&endpoint, "ab").path, "/health?nonce=ab");
        assert_eq!(with_nonce(&endpoint.at("/health?x=1"), "ab").path, "/health?x=1&nonce=ab");
        assert_ne!(nonce_text(), nonce_text());
    }

    #[test]
    fn an_error_of_this_machine_is_not_the_target_s() {
        assert!(matches!(
            failed(Fault::new(Stage::Connect, "x: Too many open files (os error 24)")),
            Probed::Internal(_)
        ));
        assert!(matches!(
            failed(Fault::new(Stage::Connect, "x: Connection refused (os error 111)")),
            Probed::Failed(_)
        ));
    }
}
