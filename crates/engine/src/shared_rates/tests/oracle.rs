//! The script beside the gate's own limiter: the same questions at the same moments, the same answers.

use super::server::{Client, Redis};
use crate::shared_rates::memory::Known;
use crate::shared_rates::question::{Asked, Debt};
use crate::shared_rates::script::{Answer, Call, Keys, Outcome, SCRIPT};
use core::time::Duration;
use failstop_amount::{Amount, Scale};
use failstop_core::gate::{
    Bucket, Code, ComponentRules, Contract, Cost, Decision, Fact, Gate, GatePolicy, GateTime, InstrumentPolicy, Kind,
    Limit, LimitName, Limits, Margin, Order, Quote, Quoted, RateAsk, RateBounds, Scope, SharedRates, Side, TradingDay,
};
use failstop_core::{ComponentName, Monotonic, Rights, Slot};
use proptest::prelude::*;
use std::collections::BTreeSet;

const BEGIN: u64 = 1_800_000_000_000_000;
const ACTIVE: Rights = Rights { open: true, reduce: true, live: true, revoked: false };
const DAY_STARTS: Duration = Duration::from_secs(22 * 3_600);
const LONG: Duration = Duration::from_secs(1_000_000_000);

/// The script with a clock that the caller sets: its last argument, in microseconds.
pub fn with_clock() -> String {
    let reads = "redis.call('TIME')";
    assert_eq!(SCRIPT.matches(reads).count(), 1);
    SCRIPT.replace(reads, "{ 0, ARGV[#ARGV] }")
}

/// Calls the script at a moment.
pub fn at(client: &mut Client, script: &str, call: &Call, micros: u64) -> Answer {
    let reply = client.send(&call.with_script(script, &micros.to_string()));
    Answer::read(&reply).unwrap_or_else(|| panic!("{reply:?}"))
}

#[derive(Clone, Debug)]
enum Event {
    Order {
        user: Option<usize>,
        quantity: u64,
        copy: bool,
    },
    Rate {
        user: Option<usize>,
        bucket: Bucket,
        cost: u64,
    },
    /// An order that was allowed comes to nothing.
    Back(usize),
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let user = || prop::option::of(0usize..2);
    let bucket = prop::sample::select(vec![Bucket::Messages, Bucket::Copies, Bucket::Openings, Bucket::Trades]);
    let event = prop_oneof![
        6 => (user(), 1u64..40, any::<bool>())
            .prop_map(|(user, quantity, copy)| Event::Order { user, quantity, copy }),
        3 => (user(), bucket, 0u64..5).prop_map(|(user, bucket, cost)| Event::Rate { user, bucket, cost }),
        2 => (0usize..40).prop_map(Event::Back),
    ];
    // Bursts, parts of a window, whole windows, right at their edges, and days.
    let pause = prop_oneof![
        6 => 0u64..2_000_000,
        3 => 0u64..40_000_000,
        1 => 59_999_990u64..60_000_010,
        1 => 4_999_995u64..5_000_005,
        2 => 100_000_000u64..4_000_000_000,
        1 => 3_599_999_990u64..3_900_000_010,
        1 => 20_000_000_000u64..90_000_000_000,
    ];
    prop::collection::vec((pause, event), 1..80)
}

fn limits() -> impl Strategy<Value = Vec<Option<u128>>> {
    prop::collection::vec(prop::option::weighted(0.8, 1u128..12), 12)
}

fn limits_of(values: &[Option<u128>], worth: u128) -> Limits {
    let names = [
        (LimitName::OpeningsPerMinute, 1),
        (LimitName::TradesPerDay, 1),
        (LimitName::VolumePerHour, 7 * worth),
        (LimitName::VolumePerDay, 20 * worth),
        (LimitName::MessagesPerMinute, 1),
        (LimitName::CopiesPerMinute, 1),
    ];
    names.into_iter().zip(values).fold(Limits::WAIVED, |limits, ((name, times), value)| {
        limits.with(name, value.map_or(Limit::Waived, |value| Limit::Set(value * times)))
    })
}

