//! One try of one action: started as its user with nothing but what it is given, listened to, and ended with everything below it
//! when its time is up. In the runner alone, which is the subreaper of whatever it starts: no children means no descendants.

use super::account::Account;
use super::plan::Action;
use super::run::Outcome;
use super::tail::Tail;
use crate::process::extinguish::extinguish;
use crate::process::pidfd::PidFd;
use crate::process::spawn::{ResolveError, resolve};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long what was killed may take to be gone before the next action begins all the same.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// How long a try waits at most before it looks whether it is to be ended early.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The most that is read of what a program printed once it has ended, in pieces: what is left in the pipe.
const LAST_READS: usize = 64;

/// What an action is started with.
pub(super) struct Setting<'a> {
    /// The action.
    pub(super) action: &'a Action,
    /// The folder that its program is relative to.
    pub(super) folder: &'a Path,
    /// Its whole environment.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Another user, where it is one.
    pub(super) account: Option<&'a Account>,
}

/// How a try ended.
pub(super) struct Tried {
    pub(super) outcome: Outcome,
    pub(super) tail: Tail,
    /// Processes that were still there when it had ended by itself.
    pub(super) left: usize,
}

/// Runs it once. `stop` is asked now and then whether it is to be ended early.
pub(super) fn attempt(setting: &Setting<'_>, stop: &dyn Fn() -> bool) -> Tried {
    let mut tail = Tail::default();
    let (child, mut reader) = match start(setting) {
        Ok(started) => started,
        Err(why) => return Tried { outcome: Outcome::NotStarted { why }, tail, left: 0 },
    };
    let ended = wait(&child, &mut reader, &mut tail, setting.action.timeout(), stop);
    let mut child = child;
    let outcome = match ended {
        Waited::Ended => match child.wait() {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(status), _)
                    if setting.action.success.iter().any(|wanted| i64::from(*wanted) == i64::from(status)) =>
                {
                    Outcome::Done { status }
                }
                (Some(status), _) => Outcome::Failed { status },
                (None, signal) => Outcome::Signal { signal: signal.unwrap_or_default() },
            },
            Err(error) => Outcome::NotStarted { why: format!("how it ended cannot be learnt: {error}") },
        },
        Waited::TimedOut => Outcome::TimedOut { after_ms: setting.action.timeout_ms },
        Waited::Stopped => Outcome::Interrupted,
    };
    // Whatever is left below this process is its: what was killed, or what it left in the background.
    let own = i32::try_from(child.id()).unwrap_or_default();
    let mut left = 0;
    // A failure leaves processes behind that the next look would find; nothing more can be done about it here.
    let _ = extinguish(None, Some(GONE_WITHIN), &mut |reaped| left += usize::from(reaped.pid != own));
    drain(&mut reader, &mut tail, LAST_READS);
    let left = if ended == Waited::Ended { left } else { 0 };
    Tried { outcome, tail, left }
}

