//! A new process in the engine's memory: clone with `VM|VFORK|PIDFD`, and into its cgroup at birth where the kernel can.
//!
//! A fork copies the page tables of the whole engine; this copies nothing, and the engine's main thread sleeps in the
//! kernel until the child has become its program or has ended. The child runs on a stack of its own, and so does the one that it
//! may have in turn: the first process of a namespace, whose child is the program.

use crate::process::pidfd::PidFd;
use crate::process::spawn::child::Plan;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr;

/// Room enough for what a child does before its program many times over, debug builds included.
const STACK_BYTES: usize = 64 * 1024;
const GUARD_BYTES: usize = 4096 * 16;

/// The child's life before its program; it never returns.
pub(super) type Life = unsafe extern "C" fn(*const Plan) -> !;

/// The children's stacks, below them a page that faults: the upper one for the engine's child, the lower one for that one's. Each
/// used by one child at a time, as its parent sleeps meanwhile.
#[derive(Debug)]
pub(super) struct Stack {
    base: *mut libc::c_void,
}

/// One stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    lowest: *mut libc::c_void,
}

impl Room {
    /// One past the end; aligned to a page, so to 16 bytes too.
    fn top(self) -> *mut libc::c_void {
        // SAFETY: one past this stack's end, within the mapping or one past it.
        unsafe { self.lowest.add(STACK_BYTES) }
    }
}

impl Stack {
    pub(super) fn map() -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                GUARD_BYTES + 2 * STACK_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { base };
        // SAFETY: the lower part of our own mapping, which nothing points into.
        if unsafe { libc::mprotect(base, GUARD_BYTES, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }

    /// For the engine's child.
    pub(super) fn upper(&self) -> Room {
        // SAFETY: within the mapping.
        Room { lowest: unsafe { self.base.add(GUARD_BYTES + STACK_BYTES) } }
    }

    /// For the child of that one.
    pub(super) fn lower(&self) -> Room {
        // SAFETY: within the mapping.
        Room { lowest: unsafe { self.base.add(GUARD_BYTES) } }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping; no child is using it, or the engine's thread would not be here.
        unsafe { libc::munmap(self.base, GUARD_BYTES + 2 * STACK_BYTES) };
    }
}

/// A child that has been born, and has already become its program or failed.
#[derive(Debug)]
pub(super) struct Born {
    pub pid: i32,
    pub pidfd: PidFd,
}

/// Blocks every signal while the child shares our memory, so that no handler runs in it; restores on drop.
pub(super) struct SignalsHeld(libc::sigset_t);

impl SignalsHeld {
    pub(super) fn new() -> Self {
        // SAFETY: sigset_t is plain data, sigfillset gives it a value, and the mask is this thread's own.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Self(before)
        }
    }
}

