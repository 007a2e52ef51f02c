//! Two watchdogs: one tells, the other takes over with the same keys.

use super::*;
use crate::heart::settings::PeerSettings;

fn pair(primary: bool) -> World {
    let mut both = settings(vec![target("demo")]);
    both.name = if primary { "wd1" } else { "wd2" }.to_owned();
    both.peer = Some(PeerSettings { place: "http://other:8081".to_owned(), primary, interval_ms: 5000, failures: 3 });
    World::new(both)
}

/// Lets both run for so long, asking one another; `alive` says which of them answer.
fn run_both(a: &mut World, b: &mut World, ms: u64, alive: (bool, bool)) {
    run_pair(a, b, ms, alive, (true, true));
}

/// The same; `able` says which of them are in a condition to act. Asserts that never both act while both live.
fn run_pair(a: &mut World, b: &mut World, ms: u64, alive: (bool, bool), able: (bool, bool)) {
    let mut left = ms;
    while left > 0 {
        let step = left.min(500);
        left -= step;
        if alive.0 {
            a.run(step);
        } else {
            a.advance(a.now.boot.plus(step));
        }
        if alive.1 {
            b.run(step);
        } else {
            b.advance(b.now.boot.plus(step));
        }
        let answer = |other: &World, alive: bool, able: bool| {
            if alive { Ok(other.heart.for_peer(able)) } else { Err(Fault::new(Stage::Connect, "connection refused")) }
        };
        let (of_a, of_b) = (answer(a, alive.0, able.0), answer(b, alive.1, able.1));
        for ticket in std::mem::take(&mut a.peers_asked) {
            a.hand(Input::PeerAnswered { ticket, answer: of_b.clone(), able: able.0 });
        }
        for ticket in std::mem::take(&mut b.peers_asked) {
            b.hand(Input::PeerAnswered { ticket, answer: of_a.clone(), able: able.1 });
        }
    }
}

#[test]
fn while_both_live_only_the_primary_tells() {
    let (mut one, mut two) = (pair(true), pair(false));
    run_both(&mut one, &mut two, 10_000, (true, true));
    one.answers[0] = Answers::Refuses;
    two.answers[0] = Answers::Refuses;
    run_both(&mut one, &mut two, 300_000, (true, true));
    assert_eq!(one.triggers(), ["demo/target-down/1"]);
    assert!(two.told.is_empty(), "{:?}", two.told);
    one.answers[0] = Answers::Well;
    two.answers[0] = Answers::Well;
    run_both(&mut one, &mut two, 300_000, (true, true));
    assert_eq!(one.told.len(), 2);
    assert!(two.told.is_empty());
}

#[test]
fn the_standby_takes_over_with_the_same_key_and_steps_back() {
    let (mut one, mut two) = (pair(true), pair(false));
    // An earlier incident that only the primary saw: the numbers must still agree.
    one.answers[0] = Answers::Refuses;
    run_both(&mut one, &mut two, 200_000, (true, true));
    one.answers[0] = Answers::Well;
    run_both(&mut one, &mut two, 300_000, (true, true));
    assert_eq!(one.told.len(), 2);

    one.answers[0] = Answers::Refuses;
    two.answers[0] = Answers::Refuses;
    run_both(&mut one, &mut two, 240_000, (true, true));
    assert_eq!(one.triggers().last().map(String::as_str), Some("demo/target-down/2"));
    run_both(&mut one, &mut two, 30_000, (false, true));
    let mut keys = two.triggers();
    keys.sort();
    assert_eq!(keys, ["demo/target-down/2", "wd2/peer-down/1"]);
    two.answers[0] = Answers::Well;
    run_both(&mut one, &mut two, 300_000, (false, true));
    assert!(two.changes().contains(&("demo/target-down/2".to_owned(), Change::Resolve)));

    let told = two.told.len();
    run_both(&mut one, &mut two, 20_000, (true, true));
    assert!(!two.heart.is_acting());
    assert_eq!(two.changes()[told..], [("wd2/peer-down/1".to_owned(), Change::Resolve)]);
    two.answers[0] = Answers::Refuses;
    run_both(&mut one, &mut two, 300_000, (true, true));
    assert_eq!(two.told.len(), told + 1, "standing by again");
}

/// The primary tells of an incident, dies, and the standby takes over; then the primary is back.
fn taken_over_and_back() -> (World, World) {
    let (mut one, mut two) = (pair(true), pair(false));
    run_both(&mut one, &mut two, 10_000, (true, true));
    one.answers[0] = Answers::Refuses;
    two.answers[0] = Answers::Refuses;
    run_both(&mut one, &mut two, 240_000, (true, true));
    run_both(&mut one, &mut two, 30_000, (false, true));
    assert!(two.reminds.contains("demo/target-down/1"), "{:?}", two.told);
    run_both(&mut one, &mut two, 20_000, (true, true));
    assert!(!two.heart.is_acting());
    (one, two)
}

