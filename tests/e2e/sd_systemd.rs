//! What failstop itself says to its service manager: everything comes from the guard, its main process.

use crate::system::{System, signal, until};
use std::fs;
use std::process::{Child, Command, Stdio};

/// Listens like a service manager: a line `PID TEXT` for each datagram, its line feeds as `|`.
const MANAGER: &str = r#"
import socket, struct, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
listener.bind(sys.argv[1])
print("ready", flush=True)
while True:
    text, rights, _, _ = listener.recvmsg(4096, 1024)
    pid = struct.unpack("iii", rights[0][2])[0]
    print(pid, text.decode().replace("\n", "|"), flush=True)
"#;

struct Manager(Child);

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn manager(system: &System) -> Manager {
    fs::write(system.path("manager.py"), MANAGER).unwrap();
    let log = fs::File::create(system.path("heard")).unwrap();
    let mut command = Command::new("python3");
    command.arg(system.path("manager.py")).arg(system.path("manager.sock"));
    let manager = Manager(command.stdout(log).stdin(Stdio::null()).spawn().unwrap());
    wait_heard(system, "the manager", |heard| heard.iter().any(|line| line == "ready"));
    manager
}

fn heard(system: &System) -> Vec<String> {
    fs::read_to_string(system.path("heard")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[track_caller]
fn wait_heard(system: &System, what: &str, wanted: impl Fn(&[String]) -> bool) {
    let missing = || format!("{what}; heard: {:#?}\n{}", heard(system), system.log());
    until(missing, || wanted(&heard(system)).then_some(()));
}

#[test]
fn the_service_manager_hears_of_every_stage_from_its_main_process_alone() {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"/bin/sh\", \"DIR/bot.sh\"]\norders = \"asks\"\n",
        "reload_signal = \"SIGHUP\"\nreload_notify = true\nreadiness = { notify = true }\n"
    ));
    fs::write(
        system.path("bot.sh"),
        "trap 'systemd-notify RELOADING=1; echo again >> reloads; systemd-notify --ready' HUP\n\
         systemd-notify --ready --status=trading\nwhile :; do sleep 0.05; done\n",
    )
    .unwrap();
    let _manager = manager(&system);
    let socket = system.path("manager.sock");
    // WATCHDOG_PID names whoever was started; the beats come from the engine all the same.
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "400000"), ("WATCHDOG_PID", "1")];
    system.start_with(&[], &environment);
    system.wait_active();
    let has = |text: &'static str| move |heard: &[String]| heard.iter().any(|line| line.contains(text));
    wait_heard(&system, "readiness", has("READY=1|STATUS="));
    wait_heard(&system, "its permission", has("STATUS=active|"));
    wait_heard(&system, "beats", |heard| heard.iter().filter(|line| line.contains("WATCHDOG=1|")).count() >= 3);
    signal(system.guard_pid(), libc::SIGHUP);
    wait_heard(&system, "the reload and its end", |heard| {
        let reloading = heard.iter().position(|line| line.contains("RELOADING=1|MONOTONIC_USEC="));
        reloading.is_some_and(|at| heard.iter().skip(at).any(|line| line.contains("READY=1|")))
    });
    assert!(system.path("reloads").exists(), "told that it is over when it was");
    let guard = system.guard_pid();
    assert_eq!(system.stop(), 0);
    wait_heard(&system, "the end", has("STOPPING=1|STATUS="));
    wait_heard(&system, "more time", has("EXTEND_TIMEOUT_USEC=30000000|"));
    for line in heard(&system).iter().filter(|line| *line != "ready") {
        assert!(line.starts_with(&format!("{guard} ")), "only the main process speaks: {line}");
        assert!(!line.contains("trading"), "a component's words are not failstop's: {line}");
    }
}
