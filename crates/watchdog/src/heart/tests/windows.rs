//! The maintenance window of an engine, as the watchdog takes it: nobody is woken and nothing restarted until its end.

use super::*;
use crate::heart::rung::LADDER;

fn restartable() -> World {
    let mut one = target("demo");
    one.ladder = Some(LADDER);
    let mut world = World::new(settings(vec![one]));
    world.run(61_000);
    world
}

#[test]
fn an_engine_that_falls_silent_in_its_window_is_left_alone_until_the_end_that_it_named() {
    let mut world = restartable();
    world.maintains(3_600_000);
    world.run(61_000);
    assert_eq!(world.state(0), "maintenance", "{:?}", world.notes);
    let seen = world.heart.view(world.now).targets[0].maintenance.clone();
    assert_eq!(seen.map(|seen| (seen.owner, seen.reason)), Some(("ana".to_owned(), "new disk".to_owned())));
    world.answers[0] = Answers::Refuses;
    world.run(3_400_000);
    assert!(world.told.is_empty() && world.acts.is_empty(), "{:?} {:?}", world.told, world.acts);
    world.run(200_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "{:?}", world.notes);
    assert!(!world.acts.is_empty(), "it is restarted as ever: {:?}", world.notes);
}

#[test]
fn a_window_that_the_engine_ends_is_over_here_too() {
    let mut world = restartable();
    world.maintains(3_600_000);
    world.run(61_000);
    world.maintenance = "null".to_owned();
    world.run(61_000);
    assert_eq!(world.state(0), "up");
    world.answers[0] = Answers::Refuses;
    world.run(181_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    assert!(!world.acts.is_empty(), "{:?}", world.notes);
}

#[test]
fn a_window_is_noted_once_and_again_where_its_end_is_another() {
    let noted = |world: &World| world.notes.iter().filter(|note| note.contains("maintenance for")).count();
    let mut world = restartable();
    world.maintains(3_600_000);
    world.run(601_000);
    assert_eq!(noted(&world), 1, "{:?}", world.notes);
    world.maintains(7_200_000);
    world.run(61_000);
    assert_eq!(noted(&world), 2, "{:?}", world.notes);
    world.maintenance = r#"{"until":"soon","by":"ana","reason":"r"}"#.to_owned();
    world.run(61_000);
    assert_eq!(noted(&world), 2, "an end that is none is nothing to wait for: {:?}", world.notes);
}

#[test]
fn a_window_takes_the_place_of_no_silence() {
    let mut world = restartable();
    world.heart.silence(world.now, "demo", "bob", "by hand", 7_200_000);
    world.maintains(60_000);
    world.run(121_000);
    let owner = |world: &World| world.heart.view(world.now).targets[0].maintenance.clone().map(|one| one.owner);
    assert_eq!(owner(&world).as_deref(), Some("bob"));
    world.maintenance = "null".to_owned();
    world.run(121_000);
    assert_eq!(owner(&world).as_deref(), Some("bob"), "the engine ends only its own");
}
