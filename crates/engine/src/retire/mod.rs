//! `failstop journal retire`: puts a journal that no longer verifies (or no longer fits its configuration) aside, with its snapshots,
//! and begins a new one that names the old one's head and carries over what keeps the system from trading.
//!
//! No engine runs meanwhile: the state directory's lock is held. A crash at any moment leaves either the old journal untouched, or a
//! plan on the disk (`retiring/plan.json`) beside which no engine starts and which the same command carries out to the same end. So
//! the new journal is written whole, in `retiring`, before anything is moved, and every step of the plan is taken only where it has
//! not been taken yet.

mod begin;
mod old;

use old::Found;
pub use old::{Old, Unread};

use crate::kill_switch::{Caller, durable};
use crate::process::epoch::{self, EpochError};
use crate::process::leftovers::{self, Proc};
use crate::process::lock::{InstanceLock, LockError};
use crate::process::mark::SystemMark;
use crate::process::register;
use crate::runtime_dir::EngineInfo;
use failstop_core::{Epoch, HaltId};
use failstop_journal::snapshot::SNAPSHOT_DIR;
use failstop_journal::{BALLAST, JOURNAL_DIR, OpenError, TORN_DIR, Wall};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Below the state directory: one folder a journal that was retired, shaped as a state directory, so that `verify-data --state` reads it.
pub const RETIRED_DIR: &str = "retired";
/// Where a retirement is prepared, and stands until it is complete.
const RETIRING_DIR: &str = "retiring";
/// In `retiring`: what is done from here on, whatever happens.
const PLAN: &str = "plan.json";
/// The same, at the end, in the retired journal's folder.
const RETIRED: &str = "retired.json";
/// What is kept beside a journal that belongs to it: `checkpoints` says up to where it was verified.
const MOVED: [&str; 4] = [SNAPSHOT_DIR, TORN_DIR, "checkpoints", JOURNAL_DIR];
/// The most bytes of a reason that are kept.
const REASON_MAX_BYTES: usize = 2_000;
/// The largest plan that is read.
const PLAN_MAX_BYTES: u64 = 16 << 20;
/// So many journals with one id may be retired: copies of one that were put back.
const SAME_ID_MAX: u32 = 1_000;

/// Who retires which journal, and why.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The state directory.
    pub state_dir: &'a Path,
    /// The system's name, where a configuration says it; otherwise the journal's own word counts.
    pub name: Option<&'a str>,
    /// The name that the operator typed out.
    pub confirm: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// A retirement: what is to be done, and, once it is done, what was. On the disk in the retired journal's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    /// The system's name.
    pub system: String,
    /// The old journal, as far as it could be read.
    pub old: Old,
    /// Its folder's name below [`RETIRED_DIR`].
    pub folder: String,
    /// The new journal's id.
    pub jid: String,
    /// The epoch that its first records carry.
    pub epoch: u64,
    /// The latched halt that says that the journal is new.
    pub new_journal: HaltId,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, RFC 3339.
    pub at: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The retirement.
    pub retirement: Retirement,
    /// Where the old journal is.
    pub folder: PathBuf,
    /// An earlier call had begun it, or done it all, with the reason that it has.
    pub taken_up: bool,
    /// The reserve was given up, since the disk was full.
    pub gave_up_reserve: bool,
}

