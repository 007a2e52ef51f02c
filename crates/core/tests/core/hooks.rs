//! Hooks: before the stop signal and after the end; never in the way of what tightens. And the end of the whole stop.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

fn hooked(orders: Orders) -> Host {
    let bot = ComponentPolicy { pre_stop: Some(TIMEOUT), post_stop: Some(TIMEOUT), ..component("bot", orders) };
    let mut host = Host::live(policy(vec![bot]));
    host.polite = false;
    host
}

fn runs(effects: &[Effect], wanted: Hook) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::RunHook { hook, .. } if *hook == wanted)).count()
}

fn ends(host: &mut Host, hook: Hook, exit: Exit) -> Vec<Effect> {
    let (slot, instance) = (slot(0), host.instance(0));
    host.send(Input::HookEnded { slot, instance, hook, outcome: HookOutcome::Ended(exit) })
}

#[test]
fn the_signal_follows_the_hook_and_the_grace_counts_from_the_signal() {
    let mut host = hooked(Orders::Asks);
    let effects = host.order_effects(Order::StopComponent(slot(0)), "enough");
    assert_eq!((runs(&effects, Hook::PreStop), stops(&effects)), (1, 0));
    assert_eq!(host.rights(1), Rights::NONE, "who is stopping may not trade, whatever its hook does");
    host.pass(15 * SECOND);
    let effects = ends(&mut host, Hook::PreStop, Exit::Status(1));
    assert_eq!(stops(&effects), 1, "whatever its status");
    assert_eq!(kills(&host.pass(10 * SECOND - Duration::from_millis(1))), 0);
    let effects = host.pass(Duration::from_millis(1));
    assert_eq!((kills(&effects), runs(&effects, Hook::PostStop)), (1, 1));
    let recorded =
        |r: &Record| matches!(r, Record::ComponentHook { hook: Hook::PreStop, status: Some(1), took_ms: 15_000, .. });
    assert_eq!(host.records_of(recorded), 1);
    assert_eq!(host.state(0), ComponentState::Stopping, "until its last hook is over");
    ends(&mut host, Hook::PostStop, Exit::Status(0));
    assert_eq!(host.state(0), ComponentState::Stopped);
}

#[test]
fn a_hook_that_hangs_is_killed_and_the_signal_goes_out() {
    let mut host = hooked(Orders::Asks);
    host.order_effects(Order::StopComponent(slot(0)), "enough");
    assert_eq!(stops(&host.pass(TIMEOUT - Duration::from_millis(1))), 0);
    let effects = host.pass(Duration::from_millis(1));
    assert_eq!(stops(&effects), 1);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::KillHook { .. })));
    let late = |r: &Record| matches!(r, Record::ComponentHook { timed_out: true, signal: Some(9), .. });
    assert_eq!(host.records_of(late), 1);
    // The last one, too: what it leaves goes with it, and a successor waits for that and no longer.
    host.pass(10 * SECOND);
    assert_eq!(host.state(0), ComponentState::Stopping);
    assert_eq!(kills(&host.pass(TIMEOUT)), 1);
    assert_eq!(host.state(0), ComponentState::Stopped);
}

#[test]
fn what_may_not_run_is_asked_to_stop_at_once() {
    let mut host = hooked(Orders::Direct);
    let effects = host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "-15 %".to_owned() });
    assert_eq!((stops(&effects), runs(&effects, Hook::PreStop)), (1, 0));
    // Also where a hook runs already when that comes.
    let mut host = hooked(Orders::Direct);
    host.order_effects(Order::RestartComponent(slot(0)), "new parameters");
    let effects = host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "-15 %".to_owned() });
    assert_eq!(stops(&effects), 1, "in the step that learned of it");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::KillHook { .. })));
    assert_eq!(kills(&host.pass(10 * SECOND)), 1);
}

#[test]
fn under_the_kill_switch_no_hook_runs_and_none_goes_on() {
    let engage = || Input::KillSwitchSeen { by: "operator".to_owned(), reason: "enough".to_owned() };
    let mut host = hooked(Orders::Asks);
    let effects = host.send(engage());
    assert_eq!((kills(&effects), runs(&effects, Hook::PreStop), runs(&effects, Hook::PostStop)), (1, 0, 0));
    let mut host = hooked(Orders::Asks);
    host.order_effects(Order::StopComponent(slot(0)), "enough");
    assert_eq!(kills(&host.send(engage())), 1, "with the hook");
    let mut host = hooked(Orders::Asks);
    host.exits(0, Exit::Signal(9));
    assert_eq!(host.state(0), ComponentState::Stopping, "the last hook runs");
    assert_eq!(kills(&host.send(engage())), 1);
    assert_eq!(host.state(0), ComponentState::Stopped);
}