impl Drop for SignalsHeld {
    fn drop(&mut self) {
        // SAFETY: the mask that was in force before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// What a new process is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// `CLONE_NEW…`, `CLONE_PARENT`, beside what every one has.
    pub flags: i32,
    /// Its cgroup's directory, open, or -1.
    pub cgroup: i32,
}

/// A child of the engine, by `clone3`, which can put it into its cgroup at birth, and can drop the engine's signal handlers there
/// (Linux 5.5; `EINVAL` before).
///
/// # Safety
/// `plan` is complete, and stays alive and unmoved during the call; `life` is a life for it.
pub(super) unsafe fn by_clone3(plan: &Plan, life: Life, stack: &Stack, kind: Kind) -> io::Result<Born> {
    let mut pidfd: i32 = -1;
    // SAFETY: by this function's contract.
    let pid = unsafe { clone3(plan, life, stack.upper(), kind, &raw mut pidfd) };
    born(pid, pidfd)
}

/// The same by the C library's `clone`: where `clone3` is refused (old kernels, sandboxes that answer ENOSYS) or has no shim here.
///
/// # Safety
/// As [`by_clone3`].
pub(super) unsafe fn by_clone(plan: &Plan, life: Life, stack: &Stack, flags: i32) -> io::Result<Born> {
    let mut pidfd: i32 = -1;
    // SAFETY: by this function's contract.
    let pid = unsafe { clone(plan, life, stack.upper(), flags, &raw mut pidfd) };
    born(pid, pidfd)
}

/// A child of the child, in the same memory: its number as its parent sees it, or the kernel's error, negative. Allocates nothing.
///
/// # Safety
/// As [`by_clone3`]; `room` is nobody's.
pub(super) unsafe fn beget(plan: &Plan, life: Life, room: Room, flags: i32, clone3_refused: bool) -> i64 {
    // It ends with its parent's pidfd table, and is of no use there.
    let mut pidfd: i32 = -1;
    if !clone3_refused {
        // SAFETY: by this function's contract.
        let pid = unsafe { clone3(plan, life, room, Kind { flags, cgroup: -1 }, &raw mut pidfd) };
        if pid != -i64::from(libc::ENOSYS) {
            return pid;
        }
    }
    // SAFETY: by this function's contract.
    unsafe { clone(plan, life, room, flags, &raw mut pidfd) }
}

fn born(pid: i64, pidfd: i32) -> io::Result<Born> {
    if pid < 0 {
        return Err(io::Error::from_raw_os_error(i32::try_from(-pid).unwrap_or(libc::EIO)));
    }
    // SAFETY: the kernel has just given us this descriptor with the child; nobody else knows it.
    let pidfd = PidFd::from_owned(unsafe { OwnedFd::from_raw_fd(pidfd) });
    Ok(Born { pid: i32::try_from(pid).unwrap_or(-1), pidfd })
}

/// With one's parent for a parent, a child signals its end as its begetter would: the kernel takes no other wish.
const fn end_signal(flags: i32) -> i32 {
    if flags & libc::CLONE_PARENT == 0 { libc::SIGCHLD } else { 0 }
}

#[cfg(target_arch = "x86_64")]
unsafe fn clone3(plan: *const Plan, life: Life, room: Room, kind: Kind, pidfd: *mut i32) -> i64 {
    const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | kind.flags;
    // SAFETY: plain data; all zeros means "nothing of it".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags.cast_unsigned()) | CLEAR_SIGHAND | if kind.cgroup >= 0 { INTO_CGROUP } else { 0 };
    args.pidfd = pidfd.addr() as u64;
    args.exit_signal = u64::from(end_signal(kind.flags).unsigned_abs());
    args.stack = room.lowest.addr() as u64;
    args.stack_size = STACK_BYTES as u64;
    args.cgroup = if kind.cgroup >= 0 { u64::from(kind.cgroup.unsigned_abs()) } else { 0 };
    // The kernel is told of the memory by address only: say that it may be written.
    let _ = pidfd.expose_provenance();
    let _ = room.lowest.expose_provenance();

    let pid: i64;
    // SAFETY: clone3 with a stack of its own. The parent comes back with the child's number or an error, its own
    // stack and all registers but rax, rcx and r11 untouched, after the child has let go of the memory. The child
    // starts at the same place with rax = 0 and the new stack, 16-byte aligned; it never leaves this block: it calls
    // its life with the plan, which does not return.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",     // the end of the frame chain, for debuggers
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => pid,
            in("rdi") &raw const args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") plan,
            in("r13") life,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    pid
}

/// Elsewhere the C library's `clone` does it, and the child writes itself into its cgroup.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn clone3(_plan: *const Plan, _life: Life, _room: Room, _kind: Kind, _pidfd: *mut i32) -> i64 {
    -i64::from(libc::ENOSYS)
}

unsafe fn clone(plan: *const Plan, life: Life, room: Room, flags: i32, pidfd: *mut i32) -> i64 {
    /// What the new process is told, on the sleeping parent's stack.
    struct Told(Life, *const Plan);
    extern "C" fn enter(told: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the pointer that `clone` passed to something that lives until this process has let go of the memory.
        let Told(life, plan) = unsafe { told.cast::<Told>().read() };
        // SAFETY: under the contract of whoever passed both.
        unsafe { life(plan) }
    }
    let mut told = Told(life, plan);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | flags | end_signal(flags);
    // SAFETY: the stack is unused and large enough; `enter` never returns; with CLONE_PIDFD the first further argument
    // is where the descriptor goes. The plan is only read, but for its atomics.
    let pid = unsafe { libc::clone(enter, room.top(), flags, (&raw mut told).cast(), pidfd) };
    if pid < 0 {
        // SAFETY: the thread's own errno.
        return -i64::from(unsafe { *libc::__errno_location() });
    }
    i64::from(pid)
}
