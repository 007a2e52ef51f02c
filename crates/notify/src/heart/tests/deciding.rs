//! One decision at a time.

use super::super::sending::{What, backoff};
use super::super::{Collapse, LATE, OWN_CAUSE, RETRY_FOR};
use super::{World, key, notice, spec};
use crate::answer::Answer;
use crate::notice::{Change, Nature, Severity};
use crate::policy::{Environments, Escalation, Policy, Route};
use crate::report::{Acknowledged, Reported};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn whats(orders: &[super::super::Order]) -> Vec<(String, What)> {
    orders.iter().map(|order| (order.lane.0.clone(), order.what)).collect()
}

fn two_lanes() -> World {
    World::new(Policy::default(), vec![spec("a", Collapse::Whole), spec("b", Collapse::Middle)])
}

#[test]
fn nothing_is_sent_before_it_is_saved() {
    let mut world = two_lanes();
    let now = world.now();
    assert_eq!(world.heart.report(now, notice("k/1", Change::Trigger, Severity::Critical)), Reported::Opened);
    assert_eq!(world.heart.poll(now), None);
    world.save();
    assert!(world.heart.poll(now).is_some());
}

#[test]
fn a_resolve_waits_for_its_trigger_on_each_lane() {
    let mut world = two_lanes();
    let now = world.now();
    world.heart.report(now, notice("k/1", Change::Trigger, Severity::Critical));
    let first = world.orders();
    assert_eq!(whats(&first), [("a".into(), What::Trigger), ("b".into(), What::Trigger)]);
    assert_eq!(world.heart.report(now, notice("k/1", Change::Resolve, Severity::Critical)), Reported::Resolved);
    assert_eq!(world.orders(), []);
    world.answer(&first[0], Answer::ok());
    assert_eq!(whats(&world.orders()), [("a".into(), What::Resolve)]);
    world.answer(&first[1], Answer::retry("busy"));
    assert_eq!(world.orders(), []);
    world.later(2 * MINUTE);
    let again = world.orders();
    assert_eq!(whats(&again), [("b".into(), What::Trigger)]);
    assert_eq!(again[0].seq, first[1].seq);
}

#[test]
fn a_trigger_after_the_end_is_refused_also_after_a_restart() {
    let mut world = two_lanes();
    let now = world.now();
    world.heart.report(now, notice("k/1", Change::Trigger, Severity::Info));
    world.deliver();
    world.heart.report(now, notice("k/1", Change::Resolve, Severity::Info));
    assert_eq!(world.heart.report(now, notice("k/1", Change::Trigger, Severity::Info)), Reported::Over);
    world.deliver();
    assert_eq!(world.heart.report(now, notice("k/1", Change::Update, Severity::Info)), Reported::Over);
    world.save();
    world.crash();
    assert_eq!(world.heart.report(now, notice("k/1", Change::Trigger, Severity::Info)), Reported::Over);
    world.compact();
    world.crash();
    assert_eq!(world.heart.report(now, notice("k/1", Change::Trigger, Severity::Info)), Reported::Over);
    assert_eq!(world.heart.report(now, notice("k/2", Change::Resolve, Severity::Info)), Reported::Unknown);
}

