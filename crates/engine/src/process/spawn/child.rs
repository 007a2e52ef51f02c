//! What the new process does between its birth and its program, in the memory of the engine.
//!
//! Everything here runs while the engine's main thread is suspended in the kernel, on another stack but in the same
//! memory. So: system calls only, nothing that allocates, locks, panics or calls libc's own bookkeeping (its `setuid`
//! signals every thread), and every failure goes home through [`Plan::failed`].

use crate::process::privileges::Kept;
use crate::process::spawn::first::Seclusion;
use libc::{c_char, c_int, c_long};
use std::sync::atomic::{AtomicI32, Ordering};

/// The steps between birth and program, in their order; told to people when one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Step {
    /// A session of its own.
    Session = 1,
    /// Namespaces of its own, or those of the component beside which it runs.
    Namespaces,
    /// A view of the processes in its namespace.
    Proc,
    /// The first process of its namespace.
    First,
    /// Into its cgroup.
    Cgroup,
    /// Standard input, output and error.
    Descriptors,
    /// Its resource limits.
    Limits,
    /// A mount namespace with its credentials.
    Credentials,
    /// Its priority.
    Priority,
    /// The capabilities that it does not keep.
    Capabilities,
    /// Its group and further groups.
    Groups,
    /// Its user.
    User,
    /// Its working directory, as its user.
    Directory,
    /// The parent-death signal.
    DeathSignal,
    /// The engine must still be there.
    Orphaned,
    /// No new privileges.
    NoNewPrivileges,
    /// What the kernel keeps it from.
    Sandbox,
    /// Default dispositions and an empty mask.
    Signals,
    /// The program itself.
    Exec,
}

impl Step {
    const ALL: [Self; 19] = [
        Self::Session,
        Self::Namespaces,
        Self::Proc,
        Self::First,
        Self::Cgroup,
        Self::Descriptors,
        Self::Limits,
        Self::Credentials,
        Self::Priority,
        Self::Capabilities,
        Self::Groups,
        Self::User,
        Self::Directory,
        Self::DeathSignal,
        Self::Orphaned,
        Self::NoNewPrivileges,
        Self::Sandbox,
        Self::Signals,
        Self::Exec,
    ];

    pub(super) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as i32 == number)
    }
}

/// Every signal whose disposition can be changed, for [`Plan::dispositions`].
pub(super) const ALL_SIGNALS: u64 = !(1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1));

/// A filter as the kernel takes it (`sock_fprog`).
#[repr(C)]
pub(super) struct Program {
    pub length: u16,
    pub instructions: *const seccompiler::sock_filter,
}

/// Everything the child needs, prepared before its birth. All pointers outlive it.
#[repr(C)]
pub(super) struct Plan {
    pub path: *const c_char,
    pub argv: *const *const c_char,
    pub envp: *const *const c_char,
    pub directory: *const c_char,
    /// Above 2, all three.
    pub stdin: c_int,
    pub stdout: c_int,
    pub stderr: c_int,
    /// `cgroup.procs` open for writing, or -1 where the kernel has put the child in place.
    pub cgroup_procs: c_int,
    pub umask: Option<u32>,
    pub nice: Option<i32>,
    /// The priority in digits, for the scheduler's group of the new session; null without one.
    pub autogroup: *const c_char,
    pub autogroup_length: usize,
    pub kept: Option<Kept>,
    /// The file system with its credentials, or -1, and the empty folder where it goes.
    pub mount: c_int,
    pub mount_at: *const c_char,
    /// A Landlock ruleset, or -1.
    pub ruleset: c_int,
    /// A seccomp filter, or null.
    pub filter: *const Program,
    pub limits: *const (u32, libc::rlimit),
    pub limit_count: usize,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Null: leave the further groups alone.
    pub groups: *const u32,
    pub group_count: usize,
    /// Descriptors to be its own from 3 on, all of them above what they are to be. After everything that needs another one.
    pub given: *const c_int,
    pub given_count: usize,
    /// Where its process number is written in digits, up to ten and a zero byte after them; null without `given`.
    pub own_pid: *mut u8,
    /// The number of its parent as it sees it: the engine's, or 1 in a namespace of its own, or 0 in another's.
    pub parent: c_int,
    /// Where it tells the engine which process it is, or -1.
    pub link: c_int,
    /// What its namespace needs; null without one.
    pub seclusion: *const Seclusion,
    pub no_new_privileges: bool,
    /// The dispositions to reset, bit `n - 1` for signal `n`: all where the engine's handlers came along, only the ignored
    /// ones where the kernel has dropped handlers at birth.
    pub dispositions: u64,
    /// Where the way ended: a [`Step`], or 0.
    pub failed_step: AtomicI32,
    /// And why.
    pub failed_errno: AtomicI32,
}

