//! `isolation = "pid-namespace"`, as root and as an ordinary user: nothing lives on where guard and engine are both killed, and
//! everything else is as it is without.

use crate::python_bot::{self, wait_said};
use crate::system::{System, alive, failstop, signal};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const HEAD: &str = "mode = \"dry\"\nisolation = \"pid-namespace\"";

/// Somebody who owns nothing else here.
const USER: u32 = 65_534;

/// As root and, where the host lets one have a user namespace, as an ordinary user.
fn each(configuration: &str, test: impl Fn(System)) {
    test(System::with_head(HEAD, configuration));
    if user_namespaces() {
        test(System::with_head(HEAD, configuration).run_as(USER));
    } else {
        println!("skipped as an ordinary user: no user namespaces here");
    }
}

pub fn user_namespaces() -> bool {
    let user = USER.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "unshare", "--user", "--pid", "--fork"]);
    command.args(["--mount-proc", "true"]).output().is_ok_and(|output| output.status.success())
}

/// How a process is numbered in its own namespace.
fn inside(pid: i32) -> i32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
    line.split_ascii_whitespace().last().unwrap().parse().unwrap()
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

fn descriptors(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn script(system: &System, name: &str, text: &str) {
    let path = system.path(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn file_of(executable: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(executable).unwrap().ino()
}

#[test]
fn it_has_a_namespace_whose_first_process_is_ours_and_holds_nothing() {
    each("[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"chain\", \"2\"]\norders = \"asks\"\n", |mut system| {
        system.start();
        system.wait_active();
        let bot = system.pid_of("bot").unwrap();
        assert_eq!(inside(bot), 2);
        let first = parent(bot);
        assert_eq!((inside(first), parent(first)), (1, system.engine_pid()));
        assert_eq!(fs::read_to_string(format!("/proc/{first}/comm")).unwrap().trim(), "failstop-init");
        assert_eq!(file_of(&Path::new("/proc").join(first.to_string()).join("exe")), file_of(Path::new(failstop())));
        // Standard ones, its link, and what tells it of ends.
        assert_eq!(descriptors(first), ["0", "1", "2", "3", "4"]);
        assert_eq!(descriptors(bot), ["0", "1", "2"]);
        for namespace in ["pid", "mnt"] {
            let of = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
            assert_eq!(of(bot), of(first));
            assert_ne!(of(bot), of(system.engine_pid()), "{namespace}");
        }
        let listed = String::from_utf8(system.run("ps", &[]).stdout).unwrap();
        assert!(listed.contains("failstop-init") && listed.matches("fake_bot").count() == 3, "{listed}");
        let status = String::from_utf8(system.run("status", &["--verbose"]).stdout).unwrap();
        assert!(!status.contains("both SIGKILLed"), "{status}");
        assert!(system.log().contains("process namespace)"), "{}", system.log());
        assert_eq!(system.stop(), 0);
        system.wait_no_survivors(Duration::from_secs(5));
    });
}

#[test]
fn it_sees_a_proc_of_its_own_and_nobody_else() {
    each(
        "[[component]]\nname = \"bot\"\ncommand = [\"./bot.sh\"]\norders = \"none\"\nrestart = \"never\"\n",
        |mut system| {
            script(
                &system,
                "bot.sh",
                "ls /proc | grep -c '^[0-9]*$' > seen; echo $$ >> seen; readlink /proc/self >> seen\n\
                 id -u >> seen; touch made; mv seen done; exec sleep 1000",
            );
            system.start();
            system.wait_status("it has looked", |_| system.path("done").exists());
            let seen = fs::read_to_string(system.path("done")).unwrap();
            let user =
                fs::metadata(system.path("made")).map(|made| std::os::unix::fs::MetadataExt::uid(&made)).unwrap();
            let lines: Vec<&str> = seen.lines().collect();
            // The first process, the shell, `ls` and `grep`.
            assert!(lines[0].parse::<u32>().unwrap() <= 4, "{seen}");
            assert_eq!(lines[1], "2", "{seen}");
            assert!(lines[2].parse::<u32>().unwrap() < 20, "{seen}");
            assert_eq!(lines[3], user.to_string(), "its user is the same in there and outside: {seen}");
            assert_eq!(system.stop(), 0);
        },
    );
}

#[test]
fn how_it_ended_is_told_exactly_and_at_once() {
    let ways = [("exit", 0), ("exit", 3), ("exit", 255), ("kill", 9), ("kill", 5), ("kill", 15), ("kill", 6)];
    let mut configuration = String::new();
    for (verb, number) in ways {
        configuration += &format!(
            "[[component]]\nname = \"{verb}-{number}\"\ncommand = [\"BOT\", \"child\", \"ready\", \"wait\", \"100\", \"{verb}\", \"{number}\"]\n\
             orders = \"none\"\nrestart = \"never\"\nessential = false\nreadiness = {{ notify = true }}\n"
        );
    }
    each(&configuration, |mut system| {
        system.start();
        for (verb, number) in ways {
            let exited =
                system.wait_record(1, "component.exited", |body| body["component"] == format!("{verb}-{number}"));
            let (told, other) = if verb == "exit" { ("status", "signal") } else { ("signal", "status") };
            assert_eq!(exited["b"][told], number, "{exited}");
            assert!(exited["b"].get(other).is_none(), "{exited}");
        }
        // A child of each lived on, and nobody waited for it.
        system.wait_no_survivors(Duration::from_secs(5));
        assert_eq!(system.stop(), 0);
    });
}

#[test]
fn guard_and_engine_killed_together_leave_nothing_alive() {
    let configuration = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"lock\", \"DIR/lock\", \"ignore-term\", \"child\", \
        \"double-fork\", \"chain\", \"5\", \"stopped-child\"]\norders = \"asks\"\n";
    for cgroup in ["", "\ncgroup = false"] {
        for user in [None, Some(USER)] {
            if user.is_some() && !user_namespaces() {
                continue;
            }
            let system = System::with_head(&format!("{HEAD}{cgroup}"), configuration);
            let mut system = if let Some(user) = user { system.run_as(user) } else { system };
            for round in 0..crate::rounds(3) {
                system.start();
                system.wait_active();
                // 1 + 1 + 1 + 5 + 1, and the first process, which carries the mark as well where one may look.
                system.wait_status("all are there", |_| system.survivors().len() >= 9);
                let (guard, engine) = (system.guard_pid(), system.engine_pid());
                if round % 2 == 0 {
                    signal(guard, libc::SIGKILL);
                    signal(engine, libc::SIGKILL);
                } else {
                    signal(guard, libc::SIGSTOP);
                    signal(engine, libc::SIGKILL);
                }
                system.wait_no_survivors(Duration::from_secs(5));
                signal(guard, libc::SIGKILL);
                system.wait_end();
            }
            assert!(!system.path("lock.shout").exists(), "two copies ran at a time");
        }
    }
}

#[test]
fn a_stop_gives_helpers_the_rest_of_the_grace_and_ends_when_the_last_is_gone() {
    let configuration = "[[component]]\nname = \"bot\"\ncommand = [\"./bot.sh\"]\norders = \"asks\"\nstop_grace = \"30s\"\n\
        pre_stop = { command = [\"./pre.sh\"] }\npost_stop = { command = [\"./post.sh\"] }\n";
    each(configuration, |mut system| {
        script(
            &system,
            "bot.sh",
            "(trap 'sleep 0.3; echo helper >> said; exit 0' TERM; touch up; while :; do sleep 0.05; done) &\nexec sleep 1000",
        );
        script(&system, "pre.sh", "echo pre $MAINPID $(readlink /proc/$MAINPID/exe | grep -c sleep) >> said; exit 3");
        script(&system, "post.sh", "echo post $$ >> said");
        system.start();
        system.wait_active();
        system.wait_status("its helper is up", |_| system.path("up").exists());
        assert_eq!(system.run("stop", &["bot"]).status.code(), Some(0));
        let said = wait_said(&system, 3);
        assert_eq!(said, ["pre 2 1", "helper", "post 2"], "beside it, to all of it, and alone");
        let hooks: Vec<_> = system
            .records()
            .into_iter()
            .filter(|record| record["t"] == "component.hook")
            .map(|hook| hook["b"]["status"].clone())
            .collect();
        assert_eq!(hooks, [3, 0]);
        system.wait_no_survivors(Duration::from_secs(5));
        assert_eq!(system.stop(), 0);
    });
}

/// A bot that ends once it has named its child, which does nothing, for its main process.
fn daemon() -> System {
    let system = python_bot::system(
        "readiness = { notify = true }\n",
        "child = os.fork()\nif child == 0:\n    sleep_for_ever()\nnotify(f\"MAINPID={child}\\nREADY=1\")\nsay(child)\nos._exit(0)",
    );
    let configuration = fs::read_to_string(system.path("failstop.toml")).unwrap();
    fs::write(system.path("failstop.toml"), configuration.replace("mode = \"dry\"", HEAD)).unwrap();
    system
}

#[test]
fn a_daemon_names_its_main_process_as_it_is_numbered_in_there() {
    let mut system = daemon();
    system.start();
    system.wait_active();
    let main = system.pid_of("bot").unwrap();
    assert_eq!(inside(main).to_string(), wait_said(&system, 1)[0]);
    let from = system.next_seq();
    signal(main, libc::SIGSEGV);
    let exited = system.wait_record(from, "component.exited", |_| true);
    assert_eq!(exited["b"]["signal"], libc::SIGSEGV, "{exited}");
    system.wait_status("a successor", |status| {
        status["components"][0]["ready"] == true && status["components"][0]["pid"] != main
    });
    assert!(!alive(main));
    assert_eq!(system.stop(), 0);
    system.wait_no_survivors(Duration::from_secs(5));
}

#[test]
fn how_a_daemon_ended_is_known_where_its_end_is_news_before_the_word_of_it() {
    let mut system = daemon();
    system.start();
    system.wait_active();
    let (main, engine) = (system.pid_of("bot").unwrap(), system.engine_pid());
    // Linux before 6.15 does not tell how a process ended whose status somebody else took.
    let mut strace = Command::new("strace");
    strace.args(["-p", &engine.to_string(), "-e", "trace=ioctl", "-e", "inject=ioctl:error=ENOTTY", "-o"]);
    strace.arg(system.path("strace.log")).stderr(fs::File::create(system.path("strace.err")).unwrap());
    let mut strace = strace.spawn().unwrap();
    let traced = format!("TracerPid:\t{}\n", strace.id());
    let of_the_engine = |wanted: &str| fs::read_to_string(format!("/proc/{engine}/status")).unwrap().contains(wanted);
    system.wait_status("strace", |_| of_the_engine(&traced));
    // It wakes when all is over: its first look finds the process gone, and what was said of it unread.
    signal(engine, libc::SIGSTOP);
    let from = system.next_seq();
    signal(main, libc::SIGSEGV);
    let is_there = || Path::new("/proc").join(main.to_string()).exists();
    system.until("somebody who takes its status", || (!is_there()).then_some(()));
    signal(engine, libc::SIGCONT);
    let exited = system.wait_record(from, "component.exited", |_| true);
    signal(i32::try_from(strace.id()).unwrap(), libc::SIGTERM);
    strace.wait().unwrap();
    assert_eq!(exited["b"]["signal"], libc::SIGSEGV, "{exited}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_sandbox_and_credentials_go_with_it() {
    each(
        "[[component]]\nname = \"bot\"\ncommand = [\"./bot.sh\"]\norders = \"none\"\nworking_dir = \"home\"\n\
         credentials = { key = { file = \"key\" } }\ncredentials_on_disk = true\n\
         sandbox = { filesystem = \"own-folder\", system_calls = \"ordinary\", readable = [\"bot.sh\"] }\n\
         pre_stop = { command = [\"./pre.sh\"] }\n",
        |mut system| {
            let home = system.path("home");
            fs::create_dir(&home).unwrap();
            let owner =
                fs::metadata(system.path("")).map(|folder| std::os::unix::fs::MetadataExt::uid(&folder)).unwrap();
            fs::write(system.path("key"), "secret").unwrap();
            fs::set_permissions(system.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
            for path in [&home, &system.path("key")] {
                std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
            }
            script(
                &system,
                "bot.sh",
                "cat $CREDENTIALS_DIRECTORY/key /proc/self/comm /proc/2/comm > seen 2>&1; cat ../failstop.toml >> seen 2>/dev/null \
                 || echo refused >> seen; mv seen done; exec sleep 1000",
            );
            script(&system, "pre.sh", "cat $CREDENTIALS_DIRECTORY/key /proc/self/comm > ../home/pre");
            system.start();
            system.wait_status("it has looked", |_| home.join("done").exists());
            assert_eq!(fs::read_to_string(home.join("done")).unwrap(), "secretcat\nbot.sh\nrefused\n");
            assert_eq!(system.run("stop", &["bot"]).status.code(), Some(0));
            assert_eq!(fs::read_to_string(home.join("pre")).unwrap_or_default(), "secretcat\n", "{}", system.log());
            assert_eq!(system.stop(), 0);
        },
    );
}

#[test]
fn check_tries_it_out_and_a_host_that_refuses_starts_nothing() {
    let configuration = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"none\"\nrestart = \"never\"\n";
    each(configuration, |system| {
        let output = system.run("check", &["--offline", "--only", "isolation"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("a process namespace can be had"), "{said}");
    });
    // Root without the capability, as in a container.
    let mut system = System::with_head(HEAD, configuration);
    let without = |power: &str, subcommand: &str| {
        let inner = system.command(subcommand);
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", power, "--inh-caps", "-all"]);
        command.arg(inner.get_program()).args(inner.get_args()).current_dir(inner.get_current_dir().unwrap());
        command
    };
    let output = without("-sys_admin", "check").args(["--offline", "--only", "isolation"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !output.status.success() && said.contains("CAP_SYS_ADMIN") && said.contains("no component would start"),
        "{said}"
    );
    // Going into one, as a hook does, takes more than making one.
    let output = without("-sys_chroot", "check").args(["--offline", "--only", "isolation"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("CAP_SYS_CHROOT"), "{said}");
    let run = without("-sys_admin", "run");
    system.start_by(run);
    let failed = system.wait_record(1, "component.start_failed", |_| true);
    assert!(failed["b"]["error"].as_str().unwrap().contains("`isolation`"), "{failed}");
    assert_eq!(system.stop(), 0);
}
