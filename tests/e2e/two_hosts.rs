//! Two hosts at a switch: the engine, its bot and the responder on one, the watchdog and whoever hears of it on the other. A
//! host that dies, cables that are cut and put back, an engine that hangs, a bot that hangs, restarts that do not help.

use crate::hosts::Net;
use crate::stage::{BOT, RESPONDER, SECOND, STREAMED, Setup, WATCHDOG, Watched, is};
use crate::system::signal;
use crate::watched::frozen;
use std::time::{Duration, Instant};

/// What a machine that is busy with other things may add to a bound that the product promises.
const BUSY: Duration = Duration::from_secs(5);

/// Both hosts, with these keys of the target; `None` where there can be none.
fn hosts(components: &str, target: &str) -> Option<Watched> {
    hosts_with(components, target, "")
}

/// The same with these keys of its restarts.
fn hosts_with(components: &str, target: &str, restart: &str) -> Option<Watched> {
    let net = Net::make()?;
    let watchdog = format!("[network]\nreferences = [\"{}\"]\ntimeout = \"500ms\"\n", net.reference);
    let setup = Setup { net: Some(net), components, target, restart, watchdog: &watchdog, ..Setup::default() };
    Some(Watched::prepare(setup).run_all())
}

fn net(watched: &Watched) -> &Net {
    watched.net.as_ref().unwrap()
}

/// The bot's host loses its power: no packet says goodbye. How long until the first attempt at the channel.
fn dies(watched: &mut Watched) -> Duration {
    net(watched).plug_bot(false);
    let died = Instant::now();
    watched.kill_engine();
    watched.kill(RESPONDER);
    watched.system.wait_end();
    let down = watched.told("the alert", |posted| posted.text("cause") == "target-down");
    assert_eq!((down.change(), down.text("severity")), ("trigger", "critical"), "{down:#?}");
    assert!(watched.system.survivors().is_empty());
    down.at.duration_since(died)
}

/// The host is there again and its engine was started by whoever runs it.
fn comes_back(watched: &mut Watched) {
    net(watched).plug_bot(true);
    watched.system.start();
    let over = watched.told("the recovery", |posted| is(posted, "target-down", "resolve"));
    assert!(over.text("title").starts_with("recovered: "), "{over:#?}");
    let told = watched.receiver.taken("target-down");
    let count = |change: &str| told.iter().filter(|posted| posted.change() == change).count();
    assert_eq!((count("trigger"), count("resolve")), (1, 1), "{told:#?}");
    assert!(watched.system.survivors().len() <= 1);
}

#[test]
fn a_host_that_dies_is_told_within_five_seconds_by_the_stream() {
    let Some(mut watched) = hosts(BOT, STREAMED) else { return };
    let took = dies(&mut watched);
    println!("host dead -> first attempt, by the stream: {took:?}");
    assert!(took < Duration::from_secs(5) + BUSY, "{took:?}");
    comes_back(&mut watched);
}

#[test]
fn a_host_that_dies_is_told_by_polling_within_interval_times_failures_and_the_time_out() {
    // With a time-out above the interval a probe would wait for the one before it.
    let target = "interval = \"1s\"\ntimeout = \"500ms\"\nsettle = \"1s\"\nstream = \"off\"\n";
    let Some(mut watched) = hosts(BOT, target) else { return };
    let took = dies(&mut watched);
    println!("host dead -> first attempt, by polling: {took:?}");
    assert!(took < Duration::from_millis(3 * 1000 + 500) + BUSY, "{took:?}");
    comes_back(&mut watched);
}

