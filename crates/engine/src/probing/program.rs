//! Runs a program that probes, and says how it ended. A command runs it as a child of its own. In an engine the loop alone
//! starts and reaps processes, so whoever asks there asks the loop.

use super::fault::{Answer, ProbeFault};
use crate::beside::LOOP;
use crate::config::Argv;
use crate::process::program::{Errand, ProgramEnd, ProgramRequest};
use failstop_core::Exit;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How much longer than the program's own time-out the loop's answer is waited for.
const ANSWER_SLACK: Duration = Duration::from_millis(300);

/// Who runs the programs.
#[derive(Clone, Debug)]
pub enum Runner {
    /// This process.
    Here {
        /// Variables of its own that programs do not have: those that hold secrets of failstop's own.
        withheld: Vec<String>,
    },
    /// The engine's loop.
    Loop(mpsc::Sender<ProgramRequest>),
}

impl Default for Runner {
    /// For who runs no programs, or names no secrets.
    fn default() -> Self {
        Self::Here { withheld: Vec::new() }
    }
}

impl Runner {
    /// Runs the program in `folder`; good when it ends with status 0 within `timeout`.
    pub(super) async fn run(&self, argv: &Argv, folder: &Path, timeout: Duration) -> Result<Answer, ProbeFault> {
        let end = match self {
            Self::Here { withheld } => {
                let (program, folder, withheld) = (argv.clone(), folder.to_owned(), withheld.clone());
                let ended = LOOP.wait(move || here(&program, &folder, &withheld, timeout)).await;
                ended
                    .and_then(|ended| ended)
                    .unwrap_or_else(|error| ProgramEnd::NotStarted { kind: error.kind(), why: error.to_string() })
            }
            Self::Loop(requests) => by_the_loop(requests, argv, folder.to_owned(), timeout).await,
        };
        judge(argv.program(), end)
    }
}

/// What the end of a program that probes means.
///
/// # Errors
/// It did not end with status 0.
pub fn judge(program: &str, end: ProgramEnd) -> Result<Answer, ProbeFault> {
    let program = program.to_owned();
    let how = match end {
        ProgramEnd::Ended(Exit::Status(0)) => return Ok(Answer::saying("ended with status 0")),
        ProgramEnd::TimedOut => return Err(ProbeFault::TimedOut(program)),
        ProgramEnd::Ended(Exit::Status(status)) => format!("ended with status {status}"),
        ProgramEnd::Ended(Exit::Signal(signal)) => format!("was killed by signal {signal}"),
        ProgramEnd::Ended(Exit::Unknown) => "ended, nobody knows how".to_owned(),
        ProgramEnd::NotStarted { kind, why } => return Err(ProbeFault::NotStarted { program, kind, why }),
    };
    Err(ProbeFault::Program { program, how })
}

async fn by_the_loop(
    requests: &mpsc::Sender<ProgramRequest>,
    argv: &Argv,
    folder: PathBuf,
    timeout: Duration,
) -> ProgramEnd {
    let (answer, end) = oneshot::channel();
    let request = ProgramRequest {
        errand: Errand::Probe,
        argv: argv.as_slice().to_vec(),
        environment: Vec::new(),
        input: Vec::new(),
        stdout: None,
        account: None,
        folder,
        timeout,
        // Whoever asked may have given up.
        answer: Box::new(move |end| drop(answer.send(end))),
    };
    if requests.send(request).await.is_err() {
        return engine_ends();
    }
    match tokio::time::timeout(timeout + ANSWER_SLACK, end).await {
        Ok(Ok(end)) => end,
        Ok(Err(_)) => engine_ends(),
        Err(_) => ProgramEnd::TimedOut,
    }
}

fn engine_ends() -> ProgramEnd {
    ProgramEnd::NotStarted { kind: io::ErrorKind::Interrupted, why: "the engine is ending".to_owned() }
}

fn here(argv: &Argv, folder: &Path, withheld: &[String], timeout: Duration) -> io::Result<ProgramEnd> {
    let program = argv.program();
    let file = if program.contains('/') { folder.join(program) } else { program.into() };
    let mut command = Command::new(file);
    for variable in withheld {
        command.env_remove(variable);
    }
    let child = command
        .args(argv.as_slice().iter().skip(1))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let (sender, receiver) = sync_channel(1);
    let end = || nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    let child = Arc::new(Mutex::new(child));
    let waited = Arc::clone(&child);
    let wait = |child: &Mutex<Child>| child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    let waiter = std::thread::Builder::new().spawn(move || {
        let _ = sender.send(wait(&waited));
    });
    let waiter = match waiter {
        Ok(waiter) => waiter,
        Err(error) => {
            let _ = end();
            let _ = wait(&child);
            return Err(error);
        }
    };
    let Ok(waited) = receiver.recv_timeout(timeout) else {
        // Not reaped yet, so the number is still ours.
        let _ = end();
        drop(waiter.join());
        return Ok(ProgramEnd::TimedOut);
    };
    let status = waited?;
    Ok(ProgramEnd::Ended(match status.signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Status(status.code().unwrap_or_default()),
    }))
}
