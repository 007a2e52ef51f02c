//! Its own eyes first: blind, nothing counts; seeing again, one summary.

use super::*;

fn with_references(targets: Vec<TargetSettings>) -> Settings {
    Settings {
        eyes: eyes::EyesSettings { references: 3, need: 2, timeout_ms: 1000, again_ms: 5000 },
        ..settings(targets)
    }
}

#[test]
fn a_dead_target_is_judged_by_open_eyes() {
    let mut world = World::new(with_references(vec![target("demo")]));
    world.answers[0] = Answers::Silent;
    world.run(140_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
}

#[test]
fn blind_is_no_alarm_and_one_summary_afterwards() {
    let mut world = World::new(with_references(vec![target("a"), target("b"), target("c")]));
    world.run(61_000);
    world.answers = vec![Answers::Silent; 3];
    world.references_up = 0;
    world.run(3_600_000);
    assert!(world.told.is_empty(), "{:?}", world.told);
    assert_eq!(world.state(0), "unknown");
    assert!(world.heart.view(world.now).blind_since.is_some());
    world.answers = vec![Answers::Well; 3];
    world.references_up = 3;
    world.run(600_000);
    assert_eq!(
        world.changes(),
        [("wd1/own-network/1".to_owned(), Change::Trigger), ("wd1/own-network/1".to_owned(), Change::Resolve)]
    );
    let message = &world.told[0].message;
    assert!(message.contains("a, b, c") && message.contains("58 min"), "{message}");
    assert_eq!(world.state(0), "up");
    let failures: u32 = world.heart.view(world.now).targets.iter().map(|target| target.consecutive_failures).sum();
    assert_eq!(failures, 0);
}

#[test]
fn two_failures_before_blindness_are_kept_and_not_added_to() {
    let mut world = World::new(with_references(vec![target("demo")]));
    world.run(61_000);
    world.answers[0] = Answers::Silent;
    world.run(130_000);
    assert_eq!(world.heart.view(world.now).targets[0].consecutive_failures, 2);
    world.references_up = 1;
    world.run(600_000);
    assert_eq!(world.heart.view(world.now).targets[0].consecutive_failures, 2);
    assert!(world.told.is_empty());
    world.references_up = 2;
    world.run(60_000);
    assert!(
        world.triggers().contains(&"demo/target-down/1".to_owned()),
        "it is down after all: {:?}",
        world.triggers()
    );
}

#[test]
fn an_answer_with_the_wrong_content_needs_no_look_around() {
    let mut world = World::new(with_references(vec![target("demo")]));
    world.references_up = 0;
    world.answers[0] = Answers::Body(503, r#"{"status":"critical"}"#.to_owned());
    world.run(130_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "an answer arrived: the network is good");
}

#[test]
fn who_was_unknown_while_blind_is_named_even_where_it_answered_before_the_sight_was_back() {
    let mut one = target("a");
    one.interval_ms = 1000;
    one.timeout_ms = 500;
    let mut world = World::new(with_references(vec![one, target("b")]));
    world.run(70_000);
    world.answers[0] = Answers::Silent;
    world.references_up = 0;
    world.run(8_000);
    assert_eq!(world.state(0), "unknown");
    // The cable is back, and the target's answer is here before the next look around.
    world.answers[0] = Answers::Well;
    for _ in 0..40 {
        if world.state(0) != "up" {
            world.run(50);
        }
    }
    assert!(world.heart.view(world.now).blind_since.is_some(), "{:?}", world.notes);
    world.references_up = 3;
    world.run(10_000);
    let message = &world.told[0].message;
    assert!(message.ends_with("not judged meanwhile: a."), "{message}");
    // Of the next blindness another is told.
    world.references_up = 0;
    world.answers[1] = Answers::Silent;
    world.run(120_000);
    world.references_up = 3;
    world.run(60_000);
    let message = &world.told[2].message;
    assert!(message.ends_with("not judged meanwhile: b."), "{message}");
}
