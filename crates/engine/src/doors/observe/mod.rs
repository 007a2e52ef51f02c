//! The observe address: HTTP, GET only, changes nothing, tells no secret. For probes, Prometheus, the watchdog, people. Where the
//! configuration wants it, [`guard`] stands before every path, and TLS before that.

mod cors;
mod dashboard;
mod fleet;
mod guard;
mod health;
mod live;
pub(super) mod pages;
mod shed;
mod site;
mod thresholds;

pub use health::{HealthAnswer, health_answer};
pub(super) use live::Live;
pub use pages::{ROUTES, Route};
pub use site::Site;
pub use thresholds::{Judging, Threshold, thresholds};

use super::ask::Asker;
use super::beat::{Beats, Streams};
use super::http::{Connections, Limits, drop_dead_peers, wait_after_accept_error};
use super::tls::{Tls, TlsError};
use super::turned_away::Turned;
use crate::access::Used;
use crate::command::CommandSender;
use crate::config::{Config, Listen};
use guard::{Asking, Guard, LOOK_AGAIN, guarded};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The observe address, bound and not yet served.
#[derive(Debug)]
pub struct ObserveListener {
    listener: std::net::TcpListener,
    address: SocketAddr,
    limits: Limits,
    site: Site,
    tls: Option<Tls>,
    asking: Option<Asking>,
    look_again: Duration,
}

/// The observe address cannot be had. The engine warns and goes on without: a page must never keep a bot from its guard. Nor is it served
/// with less than the configuration wants.
#[derive(Debug, thiserror::Error)]
pub enum ObserveUnavailable {
    /// The address.
    #[error(
        "cannot listen on {address} for the observe address: {source}; free the port, or choose another with [observe] listen or --listen"
    )]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// Certificate or private key.
    #[error("the observe address is off, nobody can look from outside: {0}")]
    Tls(#[from] TlsError),
}

impl ObserveListener {
    /// Reads the certificate and binds the address that the configuration says; `None` where it says "off".
    ///
    /// # Errors
    ///
    /// [`ObserveUnavailable`].
    pub fn open(config: &Config, site: Site) -> Result<Option<Self>, ObserveUnavailable> {
        let Listen::At(address) = config.observe.listen else { return Ok(None) };
        // The configuration has seen that there are both or neither.
        let tls = match (&config.observe.tls_cert, &config.observe.tls_key) {
            (Some(cert), Some(key)) => Some(Tls::read(cert, key, None)?),
            (None, _) | (_, None) => None,
        };
        let listener = Self { tls, ..Self::bind(address)? }.showing(site);
        // And that there is a file of tokens; were there none, nobody would have one.
        let file = config.observe.require_token.then(|| config.control.token_file.clone().unwrap_or_default());
        Ok(Some(match file {
            Some(file) => listener.wanting_tokens_of(file),
            None => listener,
        }))
    }

    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the address is taken, is not this host's, or needs a privilege.
    pub fn bind(address: SocketAddr) -> Result<Self, ObserveUnavailable> {
        Self::bind_with(address, Limits::OBSERVE)
    }

    /// The same with other limits.
    ///
    /// # Errors
    ///
    /// As [`Self::bind`].
    pub fn bind_with(address: SocketAddr, limits: Limits) -> Result<Self, ObserveUnavailable> {
        let bind = || {
            // Sets SO_REUSEADDR, so that a restart does not wait for old connections to be forgotten.
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let site = Site::default();
            Ok(Self { listener, address, limits, site, tls: None, asking: None, look_again: LOOK_AGAIN })
        };
        bind().map_err(|source| ObserveUnavailable::Bind { address, source })
    }

    /// The same, showing what the configuration wants shown.
    #[must_use]
    pub fn showing(self, site: Site) -> Self {
        Self { site, ..self }
    }

    /// The same, for whoever shows a token of this file. Nobody watches for longer than at the control listener without showing it
    /// again.
    fn wanting_tokens_of(self, file: PathBuf) -> Self {
        let limits = Limits { watch: Limits::REMOTE.watch, ..self.limits };
        Self { asking: Some(Asking::of(file)), limits, ..self }
    }

    /// The same, counting requests that are not believed with those of another door.
    #[must_use]
    pub fn counting(self, refused: Arc<AtomicU64>) -> Self {
        Self { asking: self.asking.map(|asking| asking.counting(refused)), ..self }
    }

    /// Counts the requests that were not believed; `None` where everybody is answered.
    pub fn refused(&self) -> Option<Arc<AtomicU64>> {
        self.asking.as_ref().map(Asking::refused)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

/// What stands behind it.
#[derive(Debug)]
pub(super) struct Behind {
    /// The loop.
    pub commands: CommandSender,
    /// The beats that it makes.
    pub beats: Arc<Beats>,
    /// Who is told of those who are turned away.
    pub turned: Arc<Turned>,
    /// When tokens were shown last.
    pub used: Arc<Used>,
}

/// Serves until `closing`. Runs on the doors' thread.
pub(super) async fn serve(listener: ObserveListener, behind: Behind, closing: watch::Receiver<bool>) {
    let ObserveListener { listener, address: _, limits, site, tls, asking, look_again } = listener;
    let Behind { commands, beats, turned, used } = behind;
    let asker = Arc::new(Asker::new(commands, limits.answer));
    let streams = Streams::new(beats, limits.streams, limits.answer);
    let cors = site.cors.clone();
    let site = Arc::new(site);
    let live = Live::new(Arc::clone(&asker), Arc::clone(&site), &limits, closing.clone());
    let paths = pages::router(&asker, &site, &streams, &live);
    let guard = (asking.is_some() || !cors.is_off())
        .then(|| Arc::new(Guard { asking, cors, turned, used, paths: paths.clone(), look_again }));
    let acceptor = tls.map(Tls::acceptor);
    let mut connections = Connections::new(limits.clone(), closing);
    // Fails only outside a runtime or without descriptors; the address then does not answer, which probes will say.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Some(slot) = connections.slot().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closing() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Answers are small and whole: no reason to wait for more.
                let _ = stream.set_nodelay(true);
                drop_dead_peers(&stream, &limits);
                let router = guard.as_ref().map_or_else(|| paths.clone(), |guard| guarded(guard, peer));
                let connections = connections.clone();
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
    live.gone().await;
}

#[cfg(test)]
mod dashboard_tests;
#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod tests;
