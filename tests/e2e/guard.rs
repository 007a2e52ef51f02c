//! The guard does its work or is seen not to.

use crate::system::{System, alive, fake_bot, signal};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Somebody who owns nothing else here.
const USER: u32 = 65_534;

#[test]
fn a_guard_that_somebody_stopped_is_woken_and_told() {
    let mut system = System::new(concat!(
        "[limits]\nsample_every = \"1s\"\n",
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n"
    ));
    system.start();
    system.wait_active();
    let guard = system.guard_pid();
    signal(guard, libc::SIGSTOP);
    let noted = system.wait_record(0, "x.failstop.guard_stopped", |_| true);
    assert_eq!((noted["b"]["pid"].as_i64(), noted["b"]["woken"].as_bool()), (Some(i64::from(guard)), Some(true)));
    assert!(system.log().contains(&format!("the guard (pid {guard}) was stopped")), "{}", system.log());
    system.wait_record(noted["seq"].as_u64().unwrap(), "x.failstop.guard_runs", |_| true);
    system.wait_status("no note of it", |status| !status["host_notes"].to_string().contains("the guard (pid"));
    // It hands signals on again.
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_is_out_of_the_guards_reach_is_said_and_keeps_a_new_start_away() {
    if !nix::unistd::geteuid().is_root() {
        println!("passed over: only root can make a program that becomes root");
        return;
    }
    let system = System::with_head(
        "mode = \"dry\"\ncgroup = false",
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"run-as-root\", \"DIR/privileged\"]\norders = \"none\"\n\
         no_new_privileges = false\n",
    );
    let privileged = system.path("privileged");
    assert!(Command::new("cp").arg(fake_bot()).arg(&privileged).status().unwrap().success());
    fs::set_permissions(&privileged, fs::Permissions::from_mode(0o4755)).unwrap();
    let mut system = system.run_as(USER);
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    let child = system.until("a child of the bot's that became root", || {
        let children = fs::read_to_string(format!("/proc/{bot}/task/{bot}/children")).unwrap();
        let became_root = |pid: &i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.contains("Uid:\t0\t0\t0\t")
        };
        children.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).find(became_root)
    });
    signal(system.engine_pid(), libc::SIGKILL);
    let said = format!("pid {child} `privileged` of user 0");
    system.wait_log(&said);
    assert!(alive(child) && !alive(bot), "the rest of its tree is gone");
    // A new start waits its time, then says why not.
    let refused = system.run("run", &[]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(4), "{words}");
    assert!(words.contains(&said) && words.contains("end it (as root where it has to be), and start again"), "{words}");
    signal(child, libc::SIGKILL);
    assert_eq!(system.wait_end(), 7);
    system.start();
    system.wait_active();
    let child = fs::read_to_string(format!("/proc/{0}/task/{0}/children", system.pid_of("bot").unwrap())).unwrap();
    child.split_ascii_whitespace().for_each(|pid| signal(pid.parse().unwrap(), libc::SIGKILL));
    assert_eq!(system.stop(), 0);
}