/// Why a journal was not retired. Unless it says otherwise everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// An engine runs, or another call of this.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another name was typed.
    #[error("--confirm {typed} is not the name of this system, which is {name}")]
    NotConfirmed {
        /// What was typed.
        typed: String,
        /// The system's name.
        name: String,
    },
    /// Nothing says how the system is called.
    #[error("the journal in {} is too damaged to say whose it is; name the configuration with --config", .path.display())]
    Nameless {
        /// The journal's folder.
        path: PathBuf,
    },
    /// Another system's.
    #[error("the journal in {} belongs to system {found}, not {name}: correct `system.name` or `system.state_dir`", .path.display())]
    Others {
        /// The journal's folder.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// The configuration's name.
        name: String,
    },
    /// There is none.
    #[error("there is no journal at {}: nothing to retire", .path.display())]
    NoJournal {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Processes of the last start live: the next one would know them only by the old journal's id.
    #[error("{process} is left of the last start, and the engine of a new journal would not know it: `kill -9 {}`, then retire", .process.id.pid)]
    Left {
        /// One of them.
        process: Box<Proc>,
    },
    /// It would not be known what stands.
    #[error(
        "record {seq} of type {kind} was written by a later version of failstop: retire the journal with that one, or its latches are lost"
    )]
    Later {
        /// Which record.
        seq: u64,
        /// Its type.
        kind: String,
    },
    /// It cannot be moved.
    #[error("{} cannot be moved with the journal: {why}; move what is in it by hand to a folder of that name in the state directory", .path.display())]
    Immovable {
        /// What.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The new journal could not be written.
    #[error("the new journal cannot be written: {0}; the old one is where it was")]
    New(#[source] OpenError),
    /// No epoch.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// Nothing has been moved.
    #[error("cannot {doing} {}: {source}; {}", .path.display(), next(.source, .owner))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
        /// Whose the state directory is.
        owner: String,
    },
    /// It has begun.
    #[error(
        "cannot {doing} {}: {source}; the journal is half retired and no engine starts until the same command completes it: {}",
        .path.display(), next(.source, .owner)
    )]
    Half {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
        /// Whose the state directory is.
        owner: String,
    },
}

fn next(source: &io::Error, owner: &str) -> String {
    if begin::is_full(source) {
        "free space and run it again".to_owned()
    } else {
        format!("run it as {owner} or as root")
    }
}

impl RetireError {
    /// Whether the disk was full, and nothing has been moved.
    fn is_no_space(&self) -> bool {
        match self {
            Self::New(error) => begin::is_no_space(error),
            Self::Epoch(EpochError::Write { source, .. }) | Self::Io { source, .. } => begin::is_full(source),
            Self::Epoch(EpochError::Unreadable { .. } | EpochError::Exhausted { .. })
            | Self::Half { .. }
            | Self::Lock(_)
            | Self::NotConfirmed { .. }
            | Self::Nameless { .. }
            | Self::Others { .. }
            | Self::NoJournal { .. }
            | Self::Left { .. }
            | Self::Later { .. }
            | Self::Immovable { .. } => false,
        }
    }

    /// Whether the answer is no, rather than that it could not be done.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Lock(LockError::Io { .. }) | Self::New(_) | Self::Epoch(_) | Self::Io { .. } | Self::Half { .. } => {
                false
            }
            Self::Lock(
                LockError::AlreadyRunning { .. } | LockError::NotEnding { .. } | LockError::GuardStillEnding { .. },
            )
            | Self::NotConfirmed { .. }
            | Self::Nameless { .. }
            | Self::Others { .. }
            | Self::NoJournal { .. }
            | Self::Left { .. }
            | Self::Later { .. }
            | Self::Immovable { .. } => true,
        }
    }
}

/// The plan of a retirement that has begun and is not complete, where there is one: no engine may start beside it.
pub fn unfinished(state_dir: &Path) -> Option<PathBuf> {
    let plan = state_dir.join(RETIRING_DIR).join(PLAN);
    fs::symlink_metadata(&plan).is_ok().then_some(plan)
}

/// Retires the journal, or completes a retirement that was interrupted.
///
/// # Errors
/// [`RetireError`].
pub fn retire(request: &Request<'_>) -> Result<Done, RetireError> {
    retire_with(request, &mut || Ok(()))
}

