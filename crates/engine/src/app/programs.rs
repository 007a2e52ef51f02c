//! Programs of the user's that run beside the components: those that probe a dependency, those that carry alerts. Started by
//! the loop like components are, so that none outlives the engine; killed with everything below them when their time is up.

use super::components;
use super::engine::Engine;
use crate::config::Config;
use crate::process::extinguish::kill_child_and_below;
use crate::process::mark::SystemMark;
use crate::process::program::{Errand, ProgramEnd, ProgramRequest};
use crate::process::reaper::Reaped;
use crate::process::spawn::{Command, Place, ResolveError, SpawnError, resolve};
use failstop_core::Monotonic;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsFd as _;

/// How many requests may wait for the loop. Whoever asks waits.
pub const PROGRAM_QUEUE: usize = 16;

/// The most programs that run at a time.
const RUNNING_MAX: usize = 64;

/// So many of them may be for metrics: however many of those hang, there is room for what tells people and for what probes.
const METRICS_MAX: usize = 32;

struct Running {
    errand: Errand,
    deadline: Monotonic,
    timed_out: bool,
    answer: Box<dyn FnOnce(ProgramEnd) + Send>,
}

/// The programs that run, by process number: each is a child of ours that is not reaped yet.
pub struct Programs {
    environment: Vec<(OsString, OsString)>,
    open_files: Option<(u64, u64)>,
    running: BTreeMap<i32, Running>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
enum NotStarted {
    #[error("{RUNNING_MAX} programs run already")]
    TooMany,
    #[error("{METRICS_MAX} programs for metrics run already")]
    TooManyForMetrics,
    #[error("{} not found: {searched}", .program.display())]
    NotFound { program: OsString, searched: String },
    #[error("{} is not executable", .0.display())]
    NotExecutable(std::path::PathBuf),
    #[error("/dev/null cannot be opened: {0}")]
    Null(#[source] io::Error),
    #[error("there is no memory for its input: {0}")]
    Input(#[source] io::Error),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

impl NotStarted {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::TooMany | Self::TooManyForMetrics => io::ErrorKind::WouldBlock,
            Self::NotFound { .. } => io::ErrorKind::NotFound,
            Self::NotExecutable(_) => io::ErrorKind::PermissionDenied,
            Self::Null(error) | Self::Input(error) => error.kind(),
            Self::Spawn(_) => io::ErrorKind::Other,
        }
    }
}

impl Programs {
    /// None runs. They carry the system's mark and may open as many files as components may.
    pub fn new(mark: &SystemMark, open_files: Option<(u64, u64)>) -> Self {
        Self::inheriting(components::inherited(), mark, open_files)
    }

    fn inheriting(
        mut environment: Vec<(OsString, OsString)>,
        mark: &SystemMark,
        open_files: Option<(u64, u64)>,
    ) -> Self {
        environment.push(mark.variable());
        Self { environment, open_files, running: BTreeMap::new() }
    }

    /// None of them has a variable in which this configuration keeps a secret of failstop's own, from here on and whatever the
    /// configuration names later: what was a secret once is still in this process's environment.
    pub fn withhold_secrets(&mut self, config: &Config) {
        for variable in config.secrets().filter_map(|own| own.secret.variable()) {
            self.environment.retain(|(name, _)| name != variable);
        }
    }

    /// How many files programs may open, where that is not the engine's own limit: soft and hard.
    pub fn open_files(&self) -> Option<(u64, u64)> {
        self.open_files
    }

    /// When [`Programs::end_overdue`] is due.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.running.values().filter(|program| !program.timed_out).map(|program| program.deadline).min()
    }

    /// Kills those whose time is up. Their end is told when they are reaped.
    pub fn end_overdue(&mut self, now: Monotonic) {
        for (pid, program) in &mut self.running {
            if !program.timed_out && now >= program.deadline {
                program.timed_out = true;
                kill_child_and_below(*pid);
            }
        }
    }

    /// Kills one that nobody waits for any more. Its end is told when it is reaped.
    pub fn give_up(&mut self, pid: i32) {
        if let Some(program) = self.running.get_mut(&pid).filter(|program| !program.timed_out) {
            program.timed_out = true;
            kill_child_and_below(pid);
        }
    }

