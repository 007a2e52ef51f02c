//! Resource limits: told at four fifths, asked above, restarted at the second look, failed when it happens again.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

const MB: u64 = 1_000_000;

/// What one component uses: memory in MB, processors in per cent.
fn usage(host: &Host, index: usize, memory_mb: u64, cpu_percent: u64) -> Usage {
    Usage {
        slot: slot(index),
        instance: host.instance(index),
        memory_bytes: memory_mb * MB,
        cpu_hundredths: Some(cpu_percent * 100),
        processes: 3,
        files: Some(20),
    }
}

fn uses(host: &mut Host, memory_mb: u64, cpu_percent: u64) -> Vec<Effect> {
    let sample = vec![usage(host, 0, memory_mb, cpu_percent)];
    host.send(Input::Usage(sample))
}

fn limited() -> Policy {
    let mut policy = policy(asks());
    policy.components[0].limits = ComponentLimits { memory_max: Some(400 * MB), ..ComponentLimits::default() };
    policy.limits.memory_max = None;
    policy.limits.memory_warn = 10_000 * MB;
    with_emergencies(policy)
}

fn asked(effects: &[Effect]) -> Option<&Ask> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask { ask, .. } => Some(ask),
        _ => None,
    })
}

fn alerts(effects: &[Effect]) -> Vec<&Alert> {
    let all = effects.iter().filter_map(|effect| match effect {
        Effect::Alert(alert) => Some(alert.as_ref()),
        _ => None,
    });
    all.filter(|alert| alert.id.subject == Subject::Limit).collect()
}

/// So that a component is stopped and its successor is there.
fn climbs(host: &mut Host, memory_mb: u64) -> Vec<Effect> {
    let mut effects = uses(host, memory_mb, 1);
    host.pass(LOOK_AGAIN_AFTER);
    effects.extend(uses(host, memory_mb, 1));
    effects
}

#[test]
fn it_is_told_at_four_fifths_once_however_often_it_is_seen() {
    let mut host = Host::live(limited());
    assert!(alerts(&uses(&mut host, 320, 1)).is_empty(), "four fifths itself is not above it");
    let effects = uses(&mut host, 321, 1);
    let told = alerts(&effects);
    assert_eq!((told.len(), told[0].severity, &told[0].change), (1, Severity::Warning, &AlertChange::Trigger));
    let words = told[0].words(&Place { system: "demo", at: "20:51:07Z" });
    assert_eq!(words.title, "demo: bot near the limit: 321 MB of memory");
    assert_eq!(words.runbook, "docs/runbooks/limit.md");
    assert_eq!(told[0].id.to_string(), "limit/bot/1-n1");
    assert_eq!(host.rights(1), Rights::of(Permission::Active, Mode::Live), "nothing is held for a warning");
    for mb in [390, 310, 330, 400, 290, 399] {
        host.pass(30 * SECOND);
        assert!(alerts(&uses(&mut host, mb, 1)).is_empty(), "{mb}");
    }
    assert_eq!(host.core.alerts().len(), 1);
    for _ in 0..10 {
        host.pass(30 * SECOND);
        assert!(alerts(&uses(&mut host, 290, 1)).is_empty(), "calm for less than five minutes");
    }
    host.pass(30 * SECOND);
    let effects = uses(&mut host, 290, 1);
    assert!(matches!(alerts(&effects)[..], [Alert { change: AlertChange::Resolve(_), .. }]), "{effects:?}");
    assert!(host.core.alerts().is_empty());
    let records = host.records_of(|r| matches!(r, Record::LimitWarned { .. } | Record::LimitPassed { .. }));
    assert_eq!(records, 2);
}