#[test]
fn after_a_hang_or_a_crash_only_the_last_hook_runs_and_the_successor_follows_it() {
    let mut host = hooked(Orders::Asks);
    let effects = host.sign(0, Sign::WatchdogTrigger);
    assert_eq!((runs(&effects, Hook::PreStop), runs(&effects, Hook::PostStop), spawns(&effects)), (0, 1, 0));
    let effects = ends(&mut host, Hook::PostStop, Exit::Status(0));
    assert_eq!((kills(&effects), spawns(&effects)), (1, 1), "what it left is killed, then the successor is started");
    let effects = host.exits(0, Exit::Status(1));
    let reason = effects.iter().find_map(|effect| match effect {
        Effect::RunHook { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.as_deref(), Some("exited with status 1 (not requested)"));
}

#[test]
fn a_hook_that_cannot_be_started_holds_nothing_up() {
    let mut host = hooked(Orders::Asks);
    host.order_effects(Order::StopComponent(slot(0)), "enough");
    let (slot, instance) = (slot(0), host.instance(0));
    let outcome = HookOutcome::NotStarted("ENOENT".to_owned());
    let effects = host.send(Input::HookEnded { slot, instance, hook: Hook::PreStop, outcome });
    assert_eq!(stops(&effects), 1);
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentHook { error: Some(_), .. })), 1);
}

#[test]
fn one_that_ends_while_its_hook_runs_has_no_signal_left_to_get() {
    let mut host = hooked(Orders::Asks);
    host.obliging = false;
    host.order_effects(Order::StopComponent(slot(0)), "enough");
    let effects = host.exits(0, Exit::Status(0));
    assert_eq!((kills(&effects), stops(&effects)), (0, 0), "its hook is one of its tree");
    let effects = ends(&mut host, Hook::PreStop, Exit::Status(0));
    assert_eq!(stops(&effects), 0);
    let instance = host.instance(0);
    let effects = host.send(Input::TreeGone { slot: slot(0), instance });
    assert_eq!(runs(&effects, Hook::PostStop), 1);
}

#[test]
fn a_start_that_never_ran_has_no_end_worth_a_hook() {
    let mut host = hooked(Orders::Asks);
    host.exits(0, Exit::Signal(9));
    host.obliging = false;
    ends(&mut host, Hook::PostStop, Exit::Status(0));
    let first = host.instance(0);
    host.send(Input::TreeGone { slot: slot(0), instance: first });
    let instance = host.instance(0);
    assert_ne!(instance, first);
    host.send(Input::SpawnFailed { slot: slot(0), instance, error: "ENOENT".to_owned() });
    let effects = host.send(Input::TreeGone { slot: slot(0), instance });
    assert_eq!(runs(&effects, Hook::PostStop), 0);
}

#[test]
fn when_the_time_for_the_whole_stop_is_over_everything_that_is_left_is_killed() {
    let long = |name: &str, depends_on: Vec<usize>| ComponentPolicy {
        stop_grace: 30 * MINUTE,
        post_stop: Some(30 * MINUTE),
        depends_on,
        ..component(name, Orders::Asks)
    };
    let mut policy = policy(vec![long("feed", vec![]), long("bot", vec![0])]);
    policy.shutdown_within = MINUTE;
    let mut host = Host::live(policy);
    host.polite = false;
    assert_eq!(stops(&host.send(Input::StopRequested)), 1, "in reverse order of dependency");
    assert_eq!(kills(&host.pass(MINUTE - Duration::from_millis(1))), 0);
    let effects = host.pass(Duration::from_millis(1));
    assert!(kills(&effects) >= 2, "those that were not asked yet, too: {effects:?}");
    // Their last hooks were begun and killed in the same moment, or not at all.
    for index in 0..2 {
        let (slot, instance) = (slot(index), host.instance(index));
        let outcome = HookOutcome::Ended(Exit::Signal(9));
        host.send(Input::HookEnded { slot, instance, hook: Hook::PostStop, outcome });
    }
    assert_eq!(host.exit, Some(ExitReason::Requested));
}

#[test]
fn components_stop_in_reverse_order_of_dependency() {
    let names = ["feed", "scanner", "bot"];
    let chain = |(index, name): (usize, &&str)| ComponentPolicy {
        depends_on: index.checked_sub(1).into_iter().collect(),
        ..component(name, Orders::Asks)
    };
    let mut host = Host::live(policy(names.iter().enumerate().map(chain).collect()));
    host.send(Input::StopRequested);
    let order: Vec<String> = host
        .journal
        .iter()
        .filter_map(|(_, record)| match record {
            Record::ComponentExited { component, .. } => Some(component.0.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["bot", "scanner", "feed"]);
}