/// `step` is called before each change on the disk.
fn retire_with(request: &Request<'_>, step: &mut dyn FnMut() -> io::Result<()>) -> Result<Done, RetireError> {
    let state = request.state_dir;
    let place = Place::of(state)?;
    let _owner = AsOwner::of(&place)?;
    let journal = state.join(JOURNAL_DIR);
    match fs::symlink_metadata(&journal) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && unfinished(state).is_none() => {
            return Err(RetireError::NoJournal { path: journal });
        }
        // The old one is moved already, and the new one not yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(place.failed("look at", &journal)(source)),
        Ok(_) => {}
    }
    // Held to the end. A start that comes meanwhile waits for it.
    let _lock = InstanceLock::take_aside(state)?;
    let (retirement, taken_up, gave_up_reserve) = match place.plan()? {
        Some(plan) => {
            confirmed(request, &plan.system)?;
            place.carry_out(&plan, step)?;
            (plan, true, false)
        }
        None => match place.prepare(request, step)? {
            Prepared::Now { plan, gave_up } => {
                place.carry_out(&plan, step)?;
                (plan, false, gave_up)
            }
            // The caller of the last one did not live to hear of it.
            Prepared::Before(plan) => {
                // Nor to remove what was left in there.
                let _ = fs::remove_dir_all(place.retiring());
                (plan, true, false)
            }
        },
    };
    let folder = state.join(RETIRED_DIR).join(&retirement.folder);
    Ok(Done { retirement, folder, taken_up, gave_up_reserve })
}

/// What a call finds to do.
enum Prepared {
    /// This.
    Now { plan: Retirement, gave_up: bool },
    /// Nothing: the journal that is there is the one that this retirement began, and no engine has run with it.
    Before(Retirement),
}

fn confirmed(request: &Request<'_>, name: &str) -> Result<(), RetireError> {
    if request.confirm == name {
        return Ok(());
    }
    Err(RetireError::NotConfirmed { typed: request.confirm.to_owned(), name: name.to_owned() })
}

/// A state directory, and whose it is.
struct Place<'a> {
    state: &'a Path,
    device: u64,
    owner: (u32, u32),
}

/// As whom root touches files while this lives: as the state directory's owner. What it makes is theirs, or their engine could not go
/// on; and a link that they put in its way leads it nowhere where they could not go themselves.
struct AsOwner(bool);

impl AsOwner {
    fn of(place: &Place<'_>) -> Result<Self, RetireError> {
        let (uid, gid) = place.owner;
        if !nix::unistd::geteuid().is_root() || uid == 0 {
            return Ok(Self(false));
        }
        // SAFETY: numbers; both are this thread's alone, and of the threads that it starts.
        let now = unsafe {
            libc::setfsgid(gid);
            libc::setfsuid(uid);
            // It says what it was, and never that it failed.
            libc::setfsuid(uid)
        };
        let owner = Self(true);
        if u32::try_from(now) != Ok(uid) {
            return Err(place.failed("become the owner of", place.state)(io::Error::other(
                "the kernel does not let root do so",
            )));
        }
        Ok(owner)
    }
}

impl Drop for AsOwner {
    fn drop(&mut self) {
        if self.0 {
            // SAFETY: as above.
            unsafe {
                libc::setfsuid(libc::geteuid());
                libc::setfsgid(libc::getegid());
            }
        }
    }
}

impl<'a> Place<'a> {
    fn of(state: &'a Path) -> Result<Self, RetireError> {
        match fs::metadata(state) {
            Ok(metadata) => Ok(Self { state, device: metadata.dev(), owner: (metadata.uid(), metadata.gid()) }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                Err(RetireError::NoJournal { path: state.join(JOURNAL_DIR) })
            }
            Err(source) => {
                let owner = "its owner".to_owned();
                Err(RetireError::Io { doing: "look at", path: state.to_owned(), source, owner })
            }
        }
    }