#[test]
fn a_standby_that_stepped_back_goes_on_about_nothing_that_the_primary_tells_of() {
    let (mut one, mut two) = taken_over_and_back();
    assert!(two.reminds.is_empty(), "{:?}", two.reminds);
    // The primary dies again: told again, by the same key.
    run_both(&mut one, &mut two, 30_000, (false, true));
    assert!(two.reminds.contains("demo/target-down/1"), "{:?}", two.told);
    run_both(&mut one, &mut two, 10_000, (true, true));
    let told = two.told.len();
    one.answers[0] = Answers::Well;
    two.answers[0] = Answers::Well;
    run_both(&mut one, &mut two, 300_000, (true, true));
    assert_eq!((two.told.len(), two.reminds.len()), (told, 0), "{:?}", two.told);
    assert_eq!(one.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)));
}

#[test]
fn a_standby_tells_the_end_of_what_the_primary_never_knew() {
    let (mut one, mut two) = (pair(true), pair(false));
    run_both(&mut one, &mut two, 10_000, (true, true));
    two.answers[0] = Answers::Refuses;
    run_both(&mut one, &mut two, 300_000, (false, true));
    run_both(&mut one, &mut two, 20_000, (true, true));
    assert!(!two.heart.is_acting());
    assert_eq!(two.reminds.iter().collect::<Vec<_>>(), ["demo/target-down/1"], "nobody else would");
    two.answers[0] = Answers::Well;
    run_both(&mut one, &mut two, 300_000, (true, true));
    assert_eq!(two.changes().last(), Some(&("demo/target-down/1".to_owned(), Change::Resolve)));
    assert!(two.reminds.is_empty() && two.heart.incidents().standing().count() == 0);
}

#[test]
fn what_goes_on_by_the_primary_s_key_ends_by_the_standby_s() {
    let (mut one, mut two) = (pair(true), pair(false));
    run_both(&mut one, &mut two, 10_000, (true, true));
    one.answers[0] = Answers::Refuses;
    two.answers[0] = Answers::Refuses;
    run_both(&mut one, &mut two, 300_000, (false, true));
    // The primary knows that the number is given, and gives the next.
    run_both(&mut one, &mut two, 300_000, (true, true));
    assert_eq!(one.reminds.iter().collect::<Vec<_>>(), ["demo/target-down/2"]);
    assert!(two.reminds.is_empty(), "{:?}", two.reminds);
    let over = two.told.last().map(|notice| (notice.key.as_str(), notice.change, notice.message.as_str()));
    let goes_on = "It goes on as demo/target-down/2: the other watchdog tells of it.";
    assert_eq!(over, Some(("demo/target-down/1", Change::Resolve, goes_on)));
    let told = two.told.len();
    one.answers[0] = Answers::Well;
    two.answers[0] = Answers::Well;
    run_both(&mut one, &mut two, 300_000, (true, true));
    assert_eq!(two.told.len(), told);
}

#[test]
fn a_standby_that_dies_while_it_steps_back_lets_go_after_its_next_start() {
    let (one, two) = taken_over_and_back();
    let key = "demo/target-down/1".to_owned();
    // As it was on disk before its notifier had let go.
    let mut stored = two.heart.stored(two.clock());
    stored.incidents.recorded(&key, Change::Trigger);
    let mut both = settings(vec![target("demo")]);
    both.peer = Some(PeerSettings { place: "p".to_owned(), primary: false, interval_ms: 5000, failures: 3 });
    let mut again = World::resumed(both, stored, None, two.now);
    again.reminds.insert(key);
    again.run(1);
    let Some(ticket) = again.peers_asked.pop() else { panic!("the peer is asked at once") };
    again.hand(Input::PeerAnswered { ticket, answer: Ok(one.heart.for_peer(true)), able: true });
    assert!(again.reminds.is_empty() && again.told.is_empty(), "{:?}", again.told);
}

#[test]
fn a_standby_restarts_nothing() {
    let mut both = settings(vec![target("demo")]);
    both.targets[0].ladder = Some(rung::LADDER);
    both.peer = Some(PeerSettings { place: "p".to_owned(), primary: false, interval_ms: 5000, failures: 3 });
    let mut standby = World::new(both);
    standby.answers[0] = Answers::Refuses;
    standby.run(400_000);
    assert!(standby.acts.is_empty() && standby.told.is_empty());
}

#[test]
fn a_primary_whose_peer_dies_says_so_once() {
    let (mut one, mut two) = (pair(true), pair(false));
    run_both(&mut one, &mut two, 10_000, (true, true));
    run_both(&mut one, &mut two, 600_000, (true, false));
    assert_eq!(one.triggers(), ["wd1/peer-down/1"]);
}

