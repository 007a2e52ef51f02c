//! The way in, for any thread: never blocks, never waits for a service or a disk, bounded.

use crate::config::Config;
use crate::driver::OpenError;
use crate::key::Key;
use crate::notice::{Notice, Severity};
use crate::report::{Acknowledged, Alert, Reported, Status, Tested};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// The most reports and requests that wait for the notifier.
pub const QUEUE_MAX: usize = 1_024;

/// The last places of the queue are for critical reports and resolves only.
pub const QUEUE_RESERVED: usize = 256;

/// Why the notifier did not take something. It has not been recorded and will not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// More waits than it can keep up with.
    #[error("{QUEUE_MAX} reports wait for the notifier already: its disk is too slow or stuck")]
    QueueFull,
    /// It has ended.
    #[error("the notifier has ended")]
    Ended,
}

/// An answer that comes later. May be dropped when it does not matter.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Receiver<T>);

impl<T> Reply<T> {
    /// Waits for it inside a runtime.
    ///
    /// # Errors
    ///
    /// [`Refused::Ended`], when the notifier ended before it could answer.
    pub async fn answer(self) -> Result<T, Refused> {
        self.0.await.map_err(|_| Refused::Ended)
    }

    /// Waits for it on a thread without a runtime.
    ///
    /// # Errors
    ///
    /// As [`Self::answer`].
    pub fn wait(self) -> Result<T, Refused> {
        self.0.blocking_recv().map_err(|_| Refused::Ended)
    }
}

/// What goes to the driver.
pub(crate) enum Command {
    Report(Box<Notice>, oneshot::Sender<Reported>),
    Acknowledge { key: Key, by: String, reply: oneshot::Sender<Acknowledged> },
    HandOver { key: Key, reply: oneshot::Sender<bool> },
    MaintenanceOver { system: String, reply: oneshot::Sender<usize> },
    Test { channel: Option<String>, reply: oneshot::Sender<Vec<Tested>> },
    Reconfigure { config: Box<Config>, reply: oneshot::Sender<Result<(), OpenError>> },
}

/// What the driver shows.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) alerts: Arc<[Alert]>,
    pub(crate) status: Status,
}

/// The way to the notifier; as many clones as one likes, from any thread.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    published: Arc<Mutex<Published>>,
}

impl Handle {
    pub(crate) fn new(commands: mpsc::Sender<Command>, published: Arc<Mutex<Published>>) -> Self {
        Self { commands, published }
    }

    /// Hands a change of an incident over. Returns at once; the answer comes when the change is on disk and before it is
    /// sent.
    ///
    /// # Errors
    ///
    /// [`Refused`]; the change is lost for the notifier, so keep what it says and report it again.
    pub fn report(&self, notice: Notice) -> Result<Reply<Reported>, Refused> {
        let urgent = match notice.change {
            crate::Change::Resolve => true,
            crate::Change::Trigger | crate::Change::Update => notice.severity == Severity::Critical,
        };
        if !urgent && self.commands.capacity() <= QUEUE_RESERVED {
            return Err(if self.commands.is_closed() { Refused::Ended } else { Refused::QueueFull });
        }
        self.send(|reply| Command::Report(Box::new(notice), reply))
    }

    /// Somebody takes an incident on: reminders and escalation end, channels that know acknowledgements are told.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn acknowledge(&self, key: Key, by: impl Into<String>) -> Result<Reply<Acknowledged>, Refused> {
        let by = by.into();
        self.send(|reply| Command::Acknowledge { key, by, reply })
    }

    /// Another notifier tells of this incident from now on: this one forgets it, with its reminders, its escalation and whatever
    /// of it was not sent yet, and sends nothing. Reported again later, it is a new one. The answer, given once that is on disk:
    /// whether it was open.
    ///
    /// # Errors
    ///
    /// [`Refused`]; the incident is still this notifier's, so hand it over again.
    pub fn hand_over(&self, key: Key) -> Result<Reply<bool>, Refused> {
        self.send(|reply| Command::HandOver { key, reply })
    }

    /// The maintenance window of `system` is over: incidents that it held back and that are still open are sent now. The
    /// answer is their number.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn maintenance_over(&self, system: impl Into<String>) -> Result<Reply<usize>, Refused> {
        let system = system.into();
        self.send(|reply| Command::MaintenanceOver { system, reply })
    }

    /// Sends a message marked as a drill to one channel, or to all with `None`, past every queue, and reads it back where
    /// the service allows. An unknown name gives an empty list.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn test(&self, channel: Option<&str>) -> Result<Reply<Vec<Tested>>, Refused> {
        let channel = channel.map(str::to_owned);
        self.send(|reply| Command::Test { channel, reply })
    }

    /// Takes another configuration, whole or not at all; the answer says which. Messages for channels that it no longer has
    /// move to the next channel.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn reconfigure(&self, config: Config) -> Result<Reply<Result<(), OpenError>>, Refused> {
        self.send(|reply| Command::Reconfigure { config: Box::new(config), reply })
    }

    /// Open incidents and the last resolved ones, the newest first; at most [`crate::LISTED_MAX`] and every open one.
    pub fn list(&self) -> Arc<[Alert]> {
        Arc::clone(&self.published.lock().unwrap_or_else(PoisonError::into_inner).alerts)
    }

    /// How the notifier and its channels fare.
    pub fn status(&self) -> Status {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).status.clone()
    }

    fn send<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<Reply<T>, Refused> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(command(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::QueueFull,
            mpsc::error::TrySendError::Closed(_) => Refused::Ended,
        })?;
        Ok(Reply(answer))
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
