//! The first process of a component's namespace, between its birth and its own program ([`crate::process::init`]); and whoever
//! goes into such a namespace to start a hook there.
//!
//! Runs in the memory of the engine under the rules of [`super::child`]: system calls only. It has the component's process for a
//! child, in the same memory once more, and becomes its own program when that one has become the component's.

use crate::process::spawn::child::{self, Plan, Step, call, errno};
use crate::process::spawn::vfork::{self, Room};
use libc::{c_char, c_int, c_long};
use std::sync::atomic::Ordering;

/// What a namespace needs beside the plan. All pointers outlive the new processes.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Seclusion {
    /// The namespaces to go into: a pidfd of their first process; or -1, and they are new.
    pub join: c_int,
    /// `CLONE_NEW…`: what is new, or what is gone into.
    pub flags: c_int,
    /// What goes into the maps of a new user namespace: users, groups. Null without one.
    pub users: *const c_char,
    pub users_length: usize,
    pub groups: *const c_char,
    pub groups_length: usize,
    /// The stack of the component's process.
    pub room: Room,
    pub clone3_refused: bool,
    /// `/dev/null`, above 2.
    pub null: c_int,
    /// The first process's own end of the link to the engine; above [`KEPT`].
    pub link: c_int,
    /// The file that is the first process's program; above [`KEPT`].
    pub program: c_int,
    pub argv: *const *const c_char,
    pub envp: *const *const c_char,
    /// What a Landlock ruleset allows below the namespace's own `/proc`.
    pub proc_access: u64,
}

/// Where the first process finds its end of the link.
pub(crate) const LINK: c_int = 3;
/// Its program, until it is executed.
const PROGRAM: c_int = 4;
/// The last descriptor that is put in place for it.
pub(super) const KEPT: c_int = PROGRAM;

/// Its life, or that of who goes in.
///
/// # Safety
/// As [`child::run`]; and `plan.seclusion` points to something that lives as long.
pub(super) unsafe extern "C" fn run(plan: *const Plan) -> ! {
    // SAFETY: by this function's contract. Only atomics are written through it.
    let (plan, seclusion) = unsafe { (&*plan, &*(*plan).seclusion) };
    if seclusion.join >= 0 { visit(plan, seclusion) } else { found(plan, seclusion) }
}

/// New namespaces, of which this process is the first.
fn found(plan: &Plan, seclusion: &Seclusion) -> ! {
    // With it the kernel ends everything in here. Its program does so again, and looks whether the engine is there.
    if call!(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0 {
        plan.fail(Step::DeathSignal, errno());
    }
    if call!(libc::SYS_setsid) < 0 {
        plan.fail(Step::Session, errno());
    }
    if !seclusion.users.is_null() && !map_itself(seclusion) {
        plan.fail(Step::Namespaces, errno());
    }
    if !child::enter_cgroup(plan) {
        plan.fail(Step::Cgroup, errno());
    }
    if !child::keep_mounts_to_itself() || !mount_proc() || !open_proc_to(plan, seclusion) {
        plan.fail(Step::Proc, errno());
    }
    // SAFETY: the plan is complete; the room is nobody's, and this process sleeps until it is so again.
    let born = unsafe { vfork::beget(plan, child::run, seclusion.room, 0, seclusion.clone3_refused) };
    if born < 0 {
        plan.fail(Step::Namespaces, c_int::try_from(-born).unwrap_or(libc::EIO));
    }
    if plan.failed_step.load(Ordering::Acquire) != 0 {
        child::end(127);
    }
    for fd in 0..3 {
        if call!(libc::SYS_dup3, seclusion.null, fd, 0) < 0 {
            plan.fail(Step::First, errno());
        }
    }
    if call!(libc::SYS_dup3, seclusion.link, LINK, 0) < 0
        || call!(libc::SYS_dup3, seclusion.program, PROGRAM, libc::O_CLOEXEC) < 0
    {
        plan.fail(Step::First, errno());
    }
    child::close_from(KEPT + 1);
    call!(libc::SYS_execveat, PROGRAM, c"".as_ptr(), seclusion.argv, seclusion.envp, libc::AT_EMPTY_PATH);
    // The component runs by now, and ends with this process.
    plan.fail(Step::First, errno());
}

/// Goes into a component's namespaces and has a child there that is the engine's own: in there it has no parent.
fn visit(plan: &Plan, seclusion: &Seclusion) -> ! {
    if call!(libc::SYS_setns, seclusion.join, seclusion.flags) < 0 {
        plan.fail(Step::Namespaces, errno());
    }
    if !open_proc_to(plan, seclusion) {
        plan.fail(Step::Proc, errno());
    }
    // SAFETY: as above.
    let born = unsafe { vfork::beget(plan, child::run, seclusion.room, libc::CLONE_PARENT, seclusion.clone3_refused) };
    if born < 0 {
        plan.fail(Step::Namespaces, c_int::try_from(-born).unwrap_or(libc::EIO));
    }
    child::end(0);
}

/// One user and one group, its own, under their own numbers: whatever it makes or opens belongs to whom it would otherwise.
fn map_itself(seclusion: &Seclusion) -> bool {
    write_all(c"/proc/self/setgroups".as_ptr(), c"deny".as_ptr(), 4)
        && write_all(c"/proc/self/uid_map".as_ptr(), seclusion.users, seclusion.users_length)
        && write_all(c"/proc/self/gid_map".as_ptr(), seclusion.groups, seclusion.groups_length)
}

fn write_all(path: *const c_char, text: *const c_char, length: usize) -> bool {
    let file = call!(libc::SYS_openat, libc::AT_FDCWD, path, libc::O_WRONLY | libc::O_CLOEXEC, 0);
    file >= 0 && call!(libc::SYS_write, file, text, length) == length as c_long && call!(libc::SYS_close, file) == 0
}

/// The numbers in there mean nothing in the `/proc` of the host.
fn mount_proc() -> bool {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let nothing: *const c_char = std::ptr::null();
    call!(libc::SYS_mount, c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), flags, nothing) == 0
}

/// A ruleset that was made outside knows another `/proc`: what it allows there it allows in this one.
fn open_proc_to(plan: &Plan, seclusion: &Seclusion) -> bool {
    /// The kernel's `struct landlock_path_beneath_attr`.
    #[repr(C, packed)]
    struct PathBeneath {
        allowed_access: u64,
        parent_fd: i32,
    }
    const RULE_PATH_BENEATH: c_int = 1;
    if plan.ruleset < 0 {
        return true;
    }
    let folder = call!(libc::SYS_openat, libc::AT_FDCWD, c"/proc".as_ptr(), libc::O_PATH | libc::O_CLOEXEC, 0);
    let Ok(parent_fd) = c_int::try_from(folder) else { return false };
    let rule = PathBeneath { allowed_access: seclusion.proc_access, parent_fd };
    parent_fd >= 0
        && call!(libc::SYS_landlock_add_rule, plan.ruleset, RULE_PATH_BENEATH, &raw const rule, 0) == 0
        && call!(libc::SYS_close, parent_fd) == 0
}