#[test]
fn duplicates_and_cooldowns_hold_back_repetition_only() {
    let mut world = two_lanes();
    let report = |world: &mut World, name: &str, severity, text: &str| {
        let mut notice = notice(name, Change::Trigger, severity);
        notice.message = text.into();
        let now = world.now();
        let reported = world.heart.report(now, notice);
        world.deliver();
        reported
    };
    assert_eq!(report(&mut world, "k/1", Severity::Warning, "one"), Reported::Opened);
    assert_eq!(report(&mut world, "k/1", Severity::Warning, "one"), Reported::Duplicate);
    world.later(9 * MINUTE);
    assert_eq!(report(&mut world, "k/1", Severity::Warning, "one"), Reported::Duplicate);
    assert_eq!(report(&mut world, "k/1", Severity::Warning, "two"), Reported::Cooling);
    // A new incident and a worse one never wait.
    assert_eq!(report(&mut world, "k/2", Severity::Warning, "one"), Reported::Opened);
    assert_eq!(report(&mut world, "k/1", Severity::Critical, "one"), Reported::Sent);
    world.later(29 * MINUTE);
    assert_eq!(report(&mut world, "k/1", Severity::Critical, "three"), Reported::Cooling);
    world.later(Duration::from_secs(59));
    assert_eq!(report(&mut world, "k/1", Severity::Critical, "three"), Reported::Cooling);
    world.later(Duration::from_secs(1));
    // What was only noted is what the reminder carries.
    let reminded = world.deliver();
    assert!(reminded.iter().all(|order| order.what == What::Reminder && order.notice.message == "three"));
    assert_eq!(reminded.len(), 2);
    assert_eq!(world.heart.counters().suppressed.warning, 3);
    assert_eq!(world.heart.counters().suppressed.critical, 2);
}

#[test]
fn an_acknowledgement_ends_reminders_and_escalation() {
    let policy = Policy {
        escalation: vec![Escalation { after: 15 * MINUTE, severity: Severity::Critical, channels: vec!["b".into()] }],
        routes: vec![Route { channels: vec!["a".into()], ..Route::default() }],
        ..Policy::default()
    };
    for acknowledged in [false, true] {
        let mut world = World::new(policy.clone(), vec![spec("a", Collapse::Whole), spec("b", Collapse::Middle)]);
        let now = world.now();
        world.heart.report(now, notice("k/1", Change::Trigger, Severity::Critical));
        assert_eq!(whats(&world.deliver()), [("a".into(), What::Trigger)]);
        if acknowledged {
            assert_eq!(world.heart.acknowledge(now, &key("k/1"), "ana"), Acknowledged::Done);
            assert_eq!(world.heart.acknowledge(now, &key("k/1"), "bob"), Acknowledged::Already);
            assert_eq!(world.heart.acknowledge(now, &key("k/9"), "bob"), Acknowledged::Unknown);
        }
        world.later(15 * MINUTE);
        // What the second lane hears first is a beginning to it.
        let escalated = whats(&world.deliver());
        world.later(30 * MINUTE);
        let reminded = whats(&world.deliver());
        if acknowledged {
            assert_eq!((escalated, reminded), (vec![], vec![]));
            assert_eq!(world.heart.alerts()[0].acknowledged.as_ref().map(|a| a.by.as_str()), Some("ana"));
        } else {
            assert_eq!(escalated, [("b".into(), What::Trigger)]);
            assert_eq!(reminded, [("a".into(), What::Reminder), ("b".into(), What::Reminder)]);
        }
        world.heart.report(world.now(), notice("k/1", Change::Resolve, Severity::Critical));
        assert_eq!(world.deliver().len(), if acknowledged { 1 } else { 2 });
    }
}

#[test]
fn what_is_handed_over_is_told_no_more_until_it_is_reported_again() {
    for dies in [false, true] {
        let mut world = two_lanes();
        let now = world.now();
        world.heart.report(now, notice("k/1", Change::Trigger, Severity::Critical));
        // One lane has it, the other's message is not out yet.
        let first = world.orders();
        world.answer(&first[0], Answer::ok());
        world.answer(&first[1], Answer::retry("busy"));
        assert!(world.heart.hand_over(now, &key("k/1")));
        assert!(!world.heart.hand_over(now, &key("k/1")), "once");
        world.save();
        if dies {
            world.compact();
            world.crash();
        }
        world.later(24 * 60 * MINUTE);
        assert_eq!(world.orders(), [], "no end, no reminder, no escalation, no late message");
        let now = world.now();
        assert_eq!(world.heart.report(now, notice("k/1", Change::Resolve, Severity::Critical)), Reported::Unknown);
        assert_eq!(world.heart.report(now, notice("k/1", Change::Trigger, Severity::Critical)), Reported::Opened);
        assert_eq!(world.deliver().len(), 2);
        world.heart.report(now, notice("k/1", Change::Resolve, Severity::Critical));
        assert!(!world.heart.hand_over(now, &key("k/1")), "what is over is told to its end");
        assert_eq!(world.deliver().len(), 2);
    }
}