#[test]
fn above_its_limit_it_is_asked_and_held_in_the_same_step_and_let_go_when_it_gave_back() {
    let mut host = Host::live(limited());
    host.prompt = false;
    let effects = uses(&mut host, 401, 1);
    let ask = asked(&effects).expect("asked");
    assert_eq!((ask.resource, ask.used, ask.limit), (Resource::Memory, 401 * MB, 400 * MB));
    assert_eq!(ask.reason, "it uses 401 MB of memory, its limit is 400 MB");
    assert!(!page(&effects).unwrap().rights[1].open, "before anything is durable");
    assert_eq!(host.halt(Cause::Reclaiming).unwrap().scope, Scope::Component);
    assert_eq!(host.core.next_look(), Some(host.now.plus(LOOK_AGAIN_AFTER)));
    host.sync();
    host.pass(LOOK_AGAIN_AFTER);
    let effects = uses(&mut host, 399, 1);
    assert_eq!((stops(&effects), kills(&effects)), (0, 0));
    assert!(host.halt(Cause::Reclaiming).is_some(), "opening waits for its record");
    host.sync();
    assert_eq!(host.halt(Cause::Reclaiming), None);
    assert_eq!(host.rights(1), Rights::of(Permission::Active, Mode::Live));
    assert_eq!(host.core.next_look(), None);
}

#[test]
fn still_above_at_the_second_look_it_is_stopped_and_started_again() {
    let mut host = Host::live(limited());
    uses(&mut host, 500, 1);
    host.pass(LOOK_AGAIN_AFTER - Duration::from_millis(1));
    let effects = uses(&mut host, 500, 1);
    assert_eq!(stops(&effects), 0, "it has its time to give back");
    host.pass(Duration::from_millis(1));
    host.polite = false;
    let effects = uses(&mut host, 500, 1);
    assert_eq!((stops(&effects), kills(&effects)), (1, 0), "in good order");
    assert_eq!(alerts(&effects).len(), 1);
    let title = alerts(&effects)[0].words(&Place { system: "demo", at: "20:51:07Z" }).title;
    assert_eq!(title, "demo: memory limit of bot crossed, restarted");
    assert_eq!(host.rights(1), Rights::NONE);
    let effects = host.exits(0, Exit::Status(0));
    assert_eq!(spawns(&effects), 0);
    let (instance, slot) = (host.instance(0), slot(0));
    let effects = host.send(Input::TreeGone { slot, instance });
    assert_eq!(spawns(&effects), 1, "the first restart is immediate");
    let exited = host.journal.iter().find_map(|(_, record)| match record {
        Record::ComponentExited { requested, failure, .. } => Some((*requested, *failure)),
        _ => None,
    });
    assert_eq!(exited, Some((false, true)), "status 0 does not make it a success");
    assert_eq!(host.standing(), vec![], "ready again, and what it held is gone with its instance");
}

#[test]
fn a_policy_of_restarting_failures_restarts_it_and_one_of_never_does_not() {
    for (restart, expected) in [(RestartPolicy::OnFailure, 1), (RestartPolicy::Never, 0)] {
        let mut limited = limited();
        limited.components[0].restart = restart;
        let mut host = Host::live(limited);
        host.polite = false;
        climbs(&mut host, 500);
        let mut effects = host.exits(0, Exit::Status(0));
        let (instance, slot) = (host.instance(0), slot(0));
        effects.extend(host.send(Input::TreeGone { slot, instance }));
        assert_eq!(spawns(&effects), expected, "{restart:?}");
    }
}

#[test]
fn again_within_five_minutes_it_has_failed_and_later_it_is_restarted_once_more() {
    for (quiet, fails) in [(4 * MINUTE, true), (6 * MINUTE, false)] {
        let mut host = Host::live(limited());
        climbs(&mut host, 500);
        assert_eq!((host.state(0), host.halt(Cause::ComponentFailed)), (ComponentState::Ready, None));
        host.pass(quiet);
        climbs(&mut host, 500);
        let failed = host.halt(Cause::ComponentFailed);
        assert_eq!(failed.is_some(), fails, "{quiet:?}");
        if let Some(halt) = failed {
            assert!(halt.evidence.contains("again within 5 min"), "{}", halt.evidence);
            assert_eq!(host.core.permission(), Permission::Shutdown, "it is essential");
            assert_eq!(host.state(0), ComponentState::Failed);
            host.resume().unwrap();
            assert_eq!(host.state(0), ComponentState::Ready);
            climbs(&mut host, 500);
            assert_eq!(host.halt(Cause::ComponentFailed), None, "a resume forgets");
        }
    }
}