/// A system call, raw: libc's function keeps to itself but for errno, which belongs to a suspended thread.
macro_rules! call {
    ($number:expr $(, $argument:expr)*) => {
        // SAFETY: the arguments are integers or pointers into the plan, which outlives the child; the calls made here
        // act on the calling process alone.
        unsafe { libc::syscall($number $(, $argument as c_long)*) }
    };
}

pub(super) use call;

/// The child's whole life before its program.
///
/// # Safety
/// `plan` points to a [`Plan`] that stays alive and unmoved until this process has ended or become another program.
pub(super) unsafe extern "C" fn run(plan: *const Plan) -> ! {
    // SAFETY: by this function's contract. Only the two atomics are written through it.
    let plan = unsafe { &*plan };
    let step = prepare(plan);
    plan.fail(step, errno());
}

/// The thread's own errno; the engine's main thread, whose it is, is suspended.
pub(super) fn errno() -> c_int {
    // SAFETY: its address is the thread's own.
    unsafe { *libc::__errno_location() }
}

impl Plan {
    /// Says where the way ended and why, and ends.
    pub(super) fn fail(&self, step: Step, errno: c_int) -> ! {
        self.failed_errno.store(errno, Ordering::Relaxed);
        self.failed_step.store(step as i32, Ordering::Release);
        end(127);
    }
}

/// Ends the calling process.
pub(super) fn end(status: c_int) -> ! {
    loop {
        call!(libc::SYS_exit_group, status);
    }
}

