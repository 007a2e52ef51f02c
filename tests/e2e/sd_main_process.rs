//! `MAINPID`: the process that a component names is its main process from then on. Its end is the component's, that of the one
//! before is not; and nobody names a process that is not its own.

use crate::python_bot::{self, wait_said};
use crate::system::{System, alive, signal};
use serde_json::Value;
use std::fs;
use std::process::Command;

fn changed(system: &System) -> Value {
    system.wait_record(0, "component.main_changed", |_| true)["b"].clone()
}

/// The parent names its child and ends in the same breath, as daemons do.
const DAEMON: &str = r#"
child = os.fork()
if child == 0:
    sleep_for_ever()
notify(f"MAINPID={child}\nREADY=1")
os._exit(0)"#;

#[test]
fn a_daemon_that_ends_its_first_process_lives_on() {
    let mut system = python_bot::system("readiness = { notify = true }\n", DAEMON);
    system.start();
    system.wait_active();
    let changed = changed(&system);
    let main = system.pid_of("bot").unwrap();
    assert_eq!(i64::from(main), changed["pid"].as_i64().unwrap());
    let first = i32::try_from(changed["from"].as_i64().unwrap()).unwrap();
    system.wait_status("the first process is gone", |_| !alive(first));
    assert!(system.records().iter().all(|record| record["t"] != "component.exited"), "its end is not the component's");
    // A restart of its own accord, by its end: the status is known, since it became a child of the engine.
    let from = system.next_seq();
    signal(main, libc::SIGKILL);
    let exited = system.wait_record(from, "component.exited", |_| true);
    assert_eq!(exited["b"]["signal"], 9, "{exited}");
    system.wait_status("another main process", |status| {
        status["components"][0]["ready"] == true && status["components"][0]["pid"] != main
    });
    assert_eq!(system.stop(), 0);
    assert!(system.survivors().is_empty());
}

#[test]
fn the_word_of_a_first_process_that_ends_at_once_is_never_too_late() {
    let rounds = crate::rounds(10);
    let mut system = python_bot::system(
        &format!(
            "readiness = {{ notify = true }}\nstart_limit = {{ starts = {}, within = \"1h\" }}\n\
         backoff = {{ initial = \"10ms\", max = \"10ms\" }}\n",
            rounds + 5
        ),
        DAEMON,
    );
    system.start();
    for _ in 0..rounds {
        system.wait_active();
        let from = system.next_seq();
        let main = system.pid_of("bot").unwrap();
        signal(main, libc::SIGKILL);
        let exited = system.wait_record(from, "component.exited", |_| true);
        assert_eq!(exited["b"]["signal"], 9, "its own end, not that of its first process: {exited}");
        system.wait_status("another", |status| {
            status["components"][0]["pid"].as_i64().is_some_and(|pid| pid != i64::from(main))
        });
    }
    assert_eq!(system.stop(), 0);
}

/// A child is named that ends when it is told to; its parent waits for it, and lives on.
const BELOW_ONE_THAT_LIVES_ON: &str = r#"
child = os.fork()
if child == 0:
    while not os.path.exists("end"):
        time.sleep(0.02)
    os._exit(7)
notify(f"MAINPID={child}\nREADY=1")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.waitpid(child, 0)
sleep_for_ever()"#;

#[test]
fn a_main_process_below_one_that_lives_on_takes_it_along() {
    let mut system =
        python_bot::system("readiness = { notify = true }\nrestart = \"never\"\n", BELOW_ONE_THAT_LIVES_ON);
    system.start();
    system.wait_active();
    let changed = changed(&system);
    let first = i32::try_from(changed["from"].as_i64().unwrap()).unwrap();
    assert!(alive(first));
    std::fs::write(system.path("end"), "").unwrap();
    let exited = system.wait_record(0, "component.exited", |_| true);
    // Its status went to its own parent; kernels from 6.15 on tell it all the same.
    assert!(exited["b"]["status"] == 7 || exited["b"]["status"].is_null(), "{exited}");
    assert!(exited["b"].get("signal").is_none(), "{exited}");
    system.wait_status("the first process is killed", |_| !alive(first));
    assert!(system.survivors().is_empty());
    system.stop();
}

#[test]
fn the_stop_signal_reaches_the_main_process_that_was_named() {
    let mut system = python_bot::system(
        "readiness = { notify = true }\n",
        r#"
child = os.fork()
if child == 0:
    def end(*_):
        say("closing orders")
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    notify(f"MAINPID={os.getpid()}\nREADY=1")
    sleep_for_ever()
os.waitpid(child, 0)"#,
    );
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    assert_eq!(python_bot::said(&system), ["closing orders"]);
}

#[test]
fn a_process_of_somebody_else_is_never_taken_for_the_main_process() {
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\norders = \"asks\"\n{}readiness = {{ notify = true }}\n\
         [[component]]\nname = \"other\"\ncommand = [\"BOT\", \"append\", \"DIR/other\"]\norders = \"none\"\n",
        python_bot::command("bot")
    ));
    python_bot::write(
        &system,
        "bot",
        r#"
while not os.path.exists("other") or not open("other").read().endswith("\n"):
    time.sleep(0.02)
with open("other") as file:
    other = int(file.read().split()[0])
sleeper = os.fork()
if sleeper == 0:
    sleep_for_ever()
notify(f"MAINPID={other}")
notify(f"MAINPID={os.getppid()}")
notify("MAINPID=1")
notify(f"MAINPID={sleeper}\nMAINPIDFDID=1")
notify("READY=1")
sleep_for_ever()"#,
    );
    system.start();
    system.wait_active();
    assert!(system.records().iter().all(|record| record["t"] != "component.main_changed"));
    assert!(system.log().contains("is no process of this component's"), "{}", system.log());
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_process_named_by_its_descriptor_is_as_good_as_one_named_by_its_number() {
    let mut system = python_bot::system(
        "readiness = { notify = true }\n",
        r#"
child = os.fork()
if child == 0:
    sleep_for_ever()
pidfd = os.pidfd_open(child)
notify("MAINPIDFD=1\nREADY=1", [pidfd])
say(child)
sleep_for_ever()"#,
    );
    system.start();
    system.wait_active();
    let child: i32 = wait_said(&system, 1)[0].parse().unwrap();
    assert_eq!(system.pid_of("bot"), Some(child));
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_named_main_process_that_the_kernel_killed_for_want_of_memory_is_told_to_be() {
    let mut system =
        python_bot::system("readiness = { notify = true }\nrestart = \"never\"\n", BELOW_ONE_THAT_LIVES_ON);
    let configuration = fs::read_to_string(system.path("failstop.toml")).unwrap();
    // Where it had a cgroup with a memory controller, that would count for itself.
    fs::write(system.path("failstop.toml"), configuration.replace("mode = \"dry\"", "mode = \"dry\"\ncgroup = false"))
        .unwrap();
    // A host whose count of such kills is ours to set.
    fs::write(system.path("vmstat"), "oom_kill 7\n").unwrap();
    let inner = system.command("run");
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", "mount --bind vmstat /proc/vmstat && exec \"$@\"", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(system.path(""));
    system.start_by(command);
    system.wait_active();
    let main = i32::try_from(changed(&system)["pid"].as_i64().unwrap()).unwrap();
    // In place: it is this very file that is mounted.
    fs::write(system.path("vmstat"), "oom_kill 8\n").unwrap();
    signal(main, libc::SIGKILL);
    let exited = system.wait_record(0, "component.exited", |_| true);
    assert_eq!(exited["b"]["out_of_memory"], "probable", "{exited}");
    system.stop();
}