#[test]
fn processors_are_judged_over_five_minutes_without_a_break() {
    let mut limited = limited();
    limited.components[0].limits.cpu_max_percent = Some(90);
    let mut host = Host::live(limited);
    let minutes = |host: &mut Host, percent: u64, samples: u32| {
        let mut all = Vec::new();
        for _ in 0..samples {
            all.extend(uses(host, 1, percent));
            host.pass(30 * SECOND);
        }
        all
    };
    assert_eq!(asked(&minutes(&mut host, 91, 10)), None, "4 min 30 s");
    assert_eq!(asked(&minutes(&mut host, 90, 1)), None, "90 % itself is allowed");
    assert_eq!(asked(&minutes(&mut host, 91, 10)), None, "the break counts");
    host.send(Input::ClockJumped { by: SECOND, evidence: "slept".to_owned() });
    assert_eq!(asked(&minutes(&mut host, 91, 10)), None, "a gap in time is a break");
    let effects = minutes(&mut host, 91, 1);
    assert_eq!(asked(&effects).map(|ask| ask.resource), Some(Resource::Cpu));
    let effects = minutes(&mut host, 91, 1);
    assert_eq!(stops(&effects), 1, "the second look");
    let effects = minutes(&mut host, 91, 12);
    assert!(host.halt(Cause::ComponentFailed).is_some(), "it began at once after the restart: {effects:?}");
}

#[test]
fn the_limit_of_all_together_takes_the_one_that_uses_most_and_may_be_restarted() {
    let mut policy = policy(vec![
        component("spared", Orders::None),
        component("small", Orders::None),
        component("large", Orders::Asks),
    ]);
    policy.components[0].limits.action = LimitAction::Warn;
    policy.limits.memory_max = Some(1_000 * MB);
    let mut host = Host::live(policy);
    let sample = |host: &Host, spared, small, large| {
        Input::Usage(vec![usage(host, 0, spared, 1), usage(host, 1, small, 1), usage(host, 2, large, 1)])
    };
    let all = sample(&host, 600, 200, 200);
    assert_eq!(asked(&host.send(all)), None);
    let all = sample(&host, 600, 200, 201);
    let effects = host.send(all);
    let taken = effects.iter().find_map(|effect| match effect {
        Effect::Ask { slot, ask, .. } => Some((*slot, ask.used, ask.limit)),
        _ => None,
    });
    assert_eq!(taken, Some((slot(2), 1_001 * MB, 1_000 * MB)));
    assert_eq!(host.halt(Cause::Reclaiming).unwrap().component, Some(ComponentName("large".to_owned())));
    host.pass(LOOK_AGAIN_AFTER);
    // By now another one uses more: the one that was asked is the one that is judged.
    let all = sample(&host, 600, 300, 201);
    let effects = host.send(all);
    let stopped = effects.iter().find_map(|effect| match effect {
        Effect::Stop { slot, .. } => Some(*slot),
        _ => None,
    });
    assert_eq!(stopped, Some(slot(2)));
    // It comes back small, and now the next one is asked.
    let all = sample(&host, 600, 402, 1);
    let effects = host.send(all);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Ask { slot: taken, .. } if *taken == slot(1))));
}

#[test]
fn where_nothing_may_be_restarted_people_are_told() {
    let mut limited = limited();
    limited.components[0].limits.action = LimitAction::Warn;
    let mut host = Host::live(limited);
    let effects = uses(&mut host, 900, 1);
    assert_eq!(asked(&effects), None);
    let levels: Vec<_> = alerts(&effects).iter().map(|alert| alert.crossing.as_ref().unwrap().level).collect();
    assert_eq!(levels, vec![Level::Near, Level::Over]);
    assert_eq!(host.standing(), vec![]);
    host.pass(LOOK_AGAIN_AFTER);
    assert_eq!(stops(&uses(&mut host, 900, 1)), 0);
}

