//! When a target is restarted, and when never.

use super::*;
use crate::heart::rung::LADDER;
use crate::heart::steps::{Outcome, Step};

pub(super) fn restartable() -> World {
    let mut one = target("demo");
    one.ladder = Some(LADDER);
    let mut world = World::new(settings(vec![one]));
    world.run(61_000);
    world
}

pub(super) fn down(world: &mut World) {
    world.answers[0] = Answers::Refuses;
    world.run(181_000);
}

/// Down, asked in vain, and ended by a signal: its start is what is ordered next.
pub(super) fn down_and_gone(world: &mut World) {
    down(world);
    end_step(world, Outcome::Failed("no answer".into()));
    end_step(world, Outcome::Proved("gone".into()));
}

pub(super) fn end_step(world: &mut World, outcome: Outcome) -> Step {
    let Some((target, step, _, ticket)) = world.acts.pop() else { panic!("no step: {:?}", world.notes) };
    world.hand(Input::Stepped { target, ticket, outcome });
    // The look that may follow.
    world.run(10);
    step
}

#[test]
fn a_restart_that_works_is_told_and_its_incident_ends() {
    let mut world = restartable();
    down(&mut world);
    assert_eq!(world.acts.len(), 1);
    assert_eq!(world.acts[0].2, Some(3), "compare-and-set with the epoch last seen");
    assert_eq!(end_step(&mut world, Outcome::Failed("no answer".into())), Step::Ask);
    assert_eq!(end_step(&mut world, Outcome::Proved("gone".into())), Step::Signal);
    assert_eq!(end_step(&mut world, Outcome::Proved("started".into())), Step::Start);
    world.answers[0] = Answers::Well;
    world.run(10_000);
    assert!(world.changes().iter().all(|(_, change)| *change != Change::Update), "the old epoch proves nothing");
    world.epochs[0] = 4;
    world.run(5_000);
    let update = world.told.iter().find(|notice| notice.change == Change::Update);
    assert!(update.is_some_and(|notice| notice.message.contains("signal: gone; start: started")), "{:?}", world.told);
    world.run(130_000);
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)));
    assert!(world.acts.is_empty());
}

#[test]
fn a_cable_that_is_back_after_an_ask_that_failed_gets_nobody_signalled() {
    let mut one = target("demo");
    one.ladder = Some(crate::heart::rung::LadderSettings { ask_ms: 5_000, ..LADDER });
    let mut world = World::new(settings(vec![one]));
    world.run(61_000);
    world.answers[0] = Answers::Silent;
    for _ in 0..3_000 {
        if world.acts.is_empty() {
            world.run(100);
        }
    }
    // A probe that began while the cable was out is still under way, and fails after it is back.
    world.run(3_000);
    let under_way = |world: &World| world.probes.last().map(|(_, at)| *at);
    let before = under_way(&world);
    world.answers[0] = Answers::Well;
    assert_eq!(end_step(&mut world, Outcome::Failed("no connection".into())), Step::Ask);
    assert!(under_way(&world) > before, "it looks at once: {:?}", world.notes);
    world.run(300_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)));
}

#[test]
fn a_cable_that_is_back_after_the_wait_gets_nothing_started() {
    let mut world = restartable();
    down(&mut world);
    end_step(&mut world, Outcome::Failed("no connection".into()));
    assert_eq!(end_step(&mut world, Outcome::Failed("no connection".into())), Step::Signal);
    // The last look before the end of the wait finds it down; then the cable is back.
    let waits = world.heart.view(world.now).targets[0].ladder.clone();
    assert_eq!(waits.map(|ladder| ladder.state), Some("waiting".to_owned()));
    world.run(3985);
    world.answers[0] = Answers::Well;
    world.run(300_000);
    assert!(world.acts.is_empty(), "{:?} {:?}", world.acts, world.notes);
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)));
}

