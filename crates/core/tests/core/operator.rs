//! Operators: all or nothing, every reason, answered when durable.

use crate::host::*;
use failstop_core::*;

fn raise(host: &mut Host, cause: Cause) {
    host.send(Input::Raise { cause, slot: None, evidence: "seen".to_owned() });
}

#[test]
fn a_resume_is_all_or_nothing_and_names_every_refusal() {
    let mut host = Host::live(policy(asks()));
    raise(&mut host, Cause::DailyLoss);
    raise(&mut host, Cause::Witness);
    raise(&mut host, Cause::OrdersInDoubt);
    let refusals = host.resume().unwrap_err();
    assert_eq!(refusals.len(), 2, "{refusals:?}");
    assert_eq!(host.standing().len(), 3, "nothing was released");
    let id = host.halt(Cause::DailyLoss).unwrap().id;
    host.order(Order::Resume(vec![id])).unwrap();
    assert_eq!(host.standing().len(), 2);
    assert_eq!(host.records_of(|r| matches!(r, Record::OperatorRefused { .. })), 1);
}

#[test]
fn a_resume_needs_a_reason_a_halt_and_a_latched_one() {
    let mut host = Host::live(policy(asks()));
    assert!(host.resume().unwrap_err()[0].contains("nothing to resume"));
    raise(&mut host, Cause::DailyLoss);
    let effects = host.order_effects(Order::Resume(Vec::new()), "  ");
    assert!(answer(&effects).unwrap().unwrap_err()[0].contains("reason"));
    assert!(host.order(Order::Resume(vec![HaltId(999)])).unwrap_err()[0].contains("h-999"));
    host.send(Input::Raise { cause: Cause::Environment, slot: None, evidence: "x".to_owned() });
    let id = host.halt(Cause::Environment).unwrap().id;
    assert!(host.order(Order::Resume(vec![id])).unwrap_err()[0].contains("clears by itself"));
}

#[test]
fn a_resume_is_answered_and_opens_only_when_its_record_is_durable() {
    let mut host = Host::live(policy(asks()));
    raise(&mut host, Cause::DailyLoss);
    host.prompt = false;
    let effects = host.order_effects(Order::Resume(Vec::new()), "checked");
    assert!(answer(&effects).is_none() && !host.rights(0).open);
    // Raised again before that: a new halt, which the old clearing does not touch.
    let first = host.halt(Cause::DailyLoss).unwrap().id;
    raise(&mut host, Cause::DailyLoss);
    let effects = host.sync();
    assert_eq!(answer(&effects), Some(Ok(())));
    assert_ne!(host.halt(Cause::DailyLoss).unwrap().id, first);
    assert!(!host.rights(0).open);
    assert_eq!(host.core.permission(), Permission::ReduceOnly);
}

#[test]
fn latched_halts_survive_a_crash_and_a_clean_stop() {
    let mut host = Host::live(policy(asks()));
    raise(&mut host, Cause::DailyLoss);
    host.crash_and_plain_start();
    host.pass_checks();
    assert_eq!(host.core.permission(), Permission::ReduceOnly);
    host.send(Input::StopRequested);
    assert_eq!(host.exit, Some(ExitReason::Requested));
    host.exit = None;
    host.crash_and_plain_start();
    host.pass_checks();
    assert_eq!(host.standing(), [Cause::DailyLoss]);
}

#[test]
fn self_clearing_halts_of_the_last_epoch_are_judged_afresh() {
    let mut host = Host::live(policy(asks()));
    raise(&mut host, Cause::Environment);
    host.exits(0, Exit::Status(1));
    host.crash_and_plain_start();
    assert_eq!(host.core.permission(), Permission::ObserveOnly);
    host.pass_checks();
    assert_eq!(host.standing(), []);
}

#[test]
fn maintenance_goes_on_over_a_restart() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::MaintenanceOn { span: 30 * MINUTE, keep_trading: false }).unwrap();
    host.pass(20 * MINUTE);
    host.crash_and_plain_start();
    host.pass_checks();
    host.pass(20 * MINUTE);
    assert_eq!(host.standing(), [Cause::Maintenance], "no wall time: the whole span again");
    host.pass(10 * MINUTE);
    assert_eq!(host.standing(), []);
}

