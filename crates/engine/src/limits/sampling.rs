//! Samples what process trees, the engine and the host use, for limits, status and metrics.
//!
//! Memory of a tree is the sum of the proportional set sizes of its processes (resident sizes would count shared pages
//! once for each process). It costs about 0.25 ms for a small interpreter and 10 ms for each gigabyte that a process has
//! resident, since the kernel walks its page tables: 10 small components twice a minute take 5 ms of processor time.

use failstop_client::status::HostSummary;
use failstop_core::Monotonic;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What one tree uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeSample {
    /// Processes of the tree that were alive (zombies use nothing and do not count).
    pub processes: usize,
    /// Their threads, themselves included: what the kernel counts against a limit of processes.
    pub tasks: u64,
    /// Open descriptors of the process that has most; `None` where nobody asked or they could not be counted.
    pub files: Option<u64>,
    /// Sum of proportional set sizes, bytes.
    pub memory_bytes: u64,
    /// At least one process did not let its proportional set size be read, or there are more than [`MEASURED_MAX`]; its
    /// resident size was taken, which is not less.
    pub approximate: bool,
    /// Processor time of all trees of this component since sampling began. Never falls.
    pub cpu: Duration,
    /// Processor time since the sample before, in percent of the processors that may be used: 0 to 100, but for the
    /// clock's grain. `None` for the first sample.
    pub cpu_percent: Option<f64>,
}

/// Of so many processes of one tree the proportional set size is read. It costs the loop some 0.25 ms each, which a tree that
/// multiplies must not turn into a lapse of the permit.
pub const MEASURED_MAX: usize = 256;

/// Samples the trees of all components, one by one, and remembers each one's last sample for the difference.
#[derive(Debug)]
pub struct TreeSampler {
    trees: BTreeMap<String, Remembered>,
    processors: f64,
    tick: Duration,
    page_bytes: u64,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Remembered {
    /// What the living processes said the last time.
    living: Duration,
    /// Processor time of processes that are gone and that no living one inherited.
    gone: Duration,
    /// When, and what the sum was then.
    last: Option<(Monotonic, Duration)>,
}

impl Default for TreeSampler {
    fn default() -> Self {
        Self::new()
    }
}

impl TreeSampler {
    /// A sampler that has seen nothing. Reads how many processors may be used (affinity and cgroup quota) once.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            trees: BTreeMap::new(),
            processors: f64::from(u32::try_from(processors).unwrap_or(u32::MAX)),
            tick: clock_tick(),
            page_bytes: page_bytes(),
            buffer: Vec::with_capacity(4096),
        }
    }

    /// Samples the tree of `component`, whose living processes are `pids` now. A process that is gone meanwhile counts
    /// nothing. Blocks for as long as the kernel takes to fill two small files a process.
    /// `count_files`: whether descriptors are counted, too.
    pub fn sample(&mut self, component: &str, pids: &[u32], count_files: bool, now: Monotonic) -> TreeSample {
        let mut processes = 0;
        let mut tasks = 0u64;
        let mut files = None;
        let mut memory_bytes = 0u64;
        let mut approximate = false;
        let mut living = Duration::ZERO;
        for pid in pids {
            let directory = PathBuf::from(format!("/proc/{pid}"));
            let Some(stat) = self.read(&directory.join("stat")).ok().and_then(Stat::parse) else { continue };
            living = living.saturating_add(ticks(stat.cpu_ticks_with_children, self.tick));
            if stat.dead {
                continue;
            }
            processes += 1;
            tasks = tasks.saturating_add(stat.threads);
            if count_files {
                files = files.max(open_files(&directory));
            }
            let measured = processes <= MEASURED_MAX;
            let pss = measured.then(|| self.read(&directory.join("smaps_rollup")).ok().and_then(pss_bytes)).flatten();
            approximate |= pss.is_none();
            let bytes = pss.unwrap_or_else(|| stat.resident_pages.saturating_mul(self.page_bytes));
            memory_bytes = memory_bytes.saturating_add(bytes);
        }
        let processors = self.processors;
        let tree = self.trees.entry(component.to_owned()).or_default();
        // A child's time moves to its parent when the parent reaps it. What the living lost was lost with orphans (or
        // with the whole tree), so it is kept here: a counter must not fall.
        tree.gone = tree.gone.saturating_add(tree.living.saturating_sub(living));
        tree.living = living;
        let cpu = tree.gone.saturating_add(living);
        let cpu_percent = tree.last.and_then(|(at, before)| {
            let wall = now.since(at).as_secs_f64();
            (wall > 0.0).then(|| 100.0 * cpu.saturating_sub(before).as_secs_f64() / wall / processors)
        });
        tree.last = Some((now, cpu));
        TreeSample { processes, tasks, files, memory_bytes, approximate, cpu, cpu_percent }
    }

    fn read(&mut self, path: &Path) -> io::Result<&[u8]> {
        self.buffer.clear();
        File::open(path)?.read_to_end(&mut self.buffer)?;
        Ok(&self.buffer)
    }
}

