//! What the script does beside judging: the same asking twice, what is given up before it comes, what was lost, and a clock that
//! goes back. Each against a real server with a clock that the test sets.

use super::oracle::{at, with_clock};
use super::server::{Client, Redis};
use crate::shared_rates::memory::Known;
use crate::shared_rates::question::{Asked, Debt};
use crate::shared_rates::resp::Reply;
use crate::shared_rates::script::{Answer, Call, Keys, Outcome};
use core::time::Duration;
use failstop_core::gate::{Cost, Limit, LimitName, RATE_COUNT, RateBound, RateBounds, Scope};

/// The beginning of a trading day, and of a part of every window.
const BEGIN: u64 = 20_000 * 86_400_000_000;
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

struct Bed {
    _redis: Redis,
    client: Client,
    script: String,
    keys: Keys,
    attempts: u64,
}

impl Bed {
    fn new() -> Self {
        let redis = Redis::start(&[]);
        let client = redis.client();
        let keys = Keys::new("desk", "demo", Duration::ZERO);
        Self { _redis: redis, client, script: with_clock(), keys, attempts: 0 }
    }

    fn asked(&mut self, id: &str) -> Asked {
        self.attempts += 1;
        let cost = Cost { openings: 1, trades: 1, volume: 10, messages: 0, copies: 0 };
        let attempt = format!("a{}", self.attempts);
        Asked { id: id.to_owned(), user: Some("alice".to_owned()), cost, attempt, left: false }
    }

    fn ask(&mut self, known: Known, asked: &Asked, counts_unsure: bool, micros: u64) -> Answer {
        let call = Call::question(&self.keys, known, asked, &bounds(2), counts_unsure);
        at(&mut self.client, &self.script, &call, micros)
    }

    fn take(&mut self, known: Known, id: &str, micros: u64) -> Answer {
        let asked = self.asked(id);
        self.ask(known, &asked, false, micros)
    }

    fn tell(&mut self, known: Known, debt: &Debt, micros: u64) -> Outcome {
        at(&mut self.client, &self.script, &Call::debt(&self.keys, known, debt), micros).outcome
    }

    fn used(&mut self, field: &str) -> u64 {
        let (all, user) =
            (self.client.used("failstop:{desk}:all", field), self.client.used("failstop:{desk}:user:alice", field));
        assert_eq!(all, user, "{field}");
        all
    }
}

/// So many openings and trades, volume for ten orders.
fn bounds(limit: u128) -> RateBounds {
    let bound = |limit| RateBound { limit: Limit::Set(limit), used: 0 };
    let mut system = [bound(limit); RATE_COUNT];
    system[1] = bound(1_000);
    system[2] = bound(100);
    system[3] = RateBound { limit: Limit::Waived, used: 0 };
    RateBounds { system, user: Some(system) }
}

#[test]
fn what_is_given_up_before_it_comes_counts_nothing_and_after_it_nothing_any_more() {
    let mut bed = Bed::new();
    let early = bed.asked("o1");
    let drop = Debt::Drop { id: "o1".to_owned(), attempt: early.attempt.clone() };
    assert_eq!(bed.tell(Known::NOTHING, &drop, BEGIN), Outcome::Given);
    assert_eq!(bed.ask(Known::NOTHING, &early, false, BEGIN).outcome, Outcome::Dropped);
    assert_eq!(bed.used("openings"), 0);
    // The same order, asked anew.
    let anew = bed.asked("o1");
    assert_eq!(bed.ask(Known::NOTHING, &anew, false, BEGIN).outcome, Outcome::Counted);
    assert_eq!(bed.tell(Known::NOTHING, &drop, BEGIN), Outcome::Given);
    assert_eq!(
        (bed.used("openings"), bed.used("trades"), bed.used("volume")),
        (1, 1, 10),
        "what was given up was another asking"
    );
    let drop = Debt::Drop { id: "o1".to_owned(), attempt: anew.attempt };
    for _ in 0..2 {
        assert_eq!(bed.tell(Known::NOTHING, &drop, BEGIN), Outcome::Given);
        assert_eq!((bed.used("openings"), bed.used("trades"), bed.used("volume")), (0, 0, 0));
    }
}

