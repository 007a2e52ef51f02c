//! One engine a journal on a host, whatever state directory that journal lies in: a copy of a running system's state directory (a
//! backup looked into, a state moved to another disk) has a lock of its own, and an engine on it would take the other's living
//! components for leftovers, end them and start a second bot beside the first.
//!
//! Two things find the other. A name in the kernel, made of the journal's id, that one process at a time can have, and that goes with
//! it whatever ends it: it needs no folder that all users may write to, and holds for all engines of a network namespace. And a look
//! over `/proc`, which sees across network namespaces: an engine whose state directory has this journal, or one that lives above a
//! process of this journal.
//!
//! Any user of the host can take a name. So one that neither root, nor this user, nor the owner of the state directory holds keeps
//! no start back: it is told instead.

use crate::process::holder;
use crate::process::leftovers::Proc;
use crate::process::lock::ENDING_WITHIN;
use crate::process::past_guard::GUARD_NAME;
use crate::process::procfs::{self, ProcessId, Stat};
use crate::process::user::User;
use crate::runtime_dir::EngineInfo;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks at a holder that is ending.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a holder must look alive before it counts: a dying one does not show it at every moment.
const ALIVE_FOR: Duration = Duration::from_millis(100);
/// Between two who ask the holder's socket who has it: anybody may ask, and must not keep the engine busy.
const ANSWERS_EVERY: Duration = Duration::from_millis(100);
/// How far up a process's ancestors are looked at.
const ANCESTORS_MAX: usize = 64;

/// Another engine runs with this journal. Nothing was killed or started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The other engine; `None` where it is in a process namespace that is not seen from here.
    pub engine: Option<i32>,
    /// Its guard, where it was seen.
    pub guard: Option<i32>,
    /// Its state directory, where this user may know it.
    pub state_dir: Option<PathBuf>,
    /// A process of it that would have been taken for a leftover.
    pub process: Option<Box<Proc>>,
    /// The state directory of this start.
    pub own: PathBuf,
}

impl std::error::Error for Twin {}

impl fmt::Display for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another failstop")?;
        match self.engine {
            Some(engine) => write!(f, " (pid {engine})")?,
            None => f.write_str(" (in a process namespace that is not seen from here)")?,
        }
        f.write_str(" runs with the journal of this start")?;
        if let Some(process) = &self.process {
            write!(f, " and has {process}")?;
        }
        write!(f, "; its state directory is ")?;
        match &self.state_dir {
            Some(state_dir) => write!(f, "{}", state_dir.display())?,
            None => f.write_str("another one, which this user may not see")?,
        }
        write!(
            f,
            ", this start's is {}: one is a copy of the other, and two would run the same bot. Nothing was changed. Stop that one first",
            self.own.display()
        )?;
        if let Some(guard) = self.guard {
            write!(f, " (`kill {guard}`)")?;
        }
        f.write_str(
            ", or leave this one as the copy that it is; `failstop verify-data --state` reads one without starting it",
        )
    }
}

impl Twin {
    fn of(engine: &Stat, own: &Path) -> Self {
        Self {
            engine: Some(engine.id.pid),
            guard: guard_of(engine),
            state_dir: holder::state_dir_of(engine.id.pid),
            ..Self::unseen(own)
        }
    }

    fn unseen(own: &Path) -> Self {
        let own = std::path::absolute(own).unwrap_or_else(|_| own.to_owned());
        Self { engine: None, guard: None, state_dir: None, process: None, own }
    }
}

/// A journal's name in the kernel, held until this is dropped or the process ends. No component inherits it.
#[derive(Debug)]
pub struct JournalName(UnixListener);

/// What a start that found no twin has.
#[derive(Debug)]
pub struct Alone {
    /// `None` where a stranger has the name, or the kernel gives none.
    pub name: Option<JournalName>,
    /// What the operator should know.
    pub note: Option<String>,
}

/// Makes sure that no engine on this host runs with the journal `jid`. Before anything is killed or changed; the state directory's
/// lock is held.
///
/// # Errors
/// [`Twin`].
pub fn be_alone(jid: &str, state_dir: &Path) -> Result<Alone, Twin> {
    be_alone_within(jid, state_dir, ENDING_WITHIN)
}

