//! Starts a component's process: in about 0.2 ms, in its cgroup from birth, with nothing inherited, and unable to outlive
//! the engine. For the loop, on the main thread only.

mod child;
mod first;
mod resolve;
mod seclude;
mod vfork;

pub use child::Step;
pub(crate) use first::LINK;
pub use resolve::{ResolveError, resolve};
pub use seclude::try_namespaces;

use crate::process::cgroup::Entry;
use crate::process::credentials::{self, Mount};
use crate::process::namespace::Namespace;
use crate::process::pidfd::PidFd;
use crate::process::privileges::Kept;
use crate::process::procfs::{self, ProcessId};
use crate::process::sandbox::Sandbox;
use seclude::Secluded;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// What to start.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program's file, absolute; see [`resolve`].
    pub program: PathBuf,
    /// All arguments, the zeroth (what it is called) included.
    pub arguments: Vec<OsString>,
    /// The part of the environment that is the same at each start, so that a restart need not write it out again; see
    /// [`line`].
    pub lasting: Arc<[CString]>,
    /// The rest of the environment; nothing else is passed on. Carries the marks of [`crate::process::mark`].
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// The user, where it is not the engine's own.
    pub uid: Option<u32>,
    /// The group, where it is not the engine's own.
    pub gid: Option<u32>,
    /// The further groups, where they are not the engine's own. Needs privileges, even when it is empty.
    pub groups: Option<Vec<u32>>,
    /// The file mode mask, where it is not the engine's own.
    pub umask: Option<u32>,
    /// Its priority, -20 to 19, where it is not the engine's own.
    pub nice: Option<i32>,
    /// What it keeps of the engine's capabilities, where that is not everything.
    pub kept: Option<Kept>,
    /// A file system that is mounted for it alone, in a mount namespace of its own.
    pub credentials: Option<Mount>,
    /// What it puts in force on itself. Needs `no_new_privileges`.
    pub sandbox: Sandbox,
    /// Whether it runs in a process namespace of its own: whatever it starts ends with that, and that with the engine.
    pub isolated: bool,
    /// Resource limits: `RLIMIT_…`, soft, hard.
    pub limits: Vec<(u32, u64, u64)>,
    /// Whether a set-user-ID program stays powerless. On unless the user insists: such a program would clear the
    /// parent-death signal and be out of an unprivileged guard's reach.
    pub no_new_privileges: bool,
}

impl Command {
    /// A command with the engine's own user and limits, no new privileges, and an empty environment.
    pub fn new(program: PathBuf, arguments: Vec<OsString>, directory: PathBuf) -> Self {
        Self {
            program,
            arguments,
            lasting: Arc::default(),
            environment: Vec::new(),
            directory,
            uid: None,
            gid: None,
            groups: None,
            umask: None,
            nice: None,
            kept: None,
            credentials: None,
            sandbox: Sandbox::default(),
            isolated: false,
            limits: Vec::new(),
            no_new_privileges: true,
        }
    }
}

/// Where the new process's output goes and which cgroup it is born into.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its standard input, where it is not empty.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Its standard output.
    pub stdout: BorrowedFd<'a>,
    /// Its standard error.
    pub stderr: BorrowedFd<'a>,
    /// Its cgroup.
    pub cgroup: Option<Entry<'a>>,
    /// What was kept for it over its last end, by name: its descriptors from 3 on, told to it as `LISTEN_FDS`,
    /// `LISTEN_FDNAMES` and `LISTEN_PID`. At most [`GIVEN_MAX`].
    pub given: &'a [(&'a str, BorrowedFd<'a>)],
    /// The namespace that it goes into, which is its component's: for what runs beside one.
    pub beside: Option<&'a Namespace>,
}

/// The most descriptors that a process is given beyond its first three.
pub const GIVEN_MAX: usize = 512;

/// A started process.
#[derive(Debug)]
pub struct Child {
    /// Which process.
    pub id: ProcessId,
    /// The handle to signal it by.
    pub pidfd: PidFd,
    /// The namespace that it began; its first process is the child of this process then, and it is not.
    pub namespace: Option<Namespace>,
}

