//! Places where failstop runs: a subtree of cgroups that was given to it, as a systemd unit with Delegate=yes is, and a container
//! whose first process it is. Where the host has no such thing to give, a test says so.

use crate::system::{PATIENCE, System, alive, fake_bot, signal, until};
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Somebody who owns nothing else here.
const USER: u32 = 65_534;

/// A cgroup below this process's own, given to a user, with controllers.
pub struct Delegated(PathBuf);

impl Delegated {
    /// `None` where there is no cgroup v2 with controllers to give, or not by us.
    pub fn make(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
        let root = PathBuf::from(line.split(' ').nth(4)?);
        // Controllers can be handed on from the root alone without moving anybody.
        fs::write(root.join("cgroup.subtree_control"), "+memory +cpu +pids").ok()?;
        let unit = root.join(format!("{name}.service"));
        fs::create_dir(&unit).ok()?;
        let unit = Self(unit);
        let given = fs::read_to_string(unit.0.join("cgroup.controllers")).ok()?;
        for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            chown(unit.0.join(file), Some(USER), Some(USER)).ok()?;
        }
        ["memory", "cpu", "pids"].iter().all(|controller| given.contains(controller)).then_some(unit)
    }

    fn read(&self, file: impl AsRef<Path>) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default().trim().to_owned()
    }

    fn below(&self, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(ending)).collect()
    }

    /// The same command, started by a shell that moves into the cgroup first.
    fn start(&self, inner: &Command, log: &Path) -> Child {
        let mut command = self.command(inner);
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap()
    }

    /// The same command, by a shell that moves into the cgroup first and becomes it.
    pub fn command(&self, inner: &Command) -> Command {
        let mut command = Command::new("sh");
        let script = format!(
            "echo 0 > {}/cgroup.procs; exec setpriv --reuid {USER} --regid {USER} --clear-groups \"$@\"",
            self.0.display()
        );
        command.args(["-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args());
        command.current_dir(inner.get_current_dir().unwrap());
        command
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        // Only empty ones go; a failed test's are taken away with the machine.
        let end = Instant::now() + Duration::from_secs(2);
        while fs::remove_dir(&self.0).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn in_a_subtree_of_its_own_the_kernel_holds_the_limits_and_everything_is_put_back() {
    let Some(unit) = Delegated::make(&format!("failstop-test-{}", std::process::id())) else {
        println!("skipped: no cgroup v2 with the memory, cpu and pids controllers can be given here");
        return;
    };
    let system = System::new(
        "[limits]\nsample_every = \"10m\"\n\
         [[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\"]\norders = \"asks\"\n\
         limits = { memory_max = \"80MB\", cpu_max_percent = 50, processes_max = 16 }\n\
         [[component]]\nname = \"hog\"\norders = \"none\"\nessential = false\nstart_limit = { starts = 1, within = \"300s\" }\n\
         command = [\"stress-ng\", \"--vm\", \"16\", \"--vm-bytes\", \"400M\", \"--vm-keep\", \"--oomable\", \"--timeout\", \"60s\", \
         \"--temp-path\", \"DIR\"]\nlimits = { memory_max = \"40MB\" }\n\
         [[component]]\nname = \"bomb\"\norders = \"none\"\nessential = false\n\
         command = [\"BOT\", \"chain\", \"4\"]\nlimits = { processes_max = 20 }\n",
    );
    let system = system.run_as(USER);
    let mut guard = unit.start(&system.command("run"), &system.path("run.log"));
    system.wait_status("the bot beats", |status| status["components"][0]["last_sign_seconds"].is_number());

    let leaf = unit.below("-engine").pop().unwrap();
    let in_leaf = fs::read_to_string(leaf.join("cgroup.procs")).unwrap();
    for pid in [system.engine_pid(), i32::try_from(guard.id()).unwrap()] {
        assert!(in_leaf.lines().any(|line| line == pid.to_string()), "{pid} is not in {in_leaf:?}");
    }
    assert_eq!(unit.read("cgroup.procs"), "", "a cgroup that hands on controllers holds nobody");
    assert_eq!(fs::read_to_string(leaf.join("memory.max")).unwrap().trim(), (512 << 20).to_string());
    let own = unit.below("-1").pop().unwrap();
    let holds =
        |component: &str, file: &str| fs::read_to_string(own.join(component).join(file)).unwrap().trim().to_owned();
    // The kernel keeps whole pages.
    let pages = |text: String| text.parse::<u64>().unwrap() / 4096;
    assert_eq!(pages(holds("bot", "memory.high")), 80_000_000 / 4096);
    assert_eq!(pages(holds("bot", "memory.max")), 90_000_000 / 4096);
    assert_eq!((holds("bot", "pids.max").as_str(), holds("bot", "memory.oom.group").as_str()), ("18", "1"));
    assert!(holds("bot", "cpu.max").ends_with(" 100000") && !holds("bot", "cpu.max").starts_with("max"));
    assert!(system.log().contains("memory 80 MB (kernel, at 90 MB)"), "{}", system.log());

    // Nobody has looked (a sample every ten minutes): the kernel alone killed it, and that is proven.
    let exited = system.wait_record(1, "component.exited", |body| body["component"] == "hog");
    assert_eq!(exited["b"]["out_of_memory"], "proven", "{exited}");
    let down = system.wait_record(1, "halt.raised", |halt| halt["cause"] == "component-failed");
    assert!(down["b"]["evidence"].as_str().unwrap().contains("killed for want of memory: proven"), "{down}");
    let status = system.wait_answer();
    assert_eq!((&status["permission"], &status["permit_lapses"]), (&"active".into(), &0.into()), "{status}");

    signal(i32::try_from(guard.id()).unwrap(), libc::SIGTERM);
    assert_eq!(guard.wait().unwrap().code(), Some(0), "{}", system.log());
    assert_eq!(unit.read("cgroup.subtree_control"), "", "as it was found");
    assert_eq!(unit.below("").len(), fs::read_dir(&unit.0).unwrap().count());
    assert!(unit.below("-1").is_empty() && unit.below("-engine").is_empty(), "{:?}", unit.below(""));
}

#[test]
fn where_somebody_else_is_in_its_cgroup_nothing_is_moved() {
    let Some(unit) = Delegated::make(&format!("failstop-shared-{}", std::process::id())) else {
        println!("skipped: no cgroup v2 with the memory, cpu and pids controllers can be given here");
        return;
    };
    let mut other = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    fs::write(unit.0.join("cgroup.procs"), other.id().to_string()).unwrap();
    let system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\"]\norders = \"asks\"\n\
         limits = { memory_max = \"80MB\" }\n",
    );
    let system = system.run_as(USER);
    let mut guard = unit.start(&system.command("run"), &system.path("run.log"));
    system.wait_status("the bot beats", |status| status["components"][0]["last_sign_seconds"].is_number());
    let there = unit.read("cgroup.procs");
    signal(i32::try_from(guard.id()).unwrap(), libc::SIGTERM);
    let status = guard.wait().unwrap().code();
    let gone = !alive(i32::try_from(other.id()).unwrap());
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(there.lines().any(|line| line == other.id().to_string()) && !gone, "{there}");
    assert_eq!(status, Some(0));
    let log = system.log();
    assert!(log.contains("memory 80 MB, memory of all together") && !log.contains("memory 80 MB (kernel"), "{log}");
}

/// Runs a command as the first process of namespaces of its own, in which cgroups can only be read.
pub fn contained(inner: &Command) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--cgroup", "sh", "-c"]);
    // The mount of cgroups is bound over itself and made read-only, as container engines do it.
    let script = "for mount in $(awk '$3 == \"cgroup2\" { print $2 }' /proc/self/mounts); do \
                  mount --bind $mount $mount && mount -o remount,bind,ro $mount; done; exec \"$@\"";
    command.arg(script).arg("sh").arg(inner.get_program()).args(inner.get_args());
    command.current_dir(inner.get_current_dir().unwrap()).stdin(Stdio::null());
    command
}

pub fn can_unshare() -> bool {
    let tried =
        Command::new("unshare").args(["--pid", "--fork", "--mount", "--mount-proc", "--cgroup", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

#[test]
fn as_the_first_process_of_a_container_it_says_so_and_goes_without_cgroups() {
    if !can_unshare() {
        println!("skipped: no namespaces can be made here");
        return;
    }
    let system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\", \"child\"]\norders = \"asks\"\n",
    );
    let mut check = system.command("check");
    check.args(["--offline", "--only", "limits"]);
    let said = contained(&check).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("first process of a container: no cgroup can be made"), "{said}");
    assert!(said.contains("measured and acted upon, not held by the kernel"), "{said}");

    let log = fs::File::create(system.path("run.log")).unwrap();
    let mut command = contained(&system.command("run"));
    command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
    let mut unshare = command.spawn().unwrap();
    let started = system.wait_record(1, "component.ready", |_| true);
    assert_eq!(started["b"]["component"], "bot");
    system.until("the bot and its child", || (system.survivors().len() >= 2).then_some(()));
    assert!(system.log().contains("no cgroup"), "{}", system.log());
    // The guard is the child of `unshare`: the first process in there, and some other number out here.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", unshare.id())).unwrap();
    let guard: i32 = children.trim().parse().unwrap();
    let exe = fs::read_link(format!("/proc/{guard}/exe")).unwrap();
    assert_eq!(exe.parent(), Path::new(&fake_bot()).parent().unwrap().parent(), "{}", exe.display());
    // What somebody else started in there loses its parent to the first process, which takes its status.
    let entered = Command::new("nsenter")
        .args(["--target", &guard.to_string(), "--pid", "--mount", "sh", "-c", "(sleep 0.05 & echo $!)"])
        .output()
        .unwrap();
    assert!(entered.status.success(), "{entered:?}");
    let children = || fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap();
    let zombie = || format!("a zombie's end: {}", children());
    until(zombie, || (children().split_ascii_whitespace().count() <= 1).then_some(()));
    signal(guard, libc::SIGTERM);
    let ended = system.until("its end", || unshare.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0), "{}", system.log());
    system.wait_no_survivors(PATIENCE);
}

/// As a line with `@reboot` starts it: no terminal, no standard input or output, three variables, `/` for a folder.
#[test]
fn started_by_cron_it_needs_no_more_than_cron_gives() {
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"sh\", \"-c\", \"exec BOT beat 100 child\"]\norders = \"asks\"\n",
    );
    // Under the name by which it is known.
    let cron = system.path("cron");
    assert!(Command::new("cp").arg("/bin/sh").arg(&cron).status().unwrap().success());
    let line = |inner: &Command, closed: &str| {
        let mut command = Command::new("env");
        command.args(["-i", "HOME=/", "SHELL=/bin/sh", "LOGNAME=root", "setsid"]).arg(&cron);
        command.args(["-c", &format!("\"$@\" {closed}; exit $?"), "cron"]);
        command.arg(inner.get_program()).args(inner.get_args()).current_dir("/");
        command
    };
    let said = line(system.command("check").args(["--offline", "--only", "limits"]), "<&-").output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("started by cron"), "{said}");

    let run = line(&system.command("run"), "<&- >&- 2>&-");
    system.start_by(run);
    system.wait_status("the bot beats", |status| status["components"][0]["last_sign_seconds"].is_number());
    assert_eq!(system.survivors().len(), 2);
    let engine = system.engine_pid();
    signal(engine, libc::SIGKILL);
    system.wait_no_survivors(PATIENCE);
    assert_eq!(system.wait_end(), 7, "cron's shell hands on the status");
}
