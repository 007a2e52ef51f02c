//! Check-ins: in time, late, failed, and deadlines that pass while the watchdog cannot hear.

use super::*;
use crate::heart::schedule::Schedule;
use jiff::tz::TimeZone;

fn nightly(schedule: Schedule) -> Settings {
    Settings {
        checkins: vec![CheckInSettings {
            name: "nightly".to_owned(),
            schedule,
            grace_ms: 1_800_000,
            runtime_max_ms: None,
            severity: Severity::Critical,
        }],
        ..settings(Vec::new())
    }
}

fn daily() -> Settings {
    nightly(Schedule::Period(86_400_000))
}

/// 03:00 in Berlin; the worlds begin at 02:33 there.
fn cron() -> Settings {
    let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
    nightly(Schedule::Calendar("0 3 * * *".parse().unwrap_or_else(|error| panic!("{error}")), zone))
}

fn signal(world: &mut World, signal: Signal, text: &str) {
    world.hand(Input::Signal { checkin: 0, signal, run: "r1".to_owned(), text: text.to_owned() });
}

fn state(world: &World) -> String {
    world.heart.view(world.now).checkins[0].state.clone()
}

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

#[test]
fn in_time_is_nothing_and_late_is_one_alert_until_it_comes() {
    let mut world = World::new(daily());
    for _ in 0..3 {
        world.run(DAY + 1_700_000);
        signal(&mut world, Signal::Success, "");
        assert_eq!(state(&world), "up");
    }
    assert!(world.told.is_empty());
    world.run(DAY + 1_799_000);
    assert!(world.told.is_empty());
    world.run(5 * DAY);
    assert_eq!(world.triggers(), ["nightly/checkin-missed/1"]);
    assert_eq!(world.told.len(), 1, "late is said once");
    signal(&mut world, Signal::Success, "");
    assert_eq!(world.changes().last(), Some(&("nightly/checkin-missed/1".to_owned(), Change::Resolve)));
}

#[test]
fn a_job_that_says_that_it_failed_alerts_with_its_last_words() {
    for bad in [Signal::Fail, Signal::Exit(3)] {
        let mut world = World::new(daily());
        signal(&mut world, Signal::Start, "");
        world.run(5000);
        signal(&mut world, bad, "disk full");
        assert_eq!(world.triggers(), ["nightly/checkin-failed/1"]);
        assert!(world.told[0].message.contains("Its last words: disk full"), "{}", world.told[0].message);
        assert_eq!(world.heart.view(world.now).checkins[0].last_duration_seconds, Some(5.0));
        signal(&mut world, Signal::Exit(0), "");
        assert_eq!(world.changes().last(), Some(&("nightly/checkin-failed/1".to_owned(), Change::Resolve)));
    }
}

#[test]
fn a_log_is_no_sign_of_life() {
    let mut world = World::new(daily());
    for _ in 0..30 {
        world.run(HOUR);
        signal(&mut world, Signal::Log, &"ä".repeat(3000));
    }
    assert_eq!(world.triggers(), ["nightly/checkin-missed/1"]);
}

#[test]
fn a_run_that_does_not_end_alerts() {
    let mut limited = daily();
    limited.checkins[0].runtime_max_ms = Some(HOUR);
    let mut world = World::new(limited);
    signal(&mut world, Signal::Start, "");
    world.run(HOUR - 1000);
    assert!(world.told.is_empty());
    world.run(2000);
    assert_eq!(world.triggers(), ["nightly/checkin-missed/1"]);
    assert!(world.told[0].message.contains("has not ended"));
}

