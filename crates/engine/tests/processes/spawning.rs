//! Single spawns: what the new process is given, and what is said when it cannot be started.

use crate::harness::{Ground, ORDINARY_USER, cgroup_can_be_made, copy, is_root, stand_in, unique};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

fn spawn(program: &Path, options: &[&str], command: &[&str]) -> BTreeMap<String, String> {
    let output = Command::new(program).arg("spawn").args(options).arg("--").args(command).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn own(options: &[&str], command: &[&str]) -> BTreeMap<String, String> {
    spawn(stand_in(), options, command)
}

#[test]
fn a_component_gets_exactly_what_it_is_given() {
    let program = stand_in().to_str().unwrap();
    let seen = own(&["--directory", "/tmp", "--umask", "027", "--files", "100"], &[program, "victim", "inspect"]);
    for (key, value) in [
        // The fourth is the directory of descriptors itself, while it is being read.
        ("fds", "0,1,2,3"),
        ("stdin", "/dev/null"),
        ("session", "true"),
        ("death-signal", "9"),
        ("no-new-privileges", "1"),
        ("blocked", "0000000000000000"),
        ("directory", "/tmp"),
        ("environment", "ONE=1,TWO=2 2"),
        ("umask", "0027"),
        ("files", "100"),
        ("ended", "Status(0)"),
        ("left", "NoChildren"),
    ] {
        assert_eq!(seen[key], value, "{key}: {seen:#?}");
    }
}

/// The helper ignores SIGUSR2 and Rust ignores SIGPIPE; neither may reach the component. `sh` shows it as it was born.
#[test]
fn no_ignored_signal_is_inherited() {
    let seen = own(&[], &["/bin/sh", "-c", "echo ignored $(grep SigIgn /proc/self/status | cut -f2)"]);
    assert_eq!(seen["ignored"], "0000000000000000");
}

#[test]
fn exit_statuses_and_signals_are_told_apart() {
    let program = stand_in().to_str().unwrap();
    for (kind, ended) in [
        ("exit:0", "Status(0)"),
        ("exit:3", "Status(3)"),
        ("exit:255", "Status(255)"),
        ("signal:9", "Signal(9)"),
        ("signal:11", "Signal(11)"),
        ("signal:15", "Signal(15)"),
    ] {
        assert_eq!(own(&[], &[program, "victim", kind])["ended"], ended, "{kind}");
    }
}

#[test]
fn a_spawn_that_fails_says_which_step_and_why_and_leaves_nothing() {
    let ground = Ground::new(false);
    let file = |name: &str, mode, text: &str| {
        let path = ground.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bare = file("bare", 0o755, "echo hello\n");
    let plain = file("plain", 0o644, "#!/bin/sh\n");
    let lost = file("lost", 0o755, "#!/nonexistent/interpreter\n");
    for (options, program, failed, hint) in [
        (vec![], "/nonexistent/bot", (libc::ENOENT, "Exec"), "missing"),
        (vec![], plain.as_str(), (libc::EACCES, "Exec"), "may not execute"),
        (vec![], bare.as_str(), (libc::ENOEXEC, "Exec"), "#!/bin/sh"),
        (vec![], lost.as_str(), (libc::ENOENT, "Exec"), "interpreter"),
        (vec!["--directory", "/nonexistent"], "/bin/true", (libc::ENOENT, "Directory"), "`directory`"),
    ] {
        let seen = own(&options, &[program]);
        assert_eq!(seen["failed"], format!("{} {}", failed.1, failed.0), "{program}: {seen:#?}");
        assert!(seen["error"].contains(hint) && seen["error"].contains(program), "{seen:#?}");
        assert_eq!(seen["left"], "NoChildren");
        assert!(!seen.contains_key("ended"), "its status was taken by the spawner: {seen:#?}");
    }
}

#[test]
fn a_program_that_is_not_there_is_said_with_the_places_before_anything_is_made() {
    let seen = own(&["--resolve", "yes"], &["no-such-program-anywhere"]);
    assert!(seen["unresolved"].contains("neither in PATH"), "{seen:#?}");
    assert!(own(&["--resolve", "yes"], &["true"]).contains_key("started"));
}

#[test]
fn a_user_is_taken_on_with_its_groups_and_the_death_signal_stands_after_it() {
    if !is_root() {
        return eprintln!("not root: passed over");
    }
    let ground = Ground::new(true);
    let program = ground.program.to_str().unwrap();
    let seen =
        spawn(stand_in(), &["--uid", "1234", "--gid", "4321", "--groups", "7,8"], &[program, "victim", "inspect"]);
    for (key, value) in [("uid", "1234"), ("gid", "4321"), ("groups", "7 8"), ("death-signal", "9")] {
        assert_eq!(seen[key], value, "{key}: {seen:#?}");
    }
    let seen = spawn(stand_in(), &["--uid", "1234", "--gid", "4321", "--groups", ""], &[program, "victim", "inspect"]);
    assert_eq!(seen["groups"], "");

    let ordinary = ORDINARY_USER.to_string();
    let seen = spawn(&ground.program, &["--as-user", &ordinary, "--uid", "0"], &["/bin/true"]);
    assert_eq!(seen["failed"], format!("User {}", libc::EPERM));
    assert!(seen["error"].contains("only root may change users"), "{seen:#?}");
}

#[test]
fn a_set_user_id_program_gains_nothing() {
    if !is_root() {
        return eprintln!("not root: passed over");
    }
    let ground = Ground::new(true);
    let privileged = ground.directory.path().join("privileged");
    std::fs::copy("/bin/sleep", &privileged).unwrap();
    copy(&std::fs::canonicalize("/usr/bin/id").unwrap(), &privileged);
    std::fs::set_permissions(&privileged, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let ordinary = ORDINARY_USER.to_string();
    let run = |no_new_privileges| {
        let options = ["--as-user", &ordinary, "--no-new-privileges", no_new_privileges];
        let output = Command::new(&ground.program)
            .arg("spawn")
            .args(options)
            .args(["--", privileged.to_str().unwrap(), "-u"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().lines().find(|line| line.parse::<u32>().is_ok()).map(str::to_owned)
    };
    assert_eq!(run("yes"), Some(ordinary.clone()));
    // That the bit works here at all; where /tmp is mounted nosuid it does not.
    if run("no") != Some("0".into()) {
        eprintln!("set-user-ID programs do nothing here anyway");
    }
}

#[test]
fn a_process_is_born_into_its_cgroup() {
    if !is_root() || !cgroup_can_be_made() {
        return eprintln!("no cgroup can be made here: passed over");
    }
    let program = stand_in().to_str().unwrap();
    for options in [&[][..], &["--move", "yes"]] {
        let name = unique();
        let options = [&["--cgroup", name.as_str()], options].concat();
        let seen = own(&options, &[program, "victim", "inspect"]);
        let cgroup = &seen["cgroup"];
        assert!(cgroup.contains(&format!("failstop-{name}-")) && cgroup.ends_with("-1/c1/1"), "{seen:#?}");
        assert_eq!(seen["ended"], "Status(0)");
        assert_eq!(seen["populated"], "false", "what was reaped does not count");
        assert_eq!(seen["fds"], "0,1,2,3");
    }
}
