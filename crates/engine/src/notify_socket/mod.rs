//! The sockets on which components speak sd_notify: one each, so that the socket's path is the identity, whoever of the
//! component's tree sends and however soon it is gone. For the loop, which takes one [`Notice`] at a time.
//!
//! Every descriptor that comes along and is not kept is closed, always: with `BARRIER=1` the closing is the acknowledgement
//! that the sender waits for. It happens when the notice is dropped, that is, after the loop has dealt with it.

mod access;
mod fd_store;
mod message;

pub use access::Access;
pub use fd_store::{FdStore, Put, TOKENS_FROM, is_worth_keeping};
pub use message::{MAX_SPAN, MAX_STATUS_BYTES, Notification, Parsed, VARIABLES, parse};

use failstop_core::{Instance, Slot};
use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The largest datagram that is read, in bytes; what is longer is refused whole.
pub const MAX_DATAGRAM: usize = 8 * 1024;

/// The most descriptors that the kernel passes along with one datagram.
const MAX_DESCRIPTORS: usize = 253;

/// Names from the kernel's headers that libc lacks.
const SO_PASSPIDFD: libc::c_int = 76;
const SCM_PIDFD: libc::c_int = 0x04;

/// What one datagram said, and who sent it.
#[derive(Debug)]
pub struct Notice {
    /// Which component's socket it came in by.
    pub slot: Slot,
    /// Which start the socket was made for, or last told of.
    pub instance: Instance,
    /// The sender's process number; it may be gone already. 0: a sender in another process namespace.
    pub pid: i32,
    /// The sender's user.
    pub uid: u32,
    /// Who of the component may speak now.
    pub access: Access,
    /// A descriptor of the sending process itself, where the kernel can say (6.5 and later).
    pub pidfd: Option<OwnedFd>,
    /// What it said, in order.
    pub notifications: Vec<Notification>,
    /// How many lines made no sense.
    pub malformed: usize,
    /// What came along. Closed when this is dropped.
    pub descriptors: Vec<OwnedFd>,
}

/// A datagram that is not listened to. Its descriptors are closed already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The sender runs as another user.
    #[error("a process of user {uid} (pid {pid}) wrote to the notify socket of another user's component")]
    ForeignUser {
        /// The sender's user.
        uid: u32,
        /// The sender's process number.
        pid: i32,
    },
    /// It is longer than [`MAX_DATAGRAM`].
    #[error("a datagram above {MAX_DATAGRAM} bytes from pid {pid} was refused")]
    TooLong {
        /// The sender's process number.
        pid: i32,
    },
    /// The kernel did not say who sent it.
    #[error("a datagram without a sender was refused")]
    Anonymous,
}