fn start(setting: &Setting<'_>) -> Result<(Child, PipeReader), String> {
    let program = setting.action.argv.first().map_or("", String::as_str);
    let path = setting.environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let file = resolve(OsStr::new(program), setting.folder, path).map_err(|error| match error {
        ResolveError::NotFound { .. } | ResolveError::NotExecutable { .. } => error.to_string(),
    })?;
    let (reader, writer) = io::pipe().map_err(|error| format!("there is no pipe for its output: {error}"))?;
    set_nonblocking(&reader).map_err(|error| format!("its output cannot be read: {error}"))?;
    let error = writer.try_clone().map_err(|error| format!("there is no descriptor for its output: {error}"))?;
    let mut command = Command::new(&file);
    command
        .arg0(program)
        .args(setting.action.argv.iter().skip(1))
        .env_clear()
        .envs(setting.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(error);
    let parent = std::process::id();
    let groups: Option<Vec<libc::gid_t>> = setting.account.map(|account| account.groups.clone());
    let ids = setting.account.map(|account| (account.uid, account.gid));
    let directory = CString::new(setting.action.directory.as_os_str().as_bytes())
        .map_err(|_| "the name of its folder has a zero byte".to_owned())?;
    // SAFETY: between fork and exec it makes system calls alone and allocates nothing; what it owns was made before.
    unsafe {
        command.pre_exec(move || become_it(parent, ids, groups.as_deref(), &directory));
    }
    let directory = setting.action.directory.display();
    let child = command.spawn().map_err(|error| {
        let place =
            if setting.action.directory.is_dir() { String::new() } else { " (there is no such folder)".to_owned() };
        format!("{} cannot be started in {directory}: {error}{place}", file.display())
    })?;
    Ok((child, reader))
}

/// In the new process, before its program: a session of its own, an end that comes with the runner's, its user, and no more power.
fn become_it(parent: u32, ids: Option<(u32, u32)>, groups: Option<&[libc::gid_t]>, directory: &CStr) -> io::Result<()> {
    let check = |result: libc::c_int| if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    let unused: libc::c_ulong = 0;
    // SAFETY: calls that take numbers, and pointers to what lives across them.
    unsafe {
        libc::setsid();
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
            libc::signal(signal, libc::SIG_DFL);
        }
        if let Some(groups) = groups {
            check(libc::setgroups(groups.len(), groups.as_ptr()))?;
        }
        if let Some((uid, gid)) = ids {
            check(libc::setgid(gid))?;
            check(libc::setuid(uid))?;
        }
        // As its user: root may enter what that one may not.
        check(libc::chdir(directory.as_ptr()))?;
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, unused, unused, unused))?;
        let kill = libc::c_ulong::from(libc::SIGKILL.unsigned_abs());
        check(libc::prctl(libc::PR_SET_PDEATHSIG, kill, unused, unused, unused))?;
        if libc::getppid().unsigned_abs() != parent {
            return Err(io::Error::other("whoever runs it is gone"));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    Ended,
    TimedOut,
    Stopped,
}

/// Waits for its end and listens to what it prints meanwhile: one that prints without end is never held up, nor kept.
fn wait(child: &Child, reader: &mut PipeReader, tail: &mut Tail, timeout: Duration, stop: &dyn Fn() -> bool) -> Waited {
    let begun = Instant::now();
    let pidfd = PidFd::open(i32::try_from(child.id()).unwrap_or_default());
    let mut open = true;
    loop {
        let left = timeout.saturating_sub(begun.elapsed());
        let span = i32::try_from(left.min(LOOK_EVERY).as_millis().max(1)).unwrap_or(1);
        let watch = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // A negative descriptor is passed over by poll.
        let mut watched = [
            watch(pidfd.as_ref().map_or(-1, |pidfd| pidfd.as_fd().as_raw_fd())),
            watch(if open { reader.as_raw_fd() } else { -1 }),
        ];
        // SAFETY: two valid entries.
        unsafe { libc::poll(watched.as_mut_ptr(), 2, span) };
        if watched[1].revents != 0 {
            open = drain(reader, tail, LAST_READS);
        }
        // Without the handle its state is asked for.
        let ended = match &pidfd {
            Ok(_) => watched[0].revents != 0,
            Err(_) => crate::process::procfs::stat(i32::try_from(child.id()).unwrap_or_default())
                .is_ok_and(|stat| stat.is_zombie()),
        };
        if ended {
            return Waited::Ended;
        }
        if begun.elapsed() >= timeout {
            return Waited::TimedOut;
        }
        if stop() {
            return Waited::Stopped;
        }
    }
}

/// Reads what is there, in so many pieces at most; whether the other end is open.
fn drain(reader: &mut PipeReader, tail: &mut Tail, pieces: usize) -> bool {
    let mut buffer = [0_u8; 16 * 1024];
    for _ in 0..pieces {
        match reader.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => tail.push(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

fn set_nonblocking(reader: &PipeReader) -> io::Result<()> {
    let file = File::from(reader.as_fd().try_clone_to_owned()?);
    // SAFETY: flags of an open descriptor.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    // SAFETY: as above; the flag is the open file's, so it holds for the reader.
    if flags < 0 || unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