/// Runs both alive, and gives who acted when: never both. `bound`: nobody acts for no longer than this, milliseconds.
fn never_both(a: &mut World, b: &mut World, ms: u64, able: (bool, bool), bound: u64) {
    let mut nobody = 0;
    for _ in 0..ms / 500 {
        run_pair(a, b, 500, (true, true), able);
        let acting = (a.heart.is_acting(), b.heart.is_acting());
        assert_ne!(acting, (true, true), "{:?} {:?}", a.notes, b.notes);
        nobody = if acting == (false, false) { nobody + 500 } else { 0 };
        assert!(nobody <= bound, "{:?} {:?}", a.notes, b.notes);
    }
}

#[test]
fn a_primary_that_is_not_able_steps_back_for_a_standby_that_is() {
    let (mut one, mut two) = (pair(true), pair(false));
    run_both(&mut one, &mut two, 10_000, (true, true));
    // Once or twice is not enough.
    never_both(&mut one, &mut two, 7_000, (false, true), 0);
    assert!(one.heart.is_acting());
    never_both(&mut one, &mut two, 60_000, (false, true), 5_500);
    assert_eq!((one.heart.is_acting(), two.heart.is_acting()), (false, true));
    let told = two.told.iter().find(|notice| notice.key == "wd2/peer-down/1");
    assert!(told.is_some_and(|notice| notice.title.ends_with("is not able to act")), "{:?}", two.told);
    one.answers[0] = Answers::Refuses;
    two.answers[0] = Answers::Refuses;
    never_both(&mut one, &mut two, 240_000, (false, true), 0);
    assert!(one.told.is_empty() && two.triggers().contains(&"demo/target-down/1".to_owned()), "{:?}", one.told);
    never_both(&mut one, &mut two, 60_000, (true, true), 5_500);
    assert_eq!((one.heart.is_acting(), two.heart.is_acting()), (true, false));
    assert!(one.reminds.contains("demo/target-down/1") && two.reminds.is_empty(), "{:?}", two.reminds);
}

#[test]
fn of_two_that_are_not_able_the_primary_acts() {
    let (mut one, mut two) = (pair(true), pair(false));
    never_both(&mut one, &mut two, 120_000, (false, false), 0);
    assert!(one.heart.is_acting());
    // The standby acted for a while and is not able any more either.
    never_both(&mut one, &mut two, 60_000, (false, true), 5_500);
    assert!(two.heart.is_acting());
    never_both(&mut one, &mut two, 60_000, (false, false), 5_500);
    assert_eq!((one.heart.is_acting(), two.heart.is_acting()), (true, false));
}

#[test]
fn whoever_is_left_acts_able_or_not() {
    for dead in [true, false] {
        let (mut one, mut two) = (pair(true), pair(false));
        run_pair(&mut one, &mut two, 60_000, (true, true), (false, true));
        assert!(two.heart.is_acting());
        // The standby dies, or the primary, and the one that is left is not able.
        run_pair(&mut one, &mut two, 60_000, (dead, !dead), (false, false));
        assert!(if dead { one.heart.is_acting() } else { two.heart.is_acting() });
    }
    // One that said that it is not able, and then nothing, is dead after as many silences as any other.
    let (mut one, mut two) = (pair(true), pair(false));
    run_pair(&mut one, &mut two, 60_000, (true, true), (false, false));
    run_pair(&mut one, &mut two, 9_000, (false, true), (false, false));
    assert!(!two.heart.is_acting());
    run_pair(&mut one, &mut two, 12_000, (false, true), (false, false));
    assert!(two.heart.is_acting());
    let title = two.told.iter().rev().find(|notice| notice.key == "wd2/peer-down/1").map(|notice| notice.title.clone());
    assert!(title.is_some_and(|title| title.ends_with("does not answer")), "{:?}", two.told);
}

#[test]
fn a_primary_that_steps_back_gives_up_what_it_was_doing() {
    let mut both = settings(vec![target("demo")]);
    both.targets[0].ladder = Some(rung::LADDER);
    both.peer = Some(PeerSettings { place: "p".to_owned(), primary: true, interval_ms: 5000, failures: 1 });
    let mut one = World::new(both);
    one.answers[0] = Answers::Refuses;
    one.run(120_000);
    one.run(2);
    let Some((target, _, _, ticket)) = one.acts.pop() else { panic!("no step: {:?}", one.notes) };
    assert_eq!(one.heart.stands_on(target), Some(ticket));
    let standby = PeerState { able: true, ..PeerState::default() };
    let asked = one.peers_asked.pop().unwrap_or_default();
    one.hand(Input::PeerAnswered { ticket: asked, answer: Ok(standby), able: false });
    assert!(!one.heart.is_acting());
    assert_eq!(one.heart.stands_on(target), None);
}
