//! A machine of its own for a test: namespaces, a throw-away copy of this machine's files, and a real systemd as first process
//! (`boot.sh`). It needs root and cgroup v2; where those are not to be had, a test says so and is skipped.

use crate::files::root;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The bound of every wait: far above what anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running machine. All of it goes with the test.
pub struct Machine {
    /// `unshare`, whose end is the end of everything in there.
    unshare: Child,
    /// Its first process, as numbered out here.
    init: u32,
    cgroup: PathBuf,
    /// Seen as `/share` in there.
    share: tempfile::TempDir,
    /// Where its files are mounted, in its own mount namespace only.
    _tree: tempfile::TempDir,
}

/// Where cgroup v2 is mounted.
fn cgroups() -> Option<&'static Path> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(Path::new)
        .find(|place| place.join("cgroup.procs").exists() && place.join("cgroup.controllers").exists())
}

/// Why no machine can be made here, if so.
fn hindrance() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("only root can".to_owned());
    }
    if !Path::new("/lib/systemd/systemd").exists() || !Path::new("/var/lib/dpkg/status").exists() {
        return Some("it needs systemd and dpkg".to_owned());
    }
    if cgroups().is_none() {
        return Some("no cgroup v2 hierarchy is mounted".to_owned());
    }
    let namespaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup"];
    let tried = Command::new("unshare").args(namespaces).arg("true").output().unwrap();
    (!tried.status.success()).then(|| String::from_utf8_lossy(&tried.stderr).trim().to_owned())
}

impl Machine {
    /// Boots one; `None`, said aloud, where this machine does not permit it.
    pub fn boot(test: &str) -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        if let Some(why) = hindrance() {
            // Past the capture of output: a test that was skipped must be seen to be.
            let _ = writeln!(std::io::stderr(), "skipped {test}: no machine of its own can be made here: {why}");
            return None;
        }
        let name = format!("failstop-test-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let cgroup = cgroups().unwrap().join(name);
        fs::create_dir(&cgroup).unwrap();
        let (tree, share) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let log = fs::File::create(share.path().join("console")).unwrap();
        let unshare = Command::new("sh")
            // Born into a cgroup that becomes the root of its hierarchy.
            .args(["-c", "echo $$ > \"$1/cgroup.procs\" && shift && exec \"$@\"", "sh"])
            .arg(&cgroup)
            .args(["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "--kill-child"])
            .arg("sh")
            .arg(root().join("tests/deploy/boot.sh"))
            .args([tree.path(), share.path()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut machine = Self { unshare, init: 0, cgroup, share, _tree: tree };
        let end = Instant::now() + PATIENCE;
        while !machine.is_up() {
            assert!(machine.unshare.try_wait().unwrap().is_none(), "it did not boot:\n{}", machine.console());
            assert!(Instant::now() < end, "it did not come up:\n{}", machine.console());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(machine)
    }

    fn is_up(&mut self) -> bool {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.unshare.id()));
        self.init = children.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        // Before systemd is the first process, what answers is this machine's own.
        let first = fs::read_to_string(format!("/proc/{}/comm", self.init)).unwrap_or_default();
        first.trim() == "systemd"
            && self.command("systemctl", &["is-active", "--quiet", "basic.target"]).status.success()
    }

    /// What it wrote to its console.
    pub fn console(&self) -> String {
        fs::read_to_string(self.share.path().join("console")).unwrap_or_default()
    }

    /// Runs a program in there, to its end.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"]);
        command.args(["--root", "--wd", "--", program]).args(arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a line of shell in there, and returns its exit status and all that it printed.
    pub fn shell(&self, line: &str) -> (i32, String) {
        let output = self.command("sh", &["-c", line]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap_or(-1), said)
    }

    /// The same, which must end with 0.
    #[track_caller]
    pub fn good(&self, line: &str) -> String {
        let (status, said) = self.shell(line);
        assert_eq!(status, 0, "{line}\n{said}\n{}", self.journal());
        said.trim_end().to_owned()
    }

    /// Waits until a line of shell ends with 0.
    #[track_caller]
    pub fn until(&self, line: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (status, said) = self.shell(line);
            if status == 0 {
                return;
            }
            assert!(Instant::now() < end, "waited in vain for: {line}\n{said}\n{}", self.journal());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A property of a unit.
    pub fn property(&self, unit: &str, property: &str) -> String {
        self.good(&format!("systemctl show --property={property} --value {unit}"))
    }

    /// Puts a file of this machine into it.
    pub fn put(&self, file: &Path, name: &str) {
        fs::copy(file, self.share.path().join(name)).unwrap();
    }

    /// Writes a file in there, through `/share`.
    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.share.path().join("file"), text).unwrap();
        self.good(&format!("cp /share/file {path}"));
    }

    fn journal(&self) -> String {
        let output = self.command("journalctl", &["--no-pager", "--output=cat", "--lines=60"]);
        format!("{}\nconsole:\n{}", String::from_utf8_lossy(&output.stdout), self.console())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With the parent dies the first process (`--kill-child`), and with that everything in there.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let end = Instant::now() + PATIENCE;
        while !remove(&self.cgroup) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Removes a cgroup and those below it, once nobody is left in them.
fn remove(cgroup: &Path) -> bool {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    fs::remove_dir(cgroup).is_ok() || !cgroup.exists()
}
