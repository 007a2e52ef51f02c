//! The verdict, its number, and what it leads to.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

fn tick(host: &mut Host, index: usize) {
    host.sign(index, Sign::Tick { feed: "venue".to_owned(), fresh: true });
}

fn status(host: &Host) -> HealthStatus {
    host.core.health(host.now).status
}

#[test]
fn a_source_is_judged_once_it_is_configured_or_first_seen() {
    let mut host = Host::live(policy(asks()));
    host.pass(60 * MINUTE);
    assert_eq!(status(&host), HealthStatus::Healthy, "an unmodified bot is not shut down for ticks it never sends");
    tick(&mut host, 0);
    host.pass(5 * MINUTE);
    assert_eq!((status(&host), host.core.permission()), (HealthStatus::Critical, Permission::ObserveOnly));
    let mut with = policy(asks());
    with.health.feeds = vec!["venue".to_owned()];
    let mut host = Host::live(with);
    host.pass(5 * MINUTE);
    assert_eq!(status(&host), HealthStatus::Critical);
}

#[test]
fn stale_data_is_unhealthy_then_failsafe_and_resumes_with_fresh_data_only() {
    let mut host = Host::live(policy(asks()));
    tick(&mut host, 0);
    host.pass(5 * MINUTE);
    assert_eq!(host.standing(), [Cause::Unhealthy]);
    host.pass(5 * MINUTE);
    let halt = host.halt(Cause::Failsafe).unwrap();
    assert_eq!(halt.trigger, Some(Trigger::MarketData));
    assert_eq!(host.state(0), ComponentState::Stopped);
    host.pass(2 * MINUTE);
    assert!(!host.standing().contains(&Cause::Unhealthy), "an age that failstop itself causes holds nothing");
    host.resume().unwrap();
    assert_eq!(host.state(0), ComponentState::Ready);
    host.pass(4 * MINUTE);
    assert_eq!(host.standing(), [], "its age counts anew from readiness");
    host.pass(MINUTE);
    assert_eq!(host.standing(), [Cause::Unhealthy]);
}

#[test]
fn unhealthy_clears_after_a_minute_and_a_break_starts_the_five_minutes_anew() {
    let mut host = Host::live(policy(asks()));
    host.sign(0, Sign::Queue { state: QueueState::Stalled, depth: 3 });
    host.pass(4 * MINUTE);
    host.sign(0, Sign::Queue { state: QueueState::Idle, depth: 0 });
    host.pass(59 * SECOND);
    assert_eq!(host.standing(), [Cause::Unhealthy]);
    host.sign(0, Sign::Queue { state: QueueState::Stalled, depth: 3 });
    host.pass(4 * MINUTE);
    assert_eq!(host.standing(), [Cause::Unhealthy]);
    host.pass(MINUTE);
    assert_eq!(host.halt(Cause::Failsafe).unwrap().trigger, Some(Trigger::UnhealthyTooLong));
}

#[test]
fn a_queue_is_stalled_by_its_word_or_without_progress() {
    let mut host = Host::live(policy(asks()));
    for depth in [9, 8, 7, 7, 7] {
        host.sign(0, Sign::Queue { state: QueueState::Processing, depth });
        host.pass(25 * SECOND);
    }
    assert_eq!(host.standing(), [Cause::Unhealthy]);
    host.sign(0, Sign::Queue { state: QueueState::Processing, depth: 6 });
    host.pass(59 * SECOND);
    host.sign(0, Sign::Queue { state: QueueState::Idle, depth: 0 });
    host.pass(10 * MINUTE);
    assert_eq!(host.standing(), []);
}

#[test]
fn more_than_ten_errors_a_minute_are_unhealthy() {
    let mut host = Host::live(policy(asks()));
    let error = |host: &mut Host| host.sign(0, Sign::Error { severity: 3, fatal: false, message: "no".to_owned() });
    for _ in 0..60 {
        error(&mut host);
        host.pass(6 * SECOND);
    }
    assert_eq!(host.standing(), [], "ten a minute are allowed");
    error(&mut host);
    error(&mut host);
    assert_eq!(host.standing(), [Cause::Unhealthy]);
    for _ in 0..100_000 {
        error(&mut host);
    }
    assert_eq!(host.core.health(host.now).errors_per_minute as usize, MAX_ERRORS_COUNTED);
}

#[test]
fn an_unrecoverable_error_is_failsafe_until_the_process_that_reported_it_is_gone() {
    for (severity, fatal) in [(5, false), (1, true)] {
        let mut host = Host::live(policy(asks()));
        host.polite = false;
        host.sign(0, Sign::Error { severity, fatal, message: "lost track".to_owned() });
        assert_eq!(host.halt(Cause::Failsafe).unwrap().trigger, Some(Trigger::BotFatal));
        assert!(host.resume().unwrap_err()[0].contains("still runs"));
        host.pass(10 * SECOND);
        host.resume().unwrap();
    }
}

