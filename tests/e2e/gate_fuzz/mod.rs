//! The bot socket under fire: lines by its grammar and beside it, over many connections at once, cut anywhere. Whatever comes, the
//! engine lives, every id is answered exactly once and on its own connection, and no order is allowed that the documented limits
//! refuse.
//!
//! `FAILSTOP_FUZZ_SECONDS` says for how long (2 by default), `FAILSTOP_FUZZ_SEED` with what; the seed is printed.

mod lines;
mod links;
mod oracle;

use crate::system::{PATIENCE, System};
use lines::{Answers, Dice, Words, line, plain_line};
use links::{Heard, Links};
use oracle::{Asked, Limits, Oracle};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What is declared, as [`LIMITS`] and the words below have it.
const CONFIGURATION: &str = r#"
readiness = { notify = true }

[gate]
money = "USD"
paper_equity = "1000000"
durable_intents = false

[gate.limits]
position = "20000"
order_notional = "900"
duplicate_window = "waived"
repeated_orders = "waived"
openings_per_minute = "400"
trades_per_day = "900"
volume_per_hour = "60000"

[gate.user]
openings_per_minute = "10"
trades_per_day = "waived"
volume_per_hour = "waived"

[prices]
sources = ["one", "two", "three"]
max_age = "1s"

[[account]]
name = "main"
"#;

const LIMITS: Limits = Limits {
    position: "20000",
    order_notional: "900",
    price_collar: "0.05",
    openings_per_minute: 400,
    trades_per_day: 900,
    volume_per_hour: "60000",
    user_openings_per_minute: 10,
    price_max_age: Duration::from_secs(1),
    scales: (4, 2),
    prices: ("100", "100.52"),
};

/// Of the last two prices are never said, or in the beginning only.
const DECLARED: &[&str] = &["AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD"];
const USERS: [&str; 3] = ["alice", "bob", "carol"];

const WORDS: Words<'static> = Words {
    priced: &["AAA-USD", "BBB-USD", "NOTHING"],
    users: &USERS,
    accounts: &["main", "main", "main", "nowhere"],
    instruments: &["AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD", "NOTHING"],
    sources: &["one", "two", "three"],
};

/// The codes that must have come, and how much of everything. The last code only once something halts.
const CODES: [&str; 16] = [
    "BAD_JSON",
    "BAD_FIELD",
    "BAD_UTF8",
    "UNKNOWN_TYPE",
    "LINE_TOO_LONG",
    "DUPLICATE",
    "DRY_MODE",
    "ORDER_NOTIONAL",
    "PRICE_COLLAR",
    "PRICE_STALE",
    "MISSING_PRICE",
    "UNKNOWN_INSTRUMENT",
    "UNKNOWN_ACCOUNT",
    "INVALID_QUANTITY",
    "RATE_OPENINGS",
    "REDUCE_ONLY",
];
const ANSWERED: u64 = 1_000;
const ALLOWED: usize = 50;

/// Between two looks at whether that is so.
const STEP: Duration = Duration::from_millis(100);

const LINKS: usize = 12;
/// Unanswered requests on one connection. An answer with every reason has 1.5 KB, and 64 KiB that are not taken for 10 s close it:
/// however slow this machine is, that is another test.
const UNANSWERED: usize = 20;
/// The engine closes a connection after 64.
const REFUSED_IN_A_ROW: usize = 60;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What one connection still expects.
#[derive(Default)]
struct Expects {
    /// The last line that came.
    last: String,
    /// With what was said.
    once: BTreeMap<String, Vec<u8>>,
    perhaps: BTreeSet<String>,
    /// Ids that were answered.
    answered: u64,
    closed: bool,
    /// That there may be in a row by now.
    refusals: usize,
}

struct Fire {
    links: Links,
    expects: Vec<Expects>,
    /// Those that have not gone, by number.
    open: Vec<usize>,
    /// How often each code came.
    codes: BTreeMap<String, u64>,
    /// What was asked and told, by id.
    asked: BTreeMap<String, Asked>,
    oracle: Oracle,
    next: u64,
}

impl Fire {
    fn open(&mut self) {
        let link = self.links.open();
        assert_eq!(link, self.expects.len());
        self.expects.push(Expects::default());
        self.open.push(link);
    }

