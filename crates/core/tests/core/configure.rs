//! Another configuration while running: what tightens holds at once, what loosens once its record is durable, and nothing of a
//! change is lost or half taken.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

fn beating(span: Duration) -> ComponentPolicy {
    ComponentPolicy { liveness: Some(Liveness::Heartbeat(span)), ..component("bot", Orders::Asks) }
}

fn change() -> ConfigChange {
    let key = KeyChange { key: "a.b".to_owned(), from: Some("1".to_owned()), to: Some("2".to_owned()) };
    ConfigChange { sha256: "00".to_owned(), by: "a test".to_owned(), keys: vec![key], more: 0 }
}

fn configure(host: &mut Host, policy: Policy) -> Vec<Effect> {
    host.send(Input::Configure(Box::new(Configuration { policy, change: change() })))
}

fn is_configured(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Configured))
}

/// The shipped numbers with others for errors (tighter when lower) and for market data (likewise).
fn numbers(errors: u32, age: Duration) -> Policy {
    let mut policy = policy(asks());
    policy.health.errors_per_minute = errors;
    policy.health.market_data_max_age = age;
    policy
}

#[test]
fn what_tightens_holds_at_once_and_what_loosens_once_it_is_durable() {
    let mut host = Host::live(numbers(10, 5 * MINUTE));
    host.prompt = false;
    let effects = configure(&mut host, numbers(3, 20 * MINUTE));
    assert!(!is_configured(&effects), "its record is not durable");
    let health = &host.core.policy().health;
    assert_eq!((health.errors_per_minute, health.market_data_max_age), (3, 5 * MINUTE), "the tighter of both");
    assert!(is_configured(&host.sync()));
    assert_eq!(host.core.policy(), &numbers(3, 20 * MINUTE), "whole");
    assert_eq!(host.records_of(|record| *record == Record::ConfigChanged(change())), 1);
    assert!(!is_configured(&host.sync()), "once");
}

#[test]
fn a_journal_that_fails_leaves_what_tightened() {
    let mut host = Host::live(numbers(10, 5 * MINUTE));
    host.prompt = false;
    configure(&mut host, numbers(3, 20 * MINUTE));
    let effects = host.send(storage_failed("EIO", false));
    assert!(!is_configured(&effects));
    assert!(!is_configured(&host.send(Input::Durable(Ticket(1_000)))));
    let health = &host.core.policy().health;
    assert_eq!((health.errors_per_minute, health.market_data_max_age), (3, 5 * MINUTE));
    assert!(!is_configured(&configure(&mut host, numbers(3, 20 * MINUTE))), "nothing loosens in this process any more");
}

#[test]
fn the_later_of_two_changes_is_the_one_that_holds() {
    let mut host = Host::live(numbers(10, 5 * MINUTE));
    host.prompt = false;
    configure(&mut host, numbers(3, 5 * MINUTE));
    configure(&mut host, numbers(7, 5 * MINUTE));
    assert_eq!(host.core.policy().health.errors_per_minute, 3, "until it is durable");
    host.sync();
    assert_eq!(host.core.policy().health.errors_per_minute, 7);
}

#[test]
fn a_policy_for_other_components_changes_nothing() {
    let mut host = Host::live(numbers(10, 5 * MINUTE));
    let mut two = numbers(3, 5 * MINUTE);
    two.components.push(component("other", Orders::None));
    let mut renamed = numbers(3, 5 * MINUTE);
    renamed.components[0].name = ComponentName("other".to_owned());
    let mut watched = numbers(3, 5 * MINUTE);
    watched.components[0].liveness = Some(Liveness::Watchdog(MINUTE));
    let live_from_dry = Policy { mode_ceiling: Mode::Dry, ..numbers(3, 5 * MINUTE) };
    for other in [two, renamed, watched, live_from_dry] {
        assert!(!host.core.policy().may_become(&other));
        assert!(!is_configured(&configure(&mut host, other)));
        assert_eq!(host.core.policy(), &numbers(10, 5 * MINUTE));
    }
    assert_eq!(host.records_of(|record| matches!(record, Record::ConfigChanged(_))), 0);
}

