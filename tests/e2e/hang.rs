//! A bot that hangs is found at its deadline, killed with its whole tree and replaced, and trading waits for an operator.

use crate::system::{System, has_halt, signal};

#[test]
fn a_frozen_bot_is_replaced_and_the_halt_waits_for_an_operator() {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\"]\norders = \"asks\"\n",
        "liveness = { heartbeat = \"1s\" }\n",
    ));
    system.start();
    system.wait_active();
    let first = system.pid_of("bot").unwrap();
    signal(first, libc::SIGSTOP);
    let status = system.wait_status("a halt and a successor", |status| {
        has_halt(status, "heartbeat-lost") && status["components"][0]["ready"] == true
    });
    assert_eq!(status["permission"], "observe-only");
    assert_ne!(system.pid_of("bot"), Some(first));
    assert!(!crate::system::alive(first));
    // Without a reason it is refused as a usage error; with one it works once the bot is healthy.
    let refused = system.run("resume", &["--confirm", &system.name]);
    assert_eq!(refused.status.code(), Some(2));
    system.until("a resume that is taken", || {
        let resumed = system.run("resume", &["--reason", "looked at it", "--confirm", &system.name]);
        match resumed.status.code() {
            Some(0) => Some(()),
            Some(1) => None,
            other => panic!("{other:?}: {}", String::from_utf8_lossy(&resumed.stderr)),
        }
    });
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_starved_system_is_unhealthy_then_fail_safe() {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\", \"tick\", \"50\", \"binance\"]\norders = \"asks\"\n",
        "[health]\nmarket_data_max_age = \"1s\"\n[failsafe]\nmarket_data_max_age = \"3s\"\n",
    ));
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    signal(bot, libc::SIGUSR1);
    let status = system.wait_status("unhealthy", |status| has_halt(status, "unhealthy"));
    assert_eq!(status["permission"], "observe-only");
    assert_eq!(status["health"]["status"], "critical");
    let refused = system.run("resume", &["--reason", "please", "--confirm", &system.name]);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
    let status = system.wait_status("fail-safe", |status| has_halt(status, "failsafe"));
    assert_eq!(status["permission"], "shutdown");
    // In fail-safe shutdown the components are stopped and the doors stay open.
    system.wait_no_survivors(crate::system::PATIENCE);
    assert!(system.status().is_some());
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_bot_that_beat_all_along_survives_a_freeze_of_the_engine() {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\"]\norders = \"asks\"\n",
        "liveness = { heartbeat = \"1s\" }\n",
    ));
    system.start();
    system.wait_active();
    let (engine, bot) = (system.engine_pid(), system.pid_of("bot").unwrap());
    signal(engine, libc::SIGSTOP);
    // As long as it takes for the deadline to pass; how long exactly does not matter.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    signal(engine, libc::SIGCONT);
    let status = system.wait_active();
    assert_eq!((system.pid_of("bot"), status["halts"].as_array().map(Vec::len)), (Some(bot), Some(0)), "{status}");
    // And one that is frozen too is found all the same.
    signal(bot, libc::SIGSTOP);
    signal(engine, libc::SIGSTOP);
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    signal(engine, libc::SIGCONT);
    system.wait_status("a halt", |status| has_halt(status, "heartbeat-lost"));
    assert!(!crate::system::alive(bot));
    assert_eq!(system.stop(), 0);
}
