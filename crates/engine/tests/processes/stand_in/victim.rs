//! Bots that misbehave, each in its own way. All end by themselves after a while, so that a failed test leaves nothing.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// The longest that any of them lives.
const LIFE_SECONDS: u32 = 120;
/// The longest that the one that never stops forking lives.
const COMET_LIFE: Duration = Duration::from_secs(20);

/// Becomes the bot `kind`; a number may follow a colon.
pub fn run(kind: &str) -> std::process::ExitCode {
    live_for_a_while();
    let (kind, number) = kind.split_once(':').unwrap_or((kind, "0"));
    let number: i32 = number.parse().unwrap();
    match kind {
        "plain" => ready_and_wait(kind),
        "stubborn" => {
            ignore_polite_signals();
            ready_and_wait(kind)
        }
        // A second process in a session of its own that has lost its parent, beside the first.
        "double-fork" => {
            daemon(|| ready_and_wait(kind));
            wait()
        }
        // The same, and the first one leaves.
        "leave" => {
            daemon(|| ready_and_wait(kind));
            std::thread::sleep(Duration::from_millis(50));
        }
        // The same, without a trace in the environment, and it stays unnamed.
        "hide" => {
            daemon(|| {
                let own = std::env::current_exe().unwrap();
                let token = std::env::var("TOKEN").unwrap();
                use std::os::unix::process::CommandExt as _;
                let error = std::process::Command::new(own).env_clear().args(["victim", "plain", &token]).exec();
                panic!("{error}");
            });
            wait()
        }
        "chain" => {
            for _ in 0..number {
                if fork() != 0 {
                    wait();
                }
            }
            ready_and_wait(kind)
        }
        "storm" => {
            for _ in 0..number {
                if fork() == 0 {
                    wait();
                }
            }
            ready_and_wait(kind)
        }
        // A process that is somewhere else by the time one looks.
        "comet" => {
            let end = Instant::now() + COMET_LIFE;
            daemon(|| {
                say(kind);
                loop {
                    if fork() != 0 || Instant::now() > end {
                        leave(0);
                    }
                }
            });
            wait()
        }
        "stopped" => {
            say(kind);
            // SAFETY: a signal to ourselves.
            unsafe { libc::raise(libc::SIGSTOP) };
            wait()
        }
        "exit" => leave(number),
        "signal" => {
            // SAFETY: the default is no code of ours (Rust handles SIGSEGV); a signal to ourselves.
            unsafe {
                libc::signal(number, libc::SIG_DFL);
                libc::raise(number);
            }
            wait()
        }
        "inspect" => inspect(),
        // The bench's: says when its first instruction ran, then waits to be killed.
        "clock" => {
            clock();
            wait()
        }
        _ => panic!("no such victim: {kind}"),
    }
    std::process::ExitCode::SUCCESS
}

fn clock() {
    // SAFETY: plain data, and a valid place for it.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now);
        now
    };
    let nanos = now.tv_sec * 1_000_000_000 + now.tv_nsec;
    // SAFETY: a buffer of this length.
    unsafe { libc::write(1, nanos.to_ne_bytes().as_ptr().cast(), 8) };
}

/// What it was given, as it sees it.
fn inspect() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let mut fds: Vec<String> =
        std::fs::read_dir("/proc/self/fd").unwrap().map(|fd| fd.unwrap().file_name().into_string().unwrap()).collect();
    fds.sort();
    let mut death_signal = 0;
    // SAFETY: numbers, and a valid place for one.
    let (session, death_signal) = unsafe {
        libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut death_signal);
        (libc::getsid(0) == libc::getpid(), death_signal)
    };
    println!("uid {}", field("Uid:").split_whitespace().nth(1).unwrap());
    println!("gid {}", field("Gid:").split_whitespace().nth(1).unwrap());
    println!("groups {}", field("Groups:"));
    println!("blocked {}", field("SigBlk:"));
    println!("no-new-privileges {}", field("NoNewPrivs:"));
    println!("umask {}", field("Umask:"));
    println!("stdin {}", std::fs::read_link("/proc/self/fd/0").unwrap().display());
    println!("fds {}", fds.join(","));
    println!("session {session}");
    println!("death-signal {death_signal}");
    println!("directory {}", std::env::current_dir().unwrap().display());
    println!(
        "environment {}",
        std::env::vars().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    );
    println!(
        "cgroup {}",
        std::fs::read_to_string("/proc/self/cgroup")
            .unwrap()
            .lines()
            .find_map(|l| l.strip_prefix("0::"))
            .unwrap_or("-")
    );
    println!("files {}", {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    });
}

fn daemon(then: impl FnOnce()) {
    if fork() == 0 {
        // SAFETY: takes nothing.
        unsafe { libc::setsid() };
        // SAFETY: takes nothing.
        let between = unsafe { libc::getpid() };
        if fork() == 0 {
            ignore_polite_signals();
            // Says nothing before it is an orphan: until then the one between is there too.
            // SAFETY: takes nothing.
            while unsafe { libc::getppid() } == between {
                std::thread::yield_now();
            }
            then();
        }
        leave(0);
    }
}

fn fork() -> i32 {
    // SAFETY: this program has one thread.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        live_for_a_while();
    }
    pid
}

fn leave(status: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn live_for_a_while() {
    // SAFETY: a number.
    unsafe { libc::alarm(LIFE_SECONDS) };
}

fn ignore_polite_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1] {
        // SAFETY: ignoring is no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn say(kind: &str) {
    let mut out = std::io::stdout();
    // One write, so that lines of several processes do not mix.
    out.write_all(format!("ready {kind} {}\n", std::process::id()).as_bytes()).unwrap();
    out.flush().unwrap();
}

fn ready_and_wait(kind: &str) {
    say(kind);
    wait();
}

fn wait() {
    loop {
        // SAFETY: takes nothing; only a signal ends it.
        unsafe { libc::pause() };
    }
}