/// (how long the watchdog was off, what follows): 1 h before the deadline it was alive last.
#[test]
fn a_deadline_within_the_watchdog_s_own_gap_is_unknown_and_an_older_one_fires() {
    for (make, deadline) in [(daily as fn() -> Settings, DAY + 1_800_000), (cron, 1_800_000 + 26 * 60_000 + 53_000)] {
        let mut world = World::new(make());
        world.run(deadline - 600_000);
        let saved = world.saved.clone();
        let alive = world.clock();
        for (off, state_after, alerts) in [(300_000, "new", 0), (700_000, "unknown", 0), (10 * DAY, "unknown", 0)] {
            let now = Now { boot: world.now.boot.plus(off), wall: world.now.wall.plus(off) };
            let (stored, was) = saved.clone().on_this_boot(Some(&alive), "b", now);
            let again = World::resumed(make(), stored, was, now);
            assert_eq!((state(&again).as_str(), again.told.len()), (state_after, alerts), "off for {off} ms");
        }
        // Alive past the deadline, but nothing fired (it died in that very moment): it fires at the start.
        let late = Now { boot: world.now.boot.plus(601_000), wall: world.now.wall.plus(601_000) };
        let alive = Clock { boot_id: "b".to_owned(), boot: late.boot, wall: late.wall };
        let now = Now { boot: late.boot.plus(5000), wall: late.wall.plus(5000) };
        let (stored, was) = saved.clone().on_this_boot(Some(&alive), "b", now);
        let again = World::resumed(make(), stored, was, now);
        assert_eq!(again.triggers(), ["nightly/checkin-missed/1"]);
        // Over a reboot, the same.
        let booted = Now { boot: Boot(1000), wall: late.wall.plus(5000) };
        let (stored, was) = saved.on_this_boot(Some(&alive), "c", booted);
        let again = World::resumed(make(), stored, was, booted);
        assert_eq!(again.triggers(), ["nightly/checkin-missed/1"]);
    }
}

#[test]
fn an_unknown_check_in_is_judged_again_at_its_next_deadline() {
    let mut world = World::new(daily());
    world.run(DAY);
    let (alive, saved) = (world.clock(), world.saved.clone());
    let now = Now { boot: world.now.boot.plus(HOUR), wall: world.now.wall.plus(HOUR) };
    let (stored, was) = saved.on_this_boot(Some(&alive), "b", now);
    let mut again = World::resumed(daily(), stored, was, now);
    assert_eq!(state(&again), "unknown");
    again.run(DAY + 1_801_000);
    assert_eq!(again.triggers(), ["nightly/checkin-missed/1"]);
}

#[test]
fn suspend_over_a_deadline_is_unknown() {
    let mut world = World::new(daily());
    world.run(DAY);
    let before = world.now;
    world.now = Now { boot: before.boot.plus(2 * HOUR), wall: before.wall.plus(2 * HOUR) };
    world.hand(Input::Jumped { jump: Jump::Suspended(2 * HOUR), before });
    assert_eq!((state(&world).as_str(), world.told.len()), ("unknown", 0));
}

#[test]
fn an_hour_s_step_of_wall_time_fires_no_deadline() {
    for (make, first) in [(daily as fn() -> Settings, 0), (cron, 0)] {
        for forward in [true, false] {
            let mut world = World::new(make());
            world.run(first + 60_000);
            let before = world.now;
            let (wall, jump) = if forward {
                (before.wall.plus(HOUR), Jump::Forward(HOUR))
            } else {
                (Wall(before.wall.0 - 3_600_000), Jump::Back(HOUR))
            };
            world.now = Now { boot: before.boot, wall };
            world.hand(Input::Jumped { jump, before });
            world.run(600_000);
            assert!(world.told.is_empty(), "{forward} {:?}", world.told);
        }
    }
}

#[test]
fn a_deadline_while_blind_is_unknown() {
    let mut blind = daily();
    blind.targets = vec![target("demo")];
    blind.eyes = eyes::EyesSettings { references: 1, need: 1, timeout_ms: 1000, again_ms: 5000 };
    let mut world = World::new(blind);
    world.run(DAY);
    world.answers[0] = Answers::Silent;
    world.references_up = 0;
    world.run(HOUR);
    assert!(world.told.is_empty());
    assert_eq!(state(&world), "unknown");
}

#[test]
fn the_next_cron_deadline_is_shown() {
    let world = World::new(cron());
    let view = world.heart.view(world.now);
    assert_eq!(view.checkins[0].deadline.as_deref(), Some("2026-11-10T02:30:00Z"));
}
