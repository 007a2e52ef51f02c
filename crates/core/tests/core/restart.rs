//! Restarts: at once, then with growing delays, never past the start limit, never before the old tree is gone.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

fn crash(host: &mut Host) -> Vec<Effect> {
    host.exits(0, Exit::Signal(9))
}

#[test]
fn the_successor_is_spawned_in_the_step_that_proves_the_old_tree_gone_and_without_the_journal() {
    let mut host = Host::live(policy(asks()));
    host.prompt = false;
    host.obliging = false;
    let effects = crash(&mut host);
    assert_eq!((kills(&effects), spawns(&effects)), (1, 0), "what it left behind must be gone first");
    assert_eq!(host.rights(1), Rights::NONE);
    let effects = host.send(Input::TreeGone { slot: slot(0), instance: Instance(1) });
    assert_eq!(effects.iter().filter(|e| !matches!(e, Effect::Record { .. } | Effect::Publish(_))).count(), 1);
    assert_eq!(spawns(&effects), 1);
}

#[test]
fn five_crashes_within_the_window_and_it_stays_down() {
    let mut host = Host::live(policy(asks()));
    let mut waits = Vec::new();
    for _ in 0..4 {
        crash(&mut host);
        let from = host.now;
        while host.state(0) != ComponentState::Ready {
            host.pass(Duration::from_millis(10));
        }
        waits.push(host.now.since(from));
    }
    assert_eq!(waits[0], Duration::ZERO, "the first restart is immediate");
    for (wait, nominal) in waits[1..].iter().zip([1000, 2000, 4000]) {
        let wait = wait.as_millis();
        assert!((nominal * 8 / 10..=nominal * 12 / 10 + 10).contains(&wait), "{wait} ms for {nominal}");
    }
    crash(&mut host);
    assert_eq!(host.state(0), ComponentState::Failed);
    let halt = host.halt(Cause::ComponentFailed).unwrap();
    assert_eq!((halt.cap, halt.scope), (Permission::Shutdown, Scope::System));
    assert!(halt.evidence.contains("5 starts"), "{}", halt.evidence);
    assert_eq!(spawns(&host.pass(30 * MINUTE)), 0);
    assert!(host.exit.is_none(), "the engine stays up");
    host.resume().unwrap();
    assert_eq!(host.state(0), ComponentState::Ready, "the window starts anew");
    assert_eq!(spawns(&crash(&mut host)), 1);
}

#[test]
fn a_failed_component_that_is_not_essential_stops_alone_and_stays_down_over_a_restart() {
    let spare = ComponentPolicy { essential: false, ..component("spare", Orders::Asks) };
    let mut host = Host::live(policy(vec![spare, component("bot", Orders::Asks)]));
    for _ in 0..5 {
        crash(&mut host);
        host.pass(10 * SECOND);
    }
    assert_eq!(host.state(0), ComponentState::Failed);
    assert_eq!(host.core.permission(), Permission::Active);
    assert!(host.rights(2).open && !host.rights(1).open);
    host.crash_and_plain_start();
    host.pass_checks();
    host.pass(10 * MINUTE);
    assert_eq!((host.state(0), host.state(1)), (ComponentState::Failed, ComponentState::Ready));
}

#[test]
fn slow_crashes_never_spend_the_limit() {
    let mut host = Host::live(policy(asks()));
    for _ in 0..20 {
        host.pass(2 * MINUTE);
        assert_eq!(spawns(&crash(&mut host)), 1, "ready for a minute: the delays start anew");
    }
    assert_eq!(host.standing(), []);
}

#[test]
fn delays_never_exceed_their_maximum() {
    let bot = ComponentPolicy { start_limit: 60, start_limit_within: SECOND, ..component("bot", Orders::Asks) };
    let mut host = Host::live(policy(vec![bot]));
    for _ in 0..40 {
        crash(&mut host);
        let from = host.now;
        while host.state(0) != ComponentState::Ready {
            let at = host.core.next_deadline().unwrap();
            host.pass(at.since(host.now));
        }
        assert!(host.now.since(from) <= MINUTE);
    }
}

#[test]
fn requested_ends_are_never_failures_and_never_count() {
    let mut host = Host::live(policy(asks()));
    for _ in 0..20 {
        host.order(Order::RestartComponent(slot(0))).unwrap();
        assert_eq!(host.state(0), ComponentState::Ready);
    }
    assert_eq!(host.standing(), []);
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentExited { failure: true, .. })), 0);
    assert_eq!(host.core.components()[0].restarts, 0);
    assert_eq!(spawns(&crash(&mut host)), 1, "only the present start counts");
}

