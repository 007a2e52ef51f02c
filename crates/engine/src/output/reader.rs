//! Reads every component's pipes, whenever something is in them, and hands whole lines on. Never waits for a consumer.

use super::lines::LineCutter;
use super::queue::Queue;
use super::{Chunk, Source};
use crate::masking;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

/// Bytes read at a time: what a pipe holds by default.
const READ_BYTES: usize = 64 * 1024;
/// The most pipes: each component's two of this start and of earlier ones that some left-over process still holds.
const MAX_PIPES: usize = 256;
/// Pipes that may wait to be taken up.
const ATTACH_QUEUE: usize = 64;
/// How much is read from one pipe after it was told to stop: what was in it, and not what a bot that writes for ever
/// adds meanwhile.
const LAST_READS: usize = 32;

/// The loop's side.
pub(super) struct Handle {
    pipes: mpsc::SyncSender<Pipe>,
    wake: Arc<EventFd>,
    stop: Arc<AtomicBool>,
}

impl Handle {
    /// Hands a pipe over; it is taken up when the thread is next awake: see [`Handle::wake`].
    pub(super) fn attach(&self, component: usize, fd: OwnedFd) -> io::Result<()> {
        let pipe = Pipe { component, fd, lines: LineCutter::default() };
        self.pipes.try_send(pipe).map_err(|error| io::Error::other(error.to_string()))
    }

    /// Reads what is there, and no more.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn wake(&self) {
        // It can only fail when the counter is full, and then the reader is awake.
        let _ = self.wake.write(1);
    }
}

struct Pipe {
    component: usize,
    fd: OwnedFd,
    lines: LineCutter,
}

/// The thread's side.
pub(super) struct Reader {
    pipes: mpsc::Receiver<Pipe>,
    wake: Arc<EventFd>,
    stop: Arc<AtomicBool>,
    takers: Takers,
}

/// Who gets the lines.
pub(super) struct Takers {
    pub files: Option<Queue<Chunk>>,
    pub screen: Option<Queue<Chunk>>,
    pub journal: Option<Queue<Chunk>>,
}

pub(super) fn new(takers: Takers) -> io::Result<(Handle, Reader)> {
    let wake = Arc::new(EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, pipes) = mpsc::sync_channel(ATTACH_QUEUE);
    let handle = Handle { pipes: sender, wake: Arc::clone(&wake), stop: Arc::clone(&stop) };
    Ok((handle, Reader { pipes, wake, stop, takers }))
}

enum Progress {
    Some,
    Empty,
    Over,
}

impl Reader {
    pub(super) fn run(self) {
        let mut open: Vec<Pipe> = Vec::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let ready = wait(&self.wake, &open);
            // Acquired before the pipes are taken up: what was attached before the stop is read.
            let stopping = self.stop.load(Ordering::Acquire);
            let known = ready.len();
            let mut at = 0;
            open.retain_mut(|pipe| {
                let turn = at < known && ready[at];
                at += 1;
                !turn || !matches!(self.read(pipe, &mut buffer), Progress::Over)
            });
            while let Ok(pipe) = self.pipes.try_recv() {
                open.push(pipe);
            }
            while open.len() > MAX_PIPES {
                // The oldest: its component was replaced long ago.
                self.finish(&mut open.remove(0));
            }
            if stopping {
                for mut pipe in open {
                    for _ in 0..LAST_READS {
                        match self.read(&mut pipe, &mut buffer) {
                            Progress::Some => {}
                            Progress::Empty | Progress::Over => break,
                        }
                    }
                    self.finish(&mut pipe);
                }
                return;
            }
        }
    }

    fn read(&self, pipe: &mut Pipe, buffer: &mut [u8]) -> Progress {
        match nix::unistd::read(&pipe.fd, buffer) {
            Ok(0) => {
                self.finish(pipe);
                Progress::Over
            }
            Ok(length) => {
                if let Some(lines) = pipe.lines.push(&buffer[..length]) {
                    self.hand_on(pipe, lines);
                }
                Progress::Some
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Progress::Empty,
            Err(_) => {
                self.finish(pipe);
                Progress::Over
            }
        }
    }

    fn finish(&self, pipe: &mut Pipe) {
        if let Some(line) = pipe.lines.finish() {
            self.hand_on(pipe, line);
        }
    }

    fn hand_on(&self, pipe: &Pipe, bytes: Vec<u8>) {
        let at_ms = crate::clock::wall().as_millisecond();
        let chunk = Chunk { source: Source::Component(pipe.component), bytes: masking::lines(bytes), at_ms };
        let Takers { files, screen, journal } = &self.takers;
        for taker in [screen, journal].into_iter().flatten() {
            taker.offer(chunk.clone());
        }
        if let Some(files) = files {
            files.offer(chunk);
        }
    }
}

/// Waits for any pipe or a word from the loop; which pipes are worth reading.
fn wait(wake: &EventFd, open: &[Pipe]) -> Vec<bool> {
    let descriptor = |fd: i32| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = Vec::with_capacity(open.len() + 1);
    polled.push(descriptor(wake.as_fd().as_raw_fd()));
    polled.extend(open.iter().map(|pipe| descriptor(pipe.fd.as_raw_fd())));
    let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
    // SAFETY: `polled` is an array of that many entries and lives across the call.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), count, -1) };
    if ready <= 0 {
        // Interrupted: look at everything, each read says for itself that there is nothing.
        return vec![true; open.len()];
    }
    if polled[0].revents != 0 {
        let _ = wake.read();
    }
    polled[1..].iter().map(|entry| entry.revents != 0).collect()
}