/// Why a process was not started. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A NUL byte, which no program can be given.
    #[error("{what} contains a NUL byte: correct `command`, `directory` or the environment of this component")]
    Nul {
        /// Where it stands.
        what: &'static str,
    },
    /// The kernel made no new process.
    #[error("no process could be made for {}: {source}", .program.display())]
    Clone {
        /// What was to be started.
        program: PathBuf,
        /// What the kernel said: `EAGAIN` for a limit on processes, `ENOMEM` for memory.
        source: io::Error,
    },
    /// A step before the program failed.
    #[error("{} could not be started: {} failed: {source}{}", .program.display(), step_in_words(*.step), hint(*.step, .source))]
    Step {
        /// What was to be started.
        program: PathBuf,
        /// Which step.
        step: Step,
        /// What the kernel said.
        source: io::Error,
    },
    /// The engine ran out of what it needs for starting anything.
    #[error("{what}: {source}")]
    Prepare {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Not the main thread: the new process would die with this thread.
    #[error("processes are started from the main thread only")]
    NotMainThread,
}

fn step_in_words(step: Step) -> &'static str {
    match step {
        Step::Session => "making its session",
        Step::Namespaces => "making or entering its namespaces (`isolation`)",
        Step::Proc => "mounting its /proc (`isolation`)",
        Step::First => "starting the first process of its namespace (`isolation`)",
        Step::Cgroup => "entering its cgroup",
        Step::Descriptors => "connecting its standard input and output",
        Step::Limits => "setting its resource limits",
        Step::Priority => "taking on its priority (`nice`)",
        Step::Capabilities => "giving up capabilities",
        Step::Credentials => "mounting its credentials",
        Step::Sandbox => "putting its sandbox in force",
        Step::Groups => "taking on its groups",
        Step::User => "taking on its user",
        Step::Directory => "entering its working directory",
        Step::DeathSignal => "setting its parent-death signal",
        Step::Orphaned => "looking for the engine (which is gone)",
        Step::NoNewPrivileges => "giving up new privileges",
        Step::Signals => "resetting its signals",
        Step::Exec => "executing it",
    }
}

fn hint(step: Step, source: &io::Error) -> &'static str {
    match (step, source.raw_os_error()) {
        (Step::Exec, Some(libc::ENOEXEC)) => {
            "; a script needs a first line such as #!/bin/sh, or its interpreter before it"
        }
        (Step::Exec, Some(libc::ENOENT)) => "; the file or the interpreter in its first line is missing",
        (Step::Exec, Some(libc::EACCES)) => "; its user may not execute it, or its file system is mounted noexec",
        (Step::Namespaces | Step::Proc, Some(libc::EPERM | libc::EACCES)) => {
            "; this host does not let failstop: run it as root with CAP_SYS_ADMIN and CAP_SYS_CHROOT, allow user namespaces to \
             this user (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, a container's seccomp filter), or \
             remove `isolation`"
        }
        (Step::Namespaces, Some(libc::ENOSPC | libc::EUSERS)) => {
            "; too many namespaces: raise user.max_pid_namespaces, user.max_mnt_namespaces and user.max_user_namespaces, or \
             remove `isolation`"
        }
        (Step::Namespaces, Some(libc::EINVAL)) => "; this kernel has no process or user namespaces: remove `isolation`",
        (Step::Groups | Step::User, Some(libc::EPERM)) => {
            "; only root may change users: remove `user` and `group`, or run failstop as root"
        }
        (Step::Directory, Some(libc::ENOENT)) => "; correct `directory`",
        (Step::Directory, Some(libc::EACCES)) => "; its user may not enter it",
        _ => "",
    }
}

/// Starts processes. One an engine, made and used on its main thread.
#[derive(Debug)]
pub struct Spawner {
    stack: vfork::Stack,
    null: OwnedFd,
    own_pid: i32,
    /// Signals that this process ignores, and so would its programs; bit `n - 1` for signal `n`.
    ignored: u64,
    clone3_refused: bool,
    // Not Send, not Sync: see `SpawnError::NotMainThread`.
    main_thread: PhantomData<*const ()>,
}

