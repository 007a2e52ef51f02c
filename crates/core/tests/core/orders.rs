//! Orders about one component, and what becomes of those that depend on it.

use crate::host::*;
use failstop_core::*;

#[test]
fn who_stopped_it_and_why_is_known_over_a_restart_of_the_engine_until_it_is_started() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::StopComponent(slot(0))).unwrap();
    host.crash_and_plain_start();
    host.pass_checks();
    let held = host.core.components()[0].held.clone();
    assert_eq!(held, Some(Held { by: "ops (0)".to_owned(), reason: "a good reason".to_owned() }));
    host.prompt = false;
    let effects = host.order_effects(Order::StartComponent(slot(0)), "fixed");
    assert!(answer(&effects).is_none() && spawns(&effects) == 0, "it loosens: its record must be durable first");
    let effects = host.sync();
    assert_eq!((answer(&effects), spawns(&effects)), (Some(Ok(())), 1));
    assert_eq!(host.core.components()[0].held, None);
}

#[test]
fn a_start_without_a_reason_lifts_nothing() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::StopComponent(slot(0))).unwrap();
    let effects = host.order_effects(Order::StartComponent(slot(0)), " ");
    assert!(answer(&effects).unwrap().unwrap_err()[0].contains("--reason"));
    assert_eq!(host.state(0), ComponentState::Stopped);
}

#[test]
fn a_start_of_one_that_runs_is_done_already_and_leaves_no_record() {
    let mut host = Host::live(policy(asks()));
    let before = host.journal.len();
    host.order(Order::StartComponent(slot(0))).unwrap();
    assert_eq!((host.journal.len(), host.instance(0)), (before, Instance(1)));
}

#[test]
fn a_restart_of_one_that_waits_for_its_next_start_does_not_wait() {
    let mut host = Host::live(policy(asks()));
    host.exits(0, Exit::Status(1));
    host.exits(0, Exit::Status(1));
    assert_eq!(host.state(0), ComponentState::Backoff);
    let effects = host.order_effects(Order::RestartComponent(slot(0)), "now");
    assert_eq!((answer(&effects), spawns(&effects)), (Some(Ok(())), 1));
    // Its starts count all the same.
    for _ in 0..3 {
        host.exits(0, Exit::Status(1));
        host.pass(MINUTE);
    }
    assert_eq!(host.state(0), ComponentState::Failed);
}

#[test]
fn what_cannot_be_restarted_says_what_to_do_instead() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::StopComponent(slot(0))).unwrap();
    assert!(
        host.order(Order::RestartComponent(slot(0))).unwrap_err()[0].contains("failstop start bot --reason \"...\"")
    );
    host.order(Order::StartComponent(slot(0))).unwrap();
    for _ in 0..5 {
        host.exits(0, Exit::Status(1));
        host.pass(MINUTE);
    }
    for order in [Order::RestartComponent(slot(0)), Order::StartComponent(slot(0))] {
        assert!(host.order(order).unwrap_err()[0].contains("failstop resume"));
    }
    let mut host = Host::started(policy(vec![component("bot", Orders::Direct)]));
    assert!(host.order(Order::RestartComponent(slot(0))).unwrap_err()[0].contains("may not now"), "dry");
}

/// `feed`, and `bot` that depends on it.
fn pair(on_dependency_exit: DependencyExit) -> Policy {
    let feed = ComponentPolicy { readiness: true, ..component("feed", Orders::None) };
    let bot = ComponentPolicy { depends_on: vec![0], on_dependency_exit, ..component("bot", Orders::Asks) };
    policy(vec![feed, bot])
}

#[test]
fn what_depends_on_a_component_that_dies_in_its_start_is_not_started() {
    let mut host = Host::live(pair(DependencyExit::Keep));
    assert_eq!(host.state(1), ComponentState::Backoff);
    let feed = ComponentName("feed".to_owned());
    assert_eq!(host.core.components()[1].waits_for, [feed]);
    host.exits(0, Exit::Status(1));
    host.exits(0, Exit::Status(1));
    assert_eq!(host.instance(1), Instance(0), "never before what it depends on is ready");
    host.pass(MINUTE);
    let effects = host.sign(0, Sign::Ready);
    assert_eq!((spawns(&effects), host.state(1)), (1, ComponentState::Ready));
    assert!(host.core.components()[1].waits_for.is_empty());
}

#[test]
fn what_depends_on_a_component_that_dies_goes_on() {
    let mut host = Host::live(pair(DependencyExit::Keep));
    host.sign(0, Sign::Ready);
    host.exits(0, Exit::Signal(9));
    assert_eq!((host.state(0), host.state(1)), (ComponentState::Starting, ComponentState::Ready));
    assert_eq!(host.instance(1), Instance(1));
    // One that dies meanwhile waits, and counts what it waited for as nothing.
    host.exits(1, Exit::Status(1));
    host.pass(MINUTE - SECOND);
    assert_eq!((host.state(1), host.instance(1)), (ComponentState::Backoff, Instance(1)));
    host.sign(0, Sign::Ready);
    assert_eq!((host.state(1), host.instance(1)), (ComponentState::Ready, Instance(2)));
}

#[test]
fn what_is_not_to_run_without_is_stopped_and_started_again() {
    let mut host = Host::live(pair(DependencyExit::Stop));
    host.sign(0, Sign::Ready);
    let effects = host.exits(0, Exit::Signal(9));
    assert_eq!((stops(&effects), host.state(1)), (1, ComponentState::Backoff));
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentExited { failure: true, .. })), 1, "not its own");
    host.sign(0, Sign::Ready);
    assert_eq!((host.state(1), host.instance(1)), (ComponentState::Ready, Instance(2)));
    assert_eq!(host.core.components()[1].restarts, 0);
    // An operator's stop of the one is the other's end, too.
    host.order(Order::StopComponent(slot(0))).unwrap();
    assert_eq!(host.state(1), ComponentState::Backoff);
}
