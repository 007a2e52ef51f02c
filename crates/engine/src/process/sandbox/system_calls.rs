//! The system calls that a sandboxed component is refused: those by which one process looks into another, changes the kernel or
//! the host, or gets out of its namespaces. A list of what is refused and not of what is allowed: interpreters and libraries find new
//! ways to do ordinary things, and a bot that dies of one on a bad day is worse than what the kernel still guards by itself.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};
use std::collections::BTreeMap;
use std::fmt;

/// A program for the kernel.
#[derive(Clone, PartialEq)]
pub struct Filter(BpfProgram);

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({} instructions)", self.0.len())
    }
}

impl Filter {
    /// Its instructions, as the kernel takes them.
    pub fn instructions(&self) -> &[sock_filter] {
        &self.0
    }
}

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// There is none for this processor.
    #[error("there is no list of system calls for this processor ({})", std::env::consts::ARCH)]
    Processor,
    /// It could not be made.
    #[error("the filter of system calls cannot be made: {0}")]
    Made(#[from] seccompiler::BackendError),
}

/// Refused whatever their arguments.
const REFUSED: &[i64] = &[
    // Into other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // The kernel itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_syslog,
    libc::SYS_lookup_dcookie,
    // Past the filters that look at each call.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Keys.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // File systems and what is seen of them.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    // Namespaces.
    libc::SYS_setns,
    // The host.
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
];

/// Namespaces that a process could make for itself.
const NAMESPACES: [libc::c_int; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWCGROUP,
    0x80, // CLONE_NEWTIME
];

/// The kinds of sockets that a bot needs.
const SOCKETS: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// What puts words into a terminal's mouth: TIOCSTI and TIOCLINUX (asm-generic/ioctls.h).
const TERMINAL: [u64; 2] = [0x5412, 0x541c];

/// The filter for ordinary programs: what it refuses fails with `EPERM`, `clone3` (whose arguments no filter can see) with `ENOSYS`,
/// so that the C library falls back to `clone`.
///
/// # Errors
/// [`FilterError`].
pub fn ordinary() -> Result<Filter, FilterError> {
    let processor = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| FilterError::Processor)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let argument = |index, operator, value: u64| SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value);
    let namespaces = || {
        NAMESPACES
            .iter()
            .map(|flag| {
                let flag = u64::from(flag.cast_unsigned());
                SeccompRule::new(vec![argument(0, SeccompCmpOp::MaskedEq(flag), flag)?])
            })
            .collect::<Result<Vec<_>, _>>()
    };
    rules.insert(libc::SYS_unshare, namespaces()?);
    // Its lowest byte is a signal there, and CLONE_NEWTIME is a part of that.
    let mut cloned = namespaces()?;
    cloned.pop();
    rules.insert(libc::SYS_clone, cloned);
    let others = SOCKETS.iter().map(|kind| argument(0, SeccompCmpOp::Ne, u64::from(kind.cast_unsigned())));
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(others.collect::<Result<_, _>>()?)?]);
    let terminal = |request: &u64| SeccompRule::new(vec![argument(1, SeccompCmpOp::Eq, *request)?]);
    rules.insert(libc::SYS_ioctl, TERMINAL.iter().map(terminal).collect::<Result<_, _>>()?);
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, processor)?;
    let mut program = unknown_calls();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(Filter(program))
}

/// In front of the rest: `clone3`, and on x86-64 every call of the other set of numbers (x32), by which the rules could be walked
/// around, do not exist.
fn unknown_calls() -> BpfProgram {
    /// Load a word of what is judged; compare and jump; answer (linux/bpf_common.h).
    const LOAD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    #[cfg(target_arch = "x86_64")]
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const ANSWER: u16 = 0x06;
    const NUMBER_OF_THE_CALL: u32 = 0;
    const ERRNO: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let answer = step(ANSWER, 0, 0, ERRNO | libc::ENOSYS.cast_unsigned());
    vec![
        step(LOAD, 0, 0, NUMBER_OF_THE_CALL),
        #[cfg(target_arch = "x86_64")]
        step(JUMP_IF_AT_LEAST, 0, 1, 0x4000_0000),
        #[cfg(target_arch = "x86_64")]
        answer.clone(),
        step(JUMP_IF_EQUAL, 0, 1, u32::try_from(libc::SYS_clone3).unwrap_or(u32::MAX)),
        answer,
    ]
}