fn gate(system: Limits, user: Limits, (price, decimals): (&str, u8)) -> Gate {
    let scale = Scale::new(0).unwrap();
    let instrument = InstrumentPolicy {
        name: "IT".to_owned(),
        quantity: scale,
        price: scale,
        contract: Contract::Linear { size: Amount::from_units(1, scale) },
        quote: Quote::Money,
        margin: Margin::Spot,
        limits: Limits::WAIVED,
        sources: vec!["one".to_owned()],
        required: 1,
    };
    let policy = GatePolicy {
        money: Scale::new(decimals).unwrap(),
        components: vec![ComponentRules {
            name: ComponentName("bot".to_owned()),
            limits: Limits::WAIVED,
            instruments: None,
        }],
        accounts: vec!["main".to_owned()],
        instruments: vec![instrument],
        system,
        user,
        price_max_age: LONG,
        price_deviation: 5_000,
        position_max_age: LONG,
        equity_max_age: LONG,
        confirm_within: LONG,
        shared_rates: SharedRates::Off,
    };
    let mut gate = Gate::new(policy).unwrap();
    let begin = Monotonic::from_nanos(1_000_000_000);
    gate.start(begin, GateTime::from_micros(BEGIN));
    let flat =
        Fact::Position { account: "main", instrument: "IT", quantity: "0", entry: None, leverage: None, paper: false };
    gate.take(begin, flat).unwrap();
    gate.take(begin, Fact::Price { source: "one", instrument: "IT", quote: Quoted::Last(price), time: None }).unwrap();
    gate
}

fn refused(decision: &Decision) -> BTreeSet<(LimitName, Scope)> {
    let limit = |code| match code {
        Code::RateOpenings => LimitName::OpeningsPerMinute,
        Code::RateDaily => LimitName::TradesPerDay,
        Code::RateVolume => LimitName::VolumePerHour,
        Code::RateVolumeDaily => LimitName::VolumePerDay,
        Code::RateMessages => LimitName::MessagesPerMinute,
        Code::RateCopies => LimitName::CopiesPerMinute,
        other => panic!("{other}"),
    };
    decision.refusals.iter().map(|refusal| (limit(refusal.code), refusal.scope)).collect()
}

/// One script and one gate, asked the same.
struct Both {
    gate: Gate,
    client: Client,
    script: String,
    keys: Keys,
    known: Known,
    micros: u64,
    attempts: u64,
}

impl Both {
    fn now(&self) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000 + (self.micros - BEGIN) * 1_000)
    }

    fn pass(&mut self, micros: u64) {
        self.micros += micros;
        let day = TradingDay::at(GateTime::from_micros(self.micros), DAY_STARTS);
        drop(self.gate.take(self.now(), Fact::Day(day)));
    }

    fn asked(&mut self, id: &str, user: Option<&str>, cost: Cost) -> Asked {
        self.attempts += 1;
        let attempt = format!("a{}", self.attempts);
        Asked { id: id.to_owned(), user: user.map(str::to_owned), cost, attempt, left: false }
    }

    fn ask(&mut self, asked: &Asked, bounds: &RateBounds, micros: u64) -> Answer {
        let call = Call::question(&self.keys, self.known, asked, bounds, false);
        let answer = at(&mut self.client, &self.script, &call, micros);
        self.known = self.known.max(answer.known);
        answer
    }

    /// Where it is refused and becomes free by itself, it does then, and not before.
    fn check_retry(&mut self, asked: &Asked, bounds: &RateBounds, answer: &Answer) {
        if let Some(after) = answer.retry_after {
            let after = u64::try_from(after.as_micros()).unwrap();
            // The script's time never goes back, so a copy of the group is asked in the future.
            let copy = Keys::new("copy", "demo", DAY_STARTS);
            for key in ["memory", "all", "user:alice", "user:bob"] {
                let (from, to) = (format!("failstop:{{desk}}:{key}"), format!("failstop:{{copy}}:{key}"));
                self.client.call(&["COPY", &from, &to, "REPLACE"]);
            }
            let call = Call::question(&copy, self.known, asked, bounds, false);
            let before = at(&mut self.client, &self.script, &call, self.micros + after.saturating_sub(1_000));
            assert_eq!(before.outcome, Outcome::Refused, "free a millisecond before it was said");
            let then = at(&mut self.client, &self.script, &call, self.micros + after);
            assert_eq!(then.outcome, Outcome::Counted, "not free when it was said: {after} us");
            for key in ["memory", "all", "user:alice", "user:bob"] {
                self.client.call(&["DEL", &format!("failstop:{{copy}}:{key}")]);
            }
        }
    }
}