#[test]
fn that_what_everybody_used_was_taken_away_is_noticed() {
    let mut bed = Bed::new();
    let before = bed.take(Known::NOTHING, "o1", BEGIN);
    assert_eq!(before.outcome, Outcome::Counted);
    bed.client.call(&["DEL", "failstop:{desk}:all"]);
    let after = bed.take(before.known, "o2", BEGIN + SECOND);
    assert_eq!(after.outcome, Outcome::Unsure);
    assert!(after.known.born > before.known.born, "the others hear of it, too");
    // Once: what counts from then on is there.
    let asked = bed.asked("o3");
    assert_eq!(bed.ask(after.known, &asked, true, BEGIN + 2 * SECOND).outcome, Outcome::Counted);
    let third = bed.take(after.known, "o4", BEGIN + 3 * SECOND);
    assert_eq!((third.outcome, third.known.born), (Outcome::Unsure, after.known.born));
    // What is gone since its time was over is not missed.
    let mut bed = Bed::new();
    let before = bed.take(Known::NOTHING, "o1", BEGIN);
    bed.client.call(&["DEL", "failstop:{desk}:all"]);
    assert_eq!(bed.take(before.known, "o2", BEGIN + 25 * HOUR).outcome, Outcome::Counted);
}

#[test]
fn what_counts_over_the_limit_counts_once() {
    let mut bed = Bed::new();
    for id in ["o1", "o2", "o3"] {
        let Asked { id, user, cost, attempt, .. } = bed.asked(id);
        let count = Debt::Count { id, user, cost, attempt };
        for _ in 0..2 {
            assert_eq!(bed.tell(Known::NOTHING, &count, BEGIN), Outcome::Counted);
        }
    }
    assert_eq!(bed.used("openings"), 3);
    let answer = bed.take(Known::NOTHING, "o4", BEGIN + SECOND);
    let refused = [(LimitName::OpeningsPerMinute, Scope::System), (LimitName::OpeningsPerMinute, Scope::User)];
    assert_eq!(answer.refused, refused);
    assert_eq!(answer.retry_after, Some(Duration::from_secs(64)), "when the part in which all three are has left");
}

#[test]
fn what_is_given_back_is_at_most_what_was_counted_and_of_when_it_was() {
    let mut bed = Bed::new();
    assert_eq!(bed.take(Known::NOTHING, "o1", BEGIN).outcome, Outcome::Counted);
    assert_eq!(bed.take(Known::NOTHING, "o2", BEGIN + 20 * SECOND).outcome, Outcome::Counted);
    let much = Cost { openings: 9, trades: 9, volume: 999, messages: 9, copies: 9 };
    let back = Debt::Back { id: "o1".to_owned(), cost: much };
    assert_eq!(bed.tell(Known::NOTHING, &back, BEGIN + 30 * SECOND), Outcome::Given);
    assert_eq!(bed.tell(Known::NOTHING, &back, BEGIN + 30 * SECOND), Outcome::Nothing);
    assert_eq!((bed.used("openings"), bed.used("trades"), bed.used("volume")), (1, 1, 10));
    let unknown = Debt::Back { id: "o9".to_owned(), cost: much };
    assert_eq!(bed.tell(Known::NOTHING, &unknown, BEGIN + 30 * SECOND), Outcome::Nothing);
    // Yesterday's comes back to nobody today.
    let next_day = BEGIN + 24 * HOUR;
    assert_eq!(bed.take(Known::NOTHING, "o3", next_day).outcome, Outcome::Counted);
    let back = Debt::Back { id: "o2".to_owned(), cost: much };
    assert_eq!(bed.tell(Known::NOTHING, &back, next_day), Outcome::Given);
    assert_eq!((bed.used("openings"), bed.used("trades"), bed.used("volume")), (1, 1, 10));
}

#[test]
fn a_clock_that_goes_back_frees_nothing_and_begins_no_day() {
    let mut bed = Bed::new();
    let late = BEGIN + 10 * MINUTE;
    for id in ["o1", "o2"] {
        assert_eq!(bed.take(Known::NOTHING, id, late).outcome, Outcome::Counted);
    }
    // What counts while it is back is given back as well.
    let Asked { id, user, cost, attempt, .. } = bed.asked("o9");
    bed.tell(Known::NOTHING, &Debt::Count { id, user, cost, attempt }, late - 5 * MINUTE);
    assert_eq!((bed.used("openings"), bed.used("trades")), (3, 3));
    assert_eq!(bed.tell(Known::NOTHING, &Debt::Back { id: "o9".to_owned(), cost }, late), Outcome::Given);
    assert_eq!((bed.used("openings"), bed.used("trades")), (2, 2));
    for micros in [late - 5 * MINUTE, late - 2 * HOUR, late, late + MINUTE] {
        assert_eq!(bed.take(Known::NOTHING, "o3", micros).outcome, Outcome::Refused, "{micros}");
    }
    assert_eq!(bed.take(Known::NOTHING, "o3", late + MINUTE + 5 * SECOND).outcome, Outcome::Counted);
    assert_eq!(bed.used("trades"), 3, "two days were none");
}

