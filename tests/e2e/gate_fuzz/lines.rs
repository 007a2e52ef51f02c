//! Lines for the bot socket: by the grammar, beside the grammar, and no lines at all. Everything follows from the seed.

use serde_json::{Map, Value, json};

/// Moments and choices that are the same for the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.roll(many) == 0
    }

    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        let place = self.roll(u64::try_from(choices.len()).unwrap());
        choices[usize::try_from(place).unwrap()]
    }
}

/// A line to send.
pub struct Line {
    /// Without its LF.
    pub bytes: Vec<u8>,
    /// How often its id may be answered.
    pub answers: Answers,
    /// For how many refusals in a row it may count.
    pub refusals: usize,
    /// What it says, where it is a JSON object.
    pub said: Option<Value>,
}

/// How often a line's id is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// It has none that can be read.
    Never,
    /// It is no JSON: whether its id was seen before that hangs on who reads.
    AtMostOnce(String),
    /// Exactly once.
    Once(String),
}

/// The longest line, in bytes.
const LONGEST: usize = 65_536;

/// The words that orders and facts are made of.
pub struct Words<'a> {
    /// Whose prices are said.
    pub priced: &'a [&'a str],
    pub users: &'a [&'a str],
    pub accounts: &'a [&'a str],
    pub instruments: &'a [&'a str],
    pub sources: &'a [&'a str],
}

/// A line under this id, mostly by the grammar.
pub fn line(dice: &mut Dice, words: &Words<'_>, id: &str) -> Line {
    let mut message = message(dice, words, id);
    message.insert("id".to_owned(), json!(id));
    let plain = ["hello", "heartbeat", "permission?"].map(Value::from).contains(&message["type"]);
    let (bent, mauled) = (dice.one_in(4), dice.one_in(5));
    if bent {
        bend(dice, &mut message);
    }
    let whole = Value::Object(message);
    let mut bytes = whole.to_string().into_bytes();
    // Odd things that nobody asks for may be read by one and not by another; then it says the same as without them.
    let perhaps_whole = mauled && maul(dice, &mut bytes);
    let refusals = if bytes.len() > LONGEST { 16 } else { usize::from(bent || mauled || !plain) };
    let said = serde_json::from_slice::<Value>(&bytes).ok().filter(|said| said.is_object() && bytes.len() <= LONGEST);
    let answers = answers(&bytes, said.as_ref(), id);
    Line { answers, said: said.or(perhaps_whole.then_some(whole)), bytes, refusals }
}

/// A line that is never refused.
pub fn plain_line(id: &str) -> Line {
    let bytes = json!({"type": "heartbeat", "id": id}).to_string().into_bytes();
    Line { bytes, answers: Answers::Once(id.to_owned()), refusals: 0, said: None }
}

/// What the page says of answers, of this line.
fn answers(bytes: &[u8], said: Option<&Value>, id: &str) -> Answers {
    if bytes.len() > LONGEST || bytes.trim_ascii().is_empty() {
        return Answers::Never;
    }
    match said.map(|said| &said["id"]) {
        Some(Value::String(own)) if own.len() <= 128 => Answers::Once(own.clone()),
        Some(Value::Number(own)) if own.is_i64() || own.is_u64() => Answers::Once(own.to_string()),
        Some(_) => Answers::Never,
        None if serde_json::from_slice::<Value>(bytes).is_ok() => Answers::Never,
        None => Answers::AtMostOnce(id.to_owned()),
    }
}

fn message(dice: &mut Dice, words: &Words<'_>, id: &str) -> Map<String, Value> {
    let message = match dice.roll(20) {
        0 => json!({"type": "hello", "client": "fuzz", "version": "1"}),
        1 => json!({"type": "heartbeat", "progress": dice.roll(1 << 40)}),
        2 => json!({"type": "tick", "feed": "feed", "instrument": dice.of(words.instruments)}),
        3 => json!({"type": "metric", "name": "figure", "value": decimal(dice), "labels": {"a": "b"}}),
        4 => json!({"type": "queue", "state": "processing", "depth": dice.roll(9), "oldest_ms": 1}),
        5 => json!({"type": "permission?"}),
        6 => json!({"type": "event", "name": "x.fuzz", "data": {"id": id, "deep": [[[{}]]]}}),
        7 => json!({"type": "api_usage", "endpoint": "orders", "used": dice.roll(9), "limit": 10}),
        8 => {
            json!({"type": "rate", "bucket": dice.of(&["messages", "copies", "openings", "?"]), "cost": decimal(dice)})
        }
        9 => json!({"type": dice.of(&["", "orders", "Order", "perm\u{0}ission", "\u{202e}order"])}),
        10..=12 => price(dice, words),
        13 => json!({
            "type": "order_result", "client_id": id,
            "outcome": dice.of(&["accepted", "filled", "cancelled", "rejected", "expired", "not-sent", "unknown"]),
        }),
        _ => order(dice, words, id),
    };
    let Value::Object(message) = message else { unreachable!("all of them are objects") };
    message
}

