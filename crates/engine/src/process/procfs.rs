//! Reads `/proc`: who is whose child, since when, and what a process carries. For the modules that must find processes.

use crate::process::mark::Marks;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The largest environment that is searched for marks. The kernel's own limit for arguments and environment together is
/// a quarter of the stack limit, 2 MiB by default.
const ENVIRON_MAX_BYTES: u64 = 8 << 20;

/// Exactly one process of this boot: a number alone may be reused, a number with its start time is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// The process number.
    pub pid: i32,
    /// When it started: clock ticks since boot, as field 22 of `/proc/PID/stat` counts them.
    pub start_time: u64,
}

/// What `/proc/PID/stat` says, as far as it is needed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Which process.
    pub id: ProcessId,
    /// Its parent.
    pub parent: i32,
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`.
    pub state: char,
    /// The name of its program, at most 15 bytes.
    pub comm: String,
    /// Whether it is a thread of the kernel.
    pub kernel: bool,
    /// Whether its first thread is on its way out: it runs nothing of its program any more, and its environment and its
    /// descriptors are gone or going.
    pub exiting: bool,
}

impl Stat {
    /// Whether its first thread has ended. Others may still run: see [`is_dead`].
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Whether it sleeps where not even SIGKILL reaches it for now.
    pub fn is_uninterruptible(&self) -> bool {
        self.state == 'D'
    }
}

/// Reads `/proc/PID/stat`.
///
/// # Errors
/// `NotFound` (or `ESRCH`) when there is no such process, and whatever the kernel says otherwise.
pub fn stat(pid: i32) -> io::Result<Stat> {
    let mut buffer = [0_u8; 1024];
    let mut file = File::open(format!("/proc/{pid}/stat"))?;
    let length = file.read(&mut buffer)?;
    parse_stat(buffer.get(..length).unwrap_or_default())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat has an unknown form")))
}

/// The name may contain anything, spaces and parentheses included, so the fields are counted from the last `)`.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    // PF_KTHREAD and PF_EXITING.
    const KERNEL_THREAD: u64 = 0x0020_0000;
    const EXITING: u64 = 0x0000_0004;
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(line.get(..open)?).ok()?.trim().parse().ok()?;
    let comm = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    // Field 3 of the manual page is the first one here.
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let flags: u64 = fields.nth(4)?.parse().ok()?;
    let start_time = fields.nth(12)?.parse().ok()?;
    let (kernel, exiting) = (flags & KERNEL_THREAD != 0, flags & EXITING != 0);
    Some(Stat { id: ProcessId { pid, start_time }, parent, state, comm, kernel, exiting })
}

/// The status with which a zombie ended, as `wait` gives it; `None` where there is no such process, or where this process may
/// not know.
pub fn exit_code(pid: i32) -> Option<i32> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Field 52 of the manual page; field 3 is the first one behind the name.
    line.rsplit_once(')')?.1.split_ascii_whitespace().nth(49)?.parse().ok()
}

/// Every process number there is, kernel threads included.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn all() -> io::Result<Vec<i32>> {
    let mut pids = Vec::with_capacity(256);
    for entry in std::fs::read_dir("/proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// The direct children of a process, those of all its threads. Empty when it is gone.
///
/// One reading may miss a child that arrives or vanishes meanwhile, except that children of the *calling* process never
/// vanish while its one reaping thread is here: for those, what the list does not hold had not yet been born or
/// re-parented when the reading began.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn children_of(pid: i32) -> io::Result<Vec<i32>> {
    let mut children = Vec::new();
    let tasks = match std::fs::read_dir(format!("/proc/{pid}/task")) {
        Ok(tasks) => tasks,
        Err(error) if is_gone(&error) => return Ok(children),
        Err(error) => return Err(error),
    };
    for task in tasks {
        let task = match task {
            Ok(task) => task.path(),
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        match std::fs::read_to_string(task.join("children")) {
            Ok(list) => children.extend(list.split_ascii_whitespace().filter_map(|child| child.parse::<i32>().ok())),
            Err(error) if is_gone(&error) => {
                // Either the thread is gone, or this kernel has no such file (CONFIG_PROC_CHILDREN).
                if task.join("stat").exists() {
                    return children_by_scan(pid);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(children)
}

/// The children that the calling process's main thread has started, and every process that was re-parented to it: the
/// kernel hands orphans to a process's first thread for as long as that one lives. Children that its other threads have
/// started are not among them.
///
/// The list is kept open: one short read tells it, where walking all threads takes four calls a thread.
#[derive(Debug)]
pub struct OwnChildren {
    pid: i32,
    /// `None` where this kernel has no such file (CONFIG_PROC_CHILDREN): then all processes are looked at.
    list: Option<File>,
}

impl OwnChildren {
    /// Opens the calling process's list.
    pub fn open() -> Self {
        // SAFETY: takes nothing and cannot fail.
        let pid = unsafe { libc::getpid() };
        Self { pid, list: File::open(format!("/proc/{pid}/task/{pid}/children")).ok() }
    }

    /// Who is there now. The guarantee of [`children_of`] for the calling process holds.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn read(&self) -> io::Result<Vec<i32>> {
        let Some(list) = &self.list else { return children_by_scan(self.pid) };
        let mut text = Vec::new();
        let mut buffer = [0_u8; 4096];
        loop {
            // From the start each time, so that the kernel makes the list anew.
            let length = list.read_at(&mut buffer, text.len() as u64)?;
            text.extend_from_slice(buffer.get(..length).unwrap_or_default());
            if length == 0 {
                break;
            }
        }
        let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let children = words.map(|word| std::str::from_utf8(word).ok()?.parse().ok()).collect::<Option<Vec<i32>>>();
        children.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the list of children has an unknown form"))
    }
}

fn children_by_scan(parent: i32) -> io::Result<Vec<i32>> {
    let mut children = Vec::new();
    for pid in all()? {
        if stat(pid).is_ok_and(|stat| stat.parent == parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// The marks in the environment that the process was started with.
///
/// # Errors
/// `PermissionDenied` for another user's process, `NotFound` or `ESRCH` for one that is gone.
pub fn marks(pid: i32) -> io::Result<Marks> {
    let mut environ = Vec::with_capacity(4096);
    File::open(format!("/proc/{pid}/environ"))?.take(ENVIRON_MAX_BYTES).read_to_end(&mut environ)?;
    if environ.is_empty() {
        // A kernel thread, a zombie, or a process whose first thread has ended while others run: those still show it.
        for task in other_threads(pid) {
            File::open(format!("/proc/{pid}/task/{task}/environ"))?
                .take(ENVIRON_MAX_BYTES)
                .read_to_end(&mut environ)?;
            if !environ.is_empty() {
                break;
            }
        }
    }
    Ok(Marks::parse(&environ))
}

/// Whether nothing of the process runs any more: a zombie without further threads.
pub fn is_dead(stat: &Stat) -> bool {
    stat.is_zombie() && other_threads(stat.id.pid).is_empty()
}

/// Whether nothing of the process's program runs any more, though it may not be a zombie yet.
pub fn is_ending(stat: &Stat) -> bool {
    (stat.is_zombie() || stat.exiting) && other_threads(stat.id.pid).is_empty()
}

/// Whether the process cannot but end: it is gone, its first thread has ended or is ending, or SIGKILL waits for one of its
/// threads. Others of them may still run in the kernel, and hold what they have open.
pub fn is_doomed(pid: i32) -> bool {
    match stat(pid) {
        Ok(stat) => stat.is_zombie() || stat.exiting || is_killed(pid),
        Err(error) => is_gone(&error),
    }
}

/// The kernel marks every thread of a process when it is killed; each takes the mark off when it gets to run.
fn is_killed(pid: i32) -> bool {
    let tasks = std::iter::once(pid).chain(other_threads(pid));
    tasks.filter_map(|task| std::fs::read_to_string(format!("/proc/{pid}/task/{task}/status")).ok()).any(|status| {
        let pending = |field| status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim);
        [pending("SigPnd:"), pending("ShdPnd:")].into_iter().flatten().any(has_sigkill)
    })
}

/// Whether a set of signals, as `/proc/PID/status` writes it in hexadecimal, holds SIGKILL.
fn has_sigkill(set: &str) -> bool {
    u64::from_str_radix(set, 16).is_ok_and(|set| set & (1 << (libc::SIGKILL - 1)) != 0)
}

fn other_threads(pid: i32) -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let tasks = tasks.filter_map(Result::ok).filter_map(|task| task.file_name().to_str()?.parse().ok());
    tasks.filter(|task| *task != pid).collect()
}

/// The path of the process in the cgroup v2 hierarchy, as this process's cgroup namespace shows it; `None` where there is
/// no such hierarchy.
///
/// # Errors
/// `NotFound` or `ESRCH` for a process that is gone.
pub fn cgroup_path(pid: i32) -> io::Result<Option<String>> {
    let text = std::fs::read(format!("/proc/{pid}/cgroup"))?;
    Ok(String::from_utf8_lossy(&text).lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned))
}

/// How the process is numbered in each process namespace that it is in: first in the one that `/proc` shows, last in its own.
///
/// # Errors
/// `NotFound` or `ESRCH` for a process that is gone.
pub fn numbers(pid: i32) -> io::Result<Vec<i32>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    Ok(line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect())
}

/// The user that the process runs as: the owner of its directory in `/proc`.
///
/// # Errors
/// `NotFound` for a process that is gone.
pub fn user(pid: i32) -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(std::fs::metadata(Path::new("/proc").join(pid.to_string()))?.uid())
}

/// The user that started the process, whatever rights it took on since.
///
/// # Errors
/// `NotFound` for a process that is gone.
pub fn real_user(pid: i32) -> io::Result<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let uid = text.lines().find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().next()?.parse().ok());
    uid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/status has no user")))
}

/// Whether an error about a file in `/proc/PID` only means that the process is no more.
pub fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// The identity of this boot, so that process numbers and start times of an earlier one are not taken for ours.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_move_the_fields() {
        let line = b"4321 (a) R 1 (b c) S 77 4321 4321 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let stat = parse_stat(line).unwrap();
        assert_eq!(stat.id, ProcessId { pid: 4321, start_time: 987_654 });
        assert_eq!((stat.parent, stat.state, stat.comm.as_str(), stat.kernel), (77, 'S', "a) R 1 (b c", false));
    }

    #[test]
    fn a_kernel_thread_is_recognised_by_its_flag() {
        let line = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0";
        assert!(parse_stat(line).unwrap().kernel);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [&b""[..], b"1", b"1 (x", b"1 (x) S", b"x (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"] {
            assert_eq!(parse_stat(line), None);
        }
    }

    #[test]
    fn a_process_of_this_namespace_has_one_number_the_last_of_which_is_its_own() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(numbers(me).unwrap().last(), Some(&me));
        assert!(numbers(0).is_err());
    }

    #[test]
    fn sigkill_is_found_in_a_set_of_signals() {
        assert!(has_sigkill("0000000000000100"));
        assert!(has_sigkill("ffffffffffffffff"));
        assert!(!has_sigkill("0000000000004280"));
        assert!(!has_sigkill(""));
    }

    #[test]
    fn a_process_is_doomed_once_it_is_killed_and_not_before() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(!is_doomed(pid));
        child.kill().unwrap();
        // Whether it has run since or not: killed, ending, a zombie, and gone are all the same to us.
        assert!(is_doomed(pid));
        child.wait().unwrap();
        assert!(is_doomed(pid));
    }

    #[test]
    fn this_process_finds_itself_and_its_child() {
        let me = i32::try_from(std::process::id()).unwrap();
        let own = stat(me).unwrap();
        assert_eq!(own.id.pid, me);
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(children_of(me).unwrap().contains(&pid));
        assert!(children_by_scan(me).unwrap().contains(&pid));
        let by_test_thread = format!("/proc/{me}/task/{}/children", nix::unistd::gettid());
        let list = OwnChildren { pid: me, list: Some(File::open(by_test_thread).unwrap()) };
        assert_eq!(list.read().unwrap(), [pid]);
        assert!(OwnChildren { pid: me, list: None }.read().unwrap().contains(&pid));
        assert_eq!(stat(pid).unwrap().parent, me);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&stat(pid).unwrap_err()));
        assert!(children_of(pid).unwrap().is_empty());
        assert!(list.read().unwrap().is_empty(), "read anew");
    }
}