    fn failed(&self, doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RetireError + use<> {
        let (path, owner) = (path.to_owned(), crate::process::user::User(self.owner.0).to_string());
        move |source| RetireError::Io { doing, path, source, owner }
    }

    fn half(&self, doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RetireError + use<> {
        let (path, owner) = (path.to_owned(), crate::process::user::User(self.owner.0).to_string());
        move |source| RetireError::Half { doing, path, source, owner }
    }

    fn retiring(&self) -> PathBuf {
        self.state.join(RETIRING_DIR)
    }

    /// The plan of an earlier call, where one stands.
    fn plan(&self) -> Result<Option<Retirement>, RetireError> {
        let Some(path) = unfinished(self.state) else { return Ok(None) };
        let length = fs::metadata(&path).map_err(self.half("read", &path))?.len();
        if length > PLAN_MAX_BYTES {
            return Err(self.half("read", &path)(io::Error::other("it is too large")));
        }
        let text = fs::read(&path).map_err(self.half("read", &path))?;
        // It was put in its place whole, so it is as it was written, or somebody changed it.
        serde_json::from_slice(&text).map(Some).map_err(|error| self.half("read", &path)(error.into()))
    }

    /// Everything up to the plan: the old journal is read, the new one written beside it.
    fn prepare(
        &self,
        request: &Request<'_>,
        step: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<Prepared, RetireError> {
        let state = self.state;
        let journal = state.join(JOURNAL_DIR);
        let unreadable = self.failed("read", &journal);
        let found = match old::read(state) {
            Ok(found) => found,
            Err(old::Unreadable::Io(source)) => return Err(unreadable(source)),
            Err(old::Unreadable::Later { seq, kind }) => return Err(RetireError::Later { seq, kind }),
        };
        let old = &found.old;
        let left = EngineInfo::read(state).ok();
        let name = match (request.name, &old.system) {
            (Some(name), Some(found)) if name != found => {
                return Err(RetireError::Others { path: journal, found: found.clone(), name: name.to_owned() });
            }
            (Some(name), _) => name.to_owned(),
            (None, Some(found)) => found.clone(),
            (None, None) => {
                left.as_ref().map(|info| info.system.clone()).ok_or(RetireError::Nameless { path: journal.clone() })?
            }
        };
        confirmed(request, &name)?;
        if let Some(before) = self.before(&found) {
            return Ok(Prepared::Before(before));
        }
        for moved in MOVED {
            self.can_be_moved(&state.join(moved))?;
        }
        self.nothing_left(&name, old, left.as_ref())?;

        let mut plan = Retirement {
            system: name,
            folder: self.free_name(old),
            jid: String::new(),
            epoch: 0,
            new_journal: HaltId(old.highest_halt() + 1),
            old: found.old,
            by: Caller::this().to_string(),
            reason: cut(request.reason, REASON_MAX_BYTES),
            at: crate::clock::rfc3339(crate::clock::wall()),
        };
        let mut gave_up = false;
        loop {
            match self.write(&mut plan, step) {
                Ok(()) => return Ok(Prepared::Now { plan, gave_up }),
                Err(error) if error.is_no_space() => {
                    self.sweep(&self.retiring())?;
                    // The reserve is there so that a full disk does not keep a halt from being recorded; the next start makes it anew.
                    if gave_up || fs::remove_file(state.join(BALLAST)).is_err() {
                        return Err(error);
                    }
                    gave_up = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes the new journal, and behind it the plan.
    fn write(&self, plan: &mut Retirement, step: &mut dyn FnMut() -> io::Result<()>) -> Result<(), RetireError> {
        let (state, retiring) = (self.state, self.retiring());
        step().map_err(self.failed("make", &retiring))?;
        plan.epoch = epoch::raise(state, plan.old.epoch.map(Epoch))?.epoch.0;
        self.sweep(&retiring)?;
        DirBuilder::new().mode(0o700).create(&retiring).map_err(self.failed("make", &retiring))?;
        step().map_err(self.failed("write in", &retiring))?;
        begin::write(&retiring, plan, Wall::now()).map_err(RetireError::New)?;
        step().map_err(self.failed("write in", &retiring))?;
        let path = retiring.join(PLAN);
        let mut text =
            serde_json::to_vec_pretty(&plan).map_err(io::Error::from).map_err(self.failed("write", &path))?;
        text.push(b'\n');
        durable::sync_dir(state).map_err(self.failed("make durable", &retiring))?;
        durable::replace_private(&path, &text).map_err(self.failed("write", &path))
    }

    /// The retirement that began this journal, where nothing has happened since.
    fn before(&self, Found { old, was_run, follows }: &Found) -> Option<Retirement> {
        let folder = follows.as_ref().filter(|_| !was_run && old.unread == Unread::default())?;
        let text = fs::read(self.state.join(folder).join(RETIRED)).ok()?;
        let before: Retirement = serde_json::from_slice(&text).ok()?;
        (Some(&before.jid) == old.jid.as_ref()).then_some(before)
    }

    fn can_be_moved(&self, path: &Path) -> Result<(), RetireError> {
        let why = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => "it is a link",
            Ok(metadata) if !metadata.is_dir() => "it is no folder",
            Ok(metadata) if metadata.dev() != self.device => "it is a file system of its own",
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("look at", path)(error)),
        };
        Err(RetireError::Immovable { path: path.to_owned(), why })
    }

    /// No process of the old journal may live: the engine of the new one knows its own by the new id.
    fn nothing_left(&self, name: &str, old: &Old, left: Option<&EngineInfo>) -> Result<(), RetireError> {
        let jids = old.jid.iter().chain(left.map(|info| &info.jid));
        let recorded = left.map(|info| register::read(&info.runtime_dir)).unwrap_or_default();
        for jid in jids {
            let mark = SystemMark { name: name.to_owned(), jid: jid.clone() };
            let found =
                leftovers::find_system_and(&mark, &recorded).map_err(self.failed("read", Path::new("/proc")))?;
            if let Some(process) = found.into_iter().next() {
                return Err(RetireError::Left { process: Box::new(process) });
            }
        }
        Ok(())
    }

    /// Removes what an earlier call left that did not come to its plan.
    fn sweep(&self, retiring: &Path) -> Result<(), RetireError> {
        match fs::remove_dir_all(retiring) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed("remove", retiring)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A folder's name that no retired journal has.
    fn free_name(&self, old: &Old) -> String {
        let jid = old.jid.as_deref().unwrap_or("unknown");
        let free = |name: &String| fs::symlink_metadata(self.state.join(RETIRED_DIR).join(name)).is_err();
        std::iter::once(jid.to_owned())
            .chain((2..SAME_ID_MAX).map(|number| format!("{jid}.{number}")))
            .find(free)
            .unwrap_or_else(|| format!("{jid}.{}", Wall::now().0))
    }

    /// The steps of the plan that have not been taken yet.
    fn carry_out(&self, plan: &Retirement, step: &mut dyn FnMut() -> io::Result<()>) -> Result<(), RetireError> {
        let (state, retiring) = (self.state, self.retiring());
        let retired = state.join(RETIRED_DIR);
        let folder = retired.join(&plan.folder);
        for made in [&retired, &folder] {
            step().map_err(self.half("make", made))?;
            match DirBuilder::new().mode(0o700).create(made) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(self.half("make", made)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        durable::sync_dir(&retired).map_err(self.half("make durable", &retired))?;
        for name in MOVED {
            self.move_once(&state.join(name), &folder.join(name), step)?;
        }
        // Only now is there room for it; and once it is there, it is no longer here.
        self.move_once(&retiring.join(JOURNAL_DIR), &state.join(JOURNAL_DIR), step)?;
        self.move_once(&retiring.join(PLAN), &folder.join(RETIRED), step)?;
        // What is left in there is empty, and in nobody's way.
        let _ = fs::remove_dir_all(&retiring);
        Ok(())
    }

    /// Moves a folder or file, durably, where that has not been done.
    fn move_once(&self, from: &Path, to: &Path, step: &mut dyn FnMut() -> io::Result<()>) -> Result<(), RetireError> {
        if fs::symlink_metadata(to).is_ok() {
            return Ok(());
        }
        step().map_err(self.half("move", from))?;
        match fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.half("move", from)(error)),
            Ok(()) => {}
        }
        for folder in [to.parent(), from.parent()].into_iter().flatten() {
            step().map_err(self.half("make durable", folder))?;
            durable::sync_dir(folder).map_err(self.half("make durable", folder))?;
        }
        Ok(())
    }
}

fn cut(text: &str, max: usize) -> String {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
