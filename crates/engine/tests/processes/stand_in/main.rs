//! The process tests' helper: a small engine made of the modules under test (`engine`), single spawns (`spawn`), and the
//! bots that they run (`victim`). Told what to do by its arguments and, line by line, on standard input; says what
//! happens on standard output.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests: what is not expected fails the test")]

mod victim;

use failstop_core::{Instance, Slot};
use failstop_engine::process::cgroup::{Entry, SystemCgroup};
use failstop_engine::process::epoch;
use failstop_engine::process::extinguish::extinguish;
use failstop_engine::process::guard::{self, EngineSide, GuardState, Role};
use failstop_engine::process::leftovers;
use failstop_engine::process::lock::{InstanceLock, LockError};
use failstop_engine::process::mark::SystemMark;
use failstop_engine::process::reaper::{self, Next};
use failstop_engine::process::register::{self, Recorded, Register};
use failstop_engine::process::signals::Signal;
use failstop_engine::process::spawn::{Command, Place, SpawnError, Spawner, resolve};
use failstop_engine::process::tree::{TreeId, Trees};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const COMPONENTS: usize = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("victim") => victim::run(rest.first().unwrap()),
        Some("engine") => engine(&Options::parse(rest)),
        Some("spawn") => spawn(&Options::parse(rest)),
        other => panic!("role {other:?}"),
    }
}

/// `--key value` pairs; `--` begins a command.
struct Options {
    values: BTreeMap<String, String>,
    command: Vec<OsString>,
}

