//! Up, down, degraded, flapping, maintenance.

use super::*;

#[test]
fn the_third_failure_in_a_row_alerts_once_and_says_everything() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(61_000);
    world.answers[0] = Answers::Refuses;
    world.run(119_000);
    assert!(world.told.is_empty(), "two failures");
    world.run(10_000_000);
    assert_eq!(world.changes(), [("demo/target-down/1".to_owned(), Change::Trigger)]);
    let notice = &world.told[0];
    assert_eq!(notice.severity, Severity::Critical);
    assert_eq!(notice.title, "demo is down");
    for piece in
        ["connect: connection refused", "3 failures in a row", "2026-11-10T01:34:07Z", "http://demo:8080/health"]
    {
        assert!(notice.message.contains(piece), "{piece}: {}", notice.message);
    }
    let facts: BTreeMap<&str, &str> = notice.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(facts["failures in a row"], "3");
    assert_eq!(facts["last success"], "2026-11-10T01:34:07Z");
    assert_eq!(facts["now"], "2026-11-10T01:37:07Z");
    assert_eq!(facts["watchdog"], "wd1");
    assert!(facts["last answer"].contains("healthy"));
    assert!(notice.action.is_some());
}

#[test]
fn a_recovery_is_told_once_the_target_has_held_still() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.answers[0] = Answers::Refuses;
    world.run(130_000);
    assert_eq!(world.state(0), "down");
    world.answers[0] = Answers::Well;
    world.run(60_000);
    assert_eq!(world.state(0), "up", "it is up at once");
    assert_eq!(world.told.len(), 1);
    world.run(60_000);
    assert_eq!(world.changes()[1..], [("demo/target-down/1".to_owned(), Change::Resolve)]);
    assert!(world.heart.incidents().standing().next().is_none());
}

#[test]
fn two_failures_and_a_good_answer_are_nothing() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(1000);
    for _ in 0..10 {
        world.answers[0] = Answers::Silent;
        world.run(120_000);
        world.answers[0] = Answers::Well;
        world.run(60_000);
    }
    assert!(world.told.is_empty(), "{:?}", world.told);
}

#[test]
fn polling_alerts_within_interval_times_failures_and_a_time_out() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(60_001);
    world.answers[0] = Answers::Silent;
    let from = world.now.boot;
    world.run(3 * 60_000 + 10_000);
    assert_eq!(world.told.len(), 1);
    assert!(world.now.boot.since(from) <= 190_000);
}

#[test]
fn three_of_five_alerts_where_three_in_a_row_would_not() {
    let mut five = target("demo");
    five.window = 5;
    let mut world = World::new(settings(vec![five]));
    for answer in [Answers::Refuses, Answers::Well, Answers::Refuses, Answers::Well, Answers::Refuses] {
        world.answers[0] = answer;
        world.run(60_000);
    }
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
}

#[test]
fn twenty_flaps_are_one_incident_until_it_is_stable() {
    let mut world = World::new(settings(vec![target("demo")]));
    for _ in 0..20 {
        world.answers[0] = Answers::Refuses;
        world.run(180_000);
        world.answers[0] = Answers::Well;
        world.run(60_000);
    }
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    let updates: Vec<&Notice> = world.told.iter().filter(|notice| notice.change == Change::Update).collect();
    assert_eq!(updates.len(), 1, "flapping is said once");
    assert!(updates[0].title.contains("flaps") && updates[0].severity == Severity::Critical);
    assert!(world.told.iter().all(|notice| notice.change != Change::Resolve));
    world.run(9 * 60_000);
    assert!(world.told.iter().all(|notice| notice.change != Change::Resolve), "not stable for long enough");
    world.run(2 * 60_000);
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)));
    assert!(world.told.last().is_some_and(|notice| notice.message.contains("times meanwhile")));
}

#[test]
fn degraded_is_a_warning_after_the_same_threshold_and_ends() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.answers[0] = Answers::Degraded;
    world.run(110_000);
    assert!(world.told.is_empty());
    world.run(600_000);
    assert_eq!(world.triggers(), ["demo/target-degraded/1"]);
    assert_eq!(world.told[0].severity, Severity::Warning);
    assert!(world.told[0].message.contains("because"));
    assert_eq!(world.state(0), "up");
    world.answers[0] = Answers::Well;
    world.run(200_000);
    assert_eq!(world.changes().last(), Some(&("demo/target-degraded/1".to_owned(), Change::Resolve)));
}