    /// Takes what the reaper took; whether it was one of these.
    pub fn ended(&mut self, reaped: Reaped) -> bool {
        let Some(program) = self.running.remove(&reaped.pid) else { return false };
        let end = if program.timed_out { ProgramEnd::TimedOut } else { ProgramEnd::Ended(reaped.exit) };
        (program.answer)(end);
        true
    }

    fn command(&self, request: &ProgramRequest) -> Result<Command, NotStarted> {
        if self.running.len() >= RUNNING_MAX {
            return Err(NotStarted::TooMany);
        }
        let for_metrics = || self.running.values().filter(|running| running.errand == Errand::Metrics).count();
        if request.errand == Errand::Metrics && for_metrics() >= METRICS_MAX {
            return Err(NotStarted::TooManyForMetrics);
        }
        let path = self.environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        let program = request.argv.first().map_or("", String::as_str);
        let program = match resolve(OsStr::new(program), &request.folder, path) {
            Ok(program) => program,
            Err(ResolveError::NotFound { program, searched }) => {
                return Err(NotStarted::NotFound { program, searched });
            }
            Err(ResolveError::NotExecutable { path }) => return Err(NotStarted::NotExecutable(path)),
        };
        let arguments = request.argv.iter().map(OsString::from).collect();
        let mut command = Command::new(program, arguments, request.folder.clone());
        command.environment.clone_from(&self.environment);
        command.environment.retain(|(name, _)| !request.environment.iter().any(|(given, _)| name == given.as_str()));
        command.environment.extend(request.environment.iter().map(|(name, value)| (name.into(), value.into())));
        command.limits.extend(self.open_files.map(|(soft, hard)| (libc::RLIMIT_NOFILE, soft, hard)));
        if let Some(account) = &request.account {
            (command.uid, command.gid, command.groups) =
                (Some(account.uid), Some(account.gid), Some(account.groups.clone()));
        }
        Ok(command)
    }
}

impl Engine {
    /// Starts a program and gives its process number, or answers why not.
    pub(super) fn run_program(&mut self, request: ProgramRequest) -> Option<i32> {
        match self.start_program(&request) {
            Ok(pid) => {
                let deadline = crate::clock::now().plus(request.timeout);
                let running = Running { errand: request.errand, deadline, timed_out: false, answer: request.answer };
                self.programs.running.insert(pid, running);
                Some(pid)
            }
            Err(why) => {
                (request.answer)(ProgramEnd::NotStarted { kind: why.kind(), why: why.to_string() });
                None
            }
        }
    }