#[test]
fn twice_the_warning_threshold_shuts_down_only_where_no_limit_governs_and_the_switch_is_on() {
    // (limit of all together, limit of its own, switch) -> whether it trips
    let cases = [
        (None, None, true, true),
        (None, None, false, false),
        (Some(10_000), None, true, false),
        (None, Some(10_000), true, false),
    ];
    for (together, own, switch, trips) in cases {
        let mut policy = policy(asks());
        policy.limits.memory_max = together.map(|mb: u64| mb * MB);
        policy.limits.memory_warn = 100_000 * MB;
        policy.limits.emergency_shutdown = switch;
        policy.components[0].limits.memory_warn = Some(100 * MB);
        policy.components[0].limits.memory_max = own.map(|mb: u64| mb * MB);
        let mut host = Host::live(with_emergencies(policy));
        uses(&mut host, 200, 1);
        assert!(host.halt(Cause::Failsafe).is_none(), "twice itself is not above it");
        uses(&mut host, 201, 1);
        let halt = host.halt(Cause::Failsafe);
        assert_eq!(
            halt.as_ref().and_then(|halt| halt.trigger),
            trips.then_some(Trigger::Memory),
            "{together:?} {own:?}"
        );
        if let Some(halt) = halt {
            assert_eq!(halt.evidence, "bot uses 201 MB of memory, more than twice the threshold of 100 MB");
        }
    }
    let mut policy = policy(asks());
    policy.limits.memory_max = None;
    policy.limits.memory_warn = 100 * MB;
    let mut host = Host::live(with_emergencies(policy));
    uses(&mut host, 201, 1);
    assert_eq!(host.halt(Cause::Failsafe).and_then(|halt| halt.trigger), Some(Trigger::Memory));
}

#[test]
fn during_maintenance_it_is_held_and_not_taken_away() {
    let mut host = Host::live(limited());
    host.order(Order::MaintenanceOn { span: 10 * MINUTE, keep_trading: true }).unwrap();
    let effects = climbs(&mut host, 500);
    assert!(asked(&effects).is_some());
    assert_eq!(stops(&effects), 0);
    assert_eq!(host.core.next_look(), None, "no faster samples meanwhile");
    assert!(host.halt(Cause::Reclaiming).is_some());
    host.order(Order::MaintenanceOff).unwrap();
    assert_eq!(stops(&uses(&mut host, 500, 1)), 1);
}

#[test]
fn one_that_ends_meanwhile_is_asked_afresh_and_a_sample_of_an_older_start_is_nothing() {
    let mut host = Host::live(limited());
    let old = usage(&host, 0, 500, 1);
    host.send(Input::Usage(vec![old]));
    host.exits(0, Exit::Signal(9));
    assert_eq!(host.halt(Cause::Reclaiming), None, "what was asked is gone");
    host.pass(LOOK_AGAIN_AFTER);
    let effects = host.send(Input::Usage(vec![old]));
    assert_eq!((stops(&effects), asked(&effects)), (0, None));
    let effects = uses(&mut host, 500, 1);
    assert!(asked(&effects).is_some());
}

#[test]
fn a_kill_for_want_of_memory_is_in_the_record_and_in_the_evidence() {
    let mut host = Host::live(limited());
    host.obliging = false;
    let (slot, instance) = (slot(0), host.instance(0));
    host.send(Input::OutOfMemory { slot, instance, certainty: OutOfMemory::Proven });
    host.exits(0, Exit::Signal(9));
    let known = host.journal.iter().find_map(|(_, record)| match record {
        Record::ComponentExited { out_of_memory, .. } => Some(*out_of_memory),
        _ => None,
    });
    assert_eq!(known, Some(Some(OutOfMemory::Proven)));
    let halt = host.halt(Cause::ComponentDown).unwrap();
    assert_eq!(halt.evidence, "it was ended by signal 9 (nobody asked it to; killed for want of memory: proven)");
    host.send(Input::TreeGone { slot, instance });
    let instance = host.instance(0);
    host.send(Input::Spawned { slot, instance, pid: 5 });
    host.exits(0, Exit::Signal(9));
    assert_eq!(
        host.records_of(|r| matches!(r, Record::ComponentExited { out_of_memory: Some(_), .. })),
        1,
        "not the next"
    );
}
