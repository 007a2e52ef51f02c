//! Programs of exec channels, run by the engine's loop: the notifier's thread only asks and waits for the answer.

use crate::process::program::{Errand, ProgramEnd, ProgramRequest};
use core::time::Duration;
use failstop_core::Exit;
use failstop_notify::{Call, Ended, Programs};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use tokio::sync::{mpsc, oneshot};

/// The notifier's side.
#[derive(Debug)]
pub struct ProgramDoor {
    requests: mpsc::Sender<ProgramRequest>,
    folder: PathBuf,
}

impl ProgramDoor {
    /// Over this queue; programs run in `folder`.
    pub fn new(requests: mpsc::Sender<ProgramRequest>, folder: PathBuf) -> Self {
        Self { requests, folder }
    }
}

impl Programs for ProgramDoor {
    fn run(&self, call: Call, within: Duration) -> Pin<Box<dyn Future<Output = Ended> + Send + '_>> {
        Box::pin(async move {
            let (answer, outcome) = oneshot::channel();
            let request = ProgramRequest {
                errand: Errand::Alert,
                argv: call.command,
                environment: call.environment,
                input: call.input,
                stdout: None,
                account: None,
                folder: self.folder.clone(),
                timeout: within,
                // Whoever asked may have ended.
                answer: Box::new(move |end| drop(answer.send(end))),
            };
            // A loop that has ended starts nothing any more.
            if self.requests.send(request).await.is_err() {
                return Ended::NotStarted(io::ErrorKind::Interrupted);
            }
            outcome.await.map_or(Ended::NotStarted(io::ErrorKind::Interrupted), ended)
        })
    }
}

fn ended(end: ProgramEnd) -> Ended {
    match end {
        ProgramEnd::Ended(Exit::Status(status)) => Ended::Status(status),
        ProgramEnd::Ended(Exit::Signal(signal)) => Ended::Status(128 + signal),
        ProgramEnd::Ended(Exit::Unknown) => Ended::Unknown,
        ProgramEnd::TimedOut => Ended::TimedOut,
        ProgramEnd::NotStarted { kind, .. } => Ended::NotStarted(kind),
    }
}
