//! The connection's rules by themselves: time and replies are the test's.

use crate::shared_rates::desk::{Desk, Line, LineOrder, MAX_DEBTS, Terms};
use crate::shared_rates::memory::Known;
use crate::shared_rates::question::{By, Debt, Question, Serial};
use crate::shared_rates::resp::Reply;
use crate::shared_rates::script::{Call, Keys};
use core::time::Duration;
use failstop_core::Monotonic;
use failstop_core::gate::{Cost, Limit, RATE_COUNT, RateBound, RateBounds};
use proptest::prelude::*;
use std::collections::BTreeMap;

const TIMEOUT: Duration = Duration::from_millis(50);

fn millis(millis: u64) -> Monotonic {
    Monotonic::from_nanos(millis * 1_000_000)
}

fn desk() -> Desk {
    let keys = Keys::new("desk", "demo", Duration::ZERO);
    Desk::new(Terms { keys, timeout: TIMEOUT, falls_back: true }, KNOWN, false)
}

const KNOWN: Known = Known { born: 7, seq: 3 };

/// The probe that says that something counts which the group will never be told.
fn declares(known: Known) -> String {
    let call = Call::probe(&Keys::new("desk", "demo", Duration::ZERO), known, true);
    String::from_utf8(call.by_digest("d1ge5t")).unwrap()
}

fn question() -> Question {
    let system = [RateBound { limit: Limit::Waived, used: 0 }; RATE_COUNT];
    let cost = Cost { openings: 1, ..Cost::default() };
    let bounds = RateBounds { system, user: None };
    Question { id: "o".to_owned(), user: None, cost, bounds }
}

fn reply(outcome: &str) -> Reply {
    let refused = if outcome == "refused" { "1:1" } else { "" };
    let items = [outcome, "7", "4", "1000", refused, "", "0"];
    Reply::List(items.iter().map(|item| Reply::Text((*item).to_owned())).collect())
}

fn ask(desk: &mut Desk, now: Monotonic, serial: u64) {
    desk.ask(now, Serial(serial), question(), format!("a{serial}"), None);
}

fn words(desk: &mut Desk) -> Vec<(u64, By)> {
    core::iter::from_fn(|| desk.poll_word()).map(|word| (word.serial.0, word.by)).collect()
}

fn sent(desk: &mut Desk) -> Vec<String> {
    let calls = core::iter::from_fn(|| desk.poll_bytes());
    calls.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// Connected, probed and good.
fn good(now: Monotonic) -> Desk {
    let mut desk = desk();
    assert_eq!(desk.poll_order(), Some(LineOrder::Connect));
    desk.connected(now, "d1ge5t".to_owned());
    assert_eq!(sent(&mut desk).len(), 1);
    desk.replied(now, 0, &reply("probed"));
    assert_eq!(desk.line(), Line::Good);
    desk
}

fn debt(index: u64, counts: bool) -> Debt {
    let (id, attempt) = (format!("d{index}"), format!("a{index}"));
    if counts { Debt::Count { id, user: None, cost: Cost::default(), attempt } } else { Debt::Drop { id, attempt } }
}

#[test]
fn a_question_out_of_time_is_decided_and_those_after_it_do_not_wait() {
    let mut desk = good(millis(0));
    ask(&mut desk, millis(10), 1);
    assert_eq!(desk.next_deadline(), Some(millis(60)));
    desk.tick(millis(59));
    assert_eq!(words(&mut desk), []);
    desk.tick(millis(60));
    assert_eq!(words(&mut desk), [(1, By::TimedOut)]);
    ask(&mut desk, millis(61), 2);
    assert_eq!(words(&mut desk), [(2, By::Gone)]);
    sent(&mut desk);
    // A probe comes after a pause, behind what is late; what is late gives no second word.
    desk.tick(millis(160));
    assert_eq!(sent(&mut desk).len(), 1);
    desk.replied(millis(170), 0, &reply("counted"));
    desk.replied(millis(171), 0, &reply("probed"));
    assert_eq!((words(&mut desk), desk.line()), (vec![], Line::Good));
}

#[test]
fn a_slow_probe_is_no_reason_for_trust_and_pauses_grow() {
    let mut desk = desk();
    desk.poll_order();
    let mut now = 0;
    desk.connected(millis(now), "d1ge5t".to_owned());
    for pause in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
        now += 51;
        desk.replied(millis(now), 0, &reply("probed"));
        assert_eq!(desk.line(), Line::Doubted { probe_at: Some(millis(now + pause)) });
        sent(&mut desk);
        now += pause;
        desk.tick(millis(now));
        assert_eq!(sent(&mut desk).len(), 1);
    }
    desk.replied(millis(now + 50), 0, &reply("probed"));
    assert_eq!(desk.line(), Line::Good);
}

