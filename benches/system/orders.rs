//! A full `order` over the bot socket of a whole system: one after the other beside a bare echo, and ten thousand a second while
//! everything else is asked for.
//!
//! The bot is this program, started as a component. It writes what it measured as lines for people.

use crate::run::{Run, pin};
use crate::strain::Strain;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What this program is started with to be the bot: the folder and the part follow.
pub const BOT: &str = "--orders";

/// How long each half of the load lasts, seconds; half a minute where it is not set.
const SECONDS: &str = "FAILSTOP_BENCH_LOAD_SECONDS";

const ROUNDS: usize = 20;
const TRIPS: usize = 1_000;

/// Ten every millisecond.
const AT_ONCE: u64 = 10;
const EVERY: Duration = Duration::from_millis(1);

fn configuration(part: &str, durable: bool, alerts: &str) -> String {
    format!(
        "[gate]\nmoney = \"USDT\"\npaper_equity = \"10000\"\ndurable_intents = {durable}\n[gate.limits]\nopenings_per_minute = \"waived\"\n\
         trades_per_day = \"waived\"\nvolume_per_hour = \"waived\"\nrepeated_orders = \"waived\"\nduplicate_window = \"1ms\"\n\
         [prices]\nsources = [\"a\"]\nmax_age = \"5m\"\n[[account]]\nname = \"main\"\n\
         [[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n\
         [[component]]\nname = \"bot\"\ncommand = [\"{}\", \"{BOT}\", \"DIR\", \"{part}\"]\norders = \"asks\"\n{alerts}",
        std::env::current_exe().unwrap().display()
    )
}

/// Each arrangement by itself, since who was pinned stays so.
pub fn round_trips() {
    for (arrangement, apart) in [("one processor", false), ("two processors", true)] {
        for (what, durable) in [("refused", true), ("on paper, not durable", false), ("on paper, durable", true)] {
            let part = what.split(',').next().unwrap();
            let run = Run::start(&configuration(if part == "refused" { "refused" } else { "paper" }, durable, ""));
            let [_, engine] = run.own_pids();
            pin(engine, usize::from(apart));
            fs::write(run.path("go"), if apart { "1" } else { "0" }).unwrap();
            println!("order {what}, {arrangement}: {}", run.wait_file("figures").trim_end());
        }
    }
}

/// Ten thousand a second, alone and then with everything else; the longest that an answer took, by its place in the order.
pub fn under_strain() {
    let seconds: u64 = std::env::var(SECONDS).map_or(30, |text| text.parse().unwrap()).max(1);
    let strain = Strain::prepared();
    let run = Run::start(&configuration("load", true, &strain.channel()));
    fs::write(run.path("go"), seconds.to_string()).unwrap();
    println!("10 000 orders a second on paper, durable, alone: {}", run.wait_file("alone").trim_end());
    let straining = strain.on(&run);
    println!("the same with the dashboard hammered and a channel that hangs: {}", run.wait_file("strained").trim_end());
    println!("  meanwhile {}", straining.ended());
}

