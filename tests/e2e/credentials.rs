//! Secrets that a component is given as files: its own alone, in memory, and gone with it.

use crate::system::{PATIENCE, System, signal};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

const OWNER: u32 = 65534;
const STRANGER: u32 = 1;

/// Writes what it finds into `NAME.seen` in its working directory.
const LOOK: &str = "cd \"$CREDENTIALS_DIRECTORY\"; { pwd; stat -c '%a %u %F %n' . *; cat api_key token; echo; cat of_systemd; \
    cat /proc/self/mountinfo | grep \"$CREDENTIALS_DIRECTORY\"; env; echo more 2>&1 >more; \
    cat \"$OTHER\"/* 2>&1; } >$SEEN.new 2>&1; mv $SEEN.new $SEEN; exec sleep 1000";

fn component(name: &str, keys: &str) -> String {
    format!(
        "[[component]]\nname = \"{name}\"\norders = \"none\"\ncommand = [\"/bin/sh\", \"DIR/look.sh\"]\n\
         env = {{ SEEN = \"DIR/own/{name}.seen\", OTHER = \"DIR/run/credentials\" }}\n\
         credentials = {{ api_key = {{ file = \"secret\" }}, token = {{ env = \"TOKEN_OF_IT\" }}, \
         of_systemd = {{ credential = \"theirs\" }} }}\n{keys}\n"
    )
}

fn system(components: &str) -> System {
    let system = System::new(components);
    let open = |path: PathBuf, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(system.path(""), 0o755);
    std::fs::create_dir(system.path("own")).unwrap();
    open(system.path("own"), 0o777);
    std::fs::write(system.path("look.sh"), LOOK).unwrap();
    std::fs::write(system.path("secret"), "key in a file\n").unwrap();
    open(system.path("secret"), 0o600);
    std::fs::create_dir(system.path("systemd")).unwrap();
    std::fs::write(system.path("systemd/theirs"), "systemd's own").unwrap();
    system
}

/// Starts it with the variables from which credentials come.
fn start_given(system: &mut System) {
    let theirs = system.path("systemd");
    let theirs = theirs.to_str().unwrap().to_owned();
    system.start_with(&[], &[("TOKEN_OF_IT", "token in a variable"), ("CREDENTIALS_DIRECTORY", &theirs)]);
}

