//! A bot that misbehaves to order, for the end-to-end tests and for trying failstop by hand.
//!
//! Arguments are verbs, carried out in order; after the last one it lives on, keeping the periodic promises it made, until it
//! is ended:
//!
//! ```text
//! fake_bot append FILE          write "PID\n" to the end of FILE: it was started
//!          lock FILE            take a lock on FILE; if another holds it, or the process that FILE.pid names lives, write
//!                               "not alone" to FILE.shout
//!          ignore-term          ignore SIGTERM
//!          ready                say READY=1 over sd_notify
//!          child                fork a child that ignores SIGTERM in a session of its own
//!          double-fork          the same, with the parent in between gone
//!          chain N              a chain of N forks, each the child of the one before
//!          orphans N            the same as double-fork N times, each in-between process the child of the one before
//!          storm N MS           N processes each of which forks its successor and ends, every few milliseconds, for MS
//!          run FILE             fork a child that becomes FILE, with the argument 1000
//!          stopped-child        fork a child that stops itself
//!          beat MS              heartbeat on the bot socket every MS milliseconds
//!          tick MS FEED         market data of FEED every MS milliseconds; SIGUSR1 stops and resumes it
//!          watchdog MS          WATCHDOG=1 every MS milliseconds
//!          hold MB              use this much memory
//!          give-back            let go of it when asked to on the bot socket, at the next promise
//!          send JSON            one line on the bot socket
//!          wait MS              live MS milliseconds, keeping promises
//!          exit STATUS          end with this status
//!          kill SIGNAL          end by this signal
//! ```

#![expect(clippy::unwrap_used, reason = "a tool of the tests: a failed setup shall be seen at once")]

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static STARVED: AtomicBool = AtomicBool::new(false);

extern "C" fn toggle_starved(_signal: i32) {
    STARVED.fetch_xor(true, Ordering::Relaxed);
}

enum Promise {
    Beat,
    Tick(String),
    Watchdog,
}

struct Bot {
    socket: Option<UnixStream>,
    promises: Vec<(Duration, Instant, Promise)>,
    /// Memory that was asked for.
    held: Vec<u8>,
    gives_back: bool,
}

