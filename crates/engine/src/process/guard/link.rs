//! The link between engine and guard: a pair of sequenced-packet sockets. One message a packet, its kind in the first
//! byte; the end of one side is the other's notice that it died. Only the engine ever sends.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::process::guard::GuardState;

/// The longest message. Paths have at most 4096 bytes; notify lines are far shorter.
pub(super) const MESSAGE_MAX_BYTES: usize = 4096 + 1;

const PERMIT: u8 = b'P';
const CGROUP: u8 = b'C';
const NOTIFY: u8 = b'N';

/// Why the guard could not be told.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is dead.
    #[error("the guard is gone")]
    Gone,
    /// It has not read for so long that nothing more fits: somebody has stopped it.
    #[error("the guard does not read what it is told: is it stopped?")]
    Full,
    /// Longer than any path or notify line may be.
    #[error("a message of {bytes} bytes is too long for the guard")]
    TooLong {
        /// How long it was.
        bytes: usize,
    },
    /// Anything else.
    #[error("the guard could not be told: {0}")]
    Io(#[source] io::Error),
}

/// What the engine tells its guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// The permit page's path.
    Permit(&'a [u8]),
    /// The system's cgroup.
    Cgroup(&'a [u8]),
    /// Lines for the service manager.
    Notify(&'a [u8]),
}

/// What came over the link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received<'a> {
    Message(Message<'a>),
    /// A kind that this guard does not know; passed over.
    Unknown,
    /// Nothing now.
    Nothing,
    /// The other side is gone, and everything that it said has been read.
    End,
}

/// Both ends, closed on exec, never blocking: the guard's and the engine's.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: room for two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us both, and nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

pub(super) fn send(link: &OwnedFd, message: Message<'_>) -> Result<(), LinkError> {
    let (kind, body) = match message {
        Message::Permit(path) => (PERMIT, path),
        Message::Cgroup(path) => (CGROUP, path),
        Message::Notify(state) => (NOTIFY, state),
    };
    let mut packet = Vec::with_capacity(body.len() + 1);
    packet.push(kind);
    packet.extend_from_slice(body);
    if packet.len() > MESSAGE_MAX_BYTES {
        return Err(LinkError::TooLong { bytes: body.len() });
    }
    loop {
        // SAFETY: an open socket and a buffer of this length.
        let sent = unsafe { libc::send(link.as_raw_fd(), packet.as_ptr().cast(), packet.len(), libc::MSG_NOSIGNAL) };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN) => return Err(LinkError::Gone),
            Some(libc::EAGAIN | libc::ENOBUFS) => return Err(LinkError::Full),
            _ => return Err(LinkError::Io(error)),
        }
    }
}

pub(super) fn receive<'a>(link: &OwnedFd, buffer: &'a mut [u8; MESSAGE_MAX_BYTES]) -> Received<'a> {
    // SAFETY: an open socket and a buffer of this length.
    let received = unsafe { libc::recv(link.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    match usize::try_from(received) {
        Ok(0) => Received::End,
        Ok(length) => match buffer.get(..length).and_then(<[u8]>::split_first) {
            Some((&PERMIT, body)) => Received::Message(Message::Permit(body)),
            Some((&CGROUP, body)) => Received::Message(Message::Cgroup(body)),
            Some((&NOTIFY, body)) => Received::Message(Message::Notify(body)),
            _ => Received::Unknown,
        },
        Err(_) => match io::Error::last_os_error().raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => Received::Nothing,
            _ => Received::End,
        },
    }
}

/// Whether the other side is there. The guard never sends, so the only thing to read is its end.
pub(super) fn peer(link: &OwnedFd) -> GuardState {
    let mut byte = 0_u8;
    // SAFETY: an open socket and one byte of room.
    let received = unsafe { libc::recv(link.as_raw_fd(), (&raw mut byte).cast(), 1, 0) };
    if received > 0 {
        return GuardState::Alive;
    }
    if received == 0 {
        return GuardState::Gone;
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR) => GuardState::Alive,
        // ECONNRESET: it died with something of ours unread.
        _ => GuardState::Gone,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn what_is_said_arrives_and_the_end_comes_after_it() {
        let (guard, engine) = pair().unwrap();
        let mut buffer = [0; MESSAGE_MAX_BYTES];
        assert_eq!(receive(&guard, &mut buffer), Received::Nothing);
        send(&engine, Message::Permit(b"/run/permit")).unwrap();
        send(&engine, Message::Notify(b"READY=1\nSTATUS=x")).unwrap();
        drop(engine);
        assert_eq!(receive(&guard, &mut buffer), Received::Message(Message::Permit(b"/run/permit")));
        assert_eq!(receive(&guard, &mut buffer), Received::Message(Message::Notify(b"READY=1\nSTATUS=x")));
        assert_eq!(receive(&guard, &mut buffer), Received::End);
    }

    #[test]
    fn a_dead_or_stopped_guard_never_holds_the_engine() {
        let (guard, engine) = pair().unwrap();
        assert_eq!(peer(&engine), GuardState::Alive);
        let error = loop {
            if let Err(error) = send(&engine, Message::Notify(&[b'x'; 4096])) {
                break error;
            }
        };
        assert!(matches!(error, LinkError::Full), "{error}");
        assert!(matches!(send(&engine, Message::Notify(&[b'x'; 4097])), Err(LinkError::TooLong { .. })));
        drop(guard);
        assert_eq!(peer(&engine), GuardState::Gone);
        assert!(matches!(send(&engine, Message::Notify(b"READY=1")), Err(LinkError::Gone)));
    }
}
