//! The guard does its work or is seen not to.

use crate::system::{System, signal};

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