#[test]
fn a_watchdog_without_a_network_alarms_nobody_and_sums_up_once() {
    let Some(watched) = hosts(BOT, SECOND) else { return };
    net(&watched).plug_eye(false);
    watched.until("it to be blind", || watched.get("/status").is_some_and(|status| !status["blind_since"].is_null()));
    watched.until_state("unknown");
    net(&watched).plug_eye(true);
    let summary = watched.told("the summary", |posted| is(posted, "own-network", "trigger"));
    assert!(summary.text("title").starts_with("wd1 was blind for "), "{summary:#?}");
    watched.told("its end", |posted| is(posted, "own-network", "resolve"));
    watched.until("the live stream", || {
        watched.target().is_some_and(|target| target["state"] == "up" && target["stream"] == true)
    });
    // That it was blind is all that anybody hears.
    let causes: Vec<String> = watched.receiver.posted().iter().map(|posted| posted.text("cause").to_owned()).collect();
    assert_eq!(causes, ["own-network", "own-network"]);
    assert_eq!((watched.epoch(), watched.starts()), (Some(1), 1));
}

#[test]
fn a_link_that_flaps_twenty_times_is_one_incident() {
    // Long enough between two falls that the first would be over by itself, were it not for the second.
    let target = "interval = \"100ms\"\ntimeout = \"300ms\"\nstream = \"off\"\nfailures = 2\nsettle = \"30s\"\n";
    let Some(mut watched) = hosts_with(BOT, target, "ask = false\n") else { return };
    // This is about what people hear: there is nobody there who could restart it meanwhile.
    watched.kill(RESPONDER);
    for _ in 0..20 {
        net(&watched).plug_bot(false);
        watched.until_state("down");
        net(&watched).plug_bot(true);
        watched.until_state("up");
    }
    let flaps = watched.told("that it flaps", |posted| posted.text("title").ends_with(" flaps"));
    assert!(flaps.text("message").contains("comes and goes"), "{flaps:#?}");
    let told = watched.receiver.taken("target-down");
    let count = |wanted: &str| told.iter().filter(|posted| posted.change() == wanted).count();
    assert_eq!((count("trigger"), count("resolve")), (1, 0), "{told:#?}");
    assert_eq!(told.iter().filter(|posted| posted.text("title").ends_with(" flaps")).count(), 1, "{told:#?}");
    assert!(watched.receiver.taken("own-network").is_empty(), "{told:#?}");
}

#[test]
fn a_frozen_engine_on_another_host_is_ended_by_sigterm() {
    let Some(watched) = hosts(BOT, STREAMED) else { return };
    frozen(&watched, false, "SIGTERM");
}

#[test]
fn one_whose_guard_is_frozen_too_is_ended_by_sigkill() {
    let Some(watched) = hosts(BOT, STREAMED) else { return };
    frozen(&watched, true, "SIGKILL");
}

#[test]
fn a_bot_that_hangs_is_the_engine_s_to_replace_and_the_watchdog_s_to_report() {
    let bot = concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"append\", \"DIRstarts\", \"beat\", \"100\", \"tick\", \"50\", \"feed\"]\n",
        "orders = \"asks\"\nstop_grace = \"1s\"\nliveness = { heartbeat = \"1s\" }\n[health]\nmarket_data_max_age = \"1s\"\n",
    );
    let Some(watched) = hosts(bot, SECOND) else { return };
    let bot = || watched.system.pid_of("bot");
    let hung = bot();
    signal(hung.unwrap(), libc::SIGSTOP);
    watched.until("another bot", || bot().is_some_and(|pid| Some(pid) != hung) && watched.starts() == 2);
    // One that lives and sees nothing: the engine says of itself that it is not well.
    watched.until("its market data", || {
        watched.system.status().is_some_and(|status| status["health"]["status"] == "healthy")
    });
    signal(bot().unwrap(), libc::SIGUSR1);
    let down = watched.told("a report", |posted| is(posted, "target-down", "trigger"));
    let message = down.text("message");
    assert!(message.contains("is not well: verdict: "), "{message}");
    assert!(message.contains("not restarted: a restart does not mend this"), "{message}");
    // Until an operator looked at it trading stays halted; and the watchdog does nothing about it.
    signal(bot().unwrap(), libc::SIGUSR1);
    watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert_eq!(watched.system.status().unwrap()["permission"], "observe-only");
    assert_eq!(watched.target().unwrap()["ladder"]["tries"], 0, "{}", watched.said(WATCHDOG));
    assert_eq!(watched.said(RESPONDER).lines().count(), 1, "{}", watched.said(RESPONDER));
    assert_eq!((watched.epoch(), watched.starts(), watched.system.survivors().len()), (Some(1), 2, 1));
}

