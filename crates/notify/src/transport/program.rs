//! Runs the program of an exec channel. [`Children`] needs nobody's exit status, so it also works in a host that waits for every
//! child in one place; such a host may bring its own [`Programs`].

use crate::threads::{THREADS, Threads};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
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
    /// With this status; 128 and the number of the signal that ended it.
    Status(i32),
    /// Nobody knows how: what started it was killed before it could say.
    Unknown,
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

/// Programs as children of this process, each waited for by its own number on a thread of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Children;

impl Programs for Children {
    fn run(&self, call: Call, within: Duration) -> Pin<Box<dyn Future<Output = Ended> + Send + '_>> {
        Box::pin(async move { on_a_thread(&THREADS, call, within).await })
    }
}

async fn on_a_thread(threads: &'static Threads, call: Call, within: Duration) -> Ended {
    let ended = threads.wait(move || run(&call, within)).await;
    ended.unwrap_or_else(|error| Ended::NotStarted(error.kind()))
}

/// The shell that starts the program tells its status over a pipe. In a host that waits for every child in one place (the
/// engine does) the status may be taken before we can ask for it.
const REPORT: &str = r#""$@" >/dev/null 2>&1; echo "$?""#;

fn run(call: &Call, within: Duration) -> Ended {
    let until = Instant::now() + within;
    if call.command.is_empty() {
        return Ended::NotStarted(io::ErrorKind::NotFound);
    }
    let started = Command::new("/bin/sh")
        .args(["-c", REPORT, "failstop-alert"])
        .args(&call.command)
        .envs(call.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Ended::NotStarted(error.kind()),
    };
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let input = call.input.clone();
    // Neither thread is waited for: what the program handed its input on to may hold it open for as long as it likes.
    let gives = std::thread::Builder::new().spawn(move || {
        if let Some(mut stdin) = stdin {
            // A program that does not want its input closes it; that is its right.
            let _ = stdin.write_all(&input);
        }
    });
    let (done, report) = mpsc::channel();
    let reads = std::thread::Builder::new().spawn(move || {
        let mut text = String::new();
        if let Some(stdout) = stdout {
            // A report is a few digits; what cannot be read is none.
            let _ = stdout.take(REPORT_MAX).read_to_string(&mut text);
        }
        // Nobody listens any more when the time was up.
        let _ = done.send(text);
    });
    if let Err(error) = gives.and(reads) {
        end(&mut child);
        return Ended::NotStarted(error.kind());
    }
    let left = until.saturating_duration_since(Instant::now());
    let ended = match report.recv_timeout(left) {
        Ok(text) => text.trim().parse().map_or(Ended::Unknown, Ended::Status),
        Err(_) => {
            // The shell holds its end of the pipe as long as it lives, so its number, and its group's, is still its own.
            end(&mut child);
            return Ended::TimedOut;
        }
    };
    // Where somebody else waits for every child, there is nothing left to take.
    let _ = child.wait();
    ended
}

/// Ends the shell with everything below it.
fn end(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait();
}

/// The longest report that is read, bytes.
const REPORT_MAX: u64 = 64;

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
        assert_eq!(shell("echo 7; echo 8 >&2; exit 3", LONG), Ended::Status(3));
        assert_eq!(shell("kill -9 $$", LONG), Ended::Status(137));
        let odd = Call { command: vec!["/nonexistent; echo $(id)".into()], environment: vec![], input: vec![] };
        assert_eq!(run(&odd, LONG), Ended::Status(127));
        let none = Call { command: vec![], environment: vec![], input: vec![] };
        assert_eq!(run(&none, LONG), Ended::NotStarted(io::ErrorKind::NotFound));
    }

    #[test]
    fn without_a_thread_it_is_not_started() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let file = folder.path().join("ran").display().to_string();
        let call = Call { command: vec!["touch".into(), file.clone()], environment: vec![], input: vec![] };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap_or_else(|error| panic!("{error}"));
        let ended = |threads| runtime.block_on(on_a_thread(threads, call.clone(), LONG));
        assert_eq!(ended(&crate::threads::tests::NONE), Ended::NotStarted(io::ErrorKind::Other));
        assert!(!std::path::Path::new(&file).exists());
        assert_eq!(ended(&THREADS), Ended::Status(0));
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
