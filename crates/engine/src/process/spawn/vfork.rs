//! A new process in the engine's memory: clone with `VM|VFORK|PIDFD`, and into its cgroup at birth where the kernel can.
//!
//! A fork copies the page tables of the whole engine; this copies nothing, and the engine's main thread sleeps in the
//! kernel until the child has become its program or has ended. The child runs on a stack of its own.

use crate::process::pidfd::PidFd;
use crate::process::spawn::child::{self, Plan};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// Room enough for [`child::run`] many times over, debug builds included.
const STACK_BYTES: usize = 64 * 1024;
const GUARD_BYTES: usize = 4096 * 16;

/// The child's stack, below it a page that faults. Used by one child at a time, as the engine sleeps meanwhile.
#[derive(Debug)]
pub(super) struct Stack {
    base: *mut libc::c_void,
}

impl Stack {
    pub(super) fn map() -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                GUARD_BYTES + STACK_BYTES,
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

    fn lowest(&self) -> *mut libc::c_void {
        // SAFETY: within the mapping.
        unsafe { self.base.add(GUARD_BYTES) }
    }

    /// One past the end; aligned to a page, so to 16 bytes too.
    fn top(&self) -> *mut libc::c_void {
        // SAFETY: one past the mapping's end.
        unsafe { self.base.add(GUARD_BYTES + STACK_BYTES) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping; no child is using it, or the engine's thread would not be here.
        unsafe { libc::munmap(self.base, GUARD_BYTES + STACK_BYTES) };
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

/// By `clone3`, which can put the child into its cgroup at birth, and can drop the engine's signal handlers there
/// (Linux 5.5; `EINVAL` before).
///
/// # Safety
/// `plan` is complete, and stays alive and unmoved during the call.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn by_clone3(plan: &Plan, stack: &Stack, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Born> {
    const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: i32 = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
    // SAFETY: plain data; all zeros means "nothing of it".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags.unsigned_abs()) | CLEAR_SIGHAND | if cgroup.is_some() { INTO_CGROUP } else { 0 };
    args.pidfd = (&raw mut pidfd).addr() as u64;
    args.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    args.stack = stack.lowest().addr() as u64;
    args.stack_size = STACK_BYTES as u64;
    args.cgroup = cgroup.map_or(0, |fd| u64::from(fd.as_raw_fd().unsigned_abs()));
    // The kernel is told of the memory by address only: say that it may be written.
    let _ = (&raw mut pidfd).expose_provenance();
    let _ = stack.lowest().expose_provenance();

    let pid: i64;
    // SAFETY: clone3 with a stack of its own. The parent comes back with the child's number or an error, its own
    // stack and all registers but rax, rcx and r11 untouched, after the child has let go of the memory. The child
    // starts at the same place with rax = 0 and the new stack, 16-byte aligned; it never leaves this block: it calls
    // `child::run` with the plan, which does not return.
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
            in("r12") ptr::from_ref(plan),
            in("r13") child::run as unsafe extern "C" fn(*const Plan) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if pid < 0 {
        return Err(io::Error::from_raw_os_error(i32::try_from(-pid).unwrap_or(libc::EIO)));
    }
    Ok(Born { pid: i32::try_from(pid).unwrap_or(-1), pidfd: owned(pidfd) })
}

/// Elsewhere the C library's `clone` does it, and the child writes itself into its cgroup.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn by_clone3(_plan: &Plan, _stack: &Stack, _cgroup: Option<BorrowedFd<'_>>) -> io::Result<Born> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// By the C library's `clone`: where `clone3` is refused (old kernels, sandboxes that answer ENOSYS) or has no shim here.
///
/// # Safety
/// As [`by_clone3`].
pub(super) unsafe fn by_clone(plan: &Plan, stack: &Stack) -> io::Result<Born> {
    extern "C" fn enter(plan: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the pointer that `by_clone` passed, under its contract.
        unsafe { child::run(plan.cast_const().cast()) }
    }
    let mut pidfd: i32 = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack is unused and large enough; `enter` never returns; with CLONE_PIDFD the first further argument
    // is where the descriptor goes. The plan is only read, but for its atomics.
    let pid = unsafe { libc::clone(enter, stack.top(), flags, ptr::from_ref(plan).cast_mut().cast(), &raw mut pidfd) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Born { pid, pidfd: owned(pidfd) })
}

fn owned(pidfd: i32) -> PidFd {
    // SAFETY: the kernel has just given us this descriptor with the child; nobody else knows it.
    PidFd::from_owned(unsafe { OwnedFd::from_raw_fd(pidfd) })
}
