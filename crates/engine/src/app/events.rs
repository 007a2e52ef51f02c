//! Where the loop's events come from. Waiting happens here and nothing else: no state changes, nothing is decided.

use super::diagnosis::Findings;
use super::journal::Report;
use super::latch_watch::LatchWatch;
use super::verifier::Verified;
use super::witness::Word;
use crate::books::{Made, NotMade};
use crate::clock::{ClockChanges, Timer};
use crate::command::Request;
use crate::doors::bot::BotEvent;
use crate::notify_socket::{NotifySockets, Received};
use crate::probing::Tried;
use crate::process::program::ProgramRequest;
use failstop_core::Monotonic;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// A deadline is due.
    Due,
    /// The recorder has something to report.
    Recorder(Report),
    /// A signal is waiting: a child ended, or the guard handed one on.
    Signals,
    /// The guard is dead.
    GuardGone,
    /// Something was made in the state directory: perhaps the kill switch's latch.
    Latch,
    /// Wall time was set, or the machine slept.
    ClockChanged,
    /// A component said something over sd_notify.
    Notice(Received),
    /// A main process that a component named has ended, or a kept descriptor hung up.
    Watched,
    /// Something happened on the bot socket.
    Bot(BotEvent),
    /// A door asks.
    Command(Request),
    /// Checks that ran beside the loop came out.
    Checked(Findings),
    /// A verification that ran beside the loop is over.
    Verified(Verified),
    /// The witness answered, or did not.
    Witness(Word),
    /// A check or an alert channel wants a program to be run.
    Program(ProgramRequest),
    /// A try of a probe ended.
    Tried(Tried),
    /// A snapshot is on the disk, or is not.
    Snapshot(Result<Made, NotMade>),
}

/// Everything the loop waits on.
pub struct Sources {
    /// The next deadline.
    pub timer: Timer,
    /// The recorder's reports.
    pub recorder: mpsc::Receiver<Report>,
    /// SIGCHLD and what the guard hands on.
    pub signals: AsyncFd<OwnedFd>,
    /// Readable when the guard is dead.
    pub guard: AsyncFd<OwnedFd>,
    /// Main processes that components named, and kept descriptors.
    pub watched: AsyncFd<OwnedFd>,
    /// The kill switch's latch; `None` where the host has no inotify left: then renewals find it.
    pub latch: Option<LatchWatch>,
    /// Steps of wall time and suspends.
    pub clock: Option<ClockChanges>,
    /// The components' notify sockets.
    pub notify: NotifySockets,
    /// The bot socket.
    pub bots: mpsc::Receiver<BotEvent>,
    /// The control and observe doors.
    pub commands: mpsc::Receiver<Request>,
    /// Checks.
    pub checks: mpsc::Receiver<Findings>,
    /// Verifications of the journal.
    pub verified: mpsc::Receiver<Verified>,
    /// The witness's words.
    pub witness: mpsc::Receiver<Word>,
    /// Probes.
    pub tries: mpsc::Receiver<Tried>,
    /// Snapshots.
    pub snapshots: mpsc::Receiver<Result<Made, NotMade>>,
    /// Programs that checks and alert channels want to be run.
    pub programs: mpsc::Receiver<ProgramRequest>,
}

impl Sources {
    /// The next event, no later than `deadline`.
    ///
    /// What safety hangs on comes first: a flood at a door never holds up a deadline, a death or the journal.
    ///
    /// # Errors
    /// When waiting itself fails, which is not expected: the engine ends, and the permit runs out.
    pub async fn next(&mut self, deadline: Option<Monotonic>) -> io::Result<Event> {
        tokio::select! {
            biased;
            due = self.timer.sleep_until(deadline) => due.map(|()| Event::Due),
            gone = self.guard.readable() => gone.map(|mut ready| { ready.clear_ready(); Event::GuardGone }),
            signals = self.signals.readable() => signals.map(|mut ready| { ready.clear_ready(); Event::Signals }),
            watched = self.watched.readable() => watched.map(|mut ready| { ready.clear_ready(); Event::Watched }),
            Some(report) = self.recorder.recv() => Ok(Event::Recorder(report)),
            latch = changed(self.latch.as_ref()) => latch.map(|()| Event::Latch),
            clock = clock_changed(self.clock.as_ref()) => clock.map(|()| Event::ClockChanged),
            Some(tried) = self.tries.recv() => Ok(Event::Tried(tried)),
            Some(made) = self.snapshots.recv() => Ok(Event::Snapshot(made)),
            Some(findings) = self.checks.recv() => Ok(Event::Checked(findings)),
            Some(verified) = self.verified.recv() => Ok(Event::Verified(verified)),
            Some(word) = self.witness.recv() => Ok(Event::Witness(word)),
            event = doors(&mut self.notify, &mut self.bots, &mut self.commands, &mut self.programs) => event,
        }
    }
}

/// Registers a descriptor to be waited on for reading.
///
/// # Errors
/// Those of the runtime.
pub fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor stays open and the same until it is dropped.
    let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(registered?)
}

async fn changed(latch: Option<&LatchWatch>) -> io::Result<()> {
    match latch {
        Some(latch) => latch.changed().await,
        None => std::future::pending().await,
    }
}

async fn clock_changed(clock: Option<&ClockChanges>) -> io::Result<()> {
    match clock {
        Some(clock) => clock.changed().await,
        None => std::future::pending().await,
    }
}

/// The doors in fair turn: none of them can starve another.
async fn doors(
    notify: &mut NotifySockets,
    bots: &mut mpsc::Receiver<BotEvent>,
    commands: &mut mpsc::Receiver<Request>,
    programs: &mut mpsc::Receiver<ProgramRequest>,
) -> io::Result<Event> {
    tokio::select! {
        notice = notify.next() => notice.map(Event::Notice),
        Some(event) = bots.recv() => Ok(Event::Bot(event)),
        Some(request) = commands.recv() => Ok(Event::Command(request)),
        Some(request) = programs.recv() => Ok(Event::Program(request)),
        else => std::future::pending().await,
    }
}