#[test]
fn maintenance_holds_back_what_can_wait_and_tells_it_afterwards() {
    let mut world = two_lanes();
    let report = |world: &mut World, name: &str, nature, severity| {
        let mut notice = notice(name, Change::Trigger, severity);
        notice.maintenance = true;
        notice.nature = nature;
        let now = world.now();
        world.heart.report(now, notice)
    };
    assert_eq!(report(&mut world, "k/1", Nature::Other, Severity::Critical), Reported::HeldBack);
    assert_eq!(report(&mut world, "k/2", Nature::Halt, Severity::Warning), Reported::HeldBack);
    assert_eq!(report(&mut world, "k/3", Nature::Other, Severity::Info), Reported::HeldBack);
    assert_eq!(report(&mut world, "h/1", Nature::Halt, Severity::Critical), Reported::Opened);
    assert_eq!(report(&mut world, "i/1", Nature::Integrity, Severity::Warning), Reported::Opened);
    assert_eq!(report(&mut world, "s/1", Nature::KillSwitch, Severity::Info), Reported::Opened);
    assert_eq!(world.deliver().len(), 6);
    world.heart.report(world.now(), notice("k/3", Change::Resolve, Severity::Info));
    assert_eq!(world.deliver(), []);
    world.save();
    world.crash();
    assert_eq!(world.heart.maintenance_over(world.now(), "other"), 0);
    assert_eq!(world.heart.maintenance_over(world.now(), "demo"), 2);
    let told = world.deliver();
    assert!(told.iter().all(|order| order.what == What::Trigger));
    assert_eq!(told.len(), 4);
}

#[test]
fn maintenance_quiets_reminders_of_what_was_told_before() {
    let mut world = two_lanes();
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Critical));
    world.deliver();
    world.later(MINUTE);
    let mut during = notice("k/1", Change::Trigger, Severity::Critical);
    during.maintenance = true;
    during.message = "stopped for an update".into();
    assert_eq!(world.heart.report(world.now(), during), Reported::Cooling);
    world.later(60 * MINUTE);
    assert_eq!(world.deliver(), []);
    assert_eq!(world.heart.maintenance_over(world.now(), "demo"), 0);
    world.later(MINUTE);
    assert_eq!(whats(&world.deliver()), [("a".into(), What::Reminder), ("b".into(), What::Reminder)]);
}

#[test]
fn incidents_that_are_over_and_wait_for_a_dead_lane_are_bounded() {
    let mut world = World::new(Policy::default(), vec![spec("a", Collapse::Whole)]);
    for number in 0..4 * crate::OPEN_MAX {
        let name = format!("k/{number}");
        assert_eq!(world.heart.report(world.now(), notice(&name, Change::Trigger, Severity::Info)), Reported::Opened);
        world.heart.report(world.now(), notice(&name, Change::Resolve, Severity::Info));
        world.save();
    }
    assert_eq!(world.heart.channels(world.now().at)[0].queued, 2 * crate::OPEN_MAX * 2);
    assert!(world.heart.counters().given_up > 0);
}