#[test]
fn a_dead_engine_whose_kill_switch_is_engaged_stays_dead() {
    let Some(watched) = hosts(BOT, SECOND) else { return };
    let engaged = watched.system.run("kill-switch engage", &["--reason", "odd fills"]);
    assert_eq!(engaged.status.code(), Some(0), "{}", String::from_utf8_lossy(&engaged.stderr));
    // At once: whether the watchdog heard of it or only the responder knows, nothing is started.
    watched.kill_engine();
    watched.told("a report", |posted| is(posted, "target-down", "trigger"));
    watched.until("refusals of a dead engine", || {
        let by_watchdog = watched.said(WATCHDOG).matches("not restarted: its kill switch is engaged").count();
        by_watchdog + watched.said(RESPONDER).matches("its kill switch is engaged").count() >= 4
    });
    assert!(!watched.said(RESPONDER).contains("started process"), "{}", watched.said(RESPONDER));
    assert_eq!((watched.processes(), watched.starts(), watched.system.survivors().len()), (vec![], 1, 0));
}

#[test]
fn restarts_that_do_not_help_are_held_after_three_and_go_on_once_released() {
    let Some(watched) = hosts(BOT, SECOND) else { return };
    // Its start fails: for instance a configuration that somebody broke.
    let good = watched.said("failstop.toml");
    watched.write("failstop.toml", "[system\n");
    watched.kill_engine();
    let held = watched.told("that it is held", |posted| is(posted, "held", "trigger"));
    assert_eq!(held.text("severity"), "critical");
    assert!(held.text("message").contains("3 tries within 1 h are spent"), "{held:#?}");
    let tries = || watched.said(RESPONDER).matches(&format!("start {} for", watched.system.name)).count();
    assert_eq!(tries(), 3, "{}", watched.said(RESPONDER));

    // Mended alone it stays down: whoever mended it says so.
    watched.write("failstop.toml", &good);
    let ladder = watched.target().unwrap()["ladder"].clone();
    assert_eq!((&ladder["state"], &ladder["tries"]), (&"held".into(), &3.into()), "{ladder}");
    let released = watched.command(&["release", &watched.system.name]);
    assert_eq!(released.status.code(), Some(0), "{}", String::from_utf8_lossy(&released.stderr));
    watched.told("the end of the hold", |posted| is(posted, "held", "resolve"));
    watched.told("a verified restart", |posted| {
        is(posted, "target-down", "update") && posted.text("title").contains("was restarted")
    });
    watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert_eq!((tries(), watched.epoch(), watched.starts()), (4, Some(2), 2), "{}", watched.said(RESPONDER));
    assert_eq!(watched.system.survivors().len(), 1);
}

#[test]
fn a_step_that_waits_for_a_cable_does_nothing_once_the_cable_is_back() {
    let Some(watched) = hosts(BOT, SECOND) else { return };
    for rung in ["rung 1: ask", "rung 2: signal"] {
        let steps = || watched.said(WATCHDOG).matches(rung).count();
        let before = steps();
        net(&watched).plug_bot(false);
        watched.until(rung, || steps() > before);
        net(&watched).plug_bot(true);
        watched.until_state("up");
    }
    let ends = Instant::now() + Duration::from_secs(5);
    while Instant::now() < ends {
        assert_eq!(
            (watched.epoch(), watched.starts(), watched.processes().len()),
            (Some(1), 1, 2),
            "{}",
            watched.said(WATCHDOG)
        );
        assert_eq!(watched.said(RESPONDER).lines().count(), 1, "{}", watched.said(RESPONDER));
        std::thread::sleep(Duration::from_millis(50));
    }
}
