//! Deadlines: what is hung, what is the dependency's fault, what follows.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

fn watched(orders: Orders) -> Policy {
    let bot = ComponentPolicy {
        liveness: Some(Liveness::Watchdog(2 * MINUTE)),
        needs: vec!["venue".to_owned()],
        ..component("bot", orders)
    };
    let mut policy = policy(vec![bot]);
    policy.dependencies = vec![DependencyPolicy { name: "venue".to_owned(), timeout: 10 * SECOND }];
    policy
}

#[test]
fn a_missed_beat_kills_the_tree_in_the_step_of_its_deadline_and_restarts_at_once() {
    let mut host = Host::live(watched(Orders::Asks));
    host.pass(2 * MINUTE - Duration::from_millis(1));
    assert_eq!(host.standing(), []);
    let deadline = host.now.plus(Duration::from_millis(1));
    assert!(host.core.next_deadline().unwrap() <= deadline);
    let effects = host.pass(Duration::from_millis(1));
    assert_eq!((kills(&effects), stops(&effects), spawns(&effects)), (1, 0, 1), "killed, not asked; and started again");
    assert_eq!(host.instance(0), Instance(2));
    assert_eq!(host.core.permission(), Permission::ObserveOnly);
    assert!(host.resume().is_err() || !host.standing().contains(&Cause::Hung));
}

#[test]
fn a_hung_direct_component_stays_down_until_a_resume() {
    let mut host = Host::live(watched(Orders::Direct));
    assert_eq!(host.state(0), ComponentState::Ready);
    let effects = host.pass(2 * MINUTE);
    assert_eq!((kills(&effects), spawns(&effects)), (1, 0));
    assert_eq!(host.state(0), ComponentState::Stopped);
    assert_eq!(spawns(&host.pass(10 * MINUTE)), 0);
    host.resume().unwrap();
    assert_eq!(host.state(0), ComponentState::Ready);
}

#[test]
fn a_direct_component_runs_only_while_active_and_live() {
    let mut host = Host::started(policy(vec![component("bot", Orders::Direct)]));
    assert_eq!(host.state(0), ComponentState::Stopped, "dry");
    host.order(Order::Mode(Mode::Live)).unwrap();
    assert_eq!(host.state(0), ComponentState::Ready);
    let effects = host.order_effects(Order::Mode(Mode::Dry), "enough");
    assert_eq!(stops(&effects), 1);
    host.order(Order::Mode(Mode::Live)).unwrap();
    let effects = host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "-15 %".to_owned() });
    assert_eq!(stops(&effects), 1, "reduce-only is not active");
    host.send(Input::TradingDay);
    assert_eq!(host.state(0), ComponentState::Ready);
    // Its own outage does not keep it from coming back.
    let effects = host.exits(0, Exit::Status(1));
    assert_eq!(spawns(&effects), 1);
}

#[test]
fn while_a_needed_dependency_is_down_a_missed_beat_is_not_hung() {
    let mut host = Host::live(watched(Orders::Asks));
    host.send(Input::Dependency { index: 0, up: false, evidence: "no route".to_owned() });
    host.pass(10 * MINUTE);
    assert_eq!(host.standing(), [Cause::Environment]);
    assert_eq!(host.instance(0), Instance(1));
    host.send(Input::Dependency { index: 0, up: true, evidence: String::new() });
    assert_eq!(host.standing(), []);
    host.pass(2 * MINUTE - SECOND);
    assert_eq!(host.standing(), [], "judged afresh");
    host.pass(SECOND);
    assert!(host.standing().contains(&Cause::Hung));
}

#[test]
fn a_probe_counts_only_while_ready_and_while_its_dependency_is_up() {
    let mut host = Host::live(watched(Orders::Asks));
    let failed = |host: &Host| Input::LivenessFailed {
        slot: slot(0),
        instance: host.instance(0),
        evidence: "three times no answer".to_owned(),
    };
    host.send(Input::Dependency { index: 0, up: false, evidence: String::new() });
    let input = failed(&host);
    assert_eq!(kills(&host.send(input)), 0);
    host.send(Input::Dependency { index: 0, up: true, evidence: String::new() });
    let input = failed(&host);
    assert_eq!(kills(&host.send(input)), 1);
}

