//! Opens the bot socket and takes connections, as many as are allowed.

use super::BotEvent;
use super::connection;
use super::outbox::{Connection, ConnectionId};
use crate::command::Peer;
use failstop_client::wire::{Code, Reply};
use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

/// The longest path that a Unix socket can have, in bytes.
const MAX_PATH: usize = 107;
/// How long to wait when the system has no descriptors or memory left for a connection.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);

/// The places that components share.
const PLACES: usize = 1024;
/// Places beside them, for connections of which the loop has not yet worked out whose they are.
const PLACES_UNJUDGED: usize = 256;
/// What a component has at least.
const PLACES_LEAST: usize = 32;

const _: () = assert!(places_of_each(failstop_core::MAX_COMPONENTS) * (failstop_core::MAX_COMPONENTS + 1) <= PLACES);

/// How the door is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The socket's permission bits. 0600 unless a component runs as another user.
    pub mode: u32,
    /// Whose processes are listened to, beside the engine's own user and root: the users of components. Everybody else is
    /// told so and closed, and never takes a place.
    pub users: Vec<u32>,
    /// Connections at a time. The process needs a descriptor for each.
    pub max_connections: usize,
    /// How long a client may leave its answers unread once it is paused or has said its last.
    pub stall: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let max_connections = PLACES + PLACES_UNJUDGED;
        Self { mode: 0o600, users: Vec::new(), max_connections, stall: Duration::from_secs(10) }
    }
}

/// How many connections one component may hold, of a system with so many components; those that are no component's share
/// another such part. So nobody takes another's places.
pub const fn places_of_each(components: usize) -> usize {
    let each = PLACES / (components + 1);
    if each < PLACES_LEAST { PLACES_LEAST } else { each }
}

/// Why the bot socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The path does not fit into a socket address.
    #[error(
        "the bot socket's path {} has {length} bytes, but a socket's path may have {MAX_PATH} at most: set a shorter \
         system.runtime_dir",
        path.display()
    )]
    PathTooLong {
        /// Where.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// Something that is no socket stands in its place.
    #[error("{} exists and is no socket: move it away, or set another system.runtime_dir", .0.display())]
    Occupied(PathBuf),
    /// The kernel refused.
    #[error("cannot {action} the bot socket {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The open bot socket.
#[derive(Debug)]
pub struct BotDoor {
    listener: UnixListener,
    path: PathBuf,
    users: Vec<u32>,
    max_connections: usize,
    stall: Duration,
}

impl BotDoor {
    /// Opens the socket at `path`, in place of one that an earlier engine left. Only for the holder of the instance's
    /// lock, within a tokio runtime.
    ///
    /// # Errors
    /// When the path is too long or occupied, or the kernel refuses.
    pub fn bind(path: &Path, options: &Options) -> Result<Self, BindError> {
        let io = |action| move |source| BindError::Io { action, path: path.to_owned(), source };
        let length = path.as_os_str().as_bytes().len();
        if length > MAX_PATH {
            return Err(BindError::PathTooLong { path: path.to_owned(), length });
        }
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path).map_err(io("replace"))?,
            Ok(_) => return Err(BindError::Occupied(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io("inspect")(error)),
        }
        let listener = UnixListener::bind(path).map_err(io("open"))?;
        std::fs::set_permissions(path, Permissions::from_mode(options.mode)).map_err(io("set the permissions of"))?;
        let mut users = options.users.clone();
        users.extend([0, nix::unistd::geteuid().as_raw()]);
        let (max_connections, stall) = (options.max_connections, options.stall);
        Ok(Self { listener, path: path.to_owned(), users, max_connections, stall })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes connections for ever, each in a task of its own. Dropping the future closes the socket to new ones.
    pub async fn serve(self, events: mpsc::Sender<BotEvent>) {
        let places = Arc::new(Semaphore::new(self.max_connections));
        let mut next_id = 0;
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the bot socket could not take a connection");
                    tokio::time::sleep(EXHAUSTED_WAIT).await;
                    continue;
                }
            };
            let Some(peer) = peer(&stream) else { continue };
            if !self.users.contains(&peer.uid) {
                let uid = peer.uid;
                let error = format!("no component runs as user {uid}: set `user` of the component that this is");
                turn_away(&stream, Code::NotAComponent, error);
                continue;
            }
            let Ok(place) = places.clone().try_acquire_owned() else {
                let error = format!("all {} connections of the bot socket are taken: close some", self.max_connections);
                turn_away(&stream, Code::TooManyConnections, error);
                continue;
            };
            let stream = match stream.into_std() {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the bot socket could not keep a connection");
                    continue;
                }
            };
            next_id += 1;
            let connection = Connection::new(ConnectionId(next_id), peer, stream);
            let (events, stall) = (events.clone(), self.stall);
            tokio::spawn(async move {
                connection::serve(connection, events, stall).await;
                drop(place);
            });
        }
    }
}

/// Says why, where that can be said at once; nobody waits for it.
fn turn_away(stream: &UnixStream, code: Code, error: String) {
    let mut line = Vec::new();
    Reply::Refused { code, error }.write_line(None, &mut line);
    let flags = nix::sys::socket::MsgFlags::MSG_DONTWAIT | nix::sys::socket::MsgFlags::MSG_NOSIGNAL;
    let _ = nix::sys::socket::send(std::os::fd::AsRawFd::as_raw_fd(stream), &line, flags);
}

impl Drop for BotDoor {
    fn drop(&mut self) {
        // A left-over socket is replaced at the next start, so nothing is lost where this fails.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn peer(stream: &UnixStream) -> Option<Peer> {
    let credentials = stream.peer_cred().ok()?;
    Some(Peer { pid: credentials.pid()?, uid: credentials.uid(), gid: credentials.gid() })
}
