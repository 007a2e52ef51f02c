//! What another user is told: never that nothing runs, where that user cannot see.

use crate::system::System;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Output;

const OWNER: u32 = 65534;
const STRANGER: u32 = 1;

const BOT_AND_LOG: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n\
                           [alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"told/alerts.jsonl\"\n";

fn run_by(system: &System, user: u32, subcommand: &str, arguments: &[&str]) -> Output {
    system.command(subcommand).uid(user).gid(user).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What people were told by then.
fn told(system: &System) -> String {
    std::fs::read_to_string(system.path("told/alerts.jsonl")).unwrap_or_default()
}

#[test]
fn whoever_may_not_look_is_told_as_whom_to_look() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let mut system = System::new(BOT_AND_LOG).run_as(OWNER);
    std::fs::create_dir(system.path("told")).unwrap();
    std::fs::set_permissions(system.path("told"), std::fs::Permissions::from_mode(0o777)).unwrap();
    system.start();
    system.wait_active();

    let status = run_by(&system, STRANGER, "status", &[]);
    let said = text(&status.stderr);
    assert_eq!(status.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("whether an engine of system {} runs cannot be seen", system.name)), "{said}");
    assert!(said.contains("(65534) or as root") && !said.contains("failstop run"), "{said}");

    let engaged = run_by(&system, STRANGER, "kill-switch engage", &["--reason", "x"]);
    let said = text(&engaged.stdout);
    assert_eq!(engaged.status.code(), Some(3), "{said}");
    assert!(said.contains("engine     whether one runs cannot be seen") && said.contains("or as root"), "{said}");
    assert!(!said.contains("does not run"), "{said}");

    let run = run_by(&system, STRANGER, "run", &[]);
    let said = text(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("note: people are not told of this: whether an engine runs cannot be seen"), "{said}");
    assert!(!told(&system).contains("start-failed"), "{}", told(&system));

    // Where it can be seen that one runs, nobody is told either.
    std::fs::set_permissions(system.path("state"), std::fs::Permissions::from_mode(0o711)).unwrap();
    let said = text(&run_by(&system, STRANGER, "run", &[]).stderr);
    assert!(said.contains("note: people are not told of this: an engine runs"), "{said}");
    assert!(!told(&system).contains("start-failed"), "{}", told(&system));
    assert_eq!(system.stop(), 0);

    // A lock that a start as root has left keeps the owner out, and nothing runs: people are told.
    std::os::unix::fs::chown(system.path("state/LOCK"), Some(0), Some(0)).unwrap();
    let run = run_by(&system, OWNER, "run", &[]);
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    assert!(told(&system).contains("start-failed"), "{}\n{}", text(&run.stderr), told(&system));
}

/// A directory that ends with the test.
struct Planted(std::path::PathBuf);

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_directory_that_a_stranger_has_put_there_speaks_for_nobody() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // Users that nobody is, so that nobody's own directory is in the way.
    let owner = 2_000_000_000 + std::process::id();
    let stranger = owner + 1;
    let system = System::new(BOT_AND_LOG).run_as(owner);
    let sound = std::fs::read_to_string(system.path("failstop.toml")).unwrap();
    std::fs::write(system.path("failstop.toml"), sound.replace("runtime_dir = \"run\"\n", "")).unwrap();
    let base = Planted(format!("/dev/shm/failstop-{owner}").into());
    let runtime = base.0.join(&system.name);
    if std::fs::create_dir_all(&runtime).is_err() {
        return;
    }
    std::fs::set_permissions(&base.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    for path in [&base.0, &runtime] {
        std::os::unix::fs::chown(path, Some(stranger), Some(stranger)).unwrap();
    }
    let ignored = format!("is ignored: user {stranger} may have put it there");
    let status = run_by(&system, owner, "status", &[]);
    assert!(text(&status.stderr).contains(&ignored), "{}", text(&status.stderr));
    let engaged = run_by(&system, owner, "kill-switch engage", &["--reason", "x"]);
    assert_eq!(engaged.status.code(), Some(0), "{}", text(&engaged.stdout));
    assert!(text(&engaged.stdout).contains(&ignored), "{}", text(&engaged.stdout));
}
