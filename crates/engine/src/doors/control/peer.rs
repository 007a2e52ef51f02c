//! Decides who may speak on the control socket: by the kernel's word about the peer, never by its own.

use crate::access::{Holders, Role};
use crate::command::Peer;
use crate::process::procfs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::Arc;

/// Whether the process with this number belongs to a component's tree. Called on the doors' thread, once a connection.
pub type ComponentProcesses = Arc<dyn Fn(i32) -> bool + Send + Sync>;

/// Judges every descendant of `ancestor` to be a component's. With the engine's own process number this misses no
/// component: the engine is a subreaper, so whatever a component starts hangs below the engine however often it forks, and
/// nothing else does but the engine's own probes and hooks, which have no business here either.
pub fn descendants_of(ancestor: i32) -> ComponentProcesses {
    Arc::new(move |pid| descends(pid, ancestor))
}

/// How often the way up is tried anew when a process on it ends meanwhile (its children then hang elsewhere).
const TRIES: usize = 16;

/// The longest way up that is believed.
const GENERATIONS: usize = 4096;

/// Whether `pid` hangs below `ancestor`. Where that cannot be found out, it does: nobody is let in for being obscure.
fn descends(pid: i32, ancestor: i32) -> bool {
    'anew: for _ in 0..TRIES {
        let mut at = pid;
        for _ in 0..GENERATIONS {
            match procfs::stat(at) {
                Ok(stat) if stat.parent == ancestor => return true,
                Ok(stat) if stat.parent <= 1 => return false,
                Ok(stat) => at = stat.parent,
                // The peer itself is gone: that is for the caller, who holds it exactly.
                Err(error) if at == pid && procfs::is_gone(&error) => return false,
                Err(error) if procfs::is_gone(&error) => continue 'anew,
                Err(_) => return true,
            }
        }
    }
    true
}

/// Why a peer may not speak here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefused {
    /// The kernel would not say.
    #[error("the kernel does not say who connects ({0}), so nothing is allowed")]
    Unknown(nix::Error),
    /// A user without a role.
    #[error(
        "user {uid} may not control this system: run the command as user {engine} (failstop's own) or as root, or give that user \
         or a group of its a role in [control]"
    )]
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

/// Who connected, in words for people: user and process, as far as the kernel says.
pub fn described(stream: &impl AsFd, holders: &Holders) -> String {
    match of(stream) {
        Ok(Peer { pid, uid, gid: _ }) => format!("{}, process {pid}", holders.user(uid)),
        Err(_) => "somebody of whom the kernel does not say who it is".to_owned(),
    }
}

fn of(stream: &impl AsFd) -> Result<Peer, PeerRefused> {
    let credentials = getsockopt(stream, sockopt::PeerCredentials).map_err(PeerRefused::Unknown)?;
    Ok(Peer { pid: credentials.pid(), uid: credentials.uid(), gid: credentials.gid() })
}

/// Judges the peer of `stream`: who it is, and as what.
///
/// # Errors
///
/// When the peer may not speak here.
pub fn judge(
    stream: &impl AsFd,
    component_processes: &ComponentProcesses,
    holders: &Holders,
) -> Result<(Peer, Role), PeerRefused> {
    let peer = of(stream)?;
    let role = match holders.role_of(peer.uid, &[]) {
        // Nobody can be more, whatever his groups; and root must not hang on a kernel that does not tell them.
        Some(Role::SuperAdmin) => Role::SuperAdmin,
        of_user if holders.has_others() => {
            let role = of_user.max(holders.role_of(peer.uid, &groups_of(stream, &peer)?));
            role.ok_or(PeerRefused::User { uid: peer.uid, engine: holders.engine() })?
        }
        Some(_) | None => return Err(PeerRefused::User { uid: peer.uid, engine: holders.engine() }),
    };
    if peer.pid <= 0 {
        // The peer is outside our process namespace; components are always within it.
        return Ok((peer, role));
    }
    let handle = PeerHandle::of(stream, peer.pid)?;
    if component_processes(peer.pid) {
        return Err(PeerRefused::Component { pid: peer.pid });
    }
    // Only now: had it ended before we looked, the number might already have been somebody else's.
    if handle.alive() { Ok((peer, role)) } else { Err(PeerRefused::Gone { pid: peer.pid }) }
}

/// The most groups that a peer is believed to be in; the kernel lets nobody be in more (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// The groups of the process that connected, as the kernel had them then: its own and its further ones.
fn groups_of(stream: &impl AsFd, peer: &Peer) -> Result<Vec<u32>, PeerRefused> {
    let mut groups = vec![0u32; 64];
    loop {
        let room = groups.len().saturating_mul(size_of::<u32>());
        let mut length = libc::socklen_t::try_from(room).unwrap_or(0);
        // SAFETY: the kernel writes at most `length` bytes to `groups`, which has as many, and the number of bytes that there are
        // to `length`; the descriptor is open for as long as `stream` is borrowed.
        let done = unsafe {
            libc::getsockopt(
                stream.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let there = usize::try_from(length).unwrap_or(0) / size_of::<u32>();
        match nix::errno::Errno::result(done) {
            Ok(_) => {
                groups.truncate(there);
                groups.push(peer.gid);
                return Ok(groups);
            }
            Err(nix::Error::ERANGE) if there > groups.len() && there <= GROUPS_MAX => groups.resize(there, 0),
            Err(error) => return Err(PeerRefused::Unknown(error)),
        }
    }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::descendants_of;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn a_grandchild_descends_and_an_ancestor_does_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut child = Command::new("/bin/sh")
            .args(["-c", "/bin/sh -c 'echo $$; read line' & wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // A shell gives its background children an empty input; this one's answer is its number all the same.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let grandchild: i32 = line.trim().parse().unwrap();
        let child_pid = i32::try_from(child.id()).unwrap();
        let below_us = descendants_of(own);
        assert!(below_us(child_pid));
        let parent = nix::unistd::getppid().as_raw();
        assert!(!below_us(parent) && !below_us(1));
        assert!(!descendants_of(grandchild)(own));
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn what_is_gone_descends_from_nobody() {
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert!(!descendants_of(i32::try_from(std::process::id()).unwrap())(pid));
    }
}
