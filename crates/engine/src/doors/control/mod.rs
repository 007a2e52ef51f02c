//! The control socket: HTTP over a Unix socket, for operators. Who asks is what the kernel says. Until roles exist, the
//! engine's user and root may do everything and nobody else anything; a component's process may do nothing whoever it is.

pub mod client;
mod page;
mod peer;
pub(super) mod routes;
pub mod wire;

pub use peer::{ComponentProcesses, PeerRefused, descendants_of};
pub use routes::{ROUTES, Route};

use super::ask::Asker;
use super::beat::{Beats, Streams};
use super::http::{Connections, Limits, wait_after_accept_error};
use super::range::Ranges;
use crate::command::CommandSender;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The longest path of a Unix socket, bytes (`sun_path` without its last zero).
pub const SOCKET_PATH_MAX: usize = 107;

/// What the control socket needs to know.
#[derive(Clone)]
pub struct ControlSettings {
    /// The system's name: what `confirm` must say.
    pub system: String,
    /// Components in the configuration's order, for their slots.
    pub components: Vec<String>,
    /// Whether a process belongs to a component: [`descendants_of`] the engine.
    pub component_processes: ComponentProcesses,
    /// What a peer may take up.
    pub limits: Limits,
}

impl std::fmt::Debug for ControlSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlSettings")
            .field("system", &self.system)
            .field("components", &self.components)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
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
    /// Binds the socket at `path`, mode 0600, and takes away a socket that an earlier engine left. Call it only while
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
            // A second wall: what counts is the peer's user, asked of the kernel at each connection.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
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
pub(super) async fn serve(
    listener: ControlListener,
    commands: CommandSender,
    beats: Arc<Beats>,
    ranges: Arc<Ranges>,
    closing: watch::Receiver<bool>,
) {
    let ControlListener { listener, file, settings, dashboard } = listener;
    let streams = Streams::new(beats, settings.limits.streams, settings.limits.answer);
    let asker = Arc::new(Asker::new(commands, settings.limits.answer));
    let page = page::Page::new(&asker, dashboard, &settings.limits, closing.clone());
    let mut connections = Connections::new(settings.limits.clone(), closing);
    let settings = Arc::new(settings);
    // Fails only outside a runtime or without descriptors; commands then say that no engine answers.
    let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
    while let Some(slot) = connections.slot().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closing() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let router = match peer::judge(&stream, &settings.component_processes) {
                    Ok(peer) => routes::router(&asker, &settings, &streams, &ranges, &page, peer),
                    Err(refused) => routes::refusing_router(&refused),
                };
                tokio::spawn(connections.clone().serve(stream, router, slot));
            }
            Err(error) => wait_after_accept_error(&error).await,
        }
    }
    drop((listener, file));
    connections.ended().await;
}

#[cfg(test)]
mod tests;
