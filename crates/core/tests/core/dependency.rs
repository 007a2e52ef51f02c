//! Dependencies, and whose fault silence and early ends are: what real bots taught, line by line.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

const BEAT: Duration = Duration::from_secs(120);

fn needy(orders: Orders) -> ComponentPolicy {
    ComponentPolicy {
        liveness: Some(Liveness::Watchdog(BEAT)),
        needs: vec!["venue".to_owned()],
        ..component("bot", orders)
    }
}

fn policy_of(bot: ComponentPolicy) -> Policy {
    let mut policy = policy(vec![bot]);
    policy.dependencies = vec![DependencyPolicy { name: "venue".to_owned(), timeout: 10 * SECOND }];
    policy
}

/// A bot that beats, whose venue says nothing when it is asked.
fn silent_venue(bot: ComponentPolicy) -> Host {
    let mut host = Host::live(policy_of(bot));
    host.dependencies_answer = None;
    host
}

fn tried(host: &mut Host, answered: bool) -> Vec<Effect> {
    host.send(Input::DependencyTried { index: 0, answered })
}

fn asked(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::TryDependency { .. })).count()
}

#[test]
fn the_permission_falls_at_the_missed_beat_and_only_the_verdict_waits_for_the_dependency() {
    let mut host = silent_venue(needy(Orders::Asks));
    let effects = host.pass(BEAT);
    assert_eq!((asked(&effects), kills(&effects)), (1, 0));
    assert_eq!((host.standing(), host.core.permission()), (vec![Cause::Environment], Permission::ObserveOnly));
    assert_eq!(host.rights(1), Rights::NONE);
    let effects = tried(&mut host, true);
    assert_eq!(kills(&effects), 1, "the venue answers, so the bot hangs");
    assert!(host.standing().contains(&Cause::Hung));
    assert!(host.halt(Cause::Hung).unwrap().latched);
}

#[test]
fn one_failed_try_beside_a_missed_beat_is_the_environment_and_judged_afresh_once_it_is_back() {
    let mut host = silent_venue(needy(Orders::Asks));
    host.pass(BEAT);
    let effects = tried(&mut host, false);
    assert_eq!((kills(&effects), host.core.permission()), (0, Permission::ObserveOnly));
    let evidence = host.halt(Cause::Environment).unwrap().evidence.clone();
    assert!(evidence.contains("no beat") && evidence.contains("venue does not answer"), "{evidence}");
    host.pass(10 * MINUTE);
    assert_eq!((host.standing(), host.instance(0)), (vec![Cause::Environment], Instance(1)));
    tried(&mut host, true);
    assert_eq!(host.standing(), [], "cleared by itself");
    host.pass(BEAT - SECOND);
    assert_eq!(host.standing(), [], "judged afresh, with a whole span");
    host.pass(SECOND);
    assert_eq!(kills(&tried(&mut host, true)), 1);
}

#[test]
fn a_dependency_that_says_nothing_holds_the_verdict_for_one_time_out_at_most() {
    let mut host = silent_venue(needy(Orders::Asks));
    host.pass(BEAT);
    let effects = host.pass(11 * SECOND - Duration::from_millis(1));
    assert_eq!(kills(&effects), 0);
    let effects = host.pass(Duration::from_millis(1));
    assert_eq!(kills(&effects), 1);
    assert!(host.standing().contains(&Cause::Hung));
}

#[test]
fn a_beat_that_comes_while_its_dependency_is_asked_ends_the_doubt() {
    let mut host = silent_venue(needy(Orders::Asks));
    host.pass(BEAT);
    host.sign(0, Sign::Heartbeat(None));
    assert_eq!(host.standing(), [Cause::Environment], "another kind of sign is not the one that was missed");
    host.sign(0, Sign::Beat);
    assert_eq!(host.standing(), []);
    assert_eq!(kills(&tried(&mut host, true)), 0);
    host.pass(BEAT);
    assert_eq!(kills(&tried(&mut host, true)), 1, "and its next one is required");
}

#[test]
fn every_needed_dependency_has_a_say() {
    let bot = ComponentPolicy { needs: vec!["venue".to_owned(), "node".to_owned()], ..needy(Orders::Asks) };
    let mut policy = policy_of(bot);
    policy.dependencies.push(DependencyPolicy { name: "node".to_owned(), timeout: 2 * SECOND });
    policy.dependencies.push(DependencyPolicy { name: "other".to_owned(), timeout: 60 * SECOND });
    for second in [true, false] {
        let mut host = Host::live(policy.clone());
        host.dependencies_answer = None;
        // One that is not needed excuses nobody.
        host.send(Input::DependencyTried { index: 2, answered: false });
        let effects = host.pass(BEAT);
        assert_eq!(asked(&effects), 2);
        assert_eq!(kills(&tried(&mut host, true)), 0, "the other has not answered yet");
        let effects = host.send(Input::DependencyTried { index: 1, answered: second });
        assert_eq!(kills(&effects), usize::from(second));
    }
}

