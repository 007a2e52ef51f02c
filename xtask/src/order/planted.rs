//! A breakpoint at the beginning of each function of running processes, taken out when it is reached for the first time: which functions
//! run at all, at next to no cost to the processes.

use super::symbols::Symbols;
use crate::run::TaskError;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

/// `int3`.
const BREAKPOINT: u8 = 0xCC;

/// Processes with breakpoints in them.
pub struct Planted<'a> {
    symbols: &'a Symbols,
    processes: Vec<Process>,
    /// Of which process each thread is.
    threads: BTreeMap<i32, usize>,
    reached: BTreeSet<String>,
}

struct Process {
    pid: i32,
    memory: File,
    /// What is added to the file's addresses.
    base: u64,
    /// What stood where a breakpoint is.
    stood: BTreeMap<u64, u8>,
}

impl<'a> Planted<'a> {
    /// Plants them in all of these processes, which run the program of these symbols.
    pub fn in_processes(pids: &[i32], symbols: &'a Symbols) -> Result<Self, TaskError> {
        let mut planted = Self { symbols, processes: Vec::new(), threads: BTreeMap::new(), reached: BTreeSet::new() };
        for pid in pids {
            planted.plant(*pid).map_err(|source| failed(&format!("planting breakpoints in process {pid}"), source))?;
        }
        Ok(planted)
    }

    fn plant(&mut self, pid: i32) -> io::Result<()> {
        let number = self.processes.len();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = task?.file_name().to_str().and_then(|name| name.parse().ok()).unwrap_or(pid);
            ptrace::seize(Pid::from_raw(thread), Options::PTRACE_O_TRACECLONE)?;
            self.threads.insert(thread, number);
        }
        let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
        let base = base(pid, self.symbols)?;
        let mut stood = BTreeMap::new();
        for address in self.symbols.functions.keys() {
            let mut byte = [0];
            memory.read_exact_at(&mut byte, base + address)?;
            memory.write_all_at(&[BREAKPOINT], base + address)?;
            stood.insert(*address, byte[0]);
        }
        self.processes.push(Process { pid, memory, base, stood });
        Ok(())
    }

    /// Notes for so long what is reached.
    pub fn watch(&mut self, time: Duration) -> Result<(), TaskError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_micros(200)),
                Ok(status) => self.stopped(status).map_err(|source| failed("following the processes", source))?,
                Err(error) => return Err(failed("waiting for the processes", error.into())),
            }
        }
        Ok(())
    }

    fn stopped(&mut self, status: WaitStatus) -> io::Result<()> {
        match status {
            WaitStatus::Stopped(thread, Signal::SIGTRAP) if self.is_breakpoint(thread)? => go_on(thread, None),
            WaitStatus::Stopped(thread, signal) => {
                self.adopt(thread);
                // The first stop of a new thread is ptrace's own.
                go_on(thread, (signal != Signal::SIGSTOP).then_some(signal))
            }
            WaitStatus::PtraceEvent(thread, _, _) => {
                self.adopt(thread);
                go_on(thread, None)
            }
            WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, _, _) => {
                self.threads.remove(&thread.as_raw());
                match self.processes.iter().any(|process| process.pid == thread.as_raw()) {
                    true => Err(io::Error::other(format!("process {thread} ended: {status:?}"))),
                    false => Ok(()),
                }
            }
            WaitStatus::PtraceSyscall(thread) => go_on(thread, None),
            WaitStatus::Continued(_) | WaitStatus::StillAlive => Ok(()),
        }
    }

    /// A thread that began while it was watched.
    fn adopt(&mut self, thread: Pid) {
        if self.threads.contains_key(&thread.as_raw()) {
            return;
        }
        let number = self
            .processes
            .iter()
            .position(|process| fs::exists(format!("/proc/{}/task/{thread}", process.pid)).unwrap_or(false));
        if let Some(number) = number {
            self.threads.insert(thread.as_raw(), number);
        }
    }

    /// Takes the breakpoint out that this thread stands behind, and puts the thread before it; false where there is none.
    fn is_breakpoint(&mut self, thread: Pid) -> io::Result<bool> {
        self.adopt(thread);
        let Some(process) = self.threads.get(&thread.as_raw()).and_then(|number| self.processes.get(*number)) else {
            return Ok(false);
        };
        let mut registers = ptrace::getregs(thread)?;
        let Some(address) = registers.rip.checked_sub(1 + process.base) else { return Ok(false) };
        let Some(stood) = process.stood.get(&address) else { return Ok(false) };
        // It may be out already: two threads may come to it at the same time.
        process.memory.write_all_at(&[*stood], process.base + address)?;
        registers.rip -= 1;
        ptrace::setregs(thread, registers)?;
        self.reached.extend(self.symbols.functions[&address].iter().cloned());
        Ok(true)
    }

    /// What was reached so far.
    pub fn reached(&self) -> BTreeSet<String> {
        self.reached.clone()
    }

    /// Takes all out that were never reached, and lets the processes go.
    pub fn take_out(mut self) -> Result<(), TaskError> {
        for process in &self.processes {
            for (address, stood) in &process.stood {
                let out = process.memory.write_all_at(&[*stood], process.base + address);
                out.map_err(|source| failed("taking breakpoints out", source))?;
            }
        }
        // Whoever came to one just before.
        self.watch(Duration::from_millis(500))?;
        for thread in self.threads.keys() {
            let thread = Pid::from_raw(*thread);
            let seen = ptrace::interrupt(thread).and_then(|()| waitpid(thread, Some(WaitPidFlag::__WALL)));
            match seen.and_then(|_| ptrace::detach(thread, None)) {
                Ok(()) | Err(Errno::ESRCH | Errno::ECHILD) => {}
                Err(error) => return Err(failed("letting the processes go", error.into())),
            }
        }
        Ok(())
    }
}

/// What is added to the addresses of the program's file in this process.
fn base(pid: i32, symbols: &Symbols) -> io::Result<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let path = symbols.path.to_string_lossy();
    let code = maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, _) = fields.next()?.split_once('-')?;
        let is_code = fields.next()? == "r-xp";
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        (is_code && line.ends_with(&*path)).then_some(u64::from_str_radix(start, 16).ok()? - offset)
    });
    let bytes = code.ok_or_else(|| io::Error::other(format!("/proc/{pid}/maps has no code of {path}")))?;
    Ok(bytes - symbols.from_bytes)
}

fn go_on(thread: Pid, signal: Option<Signal>) -> io::Result<()> {
    match ptrace::cont(thread, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn failed(what: &str, source: io::Error) -> TaskError {
    TaskError::Start { command: what.to_owned(), source }
}
