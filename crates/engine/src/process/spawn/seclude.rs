//! What a start in a process namespace needs beside the plan, and what is left to do once its processes are born: finding out
//! which one is the component's, and taking hold of the namespace.

use crate::process::init::NAME;
use crate::process::mark::{COMPONENT_VARIABLE, INSTANCE_VARIABLE, SYSTEM_VARIABLE};
use crate::process::namespace::{Link, Namespace};
use crate::process::pidfd::PidFd;
use crate::process::spawn::first::{KEPT, Seclusion};
use crate::process::spawn::vfork::{Born, Room};
use crate::process::spawn::{Child, Command, Place, SpawnError, Spawner, above, line, pointers, reap};
use libc::{c_char, c_int};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::ptr;

/// What a Landlock ruleset allows in `/proc`: executing, reading files and folders.
const PROC_ACCESS: u64 = 1 | 1 << 2 | 1 << 3;

/// Has a process namespace for a moment, and goes into it as a hook does: whether this host lets this process. On the main thread
/// of a program that is called failstop, of which nothing else waits for children.
///
/// # Errors
/// [`SpawnError`]: what the host refuses.
pub fn try_namespaces() -> Result<(), SpawnError> {
    let null = File::options().write(true).open("/dev/null");
    let null = null.map_err(|source| SpawnError::Prepare { what: "opening /dev/null", source })?;
    let mut command = Command::new("/proc/self/exe".into(), vec![NAME.into()], "/".into());
    command.isolated = true;
    let (stdout, stderr) = (null.as_fd(), null.as_fd());
    let place = Place { stdin: None, stdout, stderr, cgroup: None, given: &[], beside: None };
    let mut spawner = Spawner::new()?;
    let Some(namespace) = spawner.spawn(&command, &place)?.namespace else { return Ok(()) };
    command.isolated = false;
    let entered = spawner.spawn(&command, &Place { beside: Some(&namespace), ..place });
    if let Ok(child) = &entered {
        reap(&child.pidfd);
    }
    namespace.finish();
    entered.map(drop)
}

/// Everything that must stay where it is until the new processes have become their programs.
pub(super) struct Secluded {
    pub(super) orders: Box<Seclusion>,
    /// `CLONE_NEW…` for the first process; none where it goes into a namespace that is there.
    pub(super) flags: c_int,
    own: bool,
    link: Link,
    theirs: OwnedFd,
    _program: OwnedFd,
    _null: OwnedFd,
    _texts: Vec<CString>,
    _argv: Vec<*const c_char>,
    _envp: Vec<*const c_char>,
}

impl Secluded {
    /// Gets it ready; `None` where the command wants none of it.
    pub(super) fn of(
        command: &Command,
        place: &Place<'_>,
        (null, room, clone3_refused): (&OwnedFd, Room, bool),
    ) -> Result<Option<Self>, SpawnError> {
        if !command.isolated && place.beside.is_none() {
            return Ok(None);
        }
        let prepare = |what| move |source| SpawnError::Prepare { what, source };
        let (link, theirs) = Link::pair().map_err(prepare("making a link to its namespace"))?;
        let theirs = above(&theirs, KEPT + 1).map_err(prepare("duplicating its descriptors"))?;
        // By this very file, also where another one has its name by now.
        let program = File::open("/proc/self/exe")
            .and_then(|file| above(&file, KEPT + 1))
            .map_err(prepare("opening failstop's own file /proc/self/exe"))?;
        let null = above(null, KEPT + 1).map_err(prepare("duplicating its descriptors"))?;
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        let map = |number: u32| CString::new(format!("{number} {number} 1")).unwrap_or_default();
        let mut texts = vec![map(user.as_raw()), map(group.as_raw()), CString::new(NAME).unwrap_or_default()];
        // So that whoever looks for what is left of a system finds it as well.
        for (name, value) in &command.environment {
            if [SYSTEM_VARIABLE, COMPONENT_VARIABLE, INSTANCE_VARIABLE].iter().any(|mark| name == mark) {
                texts.push(line(name, value)?);
            }
        }
        let argv = pointers(texts.iter().skip(2).take(1));
        let envp = pointers(texts.iter().skip(3));
        let users = (!user.is_root()).then(|| texts.first()).flatten();
        let groups = (!user.is_root()).then(|| texts.get(1)).flatten();
        let start = |text: Option<&CString>| text.map_or(ptr::null(), |text| text.as_ptr());
        let length = |text: Option<&CString>| text.map_or(0, |text| text.as_bytes().len());
        let mut flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
        if !user.is_root() {
            flags |= libc::CLONE_NEWUSER;
        }
        let orders = Box::new(Seclusion {
            join: place.beside.map_or(-1, |beside| beside.door().as_raw_fd()),
            flags,
            users: start(users),
            users_length: length(users),
            groups: start(groups),
            groups_length: length(groups),
            room,
            clone3_refused,
            null: null.as_raw_fd(),
            link: theirs.as_raw_fd(),
            program: program.as_raw_fd(),
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            proc_access: PROC_ACCESS,
        });
        Ok(Some(Self {
            orders,
            flags: if place.beside.is_some() { 0 } else { flags },
            own: place.beside.is_none(),
            link,
            theirs,
            _program: program,
            _null: null,
            _texts: texts,
            _argv: argv,
            _envp: envp,
        }))
    }

    /// The new processes' end of the link.
    pub(super) fn link(&self) -> c_int {
        self.theirs.as_raw_fd()
    }

    /// What the component's process takes its parent to be.
    pub(super) fn parent(&self) -> c_int {
        c_int::from(self.own)
    }

    /// Takes what a failed start left.
    pub(super) fn clear(&self, born: &Born) {
        reap(&born.pidfd);
        if !self.own
            && let Ok(pid) = self.link.who()
            && let Ok(pidfd) = PidFd::open(pid)
        {
            reap(&pidfd);
        }
    }

    /// Takes hold of what was born.
    pub(super) fn hold(self, born: Born) -> Result<Child, SpawnError> {
        let Self { own, link, theirs, .. } = self;
        drop(theirs);
        let prepare = |what| move |source| SpawnError::Prepare { what, source };
        if own {
            let held = Namespace::hold(born.pid, born.pidfd, link).map_err(prepare("holding its namespace"));
            return held.map(|(namespace, id, pidfd)| Child { id, pidfd, namespace: Some(namespace) });
        }
        let found = link.find();
        // It went in, had its child and ended.
        reap(&born.pidfd);
        let (id, pidfd) = found.map_err(prepare("finding the new process"))?;
        Ok(Child { id, pidfd, namespace: None })
    }
}