impl Options {
    fn parse(arguments: &[String]) -> Self {
        let mut values = BTreeMap::new();
        let mut arguments = arguments.iter();
        while let Some(key) = arguments.next() {
            if key == "--" {
                break;
            }
            values.insert(key.strip_prefix("--").unwrap().to_owned(), arguments.next().unwrap().clone());
        }
        Self { values, command: arguments.map(OsString::from).collect() }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    fn number(&self, key: &str) -> Option<u32> {
        self.get(key).map(|value| value.parse().unwrap())
    }

    fn mark(&self) -> SystemMark {
        SystemMark { name: self.get("name").unwrap().into(), jid: self.get("jid").unwrap().into() }
    }
}

fn say(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout();
    // A reader that has gone must not end the engine.
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

fn become_user(uid: u32) {
    // SAFETY: numbers; one thread.
    unsafe {
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setresgid(uid, uid, uid), 0);
        assert_eq!(libc::setresuid(uid, uid, uid), 0);
        // As for a program that this user started itself.
        assert_eq!(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
    }
}

/// One spawn by the options; says how it came out and how the process ended.
fn spawn(options: &Options) -> ExitCode {
    if let Some(uid) = options.number("as-user") {
        become_user(uid);
    }
    // Something that a component must not inherit, and something that exec would not undo.
    let _open = std::fs::File::open("/dev/zero").unwrap();
    // SAFETY: a descriptor without close-on-exec, and ignoring is no code of ours.
    unsafe {
        libc::dup(0);
        libc::signal(libc::SIGUSR2, libc::SIG_IGN);
    }
    let directory = PathBuf::from(options.get("directory").unwrap_or("/"));
    let program = options.command.first().unwrap();
    let file = match options.get("resolve") {
        Some(_) => match resolve(program, &directory, std::env::var_os("PATH").as_deref()) {
            Ok(file) => file,
            Err(error) => {
                say(format_args!("unresolved {error}"));
                return ExitCode::FAILURE;
            }
        },
        None => PathBuf::from(program),
    };
    let mut command = Command::new(file, options.command.clone(), directory);
    command.environment = vec![("ONE".into(), "1".into()), ("TWO".into(), "2 2".into())];
    command.uid = options.number("uid");
    command.gid = options.number("gid");
    command.groups = options
        .get("groups")
        .map(|list| list.split(',').filter(|group| !group.is_empty()).map(|group| group.parse().unwrap()).collect());
    command.umask = options.get("umask").map(|mask| u32::from_str_radix(mask, 8).unwrap());
    command.limits = options.number("files").map(|n| (libc::RLIMIT_NOFILE, n.into(), n.into())).into_iter().collect();
    command.no_new_privileges = options.get("no-new-privileges") != Some("no");
    let cgroup = options.get("cgroup").map(|name| {
        let mark = SystemMark { name: name.into(), jid: std::process::id().to_string() };
        let system = SystemCgroup::make(&mark, 1).unwrap();
        let at_birth = if system.at_birth() { "at birth" } else { "by itself" };
        say(format_args!("moved {at_birth}"));
        (system.component("c1").unwrap().instance(1).unwrap(), system)
    });
    let stdout = std::io::stdout();
    let place = Place {
        stdin: None,
        stdout: stdout.as_fd(),
        stderr: stdout.as_fd(),
        cgroup: cgroup
            .as_ref()
            .map(|(instance, _)| Entry { at_birth: options.get("move").is_none(), ..instance.entry() }),
        given: &[],
        beside: None,
    };
    let spawned = Spawner::new().unwrap().spawn(&command, &place);
    let status = match spawned {
        Ok(child) => {
            say(format_args!("started {} {}", child.id.pid, child.id.start_time));
            while !child.pidfd.wait_end(1000).unwrap() {}
            ExitCode::SUCCESS
        }
        Err(SpawnError::Step { step, ref source, .. }) => {
            say(format_args!("failed {step:?} {}", source.raw_os_error().unwrap_or_default()));
            say(format_args!("error {}", spawned.unwrap_err()));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(format_args!("error {error}"));
            ExitCode::FAILURE
        }
    };
    // Nothing else may be left to reap: a failed spawn takes its own status.
    while let Next::Ended(reaped) = reaper::next().unwrap() {
        say(format_args!("ended {:?}", reaped.exit));
    }
    say(format_args!("left {:?}", reaper::next().unwrap()));
    if let Some((instance, system)) = cgroup {
        say(format_args!("populated {}", instance.populated().unwrap()));
        system.remove().unwrap();
    }
    status
}

fn engine(options: &Options) -> ExitCode {
    if let Some(uid) = options.number("as-user") {
        become_user(uid);
    }
    match guard::split().unwrap() {
        Role::Guard(status) => status,
        Role::Engine(side) => match Engine::start(options, side) {
            Ok(mut engine) => engine.run(),
            Err(status) => status,
        },
    }
}

/// The loop, as small as it can be: no core, no journal; what it does it is told on standard input.
struct Engine {
    side: EngineSide,
    mark: SystemMark,
    token: String,
    spawner: Spawner,
    trees: Trees,
    register: Register,
    cgroup: Option<SystemCgroup>,
    instances: u64,
    running: BTreeMap<Slot, TreeId>,
    /// Components that are killed and started again for ever.
    churn: BTreeMap<Slot, String>,
    input: Vec<u8>,
    _lock: InstanceLock,
}

impl Engine {
    fn start(options: &Options, side: EngineSide) -> Result<Self, ExitCode> {
        let state = Path::new(options.get("state").unwrap());
        let mark = options.mark();
        let lock = InstanceLock::take(state).map_err(|error| {
            say(format_args!("refused {error}"));
            ExitCode::from(if matches!(error, LockError::AlreadyRunning { .. }) { 4 } else { 3 })
        })?;
        let epoch = epoch::raise(state, None).unwrap().epoch.0;
        let cleared =
            leftovers::clear(&mark, &register::read(state), state, leftovers::CLEAR_WITHIN).map_err(|error| {
                say(format_args!("refused {error}"));
                ExitCode::from(3)
            })?;
        let page = state.join(format!("permit-{epoch}"));
        std::fs::write(&page, vec![0xff; 4096]).unwrap();
        side.announce_permit(&page).unwrap();
        let cgroup = (options.get("cgroup") == Some("yes")).then(|| SystemCgroup::make(&mark, epoch).unwrap());
        if let Some(cgroup) = &cgroup {
            side.announce_cgroup(cgroup.path()).unwrap();
        }
        let names = (0..COMPONENTS).map(|index| (Slot::component(index).unwrap(), format!("c{}", index + 1)));
        let trees = Trees::new(mark.clone(), names, cgroup.as_ref()).unwrap();
        // SAFETY: an open descriptor, made not to block.
        unsafe { libc::fcntl(0, libc::F_SETFL, libc::O_NONBLOCK) };
        side.notify("READY=1").unwrap();
        say(format_args!("up {} {} {} {}", side.guard_pid, std::process::id(), epoch, cleared.len()));
        Ok(Self {
            register: Register::begin(state).unwrap(),
            token: options.get("name").unwrap().to_owned(),
            spawner: Spawner::new().unwrap(),
            side,
            mark,
            trees,
            cgroup,
            instances: 0,
            running: BTreeMap::new(),
            churn: BTreeMap::new(),
            input: Vec::new(),
            _lock: lock,
        })
    }

    fn run(&mut self) -> ExitCode {
        loop {
            self.wait();
            if self.side.guard() == GuardState::Gone {
                let outcome = extinguish(None, Some(Duration::from_secs(10)), &mut |_| {}).unwrap();
                say(format_args!("extinguished {} {}", outcome.reaped, outcome.left.len()));
                self.cgroup.take().map(SystemCgroup::remove).transpose().unwrap();
                return ExitCode::from(9);
            }
            while let Some(signal) = self.side.signals.next().unwrap() {
                say(format_args!("signal {signal:?}"));
                match signal {
                    Signal::Child | Signal::Hangup => {}
                    Signal::Terminate | Signal::Interrupt => return self.stop(),
                }
            }
            while let Next::Ended(reaped) = reaper::next().unwrap() {
                self.register.reaped(reaped.pid);
                if let Some(id) = self.trees.reaped(reaped.pid) {
                    say(format_args!("exited {} {:?}", id.slot.number(), reaped.exit));
                }
            }
            self.poll_trees();
            let mut bytes = [0; 4096];
            match std::io::stdin().read(&mut bytes) {
                Ok(0) => return self.stop(),
                Ok(length) => self.input.extend_from_slice(bytes.get(..length).unwrap()),
                Err(_) => {}
            }
            while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                if let Some(status) = self.order(String::from_utf8(line).unwrap().trim()) {
                    return status;
                }
            }
        }
    }

    fn wait(&self) {
        let watch = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut watched = [watch(self.side.signals.as_raw_fd()), watch(self.side.link().as_raw_fd()), watch(0)];
        let timeout = self.trees.retry_after().map_or(-1, |span| i32::try_from(span.as_millis()).unwrap());
        // SAFETY: three valid entries.
        unsafe { libc::poll(watched.as_mut_ptr(), 3, timeout) };
    }

    fn poll_trees(&mut self) {
        for id in self.trees.poll() {
            self.running.remove(&id.slot);
            say(format_args!("gone {}", id.slot.number()));
            if let Some(kind) = self.churn.get(&id.slot).cloned() {
                self.start_component(id.slot, &kind);
                self.trees.begin_kill(*self.running.get(&id.slot).unwrap());
                // Not by recursion: the next turn of the loop comes at once, by SIGCHLD.
            }
        }
        for stray in self.trees.take_strays() {
            say(format_args!("stray {} {}", stray.comm, stray.component.as_deref().unwrap_or("-")));
        }
    }

    fn order(&mut self, line: &str) -> Option<ExitCode> {
        let words: Vec<&str> = line.split(' ').collect();
        let slot =
            words.get(1).and_then(|word| word.parse::<usize>().ok()).and_then(|n| Slot::component(n.wrapping_sub(1)));
        match words.first().copied() {
            Some("start") => self.start_component(slot.unwrap(), words.get(2).unwrap()),
            Some("kill") => {
                self.trees.begin_kill(*self.running.get(&slot.unwrap()).unwrap());
                self.poll_trees();
            }
            Some("churn") => {
                self.churn.insert(slot.unwrap(), (*words.get(2).unwrap()).to_owned());
                self.start_component(slot.unwrap(), words.get(2).unwrap());
                self.trees.begin_kill(*self.running.get(&slot.unwrap()).unwrap());
            }
            Some("members") => {
                let members = self.trees.members(*self.running.get(&slot.unwrap()).unwrap());
                say(format_args!("members {}", members.len()));
            }
            Some("tree-of") => {
                let tree = self.trees.tree_of(words.get(1).unwrap().parse().unwrap());
                say(format_args!("tree-of {}", tree.map_or(0, |id| id.slot.number())));
            }
            Some("sample") => {
                self.trees.sample();
                say(format_args!("sampled"));
            }
            Some("strays") => {
                self.trees.sweep_strays();
                self.poll_trees();
                say(format_args!("swept"));
            }
            Some("exit") => return Some(ExitCode::from(words.get(1).unwrap().parse::<u8>().unwrap())),
            _ => panic!("order {line}"),
        }
        None
    }

    fn start_component(&mut self, slot: Slot, kind: &str) {
        self.instances += 1;
        let id = TreeId { slot, instance: Instance(self.instances) };
        let own = std::env::current_exe().unwrap();
        let mut command = Command::new(own, ["stand-in", "victim", kind].map(OsString::from).to_vec(), "/".into());
        let name = format!("c{}", slot.number());
        command.environment = self.mark.variables(&name, self.instances).to_vec();
        command.environment.push(("TOKEN".into(), (&self.token).into()));
        let stdout = std::io::stdout();
        say(format_args!("spawning {}", slot.number()));
        let cgroup = self.trees.prepare(id).unwrap();
        let place =
            Place { stdin: None, stdout: stdout.as_fd(), stderr: stdout.as_fd(), cgroup, given: &[], beside: None };
        let child = self.spawner.spawn(&command, &place).unwrap();
        self.register.started(Recorded { id: child.id, component: name, instance: self.instances }).unwrap();
        say(format_args!("started {} {}", slot.number(), child.id.pid));
        self.trees.planted(id, child).unwrap();
        self.trees.tidy();
        self.running.insert(slot, id);
    }

    fn stop(&mut self) -> ExitCode {
        let outcome = extinguish(None, Some(Duration::from_secs(10)), &mut |_| {}).unwrap();
        say(format_args!("stopped {}", outcome.left.len()));
        self.cgroup.take().map(SystemCgroup::remove).transpose().unwrap();
        ExitCode::SUCCESS
    }
}
