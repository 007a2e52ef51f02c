//! The observe address: HTTP, GET only, changes nothing, knows no secret. For probes, Prometheus, the watchdog, people.

mod dashboard;
mod fleet;
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
use crate::command::CommandSender;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The observe address, bound and not yet served.
#[derive(Debug)]
pub struct ObserveListener {
    listener: std::net::TcpListener,
    address: SocketAddr,
    limits: Limits,
    site: Site,
}

/// The observe address cannot be had. The engine warns and goes on without: a page must never keep a bot from its guard.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for the observe address: {source}; free the port, or choose another with [observe] listen or --listen"
)]
pub struct ObserveUnavailable {
    /// What was asked for.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

impl ObserveListener {
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
            Ok(Self { listener, address, limits, site: Site::default() })
        };
        bind().map_err(|source| ObserveUnavailable { address, source })
    }

    /// The same, showing what the configuration wants shown.
    #[must_use]
    pub fn showing(self, site: Site) -> Self {
        Self { site, ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until `closing`. Runs on the doors' thread.
pub(super) async fn serve(
    listener: ObserveListener,
    commands: CommandSender,
    beats: Arc<Beats>,
    closing: watch::Receiver<bool>,
) {
    let limits = listener.limits.clone();
    let asker = Arc::new(Asker::new(commands, limits.answer));
    let streams = Streams::new(beats, limits.streams, limits.answer);
    let router = pages::router(&asker, listener.site, &streams, &limits, &closing);
    let mut connections = Connections::new(listener.limits, closing);
    // Fails only outside a runtime or without descriptors; the address then does not answer, which probes will say.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener.listener) else { return };
    while let Some(slot) = connections.slot().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closing() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                // Answers are small and whole: no reason to wait for more.
                let _ = stream.set_nodelay(true);
                drop_dead_peers(&stream, &limits);
                tokio::spawn(connections.clone().serve(stream, router.clone(), slot));
            }
            Err(error) => wait_after_accept_error(&error).await,
        }
    }
    drop(listener);
    connections.ended().await;
}

#[cfg(test)]
mod dashboard_tests;
#[cfg(test)]
mod tests;