#[test]
fn signs_of_an_older_instance_are_ignored() {
    let mut host = Host::live(watched(Orders::Asks));
    let old = host.instance(0);
    host.exits(0, Exit::Signal(9));
    host.pass(MINUTE);
    for sign in [Sign::Beat, Sign::WatchdogTrigger, Sign::Halt { cap: Permission::Shutdown, reason: "old".to_owned() }]
    {
        host.send(Input::Sign { slot: slot(0), instance: old, sign });
    }
    assert_eq!(host.instance(0), Instance(2));
    assert!(!host.standing().contains(&Cause::Hung) && !host.standing().contains(&Cause::BotRequest));
    host.pass(MINUTE);
    assert!(host.standing().contains(&Cause::Hung), "the old instance's beat counted");
}

#[test]
fn a_component_may_shorten_its_deadline_but_never_lengthen_it() {
    let mut host = Host::live(watched(Orders::Asks));
    host.sign(0, Sign::WatchdogSpan(60 * MINUTE));
    host.pass(2 * MINUTE);
    assert!(host.standing().contains(&Cause::Hung));
    let mut host = Host::live(watched(Orders::Asks));
    host.sign(0, Sign::WatchdogSpan(10 * SECOND));
    host.pass(10 * SECOND);
    assert!(host.standing().contains(&Cause::Hung));
}

#[test]
fn an_extension_moves_the_present_deadline_only() {
    let mut host = Host::live(watched(Orders::Asks));
    host.sign(0, Sign::ExtendTimeout(3 * MINUTE));
    host.pass(3 * MINUTE - SECOND);
    assert_eq!(host.standing(), []);
    host.sign(0, Sign::Beat);
    host.pass(2 * MINUTE);
    assert!(host.standing().contains(&Cause::Hung), "the next beat's deadline is the usual one");
}

#[test]
fn a_beat_is_put_off_to_twice_its_span_however_often_that_is_asked_for() {
    let mut host = Host::live(watched(Orders::Asks));
    host.pass(MINUTE);
    host.sign(0, Sign::Beat);
    host.pass_with(4 * MINUTE - SECOND, |host| {
        host.sign(0, Sign::ExtendTimeout(60 * MINUTE));
    });
    assert_eq!(host.standing(), []);
    host.pass(SECOND);
    assert!(host.standing().contains(&Cause::Hung), "only a beat is a beat");
}

#[test]
fn a_start_is_put_off_by_an_hour_in_all() {
    let bot = ComponentPolicy { readiness: true, ..component("bot", Orders::Asks) };
    let mut host = Host::started(policy(vec![bot]));
    host.pass_with(60 * MINUTE + 59 * SECOND, |host| {
        host.sign(0, Sign::ExtendTimeout(30 * MINUTE));
    });
    assert_eq!((host.state(0), host.instance(0)), (ComponentState::Starting, Instance(1)));
    assert_eq!(kills(&host.pass(SECOND)), 1);
}

#[test]
fn not_ready_in_time_is_killed_and_counts_as_a_failure() {
    let bot = ComponentPolicy { readiness: true, ..component("bot", Orders::Asks) };
    let mut host = Host::started(policy(vec![bot]));
    assert_eq!(host.state(0), ComponentState::Starting);
    host.sign(0, Sign::ExtendTimeout(90 * SECOND));
    assert_eq!(kills(&host.pass(89 * SECOND)), 0);
    let effects = host.pass(SECOND);
    assert_eq!((kills(&effects), spawns(&effects)), (1, 1));
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentExited { failure: true, .. })), 1);
    host.sign(0, Sign::Ready);
    assert_eq!(host.state(0), ComponentState::Ready);
}

#[test]
fn an_announced_end_takes_the_rights_and_must_come_within_the_grace() {
    let mut host = Host::live(policy(asks()));
    assert!(host.rights(1).open);
    host.sign(0, Sign::Stopping);
    assert_eq!(host.rights(1), Rights::NONE);
    let effects = host.pass(10 * SECOND);
    assert_eq!((kills(&effects), spawns(&effects)), (1, 1));
}

