//! A running system for the benches.

use crate::place::Site;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

/// Signals a process that the bench started.
pub fn signal(pid: i32, signal: i32) {
    assert!(pid > 1);
    // SAFETY: no memory is touched.
    unsafe { libc::kill(pid, signal) };
}

/// Puts a process, with all its threads, or the calling thread (0) on the usable processor with this place, if there is one.
pub fn pin(pid: i32, place: usize) {
    let usable = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let Some(processor) = (0..CpuSet::count()).filter(|one| usable.is_set(*one).unwrap()).nth(place) else { return };
    let mut set = CpuSet::new();
    set.set(processor).unwrap();
    let threads = match pid {
        0 => vec![0],
        _ => fs::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .map(|one| one.unwrap().file_name())
            .filter_map(|name| name.to_str()?.parse().ok())
            .collect(),
    };
    for thread in threads {
        sched_setaffinity(Pid::from_raw(thread), &set).unwrap();
    }
}

/// Whether the process exists and is no zombie.
pub fn exists(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

/// The stamping component.
pub fn stamp_program() -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_failstop"));
    binary.parent().unwrap().join("examples/stamp").to_str().unwrap().to_owned()
}

/// Waits for the `index`-th stamp (0-based) in a file.
pub fn wait_stamp(path: &Path, index: usize) -> u64 {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        let bytes = fs::read(path).unwrap_or_default();
        if let Some(stamp) = bytes.chunks_exact(8).nth(index) {
            return u64::from_le_bytes(stamp.try_into().unwrap());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    panic!("no stamp {index} in {}", path.display());
}

/// `failstop run` in a folder of its own, stopped on drop.
pub struct Run {
    folder: tempfile::TempDir,
    /// What was started: the guard, or in some places its parent.
    started: Child,
    site: Site,
}

impl Run {
    /// Starts it with this configuration; `STAMP` is the stamping component, `DIR` the folder.
    pub fn start(configuration: &str) -> Self {
        Self::start_in(Site::plain(), configuration)
    }

    /// The same in a place.
    pub fn start_in(site: Site, configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let head = format!(
            "[system]\nname = \"bench-{}\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\nmode = \"dry\"\n{}[observe]\nlisten = \"127.0.0.1:0\"\n",
            std::process::id(),
            site.system_lines()
        );
        let text = format!("{head}{configuration}")
            .replace("STAMP", &stamp_program())
            .replace("DIR", folder.path().to_str().unwrap());
        fs::write(folder.path().join("failstop.toml"), text).unwrap();
        let log = fs::File::create(folder.path().join("run.log")).unwrap();
        if let Some(owner) = site.owner() {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            for path in [folder.path().to_owned(), folder.path().join("failstop.toml")] {
                chown(path, Some(owner), Some(owner)).unwrap();
            }
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_failstop"));
        command.args(["run", "--config"]).arg(folder.path().join("failstop.toml"));
        let mut command = site.command(&command);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let started = command.spawn().unwrap();
        let run = Self { folder, started, site };
        run.wait_active();
        run
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command on this system.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failstop"));
        command.args(subcommand.split(' ')).arg("--config").arg(self.path("failstop.toml"));
        command
    }

    /// The status.
    pub fn status(&self) -> Option<serde_json::Value> {
        let output = self.command("status").args(["--format", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Waits until everything is ready and active.
    pub fn wait_active(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            let active = self.status().is_some_and(|status| {
                status["permission"] == "active"
                    && status["components"].as_array().is_some_and(|all| all.iter().all(|one| one["ready"] == true))
            });
            if active {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("never active:\n{}", fs::read_to_string(self.path("run.log")).unwrap_or_default());
    }

    /// The stamp of the component's start number `index`.
    pub fn stamp(&self, index: usize) -> u64 {
        wait_stamp(&self.path("stamps"), index)
    }

    /// What a component wrote into a file of this name, once it is there.
    pub fn wait_file(&self, name: &str) -> String {
        let end = Instant::now() + Duration::from_secs(600);
        while Instant::now() < end {
            if let Ok(text) = fs::read_to_string(self.path(name)) {
                return text;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no {name}:\n{}", fs::read_to_string(self.path("run.log")).unwrap_or_default());
    }

    /// The main processes of all components.
    pub fn component_pids(&self) -> Vec<i32> {
        let status = self.status().unwrap();
        let components = status["components"].as_array().unwrap();
        components.iter().filter_map(|one| i32::try_from(one["pid"].as_i64()?).ok()).collect()
    }

    /// The main process of the only component.
    pub fn component_pid(&self) -> i32 {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if let Some(pid) = self.component_pids().first() {
                return *pid;
            }
        }
        panic!("no component runs");
    }

    fn guard_pid(&self) -> i32 {
        let started = i32::try_from(self.started.id()).unwrap();
        if self.site.is_parent_of_guard() { only_child(started) } else { started }
    }

    /// Guard and engine, by the numbers that they have here: the engine is the guard's only child.
    pub fn own_pids(&self) -> [i32; 2] {
        let guard = self.guard_pid();
        [guard, only_child(guard)]
    }

    /// The first processes of the components' namespaces, where they have such: failstop's own, too.
    pub fn inits(&self) -> Vec<i32> {
        let [_, engine] = self.own_pids();
        let is_init = |pid: &i32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "failstop-init")
        };
        children(engine).into_iter().filter(is_init).collect()
    }
}

fn children(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

fn only_child(pid: i32) -> i32 {
    let children = children(pid);
    assert_eq!(children.len(), 1, "process {pid} has the children {children:?}");
    children[0]
}

impl Drop for Run {
    fn drop(&mut self) {
        signal(self.guard_pid(), libc::SIGTERM);
        drop(self.started.wait());
    }
}
