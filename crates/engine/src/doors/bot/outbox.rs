//! The way back to one client: writes at once where the socket takes it, else into a bounded backlog. Never waits.

use crate::command::Peer;
use failstop_client::wire::{Code, Id, Push, Reply};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, send, shutdown};
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// From here on nothing more is read from a client until it has taken some of its answers, in bytes.
pub(super) const BACKLOG_PAUSE: usize = 64 * 1024;
/// A client that lets this much pile up is closed, in bytes.
pub(super) const BACKLOG_MAX: usize = 256 * 1024;
/// With so many requests unanswered, nothing more is read of a connection. What its last read held is still taken.
pub(super) const MAX_OUTSTANDING: usize = 256;

/// A connection's number, never used again within an engine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A client, as the loop holds it. Cheap to clone.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    id: ConnectionId,
    peer: Peer,
    socket: Arc<UnixStream>,
    state: Mutex<State>,
    /// Wakes the connection's task: there is a backlog, or room for requests, or the end.
    wake: Notify,
}

#[derive(Default)]
struct State {
    backlog: Vec<u8>,
    /// Bytes of the backlog that were sent.
    sent: usize,
    /// The latest permission, while an older line still has to go.
    permission: Option<Push>,
    outstanding: usize,
    /// The client sends nothing more.
    ended: bool,
    closed: bool,
    /// Used again for each line.
    line: Vec<u8>,
}

/// What the connection's task has to know of the way back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) backlog: usize,
    pub(super) outstanding: usize,
    pub(super) closed: bool,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, peer: Peer, socket: UnixStream) -> Self {
        let socket = Arc::new(socket);
        Self(Arc::new(Shared { id, peer, socket, state: Mutex::default(), wake: Notify::new() }))
    }

    /// Its number.
    pub fn id(&self) -> ConnectionId {
        self.0.id
    }

    /// Who connected, as the kernel says.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Tells the client something. Of several permission changes that it has not taken yet only the latest is kept.
    pub fn push(&self, push: &Push) {
        let mut state = self.state();
        if matches!(push, Push::Permission { .. }) && state.unsent() > 0 {
            state.permission = Some(push.clone());
            return;
        }
        self.line(&mut state, |line| push.write_line(line));
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.state().closed = true;
        self.0.wake.notify_one();
    }

    /// Says why, and closes the connection.
    pub fn turn_away(&self, code: Code, error: String) {
        self.refuse(None, code, error);
        self.close();
    }

    /// Ends the connection in both directions, at once. What was sent can still be read.
    pub(super) fn shut(&self) {
        self.state().closed = true;
        // It fails only where the client has done it already.
        let _ = shutdown(self.0.socket.as_raw_fd(), Shutdown::Both);
    }

    /// Refuses something that carries no request: a line that could not be read.
    pub(super) fn refuse(&self, id: Option<&Id>, code: Code, error: String) {
        self.line(&mut self.state(), |line| Reply::Refused { code, error }.write_line(id, line));
    }

    /// For its task to watch.
    pub(super) fn socket(&self) -> Arc<UnixStream> {
        self.0.socket.clone()
    }

    /// Takes on a request that has to be answered.
    pub(super) fn request(&self, id: Option<Id>) -> Answer {
        self.state().outstanding += 1;
        Answer { connection: self.clone(), id, open: true }
    }

    pub(super) fn standing(&self) -> Standing {
        let state = self.state();
        Standing { backlog: state.unsent(), outstanding: state.outstanding, closed: state.closed }
    }

    /// The client sends nothing more; the task waits for what it is still owed.
    pub(super) fn ended(&self) {
        self.state().ended = true;
    }

    pub(super) async fn woken(&self) {
        self.0.wake.notified().await;
    }

    /// Sends as much of the backlog as the socket takes.
    pub(super) fn flush(&self) {
        let mut state = self.state();
        loop {
            while state.unsent() > 0 && !state.closed {
                match self.send(&state.backlog[state.sent..]) {
                    Ok(0) => return,
                    Ok(sent) => state.sent += sent,
                    Err(_) => state.closed = true,
                }
            }
            state.sent = 0;
            if state.backlog.capacity() > BACKLOG_PAUSE {
                state.backlog = Vec::new();
            } else {
                state.backlog.clear();
            }
            match state.permission.take() {
                Some(push) if !state.closed => push.write_line(&mut state.backlog),
                _ => return,
            }
        }
    }

    fn line(&self, state: &mut State, write: impl FnOnce(&mut Vec<u8>)) {
        if state.closed {
            return;
        }
        let mut line = std::mem::take(&mut state.line);
        line.clear();
        write(&mut line);
        let sent = if state.unsent() > 0 { Ok(0) } else { self.send(&line) };
        match sent {
            Ok(sent) if sent == line.len() => {}
            Ok(sent) => {
                if state.unsent() == 0 {
                    state.backlog.clear();
                    state.sent = 0;
                }
                state.backlog.extend_from_slice(&line[sent..]);
                state.closed |= state.unsent() > BACKLOG_MAX;
                self.0.wake.notify_one();
            }
            Err(_) => {
                state.closed = true;
                self.0.wake.notify_one();
            }
        }
        if line.capacity() <= BACKLOG_PAUSE {
            state.line = line;
        }
    }

    /// How many bytes the socket took at once; 0 when it takes none now.
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        // Without MSG_NOSIGNAL a client that went away could end the engine.
        match send(self.0.socket.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            sent => Ok(sent?),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.0.id).field("peer", &self.0.peer).finish_non_exhaustive()
    }
}

impl State {
    fn unsent(&self) -> usize {
        self.backlog.len() - self.sent
    }
}

/// The one answer to one request. A request without an `id` hears of refusals only. Dropped unanswered, it tells the
/// client so.
#[derive(Debug)]
pub struct Answer {
    connection: Connection,
    id: Option<Id>,
    open: bool,
}

impl Answer {
    /// Answers.
    pub fn give(mut self, reply: &Reply) {
        self.settle(reply);
    }

    /// Answers that it was taken.
    pub fn done(self) {
        self.give(&Reply::Done);
    }

    /// Refuses, with what is wrong and what to do.
    pub fn refuse(self, code: Code, error: impl Into<String>) {
        self.give(&Reply::Refused { code, error: error.into() });
    }

    /// Whether the client waits for an answer.
    pub fn is_wanted(&self) -> bool {
        self.id.is_some()
    }

    fn settle(&mut self, reply: &Reply) {
        self.open = false;
        let mut state = self.connection.state();
        state.outstanding -= 1;
        if state.ended || state.outstanding + 1 == MAX_OUTSTANDING {
            self.connection.0.wake.notify_one();
        }
        if self.id.is_some() || matches!(reply, Reply::Refused { .. }) {
            self.connection.line(&mut state, |line| reply.write_line(self.id.as_ref(), line));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.open {
            let error = "failstop did not answer this: it is stopping, or has a fault".to_owned();
            self.settle(&Reply::Refused { code: Code::Unanswered, error });
        }
    }
}
