//! A system under test: a folder of its own, `failstop run` in it, and ways to look at it from outside as a user would.

use crate::hosts::Host;
use serde_json::Value;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The bound of every wait: far above what anything here takes, so that a slow machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The command under test.
pub fn failstop() -> &'static str {
    env!("CARGO_BIN_EXE_failstop")
}

/// The bot that misbehaves to order; cargo builds it with the tests.
pub fn fake_bot() -> String {
    let binary = Path::new(failstop());
    binary.parent().unwrap().join("examples/fake_bot").to_str().unwrap().to_owned()
}

/// A folder with a configuration, and what was started in it.
pub struct System {
    /// Unique on this machine, so that its processes can be told from everybody else's.
    pub name: String,
    folder: tempfile::TempDir,
    guard: Option<Child>,
    /// Who runs it: `None` is whoever runs the tests.
    user: Option<u32>,
    /// Where it runs.
    host: Host,
}

impl System {
    /// A folder with this configuration below `[system]`. `BOT` in it stands for the fake bot's path, `DIR` for the folder.
    pub fn new(configuration: &str) -> Self {
        Self::with_head("mode = \"dry\"", configuration)
    }

    /// The same with further lines in `[system]`.
    pub fn with_head(head: &str, configuration: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir().unwrap();
        let system = Self { name, folder, guard: None, user: None, host: Host::here() };
        let mut text = String::new();
        writeln!(text, "[system]\nname = \"{}\"\nstate_dir = \"state\"\nruntime_dir = \"run\"", system.name).unwrap();
        writeln!(text, "{head}").unwrap();
        if !configuration.contains("[observe]") {
            writeln!(text, "[observe]\nlisten = \"127.0.0.1:0\"").unwrap();
        }
        text.push_str(configuration);
        let text = text.replace("BOT", &fake_bot()).replace("DIR", system.path("").to_str().unwrap());
        fs::write(system.path("failstop.toml"), text).unwrap();
        system
    }

    /// Runs it as this user: the folder is theirs, readable by all on the way.
    pub fn run_as(mut self, user: u32) -> Self {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(self.folder.path(), Some(user), Some(user)).unwrap();
        std::os::unix::fs::chown(self.path("failstop.toml"), Some(user), Some(user)).unwrap();
        self.user = Some(user);
        self
    }