/// What arrived.
#[derive(Debug)]
pub enum Received {
    /// Something to act on.
    Notice(Notice),
    /// Something to count.
    Refused {
        /// On whose socket.
        slot: Slot,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a socket could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the notify socket {path}: {source}")]
pub struct NotifySocketError {
    /// Which.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

/// Which start is behind each socket, for whoever spawns: told *before* the spawn, since a quick component says that it is
/// ready before its parent has taken another breath.
#[derive(Clone, Debug)]
pub struct NotifyStarts {
    sockets: Vec<Rc<Start>>,
}

#[derive(Debug)]
struct Start {
    slot: Slot,
    instance: Cell<Instance>,
    /// The user that the component runs as.
    uid: u32,
    own_uid: u32,
    /// Who may speak at the beginning of each start, and now.
    configured: Access,
    access: Cell<Access>,
    /// A second descriptor of the component's socket.
    socket: UnixDatagram,
}

/// The most datagrams that are taken at once because a component ended: the kernel keeps fewer.
const LAST_WORDS_MAX: usize = 1024;

impl NotifyStarts {
    /// Tells which start of a component is behind its socket from now on. What the last one had sent and nobody has
    /// read yet is thrown away, so that a dead process's `READY=1` never counts for its successor. Call it when the old
    /// tree is gone and the new one is not yet there.
    pub fn begin(&self, slot: Slot, instance: Instance) {
        let Some(start) = self.sockets.iter().find(|start| start.slot == slot) else { return };
        let mut control = ControlBuffer { bytes: [0; CONTROL_BYTES] };
        while let Ok(datagram) = receive(&start.socket, &mut [0; 1], &mut control) {
            drop(datagram);
        }
        start.instance.set(instance);
        start.access.set(start.configured);
    }

    /// What a component has sent and nobody has read yet.
    pub fn take_waiting(&self, slot: Slot) -> Vec<Received> {
        let Some(start) = self.sockets.iter().find(|start| start.slot == slot) else { return Vec::new() };
        let mut buffer = vec![0; MAX_DATAGRAM];
        let mut control = ControlBuffer { bytes: [0; CONTROL_BYTES] };
        let mut waiting = Vec::new();
        while waiting.len() < LAST_WORDS_MAX {
            match receive(&start.socket, &mut buffer, &mut control) {
                Ok(datagram) => waiting.push(start.judge(datagram, &buffer)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nothing more; whatever else it is, the loop's own look meets it too.
                Err(_) => break,
            }
        }
        waiting
    }

    /// Lets in fewer of a component's processes for the rest of this start. `false`, and nothing changes, where it would be
    /// more.
    pub fn tighten(&self, slot: Slot, instance: Instance, access: Access) -> bool {
        let start = self.sockets.iter().find(|start| start.slot == slot && start.instance.get() == instance);
        start.is_some_and(|start| {
            let tighter = access <= start.access.get();
            if tighter {
                start.access.set(access);
            }
            tighter
        })
    }
}

/// One component's socket.
#[derive(Debug)]
struct NotifySocket {
    start: Rc<Start>,
    /// Its file, where it has one.
    path: Option<PathBuf>,
    socket: AsyncFd<UnixDatagram>,
}

/// Where a component's notify socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A file.
    Path(PathBuf),
    /// A name of the network namespace, without a file: for programs that cannot reach or open one. Whoever is in the
    /// namespace can send to it and fill its queue; the sender's user is checked all the same.
    Abstract(String),
}

impl Address {
    /// As `NOTIFY_SOCKET` says it.
    pub fn as_variable(&self) -> OsString {
        match self {
            Self::Path(path) => path.clone().into_os_string(),
            Self::Abstract(name) => format!("@{name}").into(),
        }
    }
}

/// All sockets of a system.
#[derive(Debug)]
pub struct NotifySockets {
    sockets: Vec<NotifySocket>,
    /// Where the next look begins, so that a talkative component does not silence the others.
    turn: usize,
    own_uid: u32,
    buffer: Box<[u8; MAX_DATAGRAM]>,
    control: Box<ControlBuffer>,
}

impl Default for NotifySockets {
    fn default() -> Self {
        Self::new()
    }
}

impl NotifySockets {
    /// No sockets yet.
    pub fn new() -> Self {
        Self {
            sockets: Vec::new(),
            turn: 0,
            own_uid: nix::unistd::geteuid().as_raw(),
            buffer: Box::new([0; MAX_DATAGRAM]),
            control: Box::new(ControlBuffer { bytes: [0; CONTROL_BYTES] }),
        }
    }

    /// Makes the socket of a component that runs as `uid`. Where that is another user the file becomes theirs, so that
    /// nobody else fills its queue; where the system does not let us give it away, `mode` (0600 or 0666) lets others in. The
    /// sender's user is checked on every datagram all the same. Needs a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// [`NotifySocketError`] when the address is taken, too long, or the directory does not allow it.
    pub fn add(
        &mut self,
        slot: Slot,
        address: &Address,
        uid: u32,
        mode: u32,
        access: Access,
    ) -> Result<(), NotifySocketError> {
        let failed = |source: io::Error| NotifySocketError { path: address.as_variable().into(), source };
        let (socket, path) = match address {
            Address::Path(path) => (self.bind(path, uid, mode).map_err(failed)?, Some(path.clone())),
            Address::Abstract(name) => {
                let address = SocketAddr::from_abstract_name(name).map_err(failed)?;
                (UnixDatagram::bind_addr(&address).map_err(failed)?, None)
            }
        };
        socket.set_nonblocking(true).map_err(failed)?;
        set_flag(&socket, libc::SO_PASSCRED).map_err(failed)?;
        // Kernels before 6.5 do not know it: then the process number alone has to do.
        let _ = set_flag(&socket, SO_PASSPIDFD);
        let second = socket.try_clone().map_err(failed)?;
        let start = Rc::new(Start {
            slot,
            instance: Cell::new(Instance(0)),
            uid,
            own_uid: self.own_uid,
            configured: access,
            access: Cell::new(access),
            socket: second,
        });
        // SAFETY: the socket owns its descriptor, which stays open and the same until it is dropped.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let socket = socket.map_err(|error| failed(error.into()))?;
        self.sockets.push(NotifySocket { start, path, socket });
        Ok(())
    }

    fn bind(&self, path: &Path, uid: u32, mode: u32) -> io::Result<UnixDatagram> {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let socket = UnixDatagram::bind(path)?;
        let given = uid != self.own_uid && std::os::unix::fs::chown(path, Some(uid), None).is_ok();
        let mode = if given { 0o600 } else { mode };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        Ok(socket)
    }

    /// What the spawning side holds. Knows the sockets that there are by now.
    pub fn starts(&self) -> NotifyStarts {
        NotifyStarts { sockets: self.sockets.iter().map(|socket| Rc::clone(&socket.start)).collect() }
    }

    /// The next datagram of any component, in turn. Pends for ever while there is no socket. May be dropped at any
    /// await: nothing is lost.
    ///
    /// # Errors
    /// Those of the runtime and of `recvmsg`; neither is expected, and the loop must end on one.
    pub async fn next(&mut self) -> io::Result<Received> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Received>> {
        for step in 0..self.sockets.len() {
            let index = (self.turn + step) % self.sockets.len();
            let component = &self.sockets[index];
            while let Poll::Ready(ready) = component.socket.poll_read_ready(context) {
                let mut ready = ready?;
                match receive(component.socket.get_ref(), &mut self.buffer[..], &mut self.control) {
                    Ok(datagram) => {
                        self.turn = (index + 1) % self.sockets.len();
                        return Poll::Ready(Ok(component.start.judge(datagram, &self.buffer[..])));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for NotifySockets {
    fn drop(&mut self) {
        for path in self.sockets.iter().filter_map(|socket| socket.path.as_ref()) {
            // What stays is removed by the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Start {
    fn judge(&self, datagram: Datagram, buffer: &[u8]) -> Received {
        let refused = |refusal| Received::Refused { slot: self.slot, refusal };
        let Some(sender) = datagram.sender else { return refused(Refusal::Anonymous) };
        // Root may speak for any component: a bot's helper that runs with rights of its own.
        if sender.uid != self.uid && sender.uid != self.own_uid && sender.uid != 0 {
            return refused(Refusal::ForeignUser { uid: sender.uid, pid: sender.pid });
        }
        if datagram.truncated {
            return refused(Refusal::TooLong { pid: sender.pid });
        }
        let parsed = parse(&buffer[..datagram.length]);
        Received::Notice(Notice {
            slot: self.slot,
            instance: self.instance.get(),
            pid: sender.pid,
            uid: sender.uid,
            access: self.access.get(),
            pidfd: datagram.pidfd,
            notifications: parsed.notifications,
            malformed: parsed.malformed,
            descriptors: datagram.descriptors,
        })
    }
}

fn set_flag(socket: &UnixDatagram, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(4);
    // SAFETY: `on` is an int that lives across the call, and `size` is its size.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const on).cast(), size) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for credentials, a pidfd and as many descriptors as the kernel passes.
const CONTROL_BYTES: usize = 2048;

/// Control messages are read in place and must be aligned as the kernel's header is.
#[derive(Debug)]
#[repr(C, align(16))]
struct ControlBuffer {
    bytes: [u8; CONTROL_BYTES],
}

const _: () = assert!(CONTROL_BYTES >= MAX_DESCRIPTORS * size_of::<RawFd>() + 32 + 64 + 32);

struct Datagram {
    length: usize,
    truncated: bool,
    sender: Option<libc::ucred>,
    pidfd: Option<OwnedFd>,
    descriptors: Vec<OwnedFd>,
}

/// Receives one datagram and takes charge of every descriptor that came along.
fn receive(socket: &UnixDatagram, buffer: &mut [u8], control: &mut ControlBuffer) -> io::Result<Datagram> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is plain data for which all zeroes are valid: no name, no parts, no control.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.as_mut_ptr().cast();
    #[expect(clippy::useless_conversion, reason = "the field's type differs between C libraries")]
    {
        header.msg_controllen = CONTROL_BYTES.try_into().unwrap_or_default();
    }
    // SAFETY: the header points to buffers of the stated lengths that live across the call.
    let length =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC) };
    let Ok(length) = usize::try_from(length) else { return Err(io::Error::last_os_error()) };

    let mut datagram = Datagram {
        length: length.min(buffer.len()),
        truncated: header.msg_flags & libc::MSG_TRUNC != 0,
        sender: None,
        pidfd: None,
        descriptors: Vec::new(),
    };
    // SAFETY: the kernel filled the header; the macros stay within msg_controllen.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !next.is_null() {
        // SAFETY: a non-null header from the macros lies whole within the aligned control buffer.
        let (level, kind, bytes) = unsafe { ((*next).cmsg_level, (*next).cmsg_type, (*next).cmsg_len) };
        // SAFETY: as above; the data follows its header.
        let data = unsafe { libc::CMSG_DATA(next) };
        #[expect(clippy::unnecessary_cast, reason = "the field's type differs between C libraries")]
        let payload = (bytes as usize).saturating_sub(data as usize - next as usize);
        if level == libc::SOL_SOCKET {
            match kind {
                libc::SCM_CREDENTIALS if payload >= size_of::<libc::ucred>() => {
                    // SAFETY: the payload holds a whole ucred; it may be unaligned.
                    datagram.sender = Some(unsafe { data.cast::<libc::ucred>().read_unaligned() });
                }
                libc::SCM_RIGHTS | SCM_PIDFD => {
                    for index in 0..payload / size_of::<RawFd>() {
                        // SAFETY: the payload holds that many descriptors; they may be unaligned.
                        let raw = unsafe { data.cast::<RawFd>().add(index).read_unaligned() };
                        if raw < 0 {
                            continue;
                        }
                        // SAFETY: the kernel has just installed this descriptor for us; nobody else owns it.
                        let owned = unsafe { OwnedFd::from_raw_fd(raw) };
                        if kind == SCM_PIDFD {
                            datagram.pidfd = Some(owned);
                        } else {
                            datagram.descriptors.push(owned);
                        }
                    }
                }
                _ => {}
            }
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        next = unsafe { libc::CMSG_NXTHDR(&raw const header, next) };
    }
    Ok(datagram)
}

#[cfg(test)]
mod tests;
