//! Tells the loop at once that something in the state directory's root was made or removed, so that an engaged kill switch, or a
//! lock that somebody took away, shows without waiting for the next renewal of the permit. Only a hint: the loop looks at both
//! by itself too.

use super::events;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tokio::io::unix::AsyncFd;

/// Names that come and names that go.
const NAMES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM);

/// Watches the names in a state directory.
#[derive(Debug)]
pub struct LatchWatch {
    readable: AsyncFd<OwnedFd>,
    inotify: Inotify,
}

impl LatchWatch {
    /// Begins to watch, and the names in a folder `beside`, where what emergency actions came to is kept. Needs a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// When the user's inotify instances are used up, or the directory cannot be watched.
    pub fn new(state_dir: &Path, beside: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(state_dir, NAMES)?;
        // Where it cannot be watched the loop finds what is there with its next sample.
        let _ = inotify.add_watch(beside, NAMES);
        let readable = events::readable(inotify.as_fd().try_clone_to_owned()?)?;
        Ok(Self { readable, inotify })
    }

    /// Waits until something was made. May be dropped at any await.
    ///
    /// # Errors
    /// Those of the runtime and of reading; neither is expected.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.readable.readable().await?;
            match self.inotify.read_events() {
                Ok(_) => return Ok(()),
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