#[test]
fn parts_and_components_make_the_number() {
    let mut host = Host::live(policy(asks()));
    assert_eq!(host.core.health(host.now).overall, 1000);
    host.sign(0, Sign::Part { name: "executor".to_owned(), health: 700, critical: false });
    assert_eq!((host.core.health(host.now).overall, status(&host)), (700, HealthStatus::Healthy));
    host.sign(0, Sign::Part { name: "wallet".to_owned(), health: 900, critical: true });
    assert_eq!((host.core.health(host.now).overall, status(&host)), (0, HealthStatus::Degraded));
    assert_eq!(host.core.permission(), Permission::Active, "degraded caps nothing");
    host.exits(0, Exit::Status(1));
    assert_eq!(host.core.parts(), [], "its parts went with it");
    for number in 0..1000 {
        host.sign(0, Sign::Part { name: number.to_string(), health: 1000, critical: false });
        host.sign(0, Sign::Tick { feed: number.to_string(), fresh: true });
    }
    assert_eq!((host.core.parts().len(), host.core.feeds().len()), (MAX_PARTS, MAX_FEEDS));
}

#[test]
fn a_silent_journal_is_unhealthy_then_failsafe() {
    let mut host = Host::live(policy(asks()));
    host.prompt = false;
    host.pass(10 * MINUTE);
    assert!(host.standing().contains(&Cause::Unhealthy));
    host.pass(5 * MINUTE);
    assert_eq!(host.halt(Cause::Failsafe).unwrap().trigger, Some(Trigger::JournalSilent));
    assert!(host.core.is_renewal_withheld());
}

#[test]
fn an_old_snapshot_is_failsafe_once_there_ever_was_one() {
    let mut host = Host::live(policy(asks()));
    host.send(Input::SnapshotTaken { age: Duration::ZERO });
    host.pass(25 * 60 * MINUTE);
    assert_eq!(host.halt(Cause::Failsafe).unwrap().trigger, Some(Trigger::SnapshotAge));
    assert!(host.resume().unwrap_err()[0].contains("snapshot"));
    host.send(Input::SnapshotTaken { age: Duration::ZERO });
    host.resume().unwrap();
}

#[test]
fn a_snapshot_of_an_earlier_engine_goes_on_ageing() {
    let mut host = Host::live(policy(asks()));
    // Taken long before this host's clock began.
    host.send(Input::SnapshotTaken { age: 24 * 60 * MINUTE });
    host.pass(59 * MINUTE);
    assert_eq!(host.halt(Cause::Failsafe), None);
    assert_eq!(host.core.health(host.now).snapshot_age, Some((24 * 60 + 59) * MINUTE));
    host.pass(MINUTE);
    assert_eq!(host.halt(Cause::Failsafe).unwrap().trigger, Some(Trigger::SnapshotAge));
    let mut host = Host::live(policy(asks()));
    host.send(Input::SnapshotTaken { age: 26 * 60 * MINUTE });
    assert_eq!(host.halt(Cause::Failsafe).unwrap().trigger, Some(Trigger::SnapshotAge), "at once");
}

#[test]
fn a_direct_component_stopped_twice_by_its_own_stale_source_is_failsafe() {
    let mut host = Host::live(policy(vec![component("bot", Orders::Direct)]));
    tick(&mut host, 0);
    host.pass(5 * MINUTE);
    assert_eq!(host.state(0), ComponentState::Stopped);
    host.pass(2 * MINUTE);
    assert_eq!(host.state(0), ComponentState::Ready, "unhealthy cleared, so it runs again");
    host.pass(5 * MINUTE);
    assert_eq!(host.halt(Cause::Failsafe).unwrap().trigger, Some(Trigger::StaleSourceAgain));
    host.resume().unwrap();
}

#[test]
fn after_a_jump_of_the_clock_everything_is_judged_afresh() {
    let bot = ComponentPolicy { liveness: Some(Liveness::Heartbeat(MINUTE)), ..component("bot", Orders::Asks) };
    let mut host = Host::live(policy(vec![bot]));
    tick(&mut host, 0);
    host.now = host.now.plus(8 * 60 * MINUTE);
    host.send(Input::ClockJumped { by: 8 * 60 * MINUTE, evidence: "the machine slept".to_owned() });
    assert_eq!(host.standing(), [Cause::Clock], "nobody is hung and nothing is stale");
    host.pass(10 * SECOND);
    assert_eq!(host.standing(), [Cause::Clock], "no fresh input yet");
    host.sign(0, Sign::Heartbeat(None));
    tick(&mut host, 0);
    assert_eq!(host.standing(), []);
}

#[test]
fn a_clock_that_goes_backwards_is_failsafe_and_does_not_stop_time() {
    let mut host = Host::live(policy(asks()));
    host.polite = false;
    host.pass(MINUTE);
    host.now = host.now.minus(Duration::from_secs(30));
    host.send(Input::Wake);
    assert_eq!(host.halt(Cause::Failsafe).unwrap().trigger, Some(Trigger::ClockBackwards));
    assert!(host.resume().unwrap_err()[0].contains("start failstop again"));
    host.pass(10 * SECOND);
    assert_eq!(host.state(0), ComponentState::Stopped, "the grace period still ends");
    assert!(host.core.next_deadline().unwrap() > host.now);
}

