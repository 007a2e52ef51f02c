//! Runs the program of an exec channel. A host in which every child is waited for in one place (the engine) brings its own
//! [`Programs`]; elsewhere [`Children`] waits for the child that it made and for no other.

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::future::Future;
use std::io::{self, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The program and its arguments; at least the program.
    pub command: Vec<String>,
    /// Variables beside those of this process.
    pub environment: Vec<(String, String)>,
    /// What it reads from its standard input, which then ends.
    pub input: Vec<u8>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It had not ended in time, and was killed with its process group.
    TimedOut,
    /// It could not be started.
    NotStarted(io::ErrorKind),
}

/// Runs programs.
pub trait Programs: Send + Sync {
    /// Runs one; its standard output and error are of no interest. After `within` it is killed with everything that it
    /// started.
    fn run(&self, call: Call, within: Duration) -> Pin<Box<dyn Future<Output = Ended> + Send + '_>>;
}

/// Programs as children of this process, each waited for by its own number on a thread of the runtime's pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Children;

impl Programs for Children {
    fn run(&self, call: Call, within: Duration) -> Pin<Box<dyn Future<Output = Ended> + Send + '_>> {
        Box::pin(async move {
            let ended = tokio::task::spawn_blocking(move || run(&call, within)).await;
            // A panic ends the process; a runtime that ends takes no new tasks.
            ended.unwrap_or(Ended::NotStarted(io::ErrorKind::Other))
        })
    }
}

fn run(call: &Call, within: Duration) -> Ended {
    let until = Instant::now() + within;
    let Some((program, arguments)) = call.command.split_first() else {
        return Ended::NotStarted(io::ErrorKind::NotFound);
    };
    let started = Command::new(program)
        .args(arguments)
        .envs(call.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Ended::NotStarted(error.kind()),
    };
    // The input is far smaller than a pipe's room (64 KiB) but for the largest notices; a program that does not read must
    // not hold this thread, so writing happens beside waiting.
    let stdin = child.stdin.take();
    let input = call.input.clone();
    let writer = std::thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            // A program that does not want its input closes it; that is its right.
            let _ = stdin.write_all(&input);
        }
    });
    // Not waited for: what the program handed its input on to may hold it open for as long as it likes.
    drop(writer);
    wait(&mut child, until)
}

fn wait(child: &mut Child, until: Instant) -> Ended {
    let Ok(pid) = i32::try_from(child.id()).map(Pid::from_raw) else { return ended(child) };
    let (done, wait) = mpsc::channel();
    // Looks without taking: until `ended` takes its status, the number is the child's own and may be killed.
    std::thread::spawn(move || {
        let seen = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        // Nobody listens any more when the time was up.
        let _ = done.send(seen.is_ok());
    });
    let left = until.saturating_duration_since(Instant::now());
    if wait.recv_timeout(left) == Ok(true) {
        return ended(child);
    }
    // The group is the child's own since it was made; without one there is nothing to kill.
    let _ = killpg(pid, Signal::SIGKILL);
    match ended(child) {
        Ended::Status(_) | Ended::Signal(_) | Ended::TimedOut => Ended::TimedOut,
        Ended::NotStarted(kind) => Ended::NotStarted(kind),
    }
}

fn ended(child: &mut Child) -> Ended {
    match child.wait() {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Status(code),
            (None, Some(signal)) => Ended::Signal(signal),
            (None, None) => Ended::Status(-1),
        },
        Err(error) => Ended::NotStarted(error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, within: Duration) -> Ended {
        let call = Call {
            command: vec!["sh".into(), "-c".into(), script.into()],
            environment: vec![("FAILSTOP_ALERT_KEY".into(), "demo/x/1".into())],
            input: vec![b'x'; 200_000],
        };
        run(&call, within)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_gets_its_input_and_gives_its_status() {
        assert_eq!(shell("test $(wc -c) -eq 200000 && test $FAILSTOP_ALERT_KEY = demo/x/1", LONG), Ended::Status(0));
        assert_eq!(shell("exit 75", LONG), Ended::Status(75));
        assert_eq!(shell("kill -9 $$", LONG), Ended::Signal(9));
        let call = Call { command: vec!["/nonexistent".into()], environment: vec![], input: vec![] };
        assert_eq!(run(&call, LONG), Ended::NotStarted(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; sleep 600", file.display());
        assert_eq!(shell(&script, Duration::from_millis(700)), Ended::TimedOut);
        let pid: i32 = std::fs::read_to_string(&file).unwrap_or_default().trim().parse().unwrap_or(0);
        assert!(pid > 0);
        // The signal is sent; the kernel carries it out in its own time.
        for _ in 0..6_000 {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            if matches!(state, None | Some('Z' | 'X')) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("process {pid} still lives");
    }
}
