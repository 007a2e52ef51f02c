//! Decides who may speak on the control socket: by the kernel's word about the peer, never by its own.

use crate::command::Peer;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Whether the process with this number belongs to a component's tree. Called on the doors' thread, once a connection.
pub type ComponentProcesses = Arc<dyn Fn(i32) -> bool + Send + Sync>;

/// Why a peer may not speak here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefused {
    /// The kernel would not say.
    #[error("the kernel does not say who connects ({0}), so nothing is allowed")]
    Unknown(nix::Error),
    /// Another user.
    #[error("user {uid} may not control this system: run the command as user {engine} (failstop's own) or as root")]
    User {
        /// Who.
        uid: u32,
        /// The engine's user.
        engine: u32,
    },
    /// A component.
    #[error(
        "process {pid} belongs to a component of this system, and a bot may not control its own guard; run the command from a shell of your own (a bot may ask to be halted over its bot socket)"
    )]
    Component {
        /// Which process.
        pid: i32,
    },
    /// It connected and ended at once, which hides what it belonged to.
    #[error("process {pid}, which made this connection, is gone, so it cannot be shown that it was not a component's")]
    Gone {
        /// Which process.
        pid: i32,
    },
}

/// Judges the peer of `stream`.
///
/// # Errors
///
/// When the peer may not speak here.
pub fn judge(stream: &impl AsFd, component_processes: &ComponentProcesses) -> Result<Peer, PeerRefused> {
    let credentials = getsockopt(stream, sockopt::PeerCredentials).map_err(PeerRefused::Unknown)?;
    let peer = Peer { pid: credentials.pid(), uid: credentials.uid(), gid: credentials.gid() };
    let engine = nix::unistd::geteuid().as_raw();
    if peer.uid != engine && peer.uid != 0 {
        return Err(PeerRefused::User { uid: peer.uid, engine });
    }
    if peer.pid <= 0 {
        // The peer is outside our process namespace; components are always within it.
        return Ok(peer);
    }
    let handle = PeerHandle::of(stream, peer.pid)?;
    if component_processes(peer.pid) {
        return Err(PeerRefused::Component { pid: peer.pid });
    }
    // Only now: had it ended before we looked, the number might already have been somebody else's.
    if handle.alive() { Ok(peer) } else { Err(PeerRefused::Gone { pid: peer.pid }) }
}

/// Something that tells whether the very process that connected is still there.
enum PeerHandle {
    /// From the kernel (Linux 6.5 and later).
    Pidfd(OwnedFd),
    /// Older kernels: only the number.
    Number(i32),
}

impl PeerHandle {
    fn of(stream: &impl AsFd, pid: i32) -> Result<Self, PeerRefused> {
        match getsockopt(stream, sockopt::PeerPidfd) {
            Ok(pidfd) => Ok(Self::Pidfd(pidfd)),
            Err(nix::Error::ENOPROTOOPT | nix::Error::EOPNOTSUPP) => Ok(Self::Number(pid)),
            Err(nix::Error::ESRCH | nix::Error::ENODATA | nix::Error::EINVAL) => Err(PeerRefused::Gone { pid }),
            Err(other) => Err(PeerRefused::Unknown(other)),
        }
    }

    fn alive(&self) -> bool {
        match self {
            // A pidfd becomes readable when its process ends.
            Self::Pidfd(pidfd) => {
                let mut set = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
                poll(&mut set, PollTimeout::ZERO) == Ok(0)
            }
            Self::Number(pid) => std::fs::metadata(format!("/proc/{pid}")).is_ok(),
        }
    }
}