/// The bot's part of the bench.
pub fn bot(folder: &Path, part: &str) {
    let mut stream = UnixStream::connect(std::env::var_os("FAILSTOP_SOCKET").unwrap()).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut say = |text: &str| {
        writeln!(stream, "{text}").unwrap();
        let mut answer = String::new();
        while !is_answer(&answer) {
            answer.clear();
            assert_ne!(lines.read_line(&mut answer).unwrap(), 0, "failstop hung up");
        }
        answer
    };
    say(r#"{"id":1,"type":"hello","client":"bench","version":"1"}"#);
    let go = loop {
        if let Ok(go) = fs::read_to_string(folder.join("go"))
            && !go.is_empty()
        {
            break go;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    while !say(r#"{"id":2,"type":"permission?"}"#).contains("\"permission\":\"active\"") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let price = r#"{"id":3,"type":"price","source":"a","instrument":"BTC/USDT","bid":"999","ask":"1001"}"#;
    assert!(say(price).contains("\"ok\":true"));
    if part == "load" {
        let seconds = go.parse().unwrap();
        for name in ["alone", "strained"] {
            written(folder, name, &load(&stream, name, seconds));
        }
    } else {
        written(folder, "figures", &beside_an_echo(&stream, part, go == "1"));
    }
    loop {
        std::thread::sleep(Duration::from_secs(600));
    }
}

fn written(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join("new"), format!("{text}\n")).unwrap();
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

/// The order with this number: what the even ones open the odd ones close, each pair another quantity, since the same again at once is
/// refused. A refused one is larger than may be.
fn order(name: &str, number: u64, refused: bool) -> String {
    let side = if number.is_multiple_of(2) { "buy" } else { "sell" };
    let quantity = if refused { "2000".to_owned() } else { format!("0.00{:06}", 100_000 + number / 2 % 100_000) };
    format!(
        "{{\"id\":{number},\"type\":\"order\",\"client_id\":\"{name}-{number}\",\"instrument\":\"BTC/USDT\",\"account\":\"main\",\
         \"side\":\"{side}\",\"quantity\":\"{quantity}\"}}\n"
    )
}

/// Medians and 99th percentiles of single round trips, in rounds with the echo.
fn beside_an_echo(stream: &UnixStream, part: &str, apart: bool) -> String {
    let (mut bare, mut far_end) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        pin(0, usize::from(apart));
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = far_end.read(&mut bytes) {
            far_end.write_all(&bytes[..read]).unwrap();
        }
    });
    pin(0, 0);
    let mut ours = stream.try_clone().unwrap();
    let (mut number, refused) = (10, part == "refused");
    let (mut echoed, mut asked) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let one: Vec<f64> = (0..TRIPS).map(|_| trip(&mut bare, &order("e", 0, false), "order")).collect();
        let other: Vec<f64> = (0..TRIPS)
            .map(|_| {
                number += 1;
                trip(
                    &mut ours,
                    &order("o", number, refused),
                    if refused { "\"allow\":false" } else { "\"allow\":true" },
                )
            })
            .collect();
        // The first round warms up.
        if round > 0 {
            echoed.extend(one);
            asked.extend(other);
        }
    }
    let (echoed, asked) = (Figures::of(echoed), Figures::of(asked));
    format!(
        "ours {:.1} us, p99 {:.1} us   bare echo {:.1} us, p99 {:.1} us   ratio {:.2} (reach 3; p99 50 us)",
        asked.at(50.0),
        asked.at(99.0),
        echoed.at(50.0),
        echoed.at(99.0),
        asked.at(50.0) / echoed.at(50.0)
    )
}

/// Microseconds; the answer holds what is wanted. What is pushed in between is none.
fn trip(stream: &mut UnixStream, request: &str, wanted: &str) -> f64 {
    let mut bytes = [0; 4096];
    let start = Instant::now();
    stream.write_all(request.as_bytes()).unwrap();
    loop {
        let mut end = 0;
        while end == 0 || bytes[end - 1] != b'\n' {
            let read = stream.read(&mut bytes[end..]).unwrap();
            assert_ne!(read, 0, "the engine hung up, or said more than {} bytes at once", bytes.len());
            end += read;
        }
        let took = start.elapsed().as_secs_f64() * 1e6;
        let lines = std::str::from_utf8(&bytes[..end]).unwrap();
        if let Some(answer) = lines.lines().find(|line| is_answer(line)) {
            assert!(answer.contains(wanted), "{answer}");
            return took;
        }
    }
}

/// Sends at its own pace whatever becomes of the answers, and counts each from when it was due: a stall is not left out by
/// having held up who measures.
fn load(stream: &UnixStream, name: &'static str, seconds: u64) -> String {
    let orders = seconds * 1_000 * AT_ONCE;
    let first = 100;
    let (mut sending, reading) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    let (begun, begins) = mpsc::channel();
    let sender = std::thread::spawn(move || {
        let begin = Instant::now();
        begun.send(begin).unwrap();
        let mut late = Duration::ZERO;
        for burst in 0..orders / AT_ONCE {
            let due = EVERY * u32::try_from(burst).unwrap();
            match due.checked_sub(begin.elapsed()) {
                Some(wait) => std::thread::sleep(wait),
                None => late = late.max(begin.elapsed().saturating_sub(due)),
            }
            let lines: String = (0..AT_ONCE).map(|one| order(name, first + burst * AT_ONCE + one, false)).collect();
            sending.write_all(lines.as_bytes()).unwrap();
        }
        late
    });
    let begin = begins.recv().unwrap();
    let mut took = Vec::with_capacity(usize::try_from(orders).unwrap());
    let mut refused = BTreeMap::new();
    let mut lines = BufReader::with_capacity(1 << 16, reading);
    let mut line = String::new();
    while took.len() < usize::try_from(orders).unwrap() {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "failstop hung up");
        if !is_answer(&line) {
            continue;
        }
        // They come in any order.
        let id = line[ANSWER.len()..].split([',', '}']).next().unwrap();
        let number: u64 = id.parse().unwrap();
        let due = EVERY * u32::try_from((number - first) / AT_ONCE).unwrap();
        took.push(begin.elapsed().saturating_sub(due).as_secs_f64() * 1e3);
        if !line.contains("\"allow\":true") {
            *refused.entry(why(&line)).or_insert(0_u64) += 1;
        }
    }
    let lasted = begin.elapsed();
    let late = sender.join().unwrap();
    let figures = Figures::of(took);
    format!(
        "{:.0} a second answered, refused {refused:?}; from when it was due {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest {:.1} ms \
         (the sender itself was late by up to {:.1} ms)",
        orders as f64 / lasted.as_secs_f64(),
        figures.at(50.0),
        figures.at(99.0),
        figures.at(99.9),
        figures.at(100.0),
        late.as_secs_f64() * 1e3
    )
}

/// What an answer begins with; what is pushed between answers does not.
const ANSWER: &str = "{\"id\":";

fn is_answer(line: &str) -> bool {
    line.starts_with(ANSWER)
}

/// The first code of a refusal, or what else was answered.
fn why(line: &str) -> String {
    let code = line.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next());
    code.unwrap_or(line.trim_end()).to_owned()
}

/// Figures in order.
struct Figures(Vec<f64>);

impl Figures {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    fn at(&self, percent: f64) -> f64 {
        let place = (self.0.len() as f64 * percent / 100.0) as usize;
        self.0[place.min(self.0.len() - 1)]
    }
}