fn compare(events: Vec<(u64, Event)>, limits: &[Option<u128>], money: (&str, u8)) {
    thread_local! {
        static REDIS: Redis = Redis::start(&[]);
    }
    REDIS.with(|redis| {
        let mut client = redis.client();
        client.call(&["FLUSHALL"]);
        let worth: u128 = money.0.parse::<u128>().unwrap() * 10u128.pow(u32::from(money.1));
        let gate = gate(limits_of(&limits[..6], worth), limits_of(&limits[6..], worth), money);
        let keys = Keys::new("desk", "demo", DAY_STARTS);
        let script = with_clock();
        let mut both = Both { gate, client, script, keys, known: Known::NOTHING, micros: BEGIN, attempts: 0 };
        both.pass(0);
        let mut allowed: Vec<String> = Vec::new();
        let mut out = Decision::default();
        for (index, (pause, event)) in events.into_iter().enumerate() {
            both.pass(pause);
            let now = both.now();
            let name = |user: Option<usize>| user.and_then(|user| ["alice", "bob"].get(user).copied());
            match event {
                Event::Order { user, quantity, copy } => {
                    let (id, quantity) = (format!("o{index}"), quantity.to_string());
                    let order = Order {
                        component: Slot::component(0).unwrap(),
                        client_id: &id,
                        user: name(user),
                        account: "main",
                        instrument: "IT",
                        kind: if copy { Kind::Copy } else { Kind::Entry },
                        side: Side::Buy,
                        quantity: &quantity,
                        price: None,
                        leverage: None,
                        reduce_only: false,
                        live: false,
                    };
                    both.gate.consider(now, &order, ACTIVE, &mut out);
                    let bounds = both.gate.rate_bounds(now, order.user);
                    let asked = both.asked(&id, order.user, out.cost(order.kind));
                    let micros = both.micros;
                    let answer = both.ask(&asked, &bounds, micros);
                    both.check_retry(&asked, &bounds, &answer);
                    both.gate.decide(now, &order, ACTIVE, &mut out);
                    assert_eq!(answer.refused.iter().copied().collect::<BTreeSet<_>>(), refused(&out), "{order:?}");
                    assert_eq!(answer.outcome == Outcome::Counted, out.allows());
                    if out.allows() {
                        allowed.push(id.clone());
                        // Asked again it is the same.
                        assert_eq!(both.ask(&asked, &bounds, micros).outcome, Outcome::Counted);
                    }
                }
                Event::Rate { user, bucket, cost } => {
                    let ask = RateAsk { component: Slot::component(0).unwrap(), bucket, user: name(user), cost };
                    let bounds = both.gate.rate_bounds(now, ask.user);
                    let asked = both.asked("", ask.user, bucket.costs(cost));
                    let micros = both.micros;
                    let answer = both.ask(&asked, &bounds, micros);
                    both.gate.rate(now, &ask, &mut out);
                    assert_eq!(answer.refused.iter().copied().collect::<BTreeSet<_>>(), refused(&out), "{ask:?}");
                }
                Event::Back(which) => {
                    let Some(id) = allowed.get(which) else { continue };
                    let outcome = failstop_core::gate::Outcome::NotSent;
                    let taken = both.gate.take(now, Fact::Outcome { client_id: id, outcome }).unwrap();
                    // Said twice it is given back once, by the gate and by the script.
                    let cost = Cost { openings: 1, trades: 1, volume: u128::MAX, messages: 9, copies: 1 };
                    let debt =
                        taken.given_back.map_or(Debt::Back { id: id.clone(), cost }, |back| Debt::back(id, &back));
                    let call = Call::debt(&both.keys, both.known, &debt);
                    let answer = at(&mut both.client, &both.script, &call, both.micros);
                    both.known = both.known.max(answer.known);
                    assert_eq!(answer.outcome == Outcome::Given, taken.given_back.is_some(), "{id}");
                }
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_script_answers_as_the_gate_does(
        events in events(),
        limits in limits(),
        // Volumes of one, two and three parts of thirteen digits.
        money in prop::sample::select(vec![("1", 2), ("99999999999", 2), ("1000000000000", 8), ("1234567890123456", 12)]),
    ) {
        compare(events, &limits, money);
    }
}

/// `FAILSTOP_SEEDS` for long runs.
fn cases() -> u32 {
    std::env::var("FAILSTOP_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(150)
}