#[test]
fn a_shorter_silence_is_allowed_from_now_on() {
    let mut host = Host::live(policy(vec![beating(5 * MINUTE)]));
    host.pass(4 * MINUTE + 50 * SECOND);
    // It was due in 10 s, and is not put off by the shorter span.
    configure(&mut host, policy(vec![beating(MINUTE)]));
    host.pass(9 * SECOND);
    assert_eq!(host.halt(Cause::HeartbeatLost), None);
    host.pass(SECOND);
    assert!(host.halt(Cause::HeartbeatLost).is_some());
}

#[test]
fn a_longer_silence_is_allowed_once_that_is_durable() {
    let mut host = Host::live(policy(vec![beating(MINUTE)]));
    host.prompt = false;
    host.pass(50 * SECOND);
    configure(&mut host, policy(vec![beating(5 * MINUTE)]));
    host.sync();
    host.pass(4 * MINUTE);
    host.sync();
    assert_eq!(host.halt(Cause::HeartbeatLost), None);

    let mut host = Host::live(policy(vec![beating(MINUTE)]));
    host.prompt = false;
    host.pass(50 * SECOND);
    configure(&mut host, policy(vec![beating(5 * MINUTE)]));
    host.pass(10 * SECOND);
    assert!(host.halt(Cause::HeartbeatLost).is_some(), "the record was not durable when the beat was due");
}

#[test]
fn heartbeats_that_are_wanted_now_must_come_from_now_on() {
    let mut host = Host::live(policy(vec![component("bot", Orders::Asks)]));
    host.prompt = false;
    host.pass(10 * SECOND);
    configure(&mut host, policy(vec![beating(MINUTE)]));
    host.pass(MINUTE - SECOND);
    assert_eq!(host.halt(Cause::HeartbeatLost), None);
    host.pass(SECOND);
    assert!(host.halt(Cause::HeartbeatLost).is_some(), "at once, not only once it is recorded");
}

#[test]
fn a_feed_that_is_configured_now_is_a_source_and_one_that_was_never_seen_is_none_any_more() {
    let mut host = Host::live(policy(asks()));
    let mut with = policy(asks());
    with.health.feeds = vec!["venue".to_owned()];
    configure(&mut host, with);
    assert_eq!(host.core.feeds().len(), 1);
    configure(&mut host, policy(asks()));
    assert_eq!(host.core.feeds().len(), 0);
    host.pass(10 * MINUTE);
    assert_eq!(host.standing(), []);
}