/// Samples the host: processors and memory, and the file system of the state directory.
#[derive(Debug)]
pub struct HostSampler {
    system: sysinfo::System,
    state_dir: PathBuf,
    sampled: bool,
}

/// The host cannot be sampled.
#[derive(Debug, thiserror::Error)]
#[error(
    "the host's processors and memory cannot be sampled ({0}); status and metrics go without them. Is /proc mounted?"
)]
pub struct HostUnreadable(sysinfo::Error);

impl HostSampler {
    /// For the file system that holds `state_dir`.
    ///
    /// # Errors
    ///
    /// When the kernel's figures cannot be read at all.
    pub fn new(state_dir: &Path) -> Result<Self, HostUnreadable> {
        let system = sysinfo::System::new().map_err(HostUnreadable)?;
        Ok(Self { system, state_dir: state_dir.to_owned(), sampled: false })
    }

    /// Samples now. Processor use is the mean since the sample before, so it is `None` the first time; samples should be
    /// at least 200 ms apart. Only the state directory's own file system is asked: walking all mounts could hang on a
    /// dead network share.
    pub fn sample(&mut self) -> HostSummary {
        self.system.refresh_memory();
        self.system.refresh_cpu_usage();
        let cpu_percent = self.sampled.then(|| f64::from(self.system.global_cpu_usage()));
        self.sampled = true;
        let (disk_total_bytes, disk_available_bytes) = disk(&self.state_dir).unwrap_or((0, 0));
        HostSummary {
            cpu_percent: cpu_percent.filter(|percent| percent.is_finite()),
            memory_total_bytes: self.system.total_memory(),
            memory_available_bytes: self.system.available_memory(),
            disk_total_bytes,
            disk_available_bytes,
        }
    }
}

/// Total and available bytes of the file system that holds `path`.
fn disk(path: &Path) -> nix::Result<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    let block = stat.fragment_size();
    Ok((stat.blocks().saturating_mul(block), stat.blocks_available().saturating_mul(block)))
}

/// The engine's own process, for the `process_*` metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSample {
    /// Processor time, user and system, without children.
    pub cpu: Duration,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Virtual memory, bytes.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub open_fds: u64,
    /// How many it may open; `None` where there is no limit.
    pub max_fds: Option<u64>,
    /// When it started, by the wall clock.
    pub started: jiff::Timestamp,
}

impl ProcessSample {
    /// Samples this process now.
    ///
    /// # Errors
    ///
    /// When `/proc` is not mounted or not readable.
    pub fn own() -> io::Result<Self> {
        let text = std::fs::read("/proc/self/stat")?;
        let stat = Stat::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/stat"))?;
        // The directory's own descriptor is among those listed.
        let open_fds = std::fs::read_dir("/proc/self/fd")?.count().saturating_sub(1);
        let tick = clock_tick();
        let running = boot_time()?.saturating_sub(ticks(stat.start_ticks, tick));
        Ok(Self {
            cpu: ticks(stat.cpu_ticks, tick),
            resident_bytes: stat.resident_pages.saturating_mul(page_bytes()),
            virtual_bytes: stat.virtual_bytes,
            threads: stat.threads,
            open_fds: u64::try_from(open_fds).unwrap_or(u64::MAX),
            max_fds: max_fds(),
            started: jiff::Timestamp::now().saturating_sub(running).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        })
    }
}