#[test]
fn a_look_by_which_nobody_learns_anything_ends_the_try_without_holding() {
    let mut one = target("demo");
    one.ladder = Some(LADDER);
    let eyes = eyes::EyesSettings { references: 1, need: 1, timeout_ms: 1000, again_ms: 5000 };
    let mut world = World::new(Settings { eyes, ..settings(vec![one]) });
    world.run(61_000);
    for _ in 0..3 {
        world.references_up = 1;
        world.answers[0] = Answers::Refuses;
        for _ in 0..300 {
            if world.acts.is_empty() {
                world.run(1000);
            }
        }
        world.references_up = 0;
        assert_eq!(end_step(&mut world, Outcome::Failed("no connection".into())), Step::Ask);
        world.run(60_000);
        assert!(world.acts.is_empty(), "{:?}", world.acts);
    }
    assert!(world.triggers().iter().all(|key| !key.starts_with("demo/held")), "{:?}", world.notes);
}

#[test]
fn an_incident_is_not_over_before_its_restart_is_verified() {
    let mut world = restartable();
    down_and_gone(&mut world);
    // The new one answers long before the starter has said so: longer than it takes an incident to settle.
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(29_000);
    assert!(world.changes().iter().all(|(_, change)| *change == Change::Trigger), "{:?}", world.told);
    end_step(&mut world, Outcome::Proved("started".into()));
    // An old copy's answers, and those without an epoch, verify nothing.
    let at = |world: &World| world.now.wall.text();
    for body in [
        format!(
            r#"{{"status":"healthy","timestamp":"{}","epoch":3,"journal":{{"jid":"j","seq":9,"head":"h"}}}}"#,
            at(&world)
        ),
        format!(r#"{{"status":"healthy","timestamp":"{}"}}"#, at(&world)),
    ] {
        world.answers[0] = Answers::Body(200, body);
        world.run(1000);
    }
    assert!(world.told.iter().all(|notice| notice.change == Change::Trigger), "{:?}", world.told);
    world.answers[0] = Answers::Well;
    world.run(3000);
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Update)), "{:?}", world.notes);
    world.run(180_000);
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)));
}

#[test]
fn an_incident_ends_once_its_target_has_held_still_since_its_restart_was_verified() {
    let mut world = restartable();
    down_and_gone(&mut world);
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(29_000);
    end_step(&mut world, Outcome::Proved("started".into()));
    world.run(3000);
    let verified = world.now.wall;
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Update)), "{:?}", world.notes);
    world.run(180_000);
    let over = world.told.last().filter(|notice| notice.change == Change::Resolve).map(|notice| notice.at);
    assert!(over.is_some_and(|at| at.since(verified) >= 57_000), "{over:?}, {verified:?}");
}

#[test]
fn old_answers_while_a_restart_is_verified_end_no_incident() {
    let mut world = restartable();
    down_and_gone(&mut world);
    end_step(&mut world, Outcome::Proved("started".into()));
    // The old epoch: whatever answers here is not what was started.
    world.answers[0] = Answers::Well;
    world.run(59_000);
    assert_eq!(world.state(0), "down", "{:?}", world.notes);
    assert_eq!(world.told.len(), 1, "{:?}", world.told);
}

#[test]
fn three_failed_tries_are_held_and_only_release_ends_that() {
    let mut world = restartable();
    down(&mut world);
    for _ in 0..3 {
        assert_eq!(end_step(&mut world, Outcome::Refused("no".into())), Step::Ask);
        for _ in 0..200 {
            if world.acts.is_empty() {
                world.run(1000);
            }
        }
    }
    assert!(world.triggers().contains(&"demo/held/1".to_owned()), "{:?}", world.notes);
    let held = world.told.iter().find(|notice| notice.key == "demo/held/1").map(|notice| notice.severity);
    assert_eq!(held, Some(Severity::Critical));
    world.run(48 * 3_600_000);
    assert!(world.acts.is_empty(), "held stays held");
    assert_eq!(
        world.heart.view(world.now).targets[0].ladder.as_ref().map(|ladder| ladder.state.as_str()),
        Some("held")
    );
    assert_eq!(world.heart.release(world.now, "demo", "ana"), Some(true));
    world.carry_out();
    assert!(world.changes().contains(&("demo/held/1".to_owned(), Change::Resolve)));
    world.run(61_000);
    assert_eq!(world.acts[0].1, Step::Ask);
    assert_eq!(world.heart.release(world.now, "nobody", "ana"), None);
}