    /// Runs it on this host.
    pub fn run_on(mut self, host: &Host) -> Self {
        self.host = host.clone();
        self
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `failstop run`, further arguments appended, standard output and error to `run.log`.
    pub fn start_with(&mut self, arguments: &[&str], environment: &[(&str, &str)]) -> &mut Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("run.log")).unwrap();
        let mut command = self.command("run");
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.envs(environment.iter().copied());
        self.guard = Some(command.spawn().unwrap());
        self
    }

    /// The same by another command, which becomes it.
    pub fn start_by(&mut self, mut command: Command) -> &mut Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("run.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.guard = Some(command.spawn().unwrap());
        self
    }

    /// `failstop run`, and waits until it answers.
    pub fn start(&mut self) -> &mut Self {
        self.start_with(&[], &[]);
        self.wait_answer();
        self
    }

    /// Waits until the engine answers `status`.
    pub fn wait_answer(&self) -> Value {
        self.wait_status("an answer", |_| true)
    }

    /// A failstop command with this system's configuration.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = self.host.command(failstop());
        command.args(subcommand.split(' ')).arg("--config").arg(self.path("failstop.toml"));
        // Whatever proxy this machine uses does not lead to a test's own services.
        command.current_dir(self.path("")).env("NO_PROXY", "127.0.0.1");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, subcommand: &str, arguments: &[&str]) -> Output {
        self.command(subcommand).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// The status, if an engine answers.
    pub fn status(&self) -> Option<Value> {
        let output = self.run("status", &["--format", "json"]);
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Waits until the status satisfies `wanted`; fails with the last one seen and the log otherwise.
    #[track_caller]
    pub fn wait_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let last = RefCell::new(None);
        let fails = || format!("{what}; last status: {:#?}\nlog:\n{}", last.borrow(), self.log());
        until(fails, || {
            let status = self.status()?;
            if wanted(&status) {
                return Some(status);
            }
            last.replace(Some(status));
            None
        })
    }

    /// Waits until the component is ready and the permission is `active`.
    #[track_caller]
    pub fn wait_active(&self) -> Value {
        self.wait_status("active and ready", |status| {
            status["permission"] == "active"
                && status["components"].as_array().unwrap().iter().all(|component| component["ready"] == true)
        })
    }

    /// The operator's part of a first start in `live`: resumes from the new journal, and sets the mode.
    #[track_caller]
    pub fn go_live(&self) {
        self.wait_status("the new journal", |status| has_halt(status, "new-journal"));
        let confirm = ["--confirm", &self.name];
        for (command, arguments) in [("resume", &["--reason", "a new system"][..]), ("mode live", &[])] {
            let done = self.run(command, &[arguments, &confirm].concat());
            assert_eq!(done.status.code(), Some(0), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }

    /// The main process of a component, from the status.
    pub fn pid_of(&self, component: &str) -> Option<i32> {
        let status = self.status()?;
        let components = status["components"].as_array()?;
        let found = components.iter().find(|one| one["name"] == component)?;
        i32::try_from(found["pid"].as_i64()?).ok()
    }

    /// What `run` printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("run.log")).unwrap_or_default()
    }

    /// Waits until `run` has printed this.
    #[track_caller]
    pub fn wait_log(&self, text: &str) {
        self.until(&format!("{text:?}"), || self.log().contains(text).then_some(()));
    }

    /// As [`until`], and fails with what `run` printed.
    #[track_caller]
    pub fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        until(|| format!("{what}; log:\n{}", self.log()), look)
    }

    /// Every record in the journal's files, in order; a torn last line is left out.
    pub fn records(&self) -> Vec<Value> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.path("state/journal"))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
        files.sort();
        let mut records = Vec::new();
        for file in files {
            let text = fs::read_to_string(file).unwrap_or_default();
            records.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
        }
        records
    }

    /// Waits for a record of this type that satisfies `wanted`, at or after `from` in the journal.
    #[track_caller]
    pub fn wait_record(&self, from: u64, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let fails = || {
            let there: Vec<String> =
                self.records().iter().map(|record| format!("{} {}", record["t"], record["b"])).collect();
            format!("a record {kind}; there are:\n{}\nlog:\n{}", there.join("\n"), self.log())
        };
        until(fails, || {
            self.records().into_iter().find(|record| {
                record["seq"].as_u64().unwrap_or(0) >= from && record["t"] == kind && wanted(&record["b"])
            })
        })
    }

    /// Waits for a file in the folder that is put there whole, and reads it.
    #[track_caller]
    pub fn wait_file(&self, name: &str) -> String {
        self.until(name, || fs::read_to_string(self.path(name)).ok())
    }

    /// Status and body of what its observe address answers to a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        use std::io::{Read as _, Write as _};
        let status = self.wait_answer();
        let address = status["observe"].as_str().unwrap().trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (code, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// The next sequence number the journal will give.
    pub fn next_seq(&self) -> u64 {
        self.records().last().map_or(1, |record| record["seq"].as_u64().unwrap() + 1)
    }

    /// The guard's process number.
    pub fn guard_pid(&self) -> i32 {
        i32::try_from(self.guard.as_ref().unwrap().id()).unwrap()
    }

    /// The engine's process number.
    pub fn engine_pid(&self) -> i32 {
        let text = fs::read_to_string(self.path("run/engine.json")).unwrap();
        let info: Value = serde_json::from_str(&text).unwrap();
        i32::try_from(info["engine"]["pid"].as_i64().unwrap()).unwrap()
    }

    /// Waits for `failstop run` to end and returns its exit status.
    #[track_caller]
    pub fn wait_end(&mut self) -> i32 {
        let log = self.path("run.log");
        let missing = || format!("the end of `failstop run`; log:\n{}", fs::read_to_string(log).unwrap_or_default());
        let guard = self.guard.as_mut().unwrap();
        let ended = until(missing, || guard.try_wait().unwrap());
        self.guard = None;
        ended.code().unwrap_or(-1)
    }

    /// SIGTERM to the guard, and its exit status.
    pub fn stop(&mut self) -> i32 {
        signal(self.guard_pid(), libc::SIGTERM);
        self.wait_end()
    }

    /// Live processes of this system's components, by the environment mark; zombies have no environment.
    pub fn survivors(&self) -> Vec<i32> {
        marked(&format!("FAILSTOP_SYSTEM={}/", self.name))
    }

    /// Waits until no component process is alive, and returns how long that took.
    #[track_caller]
    pub fn wait_no_survivors(&self, bound: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let survivors = self.survivors();
            if survivors.is_empty() {
                return start.elapsed();
            }
            assert!(start.elapsed() < bound, "survivors {survivors:?} after {bound:?}; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // A failed test leaves nothing behind: a frozen engine is ended too. Each process is one that this test started.
        if let Some(mut guard) = self.guard.take() {
            let engine = fs::read_to_string(self.path("run/engine.json"))
                .ok()
                .and_then(|text| serde_json::from_str::<Value>(&text).ok())
                .filter(|info| info["guard"]["pid"].as_i64() == Some(i64::from(guard.id())))
                .and_then(|info| i32::try_from(info["engine"]["pid"].as_i64()?).ok());
            signal(i32::try_from(guard.id()).unwrap(), libc::SIGKILL);
            if let Some(engine) = engine {
                signal(engine, libc::SIGKILL);
            }
            drop(guard.wait());
        }
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            let survivors = self.survivors();
            if survivors.is_empty() {
                break;
            }
            for survivor in survivors {
                signal(survivor, libc::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Looks again and again until there is something, for at most [`PATIENCE`]; fails with what is missing otherwise.
#[track_caller]
pub fn until<T>(missing: impl FnOnce() -> String, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {}", missing());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a halt of this cause stands in a status.
pub fn has_halt(status: &Value, cause: &str) -> bool {
    status["halts"].as_array().unwrap().iter().any(|halt| halt["cause"] == cause)
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: i32, signal: i32) {
    assert!(pid > 1, "refusing to signal process {pid}");
    // SAFETY: no memory is touched.
    unsafe { libc::kill(pid, signal) };
}

/// Live processes whose environment has a variable that starts with `mark`.
pub fn marked(mark: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes())) {
            found.push(pid);
        }
    }
    found
}

/// Whether the process exists and is not a zombie.
pub fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(')').next().map(|rest| !rest.trim_start().starts_with('Z')))
        .unwrap_or(false)
}
