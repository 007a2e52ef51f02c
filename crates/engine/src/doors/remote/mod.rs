//! The control listener: HTTP over TLS for watchdogs on other hosts. Every request is signed; what an unsigned one is
//! answered costs next to nothing and tells nothing.
//!
//! A request goes three steps: [`gate`] proves who asks and makes a [`crate::command::Principal`] of it, [`routes`] makes a
//! command of what is asked, and the loop decides.

mod gate;
mod routes;
mod tls;

pub use routes::ENDS;
pub use tls::{Tls, TlsError, not_after};

use super::ask::Asker;
use super::beat::{Beats, Streams};
use super::http::{Connections, Limits, drop_dead_peers, wait_after_accept_error};
use super::range::Ranges;
use crate::command::CommandSender;
use crate::config::{Control, Listen};
use failstop_client::signed::{Key, KeyFileError, SameId, Verifier};
use gate::Gate;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a refused request waits for its answer: who guesses, guesses slowly.
const PENALTY: Duration = Duration::from_secs(1);

/// The control listener, bound and not yet served.
pub struct RemoteListener {
    listener: std::net::TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    gate: Gate,
    limits: Limits,
}

impl std::fmt::Debug for RemoteListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteListener")
            .field("address", &self.address)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The control listener cannot be had. The engine warns and goes on without: a watchdog that cannot ask must never keep a
/// bot from its guard.
#[derive(Debug, thiserror::Error)]
pub enum RemoteUnavailable {
    /// A key.
    #[error("the control listener is off, no watchdog can ask for a stop: {0}")]
    Key(#[from] KeyFileError),
    /// Two keys of one name.
    #[error("the control listener is off, no watchdog can ask for a stop: {0}")]
    SameId(#[from] SameId),
    /// Certificate or private key.
    #[error("the control listener is off, no watchdog can ask for a stop: {0}")]
    Tls(#[from] TlsError),
    /// The address.
    #[error(
        "cannot listen on {address} for the control listener: {source}; free the port, or choose another with [control] listen"
    )]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

impl RemoteListener {
    /// Reads keys and certificate and binds the address; `None` where the configuration says "off". `now_ms` is wall time,
    /// Unix milliseconds: requests that were signed before are refused.
    ///
    /// # Errors
    /// [`RemoteUnavailable`].
    pub fn open(control: &Control, system: &str, now_ms: u64) -> Result<Option<Self>, RemoteUnavailable> {
        Self::open_with(control, system, now_ms, Limits::REMOTE, PENALTY)
    }

    fn open_with(
        control: &Control,
        system: &str,
        now_ms: u64,
        limits: Limits,
        penalty: Duration,
    ) -> Result<Option<Self>, RemoteUnavailable> {
        let Listen::At(address) = control.listen else { return Ok(None) };
        let keys: Vec<Key> = control.keys.iter().map(|path| Key::read(path)).collect::<Result<_, _>>()?;
        let gate = Gate::new(system, Verifier::new(keys, now_ms)?, penalty);
        // The configuration has seen that there are both or neither, and neither only on loopback.
        let tls = match (&control.tls_cert, &control.tls_key) {
            (Some(cert), Some(key)) => Some(Tls::read(cert, key)?),
            (None, _) | (_, None) => None,
        };
        let bind = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bind().map_err(|source| RemoteUnavailable::Bind { address, source })?;
        Ok(Some(Self { listener, address, tls, gate, limits }))
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Counts the requests that were not believed.
    pub fn refused(&self) -> Arc<AtomicU64> {
        self.gate.refused()
    }
}

/// Serves until `closing`. Runs on the doors' thread.
pub(super) async fn serve(
    listener: RemoteListener,
    commands: CommandSender,
    beats: Arc<Beats>,
    ranges: Arc<Ranges>,
    closing: watch::Receiver<bool>,
) {
    let RemoteListener { listener, tls, gate, limits, .. } = listener;
    let asker = Arc::new(Asker::new(commands, limits.answer));
    let streams = Streams::new(beats, limits.streams, limits.answer);
    let router = routes::router(&asker, &streams, &ranges, limits.order);
    let router = gate::guarded(router, Arc::new(gate), &limits);
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.0));
    let mut connections = Connections::new(limits.clone(), closing);
    // Fails only outside a runtime or without descriptors; watchdogs then find that nobody answers.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Some(slot) = connections.slot().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closing() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                drop_dead_peers(&stream, &limits);
                let (connections, router) = (connections.clone(), router.clone());
                match acceptor.clone() {
                    None => drop(tokio::spawn(connections.serve(stream, router, slot))),
                    Some(acceptor) => {
                        let within = limits.header;
                        drop(tokio::spawn(async move {
                            // Who is slow or speaks no TLS loses its place, and is told what TLS tells.
                            if let Ok(Ok(stream)) = timeout(within, acceptor.accept(stream)).await {
                                connections.serve(stream, router, slot).await;
                            }
                        }));
                    }
                }
            }
            Err(error) => wait_after_accept_error(&error).await,
        }
    }
    drop(listener);
    connections.ended().await;
}

#[cfg(test)]
mod tests;
