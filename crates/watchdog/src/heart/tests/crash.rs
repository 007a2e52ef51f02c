//! The watchdog killed at any point: no incident is lost, none is told twice, and none ends before it began.

use super::*;
use proptest::prelude::*;

/// The notifier as it promises to be: what it was told is on disk, and a key that it knows is not told again.
#[derive(Default)]
struct Notifier {
    open: BTreeSet<String>,
    over: BTreeSet<String>,
    sent: Vec<(String, Change)>,
}

impl Notifier {
    fn report(&mut self, key: &str, change: Change) {
        match change {
            Change::Trigger => {
                assert!(!self.over.contains(key), "{key} was over already");
                if self.open.insert(key.to_owned()) {
                    self.sent.push((key.to_owned(), change));
                }
            }
            Change::Update => {}
            Change::Resolve => {
                if self.open.remove(key) {
                    self.over.insert(key.to_owned());
                    self.sent.push((key.to_owned(), change));
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Happens {
    Down,
    Up,
    Degraded,
    Passes(u64),
    /// Killed before the state is written, after that, or after so many orders were carried out.
    Killed(Moment),
}

#[derive(Clone, Copy, Debug)]
enum Moment {
    BeforeSaving,
    AfterSaving,
    AfterOrders,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        2 => Just(Happens::Down),
        2 => Just(Happens::Up),
        1 => Just(Happens::Degraded),
        6 => (1u64..400_000).prop_map(Happens::Passes),
        1 => Just(Happens::Killed(Moment::BeforeSaving)),
        2 => Just(Happens::Killed(Moment::AfterSaving)),
        2 => Just(Happens::Killed(Moment::AfterOrders)),
    ]
}

struct Life {
    heart: Heart,
    now: Now,
    answers: Answers,
    disk: Stored,
    notifier: Notifier,
    pending: BTreeMap<(Boot, u64), Input>,
    count: u64,
    /// The next turn that tells somebody something is the last.
    doom: Option<Moment>,
}

impl Life {
    fn new() -> Self {
        let now = Now { boot: Boot(1000), wall: Wall(WALL) };
        let heart = Heart::new(settings(vec![target("demo")]), Stored::default(), None, now);
        Self {
            heart,
            now,
            answers: Answers::Well,
            disk: Stored::default(),
            notifier: Notifier::default(),
            pending: BTreeMap::new(),
            count: 0,
            doom: None,
        }
    }

    fn clock(&self) -> Clock {
        Clock { boot_id: "b".to_owned(), boot: self.now.boot, wall: self.now.wall }
    }

    fn die(&mut self) {
        self.doom = None;
        self.pending.clear();
        self.now = Now { boot: self.now.boot.plus(2000), wall: self.now.wall.plus(2000) };
        let (stored, was) = self.disk.clone().on_this_boot(None, "b", self.now);
        self.heart = Heart::new(settings(vec![target("demo")]), stored, was, self.now);
        self.turn();
    }

    fn turn(&mut self) {
        let turn = self.heart.turn();
        let tells = turn.orders.iter().any(|order| matches!(order, Order::Tell(_)));
        let doom = if tells { self.doom } else { None };
        if let Some(Moment::BeforeSaving) = doom {
            return self.die();
        }
        if turn.save == Save::First {
            self.disk = self.heart.stored(self.clock());
        }
        if let Some(Moment::AfterSaving) = doom {
            return self.die();
        }
        for order in turn.orders {
            self.count += 1;
            match order {
                Order::Probe { target, ticket, timeout_ms: _ } => {
                    let at = self.now.wall.text();
                    let word = match self.answers {
                        Answers::Degraded => "degraded",
                        _ => "healthy",
                    };
                    let probed = match self.answers {
                        Answers::Refuses => Probed::Failed(Fault::new(Stage::Connect, "refused")),
                        _ => Probed::Answer {
                            status: 200,
                            body: format!(r#"{{"status":"{word}","timestamp":"{at}"}}"#).into_bytes(),
                            nonce: String::new(),
                        },
                    };
                    self.pending.insert((self.now.boot.plus(3), self.count), Input::Probed { target, ticket, probed });
                }
                Order::Tell(notice) => {
                    self.notifier.report(&notice.key, notice.change);
                    if !matches!(doom, Some(Moment::AfterOrders)) {
                        let recorded = Input::Recorded { key: notice.key, change: notice.change };
                        self.pending.insert((self.now.boot, self.count), recorded);
                    }
                }
                _ => {}
            }
        }
        if let Some(Moment::AfterOrders) = doom {
            self.die();
        }
    }

    fn run(&mut self, ms: u64) {
        let end = self.now.boot.plus(ms);
        loop {
            let input = self.pending.keys().next().map(|(at, _)| *at);
            let Some(at) = [input, self.heart.next()].into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            let by = at.since(self.now.boot);
            self.now = Now { boot: self.now.boot.plus(by), wall: self.now.wall.plus(by) };
            let due = input.filter(|at| *at <= self.now.boot).and_then(|_| self.pending.pop_first());
            let input = due.map_or(Input::Tick, |(_, input)| input);
            self.heart.handle(self.now, input);
            self.turn();
        }
        let by = end.since(self.now.boot);
        self.now = Now { boot: self.now.boot.plus(by), wall: self.now.wall.plus(by) };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_incident_is_lost_and_none_is_told_twice(story in proptest::collection::vec(happens(), 1..40)) {
        let mut life = Life::new();
        for happens in story {
            match happens {
                Happens::Down => life.answers = Answers::Refuses,
                Happens::Up => life.answers = Answers::Well,
                Happens::Degraded => life.answers = Answers::Degraded,
                Happens::Passes(ms) => life.run(ms),
                Happens::Killed(moment) => life.doom = Some(moment),
            }
        }
        // At the end it is down for good: people must know.
        life.answers = Answers::Refuses;
        life.run(1_000_000);
        prop_assert!(
            life.notifier.open.iter().any(|key| key.starts_with("demo/target-down/")),
            "down and nobody knows: {:?}", life.notifier.sent
        );
        let standing: BTreeSet<String> = life.heart.incidents().standing().map(|incident| incident.key.clone()).collect();
        prop_assert_eq!(&standing, &life.notifier.open, "people know of exactly what stands");
        // And then up for good: people must know that too.
        life.answers = Answers::Well;
        life.run(3_600_000);
        prop_assert!(life.notifier.open.is_empty(), "up and nobody knows: {:?}", life.notifier.open);
        for (index, (key, change)) in life.notifier.sent.iter().enumerate() {
            let earlier = &life.notifier.sent[..index];
            prop_assert!(!earlier.contains(&(key.clone(), *change)), "{key} twice");
            if *change == Change::Resolve {
                prop_assert!(earlier.contains(&(key.clone(), Change::Trigger)), "{key} ends before it began");
            }
        }
    }
}
