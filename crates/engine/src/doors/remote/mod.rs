//! The control listener: HTTP over TLS for watchdogs, people and programs on other hosts. What is answered to somebody who proves
//! nothing costs next to nothing and tells nothing.
//!
//! A request goes three steps: [`gate`] proves who asks (a signature, a token, a browser's session), [`proof`] has what can be
//! shown, and then it goes to what this one may ask: a watchdog what it judges by and its ends, a person what the control socket
//! answers. Orders are judged by the one table of [`crate::access`].

mod gate;
mod login;
mod proof;

use super::ask::Asker;
use super::beat::{Streams, with_beat};
use super::control::access::with_access;
use super::control::page::{Page, Pages};
use super::control::routes::{Orders, ended, with_controls};
use super::control::{Behind, ROUTES};
use super::http::{Connections, Limits, drop_dead_peers, wait_after_accept_error};
use super::observe::pages;
use super::proving::{Slowing, Tokens};
use super::range::with_journal;
use super::tls::{self, Tls, TlsError};
use crate::access::Pace;
use crate::config::{Control, Listen};
use axum::Router;
use failstop_client::signed::{Key, KeyFileError, SameId, Verifier};
use gate::{Gate, Inside};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::watch;
use tokio::time::timeout;

/// The control listener, bound and not yet served.
pub struct RemoteListener {
    listener: std::net::TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    gate: Gate,
    limits: Limits,
    system: String,
    components: Vec<String>,
    dashboard: bool,
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
        Self::open_with(control, system, now_ms, Limits::REMOTE, Pace::CONTROL)
    }

    fn open_with(
        control: &Control,
        system: &str,
        now_ms: u64,
        limits: Limits,
        pace: Pace,
    ) -> Result<Option<Self>, RemoteUnavailable> {
        let Listen::At(address) = control.listen else { return Ok(None) };
        let keys: Vec<Key> = control.keys.iter().map(|path| Key::read(path)).collect::<Result<_, _>>()?;
        // The configuration has seen that there are both or neither, and neither only on loopback.
        let tls = match (&control.tls_cert, &control.tls_key) {
            (Some(cert), Some(key)) => Some(Tls::read(cert, key, control.client_ca.as_deref())?),
            (None, _) | (_, None) => None,
        };
        // A token that went over a wire in clear is everybody's.
        let tokens = control.token_file.clone().filter(|_| tls.is_some()).map(Tokens::of);
        let gate = Gate::new(system, Verifier::new(keys, now_ms)?, tokens, Slowing::new(pace));
        let bind = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bind().map_err(|source| RemoteUnavailable::Bind { address, source })?;
        let system = system.to_owned();
        Ok(Some(Self { listener, address, tls, gate, limits, system, components: Vec::new(), dashboard: true }))
    }

    /// The same, for a system with these components.
    #[must_use]
    pub fn controlling(self, components: Vec<String>) -> Self {
        Self { components, ..self }
    }

    /// The same with or without the dashboard.
    #[must_use]
    pub fn showing(self, dashboard: bool) -> Self {
        Self { dashboard, ..self }
    }

    /// The same with other limits.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
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
pub(super) async fn serve(listener: RemoteListener, behind: Behind, closing: watch::Receiver<bool>) {
    let RemoteListener { listener, tls, gate, limits, system, components, dashboard, address: _ } = listener;
    let Behind { commands, beats, ranges, turned, used } = behind;
    let asker = Arc::new(Asker::new(commands, limits.answer));
    let streams = Streams::new(beats, limits.streams, limits.answer);
    // Only whoever has proved who he is has a body read that is as large as the control socket's may be.
    let body_bytes = Limits::CONTROL.body_bytes;
    let orders = Orders { system, components, limits: Limits { body_bytes, ..limits.clone() }, from_afar: true };
    let orders = Arc::new(orders);
    let people = |page: &Page| {
        let router = with_journal(page.pages(), &ranges, &asker);
        let router = with_access(router, gate.token_file().map(Path::to_owned), &used);
        ended(with_controls(router, ROUTES, &asker, &orders, &turned))
    };
    let Pages { acting, reading, live } = Pages::new(&asker, dashboard, &limits, closing.clone());
    let (acting, reading) = (people(&acting), people(&reading));
    let watchdogs = pages::with_pages(Router::new(), pages::ON_CONTROL, &asker, &Arc::default());
    let watchdogs = with_journal(with_beat(watchdogs, &streams), &ranges, &asker);
    let ends = ROUTES.iter().filter(|route| route.is_watchdogs());
    let watchdogs = ended(with_controls(watchdogs, ends, &asker, &orders, &turned));
    let inside = Inside { gate, limits: limits.clone(), turned, used, dashboard, watchdogs, reading, acting };
    let inside = Arc::new(inside);
    let acceptor = tls.map(Tls::acceptor);
    let mut connections = Connections::new(limits.clone(), closing);
    // Fails only outside a runtime or without descriptors; watchdogs then find that nobody answers.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Some(slot) = connections.slot().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closing() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                drop_dead_peers(&stream, &limits);
                let (connections, inside) = (connections.clone(), Arc::clone(&inside));
                match acceptor.clone() {
                    None => {
                        let router = gate::guarded(&inside, peer, None);
                        drop(tokio::spawn(connections.serve(stream, router, slot)));
                    }
                    Some(acceptor) => {
                        let within = limits.header;
                        drop(tokio::spawn(async move {
                            // Who is slow or speaks no TLS loses its place, and is told what TLS tells.
                            if let Ok(Ok(stream)) = timeout(within, acceptor.accept(stream)).await {
                                let router = gate::guarded(&inside, peer, tls::certified(stream.get_ref().1));
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
    live.gone().await;
}

#[cfg(test)]
mod tests;
