//! Starts the stand-in engine, tells it what to do, hears what happens, and looks on its own for what is alive.

use failstop_engine::process::cgroup::{self, SystemCgroup};
use failstop_engine::process::mark::SystemMark;
use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that anything expected may take; never reached unless something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The user that is nobody's.
pub const ORDINARY_USER: u32 = 65_534;

/// What the engine may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    RootWithCgroup,
    RootWithout,
    OrdinaryUser,
}

/// The modes that this host allows.
pub fn modes() -> Vec<Mode> {
    if !is_root() {
        eprintln!("not root: only the mode of an ordinary user is tested");
        return vec![Mode::OrdinaryUser];
    }
    let mut modes = vec![Mode::RootWithout, Mode::OrdinaryUser];
    if cgroup_can_be_made() {
        modes.push(Mode::RootWithCgroup);
    } else {
        eprintln!("no cgroup can be made here: tested without");
    }
    modes
}

pub fn is_root() -> bool {
    // SAFETY: takes nothing.
    unsafe { libc::geteuid() == 0 }
}

pub fn cgroup_can_be_made() -> bool {
    let mark = SystemMark { name: "probe".into(), jid: unique() };
    SystemCgroup::make(&mark, 1).is_ok_and(|cgroup| cgroup.remove().is_ok())
}

pub fn stand_in() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_failstop-process-stand-in"))
}

/// A word that no other process of the machine carries.
pub fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("t{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A directory that every user may use, with the stand-in in it where another user must be able to execute it.
pub struct Ground {
    pub directory: TempDir,
    pub program: PathBuf,
}

impl Ground {
    pub fn new(for_other_user: bool) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::Builder::new().prefix("failstop-processes").tempdir_in("/tmp").unwrap();
        let mut program = stand_in().to_owned();
        if for_other_user {
            std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
            program = directory.path().join("stand-in");
            copy(stand_in(), &program);
        }
        Self { directory, program }
    }
}

/// By another process: a descriptor open for writing here would be inherited by what another test is just forking, and
/// a file that is open for writing cannot be executed.
pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

pub struct Engine {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    heard: Vec<String>,
    pub token: String,
    pub guard: i32,
    pub engine: i32,
    pub epoch: u64,
    pub cleared: usize,
    pub ground: std::rc::Rc<Ground>,
}

impl Engine {
    pub fn start(mode: Mode) -> Self {
        let other_user = mode == Mode::OrdinaryUser && is_root();
        Self::start_on(mode, &std::rc::Rc::new(Ground::new(other_user)), &unique(), &[])
    }

    /// On a ground where another one may have been before, with the same identity.
    pub fn start_on(mode: Mode, ground: &std::rc::Rc<Ground>, token: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(&ground.program);
        command.arg("engine").args(["--name", token, "--jid", "00"]).arg("--state").arg(ground.directory.path());
        command.args(["--cgroup", if mode == Mode::RootWithCgroup { "yes" } else { "no" }]);
        if mode == Mode::OrdinaryUser && is_root() {
            command.args(["--as-user", &ORDINARY_USER.to_string()]);
        }
        command.envs(environment.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        let mut engine = Self {
            child,
            input,
            lines,
            heard: Vec::new(),
            token: token.to_owned(),
            guard: 0,
            engine: 0,
            epoch: 0,
            cleared: 0,
            ground: ground.clone(),
        };
        let up = engine.hear("");
        let words: Vec<&str> = up.split(' ').collect();
        if words[0] == "up" {
            engine.guard = words[1].parse().unwrap();
            engine.engine = words[2].parse().unwrap();
            engine.epoch = words[3].parse().unwrap();
            engine.cleared = words[4].parse().unwrap();
        } else {
            engine.heard.push(up);
        }
        engine
    }

    pub fn tell(&mut self, order: impl fmt::Display) {
        writeln!(self.input.as_ref().unwrap(), "{order}").unwrap();
    }

    /// The next line that begins so; those before it are kept for [`Engine::heard`].
    pub fn hear(&mut self, beginning: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with(beginning) => return line,
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{beginning}` was never heard; alive: {:?}; heard: {:#?}", alive(&self.token), self.heard)
                }
            }
        }
    }

    /// Whether a line that begins so has been heard by now.
    pub fn heard(&mut self, beginning: &str) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.heard.push(line);
        }
        self.heard.iter().any(|line| line.starts_with(beginning))
    }

    /// Starts a component and waits until it has done its worst; its main process.
    pub fn start_component(&mut self, slot: usize, kind: &str) -> i32 {
        let ready = match kind.split(':').next().unwrap() {
            "hide" => "ready plain ".to_owned(),
            kind => format!("ready {kind} "),
        };
        self.tell(format_args!("start {slot} {kind}"));
        self.hear(&format!("spawning {slot}"));
        let spawned = self.heard.len();
        let started = self.hear(&format!("started {slot} "));
        // The new process may be ready before the engine has told that it started it.
        if !self.heard[spawned..].iter().any(|line| line.starts_with(&ready)) {
            self.hear(&ready);
        }
        started.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// Everything that was heard and not waited for.
    pub fn heard_all(&mut self, beginning: &str) -> Vec<String> {
        self.heard("");
        self.heard.iter().filter(|line| line.starts_with(beginning)).cloned().collect()
    }

    /// Waits for the process that was started, the guard, and gives its status.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the guard does not end; alive: {:?}", alive(&self.token));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until no process of this engine is alive, itself and its guard included; how long it took.
    pub fn wait_until_all_dead(&mut self) -> Duration {
        let start = Instant::now();
        loop {
            // Our own child becomes a zombie only we can take.
            let _ = self.child.try_wait().unwrap();
            let alive = alive(&self.token);
            if alive.is_empty() {
                return start.elapsed();
            }
            assert!(start.elapsed() < PATIENCE, "survivors: {alive:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn permit(&self) -> Vec<u64> {
        let page = std::fs::read(self.ground.directory.path().join(format!("permit-{}", self.epoch))).unwrap();
        (0..32).map(|slot| u64::from_le_bytes(page[0x40 + 64 * slot..][..8].try_into().unwrap())).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.input = None;
        for (pid, _) in alive(&self.token) {
            signal(pid, libc::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mark = SystemMark { name: self.token.clone(), jid: "00".into() };
        for cgroup in cgroup::earlier(&mark) {
            let _ = cgroup::remove_ended(&cgroup);
        }
    }
}

pub fn signal(pid: i32, number: i32) {
    assert!(pid > 1);
    // SAFETY: numbers.
    unsafe { libc::kill(pid, number) };
}

/// Every living process with the token in its environment or arguments: with nothing of the code under test, by the
/// plainest means.
pub fn alive(token: &str) -> Vec<(i32, String)> {
    let mut alive = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().map_while(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let carries = |block: &[u8]| block.windows(token.len()).any(|window| window == token.as_bytes());
        // `t1x2` must not be found in `t1x20`.
        let ends = |block: &[u8]| {
            carries(block)
                && block
                    .windows(token.len() + 1)
                    .any(|window| window.starts_with(token.as_bytes()) && !window[token.len()].is_ascii_digit())
        };
        if ends(&arguments) || ends(&environment) {
            let status = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let state = status.rsplit_once(')').map(|(_, rest)| rest.trim_start().chars().next().unwrap_or('?'));
            if !matches!(state, None | Some('Z' | 'X')) {
                alive.push((pid, String::from_utf8_lossy(&arguments).replace('\0', " ")));
            }
        }
    }
    alive
}

pub fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with(['Z', 'X']))
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