    /// Sends some lines at once, cut anywhere.
    fn send(&mut self, dice: &mut Dice, link: usize) {
        let mut bytes = Vec::new();
        for _ in 0..=dice.roll(8) {
            self.next += 1;
            // An id of which a part is no other id.
            let id = format!("f{}-{:08x}", self.next, dice.roll(1 << 32));
            let expects = &mut self.expects[link];
            let mut line = line(dice, &WORDS, &id);
            // One that is refused again and again is closed, which is another test.
            if expects.refusals + line.refusals > REFUSED_IN_A_ROW {
                line = plain_line(&id);
            }
            expects.refusals = if line.refusals == 0 { 0 } else { expects.refusals + line.refusals };
            if let Some(said) = line.said {
                self.remember(said, &line.answers);
            }
            match line.answers {
                Answers::Never => {}
                Answers::AtMostOnce(id) => drop(self.expects[link].perhaps.insert(id)),
                Answers::Once(id) => {
                    let before = self.expects[link].once.insert(id, line.bytes.clone());
                    assert!(before.is_none(), "an id was sent twice");
                }
            }
            bytes.extend_from_slice(&line.bytes);
            bytes.extend_from_slice(if dice.one_in(10) { b"\r\n\n" } else { b"\n" });
        }
        while !bytes.is_empty() {
            let cut = if dice.one_in(3) { 1 + dice.roll(40) } else { 1 << 20 };
            let rest = bytes.split_off(usize::try_from(cut).unwrap().min(bytes.len()));
            assert!(self.links.write(link, &bytes), "connection {link} was closed by the engine");
            bytes = rest;
        }
    }

    /// Remembers what the oracle must know.
    fn remember(&mut self, said: Value, answers: &Answers) {
        let sent = Instant::now();
        match (said["type"].as_str(), answers) {
            (Some("price"), _) => {
                if let Some(instrument) = said["instrument"].as_str() {
                    self.oracle.priced.insert(instrument.to_owned(), sent);
                }
            }
            (Some("order" | "order_result"), Answers::Once(id) | Answers::AtMostOnce(id)) => {
                self.asked.insert(id.clone(), Asked { order: said, sent });
            }
            (_, Answers::Once(_) | Answers::AtMostOnce(_) | Answers::Never) => {}
        }
    }