#[test]
fn policies() {
    let exits = |restart, exit| {
        let bot = ComponentPolicy { restart, ..component("bot", Orders::Asks) };
        let mut host = Host::live(policy(vec![bot]));
        let effects = host.exits(0, exit);
        (spawns(&effects), host.state(0))
    };
    let (again, failed) = ((1, ComponentState::Ready), (0, ComponentState::Failed));
    assert_eq!(exits(RestartPolicy::Always, Exit::Status(0)), again);
    assert_eq!(exits(RestartPolicy::OnFailure, Exit::Status(0)), failed);
    assert_eq!(exits(RestartPolicy::OnFailure, Exit::Status(1)), again);
    assert_eq!(exits(RestartPolicy::OnFailure, Exit::Signal(15)), again);
    assert_eq!(exits(RestartPolicy::Never, Exit::Signal(11)), failed);
}

#[test]
fn an_exit_before_readiness_is_a_failure_whatever_its_status() {
    let bot = ComponentPolicy { readiness: true, restart: RestartPolicy::OnFailure, ..component("bot", Orders::Asks) };
    let mut host = Host::live(policy(vec![bot]));
    assert_eq!(spawns(&host.exits(0, Exit::Status(0))), 1);
}

#[test]
fn exits_while_a_needed_dependency_is_down_back_off_and_do_not_count() {
    let bot = ComponentPolicy {
        needs: vec!["venue".to_owned()],
        start_limit_within: 60 * MINUTE,
        ..component("bot", Orders::Asks)
    };
    let mut policy = policy(vec![bot]);
    policy.dependencies = vec![DependencyPolicy { name: "venue".to_owned(), timeout: 10 * SECOND }];
    let mut host = Host::live(policy);
    host.send(Input::Dependency { index: 0, up: false, evidence: "refused".to_owned() });
    for round in 0..12 {
        // Within ten seconds of readiness.
        assert_eq!(spawns(&crash(&mut host)), 0, "round {round}: even the first restart waits");
        while host.state(0) != ComponentState::Ready {
            host.pass(SECOND);
        }
    }
    assert!(host.halt(Cause::ComponentFailed).is_none());
    // The dependency is back: from now on it is its own fault.
    host.send(Input::Dependency { index: 0, up: true, evidence: String::new() });
    for _ in 0..5 {
        crash(&mut host);
        host.pass(MINUTE);
    }
    assert!(host.halt(Cause::ComponentFailed).is_some());
}

#[test]
fn a_spawn_that_fails_counts_like_a_crash() {
    let mut host = Host::live(policy(asks()));
    host.obliging = false;
    crash(&mut host);
    let mut instance = Instance(1);
    host.send(Input::TreeGone { slot: slot(0), instance });
    for _ in 0..4 {
        instance = Instance(instance.0 + 1);
        assert_eq!(host.instance(0), instance);
        host.send(Input::SpawnFailed { slot: slot(0), instance, error: "ENOENT".to_owned() });
        host.send(Input::TreeGone { slot: slot(0), instance });
        host.pass(MINUTE);
    }
    assert_eq!(host.state(0), ComponentState::Failed);
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentStartFailed { .. })), 4);
}

#[test]
fn a_stop_that_is_not_obeyed_ends_in_a_kill_after_the_grace() {
    let mut host = Host::live(policy(asks()));
    host.polite = false;
    let effects = host.order_effects(Order::StopComponent(slot(0)), "look");
    assert_eq!((stops(&effects), kills(&effects)), (1, 0));
    assert_eq!(host.rights(1), Rights::NONE, "who is stopping may not trade");
    assert_eq!(kills(&host.pass(10 * SECOND - Duration::from_millis(1))), 0);
    assert_eq!(kills(&host.pass(Duration::from_millis(1))), 1);
    assert_eq!(host.state(0), ComponentState::Stopped);
    assert_eq!(spawns(&host.pass(10 * MINUTE)), 0);
}

#[test]
fn a_stopped_component_stays_stopped_over_a_restart_of_the_engine() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::StopComponent(slot(0))).unwrap();
    host.crash_and_plain_start();
    host.pass_checks();
    assert_eq!(host.state(0), ComponentState::Stopped);
    host.order(Order::StartComponent(slot(0))).unwrap();
    assert_eq!(host.state(0), ComponentState::Ready);
}

#[test]
fn maintenance_holds_back_restarts_until_it_ends() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::MaintenanceOn { span: 10 * MINUTE, keep_trading: true }).unwrap();
    assert_eq!(host.core.permission(), Permission::Active);
    assert_eq!(spawns(&crash(&mut host)), 0);
    let next = |host: &Host| {
        host.journal.iter().rev().find_map(|(_, record)| match record {
            Record::ComponentExited { next, .. } => Some(*next),
            _ => None,
        })
    };
    assert_eq!(next(&host), Some(AfterExit::AfterMaintenanceMs(10 * 60_000)), "it is not restarting now");
    assert_eq!(spawns(&host.pass(9 * MINUTE)), 0);
    let reasons = host.core.health(host.now).reasons;
    assert!(reasons.iter().any(|reason| reason.contains("before maintenance ends")), "{reasons:?}");
    assert_eq!(spawns(&host.pass(2 * MINUTE)), 1);
    crash(&mut host);
    assert_eq!(next(&host), Some(AfterExit::RestartNow));
}

