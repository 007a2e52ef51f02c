//! A stream that gives up on a peer that takes nothing: writing that makes no progress for a while is an error, so that
//! whoever stops reading loses its place.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What all doors of this process have written, bytes: only to show what failstop itself costs, so one count does for all.
static SENT: AtomicU64 = AtomicU64::new(0);

/// Bytes that the doors of this process have sent since it started, to sockets of any kind.
pub fn sent_bytes() -> u64 {
    SENT.load(Ordering::Relaxed)
}

fn counted(outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    if let Poll::Ready(Ok(bytes)) = &outcome {
        SENT.fetch_add(u64::try_from(*bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
    outcome
}

/// Wraps a stream.
#[derive(Debug)]
pub(super) struct Stalling<S> {
    stream: S,
    most: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalling<S> {
    /// A write may wait for the peer at most this long.
    pub fn new(stream: S, most: Duration) -> Self {
        Self { stream, most, waiting: None }
    }

    fn watched<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = None;
            return outcome;
        }
        let most = self.most;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(most)));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => {
                // Polled again after the error, it must not panic.
                waiting.as_mut().reset(Instant::now() + most);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = counted(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.watched(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watched(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = counted(Pin::new(&mut self.stream).poll_write_vectored(cx, pieces));
        self.watched(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn what_is_written_is_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let before = sent_bytes();
        runtime.block_on(async {
            let (one, mut other) = tokio::io::duplex(4096);
            let mut one = Stalling::new(one, Duration::from_secs(20));
            one.write_all(&[7; 3000]).await.unwrap();
            other.read_exact(&mut [0; 3000]).await.unwrap();
        });
        assert!(sent_bytes() >= before + 3000);
    }
}