impl Spawner {
    /// Gets the child's stack and standard input ready. Call it when this process ignores every signal that it will ever
    /// ignore: what it ignores from then on its components would too.
    ///
    /// # Errors
    /// [`SpawnError::NotMainThread`], or a failed mapping or opening of `/dev/null`.
    pub fn new() -> Result<Self, SpawnError> {
        // SAFETY: two calls without arguments that cannot fail.
        let (own_pid, own_thread) = unsafe { (libc::getpid(), libc::gettid()) };
        if own_pid != own_thread {
            return Err(SpawnError::NotMainThread);
        }
        let stack = vfork::Stack::map()
            .map_err(|source| SpawnError::Prepare { what: "mapping a stack for new processes", source })?;
        let null = File::open("/dev/null")
            .and_then(|file| above_two(&file))
            .map_err(|source| SpawnError::Prepare { what: "opening /dev/null", source })?;
        Ok(Self { stack, null, own_pid, ignored: ignored_signals(), clone3_refused: false, main_thread: PhantomData })
    }

    /// Starts a process, and returns when it has become its program, or why it could not.
    ///
    /// # Errors
    /// See [`SpawnError`]; the failed process is reaped already and never seen by the reaper.
    pub fn spawn(&mut self, command: &Command, place: &Place<'_>) -> Result<Child, SpawnError> {
        let program = text(command.program.as_os_str(), "the program's path")?;
        let directory = text(command.directory.as_os_str(), "the working directory")?;
        let arguments =
            command.arguments.iter().map(|argument| text(argument, "an argument")).collect::<Result<Vec<_>, _>>()?;
        let mut environment =
            command.environment.iter().map(|(name, value)| line(name, value)).collect::<Result<Vec<_>, _>>()?;
        let limits = command
            .limits
            .iter()
            .map(|(resource, soft, hard)| (*resource, libc::rlimit { rlim_cur: *soft, rlim_max: *hard }))
            .collect::<Vec<_>>();
        let descriptors = |source| SpawnError::Prepare { what: "duplicating its descriptors", source };
        let stdin = place.stdin.as_ref().map(above_two).transpose().map_err(descriptors)?;
        let stdout = above_two(&place.stdout).map_err(descriptors)?;
        let stderr = above_two(&place.stderr).map_err(descriptors)?;
        let given = place.given.get(..place.given.len().min(GIVEN_MAX)).unwrap_or_default();
        let above_all = 3 + i32::try_from(given.len()).unwrap_or(0);
        let handed = given.iter().map(|(_, fd)| above(fd, above_all)).collect::<io::Result<Vec<_>>>();
        let handed = handed.map_err(descriptors)?;
        let numbers: Vec<i32> = handed.iter().map(AsRawFd::as_raw_fd).collect();
        // Its own number is written by the process itself, into the room behind the name.
        let mut listen_pid = *b"LISTEN_PID=0000000000\0";
        if !given.is_empty() {
            let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
            environment.push(line("LISTEN_FDS".as_ref(), given.len().to_string().as_ref())?);
            environment.push(line("LISTEN_FDNAMES".as_ref(), names.join(":").as_ref())?);
        }
        let argv = pointers(arguments.iter());
        // The marks first: of two variables with one name the first counts, for `getenv` and for whoever looks for leftovers.
        let mut envp = pointers(environment.iter().chain(command.lasting.iter()));
        let room = listen_pid.as_mut_ptr();
        if !given.is_empty() {
            envp.insert(0, room.cast_const().cast());
        }

        let mount =
            command.credentials.as_ref().map(|mount| above_two(&mount.tree)).transpose().map_err(descriptors)?;
        let mount_at = match &command.credentials {
            Some(mount) => {
                let at = credentials::text(&mount.at);
                Some(at.ok_or(SpawnError::Nul { what: "the path of its credentials" })?)
            }
            None => None,
        };
        let ruleset = command.sandbox.files.as_ref().map(above_two).transpose().map_err(descriptors)?;
        let filter = command.sandbox.calls.as_ref().map(|filter| child::Program {
            length: u16::try_from(filter.instructions().len()).unwrap_or(u16::MAX),
            instructions: filter.instructions().as_ptr(),
        });
        let autogroup = command.nice.and_then(|nice| CString::new(nice.to_string()).ok());

        let around = (&self.null, self.stack.lower(), self.clone3_refused);
        let secluded = Secluded::of(command, place, around)?;
        let mut plan = child::Plan {
            path: program.as_ptr(),
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            directory: directory.as_ptr(),
            stdin: stdin.as_ref().map_or(self.null.as_raw_fd(), AsRawFd::as_raw_fd),
            stdout: stdout.as_raw_fd(),
            stderr: stderr.as_raw_fd(),
            cgroup_procs: -1,
            umask: command.umask,
            nice: command.nice,
            autogroup: autogroup.as_ref().map_or(ptr::null(), |text| text.as_ptr()),
            autogroup_length: autogroup.as_ref().map_or(0, |text| text.as_bytes().len()),
            kept: command.kept,
            ruleset: ruleset.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            filter: filter.as_ref().map_or(ptr::null(), ptr::from_ref),
            mount: mount.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            mount_at: mount_at.as_ref().map_or(ptr::null(), |at| at.as_ptr()),
            limits: limits.as_ptr(),
            limit_count: limits.len(),
            uid: command.uid,
            gid: command.gid,
            groups: command.groups.as_ref().map_or(ptr::null(), |groups| groups.as_ptr()),
            group_count: command.groups.as_ref().map_or(0, Vec::len),
            given: numbers.as_ptr(),
            given_count: numbers.len(),
            // SAFETY: within the array, behind the name.
            own_pid: if given.is_empty() { ptr::null_mut() } else { unsafe { room.add(b"LISTEN_PID=".len()) } },
            parent: secluded.as_ref().map_or(self.own_pid, Secluded::parent),
            link: secluded.as_ref().map_or(-1, Secluded::link),
            seclusion: secluded.as_ref().map_or(ptr::null(), |secluded| &raw const *secluded.orders),
            no_new_privileges: command.no_new_privileges,
            dispositions: child::ALL_SIGNALS,
            failed_step: AtomicI32::new(0),
            failed_errno: AtomicI32::new(0),
        };
        let flags = secluded.as_ref().map_or(0, |secluded| secluded.flags);
        let step = |step, source| SpawnError::Step { program: command.program.clone(), step, source };
        let born = self.bear(&mut plan, flags, place.cgroup).map_err(|source| match source {
            Unborn::Clone(source) => SpawnError::Clone { program: command.program.clone(), source },
            Unborn::Cgroup(source) => step(Step::Cgroup, source),
            Unborn::Namespaces(source) => step(Step::Namespaces, source),
        })?;

        if let Some(step) = Step::from_number(plan.failed_step.load(Ordering::Acquire)) {
            match &secluded {
                Some(secluded) => secluded.clear(&born),
                None => reap(&born.pidfd),
            }
            let source = io::Error::from_raw_os_error(plan.failed_errno.load(Ordering::Relaxed));
            return Err(SpawnError::Step { program: command.program.clone(), step, source });
        }
        if let Some(secluded) = secluded {
            return secluded.hold(born);
        }
        // Even if it has ended by now it is a zombie until our reaper takes it, and still says when it started.
        let start_time = match procfs::stat(born.pid) {
            Ok(stat) => stat.id.start_time,
            Err(source) => {
                // Without its start time it could not be told from a successor. Nothing is expected to lead here.
                let _ = born.pidfd.signal(libc::SIGKILL);
                reap(&born.pidfd);
                return Err(SpawnError::Prepare { what: "reading when the new process started", source });
            }
        };
        Ok(Child { id: ProcessId { pid: born.pid, start_time }, pidfd: born.pidfd, namespace: None })
    }