fn root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn as_root_each_start_has_a_file_system_of_its_own_that_nobody_else_sees() {
    if !root() {
        return;
    }
    let both = component("bot", "user = \"nobody\"") + &component("scanner", "user = \"daemon\"");
    let mut system = system(&both);
    start_given(&mut system);
    for (name, user) in [("bot", OWNER), ("scanner", STRANGER)] {
        let seen = system.wait_file(&format!("own/{name}.seen"));
        let folder = system.path(&format!("run/credentials/{}/{name}", system.engine_pid()));
        assert!(seen.starts_with(&format!("{}\n", folder.display())), "{seen}");
        assert!(seen.contains(&format!("500 {user} directory .\n400 {user} regular file api_key\n")), "{seen}");
        assert!(seen.contains("key in a file\ntoken in a variable\nsystemd's own"), "{seen}");
        assert!(seen.contains(" - tmpfs ") && seen.contains("nosuid") && seen.contains("noexec"), "{seen}");
        assert!(!seen.contains("TOKEN_OF_IT"), "the source is not inherited: {seen}");
        assert!(seen.contains("cannot create more") && !seen.contains("more\n400"), "{seen}");
        assert_eq!(seen.matches("key in a file").count(), 1, "and not the other's: {seen}");
        // What others see, root included, is an empty folder.
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
    let bot = system.pid_of("bot").unwrap();
    let inside = format!("/proc/{bot}/root{}", system.path("run/credentials").display());
    let reach = Command::new("cat")
        .arg(format!("{inside}/{}/bot/api_key", system.engine_pid()))
        .uid(STRANGER)
        .output()
        .unwrap();
    assert!(!reach.status.success(), "another user does not reach into its namespace");
    assert_eq!(system.stop(), 0);
    assert!(!system.path("run/credentials").exists());
}

#[test]
fn a_restart_takes_the_secret_that_is_there_then() {
    let mut system = system(&component("bot", "credentials_on_disk = true"));
    start_given(&mut system);
    system.wait_file("own/bot.seen");
    std::fs::write(system.path("secret"), "the new key\n").unwrap();
    std::fs::remove_file(system.path("own/bot.seen")).unwrap();
    signal(system.pid_of("bot").unwrap(), libc::SIGKILL);
    let seen = system.wait_file("own/bot.seen");
    assert!(seen.contains("the new key") && !seen.contains("key in a file"), "{seen}");
    // Gone where it was: no start then, and why is said.
    std::fs::remove_file(system.path("secret")).unwrap();
    let from = system.next_seq();
    signal(system.pid_of("bot").unwrap(), libc::SIGKILL);
    let record = system.wait_record(from, "component.start_failed", |_| true);
    let why = record["b"]["error"].as_str().unwrap();
    assert!(why.starts_with("credential \"api_key\": ") && why.contains("No such file"), "{why}");
}

#[test]
fn as_an_ordinary_user_they_are_files_that_end_with_the_tree_and_with_whoever_dies() {
    if !root() {
        return;
    }
    let mut system = system(&component("bot", "credentials_on_disk = true")).run_as(OWNER);
    std::os::unix::fs::chown(system.path("secret"), Some(OWNER), Some(OWNER)).unwrap();
    let start = |system: &mut System| {
        let _ = std::fs::remove_file(system.path("own/bot.seen"));
        start_given(system);
        system.wait_answer();
        let seen = system.wait_file("own/bot.seen");
        assert!(seen.contains("key in a file\ntoken in a variable\nsystemd's own"), "{seen}");
        let folder = system.path(&format!("run/credentials/{}/bot", system.engine_pid()));
        assert!(folder.join("api_key").exists());
        folder
    };
    let folder = start(&mut system);
    let reach = Command::new("cat").arg(folder.join("api_key")).uid(STRANGER).gid(STRANGER).output().unwrap();
    assert!(!reach.status.success(), "another user reads it");
    assert_eq!(system.stop(), 0);
    assert!(!system.path("run/credentials").exists(), "after a stop");

    let folder = start(&mut system);
    signal(system.engine_pid(), libc::SIGKILL);
    system.wait_end();
    assert!(!folder.exists(), "the guard removes what a dead engine left");

    let left = start(&mut system);
    let engine = system.engine_pid();
    signal(system.guard_pid(), libc::SIGSTOP);
    signal(engine, libc::SIGKILL);
    signal(system.guard_pid(), libc::SIGKILL);
    system.wait_end();
    system.wait_no_survivors(PATIENCE);
    assert!(left.exists(), "nobody was there to remove it");
    start(&mut system);
    assert!(!left.exists(), "the next start removes it");
    assert_eq!(system.stop(), 0);
}

#[test]
fn without_a_place_in_memory_the_start_is_refused_unless_the_configuration_says_so() {
    if !root() {
        return;
    }
    let mut system = system(&component("bot", "")).run_as(OWNER);
    std::os::unix::fs::chown(system.path("secret"), Some(OWNER), Some(OWNER)).unwrap();
    let check = system
        .command("check")
        .args(["--offline", "--only", "secrets"])
        .env("TOKEN_OF_IT", "t")
        .env("CREDENTIALS_DIRECTORY", system.path("systemd"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&check.stdout).into_owned();
    let in_memory =
        nix::sys::statfs::statfs(&system.path("")).unwrap().filesystem_type() == nix::sys::statfs::TMPFS_MAGIC;
    if in_memory {
        return;
    }
    assert!(check.status.code() == Some(1) && text.contains("would be on a disk"), "{text}");
    start_given(&mut system);
    let record = system.wait_record(0, "component.start_failed", |_| true);
    assert!(record["b"]["error"].as_str().unwrap().contains("credentials_on_disk = true"), "{record}");
    assert!(!system.path("own/bot.seen").exists());
}