#[test]
fn a_lasting_change_of_the_verdict_is_recorded_and_a_flapping_one_cannot_flood_the_journal() {
    let mut host = Host::live(policy(asks()));
    let written = |host: &Host| host.records_of(|record| matches!(record, Record::HealthChanged { .. }));
    assert_eq!(written(&host), 0, "a start says nothing");
    let part = |host: &mut Host, health| host.sign(0, Sign::Part { name: "x".to_owned(), health, critical: false });
    part(&mut host, 100);
    host.pass(SECOND);
    assert_eq!(written(&host), 1);
    part(&mut host, 1000);
    host.pass(SECOND);
    assert_eq!(written(&host), 2);
    for round in 0..1000 {
        part(&mut host, if round % 2 == 0 { 0 } else { 1000 });
        let state = if round % 2 == 0 { QueueState::Stalled } else { QueueState::Idle };
        host.sign(0, Sign::Queue { state, depth: 1 });
        host.pass(Duration::from_millis(10));
    }
    assert!((3..=4).contains(&written(&host)), "{}", written(&host));
}

fn part(host: &mut Host, name: &str, health: u16) -> Option<String> {
    let sign = Sign::Part { name: name.to_owned(), health, critical: health == 0 };
    let refusal = host.core.refusal(slot(0), &sign);
    host.sign(0, sign);
    refusal
}

#[test]
fn a_part_beyond_the_most_is_refused_and_held_against_health() {
    let mut host = Host::live(policy(asks()));
    for number in 0..MAX_PARTS {
        assert_eq!(part(&mut host, &format!("p{number}"), 1000), None);
    }
    assert_eq!(part(&mut host, "p0", 1000), None, "one that is kept stays so");
    assert_eq!(status(&host), HealthStatus::Healthy);
    let why = part(&mut host, "one-more", 1000).unwrap();
    assert!(why.contains("one-more") && why.contains("256"), "{why}");
    assert_eq!(host.core.health(host.now).overall, 500, "what nobody watches is not healthy");
    part(&mut host, "bad", 0);
    part(&mut host, "fine", 1000);
    let health = host.core.health(host.now);
    assert_eq!(health.overall, 0, "a critical one counts as one that is kept");
    assert!(health.reasons.iter().any(|reason| reason.contains("part bad of bot is not watched")), "{health:?}");
    part(&mut host, "bad", 900);
    assert_eq!(host.core.health(host.now).overall, 500);
    // Its process is gone, and so is what it said.
    host.exits(0, Exit::Status(0));
    host.pass(SECOND);
    assert_eq!(status(&host), HealthStatus::Healthy);
}

#[test]
fn a_feed_beyond_the_most_is_refused_and_held_against_health() {
    let mut host = Host::live(policy(asks()));
    let tick = |host: &mut Host, name: &str| {
        let sign = Sign::Tick { feed: name.to_owned(), fresh: true };
        let refusal = host.core.refusal(slot(0), &sign);
        host.sign(0, sign);
        refusal
    };
    for number in 0..MAX_FEEDS {
        assert_eq!(tick(&mut host, &format!("f{number}")), None);
    }
    assert_eq!((tick(&mut host, "f0"), status(&host)), (None, HealthStatus::Healthy));
    let why = tick(&mut host, "BTC-USD").unwrap();
    assert!(why.contains("BTC-USD") && why.contains("`instrument`"), "{why}");
    tick(&mut host, "ETH-USD");
    let health = host.core.health(host.now);
    assert_eq!((health.status, health.overall), (HealthStatus::Degraded, 500));
    assert_eq!(health.reasons, ["market data of feed BTC-USD of bot is not watched: 64 feeds are already"]);
}

#[test]
fn a_figure_beyond_a_critical_threshold_degrades_health_and_halts_nothing() {
    let mut host = Host::live(policy(asks()));
    let rate = "api_error_rate is 0.3 percent, above the critical threshold of 0.1".to_owned();
    host.send(Input::Crossed(vec![rate.clone()]));
    let health = host.core.health(host.now);
    assert_eq!((health.status, health.overall, health.reasons), (HealthStatus::Degraded, 500, vec![rate]));
    assert_eq!((host.standing(), host.core.permission()), (vec![], Permission::Active));
    host.send(Input::Crossed(Vec::new()));
    assert_eq!(status(&host), HealthStatus::Healthy);
    host.send(Input::Crossed((0..100).map(|number| "x".repeat(1_000) + &number.to_string()).collect()));
    let reasons = host.core.health(host.now).reasons;
    assert_eq!((reasons.len(), reasons[0].len()), (MAX_CROSSED, 512), "bounded");
}