#[test]
fn an_emptied_server_knows_that_something_was_lost_when_somebody_remembers_it() {
    let mut bed = Bed::new();
    let known = bed.take(Known::NOTHING, "o1", BEGIN).known;
    bed.client.call(&["FLUSHALL"]);
    // Somebody who was never here begins the group anew: nothing is lost that he knows of.
    let anew = bed.take(Known::NOTHING, "o2", BEGIN + SECOND);
    assert_eq!(anew.outcome, Outcome::Counted);
    // Somebody who remembers.
    let answer = bed.take(known, "o3", BEGIN + 2 * SECOND);
    assert_eq!((answer.outcome, answer.unsure), (Outcome::Unsure, true));
    // From then on all others are told.
    assert_eq!(bed.take(Known::NOTHING, "o4", BEGIN + 3 * SECOND).outcome, Outcome::Unsure);
    assert_eq!(bed.used("openings"), 1, "what is unsure counts nothing unless that is wanted");
    let asked = bed.asked("o5");
    let answer = bed.ask(answer.known, &asked, true, BEGIN + 4 * SECOND);
    assert_eq!((answer.outcome, answer.unsure), (Outcome::Counted, true));
    // An emptied server whom the first to ask remembers.
    bed.client.call(&["FLUSHALL"]);
    let begun = BEGIN + 5 * SECOND;
    let answer = bed.take(answer.known, "o5", begun);
    assert_eq!((answer.outcome, answer.known.born > known.born), (Outcome::Unsure, true));
    // Each rate by itself.
    let opening = |bed: &mut Bed, micros| {
        let asked = bed.asked("");
        let cost = Cost { openings: 1, ..Cost::default() };
        bed.ask(answer.known, &Asked { cost, ..asked }, false, micros).unsure
    };
    assert!(opening(&mut bed, begun + 65 * SECOND - 1));
    assert!(!opening(&mut bed, begun + 65 * SECOND));
    // Each rate is whole again when its window has passed: the hour by 65 minutes, the day when the next one begins.
    let known = answer.known;
    assert!(bed.take(known, "o6", begun + 64 * MINUTE).unsure);
    let by_the_day = bed.take(known, "o7", BEGIN + 2 * HOUR);
    assert!(by_the_day.unsure);
    let next_day = bed.take(known, "o8", BEGIN + 24 * HOUR);
    assert_eq!((next_day.outcome, next_day.unsure), (Outcome::Counted, false));
}

#[test]
fn a_server_that_was_set_back_knows_less_than_was_seen_of_it() {
    let mut bed = Bed::new();
    let early = bed.take(Known::NOTHING, "o1", BEGIN).known;
    let later = bed.take(early, "o2", BEGIN + SECOND).known;
    assert!(later > early);
    // Nothing is lost for whoever knows less.
    assert_eq!(bed.take(early, "o3", BEGIN + 65 * SECOND).outcome, Outcome::Counted);
    bed.client.call(&["HSET", "failstop:{desk}:memory", "seq", &early.seq.to_string()]);
    let answer = bed.take(later, "o4", BEGIN + 66 * SECOND);
    assert_eq!(answer.outcome, Outcome::Unsure);
    assert!(answer.known.born > later.born, "a new memory");
    // A copy from before that: older than what is known now.
    bed.client.call(&["HSET", "failstop:{desk}:memory", "born", &early.born.to_string(), "seq", "99", "lost", "0"]);
    let again = bed.take(answer.known, "o5", BEGIN + 67 * SECOND);
    assert_eq!(again.outcome, Outcome::Unsure);
    assert!(again.known.born > answer.known.born);
}

