//! Exactly one engine a system, and a stop that reaches it.

use crate::system::{System, signal};
use std::fs;

#[test]
fn a_second_instance_exits_with_4_and_touches_nothing() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    let before = (fs::read(system.path("state/epoch")).unwrap(), fs::read(system.path("run/engine.json")).unwrap());
    let output = system.run("run", &[]);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("another failstop runs this system"), "{error}");
    let after = (fs::read(system.path("state/epoch")).unwrap(), fs::read(system.path("run/engine.json")).unwrap());
    assert_eq!(before, after);
    assert_eq!(system.pid_of("bot"), Some(bot));
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_journal_of_another_system_is_a_configuration_to_correct() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    let text = fs::read_to_string(system.path("failstop.toml")).unwrap();
    fs::write(system.path("failstop.toml"), text.replace(&system.name, "another")).unwrap();
    let output = system.run("run", &[]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&system.name) && error.contains("`system.name`"), "{error}");
    assert!(error.contains(system.path("state").to_str().unwrap()), "{error}");
}

#[test]
fn a_frozen_engine_obeys_a_request_to_stop() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    signal(system.engine_pid(), libc::SIGSTOP);
    assert_eq!(system.stop(), 0);
    assert!(system.survivors().is_empty());
}

#[test]
fn an_engine_whose_lock_was_removed_ends_before_another_can_run_beside_it() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    std::fs::remove_file(system.path("state/LOCK")).unwrap();
    assert_eq!(system.wait_end(), 4, "{}", system.log());
    assert!(system.log().contains("leave LOCK where it is"), "{}", system.log());
    system.wait_no_survivors(crate::system::PATIENCE);
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    assert_eq!(system.run("verify-data", &[]).status.code(), Some(0));
}