#[test]
fn a_failed_liveness_probe_and_a_lack_of_progress_wait_just_so() {
    let probed = ComponentPolicy { liveness: Some(Liveness::Probe), ..needy(Orders::Asks) };
    let stuck = ComponentPolicy { liveness: None, progress_within: Some(BEAT), ..needy(Orders::Asks) };
    for (bot, cause) in [(probed, Cause::Hung), (stuck, Cause::NoProgress)] {
        for answered in [true, false] {
            let mut host = silent_venue(bot.clone());
            let effects = if cause == Cause::Hung {
                let evidence = "three times no answer".to_owned();
                host.send(Input::LivenessFailed { slot: slot(0), instance: Instance(1), evidence })
            } else {
                host.pass(BEAT)
            };
            assert_eq!((asked(&effects), kills(&effects)), (1, 0), "{cause:?}");
            assert_eq!(host.core.permission(), Permission::ObserveOnly);
            assert_eq!(kills(&tried(&mut host, answered)), usize::from(answered), "{cause:?}");
            assert_eq!(host.standing().contains(&cause), answered);
        }
    }
}

#[test]
fn its_own_word_that_it_hangs_waits_for_nobody() {
    let mut host = silent_venue(needy(Orders::Asks));
    assert_eq!(kills(&host.sign(0, Sign::WatchdogTrigger)), 1);
}

#[test]
fn a_direct_component_that_was_stopped_meanwhile_hangs_all_the_same() {
    let mut host = silent_venue(needy(Orders::Direct));
    host.polite = false;
    let effects = host.pass(BEAT);
    assert_eq!((stops(&effects), kills(&effects)), (1, 0), "it may run only while active");
    assert_eq!(kills(&tried(&mut host, true)), 1);
    assert!(host.standing().contains(&Cause::Hung));
    assert_eq!(spawns(&host.pass(10 * MINUTE)), 0, "it waits for an operator");
    // One that obeyed its stop in time was silent all the same.
    let mut host = silent_venue(needy(Orders::Direct));
    host.pass(BEAT);
    assert_eq!(host.state(0), ComponentState::Stopped);
    tried(&mut host, true);
    assert!(host.standing().contains(&Cause::Hung));
}

#[test]
fn an_engine_that_stood_still_hears_the_answer_before_it_judges_without_one() {
    let mut host = silent_venue(needy(Orders::Asks));
    host.pass(BEAT);
    host.now = host.now.plus(MINUTE);
    assert_eq!(kills(&host.send(Input::Wake)), 0);
    tried(&mut host, false);
    assert_eq!(kills(&host.pass(MINUTE)), 0);
    assert!(!host.standing().contains(&Cause::Hung));
}

#[test]
fn a_clock_that_jumped_ends_the_doubt_as_it_arms_every_deadline_anew() {
    let mut host = silent_venue(needy(Orders::Asks));
    host.pass(BEAT);
    host.send(Input::ClockJumped { by: 60 * MINUTE, evidence: "suspended".to_owned() });
    let mut effects = tried(&mut host, true);
    effects.extend(host.pass(MINUTE));
    assert_eq!(kills(&effects), 0);
    let mut effects = host.pass(MINUTE);
    effects.extend(tried(&mut host, true));
    assert_eq!(kills(&effects), 1, "it has a whole span, and no more");
}

#[test]
fn a_dependency_that_is_down_waits_for_an_operator_only_where_the_configuration_says_so() {
    for latched in [false, true] {
        let mut policy = policy_of(needy(Orders::Asks));
        policy.environment_latched = latched;
        let mut host = Host::live(policy);
        host.send(Input::Dependency { index: 0, up: false, evidence: "refused".to_owned() });
        assert_eq!(host.halt(Cause::Environment).unwrap().latched, latched);
        assert!(!latched || host.resume().is_err(), "refused while it holds");
        host.send(Input::Dependency { index: 0, up: true, evidence: String::new() });
        assert_eq!(host.standing().is_empty(), !latched);
        if latched {
            host.resume().unwrap();
            assert_eq!(host.standing(), []);
        }
    }
}

/// Ends by itself, as a bot does whose venue is gone.
fn ends(host: &mut Host) -> Vec<Effect> {
    host.exits(0, Exit::Status(2))
}

#[test]
fn an_early_end_asks_the_dependency_and_does_not_count_where_that_does_not_answer() {
    let bot = ComponentPolicy { start_limit_within: 60 * MINUTE, ..needy(Orders::Asks) };
    let mut host = silent_venue(bot);
    for round in 0..12 {
        let effects = ends(&mut host);
        if round == 0 {
            assert_eq!((asked(&effects), spawns(&effects)), (1, 1), "nobody knows yet: the first restart is immediate");
            tried(&mut host, false);
        } else {
            assert_eq!((asked(&effects), spawns(&effects)), (0, 0), "known: even the first restart waits");
        }
        while host.state(0) != ComponentState::Ready {
            host.pass(SECOND);
        }
    }
    assert_eq!(host.standing(), []);
    tried(&mut host, true);
    host.dependencies_answer = Some(true);
    for _ in 0..4 {
        ends(&mut host);
        host.pass(MINUTE);
    }
    assert_eq!(host.standing(), [], "none of the earlier ones counted");
    host.pass(MINUTE);
    ends(&mut host);
    assert!(host.halt(Cause::ComponentFailed).is_some(), "from here on it is its own fault");
}

