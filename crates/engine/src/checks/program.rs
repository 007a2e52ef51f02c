//! Runs a program that probes, and says how it ended. A command runs it as a child of its own. In an engine the loop alone
//! starts and reaps processes, so the check asks the loop.

use super::probe::ProbeFault;
use crate::config::Argv;
use crate::process::program::{ProgramEnd, ProgramRequest};
use failstop_core::Exit;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How much longer than the program's own time-out the loop's answer is waited for.
const ANSWER_SLACK: Duration = Duration::from_millis(300);

/// Who runs the programs.
#[derive(Clone, Debug)]
pub(super) enum Runner {
    /// This process.
    Here,
    /// The engine's loop.
    Loop(mpsc::Sender<ProgramRequest>),
}

impl Runner {
    /// Runs the program in `folder`; good when it ends with status 0 before `deadline`.
    pub(super) fn run(&self, argv: &Argv, folder: &Path, deadline: Instant) -> Result<String, ProbeFault> {
        let end = match self {
            Self::Here => here(argv, folder, deadline)
                .map_err(|error| ProbeFault::Io { target: argv.program().to_owned(), error })?,
            Self::Loop(requests) => by_the_loop(requests, argv, folder, deadline),
        };
        judge(argv.program(), end)
    }
}

fn judge(program: &str, end: ProgramEnd) -> Result<String, ProbeFault> {
    let how = match end {
        ProgramEnd::Ended(Exit::Status(0)) => return Ok("ended with status 0".to_owned()),
        ProgramEnd::TimedOut => return Err(ProbeFault::TimedOut(program.to_owned())),
        ProgramEnd::Ended(Exit::Status(status)) => format!("ended with status {status}"),
        ProgramEnd::Ended(Exit::Signal(signal)) => format!("was killed by signal {signal}"),
        ProgramEnd::Ended(Exit::Unknown) => "ended, nobody knows how".to_owned(),
        ProgramEnd::NotStarted { why, .. } => format!("was not started: {why}"),
    };
    Err(ProbeFault::Program { program: program.to_owned(), how })
}

fn by_the_loop(requests: &mpsc::Sender<ProgramRequest>, argv: &Argv, folder: &Path, deadline: Instant) -> ProgramEnd {
    let (answer, end) = sync_channel(1);
    let timeout = deadline.saturating_duration_since(Instant::now());
    let request = ProgramRequest {
        argv: argv.as_slice().to_vec(),
        environment: Vec::new(),
        input: Vec::new(),
        folder: folder.to_owned(),
        timeout,
        // There is room for it; the check may have given up.
        answer: Box::new(move |end| drop(answer.try_send(end))),
    };
    if requests.blocking_send(request).is_err() {
        return engine_ends();
    }
    match end.recv_timeout(timeout + ANSWER_SLACK) {
        Ok(end) => end,
        Err(RecvTimeoutError::Timeout) => ProgramEnd::TimedOut,
        Err(RecvTimeoutError::Disconnected) => engine_ends(),
    }
}

fn engine_ends() -> ProgramEnd {
    ProgramEnd::NotStarted { kind: io::ErrorKind::Interrupted, why: "the engine is ending".to_owned() }
}

fn here(argv: &Argv, folder: &Path, deadline: Instant) -> io::Result<ProgramEnd> {
    let program = argv.program();
    let file = if program.contains('/') { folder.join(program) } else { program.into() };
    let mut child = Command::new(file)
        .args(argv.as_slice().iter().skip(1))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let (sender, receiver) = sync_channel(1);
    let waiter = std::thread::spawn(move || {
        let _ = sender.send(child.wait());
    });
    let Ok(waited) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
        // Not reaped yet, so the number is still ours.
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        drop(waiter.join());
        return Ok(ProgramEnd::TimedOut);
    };
    let status = waited?;
    Ok(ProgramEnd::Ended(match status.signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Status(status.code().unwrap_or_default()),
    }))
}
