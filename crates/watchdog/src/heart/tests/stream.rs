//! The live stream: a host that dies leads to an alert within 5 s; announced restarts lead to none.

use super::*;
use crate::heart::rung::LADDER;
use crate::heart::steps::{Outcome, Step};

fn with_stream() -> Settings {
    let mut one = target("demo");
    one.stream = Some(STREAM);
    Settings {
        eyes: eyes::EyesSettings { references: 1, need: 1, timeout_ms: 1000, again_ms: 5000 },
        ..settings(vec![one])
    }
}

fn beat(world: &World, seq: u64) -> Beat {
    Beat {
        system: "demo".to_owned(),
        epoch: world.epochs[0],
        seq,
        head: format!("head{seq}"),
        jid: "j".to_owned(),
        permission: "active".to_owned(),
        status: "healthy".to_owned(),
        mode: "dry".to_owned(),
        kill_switch: Some(world.kill_switch),
        announced: None,
        maintenance: None,
        at: world.now.wall.text(),
    }
}

/// A world whose stream is open and beats once a second for a while.
fn beating() -> World {
    let mut world = World::new(with_stream());
    world.run(100);
    assert_eq!(world.streams_asked, 1);
    world.hand(Input::StreamOpened { target: 0 });
    beat_for(&mut world, 5);
    world
}

fn beat_for(world: &mut World, beats: u64) {
    for n in 0..beats {
        let seq = u64::try_from(world.now.boot.0 / 1000).unwrap_or(0) + n % 2;
        world.hand(Input::Beat { target: 0, beat: Box::new(beat(world, seq)) });
        world.run(1000);
    }
}

#[test]
fn a_host_that_dies_without_a_word_alerts_within_five_seconds_of_the_last_beat() {
    let mut world = beating();
    let last = world.now.boot.0 - 1000;
    world.answers[0] = Answers::Silent;
    world.run(3900);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "{:?}", world.notes);
    assert!(world.now.boot.0 - last <= 5000);
}

#[test]
fn an_engine_that_is_killed_alerts_within_a_second() {
    let mut world = beating();
    world.answers[0] = Answers::Refuses;
    world.hand(Input::StreamEnded { target: 0, offered: true, why: "reset".to_owned() });
    world.run(900);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "{:?}", world.notes);
}

#[test]
fn a_poll_that_hangs_does_not_hold_up_the_alert() {
    let mut world = beating();
    // Two polls an hour: one of them is under way, and will be for its whole time-out, when the process dies.
    world.answers[0] = Answers::Silent;
    let probes = world.probes.len();
    for _ in 0..60 {
        if world.probes.len() == probes {
            beat_for(&mut world, 1);
        }
    }
    assert!(world.probes.len() > probes);
    world.answers[0] = Answers::Refuses;
    world.hand(Input::StreamEnded { target: 0, offered: true, why: "reset".to_owned() });
    world.run(900);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "{:?}", world.notes);
    world.answers[0] = Answers::Well;
    world.run(600_000);
    assert_eq!(world.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)), "{:?}", world.notes);
}

#[test]
fn slow_references_do_not_hold_up_the_alert_about_a_frozen_host() {
    let mut world = beating();
    world.look_ms = 700;
    let last = world.now.boot.0 - 1000;
    world.answers[0] = Answers::Silent;
    world.run(3900);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "{:?}", world.notes);
    assert!(world.now.boot.0 - last <= 5000);
}

#[test]
fn a_stream_that_breaks_while_the_target_is_well_alerts_nobody() {
    let mut world = beating();
    world.hand(Input::StreamEnded { target: 0, offered: true, why: "reset".to_owned() });
    world.run(30_000);
    assert!(world.told.is_empty());
    world.run(60_000);
    assert_eq!(world.streams_asked, 2, "it is opened again");
    assert!(world.told.is_empty());
}

#[test]
fn silent_beats_and_a_good_answer_alert_nobody() {
    let mut world = beating();
    world.run(20_000);
    assert!(world.told.is_empty() && world.notes.iter().any(|note| note.contains("no beat")));
    assert!(!world.heart.view(world.now).targets[0].stream);
}

