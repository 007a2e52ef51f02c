//! Programs that the watchdog runs: probes and hooks. No shell; a process group of its own, so that a time-out ends all of it;
//! its output is read to a bound and shown masked.

use crate::heart::reading::for_people;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// The most output that is kept, bytes.
const OUTPUT_MAX: u64 = 64 * 1024;

/// What became of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It ended.
    Ended {
        /// Its status; `None`: by a signal.
        status: Option<i32>,
        /// What it wrote, masked and shortened.
        output: String,
    },
    /// It did not end in time, and was killed with its whole process group.
    TimedOut,
    /// It could not be started.
    NotStarted(String),
}

/// Runs a program with further environment variables.
pub async fn run_program(argv: &[String], env: &[(&str, String)], timeout: Duration) -> Ran {
    let Some((program, arguments)) = argv.split_first() else {
        return Ran::NotStarted("no program is named".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for (name, value) in env {
        command.env(name, value);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ran::NotStarted(error.to_string()),
    };
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let whole = async {
        let (out, err, status) = tokio::join!(bounded(out), bounded(err), child.wait());
        (out, err, status)
    };
    match tokio::time::timeout(timeout, whole).await {
        Ok((out, err, Ok(status))) => {
            let text = if out.is_empty() { err } else { out };
            Ran::Ended { status: status.code(), output: for_people(&text) }
        }
        Ok((_, _, Err(error))) => Ran::NotStarted(error.to_string()),
        Err(_) => {
            if let Some(group) = group {
                // It may have ended in this very moment; then there is nothing to kill.
                let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGKILL);
            }
            Ran::TimedOut
        }
    }
}

async fn bounded(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What is beyond the bound is read and dropped, so that the program does not block on it.
        let _ = (&mut stream).take(OUTPUT_MAX).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    bytes
}