fn be_alone_within(jid: &str, state_dir: &Path, ending_within: Duration) -> Result<Alone, Twin> {
    let alone = match take_name(jid, state_dir, ending_within)? {
        Name::Ours(name) => Alone { name: Some(name), note: None },
        Name::Strangers { pid, user } => {
            let pid = if pid > 0 { format!("pid {pid}") } else { "a process".to_owned() };
            let user = User(user);
            let note = format!(
                "{pid} of {user} has the name that keeps a second engine from running with this journal; if it runs a copy of \
                 this state directory, stop this one"
            );
            Alone { name: None, note: Some(note) }
        }
        Name::Unknown(error) => {
            let note = format!(
                "an engine that runs with a copy of this state directory in another network namespace may go unseen: the kernel gives \
                 no name for this journal ({error})"
            );
            Alone { name: None, note: Some(note) }
        }
    };
    match engine_with(jid, state_dir) {
        Some(engine) => Err(Twin::of(&engine, state_dir)),
        None => Ok(alone),
    }
}

enum Name {
    Ours(JournalName),
    /// Another user's, who has no say over this state directory.
    Strangers {
        pid: i32,
        user: u32,
    },
    Unknown(io::Error),
}

fn take_name(jid: &str, state_dir: &Path, ending_within: Duration) -> Result<Name, Twin> {
    let address = match SocketAddr::from_abstract_name(format!("failstop-journal/{jid}")) {
        Ok(address) => address,
        Err(error) => return Ok(Name::Unknown(error)),
    };
    let begun = Instant::now();
    let mut alive_since = begun;
    loop {
        match UnixListener::bind_addr(&address) {
            Ok(listener) => return Ok(Name::Ours(JournalName(listener))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Ok(Name::Unknown(error)),
        }
        let over = begun.elapsed() >= ending_within;
        match ask(&address) {
            Ok((pid, user)) if !counts(user, state_dir) => return Ok(Name::Strangers { pid, user }),
            Ok((pid, _)) => match procfs::stat(pid) {
                Ok(engine) => {
                    if is_ending(&engine) {
                        alive_since = Instant::now();
                    }
                    if over || alive_since.elapsed() >= ALIVE_FOR {
                        return Err(Twin::of(&engine, state_dir));
                    }
                }
                // It is not seen from here, or it is gone and the kernel has not come to its socket yet.
                Err(_) if over => return Err(Twin::unseen(state_dir)),
                Err(_) => alive_since = Instant::now(),
            },
            // It went this very moment, or so many ask that it does not come to answering.
            Err(error) if over => return Ok(Name::Unknown(error)),
            Err(_) => {}
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether somebody of this user may run a copy of this state directory, rather than be in the way of it.
fn counts(user: u32, state_dir: &Path) -> bool {
    let owner = std::fs::metadata(state_dir).map_or(0, |metadata| metadata.uid());
    user == 0 || user == nix::unistd::geteuid().as_raw() || user == owner
}

/// The number and the user of the process that listens there, as the kernel has it. The number is 0 where that process is in a
/// process namespace that is not seen from here.
fn ask(address: &SocketAddr) -> io::Result<(i32, u32)> {
    // Never waits: a full queue is an error.
    let stream = connect(address)?;
    let peer = nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerCredentials)?;
    Ok((peer.pid(), peer.uid()))
}

fn connect(address: &SocketAddr) -> io::Result<UnixStream> {
    let name = address.as_abstract_name().unwrap_or_default();
    let address = nix::sys::socket::UnixAddr::new_abstract(name)?;
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: three numbers.
    let raw = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that was just made, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    nix::sys::socket::connect(socket.as_raw_fd(), &address)?;
    Ok(socket.into())
}

impl JournalName {
    /// Lets whoever asks go again, one at a time, for as long as the name is held: without that a start that is tried again and again
    /// would fill the queue, and the next one could not ask. For the engine's runtime.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn answer(&self) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        let listener = self.0.try_clone()?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        Ok(async move {
            loop {
                drop(listener.accept().await);
                tokio::time::sleep(ANSWERS_EVERY).await;
            }
        })
    }
}

/// Whether an engine has come to its end, or is about to since its guard is gone.
fn is_ending(engine: &Stat) -> bool {
    procfs::is_doomed(engine.id.pid) || guard_of(engine).is_none()
}

fn guard_of(engine: &Stat) -> Option<i32> {
    let parent = procfs::stat(engine.parent).ok()?;
    (parent.comm.as_bytes() == GUARD_NAME.to_bytes()).then_some(parent.id.pid)
}

/// Whether it is an engine with its guard above it, and lives; `named` is what engines are called.
fn is_engine(stat: &Stat, named: &str) -> bool {
    stat.comm == named && !is_ending(stat)
}

fn own() -> Option<Stat> {
    procfs::stat(i32::try_from(std::process::id()).ok()?).ok()
}

/// Whether the process is of somebody who may run a copy of this state directory. By the user that started it: whoever hides a
/// process from others makes it look like root's.
fn counts_by_its_user(pid: i32, state_dir: &Path) -> bool {
    match procfs::real_user(pid) {
        Ok(user) => counts(user, state_dir),
        Err(error) => !procfs::is_gone(&error),
    }
}