#[test]
fn a_person_starts_during_maintenance_what_is_not_restarted() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::MaintenanceOn { span: 10 * MINUTE, keep_trading: true }).unwrap();
    assert_eq!(spawns(&crash(&mut host)), 0);
    assert_eq!(spawns(&host.order_effects(Order::StartComponent(slot(0)), "look")), 1);
}

#[test]
fn what_a_stopped_component_leaves_has_the_rest_of_its_grace_and_no_successor_before_it_is_gone() {
    let mut host = Host::live(policy(vec![component("bot", Orders::Direct)]));
    host.leaves_some_behind = true;
    let effects = host.order_effects(Order::Mode(Mode::Dry), "enough");
    assert_eq!(
        (stops(&effects), kills(&effects)),
        (1, 0),
        "a shell ends at once, the bot behind it cancels its orders"
    );
    host.order(Order::Mode(Mode::Live)).unwrap();
    assert_eq!(host.state(0), ComponentState::Stopping);
    let grace = component("bot", Orders::Direct).stop_grace;
    let effects = host.pass(grace - Duration::from_millis(1));
    assert_eq!((kills(&effects), spawns(&effects)), (0, 0));
    let effects = host.pass(Duration::from_millis(1));
    assert_eq!((kills(&effects), spawns(&effects)), (1, 1), "killed at the end of its grace, and started anew");
    // Gone by itself in time: nothing is killed.
    let effects = host.order_effects(Order::Mode(Mode::Dry), "enough");
    assert_eq!(stops(&effects), 1);
    let instance = host.instance(0);
    let mut effects = host.send(Input::TreeGone { slot: slot(0), instance });
    effects.extend(host.pass(grace));
    assert_eq!((kills(&effects), host.state(0)), (0, ComponentState::Stopped));
    // The kill switch waits for nobody.
    host.order(Order::Mode(Mode::Live)).unwrap();
    host.order_effects(Order::Mode(Mode::Dry), "enough");
    let effects = host.send(Input::KillSwitchSeen { by: "operator".to_owned(), reason: "enough".to_owned() });
    assert_eq!(kills(&effects), 1);
}

/// The component asks for an hour more each second, and does not end. How long it lives from now on.
fn lives_on(host: &mut Host) -> Duration {
    let begun = host.now;
    loop {
        host.sign(0, Sign::ExtendTimeout(60 * MINUTE));
        if kills(&host.pass(SECOND)) > 0 {
            return host.now.since(begun);
        }
        assert!(host.now.since(begun) < 10 * MINUTE, "it puts its end off for ever");
    }
}

fn rude(orders: Orders) -> Host {
    let mut host = Host::live(policy(vec![component("bot", orders)]));
    host.polite = false;
    host
}

#[test]
fn a_stop_is_put_off_to_twice_its_grace_and_no_further() {
    let mut host = rude(Orders::Asks);
    host.order_effects(Order::StopComponent(slot(0)), "enough");
    assert_eq!(lives_on(&mut host), 20 * SECOND);
    let mut host = rude(Orders::Direct);
    host.send(Input::StopRequested);
    assert_eq!(lives_on(&mut host), 20 * SECOND);
    // Its own end is bounded just so.
    let mut host = rude(Orders::Direct);
    host.sign(0, Sign::Stopping);
    assert_eq!(lives_on(&mut host), 20 * SECOND);
}

#[test]
fn a_component_that_may_not_run_puts_nothing_off() {
    let mut host = rude(Orders::Direct);
    host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "-15 %".to_owned() });
    assert_eq!(lives_on(&mut host), 10 * SECOND);
    let mut host = rude(Orders::Asks);
    host.send(Input::Trigger { trigger: Trigger::Capital, evidence: "off".to_owned() });
    host.send(Input::StopRequested);
    assert_eq!(lives_on(&mut host), 10 * SECOND);
}

#[test]
fn a_halt_takes_back_what_was_put_off() {
    let mut host = rude(Orders::Direct);
    host.sign(0, Sign::Stopping);
    host.sign(0, Sign::ExtendTimeout(60 * MINUTE));
    host.pass(2 * SECOND);
    host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "-15 %".to_owned() });
    assert_eq!(lives_on(&mut host), 10 * SECOND);
}

#[test]
fn a_start_may_be_put_off() {
    let bot = ComponentPolicy { readiness: true, ..component("bot", Orders::Asks) };
    let mut host = Host::live(policy(vec![bot]));
    host.pass(50 * SECOND);
    host.sign(0, Sign::ExtendTimeout(MINUTE));
    assert_eq!(kills(&host.pass(59 * SECOND)), 0);
    assert_eq!(kills(&host.pass(2 * SECOND)), 1);
}