#[test]
fn a_maintenance_window_is_there_to_be_seen_with_and_without_a_halt() {
    for keep_trading in [true, false] {
        let mut host = Host::live(policy(asks()));
        assert_eq!(host.core.maintenance(), None);
        let begun = host.now;
        host.order(Order::MaintenanceOn { span: 30 * MINUTE, keep_trading }).unwrap();
        host.pass(20 * MINUTE);
        let window = host.core.maintenance().unwrap();
        assert_eq!((window.until, window.keep_trading), (begun.plus(30 * MINUTE), keep_trading));
        assert!(!window.by.is_empty() && !window.reason.is_empty(), "{window:?}");
        host.crash_and_plain_start();
        let again = host.core.maintenance().unwrap();
        assert_eq!((&again.by, &again.reason, again.keep_trading), (&window.by, &window.reason, keep_trading));
        host.pass_checks();
        host.pass(31 * MINUTE);
        assert_eq!(host.core.maintenance(), None);
    }
}

#[test]
fn a_window_stands_until_the_record_of_its_end_is_durable() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::MaintenanceOn { span: MINUTE, keep_trading: true }).unwrap();
    host.prompt = false;
    host.pass(2 * MINUTE);
    let window = host.core.maintenance().unwrap();
    assert!(window.until <= host.now, "{window:?}");
    host.sync();
    assert_eq!(host.core.maintenance(), None);
}

#[test]
fn refusals_say_what_to_do_next() {
    let mut host = Host::live(policy(asks()));
    raise(&mut host, Cause::ComponentFailed);
    for order in [
        Order::StartComponent(Slot::SYSTEM),
        Order::StopComponent(slot(30)),
        Order::RestartComponent(slot(30)),
        Order::MaintenanceOff,
        Order::MaintenanceOn { span: std::time::Duration::ZERO, keep_trading: false },
    ] {
        assert!(!host.order(order.clone()).unwrap_err().is_empty(), "{order:?}");
    }
}

#[test]
fn a_bot_may_tighten_itself_further_but_never_loosen() {
    let mut host = Host::live(policy(asks()));
    let ask = |host: &mut Host, cap| host.sign(0, Sign::Halt { cap, reason: "odd".to_owned() });
    ask(&mut host, Permission::Active);
    assert_eq!(host.standing(), []);
    ask(&mut host, Permission::ReduceOnly);
    ask(&mut host, Permission::ReduceOnly);
    assert_eq!(host.standing().len(), 1);
    ask(&mut host, Permission::ObserveOnly);
    ask(&mut host, Permission::ReduceOnly);
    assert_eq!(host.standing().len(), 2);
    assert_eq!(host.rights(1), Rights::NONE);
    assert!(host.rights(0).open, "its own slot only");
    ask(&mut host, Permission::Shutdown);
    assert_eq!(host.state(0), ComponentState::Stopped);
    host.resume().unwrap();
    assert!(host.rights(1).open);
}

#[test]
fn a_bot_that_shut_itself_down_is_not_well_until_somebody_resumes_it() {
    let mut host = Host::live(policy(asks()));
    assert_eq!(host.core.health(host.now).overall, 1000);
    let effects = host.sign(0, Sign::Halt { cap: Permission::Shutdown, reason: "odd fills".to_owned() });
    let critical =
        effects.iter().any(|effect| matches!(effect, Effect::Alert(alert) if alert.severity == Severity::Critical));
    assert!(critical, "the only bot there is must not trade: {effects:?}");
    assert_eq!(host.core.permission(), Permission::Active, "of the system");
    let health = host.core.health(host.now);
    assert_eq!((health.overall, health.status), (500, HealthStatus::Degraded));
    assert!(health.reasons[0].contains("held back by bot-request"), "{:?}", health.reasons);
    host.resume().unwrap();
    assert_eq!(host.core.health(host.now).overall, 1000);
}