/// A living engine, not this one, whose state directory says that it has this journal; as far as this user may look. A stranger's
/// is none.
fn engine_with(jid: &str, state_dir: &Path) -> Option<Stat> {
    let own = own()?;
    procfs::all().ok()?.into_iter().filter(|pid| *pid != own.id.pid).find_map(|pid| {
        let stat = procfs::stat(pid).ok().filter(|stat| is_engine(stat, &own.comm))?;
        (counts_by_its_user(pid, state_dir) && journal_of(pid)? == jid).then_some(stat)
    })
}

/// The journal that a living engine itself says it has. `None` where this user may not see that, or where what stands there is of
/// another start.
fn journal_of(pid: i32) -> Option<String> {
    let state_dir = holder::state_dir_of(pid)?;
    // As that process sees it, which may be in a container.
    let seen = Path::new("/proc").join(pid.to_string()).join("root").join(state_dir.strip_prefix("/").ok()?);
    let info = EngineInfo::read(&seen).ok()?;
    (info.engine.pid == *procfs::numbers(pid).ok()?.last()?).then_some(info.jid)
}

/// The living engine that one of these processes of the journal `jid` belongs to, with that process. An engine that is one of them
/// itself was started by a component, and ends with it. One that says it has another journal is passed over: every engine takes on
/// the orphans below it, and a process of ours may hang there whose own engine is gone. So is a stranger's.
pub(super) fn engine_above(found: &[Proc], jid: &str, state_dir: &Path) -> Option<Twin> {
    let own = own()?;
    let ours: Vec<ProcessId> = found.iter().map(|process| process.id).collect();
    found.iter().find_map(|process| {
        let mut at = procfs::stat(process.id.pid).ok().filter(|stat| stat.id == process.id)?;
        for _ in 0..ANCESTORS_MAX {
            at = procfs::stat(at.parent).ok()?;
            if at.id == own.id {
                return None;
            }
            if is_engine(&at, &own.comm)
                && !ours.contains(&at.id)
                && counts_by_its_user(at.id.pid, state_dir)
                && journal_of(at.id.pid).is_none_or(|theirs| theirs == jid)
            {
                return Some(Twin { process: Some(Box::new(process.clone())), ..Twin::of(&at, state_dir) });
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    /// What looks like an engine with its guard above it and a process below it, and has this state directory.
    struct LooksLikeAnEngine {
        guard: std::process::Child,
        engine: Stat,
        below: Proc,
    }

    impl LooksLikeAnEngine {
        fn start(state: &Path, user: u32) -> Self {
            let (guard, engine) = (state.join(GUARD_NAME.to_str().unwrap()), state.join(own().unwrap().comm));
            for program in [&guard, &engine] {
                std::os::unix::fs::symlink("/bin/sh", program).unwrap();
            }
            let lock = std::fs::File::create(state.join(crate::process::lock::LOCK_FILE)).unwrap();
            let kind = i16::try_from(libc::F_WRLCK).unwrap();
            let whole = libc::flock { l_type: kind, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
            nix::fcntl::fcntl(&lock, nix::fcntl::FcntlArg::F_OFD_SETLK(&whole)).unwrap();
            // What comes after each keeps the shell from becoming what it starts.
            let mut guard = std::process::Command::new(&guard);
            guard.arg("-c").arg("\"$0\" -c 'sleep 100; :'; :").arg(&engine).stdout(lock);
            if user != nix::unistd::geteuid().as_raw() {
                std::os::unix::process::CommandExt::uid(&mut guard, user);
            }
            let guard = guard.spawn().unwrap();
            let named = own().unwrap().comm;
            let engine = child_named(i32::try_from(guard.id()).unwrap(), &named);
            let below = child_named(engine.id.pid, "sleep");
            let below = Proc {
                id: below.id,
                comm: below.comm,
                state: 'S',
                user: 0,
                component: None,
                found_by: crate::process::leftovers::FoundBy::Environment,
            };
            Self { guard, engine, below }
        }

        fn leave_word(&self, state: &Path, jid: &str) {
            let info = EngineInfo {
                system: "s".to_owned(),
                jid: jid.to_owned(),
                mark: format!("s/{jid}"),
                epoch: 1,
                engine: self.engine.id.into(),
                guard: None,
                boot_id: EngineInfo::this_boot(),
                state_dir: state.to_owned(),
                runtime_dir: state.to_owned(),
                cgroup: None,
                control_socket: state.join("control.sock"),
                observe: None,
                control: None,
                version: String::new(),
                started: String::new(),
            };
            info.publish().unwrap();
        }
    }

    impl Drop for LooksLikeAnEngine {
        fn drop(&mut self) {
            for id in [self.below.id, self.engine.id] {
                if let Ok(Some(process)) = crate::process::pidfd::PidFd::open_exactly(id) {
                    let _ = process.signal(libc::SIGKILL);
                }
            }
            let _ = self.guard.kill();
            let _ = self.guard.wait();
        }
    }

    fn child_named(parent: i32, name: &str) -> Stat {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let children = procfs::children_of(parent).unwrap_or_default();
            if let Some(found) =
                children.into_iter().filter_map(|pid| procfs::stat(pid).ok()).find(|one| one.comm == name)
            {
                return found;
            }
            assert!(Instant::now() < end, "{parent} has no child {name}");
            std::thread::sleep(PAUSE);
        }
    }

    #[test]
    fn an_engine_of_another_journal_is_no_twin_of_what_hangs_below_it() {
        let (jid, state) = (jid(), tempfile::tempdir().unwrap());
        let other = LooksLikeAnEngine::start(state.path(), nix::unistd::geteuid().as_raw());
        let found = [other.below.clone()];
        // Nothing says which journal it has.
        let twin = engine_above(&found, &jid, state.path()).unwrap();
        assert_eq!(twin.engine, Some(other.engine.id.pid));
        other.leave_word(state.path(), &self::jid());
        assert_eq!(engine_above(&found, &jid, state.path()), None);
        assert!(engine_with(&jid, state.path()).is_none());
        other.leave_word(state.path(), &jid);
        assert!(engine_above(&found, &jid, state.path()).is_some());
        assert_eq!(engine_with(&jid, state.path()).map(|engine| engine.id), Some(other.engine.id));
    }

    #[test]
    fn an_engine_of_a_stranger_keeps_no_start_back() {
        use std::os::unix::fs::PermissionsExt as _;
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (jid, own, theirs) = (jid(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::set_permissions(theirs.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let stranger = LooksLikeAnEngine::start(theirs.path(), 4_000_017);
        stranger.leave_word(theirs.path(), &jid);
        let found = [stranger.below.clone()];
        assert!(engine_with(&jid, own.path()).is_none());
        assert_eq!(engine_above(&found, &jid, own.path()), None);
        // The owner of the state directory is none.
        std::os::unix::fs::chown(own.path(), Some(4_000_017), None).unwrap();
        assert!(engine_with(&jid, own.path()).is_some());
        assert!(engine_above(&found, &jid, own.path()).is_some());
    }

    fn jid() -> String {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("{:024x}{:08x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    #[test]
    fn a_journal_has_one_name_and_gives_it_back() {
        let (jid, state) = (jid(), tempfile::tempdir().unwrap());
        let first = be_alone(&jid, state.path()).unwrap();
        assert!(first.name.is_some() && first.note.is_none());
        assert!(be_alone(&self::jid(), state.path()).unwrap().name.is_some(), "another journal's");
        // This process has no guard, so it looks like an engine that is ending.
        let twin = be_alone_within(&jid, state.path(), ALIVE_FOR).unwrap_err();
        assert_eq!(twin.engine, i32::try_from(std::process::id()).ok());
        assert!(twin.to_string().contains(state.path().to_str().unwrap()), "{twin}");
        drop(first);
        assert!(be_alone(&jid, state.path()).unwrap().name.is_some());
    }

    #[test]
    fn many_who_ask_in_vain_do_not_wear_the_name_out() {
        let (jid, state) = (jid(), tempfile::tempdir().unwrap());
        let first = be_alone(&jid, state.path()).unwrap().name.unwrap();
        let address = SocketAddr::from_abstract_name(format!("failstop-journal/{jid}")).unwrap();
        let full = (0..100_000).find_map(|_| ask(&address).err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let task = tokio::spawn(first.answer().unwrap());
            let end = Instant::now() + Duration::from_secs(30);
            while ask(&address).is_err() {
                assert!(Instant::now() < end, "nobody is let go");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            task.abort();
        });
    }

    #[test]
    fn whose_name_it_is_decides_whether_it_keeps_a_start_back() {
        let state = tempfile::tempdir().unwrap();
        let us = nix::unistd::geteuid().as_raw();
        assert!(counts(0, state.path()) && counts(us, state.path()));
        assert!(!counts(4_000_000_017, state.path()));
        if us == 0 {
            std::os::unix::fs::chown(state.path(), Some(4_000_017), None).unwrap();
            assert!(counts(4_000_017, state.path()));
        }
    }
}