    /// Takes what came; whether something did.
    fn take(&mut self, wait: Duration) -> bool {
        let Some((link, heard)) = self.links.next(wait) else { return false };
        let expects = &mut self.expects[link];
        let Heard::Line(text) = heard else {
            let (awaits, refusals, last) = (expects.once.keys(), expects.refusals, &expects.last);
            assert!(
                expects.closed,
                "the engine closed connection {link} after {refusals} refusals, which awaits {awaits:?}; it said last: {last}"
            );
            return true;
        };
        expects.last.clone_from(&text);
        if expects.closed {
            // It went without waiting for its answers.
            return true;
        }
        let line: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(line.is_object(), "{text}");
        if let Some(code) = line["code"].as_str() {
            *self.codes.entry(code.to_owned()).or_default() += 1;
        }
        for reason in line["reasons"].as_array().into_iter().flatten() {
            *self.codes.entry(reason["code"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let id = match &line["id"] {
            Value::Null => {
                assert!(line["event"].is_string() || line["ok"] == false, "neither a push nor a refusal: {text}");
                return true;
            }
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let awaited = expects.once.remove(&id).is_some() || expects.perhaps.remove(&id);
        assert!(awaited, "connection {link}: nobody awaits an answer (again) to {id}: {text}");
        expects.answered += 1;
        let asked = self.asked.remove(&id);
        if line["allow"] == true && line.get("intent_seq").is_some() {
            let asked = asked.unwrap_or_else(|| panic!("an order was allowed that nobody asked for: {text}"));
            self.oracle.allowed(&asked, &line);
        } else if line["already"] != true
            && let (Some(asked), Some(seq)) = (asked, line["seq"].as_u64())
        {
            // What was so already was said before, under a number of its own.
            self.oracle.over(&asked.order, seq);
        }
        true
    }

    /// Says something that is answered, on the first connection; the answer must be good.
    fn say(&mut self, system: &System, mut message: Value) {
        self.next += 1;
        let id = format!("plain-{}", self.next);
        message["id"] = json!(id);
        self.expects[0].once.insert(id, message.to_string().into_bytes());
        assert!(self.links.write(0, format!("{message}\n").as_bytes()));
        self.drain(system);
    }

    /// Sends and takes until then.
    fn rage(&mut self, dice: &mut Dice, end: Instant) {
        while Instant::now() < end {
            let at = usize::try_from(dice.roll(u64::try_from(self.open.len()).unwrap())).unwrap();
            let link = self.open[at];
            if self.expects[link].once.len() < UNANSWERED {
                self.send(dice, link);
            }
            while self.take(Duration::ZERO) {}
            let asks = self.expects[link].once.keys().any(|id| self.asked.contains_key(id));
            if link > 0 && !asks && dice.one_in(100) {
                // One goes without a word, another comes. Not where orders may have been allowed that nobody then hears of.
                self.expects[link].closed = true;
                self.expects[link].once.clear();
                self.links.close(link);
                self.open.swap_remove(at);
                self.open();
            }
        }
    }

    /// Sends and takes until then, and on until so much was seen: a slow machine takes longer to come so far.
    fn rage_until(&mut self, dice: &mut Dice, end: Instant, enough: impl Fn(&Self) -> bool) {
        self.rage(dice, end);
        let last = Instant::now() + PATIENCE;
        while !enough(self) && Instant::now() < last {
            self.rage(dice, Instant::now() + STEP);
        }
    }

    fn answered(&self) -> u64 {
        self.expects.iter().map(|expects| expects.answered).sum()
    }

    /// Takes until every id that must be answered is.
    fn drain(&mut self, system: &System) {
        let end = Instant::now() + PATIENCE;
        while self.expects.iter().any(|expects| !expects.once.is_empty()) {
            self.take(Duration::from_millis(50));
            if Instant::now() > end {
                let waiting = self.expects.iter().flat_map(|expects| expects.once.values());
                let waiting: Vec<_> =
                    waiting.map(|line| String::from_utf8_lossy(&line[..line.len().min(300)])).collect();
                panic!(
                    "{} lines were never answered: {:#?}; {}",
                    waiting.len(),
                    &waiting[..waiting.len().min(8)],
                    system.log()
                );
            }
        }
    }
}

#[test]
fn whatever_comes_over_the_bot_socket_every_id_is_answered_once() {
    let seed = from_environment("FAILSTOP_FUZZ_SEED", 20_261_126);
    let seconds = Duration::from_secs(from_environment("FAILSTOP_FUZZ_SECONDS", 2));
    println!("seed {seed}");
    let mut dice = Dice(seed.max(1));
    let instrument = |name: &&str| format!("[[instrument]]\nname = \"{name}\"\nquantity_scale = 4\nprice_scale = 2\n");
    let declared: String = DECLARED.iter().map(instrument).collect();
    let mut system = crate::python_bot::system(&format!("{CONFIGURATION}{declared}"), links::HANDS_OUT);
    let links = Links::start(&mut system);
    let (expects, open, codes, asked) = (Vec::new(), Vec::new(), BTreeMap::new(), BTreeMap::new());
    let mut fire = Fire { links, expects, open, codes, asked, oracle: Oracle::default(), next: 0 };
    system.wait_active();
    let engine = system.engine_pid();
    for _ in 0..LINKS {
        fire.open();
    }
    fire.oracle.priced.insert("CCC-USD".to_owned(), Instant::now());
    fire.say(&system, json!({"type": "price", "source": "one", "instrument": "CCC-USD", "last": "100.1"}));
    let end = Instant::now() + seconds;
    fire.rage_until(&mut dice, end, |fire| {
        let came = |code: &&str| *code == "REDUCE_ONLY" || fire.codes.contains_key(*code);
        fire.answered() > ANSWERED && fire.oracle.came() > ALLOWED && CODES.iter().all(came)
    });
    fire.drain(&system);
    // From here on only what reduces.
    fire.say(&system, json!({"type": "halt", "cap": "reduce-only", "reason": "the second half"}));
    fire.oracle.halted = Some(Instant::now());
    fire.rage_until(&mut dice, Instant::now() + seconds / 4, |fire| fire.codes.contains_key("REDUCE_ONLY"));
    fire.drain(&system);
    // Nothing that was answered is answered again.
    while fire.take(Duration::from_millis(200)) {}
    let answered = fire.answered();
    let allowed = fire.oracle.judge(&LIMITS);
    println!("{} lines, {answered} answers, {allowed} orders allowed, {:?}", fire.next, fire.codes);
    assert!(answered > ANSWERED && allowed > ALLOWED, "{answered} answers, {allowed} orders allowed");
    for code in CODES {
        assert!(fire.codes.contains_key(code), "{code} never came: {:?}", fire.codes);
    }
    assert_eq!(system.engine_pid(), engine, "the engine was started anew");
    assert_eq!(system.stop(), 0, "{}", system.log());
    assert_eq!(system.run("verify-data", &["--quiet"]).status.code(), Some(0));
}
