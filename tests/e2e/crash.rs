//! A bot that ends is noticed by the kernel's word, recorded with how it ended, and started again within its limit.

use crate::system::{System, signal};

#[test]
fn a_killed_bot_is_started_again_and_the_journal_says_how_it_ended() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    let (from, first) = (system.next_seq(), system.pid_of("bot").unwrap());
    signal(first, libc::SIGKILL);
    let exited = system.wait_record(from, "component.exited", |_| true);
    assert_eq!(exited["b"]["signal"], 9);
    assert_eq!(exited["b"]["requested"], false);
    let started = system.wait_record(from, "component.started", |_| true);
    assert_ne!(started["b"]["pid"], i64::from(first));
    let status = system.wait_active();
    assert_eq!(status["components"][0]["restarts"], 1);
    assert_eq!(system.stop(), 0);
}

#[test]
fn an_exit_status_is_recorded() {
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"wait\", \"50\", \"exit\", \"3\"]\norders = \"none\"\nrestart = \"never\"\nessential = false\n",
    );
    system.start();
    let exited = system.wait_record(1, "component.exited", |_| true);
    assert_eq!(exited["b"]["status"], 3);
    assert_eq!(exited["b"]["next"], "stay");
    assert_eq!(system.stop(), 0);
}

#[test]
fn five_crashes_within_the_limit_keep_it_down_with_a_latch_and_the_engine_answering() {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"append\", \"DIR/starts\", \"exit\", \"1\"]\norders = \"asks\"\n",
        "backoff = { initial = \"10ms\", max = \"50ms\", reset_after = \"60s\" }\n",
    ));
    system.start();
    let status = system.wait_status("component-failed", |status| {
        status["halts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|halt| halt["cause"] == "component-failed" && halt["latched"] == true)
    });
    assert_eq!(status["permission"], "shutdown");
    assert_eq!(status["components"][0]["state"], "failed");
    assert_eq!(std::fs::read_to_string(system.path("starts")).unwrap().lines().count(), 5);
    // Stopping on request while in fail-safe shutdown has a status of its own.
    assert_eq!(system.stop(), 5);
    // The latch outlives the engine.
    system.start();
    let status = system.wait_answer();
    assert_eq!(status["permission"], "shutdown");
    assert_eq!(status["epoch"], 2);
    assert_eq!(std::fs::read_to_string(system.path("starts")).unwrap().lines().count(), 5);
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_bot_behind_a_shell_is_asked_to_stop_and_gets_its_grace() {
    // The shell dies of SIGTERM at once; the bot behind it takes its time and then says that it is done.
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\norders = \"none\"\ncommand = [\"/bin/sh\", \"-c\", \"sh DIR/bot.sh; echo over\"]\n",
    );
    let bot = format!(
        "trap 'sleep 0.3; echo orders cancelled > {}; exit 0' TERM\necho up > {}\nwhile :; do sleep 0.05; done\n",
        system.path("done").display(),
        system.path("up").display()
    );
    std::fs::write(system.path("bot.sh"), bot).unwrap();
    system.start();
    system.wait_active();
    system.wait_status("the bot behind the shell", |_| system.path("up").exists());
    assert_eq!(system.stop(), 0);
    assert_eq!(std::fs::read_to_string(system.path("done")).unwrap(), "orders cancelled\n");
}