#[test]
fn routes_choose_and_never_silence_what_must_be_heard() {
    let policy = Policy {
        routes: vec![
            Route { causes: vec!["target-down".into()], ..Route::default() },
            Route { severities: vec![Severity::Info], channels: vec!["b".into()], ..Route::default() },
        ],
        ..Policy::default()
    };
    let mut staging = spec("s", Collapse::Whole);
    staging.environments = Environments::NotProduction;
    let mut world = World::new(policy, vec![spec("a", Collapse::Whole), spec("b", Collapse::Middle), staging]);
    let now = world.now();
    assert_eq!(world.heart.report(now, notice("k/1", Change::Trigger, Severity::Critical)), Reported::Unrouted);
    for (nature, name) in [(Nature::Halt, "h/1"), (Nature::Integrity, "i/1"), (Nature::KillSwitch, "s/1")] {
        let mut notice = notice(name, Change::Trigger, Severity::Critical);
        notice.nature = nature;
        assert_eq!(world.heart.report(now, notice), Reported::Opened);
        assert_eq!(world.deliver().len(), 2);
    }
    let mut other = notice("k/2", Change::Trigger, Severity::Info);
    other.cause = "other".into();
    world.heart.report(now, other.clone());
    assert_eq!(whats(&world.deliver()), [("b".into(), What::Trigger)]);
    other.key = key("k/3");
    other.environment = "staging".into();
    other.severity = Severity::Warning;
    world.heart.report(now, other);
    assert_eq!(whats(&world.deliver()), [("s".into(), What::Trigger)]);
}

#[test]
fn what_a_channel_refuses_goes_to_the_next_and_says_so() {
    let policy = Policy { routes: vec![Route { channels: vec!["a".into()], ..Route::default() }], ..Policy::default() };
    let mut world = World::new(policy, vec![spec("a", Collapse::Whole), spec("b", Collapse::Middle)]);
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Critical));
    let first = world.orders();
    world.heart.report(world.now(), notice("k/1", Change::Resolve, Severity::Critical));
    world.answer(&first[0], Answer::permanent("chat not found"));
    let next = world.deliver();
    let about_it: Vec<_> = next.iter().filter(|order| order.key == key("k/1")).collect();
    assert_eq!(
        about_it.iter().map(|o| (o.lane.0.as_str(), o.what)).collect::<Vec<_>>(),
        [("b", What::Trigger), ("b", What::Resolve)]
    );
    assert!(about_it[0].note.as_deref().is_some_and(|note| note.contains("chat not found")));
    // The route leads trouble only to the lane that it is about: it is recorded and told nobody else.
    let own: Vec<_> = world.heart.alerts().into_iter().filter(|alert| alert.cause == OWN_CAUSE).collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].component.as_deref(), Some("a"));
}

#[test]
fn trouble_with_a_channel_is_told_over_the_others_and_ends_with_it() {
    let mut world = two_lanes();
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Critical));
    let first = world.orders();
    world.answer(&first[0], Answer::permanent("token revoked"));
    world.answer(&first[1], Answer::ok());
    let told = world.deliver();
    assert_eq!(whats(&told), [("b".into(), What::Trigger)]);
    assert!(told[0].notice.title.contains("alert channel a refuses"));
    world.heart.report(world.now(), notice("k/2", Change::Trigger, Severity::Info));
    let more = world.deliver();
    assert!(more.iter().any(|o| o.lane.0 == "b" && o.what == What::Resolve && o.notice.title.contains("works again")));
}

#[test]
fn the_payload_is_made_barer_once_and_then_given_up() {
    let mut world = two_lanes();
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Critical));
    let first = world.orders();
    world.answer(&first[0], Answer::fix_payload("can't parse"));
    let again = world.orders();
    assert!(again[0].plain && !first[0].plain && again[0].seq == first[0].seq);
    world.answer(&again[0], Answer::fix_payload("can't parse"));
    assert_eq!(world.heart.counters().given_up, 1);
}

#[test]
fn a_service_that_asks_for_silence_gets_it() {
    let mut world = two_lanes();
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Critical));
    let first = world.orders();
    let after = Duration::from_secs(300);
    world.answer(&first[0], Answer::RetryAfter { after, reason: "too many".into() });
    world.answer(&first[1], Answer::ok());
    world.heart.report(world.now(), notice("k/2", Change::Trigger, Severity::Critical));
    assert_eq!(whats(&world.deliver()), [("b".into(), What::Trigger)]);
    let due = world.heart.next_due(world.now().at).map(|at| at.0);
    assert_eq!(due, Some(world.at + 300_000));
    world.later(Duration::from_secs(299));
    assert_eq!(world.orders(), []);
    world.later(Duration::from_secs(1));
    assert_eq!(world.deliver().len(), 2);
}