    fn bear(&mut self, plan: &mut child::Plan, flags: i32, cgroup: Option<Entry<'_>>) -> Result<vfork::Born, Unborn> {
        let _held = vfork::SignalsHeld::new();
        let life = if plan.seclusion.is_null() { child::run } else { first::run };
        let at_birth = cgroup.filter(|entry| entry.at_birth && !self.clone3_refused);
        // Kept open until the child no longer needs it.
        let mut procs = None;
        if let Some(entry) = cgroup
            && at_birth.is_none()
        {
            plan.cgroup_procs = procs.insert(open_procs(entry.directory).map_err(Unborn::Cgroup)?).as_raw_fd();
        }
        if !self.clone3_refused {
            // It drops handlers at birth, and spares the child a call a signal.
            plan.dispositions = self.ignored;
            let directory = at_birth.map_or(-1, |entry| entry.directory.as_raw_fd());
            let kind = vfork::Kind { flags, cgroup: directory };
            // SAFETY: the plan is complete and lives in the caller's frame, which waits; the life fits it.
            match unsafe { vfork::by_clone3(plan, life, &self.stack, kind) } {
                Ok(born) => return Ok(born),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::ENOMEM) => return Err(Unborn::Clone(error)),
                    Some(libc::ENOSPC | libc::EUSERS) if flags != 0 => return Err(Unborn::Namespaces(error)),
                    Some(libc::ENOSYS | libc::E2BIG) => self.clone3_refused = true,
                    Some(libc::EPERM) if flags == 0 => self.clone3_refused = true,
                    // The cgroup or the namespaces were refused at birth: the way below asks again, and says it as a failed step.
                    _ => {}
                },
            }
        }
        plan.dispositions = child::ALL_SIGNALS;
        if let Some(entry) = at_birth {
            plan.cgroup_procs = procs.insert(open_procs(entry.directory).map_err(Unborn::Cgroup)?).as_raw_fd();
        }
        // SAFETY: as above; `procs` outlives the call too.
        unsafe { vfork::by_clone(plan, life, &self.stack, flags) }.map_err(if flags == 0 {
            Unborn::Clone
        } else {
            Unborn::Namespaces
        })
    }
}