#[test]
fn degraded_is_a_failure_where_the_configuration_says_so() {
    let mut strict = target("demo");
    strict.degraded_is_failure = true;
    let mut world = World::new(settings(vec![strict]));
    world.answers[0] = Answers::Degraded;
    world.run(130_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
}

#[test]
fn a_green_answer_without_progress_is_down() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(10);
    let frozen = format!(
        r#"{{"status":"healthy","timestamp":"{}","epoch":3,"journal":{{"jid":"j","seq":7,"head":"h"}}}}"#,
        world.now.wall.text()
    );
    world.answers[0] = Answers::Body(200, frozen);
    world.run(600_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    assert!(world.told[0].message.contains("stale"), "{}", world.told[0].message);
}

#[test]
fn a_silenced_target_alerts_nobody_and_is_compared_at_the_end() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(1000);
    assert!(world.heart.silence(world.now, "demo", "ana", "new disk", 600_000));
    world.carry_out();
    assert_eq!(world.state(0), "maintenance");
    world.answers[0] = Answers::Refuses;
    world.run(599_000);
    assert!(world.told.is_empty());
    world.run(2000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    assert!(world.told[0].message.contains("(new disk) is over; it was up before"), "{}", world.told[0].message);
    assert!(!world.heart.silence(world.now, "nobody", "ana", "x", 1));
}

#[test]
fn a_silence_that_is_ended_early_and_a_target_that_is_well_alert_nobody() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(1000);
    world.heart.silence(world.now, "demo", "ana", "x", u64::MAX);
    assert_eq!(world.heart.end_maintenance(world.now, "demo", "ana"), Some(true));
    assert_eq!(world.heart.end_maintenance(world.now, "demo", "ana"), Some(false));
    assert_eq!(world.heart.end_maintenance(world.now, "nobody", "ana"), None);
    world.run(600_000);
    assert!(world.told.is_empty());
    assert_eq!(world.state(0), "up");
}

#[test]
fn a_silence_lasts_a_week_at_most() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.heart.silence(world.now, "demo", "ana", "x", u64::MAX);
    world.run(7 * 86_400_000 + 1000);
    assert_eq!(world.state(0), "up");
}

#[test]
fn an_internal_error_is_nobody_s_fault() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.hand(Input::Tick);
    for _ in 0..5 {
        let Some(Input::Probed { ticket, .. }) = world.due.pop_first().map(|(_, input)| input) else {
            panic!("a probe")
        };
        world.hand(Input::Probed { target: 0, ticket, probed: Probed::Internal("no descriptors left".to_owned()) });
        assert_eq!(world.state(0), "unknown");
        let next = world.heart.next().unwrap_or_default();
        world.advance(next);
        world.hand(Input::Tick);
    }
    assert!(world.told.is_empty());
}

#[test]
fn a_late_answer_to_an_earlier_question_changes_nothing() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(100);
    for ticket in [0, 7, u64::MAX] {
        let probed = Probed::Failed(Fault::new(Stage::Verdict, "critical"));
        (0..5).for_each(|_| world.hand(Input::Probed { target: 0, ticket, probed: probed.clone() }));
    }
    world.hand(Input::Probed { target: 99, ticket: 1, probed: Probed::Reached });
    assert!(world.told.is_empty());
    assert_eq!(world.heart.view(world.now).targets[0].consecutive_failures, 0);
}

#[test]
fn a_thousand_targets_are_spread_over_their_interval_and_none_is_missed() {
    let targets: Vec<TargetSettings> = (0..1000)
        .map(|n| {
            let mut one = target(&format!("t{n}"));
            one.interval_ms = 10_000;
            one
        })
        .collect();
    let mut world = World::new(settings(targets));
    world.run(60_000);
    let mut counts = vec![0usize; 1000];
    world.probes.iter().for_each(|(target, _)| counts[*target] += 1);
    assert!(counts.iter().all(|count| (6..=7).contains(count)), "{:?}", counts.iter().min());
    let mut seconds = vec![0usize; 61];
    for (_, at) in &world.probes {
        seconds[usize::try_from(world.since_start(*at) / 1000).unwrap_or(60)] += 1;
    }
    assert!(seconds[..60].iter().all(|count| (90..=110).contains(count)), "{seconds:?}");
}
