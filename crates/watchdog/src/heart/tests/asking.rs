//! Rung 1: an engine that is asked, says yes, ends, and is started again: by whoever supervises it, or from here.

use super::restarts::{down, end_step, restartable};
use super::*;
use crate::heart::steps::{Outcome, Step};

fn yes() -> Outcome {
    Outcome::Proved("the engine accepted it".to_owned())
}

/// A world in which the engine was asked and said yes, and announces the restart in its answers.
fn asked() -> World {
    let mut world = restartable();
    down(&mut world);
    world.announces("restart", 80_000, "wd1");
    world.answers[0] = Answers::Well;
    assert_eq!(end_step(&mut world, yes()), Step::Ask);
    world
}

#[test]
fn one_that_comes_back_by_itself_is_not_started_from_here() {
    let mut world = asked();
    world.run(2500);
    assert_eq!(world.state(0), "down", "its own announcement is no maintenance: {:?}", world.notes);
    world.announced = "null".to_owned();
    world.epochs[0] = 4;
    world.run(300_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(world.told.iter().any(|notice| notice.title.contains("was restarted")), "{:?}", world.notes);
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)));
}

#[test]
fn one_that_nobody_starts_is_started_once_its_old_process_is_gone() {
    let mut world = asked();
    world.run(2500);
    assert!(world.acts.is_empty(), "it may come back by itself");
    world.answers[0] = Answers::Refuses;
    world.run(2600);
    // It ends: the starter refuses while it lives, and is asked again.
    for _ in 0..3 {
        assert_eq!(end_step(&mut world, Outcome::Refused("its old process still lives".to_owned())), Step::Start);
        assert!(world.acts.is_empty(), "not at once");
        world.run(5000);
    }
    assert_eq!(end_step(&mut world, Outcome::Proved("process 7".to_owned())), Step::Start);
    world.announced = "null".to_owned();
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(300_000);
    let update = world.told.iter().find(|notice| notice.change == Change::Update);
    let wanted = "ask: the engine accepted it; start refused: its old process still lives; start: process 7";
    assert!(update.is_some_and(|notice| notice.message.contains(wanted)), "{:?}", world.told);
    let ladder = world.heart.view(world.now).targets[0].ladder.clone();
    assert_eq!(ladder.map(|ladder| (ladder.state, ladder.tries)), Some(("resting".to_owned(), 1)));
}

#[test]
fn one_that_says_yes_and_never_ends_is_signalled() {
    let mut world = asked();
    world.run(6000);
    let mut refused = 0;
    while world.acts[0].1 == Step::Start {
        end_step(&mut world, Outcome::Refused("its old process still lives".to_owned()));
        refused += 1;
        assert!(refused < 20);
        for _ in 0..10 {
            if world.acts.is_empty() {
                world.run(1000);
            }
        }
    }
    assert_eq!((world.acts[0].1, world.acts[0].2), (Step::Signal, Some(3)), "of the old epoch only");
    let ladder = world.heart.view(world.now).targets[0].ladder.clone();
    assert_eq!(ladder.map(|ladder| ladder.tries), Some(1), "in the same try");
}

#[test]
fn a_stop_by_a_person_after_the_yes_ends_the_try() {
    // A signal that this ladder did not send is a person's.
    for by in ["ana (1000)", reading::BY_SIGNAL] {
        let mut world = asked();
        world.announces("stop", 15_000, by);
        world.run(2500);
        world.answers[0] = Answers::Refuses;
        world.run(3_600_000);
        assert!(world.acts.is_empty(), "{by}: {:?}", world.acts);
    }
}

#[test]
fn a_restart_that_a_ladder_cannot_have_asked_for_is_somebody_else_s() {
    let mut one = target("demo");
    one.ladder = Some(crate::heart::ladder::LadderSettings { can_ask: false, ..crate::heart::rung::LADDER });
    let mut world = World::new(settings(vec![one]));
    world.run(61_000);
    down(&mut world);
    assert_eq!(world.acts[0].1, Step::Signal);
    world.announces("restart", 300_000, "ana (1000)");
    world.answers[0] = Answers::Well;
    world.run(2500);
    assert_eq!(world.state(0), "maintenance", "{:?}", world.notes);
    end_step(&mut world, Outcome::Proved("gone".to_owned()));
    assert!(world.acts.is_empty(), "whoever asked for it sees to it: {:?}", world.acts);
}

#[test]
fn a_restart_that_somebody_else_announces_later_is_theirs() {
    let mut world = asked();
    world.announced = "null".to_owned();
    world.epochs[0] = 4;
    world.run(10_000);
    world.announces("restart", 300_000, "ana (1000)");
    world.run(61_000);
    assert_eq!(world.state(0), "maintenance", "{:?}", world.notes);
}

#[test]
fn a_crash_of_the_watchdog_while_it_waits_for_the_return_loses_nothing() {
    let mut world = asked();
    world.answers[0] = Answers::Refuses;
    world.run(2500);
    let (saved, clock) = (world.saved.clone(), world.clock());
    let now = Now { boot: world.now.boot.plus(1000), wall: world.now.wall.plus(1000) };
    let (stored, was) = saved.on_this_boot(Some(&clock), "b", now);
    let mut one = target("demo");
    one.ladder = Some(crate::heart::rung::LADDER);
    let mut again = World::resumed(settings(vec![one]), stored, was, now);
    again.answers[0] = Answers::Refuses;
    again.run(6000);
    assert_eq!(again.acts.iter().map(|act| act.1).collect::<Vec<_>>(), [Step::Start], "{:?}", again.notes);
}

#[test]
fn a_frozen_engine_is_not_asked_for_long() {
    let mut world = restartable();
    world.answers[0] = Answers::Silent;
    world.run(215_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "people are told before anybody is asked");
    assert_eq!(world.acts.iter().map(|act| act.1).collect::<Vec<_>>(), [Step::Ask, Step::Signal], "{:?}", world.notes);
}
