//! Programs of exec channels. The engine's one reaper takes every exit status of this process, so they are started and ended
//! by its loop; the notifier's thread only asks and waits for the answer.

use core::time::Duration;
use failstop_core::{Exit, Monotonic};
use failstop_notify::{Call, Ended, Programs};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::pin::Pin;
use std::process::{Command, Stdio};
use tokio::sync::{mpsc, oneshot};

/// How many programs run at one time; further ones count as not started and are tried again.
const RUNNING_MAX: usize = 8;

/// How many requests may wait for the loop.
pub const PROGRAM_QUEUE: usize = 16;

/// A program that the notifier wants to run.
#[derive(Debug)]
pub struct ProgramRequest {
    call: Call,
    within: Duration,
    ended: oneshot::Sender<Ended>,
}

/// The notifier's side.
#[derive(Debug)]
pub struct ProgramDoor(mpsc::Sender<ProgramRequest>);

impl ProgramDoor {
    /// Over this queue.
    pub fn new(requests: mpsc::Sender<ProgramRequest>) -> Self {
        Self(requests)
    }
}

impl Programs for ProgramDoor {
    fn run(&self, call: Call, within: Duration) -> Pin<Box<dyn Future<Output = Ended> + Send + '_>> {
        Box::pin(async move {
            let (ended, outcome) = oneshot::channel();
            // A loop that has ended starts nothing any more.
            if self.0.send(ProgramRequest { call, within, ended }).await.is_err() {
                return Ended::NotStarted(io::ErrorKind::Interrupted);
            }
            outcome.await.unwrap_or(Ended::NotStarted(io::ErrorKind::Interrupted))
        })
    }
}

/// What runs, by process number.
#[derive(Debug, Default)]
pub struct RunningPrograms {
    running: BTreeMap<i32, RunningProgram>,
}

#[derive(Debug)]
struct RunningProgram {
    until: Monotonic,
    timed_out: bool,
    ended: oneshot::Sender<Ended>,
}

impl RunningPrograms {
    /// Starts one; its process number, where it could be started.
    pub fn start(&mut self, request: ProgramRequest, now: Monotonic) -> Option<i32> {
        let ProgramRequest { call, within, ended } = request;
        let started = if self.running.len() >= RUNNING_MAX {
            Err(io::Error::from(io::ErrorKind::WouldBlock))
        } else {
            spawn(&call)
        };
        match started {
            Ok(pid) => {
                self.running.insert(pid, RunningProgram { until: now.plus(within), timed_out: false, ended });
                Some(pid)
            }
            Err(error) => {
                answer(ended, Ended::NotStarted(error.kind()));
                None
            }
        }
    }

    /// A child of this process ended, whosever it was.
    pub fn reaped(&mut self, pid: i32, exit: Exit) {
        let Some(program) = self.running.remove(&pid) else { return };
        let ended = match exit {
            Exit::Status(_) | Exit::Signal(_) if program.timed_out => Ended::TimedOut,
            Exit::Status(status) => Ended::Status(status),
            Exit::Signal(signal) => Ended::Signal(signal),
        };
        answer(program.ended, ended);
    }

    /// When the next one has had its time.
    pub fn due(&self) -> Option<Monotonic> {
        self.running.values().filter(|program| !program.timed_out).map(|program| program.until).min()
    }

    /// Kills those that have had their time, with their process groups.
    pub fn kill_late(&mut self, now: Monotonic) {
        for (pid, program) in self.running.iter_mut().filter(|(_, program)| !program.timed_out) {
            if now >= program.until {
                program.timed_out = true;
                // Not reaped yet, so the number is still its own. One that has just ended needs no signal.
                let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
}

/// Whoever asked may have ended.
fn answer(ended: oneshot::Sender<Ended>, with: Ended) {
    let _ = ended.send(with);
}

fn spawn(call: &Call) -> io::Result<i32> {
    let (program, arguments) =
        call.command.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    // A file and no pipe: a program that does not read holds nobody up.
    let mut input = File::from(memfd_create("alert", MFdFlags::MFD_CLOEXEC)?);
    input.write_all(&call.input)?;
    input.rewind()?;
    let child = Command::new(program)
        .args(arguments)
        .envs(call.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(input))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    // Dropped without a wait: the reaper takes it.
    i32::try_from(child.id()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    fn request(command: &[&str], input: &str, within: Duration) -> (ProgramRequest, oneshot::Receiver<Ended>) {
        let (ended, outcome) = oneshot::channel();
        let call = Call {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            environment: vec![("WORD".to_owned(), "alert".to_owned())],
            input: input.as_bytes().to_vec(),
        };
        (ProgramRequest { call, within, ended }, outcome)
    }

    /// What the reaper would say of this child.
    fn wait(pid: i32) -> Exit {
        match waitpid(Pid::from_raw(pid), None).unwrap() {
            WaitStatus::Exited(_, status) => Exit::Status(status),
            WaitStatus::Signaled(_, signal, _) => Exit::Signal(signal as i32),
            other => panic!("{other:?}"),
        }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_program_reads_its_input_and_its_status_comes_back() {
        let mut programs = RunningPrograms::default();
        let script = "read line && test \"$line\" = \"$WORD\" && exit 3";
        let (wanted, mut outcome) = request(&["/bin/sh", "-c", script], "alert\n", Duration::from_secs(60));
        let pid = programs.start(wanted, at(1)).unwrap();
        programs.reaped(pid + 1_000_000, Exit::Status(0));
        assert!(outcome.try_recv().is_err(), "somebody else's end");
        programs.reaped(pid, wait(pid));
        assert_eq!(outcome.try_recv().unwrap(), Ended::Status(3));
        assert_eq!(programs.due(), None);
    }

    #[test]
    fn one_that_takes_too_long_is_killed_and_says_so() {
        let mut programs = RunningPrograms::default();
        let (wanted, mut outcome) = request(&["/bin/sh", "-c", "sleep 1000 & sleep 1000"], "", Duration::from_secs(5));
        let pid = programs.start(wanted, at(1)).unwrap();
        assert_eq!(programs.due(), Some(at(6)));
        programs.kill_late(at(5));
        assert_eq!(programs.due(), Some(at(6)), "not yet");
        programs.kill_late(at(6));
        assert_eq!(programs.due(), None);
        let exit = wait(pid);
        assert_eq!(exit, Exit::Signal(9));
        programs.reaped(pid, exit);
        assert_eq!(outcome.try_recv().unwrap(), Ended::TimedOut);
    }

    #[test]
    fn what_cannot_be_started_is_answered_at_once() {
        let mut programs = RunningPrograms::default();
        let (wanted, mut outcome) = request(&["/nonexistent/program"], "", Duration::from_secs(5));
        assert_eq!(programs.start(wanted, at(1)), None);
        assert_eq!(outcome.try_recv().unwrap(), Ended::NotStarted(io::ErrorKind::NotFound));
        let (wanted, mut outcome) = request(&[], "", Duration::from_secs(5));
        assert_eq!(programs.start(wanted, at(1)), None);
        assert_eq!(outcome.try_recv().unwrap(), Ended::NotStarted(io::ErrorKind::InvalidInput));
    }
}