#[test]
fn component_down_clears_on_ready_and_a_first_fresh_sign() {
    let mut host = Host::live(policy(asks()));
    host.exits(0, Exit::Status(0));
    assert_eq!(host.standing(), [], "it never gave a sign: ready is enough");
    host.sign(0, Sign::Tick { feed: "venue".to_owned(), fresh: true });
    host.exits(0, Exit::Status(0));
    host.pass(2 * SECOND);
    assert_eq!(host.state(0), ComponentState::Ready);
    assert_eq!(host.standing(), [Cause::ComponentDown], "ready is not trading");
    assert_eq!(host.rights(1), Rights::NONE);
    host.sign(0, Sign::Tick { feed: "venue".to_owned(), fresh: false });
    assert_eq!(host.standing(), [Cause::ComponentDown], "a tick whose time went back is not fresh");
    host.prompt = false;
    host.sign(0, Sign::Tick { feed: "venue".to_owned(), fresh: true });
    assert_eq!(host.rights(1), Rights::NONE, "the clearing is not durable yet");
    host.sync();
    assert!(host.rights(1).open && host.standing().is_empty());
}

#[test]
fn component_down_waits_for_intents_in_doubt() {
    let mut host = Host::live(policy(asks()));
    host.send(Input::Raise { cause: Cause::OrdersInDoubt, slot: Some(slot(0)), evidence: "intent 7".to_owned() });
    host.exits(0, Exit::Status(1));
    assert!(host.standing().contains(&Cause::ComponentDown));
    host.send(Input::Passed { cause: Cause::OrdersInDoubt, slot: Some(slot(0)) });
    assert_eq!(host.standing(), [Cause::OrdersInDoubt]);
}

/// Three minutes in which nobody wakes the core: a frozen engine, or a host without a processor for it.
fn stands_still(host: &mut Host) {
    host.now = host.now.plus(3 * MINUTE);
}

#[test]
fn an_engine_that_stood_still_reads_what_waits_before_it_judges_anybody() {
    let mut host = Host::live(watched(Orders::Asks));
    let page = host.core.page().unwrap().clone();
    stands_still(&mut host);
    let mut effects = host.send(Input::Wake);
    assert_eq!(kills(&effects), 0, "its beats may be waiting");
    effects = host.sign(0, Sign::Beat);
    effects.extend(host.pass(MINUTE));
    assert_eq!((kills(&effects), host.standing()), (0, vec![]));
    assert!(host.core.page().unwrap().deadline > page.deadline, "renewed once that was read");
}

#[test]
fn after_a_standstill_nothing_is_renewed_until_silence_counts_again_and_then_it_does() {
    let mut host = Host::live(watched(Orders::Asks));
    let page = host.core.page().unwrap().clone();
    stands_still(&mut host);
    host.send(Input::Wake);
    let effects = host.pass(Duration::from_millis(199));
    assert_eq!((kills(&effects), host.core.page().unwrap().deadline), (0, page.deadline));
    let effects = host.pass(Duration::from_millis(1));
    assert_eq!(kills(&effects), 1, "it was silent all the time");
    assert!(host.standing().contains(&Cause::Hung));
}

#[test]
fn a_host_that_is_always_late_puts_a_judgement_off_only_once() {
    let mut host = Host::live(watched(Orders::Asks));
    stands_still(&mut host);
    assert_eq!(kills(&host.send(Input::Wake)), 0);
    stands_still(&mut host);
    assert_eq!(kills(&host.send(Input::Wake)), 1);
}

#[test]
fn what_tightens_never_waits_for_a_standstill_to_be_read() {
    let mut host = Host::live(watched(Orders::Asks));
    stands_still(&mut host);
    host.send(Input::Wake);
    host.send(Input::KillSwitchSeen { by: "operator".to_owned(), reason: "enough".to_owned() });
    assert!(host.core.page().unwrap().rights.iter().all(|rights| rights.revoked));
    assert_eq!(host.core.permission(), Permission::Shutdown);
}