#[test]
fn late_messages_become_one_where_people_read_and_stay_apart_where_services_count() {
    let mut world = two_lanes();
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Warning));
    for order in world.orders() {
        world.answer(&order, Answer::retry("down"));
    }
    let mut worse = notice("k/1", Change::Update, Severity::Critical);
    worse.message = "worse".into();
    world.heart.report(world.now(), worse);
    world.heart.report(world.now(), notice("k/1", Change::Resolve, Severity::Critical));
    world.later(LATE);
    let sent = world.deliver();
    let told: Vec<_> = sent.iter().map(|o| (o.lane.0.as_str(), o.what, o.covers)).collect();
    assert_eq!(
        told,
        [("a", What::Resolve, 3), ("b", What::Trigger, 1), ("b", What::Update, 1), ("b", What::Resolve, 1)]
    );
    assert!(sent.iter().all(|order| order.late.is_some()));
}

#[test]
fn a_message_is_retried_for_three_days_and_then_given_up_loudly() {
    let mut world = World::new(Policy::default(), vec![spec("a", Collapse::Whole), spec("b", Collapse::Middle)]);
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Info));
    let first = world.orders();
    world.answer(&first[1], Answer::ok());
    world.answer(&first[0], Answer::retry("down"));
    let begun = world.at;
    let mut tries = 1;
    loop {
        let due = world.heart.next_due(world.now().at).map_or(world.at, |due| due.0);
        world.later(Duration::from_millis(due - world.at));
        let order = world.orders().into_iter().find(|order| order.lane.0 == "a" && order.key == key("k/1"));
        let Some(order) = order else { continue };
        tries += 1;
        world.answer(&order, Answer::retry("down"));
        if world.heart.counters().given_up > 0 {
            break;
        }
    }
    assert!(Duration::from_millis(world.at - begun) >= RETRY_FOR);
    // Five minutes apart at most, so no quiet hours in between.
    assert!(tries > 72 * 12, "{tries}");
}

#[test]
fn pauses_double_are_bounded_and_spread() {
    for (tries, least, most) in [(1, 500, 1_000), (2, 1_000, 2_000), (5, 8_000, 16_000), (40, 150_000, 300_000)] {
        assert_eq!(backoff(tries, 0), Duration::from_millis(least));
        assert_eq!(backoff(tries, u32::MAX), Duration::from_millis(most));
    }
}

#[test]
fn a_stuck_attempt_does_not_hold_up_the_news() {
    let mut world = World::new(Policy::default(), vec![spec("a", Collapse::Whole)]);
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Critical));
    assert_eq!(world.orders().len(), 1);
    world.heart.report(world.now(), notice("k/2", Change::Trigger, Severity::Critical));
    world.heart.report(world.now(), notice("k/3", Change::Trigger, Severity::Critical));
    assert_eq!(world.orders().len(), 1);
}

#[test]
fn an_end_waits_for_first_attempts_only() {
    let mut world = World::new(Policy::default(), vec![spec("a", Collapse::Whole)]);
    let waits = |world: &World| world.heart.has_untried(world.now().at, MINUTE);
    assert!(!waits(&world));
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Critical));
    assert!(waits(&world));
    let order = world.orders().remove(0);
    assert!(waits(&world), "it is on its way");
    world.answer(&order, Answer::retry("down"));
    assert!(!waits(&world));
    world.later(MINUTE);
    let order = world.orders().remove(0);
    assert!(!waits(&world), "another attempt is none to wait for");
    world.answer(&order, Answer::RetryAfter { after: 5 * MINUTE, reason: "limited".into() });
    world.heart.report(world.now(), notice("k/2", Change::Trigger, Severity::Critical));
    assert!(!waits(&world), "the lane asked for silence");
}

