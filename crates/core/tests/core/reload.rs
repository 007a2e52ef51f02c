//! Reloads: who is asked, whose word counts, by when it must be over. And what components say of their main process and of
//! their failures.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

fn reloads(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Reload { .. })).count()
}

fn with(reload: Option<Reload>) -> Host {
    Host::live(policy(vec![ComponentPolicy { reload, ..component("bot", Orders::Asks) }]))
}

#[test]
fn only_who_can_is_asked() {
    let mut host = with(None);
    let refusals = host.order(Order::ReloadComponent(slot(0))).unwrap_err();
    assert!(refusals[0].contains("reload_signal"), "{refusals:?}");
    assert_eq!(reloads(&host.send(Input::ReloadRequested)), 0);
    let mut host = with(Some(Reload::Signal));
    let effects = host.order_effects(Order::ReloadComponent(slot(0)), "new pairs");
    assert_eq!((reloads(&effects), answer(&effects)), (1, Some(Ok(()))));
    assert!(!host.core.components()[0].reloading, "nobody will say when it is over");
    assert_eq!(reloads(&host.send(Input::ReloadRequested)), 1);
    host.order(Order::StopComponent(slot(0))).unwrap();
    assert!(host.order(Order::ReloadComponent(slot(0))).unwrap_err()[0].contains("stopped by an operator"));
    assert_eq!(reloads(&host.send(Input::ReloadRequested)), 0);
}

#[test]
fn an_announced_reload_ends_with_ready_and_nothing_older_counts() {
    let mut host = with(Some(Reload::Announced));
    host.pass(SECOND);
    let before = host.now;
    host.pass(SECOND);
    host.order(Order::ReloadComponent(slot(0))).unwrap();
    assert!(host.order(Order::ReloadComponent(slot(0))).is_err(), "one at a time");
    // What was on its way when it was asked: an earlier reload's words.
    host.sign(0, Sign::Reloading(Some(before)));
    host.sign(0, Sign::Ready);
    assert!(host.core.components()[0].reloading);
    host.pass(SECOND);
    let now = host.now;
    host.sign(0, Sign::Reloading(Some(now)));
    host.pass(SECOND);
    host.sign(0, Sign::Ready);
    assert!(!host.core.components()[0].reloading);
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentReloading { .. })), 1);
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentReloaded { after_ms: 2000, .. })), 1);
    assert!(host.rights(1).open, "a reload takes nothing");
}

#[test]
fn a_reload_that_does_not_end_is_a_hang() {
    for by_itself in [false, true] {
        let mut host = with(Some(Reload::Announced));
        if by_itself {
            host.sign(0, Sign::Reloading(None));
        } else {
            host.order(Order::ReloadComponent(slot(0))).unwrap();
        }
        assert_eq!(kills(&host.pass(MINUTE - Duration::from_millis(1))), 0);
        let effects = host.pass(Duration::from_millis(1));
        assert_eq!((kills(&effects), spawns(&effects)), (1, 1));
        assert!(host.halt(Cause::Hung).unwrap().evidence.contains("reload"));
        assert!(!host.core.components()[0].reloading);
    }
}

#[test]
fn a_reload_is_put_off_by_an_hour_in_all() {
    let mut host = with(Some(Reload::Announced));
    host.sign(0, Sign::Reloading(None));
    host.pass_with(61 * MINUTE - SECOND, |host| {
        host.sign(0, Sign::ExtendTimeout(60 * MINUTE));
    });
    assert_eq!(host.standing(), []);
    host.pass(SECOND);
    assert_eq!(host.standing(), [Cause::Hung]);
}

#[test]
fn beats_are_required_during_a_reload() {
    let bot = ComponentPolicy {
        liveness: Some(Liveness::Watchdog(10 * SECOND)),
        reload: Some(Reload::Announced),
        ..component("bot", Orders::Asks)
    };
    let mut host = Host::live(policy(vec![bot]));
    host.sign(0, Sign::Reloading(None));
    host.pass(10 * SECOND);
    assert_eq!(host.standing(), [Cause::Hung]);
}

#[test]
fn what_it_says_of_its_failure_stands_in_the_record_of_its_end_and_in_the_halt() {
    let mut host = with(None);
    host.sign(0, Sign::Tick { feed: "venue".to_owned(), fresh: true });
    host.sign(0, Sign::Failing("errno 2 (ENOENT)".to_owned()));
    host.sign(0, Sign::Failing("exit status 3".to_owned()));
    host.prompt = false;
    host.exits(0, Exit::Status(3));
    let said = "errno 2 (ENOENT), exit status 3";
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentExited { said: Some(text), .. } if text == said)), 1);
    assert!(host.halt(Cause::ComponentDown).unwrap().evidence.contains(said));
    host.sync();
    host.exits(0, Exit::Status(3));
    assert_eq!(
        host.records_of(|r| matches!(r, Record::ComponentExited { said: Some(_), .. })),
        1,
        "of that start only"
    );
}

#[test]
fn another_main_process_is_recorded_once_and_only_while_it_lives() {
    let mut host = with(None);
    host.sign(0, Sign::MainProcess(200));
    host.sign(0, Sign::MainProcess(200));
    assert_eq!(host.core.components()[0].pid, Some(200));
    let changed = |r: &Record| matches!(r, Record::ComponentMainChanged { from: Some(100), pid: 200, .. });
    assert_eq!(host.records_of(changed), 1);
    host.obliging = false;
    host.exits(0, Exit::Unknown);
    host.sign(0, Sign::MainProcess(300));
    assert_eq!(host.core.components()[0].pid, None);
    let ended = |r: &Record| matches!(r, Record::ComponentExited { status: None, signal: None, failure: true, .. });
    assert_eq!(host.records_of(ended), 1);
}
