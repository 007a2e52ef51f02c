//! Random lives: reports, time, answers of every kind, answers lost, crashes with and without a compacted outbox. Whatever
//! happens, each lane hears of each incident in order, and in the end hears everything.

use super::super::sending::What;
use super::super::{Collapse, LINE_MAX, Order};
use super::{World, notice, spec};
use crate::answer::Answer;
use crate::key::Key;
use crate::notice::{Change, Severity};
use crate::policy::Policy;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Report(u8, Change, Severity, u8),
    Acknowledge(u8),
    Wait(u32),
    /// Lets out so many messages.
    Send(u8),
    /// Ends the attempt at this place: accepted and answered, accepted and the answer lost, or not accepted.
    End(u8, Ending),
    Crash,
    CompactAndCrash,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Accepted,
    AnswerLost,
    Busy,
    Silence,
    BadPayload,
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![3 => Just(Change::Trigger), 2 => Just(Change::Update), 2 => Just(Change::Resolve)];
    let severity = prop_oneof![Just(Severity::Info), Just(Severity::Warning), Just(Severity::Critical)];
    let ending = prop_oneof![
        4 => Just(Ending::Accepted),
        2 => Just(Ending::AnswerLost),
        2 => Just(Ending::Busy),
        1 => Just(Ending::Silence),
        1 => Just(Ending::BadPayload),
    ];
    prop_oneof![
        6 => (0..6_u8, change, severity, 0..4_u8).prop_map(|(k, c, s, text)| Step::Report(k, c, s, text)),
        1 => (0..6_u8).prop_map(Step::Acknowledge),
        4 => prop_oneof![0..5_000_u32, 0..4_000_000_u32].prop_map(Step::Wait),
        5 => (1..6_u8).prop_map(Step::Send),
        8 => (any::<u8>(), ending).prop_map(|(at, ending)| Step::End(at, ending)),
        1 => Just(Step::Crash),
        1 => Just(Step::CompactAndCrash),
    ]
}

/// What a service has heard of one incident.
#[derive(Default)]
struct Heard {
    begun: bool,
    taken_on: bool,
    over: bool,
}

#[derive(Default)]
struct Service {
    heard: BTreeMap<(String, Key), Heard>,
}

impl Service {
    fn accept(&mut self, order: &Order) {
        let heard = self.heard.entry((order.lane.0.clone(), order.key.clone())).or_default();
        match order.what {
            What::Resolve => {
                assert!(heard.begun || order.covers > 1, "an end without a beginning: {order:?}");
                heard.begun = true;
                heard.over = true;
            }
            What::Trigger | What::Update | What::Reminder | What::Escalation | What::Acknowledge | What::Refresh => {
                assert!(!heard.over, "news after the end was accepted: {order:?}");
                assert!(heard.begun || order.what == What::Trigger, "not begun: {order:?}");
                heard.taken_on |= order.what == What::Acknowledge;
                heard.begun = true;
            }
        }
    }
}

/// The state without what a process forgets.
fn on_disk(world: &World) -> serde_json::Value {
    serde_json::to_value(world.heart.snapshot()).unwrap_or_else(|error| panic!("{error}"))
}

fn live(steps: Vec<Step>) {
    let mut middle = spec("middle", Collapse::Middle);
    middle.wants.acknowledge = true;
    let specs = vec![spec("whole", Collapse::Whole), middle];
    let mut taken_on: Vec<Key> = Vec::new();
    let mut world = World::new(Policy::default(), specs);
    let mut service = Service::default();
    let mut flying: Vec<Order> = Vec::new();
    // What the caller was told is recorded, and what became of it.
    let mut opened: BTreeMap<Key, bool> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Report(k, change, severity, text) => {
                let mut notice = notice(&format!("k/{k}"), change, severity);
                notice.message = format!("text {text}");
                let key = notice.key.clone();
                let reported = world.heart.report(world.now(), notice);
                world.save();
                match reported {
                    crate::Reported::Opened => drop(opened.insert(key, false)),
                    crate::Reported::Resolved => drop(opened.insert(key, true)),
                    _ => {}
                }
            }
            Step::Acknowledge(k) => {
                let now = world.now();
                let key = super::key(&format!("k/{k}"));
                if world.heart.acknowledge(now, &key, "ana") == crate::Acknowledged::Done {
                    taken_on.push(key);
                }
                world.save();
            }
            Step::Wait(ms) => world.later(Duration::from_millis(ms.into())),
            Step::Send(count) => flying.extend((0..count).map_while(|_| world.poll())),
            Step::End(at, ending) => {
                if flying.is_empty() {
                    continue;
                }
                let order = flying.remove(usize::from(at) % flying.len());
                let answer = match ending {
                    Ending::Accepted => Answer::ok(),
                    Ending::AnswerLost => Answer::Ambiguous { reason: "time-out".into() },
                    Ending::Busy => Answer::retry("busy"),
                    Ending::Silence => Answer::RetryAfter { after: Duration::from_secs(40), reason: "too many".into() },
                    // Given up for good is tested elsewhere; here everything must arrive.
                    Ending::BadPayload if order.plain => Answer::retry("busy"),
                    Ending::BadPayload => Answer::fix_payload("no"),
                };
                if matches!(ending, Ending::Accepted | Ending::AnswerLost) {
                    service.accept(&order);
                }
                world.answer(&order, answer);
                world.save();
            }
            Step::Crash | Step::CompactAndCrash => {
                // What was on its way may have arrived.
                for (at, order) in flying.drain(..).enumerate() {
                    if at % 2 == 0 {
                        service.accept(&order);
                    }
                }
                let before = on_disk(&world);
                world.save();
                if matches!(step, Step::CompactAndCrash) {
                    world.compact();
                }
                world.crash();
                world.save();
                assert_eq!(on_disk(&world), before, "the outbox gives another state");
            }
        }
        let longest = world.heart.incidents.values().flat_map(|i| i.lines.values()).map(|line| line.queue.len()).max();
        assert!(longest.unwrap_or(0) <= LINE_MAX + 2);
        for lane in world.heart.channels(world.now().at) {
            assert!(lane.queued <= 6 * (LINE_MAX + 2));
        }
    }
    for order in flying {
        world.answer(&order, Answer::retry("gone"));
    }
    world.later(Duration::from_secs(3_600));
    for order in world.deliver() {
        service.accept(&order);
    }
    for key in taken_on {
        let heard = service.heard.get(&("middle".to_owned(), key.clone()));
        assert!(heard.is_some_and(|heard| heard.taken_on), "nobody heard that {key} was taken on");
    }
    for (key, over) in opened {
        for lane in ["whole", "middle"] {
            let heard = service.heard.get(&(lane.to_owned(), key.clone()));
            assert!(heard.is_some_and(|heard| heard.begun), "{lane} never heard of {key}");
            assert_eq!(heard.is_some_and(|heard| heard.over), over, "{lane}, {key}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_order_nothing_lost_bounded(steps in proptest::collection::vec(step(), 1..120)) {
        live(steps);
    }
}
