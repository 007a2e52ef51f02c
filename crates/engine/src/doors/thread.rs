//! The thread that serves HTTP. The loop's thread must never spend its time on a peer's bytes: a permit is renewed there.
//! So both HTTP doors live on one thread of their own, with a small runtime, and reach the loop through its bounded queue.

use super::control::{self, ControlListener};
use super::observe::{self, ObserveListener};
use crate::command::CommandSender;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// How long open connections may take to end when the doors close.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// Both HTTP doors, open. Dropping it closes them without waiting.
#[derive(Debug)]
pub struct HttpDoors {
    closing: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
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
    pub fn open(
        control: Option<ControlListener>,
        observe: Option<ObserveListener>,
        commands: CommandSender,
    ) -> Result<Self, StartFailed> {
        let (closing, closed) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let serve = move || {
            // Signals are the loop's: none may be delivered here. It cannot fail with this argument.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            runtime.block_on(async {
                let control =
                    control.map(|listener| tokio::spawn(control::serve(listener, commands.clone(), closed.clone())));
                let observe =
                    observe.map(|listener| tokio::spawn(observe::serve(listener, commands.clone(), closed.clone())));
                let mut closing = closed.clone();
                // An error means that the sender was dropped: closing without waiting.
                let in_peace = closing.wait_for(|closing| *closing).await.is_ok();
                if in_peace {
                    let ended = async {
                        for door in [control, observe].into_iter().flatten() {
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
        Ok(Self { closing, thread: Some(thread) })
    }

    /// Closes both doors: no new connections, answers under way are sent, at most half a second.
    pub fn close(mut self) {
        let _ = self.closing.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