/// Figures of any one process, without its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessFigures {
    /// Processor time, user and system, without children.
    pub cpu: Duration,
    /// Since its start.
    pub age: Duration,
    /// Threads, itself included.
    pub threads: u64,
}

impl ProcessFigures {
    /// Reads them; `None` when it is gone.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = Stat::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)?;
        let tick = clock_tick();
        Some(Self {
            cpu: ticks(stat.cpu_ticks, tick),
            age: boot_time().ok()?.saturating_sub(ticks(stat.start_ticks, tick)),
            threads: stat.threads,
        })
    }
}

/// Proportional set size of one process, bytes.
///
/// # Errors
///
/// When the process is gone or belongs to somebody else.
pub fn process_pss_bytes(pid: u32) -> io::Result<u64> {
    let text = std::fs::read(format!("/proc/{pid}/smaps_rollup"))?;
    pss_bytes(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no Pss line in smaps_rollup"))
}

/// How many descriptors a process has open. Since Linux 6.2 the directory's size says so; before, its entries are counted.
pub(crate) fn open_files(process: &Path) -> Option<u64> {
    let directory = process.join("fd");
    match std::fs::metadata(&directory).ok()?.len() {
        0 => u64::try_from(std::fs::read_dir(&directory).ok()?.count()).ok(),
        counted => Some(counted),
    }
}

/// The fields of `/proc/PID/stat` that are used here (see proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    dead: bool,
    cpu_ticks: u64,
    cpu_ticks_with_children: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    /// The command's name may hold spaces and parentheses, so fields are counted from the last `)`.
    fn parse(text: &[u8]) -> Option<Self> {
        let after = text.iter().rposition(|byte| *byte == b')')? + 1;
        let text = std::str::from_utf8(text.get(after..)?).ok()?;
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        // `fields[0]` is field 3 of the manual page.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let own = number(14)?.saturating_add(number(15)?);
        // Children's times are signed in the kernel, never negative.
        let children = number(16)?.saturating_add(number(17)?);
        Some(Self {
            dead: matches!(*fields.first()?, "Z" | "X" | "x"),
            cpu_ticks: own,
            cpu_ticks_with_children: own.saturating_add(children),
            threads: number(20)?,
            start_ticks: number(22)?,
            virtual_bytes: number(23)?,
            resident_pages: number(24)?,
        })
    }
}