/// Whether this kernel takes filters.
pub fn filters_available() -> bool {
    // Of a null filter it says EFAULT where it knows filters, and EINVAL where not.
    // SAFETY: no memory is touched.
    let answer =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, std::ptr::null::<libc::c_void>()) };
    answer < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    /// What the kernel would answer: the filter carried out on what it is shown.
    fn judged(filter: &Filter, architecture: u32, call: i64, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend_from_slice(&u32::try_from(call).unwrap().to_ne_bytes());
        data.extend_from_slice(&architecture.to_ne_bytes());
        data.extend_from_slice(&[0; 8]);
        for argument in arguments {
            data.extend_from_slice(&argument.to_ne_bytes());
        }
        let (mut at, mut accumulator) = (0_usize, 0_u32);
        loop {
            let step = &filter.0[at];
            at += 1;
            let jump = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
            match step.code {
                0x20 => {
                    let from = step.k as usize;
                    accumulator = u32::from_ne_bytes(data[from..from + 4].try_into().unwrap());
                }
                0x15 => at += jump(accumulator == step.k),
                0x25 => at += jump(accumulator > step.k),
                0x35 => at += jump(accumulator >= step.k),
                0x54 => accumulator &= step.k,
                0x05 => at += step.k as usize,
                0x06 => return step.k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    const ALLOWED: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;
    #[cfg(target_arch = "x86_64")]
    const HERE: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const HERE: u32 = 0xc000_00b7;

    #[test]
    fn ordinary_calls_pass_and_others_are_refused() {
        let filter = ordinary().unwrap();
        let of =
            |call, first: libc::c_int| judged(&filter, HERE, call, [u64::from(first.cast_unsigned()), 0, 0, 0, 0, 0]);
        for call in [
            libc::SYS_read,
            libc::SYS_openat,
            libc::SYS_execve,
            libc::SYS_futex,
            libc::SYS_connect,
            libc::SYS_clock_gettime,
            libc::SYS_prctl,
        ] {
            assert_eq!(of(call, 0), ALLOWED, "{call}");
        }
        for call in REFUSED {
            assert_eq!(of(*call, 0), EPERM, "{call}");
        }
        for kind in SOCKETS {
            assert_eq!(of(libc::SYS_socket, kind), ALLOWED, "{kind}");
        }
        for kind in [libc::AF_PACKET, libc::AF_VSOCK, libc::AF_ALG, libc::AF_BLUETOOTH] {
            assert_eq!(of(libc::SYS_socket, kind), EPERM, "{kind}");
        }
    }

    #[test]
    fn nobody_types_into_a_terminal() {
        let filter = ordinary().unwrap();
        let ioctl = |request| judged(&filter, HERE, libc::SYS_ioctl, [0, request, 0, 0, 0, 0]);
        assert_eq!((ioctl(0x5412), ioctl(0x541c)), (EPERM, EPERM));
        assert_eq!((ioctl(0x5401), ioctl(0x541b)), (ALLOWED, ALLOWED), "TCGETS, FIONREAD");
    }

    #[test]
    fn threads_and_children_are_made_and_namespaces_are_not() {
        let filter = ordinary().unwrap();
        let clone = |flags: u64| judged(&filter, HERE, libc::SYS_clone, [flags, 0, 0, 0, 0, 0]);
        let thread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
        assert_eq!(clone(u64::from(thread.cast_unsigned())), ALLOWED);
        assert_eq!(clone(u64::from(libc::SIGCHLD.cast_unsigned())), ALLOWED, "a fork");
        for namespace in &NAMESPACES[..7] {
            let flags = u64::from((namespace | libc::SIGCHLD).cast_unsigned());
            assert_eq!(clone(flags), EPERM, "{namespace:#x}");
            assert_eq!(judged(&filter, HERE, libc::SYS_unshare, [flags, 0, 0, 0, 0, 0]), EPERM, "{namespace:#x}");
        }
        assert_eq!(judged(&filter, HERE, libc::SYS_unshare, [0x80, 0, 0, 0, 0, 0]), EPERM);
        let files = u64::from(libc::CLONE_FILES.cast_unsigned());
        assert_eq!(judged(&filter, HERE, libc::SYS_unshare, [files, 0, 0, 0, 0, 0]), ALLOWED);
        assert_eq!(judged(&filter, HERE, libc::SYS_clone3, [0; 6]), ENOSYS);
    }

    #[test]
    fn other_numberings_lead_around_nothing() {
        let filter = ordinary().unwrap();
        #[cfg(target_arch = "x86_64")]
        for call in [libc::SYS_ptrace, libc::SYS_read, 521] {
            assert_eq!(judged(&filter, HERE, call | 0x4000_0000, [0; 6]), ENOSYS, "{call}");
        }
        let other = judged(&filter, 0x4000_0003, libc::SYS_read, [0; 6]);
        assert_eq!(other, 0x8000_0000, "a program of another architecture is killed");
    }

    #[test]
    fn it_is_short() {
        assert!(ordinary().unwrap().0.len() < 1_000);
    }
}