#[test]
fn what_is_never_told_makes_a_new_memory_begin_whatever_its_teller_knew() {
    let days = |days: u64| days * 24 * HOUR;
    let of = |born| Known { born, seq: 5 };
    // Of a memory that is three days old: nothing, an older one, this one, and a newer one.
    for known in [Known::NOTHING, of(BEGIN - days(3)), of(BEGIN), of(BEGIN + days(4))] {
        let mut bed = Bed::new();
        assert_eq!(bed.take(Known::NOTHING, "o1", BEGIN).known.born, BEGIN);
        let now = BEGIN + days(3) + 2 * HOUR;
        let probe = |bed: &mut Bed, spills, micros| {
            let call = Call::probe(&bed.keys, known, spills);
            at(&mut bed.client, &bed.script, &call, micros)
        };
        let told = probe(&mut bed, true, now);
        assert_eq!((told.outcome, told.known.seq), (Outcome::Probed, 0), "{known:?}");
        assert!(told.known.born >= now && told.known.born > known.born, "{known:?}: {told:?}");
        // Everybody doubts what was counted, each rate until its window has passed since.
        for (id, known) in [("o2", Known::NOTHING), ("o3", told.known)] {
            assert_eq!(bed.take(known, id, now + SECOND).outcome, Outcome::Unsure, "{known:?}");
        }
        // Said again another one begins: it may be another asking.
        assert!(probe(&mut bed, true, now + SECOND).known.born > told.known.born);
    }
    // Of a server that knows nothing; and a plain probe declares nothing.
    let mut bed = Bed::new();
    let call = |bed: &Bed, spills| Call::probe(&bed.keys, Known::NOTHING, spills);
    let (plain, telling) = (call(&bed, false), call(&bed, true));
    let first = at(&mut bed.client, &bed.script, &plain, BEGIN).known;
    assert_eq!(bed.take(first, "o1", BEGIN + SECOND).outcome, Outcome::Counted);
    bed.client.call(&["FLUSHALL"]);
    at(&mut bed.client, &bed.script, &telling, BEGIN);
    assert_eq!(bed.take(Known::NOTHING, "o1", BEGIN + SECOND).outcome, Outcome::Unsure);
}

#[test]
fn a_full_server_counts_nothing_in_part_and_every_key_ends_by_itself() {
    let mut bed = Bed::new();
    assert_eq!(bed.take(Known::NOTHING, "o1", BEGIN).outcome, Outcome::Counted);
    bed.client.call(&["CONFIG", "SET", "maxmemory", "1"]);
    let asked = bed.asked("o2");
    let call = Call::question(&bed.keys, Known::NOTHING, &asked, &bounds(2), false);
    let reply = bed.client.send(&call.with_script(&bed.script, &BEGIN.to_string()));
    assert!(matches!(&reply, Reply::Error(words) if words.contains("OOM")), "{reply:?}");
    bed.client.call(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!((bed.used("openings"), bed.used("trades"), bed.used("volume")), (1, 1, 10));
    let Reply::List(keys) = bed.client.call(&["KEYS", "*"]) else { panic!("no list") };
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in keys {
        let Reply::Text(key) = key else { panic!("no text") };
        let Reply::Number(left) = bed.client.call(&["PTTL", &key]) else { panic!("no number") };
        assert!(left > 0, "{key} stays for ever");
    }
}

#[test]
fn amounts_beyond_what_a_number_holds_are_counted_to_the_unit() {
    let mut bed = Bed::new();
    let volume = |volume| Cost { volume, ..Cost::default() };
    let large = 10u128.pow(26) + 10u128.pow(13);
    for (id, amount) in [("o1", large), ("o2", 3)] {
        let count = Debt::Count { id: id.to_owned(), user: None, cost: volume(amount), attempt: id.to_owned() };
        assert_eq!(bed.tell(Known::NOTHING, &count, BEGIN), Outcome::Counted);
    }
    let used = |bed: &mut Bed| {
        let field = bed.client.field("failstop:{desk}:all", "volume");
        field.split_once(':').unwrap().1.parse::<u128>().unwrap()
    };
    assert_eq!(used(&mut bed), large + 3);
    let back = Debt::Back { id: "o1".to_owned(), cost: volume(10u128.pow(25) + 4) };
    assert_eq!(bed.tell(Known::NOTHING, &back, BEGIN), Outcome::Given);
    assert_eq!(used(&mut bed), large + 3 - 10u128.pow(25) - 4);
    // What no number of the gate's can be is full.
    for id in ["o3", "o4", "o5", "o6"] {
        let count = Debt::Count { id: id.to_owned(), user: None, cost: volume(u128::MAX), attempt: id.to_owned() };
        assert_eq!(bed.tell(Known::NOTHING, &count, BEGIN), Outcome::Counted);
    }
    assert_eq!(bed.client.field("failstop:{desk}:all", "volume").split_once(':').unwrap().1, "9".repeat(39));
}
