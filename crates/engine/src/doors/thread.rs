//! The thread that serves HTTP. The loop's thread must never spend its time on a peer's bytes: a permit is renewed there.
//! So all HTTP doors live on one thread of their own, with a small runtime, and reach the loop through its bounded queue.

use super::beat::{self, Beats, Pulse};
use super::control::{self, ControlListener};
use super::observe::{self, ObserveListener};
use super::range::Ranges;
use super::remote::{self, RemoteListener};
use super::telegram;
use super::turned_away::Turned;
use crate::access::Used;
use crate::command::{CommandSender, Engagements};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// How long open connections may take to end when the doors close.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// The doors that there are.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The control socket.
    pub control: Option<ControlListener>,
    /// The observe address.
    pub observe: Option<ObserveListener>,
    /// The control listener.
    pub remote: Option<RemoteListener>,
    /// Whom Telegram's door hears, as it may change; nobody while there is none.
    pub telegram: Option<watch::Receiver<Option<telegram::Settings>>>,
}

/// What the doors reach behind them.
#[derive(Debug)]
pub struct Link {
    /// The loop.
    pub commands: CommandSender,
    /// The beats that the loop makes.
    pub beats: watch::Receiver<Option<Pulse>>,
    /// Where the journal's files are.
    pub state_dir: PathBuf,
    /// How often the kill switch was engaged, as the loop counts.
    pub engagements: Engagements,
}

/// All HTTP doors, open. Dropping it closes them without waiting.
#[derive(Debug)]
pub struct HttpDoors {
    closing: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    forbidden: Arc<AtomicU64>,
    strangers: Arc<AtomicU64>,
}

/// The doors' thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the thread that serves HTTP: {0}; are limits on processes or descriptors too low?")]
pub struct StartFailed(#[from] io::Error);

impl HttpDoors {
    /// Serves the listeners that there are. Call it only after the guard has forked.
    ///
    /// # Errors
    ///
    /// When no thread or no event descriptor can be had.
    pub fn open(listeners: Listeners, link: Link) -> Result<Self, StartFailed> {
        let (closing, closed) = watch::channel(false);
        // The journal's lines are read beside this thread, and nothing else.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(2).build()?;
        let Link { commands, beats, state_dir, engagements } = link;
        let beats = Arc::new(Beats::new(commands.clone(), beats, beat::EVERY));
        let ranges = Arc::new(Ranges::new(state_dir));
        let turned = Arc::new(Turned::new(commands.clone()));
        let (forbidden, strangers) = (turned.count(), turned.strangers());
        let used = Arc::new(Used::default());
        let serve = move || {
            // Signals are the loop's: none may be delivered here. It cannot fail with this argument.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            runtime.block_on(async {
                let Listeners { control, observe, remote, telegram } = listeners;
                let telegram = telegram.map(|settings| {
                    let behind =
                        telegram::Behind { commands: commands.clone(), turned: Arc::clone(&turned), engagements };
                    tokio::spawn(telegram::serve(settings, behind, closed.clone()))
                });
                let control = control.map(|listener| {
                    let behind = control::Behind {
                        commands: commands.clone(),
                        beats: Arc::clone(&beats),
                        ranges: Arc::clone(&ranges),
                        turned: Arc::clone(&turned),
                        used: Arc::clone(&used),
                    };
                    tokio::spawn(control::serve(listener, behind, closed.clone()))
                });
                let observe = observe.map(|listener| {
                    let behind = observe::Behind {
                        commands: commands.clone(),
                        beats: Arc::clone(&beats),
                        turned: Arc::clone(&turned),
                        used: Arc::clone(&used),
                    };
                    tokio::spawn(observe::serve(listener, behind, closed.clone()))
                });
                let remote = remote.map(|listener| {
                    let behind = control::Behind { commands: commands.clone(), beats, ranges, turned, used };
                    tokio::spawn(remote::serve(listener, behind, closed.clone()))
                });
                let mut closing = closed.clone();
                // An error means that the sender was dropped: closing without waiting.
                let in_peace = closing.wait_for(|closing| *closing).await.is_ok();
                if in_peace {
                    let ended = async {
                        for door in [control, observe, remote, telegram].into_iter().flatten() {
                            let _ = door.await;
                        }
                    };
                    let _ = tokio::time::timeout(CLOSE_WITHIN, ended).await;
                }
            });
            // A task may hang in a peer's slow reading; it ends with the runtime.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("http".to_owned()).stack_size(512 * 1024).spawn(serve)?;
        Ok(Self { closing, thread: Some(thread), forbidden, strangers })
    }

    /// Counts what was asked by those who were known and had not the role for it.
    pub fn forbidden(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.forbidden)
    }

    /// Counts messages over Telegram of who is not listed.
    pub fn strangers(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.strangers)
    }

    /// Closes all doors: no new connections, answers under way are sent, at most half a second.
    pub fn close(mut self) {
        let _ = self.closing.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