#[test]
fn never_for_a_token_and_still_for_a_death_after_it() {
    for status in [401, 403] {
        let mut world = restartable();
        world.answers[0] = Answers::Body(status, r#"{"error":"this token is not known here"}"#.to_owned());
        world.run(600_000);
        assert!(world.acts.is_empty(), "{status}: whoever answers lives");
        assert_eq!(world.triggers(), ["demo/target-down/1"], "people are told");
        let action = world.told[0].action.as_deref().unwrap_or_default();
        assert!(action.contains("see to the token"), "{action}");
        down(&mut world);
        assert_eq!(world.acts[0].1, Step::Ask, "{status}: a token that is no good hides no death");
    }
}

#[test]
fn never_with_the_kill_switch_engaged() {
    let mut world = restartable();
    world.kill_switch = true;
    world.run(60_000);
    down(&mut world);
    world.run(600_000);
    assert!(world.acts.is_empty());
    assert!(world.told[0].message.contains("kill switch is engaged"), "{}", world.told[0].message);
}

#[test]
fn never_on_a_forked_journal_until_released() {
    let mut world = restartable();
    world.hand(Input::WitnessAlarm { target: 0, found: "Its journal forked.".into(), last_agreed: Some(41) });
    assert_eq!(world.triggers(), ["demo/witness/1"]);
    assert!(world.told[0].message.contains("The last agreed record is 41."));
    down(&mut world);
    world.run(600_000);
    assert!(world.acts.is_empty());
    assert_eq!(world.heart.release(world.now, "demo", "ana"), Some(true));
    world.carry_out();
    assert!(world.changes().contains(&("demo/witness/1".to_owned(), Change::Resolve)));
    world.run(61_000);
    assert_eq!(world.acts[0].1, Step::Ask);
}

#[test]
fn never_for_what_a_restart_does_not_mend() {
    let mut world = restartable();
    world.answers[0] = Answers::Body(503, r#"{"status":"critical"}"#.to_owned());
    world.run(3_600_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    assert!(world.acts.is_empty());
}

#[test]
fn never_in_maintenance_and_maintenance_ends_what_is_under_way() {
    let mut world = restartable();
    down(&mut world);
    assert_eq!(world.acts.len(), 1);
    world.heart.silence(world.now, "demo", "ana", "by hand", 3_600_000);
    world.carry_out();
    end_step(&mut world, Outcome::Proved("gone".into()));
    world.run(600_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn never_while_blind() {
    let mut one = target("demo");
    one.ladder = Some(LADDER);
    let mut world = World::new(Settings {
        eyes: eyes::EyesSettings { references: 1, need: 1, timeout_ms: 1000, again_ms: 5000 },
        ..settings(vec![one])
    });
    world.run(61_000);
    world.references_up = 0;
    world.answers[0] = Answers::Silent;
    world.run(3_600_000);
    assert!(world.acts.is_empty() && world.told.is_empty());
}

#[test]
fn a_crash_of_the_watchdog_in_the_middle_of_a_try_makes_no_second_start() {
    let mut world = restartable();
    down_and_gone(&mut world);
    assert_eq!(world.acts[0].1, Step::Start);
    let (saved, clock) = (world.saved.clone(), world.clock());
    let now = Now { boot: world.now.boot.plus(1000), wall: world.now.wall.plus(1000) };
    let (stored, was) = saved.on_this_boot(Some(&clock), "b", now);
    let mut one = target("demo");
    one.ladder = Some(LADDER);
    let mut again = World::resumed(settings(vec![one]), stored, was, now);
    again.answers[0] = Answers::Refuses;
    again.run(9000);
    assert!(again.acts.is_empty(), "the try counts as failed and pauses first");
    assert_eq!(again.heart.view(again.now).targets[0].ladder.as_ref().map(|ladder| ladder.tries), Some(1));
}
