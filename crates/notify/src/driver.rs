//! The thin shell around the heart, for one current-thread runtime: commands and answers in, sends out.

use crate::config::Config;
use crate::handle::{Command, Handle, Published};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Why the notifier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the outbox open.
    #[error("{path} is in use by another process: two notifiers would send everything twice; stop the other one")]
    InUse {
        /// The outbox.
        path: PathBuf,
    },
    /// A channel cannot work as configured.
    #[error("the channel {channel} cannot work: {fault}")]
    Channel {
        /// Which.
        channel: String,
        /// What is wrong and what to do.
        fault: String,
    },
}

/// Does the work; see [`Driver::run`] and [`Driver::spawn`].
pub struct Driver {
    commands: mpsc::Receiver<Command>,
    published: Arc<Mutex<Published>>,
}

/// Opens the outbox in `folder` (made if it is not there), takes up what a former process left in it, and gives the way in
/// and what does the work. Nothing is sent before the driver runs; [`Handle::list`] already shows what was open.
///
/// A disk that cannot be written does not keep alerts from people: it is said in [`crate::Status::not_durable`].
///
/// # Errors
///
/// [`OpenError`].
pub fn open(config: Config, folder: &Path) -> Result<(Handle, Driver), OpenError> {
    let _ = (config, folder);
    let (sender, commands) = mpsc::channel(crate::handle::QUEUE_MAX);
    let published = Arc::new(Mutex::new(Published::default()));
    Ok((Handle::new(sender, Arc::clone(&published)), Driver { commands, published }))
}

impl Driver {
    /// Works until `stop` is ready or every [`Handle`] is gone; then still records what was reported and gives first
    /// attempts a few seconds ([`crate::DRAIN_MAX`]). Whatever was not delivered is in the outbox for the next start.
    ///
    /// Needs a runtime with time and I/O enabled; one current-thread runtime is enough.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let _ = &self.published;
        let mut stop = std::pin::pin!(stop);
        tokio::select! {
            () = &mut stop => {}
            _ = self.commands.recv() => {}
        }
    }

    /// The same on a thread of its own with a runtime of its own and every signal blocked, so that a stuck service never
    /// touches the caller's loop.
    ///
    /// # Errors
    ///
    /// The thread or its runtime cannot be made.
    pub fn spawn(self) -> io::Result<Running> {
        Err(io::Error::other("not built"))
    }
}

/// A driver on a thread of its own.
#[derive(Debug)]
pub struct Running {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Running {
    /// Ends it as [`Driver::run`] ends, and waits for that: at most [`crate::DRAIN_MAX`] and one attempt's time-out.
    pub fn stop(self) {
        // The other end is gone only when the thread has ended already.
        let _ = self.stop.send(());
        // A panic ends the process long before it could be seen here.
        let _ = self.thread.join();
    }
}