/// A variable as a program is given it: `NAME=VALUE`.
///
/// # Errors
/// [`SpawnError::Nul`].
pub fn line(name: &OsStr, value: &OsStr) -> Result<CString, SpawnError> {
    let mut line = Vec::with_capacity(name.len() + value.len() + 2);
    line.extend_from_slice(name.as_bytes());
    line.push(b'=');
    line.extend_from_slice(value.as_bytes());
    CString::new(line).map_err(|_| SpawnError::Nul { what: "the environment" })
}

enum Unborn {
    Clone(io::Error),
    Cgroup(io::Error),
    Namespaces(io::Error),
}

fn text(value: &OsStr, what: &'static str) -> Result<CString, SpawnError> {
    CString::new(value.as_bytes()).map_err(|_| SpawnError::Nul { what })
}

fn pointers<'a>(strings: impl Iterator<Item = &'a CString>) -> Vec<*const libc::c_char> {
    strings.map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// What this process ignores, by its own doing or its parent's: bit `n - 1` for signal `n`.
fn ignored_signals() -> u64 {
    (1..=64).filter(|signal| child::ALL_SIGNALS >> (signal - 1) & 1 == 1).fold(0, |ignored, signal| {
        // SAFETY: plain data; all zeros is a valid value of it.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: changes nothing, and has a valid place for the answer.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
        // What the C library keeps to itself and does not tell is reset too.
        let resets = asked != 0 || action.sa_sigaction == libc::SIG_IGN;
        ignored | u64::from(resets) << (signal - 1)
    })
}

/// A duplicate above the three standard descriptors, closed on exec: the child puts it into place by `dup3`, and must not
/// overwrite one that it still needs.
fn above_two(fd: &impl AsRawFd) -> io::Result<OwnedFd> {
    above(fd, 3)
}

/// A duplicate at or above `least`, closed on exec.
fn above(fd: &impl AsRawFd, least: i32) -> io::Result<OwnedFd> {
    // SAFETY: an open descriptor and a number.
    let duplicate = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) };
    if duplicate < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and known to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
}

fn open_procs(cgroup: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: an open directory and a literal.
    let fd = unsafe { libc::openat(cgroup.as_raw_fd(), c"cgroup.procs".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and known to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes the status of a child that is ending, and only of that one.
pub(crate) fn reap(pidfd: &PidFd) {
    use std::os::fd::AsFd as _;
    let id = pidfd.as_fd().as_raw_fd().unsigned_abs();
    loop {
        // SAFETY: siginfo_t is plain data.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: an open pidfd and a valid place for the answer.
        let done = unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED) };
        if done == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}