#[test]
fn a_start_limit_is_spent_only_once_its_dependencies_have_answered() {
    let once = ComponentPolicy { start_limit: 1, ..needy(Orders::Asks) };
    // It answers: the component failed.
    let mut host = silent_venue(once.clone());
    let effects = ends(&mut host);
    assert_eq!((asked(&effects), spawns(&effects)), (1, 0));
    assert_eq!(host.rights(1), Rights::NONE, "component-down closes its gate meanwhile");
    assert_eq!(host.standing(), [Cause::ComponentDown]);
    assert_eq!(host.records_of(|r| matches!(r, Record::ComponentExited { next: AfterExit::Asking, .. })), 1);
    tried(&mut host, true);
    assert!(host.halt(Cause::ComponentFailed).unwrap().evidence.contains("1 starts"));
    assert_eq!(spawns(&host.pass(10 * MINUTE)), 0);
    // It does not: the start never counted, and the next one backs off.
    let mut host = silent_venue(once.clone());
    ends(&mut host);
    assert_eq!(spawns(&tried(&mut host, false)), 0);
    assert_eq!(spawns(&host.pass(2 * SECOND)), 1);
    assert_eq!(host.halt(Cause::ComponentFailed), None);
    // It says nothing for its time-out: the component failed.
    let mut host = silent_venue(once.clone());
    ends(&mut host);
    assert_eq!(spawns(&host.pass(11 * SECOND - Duration::from_millis(1))), 0, "nothing is started before");
    host.pass(Duration::from_millis(1));
    assert!(host.halt(Cause::ComponentFailed).is_some());
    assert_eq!(spawns(&host.pass(10 * MINUTE)), 0);
    // The engine stands still over the end of the wait.
    let mut host = silent_venue(once);
    ends(&mut host);
    host.now = host.now.plus(MINUTE);
    assert_eq!(spawns(&host.send(Input::Wake)), 0, "not even while what waits is read");
    assert_eq!(spawns(&tried(&mut host, false)), 0);
    assert_eq!(spawns(&host.pass(2 * SECOND)), 1);
}

#[test]
fn an_end_long_after_readiness_or_of_a_component_without_needs_asks_nobody() {
    let mut host = silent_venue(needy(Orders::Asks));
    host.pass(11 * SECOND);
    let effects = ends(&mut host);
    assert_eq!((asked(&effects), spawns(&effects)), (0, 1));
    let mut host = silent_venue(component("bot", Orders::Asks));
    assert_eq!(asked(&ends(&mut host)), 0);
    // What somebody asked for says nothing about the venue.
    let mut host = silent_venue(needy(Orders::Asks));
    assert_eq!(asked(&host.order_effects(Order::RestartComponent(slot(0)), "look")), 0);
}

#[test]
fn one_that_is_never_ready_while_its_dependency_fails_does_not_count_either() {
    let bot =
        ComponentPolicy { readiness: true, start_limit: 2, start_limit_within: 60 * MINUTE, ..needy(Orders::Asks) };
    let mut host = Host::started(policy_of(bot));
    host.dependencies_answer = Some(false);
    for _ in 0..10 {
        host.pass(3 * MINUTE);
    }
    assert!(host.instance(0) > Instance(5), "killed at the end of each start period and started again");
    assert_eq!(host.halt(Cause::ComponentFailed), None);
}

#[test]
fn an_exit_that_nobody_asked_for_and_that_nothing_follows_alerts() {
    for (restart, exit) in [(RestartPolicy::Never, Exit::Status(0)), (RestartPolicy::OnFailure, Exit::Status(0))] {
        let mut host = Host::live(policy(vec![ComponentPolicy { restart, ..component("bot", Orders::Asks) }]));
        let effects = host.exits(0, exit);
        let alerts = |effect: &Effect| matches!(effect, Effect::Alert(alert) if alert.id.subject == Subject::Halt(Cause::ComponentDown));
        assert!(effects.iter().any(alerts), "{restart:?}");
        assert_eq!(host.records_of(|r| matches!(r, Record::ComponentExited { requested: false, .. })), 1);
    }
}

#[test]
fn during_an_ordered_stop_every_end_is_clean() {
    for exit in [Exit::Status(0), Exit::Signal(15), Exit::Status(143), Exit::Status(130), Exit::Status(1)] {
        let mut host = Host::live(policy_of(needy(Orders::Asks)));
        host.polite = false;
        host.order_effects(Order::StopComponent(slot(0)), "enough");
        let effects = host.exits(0, exit);
        assert_eq!(asked(&effects), 0);
        assert_eq!(host.records_of(|r| matches!(r, Record::ComponentExited { failure: true, .. })), 0, "{exit:?}");
        assert_eq!(host.standing(), []);
    }
}