#[test]
fn a_target_without_a_stream_is_asked_again_an_hour_later() {
    let mut world = World::new(with_stream());
    world.run(100);
    world.hand(Input::StreamEnded { target: 0, offered: false, why: "HTTP 404".to_owned() });
    world.run(59 * 60_000);
    assert_eq!(world.streams_asked, 1);
    world.run(3 * 60_000);
    assert_eq!(world.streams_asked, 2);
    assert!(world.told.is_empty());
}

fn announce(world: &mut World, kind: reading::AnnouncedKind, for_ms: u64) {
    let mut last = beat(world, 2000);
    let until = Some(world.now.wall.plus(for_ms).text());
    last.announced = Some(reading::Announced { kind, until, by: Some(reading::BY_SIGNAL.to_owned()) });
    world.hand(Input::Beat { target: 0, beat: Box::new(last) });
    world.hand(Input::StreamEnded { target: 0, offered: true, why: "closed".to_owned() });
    world.answers[0] = Answers::Refuses;
}

#[test]
fn an_announced_restart_that_comes_back_alerts_nobody() {
    let mut world = beating();
    announce(&mut world, reading::AnnouncedKind::Restart, 120_000);
    world.run(60_000);
    assert_eq!(world.state(0), "maintenance");
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(130_000);
    assert_eq!(world.state(0), "up");
    assert!(world.told.is_empty(), "{:?}", world.told);
}