impl Bot {
    fn say(&mut self, line: &str) {
        if self.socket.is_none()
            && let Some(path) = std::env::var_os("FAILSTOP_SOCKET")
        {
            self.socket = UnixStream::connect(path).ok();
            if let Some(socket) = &self.socket {
                socket.set_nonblocking(true).unwrap();
            }
        }
        if let Some(socket) = &mut self.socket {
            let mut answers = [0; 4096];
            while let Ok(read @ 1..) = socket.read(&mut answers) {
                let asked = String::from_utf8_lossy(&answers[..read]).contains(r#""event":"reclaim""#);
                if asked && self.gives_back {
                    self.held = Vec::new();
                }
            }
            if socket.write_all(format!("{line}\n").as_bytes()).is_err() {
                self.socket = None;
            }
        }
    }

    fn keep_promises(&mut self) -> Duration {
        let now = Instant::now();
        let mut lines = Vec::new();
        for (every, due, promise) in &mut self.promises {
            if *due <= now {
                *due = now + *every;
                match promise {
                    Promise::Beat => lines.push(r#"{"type":"heartbeat"}"#.to_owned()),
                    Promise::Tick(feed) => {
                        if !STARVED.load(Ordering::Relaxed) {
                            lines.push(format!(r#"{{"type":"tick","feed":"{feed}"}}"#));
                        }
                    }
                    Promise::Watchdog => notify("WATCHDOG=1"),
                }
            }
        }
        for line in lines {
            self.say(&line);
        }
        let next = self.promises.iter().map(|(_, due, _)| *due).min();
        next.map_or(Duration::from_secs(3600), |due| due.saturating_duration_since(Instant::now()))
    }

    fn live(&mut self, span: Option<Duration>) {
        let end = span.map(|span| Instant::now() + span);
        loop {
            let mut pause = self.keep_promises();
            if let Some(end) = end {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return;
                }
                pause = pause.min(left);
            }
            std::thread::sleep(pause);
        }
    }

    fn promise(&mut self, milliseconds: &str, promise: Promise) {
        let every = Duration::from_millis(milliseconds.parse().unwrap());
        self.promises.push((every, Instant::now(), promise));
        self.keep_promises();
    }
}

fn notify(message: &str) {
    if let Ok(path) = std::env::var("NOTIFY_SOCKET") {
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(message.as_bytes(), path).unwrap();
    }
}

fn fork() -> bool {
    // SAFETY: this program has one thread, so the child may go on as usual.
    unsafe { libc::fork() == 0 }
}

fn ignore_term() {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn stubborn() -> ! {
    ignore_term();
    // SAFETY: no memory is touched.
    unsafe { libc::setsid() };
    sleep_for_ever()
}

/// Ahead of whoever looks for it: a new process every few milliseconds.
#[expect(clippy::exit, reason = "a process that became another ends, whatever its callers wanted to do next")]
fn hop(end: Instant) -> ! {
    ignore_term();
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(4));
        if !fork() {
            break;
        }
    }
    std::process::exit(0)
}

/// A process by its number and when it started; its number alone where it is gone or dead.
fn identity(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace().collect();
    match (fields.first(), fields.get(19)) {
        (Some(state), Some(start)) if !matches!(*state, "Z" | "X") => format!("{pid} {start}"),
        _ => format!("{pid} "),
    }
}

fn append(path: &str, text: &str) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn main() {
    // SAFETY: the handler only flips an atomic.
    unsafe { libc::signal(libc::SIGUSR1, toggle_starved as *const () as libc::sighandler_t) };
    let mut bot = Bot { socket: None, promises: Vec::new(), held: Vec::new(), gives_back: false };
    let mut verbs = std::env::args().skip(1);
    let mut held = Vec::new();
    while let Some(verb) = verbs.next() {
        let mut argument = || verbs.next().unwrap_or_else(|| panic!("`{verb}` needs an argument"));
        match verb.as_str() {
            "append" => append(&argument(), &format!("{}\n", std::process::id())),
            "lock" => {
                let path = argument();
                let file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
                // SAFETY: the descriptor is open.
                if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
                    append(&format!("{path}.shout"), &format!("not alone: {}\n", std::process::id()));
                }
                held.push(file);
                let (mine, theirs) = (identity(std::process::id()), std::fs::read_to_string(format!("{path}.pid")));
                let pid = theirs.as_ref().ok().and_then(|text| text.split_once(' ')?.0.parse().ok());
                if theirs
                    .as_ref()
                    .is_ok_and(|theirs| *theirs != mine && pid.is_some_and(|pid| identity(pid) == *theirs))
                {
                    append(&format!("{path}.shout"), &format!("not alone: {pid:?} lives\n"));
                }
                std::fs::write(format!("{path}.pid"), mine).unwrap();
            }
            "ignore-term" => ignore_term(),
            "ready" => notify("READY=1"),
            "child" => {
                if fork() {
                    stubborn();
                }
            }
            "double-fork" => {
                if fork() {
                    if fork() {
                        stubborn();
                    }
                    std::process::exit(0);
                }
            }
            "chain" => {
                let length = argument().parse::<u32>().unwrap();
                // Each child forks the next; only the eldest goes on with the verbs.
                if length > 0 && fork() {
                    for _ in 1..length {
                        if !fork() {
                            break;
                        }
                    }
                    stubborn();
                }
            }
            "orphans" => {
                let count = argument().parse::<u32>().unwrap();
                if fork() {
                    for _ in 0..count {
                        if fork() {
                            stubborn();
                        }
                        if !fork() {
                            std::process::exit(0);
                        }
                    }
                    std::process::exit(0);
                }
            }
            "storm" => {
                let count = argument().parse::<u32>().unwrap();
                let end = Instant::now() + Duration::from_millis(argument().parse().unwrap());
                for _ in 0..count {
                    if fork() {
                        hop(end);
                    }
                }
            }
            "run" => {
                let program = argument();
                if fork() {
                    let error =
                        std::os::unix::process::CommandExt::exec(std::process::Command::new(program).arg("1000"));
                    panic!("{error}");
                }
            }
            // This program's copy with a set-user-ID bit, which then becomes root for good.
            "run-as-root" => {
                let program = argument();
                if fork() {
                    let error =
                        std::os::unix::process::CommandExt::exec(std::process::Command::new(program).arg("as-root"));
                    panic!("{error}");
                }
            }
            "as-root" => {
                // SAFETY: three numbers.
                assert_eq!(unsafe { libc::setresuid(0, 0, 0) }, 0, "{}", std::io::Error::last_os_error());
                sleep_for_ever();
            }
            "stopped-child" => {
                if fork() {
                    // SAFETY: stops this process, which is what was asked for.
                    unsafe { libc::raise(libc::SIGSTOP) };
                    sleep_for_ever();
                }
            }
            "beat" => bot.promise(&argument(), Promise::Beat),
            "tick" => {
                let every = argument();
                let feed = argument();
                bot.promise(&every, Promise::Tick(feed));
            }
            "watchdog" => bot.promise(&argument(), Promise::Watchdog),
            // Not zeros: those would be pages that nobody has touched.
            "hold" => bot.held = vec![1; argument().parse::<usize>().unwrap() * 1_000_000],
            "give-back" => bot.gives_back = true,
            "send" => bot.say(&argument()),
            "wait" => bot.live(Some(Duration::from_millis(argument().parse().unwrap()))),
            "exit" => std::process::exit(argument().parse().unwrap()),
            // SAFETY: ends this process, which is what was asked for.
            "kill" => unsafe {
                libc::raise(argument().parse().unwrap());
            },
            other => panic!("unknown verb `{other}`"),
        }
    }
    bot.live(None);
}
