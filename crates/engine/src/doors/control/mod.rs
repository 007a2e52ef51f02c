//! The control socket: HTTP over a Unix socket, for operators. Who asks is what the kernel says, and what he may is what the
//! configuration says of that user and its groups. A component's process may do nothing whoever it is.

pub(super) mod access;
pub mod client;
pub(super) mod page;
mod peer;
pub(super) mod routes;
mod way;
pub mod wire;

pub use peer::{ComponentProcesses, PeerRefused, descendants_of};
pub use routes::{ROUTES, Route};
pub use way::FarError;

use super::ask::Asker;
use super::beat::{Beats, Streams, with_beat};
use super::http::{Connections, Limits, wait_after_accept_error};
use super::range::{Ranges, with_journal};
use super::turned_away::Turned;
use crate::access::{Holders, Role, Standing, Used, Who};
use crate::command::{CommandSender, Principal};
use axum::Extension;
use routes::Orders;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The longest path of a Unix socket, bytes (`sun_path` without its last zero).
pub const SOCKET_PATH_MAX: usize = 107;

/// So many who may not speak here are told so at one time. They have places of their own: any user of the host may connect where
/// some have a role, and must keep nobody out who has one.
const REFUSED_CONNECTIONS: usize = 8;

/// What the control socket needs to know.
#[derive(Clone)]
pub struct ControlSettings {
    /// The system's name: what `confirm` must say.
    pub system: String,
    /// Components in the configuration's order, for their slots.
    pub components: Vec<String>,
    /// Whether a process belongs to a component: [`descendants_of`] the engine.
    pub component_processes: ComponentProcesses,
    /// Which users have which role.
    pub holders: Holders,
    /// The file of tokens, which are taken elsewhere and shown here too.
    pub token_file: Option<PathBuf>,
    /// What a peer may take up.
    pub limits: Limits,
}

impl std::fmt::Debug for ControlSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlSettings")
            .field("system", &self.system)
            .field("components", &self.components)
            .field("holders", &self.holders)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl ControlSettings {
    fn orders(&self) -> Orders {
        let (system, components) = (self.system.clone(), self.components.clone());
        Orders { system, components, limits: self.limits.clone(), from_afar: false }
    }

    /// The socket's mode. A second wall: what counts is the peer's user, asked of the kernel at each connection.
    fn socket_mode(&self) -> u32 {
        if self.holders.has_others() { 0o666 } else { 0o600 }
    }
}

/// What stands behind a door that takes orders.
#[derive(Debug)]
pub(super) struct Behind {
    /// The loop.
    pub commands: CommandSender,
    /// The beats that it makes.
    pub beats: Arc<Beats>,
    /// The journal's lines.
    pub ranges: Arc<Ranges>,
    /// Who is told of those who are turned away.
    pub turned: Arc<Turned>,
    /// When tokens were shown last.
    pub used: Arc<Used>,
}

/// The control socket, bound and not yet served. Its file is removed when it is dropped or served to the end.
#[derive(Debug)]
pub struct ControlListener {
    listener: std::os::unix::net::UnixListener,
    file: SocketFile,
    settings: ControlSettings,
    dashboard: bool,
}

/// The control socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlUnavailable {
    /// The kernel's limit.
    #[error(
        "the control socket's path {path} has {length} bytes and the kernel takes at most {SOCKET_PATH_MAX}; set a shorter `runtime_dir`"
    )]
    PathTooLong {
        /// Where it should be.
        path: PathBuf,
        /// How long that is.
        length: usize,
    },
    /// Something else is there.
    #[error("{path} is in the way of the control socket and is no socket; move it away")]
    InTheWay {
        /// Where.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error(
        "cannot make the control socket {path}: {source}; does the runtime directory exist and belong to failstop's user?"
    )]
    Bind {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ControlListener {
    /// Binds the socket at `path`, mode 0600 (0666 where other users have a role), and takes away a socket that an earlier engine left. Call it only while
    /// holding the instance lock.
    ///
    /// # Errors
    ///
    /// When the path is too long, something that is no socket is there, or the kernel refuses.
    pub fn bind(path: &Path, settings: ControlSettings) -> Result<Self, ControlUnavailable> {
        let length = path.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            return Err(ControlUnavailable::PathTooLong { path: path.to_owned(), length });
        }
        if let Ok(there) = path.symlink_metadata()
            && !there.file_type().is_socket()
        {
            return Err(ControlUnavailable::InTheWay { path: path.to_owned() });
        }
        let bind = || {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let listener = std::os::unix::net::UnixListener::bind(path)?;
            let file = SocketFile(path.to_owned());
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(settings.socket_mode()))?;
            listener.set_nonblocking(true)?;
            Ok(Self { listener, file, settings, dashboard: true })
        };
        bind().map_err(|source| ControlUnavailable::Bind { path: path.to_owned(), source })
    }
}

impl ControlListener {
    /// The same with or without the dashboard.
    #[must_use]
    pub fn showing(self, dashboard: bool) -> Self {
        Self { dashboard, ..self }
    }
}

/// The socket's file.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone with its directory; the next engine takes away what is left.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serves until `closing`. Runs on the doors' thread.
pub(super) async fn serve(listener: ControlListener, behind: Behind, closing: watch::Receiver<bool>) {
    let ControlListener { listener, file, settings, dashboard } = listener;
    let Behind { commands, beats, ranges, turned, used } = behind;
    let streams = Streams::new(beats, settings.limits.streams, settings.limits.answer);
    let asker = Arc::new(Asker::new(commands, settings.limits.answer));
    let page::Pages { acting, reading, live } = page::Pages::new(&asker, dashboard, &settings.limits, closing.clone());
    let refused_limits = Limits { connections: REFUSED_CONNECTIONS, ..settings.limits.clone() };
    let refused_connections = Connections::new(refused_limits, closing.clone());
    let mut connections = Connections::new(settings.limits.clone(), closing);
    let orders = Arc::new(settings.orders());
    // Fails only outside a runtime or without descriptors; commands then say that no engine answers.
    let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
    while let Some(slot) = connections.slot().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closing() => break,
        };
        match accepted {
            Ok((stream, _)) => match peer::judge(&stream, &settings.component_processes, &settings.holders) {
                Ok((peer, role)) => {
                    let page = if role >= Role::Admin { &acting } else { &reading };
                    let user = settings.holders.user(peer.uid);
                    let who = Who { principal: Principal::User(user), standing: Standing::Role(role) };
                    let pages = with_journal(with_beat(page.pages(), &streams), &ranges, &asker);
                    let pages = access::with_access(pages, settings.token_file.clone(), &used);
                    let router = routes::with_controls(pages, ROUTES, &asker, &orders, &turned);
                    let router = page::guarded(routes::ended(router)).layer(Extension(who));
                    tokio::spawn(connections.clone().serve(stream, router, slot));
                }
                Err(refused) => {
                    turned.refused(&peer::described(&stream, &settings.holders), &refused.to_string());
                    // Beyond those few it is closed unanswered.
                    if let Some(place) = refused_connections.free_slot() {
                        let router = routes::refusing_router(&refused);
                        tokio::spawn(refused_connections.clone().serve(stream, router, place));
                    }
                }
            },
            Err(error) => wait_after_accept_error(&error).await,
        }
    }
    drop((listener, file));
    connections.ended().await;
    refused_connections.ended().await;
    live.gone().await;
}

#[cfg(test)]
mod tests;
