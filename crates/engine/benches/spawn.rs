//! From a component's death to the first instruction of its successor: our reaper, proof and spawner against a bare loop of
//! `poll` on a pidfd, `waitid` and `posix_spawn`, in one run, taking turns, with the same program.
//!
//! `cargo bench -p failstop-engine --bench spawn [-- ROUNDS]`. Recording is not in it: the journal has its own bench.

#![expect(clippy::unwrap_used, reason = "a measurement: what is not expected ends it")]

use failstop_core::{Instance, Slot};
use failstop_engine::process::cgroup::SystemCgroup;
use failstop_engine::process::mark::SystemMark;
use failstop_engine::process::pidfd::PidFd;
use failstop_engine::process::reaper::{self, Next};
use failstop_engine::process::signals::Signals;
use failstop_engine::process::spawn::{Command, Place, Spawner};
use failstop_engine::process::tree::{TreeId, Trees};
use std::ffi::{CString, OsString};
use std::io::{PipeReader, PipeWriter, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::ptr;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_failstop-process-stand-in");
const ARGUMENTS: [&str; 3] = ["stand-in", "victim", "clock"];

fn main() {
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(300_usize);
    Signals::block().unwrap();
    let unused: libc::c_ulong = 0;
    // SAFETY: numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1 as libc::c_ulong, unused, unused, unused) };
    let mark = SystemMark { name: "bench".into(), jid: std::process::id().to_string() };
    let cgroup = SystemCgroup::make(&mark, 1);

    let mut bare = Bare::start(false);
    // What a session of its own costs by itself: where the scheduler groups by session, a new one begins with nothing.
    let mut session = Bare::start(true);
    let mut without = Ours::start(&mark, None);
    let mut with = cgroup.as_ref().ok().map(|cgroup| Ours::start(&mark, Some(cgroup)));
    let mut nanos: [Vec<i64>; 4] = Default::default();
    for round in 0..rounds {
        for place in 0..4 {
            // Each goes first in its turn, so that none always follows the same other.
            let which = (round + place) % 4;
            let others = [bare.pid, session.pid, without.pid, with.as_ref().map_or(0, |with| with.pid)];
            nanos[which].extend(match which {
                0 => Some(bare.round()),
                1 => Some(session.round()),
                2 => Some(without.round(others)),
                _ => with.as_mut().map(|with| with.round(others)),
            });
        }
    }
    bare.end();
    session.end();
    without.end();
    if let Some(with) = with {
        with.end();
    }

    println!("from death to the successor's first instruction, {rounds} rounds");
    let [bare_ns, session_ns, without_ns, with_ns] = &mut nanos;
    let base = report("bare pidfd + posix_spawn", bare_ns, None);
    report("the same, new session", session_ns, Some(base));
    report("failstop", without_ns, Some(base));
    match cgroup {
        Ok(cgroup) => {
            report("failstop, with a cgroup", with_ns, Some(base));
            cgroup.remove().unwrap();
        }
        Err(error) => println!("no cgroup: {error}"),
    }
}

fn report(name: &str, nanos: &mut [i64], base: Option<i64>) -> i64 {
    nanos.sort_unstable();
    let median = nanos[nanos.len() / 2];
    let ms = |nanos: i64| nanos as f64 / 1e6;
    let ratio = base.map(|base| format!("   {:.2} x", median as f64 / base as f64)).unwrap_or_default();
    println!(
        "{name:<26} median {:.3} ms   p10 {:.3}   p90 {:.3}{ratio}",
        ms(median),
        ms(nanos[nanos.len() / 10]),
        ms(nanos[nanos.len() * 9 / 10])
    );
    median
}

fn now() -> i64 {
    // SAFETY: plain data, and a valid place for it.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now);
        now
    };
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// When the program's first instruction ran, as it says itself.
fn first_instruction(from: &mut PipeReader) -> i64 {
    let mut nanos = [0; 8];
    from.read_exact(&mut nanos).unwrap();
    // It is to be at rest when it is killed.
    std::thread::sleep(Duration::from_millis(2));
    i64::from_ne_bytes(nanos)
}

fn kill(pid: i32) -> i64 {
    let at = now();
    // SAFETY: our own unreaped child.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    at
}

fn poll(fd: i32, milliseconds: i32) {
    let mut watched = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&raw mut watched, 1, milliseconds) };
}

struct Ours {
    mark: SystemMark,
    signals: Signals,
    spawner: Spawner,
    trees: Trees,
    command: Command,
    id: TreeId,
    pid: i32,
    reader: PipeReader,
    writer: PipeWriter,
}

