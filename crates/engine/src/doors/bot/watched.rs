//! A client's socket, as its task watches it.
//!
//! What arrives is always watched for; room for what goes out only while something waits for it. The kernel reports room each time
//! that a client takes an answer, and who watches for it is woken then: once more for every answer, for nothing.

use bytes::BufMut;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The socket in the runtime's watch.
pub(super) struct Watched {
    socket: AsyncFd<Arc<UnixStream>>,
    for_room: bool,
}

impl Watched {
    /// Watches for what arrives.
    ///
    /// # Errors
    /// The kernel has no memory for it, or the user may watch no more.
    pub(super) fn new(socket: Arc<UnixStream>) -> io::Result<Self> {
        Ok(Self { socket: registered(socket, Interest::READABLE)?, for_room: false })
    }

    /// Watches for room as well, or no longer. What is there already is reported anew.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn for_room(self, wanted: bool) -> io::Result<Self> {
        if wanted == self.for_room {
            return Ok(self);
        }
        let interest = if wanted { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        Ok(Self { socket: registered(self.socket.into_inner(), interest)?, for_room: wanted })
    }

    /// Waits until there may be room. Who is told so must write until there is none, since only new room is reported again.
    ///
    /// # Errors
    /// The runtime ends.
    pub(super) async fn room(&self) -> io::Result<()> {
        self.socket.writable().await?.clear_ready();
        Ok(())
    }

    /// Waits for bytes and takes what there is, as much as the buffer may; 0 at the end. Given up while it waits, it took nothing.
    ///
    /// # Errors
    /// The connection is broken, or the runtime ends.
    pub(super) async fn read(&self, buffer: &mut impl BufMut) -> io::Result<usize> {
        loop {
            let mut ready = self.socket.readable().await?;
            let room = buffer.chunk_mut();
            let (start, wanted) = (room.as_mut_ptr(), room.len());
            // SAFETY: `start` and `wanted` are memory that is borrowed for writing.
            let read = unsafe { libc::recv(ready.get_inner().as_raw_fd(), start.cast(), wanted, libc::MSG_DONTWAIT) };
            let Ok(read) = usize::try_from(read) else {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock => ready.clear_ready(),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                }
                continue;
            };
            // Fewer than were wanted: nothing is left, and what comes from now on is reported.
            if 0 < read && read < wanted {
                ready.clear_ready();
            }
            // SAFETY: the kernel wrote that many.
            unsafe { buffer.advance_mut(read) };
            return Ok(read);
        }
    }
}

fn registered(socket: Arc<UnixStream>, interest: Interest) -> io::Result<AsyncFd<Arc<UnixStream>>> {
    // SAFETY: the stream keeps its descriptor open as long as it lives, and is kept here.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::future::Future;
    use std::io::{Read as _, Write as _};
    use std::task::{Context, Poll};

    fn pair() -> (Watched, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Watched::new(Arc::new(ours)).unwrap(), theirs)
    }

    /// Whether it is ready, once the runtime has looked at all sockets: what is awaited first came after whatever was there.
    async fn is_ready<T>(future: impl Future<Output = T>) -> Option<T> {
        let (last, mut later) = pair();
        later.write_all(b"x").unwrap();
        last.read(&mut Vec::new()).await.unwrap();
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context: &mut Context<'_>| {
            Poll::Ready(match future.as_mut().poll(context) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn what_arrives_is_read_to_its_end_however_it_fits() {
        let (watched, mut theirs) = pair();
        theirs.write_all(b"12345").unwrap();
        let mut read = Vec::new();
        for expected in [2, 2, 1] {
            assert_eq!(watched.read(&mut (&mut read).limit(2)).await.unwrap(), expected);
        }
        assert!(is_ready(watched.read(&mut (&mut read).limit(2))).await.is_none());
        theirs.write_all(b"6").unwrap();
        drop(theirs);
        assert_eq!(watched.read(&mut (&mut read).limit(2)).await.unwrap(), 1);
        assert_eq!(watched.read(&mut (&mut read).limit(2)).await.unwrap(), 0);
        assert_eq!(read, b"123456");
    }

    #[tokio::test]
    async fn room_is_watched_for_only_while_it_is_wanted_and_nothing_that_arrived_is_forgotten() {
        let (watched, mut theirs) = pair();
        theirs.write_all(b"a").unwrap();
        let watched = watched.for_room(true).unwrap();
        watched.room().await.unwrap();
        // Full: there is room again once the other side has read.
        let mut ours = &**watched.socket.get_ref();
        let mut filled = 0;
        while let Ok(written) = ours.write(&[0; 4096]) {
            filled += written;
        }
        assert!(is_ready(watched.room()).await.is_none());
        theirs.read_exact(&mut vec![0; filled]).unwrap();
        watched.room().await.unwrap();
        let watched = watched.for_room(false).unwrap();
        let mut read = Vec::new();
        assert_eq!(watched.read(&mut (&mut read).limit(2)).await.unwrap(), 1);
        assert!(is_ready(watched.socket.writable()).await.is_none(), "nobody is told of room that nobody waits for");
    }
}
