//! Where the loop's events come from. Waiting happens here and nothing else: no state changes, nothing is decided.

use super::diagnosis::Findings;
use super::journal::Report;
use super::latch_watch::LatchWatch;
use super::verifier::Verified;
use super::witness::Word;
use crate::books::NotMade;
use crate::clock::{ClockChanges, Timer};
use crate::command::Request;
use crate::custom::Measured;
use crate::doors::bot::BotEvent;
use crate::notify_socket::{NotifySockets, Received};
use crate::price_poller::Came;
use crate::probing::Tried;
use crate::process::program::ProgramRequest;
use crate::reloading::Looked;
use crate::shared_rates::Word as SharedWord;
use failstop_core::Monotonic;
use failstop_journal::ledger::SnapshotTaken;
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
    /// The group that rates are shared with said something.
    Group(SharedWord),
    /// A page was asked for a price.
    Polled(Came),
    /// A source of metrics was asked.
    Measured(Measured),
    /// The configuration file was read.
    Configuration(Looked),
    /// A snapshot is on the disk, or is not.
    Snapshot(Result<SnapshotTaken, NotMade>),
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
    /// The words of the group that rates are shared with; closed where there is none.
    pub group: mpsc::Receiver<SharedWord>,
    /// Pages that are asked for prices.
    pub polled: mpsc::Receiver<Came>,
    /// Sources of metrics.
    pub measured: mpsc::Receiver<Measured>,
    /// Snapshots.
    pub snapshots: mpsc::Receiver<Result<SnapshotTaken, NotMade>>,
    /// Readings of the configuration file.
    pub configuration: mpsc::Receiver<Looked>,
    /// Programs that checks and alert channels want to be run.
    pub programs: mpsc::Receiver<ProgramRequest>,
    /// The last event was a deadline.
    pub was_due: bool,
}

impl Sources {
    /// The next event, no later than `deadline`.
    ///
    /// What safety hangs on comes first: a flood at a door never holds up a deadline by more than one event, nor a death or the
    /// journal at all. After a deadline everything else comes first once, so that one which stays past holds up nobody either.
    ///
    /// # Errors
    /// When waiting itself fails, which is not expected: the engine ends, and the permit runs out.
    pub async fn next(&mut self, deadline: Option<Monotonic>) -> io::Result<Event> {
        let Self {
            timer,
            recorder,
            signals,
            guard,
            watched,
            latch,
            clock,
            notify,
            bots,
            commands,
            checks,
            verified,
            witness,
            tries,
            group,
            polled,
            measured,
            snapshots,
            configuration,
            programs,
            was_due,
        } = self;
        let due = async { timer.sleep_until(deadline).await.map(|()| Event::Due) };
        let other = async {
            tokio::select! {
                biased;
                gone = guard.readable() => gone.map(|mut ready| { ready.clear_ready(); Event::GuardGone }),
                signals = signals.readable() => signals.map(|mut ready| { ready.clear_ready(); Event::Signals }),
                watched = watched.readable() => watched.map(|mut ready| { ready.clear_ready(); Event::Watched }),
                Some(report) = recorder.recv() => Ok(Event::Recorder(report)),
                latch = changed(latch.as_ref()) => latch.map(|()| Event::Latch),
                clock = clock_changed(clock.as_ref()) => clock.map(|()| Event::ClockChanged),
                Some(tried) = tries.recv() => Ok(Event::Tried(tried)),
                Some(word) = group.recv() => Ok(Event::Group(word)),
                Some(tried) = polled.recv() => Ok(Event::Polled(tried)),
                Some(tried) = measured.recv() => Ok(Event::Measured(tried)),
                Some(made) = snapshots.recv() => Ok(Event::Snapshot(made)),
                Some(looked) = configuration.recv() => Ok(Event::Configuration(looked)),
                Some(findings) = checks.recv() => Ok(Event::Checked(findings)),
                Some(verified) = verified.recv() => Ok(Event::Verified(verified)),
                Some(word) = witness.recv() => Ok(Event::Witness(word)),
                event = doors(notify, bots, commands, programs) => event,
            }
        };
        let event = if std::mem::take(was_due) {
            // A deadline that is past does not wait: without this the runtime would never look at its descriptors.
            tokio::task::yield_now().await;
            tokio::select! { biased; event = other => event, event = due => event }
        } else {
            tokio::select! { biased; event = due => event, event = other => event }
        };
        *was_due = matches!(event, Ok(Event::Due));
        event
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::doors::bot::ConnectionId;
    use std::io::Write as _;

    /// Enough for whatever is there to have come, however often a deadline comes in between.
    const EVENTS_MAX: usize = 100;

    #[test]
    fn a_deadline_that_stays_past_starves_nobody() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap();
        runtime.block_on(async {
            let silent = || {
                let (read, write) = io::pipe().unwrap();
                (readable(OwnedFd::from(read)).unwrap(), write)
            };
            let ((signals, mut signal), (guard, _guard), (watched, _watched)) = (silent(), silent(), silent());
            let (report, recorder) = mpsc::channel(1);
            let (say, bots) = mpsc::channel(1);
            let mut sources = Sources {
                timer: Timer::new().unwrap(),
                recorder,
                signals,
                guard,
                watched,
                latch: None,
                clock: None,
                notify: NotifySockets::default(),
                bots,
                commands: mpsc::channel(1).1,
                checks: mpsc::channel(1).1,
                verified: mpsc::channel(1).1,
                witness: mpsc::channel(1).1,
                tries: mpsc::channel(1).1,
                group: mpsc::channel(1).1,
                polled: mpsc::channel(1).1,
                measured: mpsc::channel(1).1,
                snapshots: mpsc::channel(1).1,
                configuration: mpsc::channel(1).1,
                programs: mpsc::channel(1).1,
                was_due: false,
            };
            let past = Some(Monotonic::from_nanos(0));
            for _ in 0..3 {
                assert!(matches!(sources.next(past).await, Ok(Event::Due)), "nothing else is there");
            }
            signal.write_all(b"1").unwrap();
            report.send(Report::Failed { error: "EIO".to_owned(), last_words: false }).await.unwrap();
            say.send(BotEvent::Closed(ConnectionId(7))).await.unwrap();
            let mut came = Vec::new();
            for _ in 0..EVENTS_MAX {
                let event = sources.next(past).await.unwrap();
                if !matches!(event, Event::Due) || !matches!(came.last(), Some(Event::Due)) {
                    came.push(event);
                }
            }
            // The deadline keeps its turn, and what safety hangs on comes before the doors.
            let [Event::Signals, Event::Due, Event::Recorder(_), Event::Due, Event::Bot(_), Event::Due] = &came[..]
            else {
                panic!("{came:?}")
            };
        });
    }
}