/// The `Pss:` line of `smaps_rollup`, bytes.
fn pss_bytes(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn ticks(count: u64, tick: Duration) -> Duration {
    // Ticks are 10 ms nearly everywhere; u64 nanoseconds then hold 580 years.
    Duration::from_nanos(count.saturating_mul(u64::try_from(tick.as_nanos()).unwrap_or(10_000_000)))
}

fn clock_tick() -> Duration {
    let a_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    let a_second = a_second.and_then(|ticks| u32::try_from(ticks).ok()).filter(|ticks| *ticks > 0).unwrap_or(100);
    Duration::from_secs(1) / a_second
}

fn page_bytes() -> u64 {
    let bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(4096)
}

fn max_fds() -> Option<u64> {
    let (soft, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).ok()?;
    (soft != nix::sys::resource::RLIM_INFINITY).then_some(soft)
}

fn boot_time() -> io::Result<Duration> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)?;
    Ok(Duration::from(now))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::{HostSampler, ProcessSample, Stat, TreeSampler, process_pss_bytes, pss_bytes};
    use failstop_core::Monotonic;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    const LINE: &[u8] = b"4242 (a) b (c) S 1 4242 4242 0 -1 4194560 1 2 3 4 100 50 7 3 20 0 5 0 123456 9000000 321 18446744073709551615 1 1 0\n";

    #[test]
    fn a_stat_line_is_read_past_a_strange_name() {
        let stat = Stat::parse(LINE).unwrap();
        assert_eq!(
            stat,
            Stat {
                dead: false,
                cpu_ticks: 150,
                cpu_ticks_with_children: 160,
                threads: 5,
                start_ticks: 123_456,
                virtual_bytes: 9_000_000,
                resident_pages: 321
            }
        );
    }

    #[test]
    fn half_a_stat_line_is_none() {
        for end in 0..LINE.len() - 40 {
            assert_eq!(Stat::parse(&LINE[..end]), None, "{end}");
        }
    }

    #[test]
    fn pss_is_taken_and_not_its_parts() {
        let text = b"5600-7ffc ---p 0 00:00 0 [rollup]\nRss: 900 kB\nPss:  123 kB\nPss_Dirty: 7 kB\nPss_Anon: 8 kB\n";
        assert_eq!(pss_bytes(text), Some(123 * 1024));
        assert_eq!(pss_bytes(b"Rss: 1 kB\n"), None);
    }

    /// A shell that burns some time in children which it reaps, says so, then waits for its input to end.
    struct Burner(Child);

    impl Burner {
        fn start() -> Self {
            let mut child = Command::new("/bin/sh")
                .args(["-c", "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done; echo done; read line"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut word = [0u8; 5];
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut word).unwrap();
            Self(child)
        }
    }

    impl Drop for Burner {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_tree_is_summed_and_its_time_never_falls() {
        let mut sampler = TreeSampler::new();
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        let (one, other) = (Burner::start(), Burner::start());
        let pids = [one.0.id(), other.0.id()];
        let first = sampler.sample("bot", &pids, false, at(1));
        assert_eq!(first.processes, 2);
        assert!(!first.approximate);
        assert!(first.memory_bytes > 50_000, "{first:?}");
        assert_eq!(first.cpu_percent, None);
        assert!(first.cpu > Duration::ZERO, "{first:?}");
        let alone = sampler.sample("alone", &pids[..1], true, at(1));
        assert!(alone.memory_bytes < first.memory_bytes);
        assert_eq!((first.tasks, alone.tasks, first.files), (2, 1, None));
        assert!(alone.files >= Some(3), "standard input, output and error: {alone:?}");

        drop(one);
        let second = sampler.sample("bot", &pids, false, at(31));
        assert_eq!(second.processes, 1);
        assert!(second.cpu >= first.cpu, "{first:?} {second:?}");
        assert!(second.cpu_percent.unwrap() >= 0.0);
        drop(other);
        let third = sampler.sample("bot", &pids, false, at(61));
        assert_eq!((third.processes, third.memory_bytes), (0, 0));
        assert_eq!(third.cpu, second.cpu);
    }

    #[test]
    fn a_zombie_uses_no_memory() {
        let mut child = Command::new("/bin/true").spawn().unwrap();
        // WNOWAIT leaves it a zombie.
        let id = nix::sys::wait::Id::Pid(nix::unistd::Pid::from_raw(child.id().cast_signed()));
        nix::sys::wait::waitid(id, nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT)
            .unwrap();
        let sample = TreeSampler::new().sample("bot", &[child.id()], false, Monotonic::from_nanos(1));
        child.wait().unwrap();
        assert_eq!((sample.processes, sample.memory_bytes, sample.approximate), (0, 0, false));
    }

    #[test]
    fn the_engine_and_the_host_can_be_sampled() {
        let own = ProcessSample::own().unwrap();
        assert!(own.resident_bytes > 0 && own.virtual_bytes >= own.resident_bytes);
        assert!(own.threads >= 1 && own.open_fds >= 3);
        let age = jiff::Timestamp::now().duration_since(own.started);
        assert!(age.as_secs() >= -1 && age.as_secs() < 3600, "{age:?}");
        assert!(process_pss_bytes(std::process::id()).unwrap() <= own.resident_bytes * 2);

        let mut host = HostSampler::new(std::path::Path::new("/")).unwrap();
        let first = host.sample();
        assert_eq!(first.cpu_percent, None);
        assert!(first.memory_total_bytes > first.memory_available_bytes);
        assert!(first.disk_total_bytes >= first.disk_available_bytes && first.disk_total_bytes > 0);
        assert!(host.sample().cpu_percent.is_some());
    }
}