fn price(dice: &mut Dice, words: &Words<'_>) -> Value {
    let (source, instrument) = (dice.of(words.sources), dice.of(words.priced));
    let cents = 10_000 + dice.roll(50);
    let text = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
    if dice.one_in(2) {
        json!({"type": "price", "source": source, "instrument": instrument, "last": text(cents)})
    } else {
        json!({"type": "price", "source": source, "instrument": instrument, "bid": text(cents), "ask": text(cents + 2)})
    }
}

fn order(dice: &mut Dice, words: &Words<'_>, id: &str) -> Value {
    let mut order = json!({
        "type": "order", "client_id": id, "account": dice.of(words.accounts), "instrument": dice.of(words.instruments),
        "side": dice.of(&["buy", "sell"]), "quantity": quantity(dice),
    });
    let mut add = |name: &str, value: Value| {
        order[name] = value;
    };
    if dice.one_in(2) {
        add("price", json!(format!("{}.{:02}", 96 + dice.roll(10), dice.roll(100))));
    }
    if dice.one_in(4) {
        add("kind", json!(dice.of(&["entry", "exit", "copy"])));
    }
    if dice.one_in(4) {
        add("user", json!(dice.of(words.users)));
    }
    if dice.one_in(6) {
        add("leverage", json!(dice.of(&["1", "2.5", "0.99", "10", "600"])));
    }
    if dice.one_in(8) {
        add("reduce_only", json!(true));
    }
    if dice.one_in(12) {
        add("live", json!(true));
    }
    if dice.one_in(20) {
        // One that was used, or will be.
        add("client_id", json!(format!("again-{}", dice.roll(50))));
    }
    order
}

fn quantity(dice: &mut Dice) -> String {
    match dice.roll(10) {
        0 => "1000".to_owned(),
        1 => "99999999999999999999".to_owned(),
        2 => "0.00001".to_owned(),
        _ => format!("0.{:04}", 1 + dice.roll(9_999)),
    }
}

/// An amount of any form.
fn decimal(dice: &mut Dice) -> &'static str {
    dice.of(&[
        "0",
        "1",
        "-3",
        "0.10",
        "1.5",
        "00",
        "-0",
        "1e9",
        ".5",
        "5.",
        "+1",
        "",
        " 1",
        "0x10",
        "1_000",
        "NaN",
        "٣",
        "1.2.3",
        "170141183460469231731687303715884105727",
        "999999999999999999999999999999999999999999999999",
        "0.000000000000000000000000000000000000000000000001",
    ])
}

/// Gives a field another value, or takes one away, or adds one.
fn bend(dice: &mut Dice, message: &mut Map<String, Value>) {
    let names: Vec<String> = message.keys().filter(|name| *name != "id").cloned().collect();
    let name = names[usize::try_from(dice.roll(u64::try_from(names.len()).unwrap())).unwrap()].clone();
    let value = match dice.roll(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(0.1),
        4 => json!(1e300),
        5 => json!(u64::MAX),
        6 => json!([]),
        7 => json!({}),
        8 => json!(""),
        9 => json!("\u{0}\u{feff}\u{202e}🦀"),
        10 => json!("x".repeat(usize::try_from(dice.roll(70_000)).unwrap())),
        11 => json!({"units": 1, "scale": 2}),
        12 => {
            message.remove(&name);
            return;
        }
        13 => {
            message.insert("later".to_owned(), json!([decimal(dice), {"a": null}]));
            return;
        }
        _ => json!(decimal(dice)),
    };
    // Feeds, parts and metrics of any name would use up the system's, and that counts against health.
    let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
    if !(["tick", "metric"].contains(&kind) && ["feed", "name"].contains(&name.as_str())) {
        message.insert(name, value);
    }
}

/// Makes of a line what may be none; whether it only has something odd in addition. There is no LF in it afterwards either.
fn maul(dice: &mut Dice, text: &mut Vec<u8>) -> bool {
    let place = usize::try_from(dice.roll(u64::try_from(text.len()).unwrap())).unwrap();
    let how = dice.roll(10);
    match how {
        0 => text.truncate(place),
        1 => {
            text[place] ^= 1 << dice.roll(8);
        }
        2 => text[place] = 0xff,
        3 => {
            text.insert(place, u8::try_from(dice.roll(256)).unwrap());
        }
        4 => {
            let deep = "[".repeat(usize::try_from(dice.roll(30_000)).unwrap());
            text.splice(1..1, format!("\"deep\":{deep},").into_bytes());
        }
        5 => {
            let levels = usize::try_from(dice.roll(200)).unwrap();
            let deep = format!("\"deep\":{}{},", "[".repeat(levels), "]".repeat(levels));
            text.splice(1..1, deep.into_bytes());
        }
        6 => text.extend_from_within(..place),
        7 => {
            let number = dice.of(&["1e999", "-", "0123", "18446744073709551616", "1.", "\"\\ud800\"", "nul"]);
            text.splice(1..1, format!("\"odd\":{number},").into_bytes());
        }
        8 => {
            text.extend(std::iter::repeat_n(b' ', 65_530));
        }
        _ => text.splice(0..0, *b"  \t").for_each(drop),
    }
    text.retain(|byte| *byte != b'\n');
    matches!(how, 5 | 7)
}