#[test]
fn a_silent_connection_is_closed_and_made_anew_with_growing_pauses() {
    let mut desk = good(millis(0));
    desk.owe(millis(1), debt(1, true));
    assert_eq!(sent(&mut desk).len(), 1);
    desk.tick(millis(1_000));
    assert_eq!(desk.poll_order(), None);
    desk.tick(millis(1_001));
    assert_eq!(desk.poll_order(), Some(LineOrder::Close));
    let mut now = 1_001;
    for pause in [100, 200, 400] {
        assert_eq!(desk.line(), Line::Apart { until: millis(now + pause) });
        now += pause;
        desk.tick(millis(now));
        assert_eq!(desk.poll_order(), Some(LineOrder::Connect));
        desk.lost(millis(now), "refused".to_owned());
    }
    // What was not answered is said again, before anything is asked.
    now += 800;
    desk.tick(millis(now));
    desk.connected(millis(now), "d1ge5t".to_owned());
    sent(&mut desk);
    desk.replied(millis(now), 0, &reply("probed"));
    assert_eq!(desk.line(), Line::Settling);
    let calls = sent(&mut desk);
    assert!(calls.len() == 1 && calls.iter().all(|call| call.contains("count")), "{calls:?}");
    ask(&mut desk, millis(now), 9);
    assert_eq!(words(&mut desk), [(9, By::Gone)], "what is owed comes first");
    desk.replied(millis(now), 0, &reply("counted"));
    assert_eq!((desk.line(), desk.owed()), (Line::Good, 0));
}

#[test]
fn an_idle_connection_is_tried() {
    let mut desk = good(millis(0));
    assert_eq!(desk.next_deadline(), Some(millis(10_000)));
    desk.tick(millis(10_000));
    assert_eq!((sent(&mut desk).len(), desk.line()), (1, Line::Good));
    desk.replied(millis(10_001), 0, &reply("probed"));
    assert_eq!(desk.next_deadline(), Some(millis(20_001)));
    desk.tick(millis(20_001));
    desk.tick(millis(21_001));
    assert_eq!(desk.poll_order(), Some(LineOrder::Close));
}

#[test]
fn an_unknown_script_is_sent_whole_once() {
    let mut desk = good(millis(0));
    ask(&mut desk, millis(1), 1);
    assert!(sent(&mut desk).iter().all(|call| call.contains("EVALSHA") && call.contains("d1ge5t")));
    desk.replied(millis(2), 0, &Reply::Error("NOSCRIPT No matching script".to_owned()));
    assert!(sent(&mut desk).iter().all(|call| call.contains("EVAL\r\n") && call.contains("local ")));
    desk.replied(millis(3), 0, &reply("refused"));
    assert_eq!(words(&mut desk), [(1, By::Group)]);
}

#[test]
fn a_server_that_does_not_know_the_script_it_was_sent_is_left() {
    let mut desk = good(millis(0));
    ask(&mut desk, millis(1), 1);
    let unknown = Reply::Error("NOSCRIPT No matching script".to_owned());
    desk.replied(millis(2), 0, &unknown);
    desk.replied(millis(3), 0, &unknown);
    assert_eq!(words(&mut desk), [(1, By::Gone)]);
    assert_eq!(desk.poll_order(), Some(LineOrder::Close));
}

#[test]
fn after_an_error_what_is_owed_is_told_in_the_order_in_which_it_came() {
    for first_counts in [true, false] {
        let mut desk = good(millis(0));
        desk.owe(millis(1), debt(1, first_counts));
        for index in 2..5 {
            desk.owe(millis(1), debt(index, index != 3));
        }
        assert_eq!(sent(&mut desk).len(), 4);
        desk.replied(millis(2), 0, &Reply::Error("OOM command not allowed".to_owned()));
        assert_eq!(desk.poll_order(), Some(LineOrder::Close));
        // What only gives back is left out where it was refused itself.
        let left_out = u64::from(!first_counts);
        assert_eq!((desk.owed() as u64, desk.counts().left_out), (4 - left_out, left_out));
        desk.tick(millis(102));
        desk.connected(millis(102), "d1ge5t".to_owned());
        sent(&mut desk);
        desk.replied(millis(102), 0, &reply("probed"));
        let calls = sent(&mut desk);
        let told: Vec<bool> =
            (1 + left_out..5).zip(&calls).map(|(i, call)| call.contains(&format!("/d{i}\r\n"))).collect();
        assert_eq!(told, vec![true; calls.len()], "{calls:?}");
        assert_eq!(calls.len() as u64, 4 - left_out);
    }
}

#[test]
fn an_answer_that_lay_there_while_the_process_stood_still_is_none() {
    let mut desk = good(millis(0));
    ask(&mut desk, millis(1), 1);
    // Nobody looked at the clock meanwhile.
    desk.replied(millis(60_000), 0, &reply("counted"));
    assert_eq!(words(&mut desk), [(1, By::TimedOut)]);
    assert!(matches!(desk.line(), Line::Doubted { .. }));
}

