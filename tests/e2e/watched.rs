//! A watchdog on the engine that it watches: frozen engines, the kill switch, and a state that went back. On one host; see
//! [`crate::two_hosts`] for two.

use crate::stage::{POLLED, RESPONDER, SECOND, STREAMED, Setup, WATCHDOG, Watched, is};
use crate::system::{alive, signal};
use crate::wire::Door;
use std::fs;
use std::process::Command;

/// A frozen engine: told by the stream (the next poll is minutes away), ended, started anew, verified, and over.
pub fn frozen(watched: &Watched, guard: bool, how: &str) {
    let engine = watched.freeze(guard);
    let down = watched.told("the alert", |posted| is(posted, "target-down", "trigger"));
    assert_eq!(down.text("severity"), "critical");
    assert!(watched.said(WATCHDOG).contains("its live stream has no beat"), "{}", watched.said(WATCHDOG));
    let restarted = watched.told("a verified restart", |posted| {
        is(posted, "target-down", "update") && posted.text("title").contains("was restarted")
    });
    let message = restarted.text("message");
    assert!(message.contains(&format!("signal: {how}: exit seen")), "{message}");
    assert!(message.contains("answers with epoch 2"), "{message}");
    watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert!(!alive(engine));
    assert_eq!((watched.epoch(), watched.starts(), watched.system.survivors().len()), (Some(2), 2, 1));
    assert_eq!(watched.target().unwrap()["ladder"]["tries"], 1, "{}", watched.said(WATCHDOG));
}

#[test]
fn a_frozen_engine_is_restarted_by_sigterm() {
    frozen(&Watched::start(STREAMED), false, "SIGTERM");
}

#[test]
fn one_whose_guard_is_frozen_too_is_restarted_by_sigkill() {
    frozen(&Watched::start(STREAMED), true, "SIGKILL");
}

#[test]
fn a_kill_switch_that_is_engaged_is_never_overruled() {
    let watched = Watched::start(SECOND);
    let engine = watched.freeze(false);
    // The frozen engine can tell nobody: only the latch on its host says so.
    let engaged = watched.system.run("kill-switch engage", &["--reason", "odd fills"]);
    assert!(watched.system.survivors().is_empty(), "{}", String::from_utf8_lossy(&engaged.stderr));
    watched.told("a refused try", |posted| {
        is(posted, "target-down", "update") && posted.text("message").contains("signal refused")
    });
    assert!(watched.said(RESPONDER).contains("its kill switch is engaged"), "{}", watched.said(RESPONDER));

    // Awake, it tells the watchdog; and then a try is not even begun.
    signal(engine, libc::SIGCONT);
    watched.told("the engine's answers", |posted| is(posted, "target-down", "resolve"));
    signal(engine, libc::SIGSTOP);
    let refusal = "not restarted: its kill switch is engaged";
    watched.until("refusals", || watched.said(WATCHDOG).matches(refusal).count() >= 3);
    let tries = watched.target().unwrap()["ladder"]["tries"].clone();
    signal(watched.system.guard_pid(), libc::SIGKILL);
    signal(engine, libc::SIGKILL);
    watched.until("refusals of a dead engine", || watched.said(WATCHDOG).matches(refusal).count() >= 6);
    assert_eq!(watched.target().unwrap()["ladder"]["tries"], tries);
    assert!(!watched.said(RESPONDER).contains("start "), "{}", watched.said(RESPONDER));
    assert_eq!((watched.epoch(), watched.starts(), watched.system.survivors().len()), (Some(1), 1, 0));
}

#[test]
fn a_stop_that_the_watchdog_could_not_see_is_not_undone() {
    let mut watched = Watched::start(POLLED);
    let name = watched.system.name.clone();
    // It sees nothing of the stop: neither an announcement nor the engine's last answers.
    let watchdog = watched.pid(WATCHDOG);
    signal(watchdog, libc::SIGSTOP);
    assert_eq!(watched.system.stop(), 0);
    signal(watchdog, libc::SIGCONT);
    let stopped = watched.told("that it is stopped", |posted| is(posted, "target-stopped", "trigger"));
    assert_eq!(stopped.text("severity"), "warning");
    assert!(stopped.text("message").contains("by a signal: SIGTERM"), "{}", stopped.text("message"));
    watched.told("the end of the alarm", |posted| is(posted, "target-down", "resolve"));
    assert!(!watched.said(RESPONDER).contains("started process"), "{}", watched.said(RESPONDER));
    assert_eq!((watched.starts(), watched.system.survivors().len()), (1, 0));

    // A person starts it again, and from then on it is watched as before: killed, it is restarted.
    watched.system.start();
    watched.system.wait_active();
    watched.told("that it runs again", |posted| is(posted, "target-stopped", "resolve"));
    assert!(!watched.system.path("run/ended.json").exists() && !watched.system.path("state/ended.json").exists());
    let guard = watched.system.guard_pid();
    signal(watched.system.engine_pid(), libc::SIGKILL);
    watched.until("a third life", || watched.epoch() == Some(3) && !alive(guard));
    watched.until("its bot", || watched.starts() == 3);
    assert_eq!(watched.target().unwrap()["name"], name);
}

#[test]
fn an_engine_that_was_asked_and_that_nobody_supervises_is_started_by_the_responder() {
    let watched = Watched::prepare(Setup { target: POLLED, restart: "come_back = \"1s\"\n", ..Setup::default() });
    let door = Door::to(watched.observe);
    let watched = watched.seen_through(&door).run_all();
    let engine = watched.system.engine_pid();
    // Its health cannot be had, and its control listener answers.
    door.shut();
    watched.told("the alert", |posted| is(posted, "target-down", "trigger"));
    watched.until("the engine's end", || !alive(engine));
    watched.until("a second life", || watched.epoch() == Some(2));
    door.open();
    let restarted = watched.told("a verified restart", |posted| {
        is(posted, "target-down", "update") && posted.text("title").contains("was restarted")
    });
    let message = restarted.text("message");
    assert!(message.contains("ask: the engine accepted it") && message.contains("start: process"), "{message}");
    watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert_eq!((watched.epoch(), watched.starts(), watched.system.survivors().len()), (Some(2), 2, 1));
    assert_eq!(watched.target().unwrap()["ladder"]["tries"], 1, "{}", watched.said(WATCHDOG));
}

#[test]
fn a_state_that_is_rolled_back_with_a_valid_chain_is_critical_and_names_the_last_agreed_record() {
    let mut watched = Watched::start(SECOND);
    let (agreed, state, old) = (watched.until_proved(), watched.system.path("state"), watched.system.path("old"));
    let copied = Command::new("cp").arg("-a").arg(&state).arg(&old).status().unwrap();
    assert!(copied.success());
    assert_eq!(watched.head(), Some(agreed));

    // Two more lives, so that an engine on the old copy has written fewer records than were seen.
    for _ in 0..2 {
        assert_eq!(watched.system.stop(), 0);
        watched.system.start();
        watched.system.wait_active();
    }
    watched.until("later records proved", || watched.proved().is_some_and(|seq| seq > agreed));
    assert!(watched.receiver.taken("witness").is_empty(), "{:?}", watched.receiver.posted());
    assert_eq!(watched.system.stop(), 0);
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&old, &state).unwrap();
    watched.system.start();
    let alarm = watched.told("the alarm", |posted| is(posted, "witness", "trigger"));
    assert_eq!(alarm.text("severity"), "critical");
    assert!(
        alarm.text("message").contains(&format!("The last agreed record is {agreed}.")),
        "{}",
        alarm.text("message")
    );
}
