//! Exactly one engine a system.

use crate::system::System;
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