#[test]
fn each_number_alone_is_tightest_by_its_own_sense() {
    let base = policy(vec![beating(MINUTE)]);
    // What is changed, to something tighter.
    type Tighten = fn(&mut Policy);
    let tighter: [(&str, Tighten); 14] = [
        ("errors", |policy| policy.health.errors_per_minute = 1),
        ("clears later", |policy| policy.health.clear_after = 5 * MINUTE),
        ("journal", |policy| policy.health.journal_max_age = SECOND * 30),
        ("snapshot", |policy| policy.failsafe.snapshot_max_age = MINUTE),
        ("unhealthy", |policy| policy.failsafe.unhealthy_for = SECOND),
        ("memory", |policy| policy.limits.memory_max = Some(1)),
        ("own memory", |policy| policy.components[0].limits.memory_max = Some(1)),
        ("starts", |policy| policy.components[0].start_limit = 1),
        ("starts within", |policy| policy.components[0].start_limit_within = 60 * MINUTE),
        ("progress", |policy| policy.components[0].progress_within = Some(SECOND)),
        ("beat", |policy| policy.components[0].liveness = Some(Liveness::Heartbeat(SECOND))),
        ("latched", |policy| {
            policy.halts.insert(Cause::Unhealthy, HaltPolicy { latched: Some(true), clear_after: None });
        }),
        ("environment", |policy| policy.environment_latched = true),
        ("processors", |policy| policy.limits.cpu_max_percent = 1),
    ];
    for (what, change) in tighter {
        let mut tight = base.clone();
        change(&mut tight);
        let mut host = Host::live(base.clone());
        host.prompt = false;
        configure(&mut host, tight.clone());
        let now = host.core.policy();
        let row =
            |policy: &Policy| (policy.halts.get(&Cause::Unhealthy).and_then(|over| over.latched)).unwrap_or(false);
        assert_eq!(
            (&now.health, &now.failsafe, &now.limits, &now.components),
            (&tight.health, &tight.failsafe, &tight.limits, &tight.components),
            "{what}: at once"
        );
        assert_eq!((row(now), now.environment_latched), (row(&tight), tight.environment_latched), "{what}: at once");
        // And back: it stays until that is durable.
        host.sync();
        configure(&mut host, base.clone());
        let now = host.core.policy();
        assert_eq!(
            (&now.health, &now.failsafe, &now.limits, &now.components),
            (&tight.health, &tight.failsafe, &tight.limits, &tight.components),
            "{what}: stays"
        );
        assert_eq!((row(now), now.environment_latched), (row(&tight), tight.environment_latched), "{what}: stays");
        host.sync();
        assert_eq!(host.core.policy(), &base, "{what}: until it is durable");
    }
}

#[test]
fn memory_that_shuts_down_still_does_until_the_limit_in_its_place_is_durable() {
    const MB: u64 = 1_000_000;
    let uses = |host: &mut Host, bytes: u64| {
        let (slot, instance) = (slot(0), host.instance(0));
        let usage = Usage { slot, instance, memory_bytes: bytes, cpu_hundredths: None, processes: 1, files: None };
        host.send(Input::Usage(vec![usage]));
        host.halt(Cause::Failsafe).and_then(|halt| halt.trigger)
    };
    // All components together without a limit, or one without its own; then a limit far above.
    let mut together = policy(asks());
    (together.limits.memory_max, together.limits.memory_warn) = (None, 100 * MB);
    let mut own = policy(asks());
    (own.limits.memory_max, own.limits.memory_warn) = (None, 100_000 * MB);
    own.components[0].limits.memory_warn = Some(100 * MB);
    for old in [together, own] {
        let mut limited = old.clone();
        limited.limits.memory_max = Some(200_000 * MB);
        let (old, limited) = (with_emergencies(old), with_emergencies(limited));
        let mut host = Host::live(old.clone());
        host.prompt = false;
        configure(&mut host, limited.clone());
        assert_eq!(uses(&mut host, 200 * MB), None, "twice itself is not above it");
        assert_eq!(uses(&mut host, 201 * MB), Some(Trigger::Memory), "the record is not durable");

        let mut host = Host::live(old);
        configure(&mut host, limited);
        assert_eq!(uses(&mut host, 201 * MB), None, "the limit governs");
    }
}

#[test]
fn components_that_depend_on_one_another_the_other_way_round_are_still_stopped_in_order() {
    let two = |first: Vec<usize>, second: Vec<usize>| {
        let ready = |name: &str, depends_on| ComponentPolicy { depends_on, ..component(name, Orders::None) };
        policy(vec![ready("a", first), ready("b", second)])
    };
    let mut host = Host::live(two(vec![], vec![0]));
    host.prompt = false;
    configure(&mut host, two(vec![1], vec![]));
    let stopped = |effects: &[Effect]| -> Vec<Slot> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Stop { slot, .. } => Some(*slot),
                _ => None,
            })
            .collect()
    };
    // The record never becomes durable: the order of before holds.
    let effects = host.send(storage_failed("EIO", false));
    assert_eq!(stopped(&effects), [slot(1), slot(0)], "nothing depends on the second, and then nothing on the first");
}