#[test]
fn an_announced_restart_that_does_not_come_back_alerts_at_its_end() {
    let mut world = beating();
    announce(&mut world, reading::AnnouncedKind::Restart, 240_000);
    world.run(238_000);
    assert!(world.told.is_empty());
    world.run(4_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    assert!(world.told[0].message.contains("announced a restart"), "{}", world.told[0].message);
}

#[test]
fn a_stop_on_purpose_is_a_warning_at_its_end_and_never_a_restart() {
    let mut one = with_stream();
    one.targets[0].ladder = Some(LADDER);
    let mut world = World::new(one);
    world.run(100);
    world.hand(Input::StreamOpened { target: 0 });
    announce(&mut world, reading::AnnouncedKind::Stop, 240_000);
    world.run(3_600_000);
    assert_eq!(world.triggers(), ["demo/target-stopped/1"]);
    assert_eq!(world.told[0].severity, Severity::Warning);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    world.answers[0] = Answers::Well;
    world.epochs[0] = 4;
    world.run(120_000);
    assert_eq!(world.changes().last(), Some(&("demo/target-stopped/1".to_owned(), Change::Resolve)));
}

#[test]
fn a_window_in_a_beat_counts_before_the_next_poll() {
    let mut world = beating();
    let mut one = beat(&world, 2000);
    let until = world.now.wall.plus(3_600_000).text();
    one.maintenance = Some(reading::Window { until, by: "ana".to_owned(), reason: "new disk".to_owned() });
    world.hand(Input::Beat { target: 0, beat: Box::new(one) });
    world.answers[0] = Answers::Silent;
    world.run(300_000);
    assert_eq!(world.state(0), "maintenance");
    assert!(world.told.is_empty(), "{:?}", world.told);
}

#[test]
fn a_beat_that_says_critical_is_looked_into_at_once() {
    let mut world = beating();
    world.answers[0] = Answers::Body(503, r#"{"status":"critical","reasons":["kill switch"]}"#.to_owned());
    let mut critical = beat(&world, 3000);
    critical.status = "critical".to_owned();
    world.hand(Input::Beat { target: 0, beat: Box::new(critical) });
    world.run(1000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    assert!(world.told[0].message.contains("is not well"));
}

#[test]
fn every_new_head_is_compared_once() {
    let mut world = beating();
    let before = world.compared.len();
    world.hand(Input::Beat { target: 0, beat: Box::new(beat(&world, 5000)) });
    world.hand(Input::Beat { target: 0, beat: Box::new(beat(&world, 5000)) });
    assert_eq!(world.compared.len(), before + 1);
}

/// A world with a ladder and a stream whose engine froze; the ladder is about to send its signal.
fn signalling() -> World {
    let mut one = with_stream();
    one.targets[0].ladder = Some(LADDER);
    let mut world = World::new(one);
    world.run(100);
    world.hand(Input::StreamOpened { target: 0 });
    beat_for(&mut world, 3);
    world.answers[0] = Answers::Silent;
    world.run(4000);
    assert_eq!(restarts::end_step(&mut world, Outcome::Failed("no answer".to_owned())), Step::Ask);
    world.run(900);
    world
}

#[test]
fn the_last_words_of_an_engine_that_the_ladder_ends_stop_no_restart() {
    let mut world = signalling();
    world.answers[0] = Answers::Well;
    world.run(2500);
    assert_eq!(world.state(0), "down", "an answer of a process that is being ended is no recovery");
    announce(&mut world, reading::AnnouncedKind::Stop, 15_000);
    assert_eq!(restarts::end_step(&mut world, Outcome::Proved("gone".to_owned())), Step::Signal);
    // The beat that says so may be read after the proof.
    announce(&mut world, reading::AnnouncedKind::Stop, 15_000);
    assert_eq!(restarts::end_step(&mut world, Outcome::Proved("started".to_owned())), Step::Start);
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(300_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "{:?}", world.told);
    assert!(world.told.iter().any(|notice| notice.title.contains("was restarted")), "{:?}", world.notes);
    assert!(world.acts.is_empty());
}

#[test]
fn a_kill_switch_that_a_woken_engine_tells_of_ends_the_try() {
    let mut world = signalling();
    world.kill_switch = true;
    let told = beat(&world, 3000);
    world.hand(Input::Beat { target: 0, beat: Box::new(told) });
    restarts::end_step(&mut world, Outcome::Proved("gone".to_owned()));
    world.answers[0] = Answers::Refuses;
    world.run(600_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn a_stop_by_a_person_counts_even_while_the_ladder_sends_its_signal() {
    let mut world = signalling();
    let mut last = beat(&world, 2000);
    let by = Some("ana (1000)".to_owned());
    last.announced = Some(reading::Announced { kind: reading::AnnouncedKind::Stop, until: None, by });
    world.hand(Input::Beat { target: 0, beat: Box::new(last) });
    restarts::end_step(&mut world, Outcome::Proved("gone".to_owned()));
    world.answers[0] = Answers::Refuses;
    world.run(3_600_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert_eq!(world.triggers(), ["demo/target-down/1"], "one incident is enough");
}

#[test]
fn one_that_somebody_started_while_the_ladder_sends_its_signal_is_not_started_again() {
    let mut world = signalling();
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(2500);
    assert_eq!(world.state(0), "up", "{:?}", world.notes);
    restarts::end_step(&mut world, Outcome::Proved("gone".to_owned()));
    world.run(60_000);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn a_start_that_is_answered_for_before_its_receipt_is_verified() {
    let mut world = signalling();
    assert_eq!(restarts::end_step(&mut world, Outcome::Proved("gone".to_owned())), Step::Signal);
    world.epochs[0] = 4;
    world.answers[0] = Answers::Well;
    world.run(2500);
    assert_eq!(restarts::end_step(&mut world, Outcome::Proved("started".to_owned())), Step::Start);
    world.run(300_000);
    assert!(world.told.iter().any(|notice| notice.title.contains("was restarted")), "{:?}", world.notes);
    assert!(world.acts.is_empty(), "a system that is well must not be ended again");
}

#[test]
fn an_old_copy_that_is_started_after_a_stop_is_told_and_shown_to_the_witness() {
    let mut world = beating();
    announce(&mut world, reading::AnnouncedKind::Stop, 5_000);
    world.run(10_000);
    world.epochs[0] = 2;
    world.answers[0] = Answers::Well;
    let compared = world.compared.len();
    world.run(300_000);
    assert!(world.compared.len() > compared, "{:?}", world.notes);
    let told = world.told.iter().find(|notice| notice.key == "demo/target-down/1");
    assert!(told.is_some_and(|notice| notice.message.contains("epoch went back")), "{:?}", world.told);
}