/// Goes through the steps; returns only when one failed, errno saying why.
fn prepare(plan: &Plan) -> Step {
    // Whatever it says: the kernel adds which process said it.
    if plan.link >= 0 && call!(libc::SYS_write, plan.link, c"".as_ptr(), 1) != 1 {
        return Step::Namespaces;
    }
    if call!(libc::SYS_setsid) < 0 {
        return Step::Session;
    }
    if !enter_cgroup(plan) {
        return Step::Cgroup;
    }
    for (from, to) in [(plan.stdin, 0), (plan.stdout, 1), (plan.stderr, 2)] {
        if call!(libc::SYS_dup3, from, to, 0) < 0 {
            return Step::Descriptors;
        }
    }
    if plan.mount >= 0 && !mount_credentials(plan) {
        return Step::Credentials;
    }
    if let Some(mask) = plan.umask {
        call!(libc::SYS_umask, mask);
    }
    let mut index = 0;
    while index < plan.limit_count {
        // SAFETY: `limits` points to `limit_count` entries.
        let (resource, limit) = unsafe { &*plan.limits.add(index) };
        if call!(libc::SYS_prlimit64, 0, *resource, std::ptr::from_ref(limit), 0) < 0 {
            return Step::Limits;
        }
        index += 1;
    }
    if let Some(nice) = plan.nice
        && !set_priority(plan, nice)
    {
        return Step::Priority;
    }
    // The bounding set while it still may, the rest after the change of user.
    if let Some(kept) = plan.kept
        && !bound(kept, plan.uid.is_some())
    {
        return Step::Capabilities;
    }
    if !plan.groups.is_null() && call!(libc::SYS_setgroups, plan.group_count, plan.groups) < 0 {
        return Step::Groups;
    }
    if let Some(gid) = plan.gid
        && call!(libc::SYS_setresgid, gid, gid, gid) < 0
    {
        return Step::Groups;
    }
    if let Some(uid) = plan.uid
        && call!(libc::SYS_setresuid, uid, uid, uid) < 0
    {
        return Step::User;
    }
    if let Some(kept) = plan.kept
        && !keep(kept)
    {
        return Step::Capabilities;
    }
    if call!(libc::SYS_chdir, plan.directory) < 0 {
        return Step::Directory;
    }
    // After the change of user, which would clear it. If the engine died before, nothing will ever fire: look.
    if call!(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0 {
        return Step::DeathSignal;
    }
    if call!(libc::SYS_getppid) != c_long::from(plan.parent) {
        return Step::Orphaned;
    }
    if plan.no_new_privileges && call!(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 {
        return Step::NoNewPrivileges;
    }
    if plan.ruleset >= 0 && call!(libc::SYS_landlock_restrict_self, plan.ruleset, 0) < 0 {
        return Step::Sandbox;
    }
    if !take_given(plan) {
        return Step::Descriptors;
    }
    close_from(3 + plan.given_count as c_int);
    if !reset_signals(plan.dispositions) {
        return Step::Signals;
    }
    // Last: what comes after it is what the program does.
    if !plan.filter.is_null() && call!(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, plan.filter) < 0 {
        return Step::Sandbox;
    }
    call!(libc::SYS_execve, plan.path, plan.argv, plan.envp);
    Step::Exec
}

/// "0" means the writer. Before the user changes: afterwards it might not be allowed.
pub(super) fn enter_cgroup(plan: &Plan) -> bool {
    plan.cgroup_procs < 0 || call!(libc::SYS_write, plan.cgroup_procs, c"0".as_ptr(), 1) == 1
}

/// Mounts made for it are seen by its own tree alone; what is mounted elsewhere is still seen by it.
fn mount_credentials(plan: &Plan) -> bool {
    /// From mount.h: the source is the descriptor itself.
    const MOVE_MOUNT_F_EMPTY_PATH: c_long = 4;
    call!(libc::SYS_unshare, libc::CLONE_NEWNS) == 0
        && keep_mounts_to_itself()
        && call!(libc::SYS_move_mount, plan.mount, c"".as_ptr(), libc::AT_FDCWD, plan.mount_at, MOVE_MOUNT_F_EMPTY_PATH)
            == 0
}

/// What is mounted from here on is seen in this mount namespace alone; what is mounted on the host is still seen in it.
pub(super) fn keep_mounts_to_itself() -> bool {
    let nothing: *const c_char = std::ptr::null();
    call!(libc::SYS_mount, nothing, c"/".as_ptr(), nothing, libc::MS_REC | libc::MS_SLAVE, nothing) == 0
}

/// The priority, and that of the group that the scheduler makes of each session where nothing else groups processes
/// (`autogroup`): without it, priorities of different sessions mean nothing to one another.
fn set_priority(plan: &Plan, nice: i32) -> bool {
    if call!(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, nice) < 0 {
        return false;
    }
    // Not on every kernel, and not for everybody: the priority itself is set.
    let file = call!(libc::SYS_openat, libc::AT_FDCWD, c"/proc/self/autogroup".as_ptr(), libc::O_WRONLY, 0);
    if file >= 0 {
        call!(libc::SYS_write, file, plan.autogroup, plan.autogroup_length);
        call!(libc::SYS_close, file);
    }
    true
}

/// Takes what is not kept out of the bounding set, and has what is kept survive the change of user.
fn bound(kept: Kept, user_changes: bool) -> bool {
    if kept.bounding {
        let mut number = 0;
        while number < 64 {
            if kept.bits >> number & 1 == 0 && call!(libc::SYS_prctl, libc::PR_CAPBSET_DROP, number, 0, 0, 0) < 0 {
                // Beyond the last one that this kernel knows.
                if errno() == libc::EINVAL {
                    break;
                }
                return false;
            }
            number += 1;
        }
    }
    !(user_changes && kept.bits != 0) || call!(libc::SYS_prctl, libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0
}

/// Gives up everything else. What is kept is inheritable, and ambient where the program's user is not root.
fn keep(kept: Kept) -> bool {
    /// `_LINUX_CAPABILITY_VERSION_3`, and this process.
    static HEADER: [u32; 2] = [0x2008_0522, 0];
    let (low, high) = ((kept.bits & 0xffff_ffff) as u32, (kept.bits >> 32) as u32);
    // Effective, permitted, inheritable; the lower half and the upper.
    let sets: [u32; 6] = [low, low, low, high, high, high];
    // None before Linux 4.3, and then there is nothing to clear.
    call!(libc::SYS_prctl, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if call!(libc::SYS_capset, HEADER.as_ptr(), sets.as_ptr()) < 0 {
        return false;
    }
    let mut number = 0;
    while kept.ambient && number < 64 {
        if kept.bits >> number & 1 == 1
            && call!(libc::SYS_prctl, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0
        {
            return false;
        }
        number += 1;
    }
    true
}

/// Puts what it is given at 3 and up, and says for whom that is meant: programs look whether `LISTEN_PID` is theirs.
fn take_given(plan: &Plan) -> bool {
    let mut index = 0;
    while index < plan.given_count {
        // SAFETY: `given` points to `given_count` numbers.
        let from = unsafe { *plan.given.add(index) };
        if call!(libc::SYS_dup3, from, 3 + index, 0) < 0 {
            return false;
        }
        index += 1;
    }
    if !plan.own_pid.is_null() {
        let mut number = call!(libc::SYS_getpid).unsigned_abs();
        let mut digits = [0_u8; 10];
        let mut length = 0;
        while length < digits.len() && (number > 0 || length == 0) {
            digits[length] = b'0' + (number % 10) as u8;
            number /= 10;
            length += 1;
        }
        let mut at = 0;
        while at < length {
            // SAFETY: there is room for ten digits and a zero byte, which nobody else touches while this process runs here.
            unsafe { *plan.own_pid.add(at) = digits[length - 1 - at] };
            at += 1;
        }
        // SAFETY: as above.
        unsafe { *plan.own_pid.add(length) = 0 };
    }
    true
}

/// No component inherits anything but its own descriptors: neither the instance lock nor what a shell left open.
pub(super) fn close_from(first: c_int) {
    if call!(libc::SYS_close_range, first, c_int::MAX, 0) == 0 {
        return;
    }
    // Before Linux 5.9. Ours are closed on exec in any case, so this is for what we ourselves inherited.
    let mut fd = first;
    while fd < 1024 {
        call!(libc::SYS_close, fd);
        fd += 1;
    }
}

/// Every disposition becomes the default and nothing is blocked: an ignored SIGPIPE, say, would outlive the exec.
/// The mask comes last, so that no handler of the engine's ever runs in this process.
fn reset_signals(dispositions: u64) -> bool {
    /// Larger than the kernel's `sigaction` on every architecture; all zeros is the default disposition.
    static DEFAULT: [u64; 8] = [0; 8];
    static NONE: u64 = 0;
    const SET_BYTES: usize = size_of::<u64>();
    let mut signal = 1;
    while signal <= 64 {
        if dispositions >> (signal - 1) & 1 == 1 {
            call!(libc::SYS_rt_sigaction, signal, &raw const DEFAULT, 0, SET_BYTES);
        }
        signal += 1;
    }
    call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const NONE, 0, SET_BYTES) == 0
}