#[test]
fn news_comes_first_and_starves_nothing() {
    let mut world = World::new(Policy::default(), vec![spec("a", Collapse::Whole)]);
    world.heart.report(world.now(), notice("old/1", Change::Trigger, Severity::Critical));
    let order = world.orders().remove(0);
    world.answer(&order, Answer::retry("busy"));
    world.later(2 * MINUTE);
    let mut turns = Vec::new();
    // There is always news.
    for number in 0..6 {
        let name = format!("new/{number}");
        world.heart.report(world.now(), notice(&name, Change::Trigger, Severity::Critical));
        let order = world.poll().unwrap_or_else(|| panic!("nothing goes out"));
        world.answer(&order, Answer::ok());
        turns.push(order.key.as_str().split('/').next().unwrap_or_default().to_owned());
    }
    assert_eq!(turns.iter().filter(|turn| *turn == "old").count(), 1, "{turns:?}");
}

#[test]
fn what_waited_for_a_channel_that_is_gone_moves_on() {
    let mut world = World::new(
        Policy { routes: vec![Route { channels: vec!["a".into()], ..Route::default() }], ..Policy::default() },
        vec![spec("a", Collapse::Whole), spec("b", Collapse::Middle)],
    );
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Critical));
    world.save();
    world.specs.remove(0);
    world.crash();
    let sent = world.deliver();
    assert_eq!(whats(&sent), [("b".into(), What::Trigger)]);
    assert!(sent[0].note.as_deref().is_some_and(|note| note.contains("no longer configured")));
}

#[test]
fn a_service_that_forgets_is_told_again_until_the_end_also_after_a_restart() {
    let mut alertmanager = spec("am", Collapse::Middle);
    alertmanager.refresh = Some(2 * MINUTE);
    let mut world = World::new(Policy::default(), vec![alertmanager]);
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Info));
    assert_eq!(world.deliver().len(), 1);
    world.later(2 * MINUTE);
    assert_eq!(whats(&world.deliver()), [("am".into(), What::Refresh)]);
    assert_eq!(world.heart.next_due(world.now().at).map(|at| at.0), Some(world.at + 120_000));
    world.save();
    world.crash();
    let refresh = world.orders();
    assert_eq!(whats(&refresh), [("am".into(), What::Refresh)]);
    world.answer(&refresh[0], Answer::retry("down"));
    world.later(Duration::from_secs(15));
    assert_eq!(whats(&world.deliver()), [("am".into(), What::Refresh)]);
    world.heart.report(world.now(), notice("k/1", Change::Resolve, Severity::Info));
    assert_eq!(whats(&world.deliver()), [("am".into(), What::Resolve)]);
    world.later(10 * MINUTE);
    assert_eq!(world.orders(), []);
}

#[test]
fn a_destination_that_moved_is_followed_also_after_a_restart() {
    let mut world = two_lanes();
    world.heart.report(world.now(), notice("k/1", Change::Trigger, Severity::Info));
    let first = world.orders();
    world.answer(&first[0], Answer::Migrate { from: "-1".into(), to: "-100".into() });
    assert_eq!(world.orders().len(), 1);
    world.crash();
    assert_eq!(world.heart.moved_to(&first[0].lane, "-1"), Some("-100"));
    world.compact();
    world.crash();
    assert_eq!(world.heart.moved_to(&first[0].lane, "-1"), Some("-100"));
    assert_eq!(world.heart.moved_to(&first[0].lane, "-2"), None);
}

#[test]
fn too_many_open_incidents_leave_room_for_critical_ones() {
    let mut world = two_lanes();
    for number in 0..crate::OPEN_MAX {
        let reported = world.heart.report(world.now(), notice(&format!("k/{number}"), Change::Trigger, Severity::Info));
        let room = number < crate::OPEN_MAX / 4 * 3;
        assert_eq!(reported, if room { Reported::Opened } else { Reported::Full }, "{number}");
    }
    assert_eq!(world.heart.report(world.now(), notice("c/1", Change::Trigger, Severity::Critical)), Reported::Opened);
}