#[test]
fn more_owed_than_is_kept_leaves_out_what_gives_back_and_else_declares_the_memory_lost() {
    let most = u64::try_from(MAX_DEBTS).unwrap();
    let mut desk = desk();
    for index in 0..most {
        desk.owe(millis(0), debt(index, index > 0));
    }
    desk.owe(millis(0), debt(5_000, false));
    assert_eq!((desk.owed(), desk.counts().left_out, desk.counts().spilled), (MAX_DEBTS, 1, 0));
    desk.owe(millis(0), debt(5_001, true));
    assert_eq!((desk.owed(), desk.counts().left_out, desk.counts().spilled), (MAX_DEBTS, 2, 0));
    desk.owe(millis(0), debt(5_002, true));
    assert_eq!((desk.owed(), desk.counts().left_out, desk.counts().spilled), (MAX_DEBTS, 2, 1));
    desk.connected(millis(0), "d1ge5t".to_owned());
    assert_eq!(sent(&mut desk), [declares(KNOWN)]);
    desk.replied(millis(0), 0, &reply("probed"));
    assert_eq!(desk.line(), Line::Settling);
    // Once.
    let mut paid = 0;
    while desk.line() == Line::Settling {
        for call in sent(&mut desk) {
            assert!(call.contains("\r\ncount\r\n"), "{call}");
            paid += 1;
            desk.replied(millis(0), 0, &reply("counted"));
        }
    }
    assert_eq!(paid, MAX_DEBTS);
}

#[test]
fn what_the_last_life_owed_is_declared_until_it_is_answered_whatever_was_known() {
    for known in [Known::NOTHING, KNOWN] {
        let keys = Keys::new("desk", "demo", Duration::ZERO);
        let mut desk = Desk::new(Terms { keys, timeout: TIMEOUT, falls_back: false }, known, true);
        assert!(desk.owes_counts());
        desk.connected(millis(0), "d1ge5t".to_owned());
        assert_eq!(sent(&mut desk), [declares(known)]);
        desk.lost(millis(1), "ended".to_owned());
        desk.tick(millis(101));
        desk.connected(millis(101), "d1ge5t".to_owned());
        assert_eq!(sent(&mut desk), [declares(known)], "nobody said that it came");
        desk.replied(millis(102), 0, &reply("probed"));
        assert_eq!((desk.line(), desk.owes_counts()), (Line::Good, false));
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Ask,
    Owe(bool),
    Reply(&'static str),
    Error(&'static str),
    Garbage,
    Connected,
    Lost,
    Spill,
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let outcome = prop::sample::select(vec!["counted", "refused", "probed", "probed", "given", "dropped", "unsure"]);
    let error = prop::sample::select(vec!["NOSCRIPT x", "OOM x", "READONLY x"]);
    let event = prop_oneof![
        6 => Just(Event::Ask),
        2 => any::<bool>().prop_map(Event::Owe),
        8 => outcome.prop_map(Event::Reply),
        1 => error.prop_map(Event::Error),
        1 => Just(Event::Garbage),
        3 => Just(Event::Connected),
        1 => Just(Event::Lost),
        1 => Just(Event::Spill),
    ];
    prop::collection::vec((0u64..80, event), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever comes: each question has one word, in time, and nothing that counts is ever forgotten unless the group is told.
    #[test]
    fn each_question_has_exactly_one_word_in_time(events in events()) {
        let mut desk = desk();
        let mut now = 0;
        let mut asked: BTreeMap<u64, u64> = BTreeMap::new();
        for (serial, (pause, event)) in (0u64..).zip(events) {
            now += pause;
            match event {
                Event::Ask => {
                    asked.insert(serial, now);
                    ask(&mut desk, millis(now), serial);
                }
                Event::Owe(counts) => desk.owe(millis(now), debt(serial, counts)),
                Event::Reply(outcome) => desk.replied(millis(now), 0, &reply(outcome)),
                Event::Error(words) => desk.replied(millis(now), 0, &Reply::Error(words.to_owned())),
                Event::Garbage => desk.replied(millis(now), 0, &Reply::Nothing),
                Event::Connected => {
                    if desk.line() == Line::Connecting {
                        desk.connected(millis(now), "d1ge5t".to_owned());
                    }
                }
                Event::Lost => desk.lost(millis(now), "ended".to_owned()),
                Event::Spill => desk.spill(millis(now)),
            }
            desk.tick(millis(now));
            while let Some(word) = desk.poll_word() {
                prop_assert!(asked.remove(&word.serial.0).is_some(), "a second word for {}", word.serial.0);
            }
            for (serial, at) in &asked {
                prop_assert!(now < at + 50, "{serial} waits since {at}, and it is {now}");
            }
            desk.poll_order();
            sent(&mut desk);
            prop_assert!(desk.next_deadline().is_some() || matches!(desk.line(), Line::Connecting), "it would sleep for ever");
        }
    }
}