impl Ours {
    fn start(mark: &SystemMark, cgroup: Option<&SystemCgroup>) -> Self {
        let slot = Slot::component(usize::from(cgroup.is_some())).unwrap();
        let name = format!("c{}", slot.number());
        let trees = Trees::new(mark.clone(), [(slot, name)], cgroup).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let command = Command::new(PROGRAM.into(), ARGUMENTS.map(OsString::from).to_vec(), "/".into());
        let id = TreeId { slot, instance: Instance(0) };
        let (signals, spawner) = (Signals::open().unwrap(), Spawner::new().unwrap());
        let mut ours = Self { mark: mark.clone(), signals, spawner, trees, command, id, pid: 0, reader, writer };
        ours.spawn();
        first_instruction(&mut ours.reader);
        ours.trees.tidy();
        ours
    }

    fn spawn(&mut self) {
        self.id.instance.0 += 1;
        let name = format!("c{}", self.id.slot.number());
        self.command.environment = self.mark.variables(&name, self.id.instance.0).to_vec();
        let cgroup = self.trees.prepare(self.id).unwrap();
        let place = Place {
            stdin: None,
            stdout: self.writer.as_fd(),
            stderr: self.writer.as_fd(),
            cgroup,
            given: &[],
            beside: None,
        };
        let child = self.spawner.spawn(&self.command, &place).unwrap();
        self.pid = child.id.pid;
        self.trees.planted(self.id, child).unwrap();
    }

    /// `others`: the other loops' processes, which are no orphans of ours.
    fn round(&mut self, others: [i32; 4]) -> i64 {
        let others = others.map(|pid| if pid == self.pid { 0 } else { pid });
        for other in others {
            self.trees.other_started(other);
        }
        while self.signals.next().unwrap().is_some() {}
        let killed = kill(self.pid);
        let mut gone = false;
        while !gone {
            let timeout = self.trees.retry_after().map_or(-1, |span| i32::try_from(span.as_millis()).unwrap());
            poll(self.signals.as_raw_fd(), timeout);
            while self.signals.next().unwrap().is_some() {}
            while let Next::Ended(reaped) = reaper::next().unwrap() {
                if let Some(id) = self.trees.reaped(reaped.pid) {
                    self.trees.begin_kill(id);
                }
            }
            gone = !self.trees.poll().is_empty();
        }
        self.spawn();
        for other in others {
            self.trees.reaped(other);
        }
        let took = first_instruction(&mut self.reader) - killed;
        self.trees.tidy();
        took
    }

    fn end(self) {
        kill(self.pid);
        reap(self.pid);
    }
}

/// What somebody would write who needs nothing but a restart.
struct Bare {
    pid: i32,
    pidfd: PidFd,
    reader: PipeReader,
    actions: libc::posix_spawn_file_actions_t,
    attributes: libc::posix_spawnattr_t,
    _writer: PipeWriter,
}

impl Bare {
    fn start(new_session: bool) -> Self {
        const SET_SESSION: libc::c_short = 0x80;
        let (reader, writer) = std::io::pipe().unwrap();
        // SAFETY: initialised before anything else is done with it.
        let attributes = unsafe {
            let mut attributes = std::mem::zeroed();
            libc::posix_spawnattr_init(&raw mut attributes);
            libc::posix_spawnattr_setflags(&raw mut attributes, if new_session { SET_SESSION } else { 0 });
            attributes
        };
        // SAFETY: initialised before anything else is done with it.
        let actions = unsafe {
            let mut actions = std::mem::zeroed();
            libc::posix_spawn_file_actions_init(&raw mut actions);
            libc::posix_spawn_file_actions_adddup2(&raw mut actions, writer.as_raw_fd(), 1);
            actions
        };
        let pid = Self::spawn(&actions, &attributes);
        let pidfd = PidFd::open(pid).unwrap();
        let mut bare = Self { pid, pidfd, reader, actions, attributes, _writer: writer };
        first_instruction(&mut bare.reader);
        bare
    }

    fn spawn(actions: &libc::posix_spawn_file_actions_t, attributes: &libc::posix_spawnattr_t) -> i32 {
        let program = CString::new(PROGRAM).unwrap();
        let arguments = ARGUMENTS.map(|argument| CString::new(argument).unwrap());
        let argv: Vec<*mut libc::c_char> =
            arguments.iter().map(|argument| argument.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
        let envp: [*mut libc::c_char; 1] = [ptr::null_mut()];
        let mut pid = 0;
        // SAFETY: valid strings and arrays that end with null, which outlive the call.
        let failed = unsafe {
            libc::posix_spawn(&raw mut pid, program.as_ptr(), actions, attributes, argv.as_ptr(), envp.as_ptr())
        };
        assert_eq!(failed, 0);
        pid
    }

    fn round(&mut self) -> i64 {
        let killed = kill(self.pid);
        poll(self.pidfd.as_fd().as_raw_fd(), -1);
        reap(self.pid);
        self.pid = Self::spawn(&self.actions, &self.attributes);
        self.pidfd = PidFd::open(self.pid).unwrap();
        first_instruction(&mut self.reader) - killed
    }

    fn end(self) {
        kill(self.pid);
        reap(self.pid);
    }
}

fn reap(pid: i32) {
    // SAFETY: our own child; its status is not wanted.
    unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
}