    fn start_program(&mut self, request: &ProgramRequest) -> Result<i32, NotStarted> {
        let command = self.programs.command(request)?;
        let null = File::options().write(true).open("/dev/null").map_err(NotStarted::Null)?;
        let input = input(&request.input).map_err(NotStarted::Input)?;
        let stdin = input.as_ref().map(|file| file.as_fd());
        let stdout = request.stdout.as_ref().map_or(null.as_fd(), |stdout| stdout.as_fd());
        let place = Place { stdin, stdout, stderr: null.as_fd(), cgroup: None, given: &[], beside: None };
        let child = self.spawner.spawn(&command, &place)?;
        self.trees.other_started(child.id.pid);
        Ok(child.id.pid)
    }
}

/// A file that holds what the program reads, and no pipe: one that does not read holds nobody up.
pub(super) fn input(bytes: &[u8]) -> io::Result<Option<File>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut file = File::from(memfd_create("input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use core::time::Duration;
    use failstop_core::Exit;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn what_it_reads_is_a_file_that_ends() {
        use std::io::Read as _;
        assert!(input(b"").unwrap().is_none());
        let mut text = String::new();
        input(b"alert\n").unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "alert\n");
    }

    #[test]
    fn no_program_has_a_secret_of_ours_or_what_was_one_and_what_it_is_given_counts() {
        let mark = SystemMark { name: "demo".to_owned(), jid: "0".repeat(32) };
        let inherited =
            [("PATH", "/bin:/usr/bin"), ("OUR_KEY", "s3cret"), ("OUR_TOKEN", "s3cret"), ("VENUE", "kraken")];
        let inherited = inherited.map(|(name, value)| (name.into(), value.into())).to_vec();
        let mut programs = Programs::inheriting(inherited, &mark, None);
        let secrets = |lines: &str| crate::config::tests::with(lines);
        let page =
            "[[metrics.prometheus]]\nname = \"node\"\nurl = \"http://127.0.0.1:9/\"\ntake = [{ metric = \"up\" }]\n";
        programs.withhold_secrets(&secrets(&format!(
            "{page}headers = [{{ name = \"K\", value = {{ env = \"OUR_KEY\" }} }}]\n"
        )));
        programs.withhold_secrets(&secrets(&format!(
            "{page}headers = [{{ name = \"K\", value = {{ env = \"OUR_TOKEN\" }} }}]\n"
        )));
        let request = ProgramRequest {
            errand: Errand::Probe,
            argv: vec!["true".to_owned()],
            environment: vec![
                ("VENUE".to_owned(), "another".to_owned()),
                ("OUR_TOKEN".to_owned(), "its own".to_owned()),
            ],
            input: Vec::new(),
            stdout: None,
            account: None,
            folder: "/".into(),
            timeout: Duration::from_secs(1),
            answer: Box::new(drop),
        };
        let mut names: Vec<String> = programs
            .command(&request)
            .unwrap()
            .environment
            .into_iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .filter(|variable| !variable.starts_with("FAILSTOP_SYSTEM="))
            .collect();
        names.sort();
        assert_eq!(names, ["OUR_TOKEN=its own", "PATH=/bin:/usr/bin", "VENUE=another"]);
    }

    #[test]
    fn programs_for_metrics_that_hang_leave_room_for_others() {
        let mark = SystemMark { name: "demo".to_owned(), jid: "0".repeat(32) };
        let mut programs = Programs::new(&mark, None);
        let asked = |programs: &Programs, errand| {
            let request = ProgramRequest {
                errand,
                argv: vec!["/bin/true".to_owned()],
                environment: Vec::new(),
                input: Vec::new(),
                stdout: None,
                account: None,
                folder: "/".into(),
                timeout: Duration::from_secs(1),
                answer: Box::new(drop),
            };
            programs.command(&request).map(drop).map_err(|why| (why.kind(), why.to_string()))
        };
        let run = |programs: &mut Programs, pid, errand| {
            let deadline = Monotonic::from_nanos(1);
            programs.running.insert(pid, Running { errand, deadline, timed_out: true, answer: Box::new(drop) });
        };
        for pid in 0..32 {
            assert_eq!(asked(&programs, Errand::Metrics), Ok(()));
            run(&mut programs, pid, Errand::Metrics);
        }
        let refused = asked(&programs, Errand::Metrics);
        assert_eq!(refused, Err((io::ErrorKind::WouldBlock, "32 programs for metrics run already".to_owned())));
        for pid in 32..64 {
            assert_eq!(asked(&programs, Errand::Alert), Ok(()), "{pid}");
            run(&mut programs, pid, Errand::Probe);
        }
        let refused = asked(&programs, Errand::Alert);
        assert_eq!(refused, Err((io::ErrorKind::WouldBlock, "64 programs run already".to_owned())));
    }

    #[test]
    fn its_end_is_told_once_and_a_time_out_is_no_end_of_its_own() {
        let mark = SystemMark { name: "demo".to_owned(), jid: "0".repeat(32) };
        let mut programs = Programs::new(&mark, None);
        assert!(programs.environment.contains(&mark.variable()));
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let (answer, end) = sync_channel(1);
        let answer = Box::new(move |end| answer.send(end).unwrap());
        let due = Monotonic::from_nanos(1_000_000_000);
        programs.running.insert(pid, Running { errand: Errand::Probe, deadline: due, timed_out: false, answer });
        assert_eq!(programs.next_deadline(), Some(due));
        programs.end_overdue(Monotonic::from_nanos(999_999_999));
        assert!(child.try_wait().unwrap().is_none());
        programs.end_overdue(due);
        assert_eq!(programs.next_deadline(), None);
        child.wait().unwrap();
        assert!(!programs.ended(Reaped { pid: pid + 1, exit: Exit::Status(0) }));
        assert!(programs.ended(Reaped { pid, exit: Exit::Signal(libc::SIGKILL) }));
        assert_eq!(end.recv_timeout(Duration::from_secs(10)).unwrap(), ProgramEnd::TimedOut);
        assert!(!programs.ended(Reaped { pid, exit: Exit::Signal(libc::SIGKILL) }));
    }
}
