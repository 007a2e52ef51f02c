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
        let answer = |other: &World, alive: bool| {
            if alive { Ok(other.heart.for_peer(true)) } else { Err(Fault::new(Stage::Connect, "connection refused")) }
        };
        let (of_a, of_b) = (answer(a, alive.0), answer(b, alive.1));
        for ticket in std::mem::take(&mut a.peers_asked) {
            a.hand(Input::PeerAnswered { ticket, answer: of_b.clone() });
        }
        for ticket in std::mem::take(&mut b.peers_asked) {
            b.hand(Input::PeerAnswered { ticket, answer: of_a.clone() });
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
