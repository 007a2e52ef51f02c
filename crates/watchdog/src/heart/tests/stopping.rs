//! A stop on purpose is never undone, whoever tells of it: a health answer, its host, or nobody but a person later.

use super::restarts::{down, down_and_gone, end_step, restartable};
use super::*;
use crate::heart::steps::{Outcome, Step};

fn refuses(world: &mut World, ms: u64) {
    world.answers[0] = Answers::Refuses;
    world.run(ms);
}

#[test]
fn a_stop_that_only_a_health_answer_announces_is_never_restarted() {
    let mut world = restartable();
    world.announces("stop", 90_000, "ana (1000)");
    world.run(60_000);
    assert_eq!(world.state(0), "maintenance");
    refuses(&mut world, 3_600_000);
    assert_eq!(world.triggers(), ["demo/target-stopped/1"], "{:?}", world.told);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    world.announced = "null".to_owned();
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(180_000);
    assert_eq!(world.changes().last(), Some(&("demo/target-stopped/1".to_owned(), Change::Resolve)));
    refuses(&mut world, 240_000);
    assert_eq!(world.acts[0].1, Step::Ask, "and what fails after it was started again is restarted");
}

#[test]
fn good_answers_of_an_engine_that_stops_do_not_undo_the_stop() {
    let mut world = restartable();
    // Its components take their time: it answers well long after the stop was announced, and after the time that it named.
    world.announces("stop", 90_000, "ana (1000)");
    world.run(600_000);
    assert_eq!(world.notes.iter().filter(|note| note.contains("maintenance for")).count(), 1, "{:?}", world.notes);
    refuses(&mut world, 3_600_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert_eq!(world.triggers(), ["demo/target-stopped/1"], "{:?}", world.told);
}

#[test]
fn one_without_epochs_is_stopped_for_as_long_as_it_says_so() {
    let mut world = restartable();
    world.heart = Heart::new(
        settings(vec![{
            let mut one = target("demo");
            one.ladder = Some(crate::heart::rung::LADDER);
            one
        }]),
        Stored::default(),
        None,
        world.now,
    );
    world.due.clear();
    world.answers[0] = Answers::Body(200, r#"{"status":"healthy","announced":{"kind":"stop"}}"#.to_owned());
    world.run(200_000);
    refuses(&mut world, 600_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    // Back, it announces nothing; and what fails then is restarted.
    world.answers[0] = Answers::Body(200, r#"{"status":"healthy"}"#.to_owned());
    world.run(120_000);
    refuses(&mut world, 240_000);
    assert_eq!(world.acts.first().map(|act| act.1), Some(Step::Ask), "{:?}", world.notes);
}

#[test]
fn a_stopped_system_whose_old_copy_answers_is_not_restarted_either() {
    let mut world = restartable();
    world.announces("stop", 90_000, "ana (1000)");
    world.run(600_000);
    world.announced = "null".to_owned();
    world.epochs[0] = 2;
    world.run(600_000);
    assert!(world.acts.is_empty());
    let told = world.told.iter().find(|notice| notice.key == "demo/target-down/1");
    assert!(told.is_some_and(|notice| notice.message.contains("it was stopped on purpose")), "{:?}", world.told);
}

#[test]
fn a_stop_is_remembered_over_a_restart_of_the_watchdog() {
    let mut world = restartable();
    world.announces("stop", 20_000, "ana (1000)");
    world.run(60_000);
    let (saved, clock) = (world.saved.clone(), world.clock());
    let (stored, was) = saved.on_this_boot(Some(&clock), "b", world.now);
    let mut one = target("demo");
    one.ladder = Some(crate::heart::rung::LADDER);
    let mut again = World::resumed(settings(vec![one]), stored, was, world.now);
    refuses(&mut again, 3_600_000);
    assert!(again.acts.is_empty(), "{:?}", again.acts);
}

#[test]
fn an_announced_restart_in_a_health_answer_is_waited_for() {
    let mut world = restartable();
    world.announces("restart", 300_000, "ana (1000)");
    world.run(60_000);
    refuses(&mut world, 200_000);
    assert!(world.told.is_empty() && world.acts.is_empty());
    world.announced = "null".to_owned();
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(60_000);
    assert_eq!(world.state(0), "up");
    assert!(world.told.is_empty(), "{:?}", world.told);
}

#[test]
fn a_stop_wins_over_a_restart_whichever_is_announced_first() {
    for kinds in [["restart", "stop"], ["stop", "restart"]] {
        let mut world = restartable();
        for kind in kinds {
            world.announces(kind, 200_000, "ana (1000)");
            world.run(60_000);
        }
        let maintenance = world.heart.view(world.now).targets[0].maintenance.clone();
        assert!(maintenance.is_some_and(|one| one.reason.starts_with("it announced that it stops")), "{kinds:?}");
        refuses(&mut world, 3_600_000);
        assert!(world.acts.is_empty(), "{kinds:?}: {:?}", world.acts);
        assert_eq!(world.triggers(), ["demo/target-stopped/1"], "{kinds:?}");
    }
}

#[test]
fn an_announcement_shortens_no_silence_and_counts_after_it() {
    let mut world = restartable();
    world.heart.silence(world.now, "demo", "ana", "new disk", 3_600_000);
    world.carry_out();
    world.announces("stop", 90_000, "ana (1000)");
    world.run(60_000);
    refuses(&mut world, 3_400_000);
    assert!(world.told.is_empty(), "she asked for an hour: {:?}", world.told);
    world.run(3_600_000);
    assert_eq!(world.triggers(), ["demo/target-stopped/1"]);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn how_long_an_end_takes_is_told_by_its_own_clock() {
    let mut world = restartable();
    // Its clock is four minutes behind: the end that it names is past here.
    let made = Wall(world.now.wall.0 + 60_000 - 240_000);
    let (at, until) = (made.text(), made.plus(120_000).text());
    world.answers[0] = Answers::Body(
        200,
        format!(
            r#"{{"status":"healthy","timestamp":"{at}","epoch":3,"journal":{{"jid":"j","seq":9,"head":"h"}},
            "announced":{{"kind":"restart","until":"{until}"}}}}"#
        ),
    );
    world.run(60_000);
    assert_eq!(world.state(0), "maintenance", "{:?}", world.notes);
    refuses(&mut world, 119_000);
    assert_eq!(world.state(0), "maintenance");
    world.run(120_000);
    assert_eq!(world.state(0), "down");
}

#[test]
fn what_a_replayed_answer_announces_is_not_believed_but_a_kill_switch_is() {
    let mut world = restartable();
    let replayed = |world: &World, kill_switch: bool| {
        let at = world.now.wall.text();
        Answers::Body(
            200,
            format!(
                r#"{{"status":"healthy","timestamp":"{at}","epoch":3,"kill_switch":{kill_switch},"nonce":"another",
                "announced":{{"kind":"stop"}},"journal":{{"jid":"j","seq":9,"head":"h"}}}}"#
            ),
        )
    };
    world.answers[0] = replayed(&world, true);
    world.run(180_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    assert!(world.told[0].message.contains("kill switch is engaged"), "{}", world.told[0].message);
    world.answers[0] = replayed(&world, false);
    world.run(180_000);
    assert!(world.acts.is_empty(), "that it was released is believed only of an answer of now: {:?}", world.acts);
}

#[test]
fn a_journal_that_stands_still_while_it_stops_takes_nothing_from_the_announcement() {
    let mut world = restartable();
    for _ in 0..6 {
        let at = world.now.wall.plus(30_000).text();
        world.answers[0] = Answers::Body(
            200,
            format!(
                r#"{{"status":"healthy","timestamp":"{at}","epoch":3,"journal":{{"jid":"j","seq":9,"head":"h"}},
                "announced":{{"kind":"stop"}}}}"#
            ),
        );
        world.run(60_000);
    }
    refuses(&mut world, 3_600_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn the_ladder_s_own_signal_is_no_stop_on_purpose_in_a_health_answer_either() {
    let mut world = restartable();
    down(&mut world);
    end_step(&mut world, Outcome::Failed("no answer".to_owned()));
    assert_eq!(world.acts[0].1, Step::Signal);
    world.announces("stop", 15_000, reading::BY_SIGNAL);
    world.answers[0] = Answers::Well;
    world.run(2500);
    assert_eq!(world.state(0), "down", "{:?}", world.notes);
    end_step(&mut world, Outcome::Proved("gone".to_owned()));
    assert_eq!(end_step(&mut world, Outcome::Proved("started".to_owned())), Step::Start);
}

#[test]
fn a_stop_that_wakes_only_after_its_signal_was_given_up_is_the_ladder_s_too() {
    let mut world = restartable();
    down(&mut world);
    end_step(&mut world, Outcome::Failed("no answer".to_owned()));
    assert_eq!(end_step(&mut world, Outcome::Failed("no proof in time".to_owned())), Step::Signal);
    world.announces("stop", 15_000, reading::BY_SIGNAL);
    world.answers[0] = Answers::Well;
    world.run(2500);
    world.answers[0] = Answers::Refuses;
    world.run(2500);
    assert_eq!(world.acts.iter().map(|act| act.1).collect::<Vec<_>>(), [Step::Start], "{:?}", world.notes);
}

#[test]
fn a_signal_of_somebody_else_is_a_stop_on_purpose() {
    let mut world = restartable();
    world.announces("stop", 15_000, reading::BY_SIGNAL);
    world.run(60_000);
    refuses(&mut world, 3_600_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn a_new_engine_that_is_stopped_right_after_its_start_stays_stopped() {
    let mut world = restartable();
    down_and_gone(&mut world);
    // Started, and somebody stops it before the starter's word is here.
    world.epochs[0] = 4;
    world.announces("stop", 15_000, reading::BY_SIGNAL);
    world.answers[0] = Answers::Well;
    world.run(2500);
    end_step(&mut world, Outcome::Proved("started".to_owned()));
    refuses(&mut world, 3_600_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn what_its_host_knows_to_be_stopped_is_not_started_and_no_longer_critical() {
    for rung in [Step::Signal, Step::Start] {
        let mut world = restartable();
        down(&mut world);
        end_step(&mut world, Outcome::Failed("no answer".to_owned()));
        if rung == Step::Start {
            end_step(&mut world, Outcome::Proved("already gone".to_owned()));
        }
        let how = Outcome::StoppedOnPurpose("epoch 3 by ana (1000): new disk".to_owned());
        assert_eq!(end_step(&mut world, how), rung);
        let down = "demo/target-down/1".to_owned();
        assert_eq!(
            world.changes()[1..],
            [(down, Change::Resolve), ("demo/target-stopped/1".to_owned(), Change::Trigger)]
        );
        assert!(world.told[2].message.contains("(epoch 3 by ana (1000): new disk)"), "{}", world.told[2].message);
        assert_eq!(world.told[2].severity, Severity::Warning);
        world.run(3_600_000);
        assert!(world.acts.is_empty() && world.told.len() == 3, "{:?}", world.told);
        world.epochs[0] = 4;
        world.answers[0] = Answers::Well;
        world.run(60_000);
        assert_eq!(world.changes().last(), Some(&("demo/target-stopped/1".to_owned(), Change::Resolve)));
        refuses(&mut world, 240_000);
        assert_eq!(world.acts[0].1, Step::Ask, "{:?}", world.notes);
    }
}

#[test]
fn a_stop_that_is_released_by_hand_may_be_restarted() {
    let mut world = restartable();
    world.announces("stop", 20_000, "ana (1000)");
    world.run(60_000);
    refuses(&mut world, 600_000);
    assert_eq!(world.heart.release(world.now, "demo", "ana"), Some(true));
    world.carry_out();
    world.run(61_000);
    assert_eq!(world.acts[0].1, Step::Ask);
}
