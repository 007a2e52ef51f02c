//! What a question about shared rates costs against a bare EVALSHA on the same server, both in one run.
//!
//! The bare one is a client that blocks, on the same Unix socket, and a script of one INCR. Ours goes to a thread and back by channels
//! and judges two holders over six rates. Rounds alternate; medians of single round trips are printed, and how many questions a
//! second are answered when many are under way.
#![expect(clippy::unwrap_used, reason = "a failed setup ends the measurement")]

use failstop_core::gate::{Cost, Limit, RATE_COUNT, RateBound, RateBounds};
use failstop_engine::shared_rates::{
    Address, By, Fallback, LineState, MAX_ASKS, Question, Settings, SharedRates, Word,
};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

const ROUNDS: usize = 20;
const TRIPS: usize = 500;

fn main() {
    let folder = std::env::temp_dir().join(format!("failstop-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let socket = folder.join("redis.sock");
    let mut redis = server(&folder, &socket);
    let mut bare = Bare::connect(&socket);
    let settings = Settings {
        address: Address::Unix(socket),
        tls: false,
        ca_file: None,
        user: None,
        password: None,
        database: 0,
        group: "bench".to_owned(),
        system: "bench".to_owned(),
        timeout: Duration::from_secs(5),
        fallback: Fallback::Refuse,
        day_starts: Duration::ZERO,
        file: folder.join("shared-rates.json"),
    };
    let (rates, mut words) = SharedRates::start(settings).unwrap();
    while rates.health().line != LineState::Good {
        std::thread::sleep(Duration::from_millis(1));
    }

    let (mut bare_us, mut ours_us) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let one: Vec<f64> = (0..TRIPS).map(|_| timed(|| bare.trip())).collect();
        let other: Vec<f64> = (0..TRIPS)
            .map(|trip| {
                timed(|| {
                    rates.ask(question(round * TRIPS + trip)).unwrap();
                    taken(&rates, &mut words);
                })
            })
            .collect();
        // The first round warms up.
        if round > 0 {
            bare_us.extend(one);
            ours_us.extend(other);
        }
    }
    let (bare, ours) = (figures(bare_us), figures(ours_us));
    println!("bare EVALSHA  median {:6.1} us   p99 {:6.1} us", bare.0, bare.1);
    println!("shared rates  median {:6.1} us   p99 {:6.1} us", ours.0, ours.1);
    println!("ratio of medians {:.2}", ours.0 / bare.0);

    let many = ROUNDS * TRIPS;
    let begun = Instant::now();
    let (mut asked, mut answered) = (0, 0);
    while answered < many {
        while asked < many && asked - answered < MAX_ASKS / 2 {
            rates.ask(question(1_000_000 + asked)).unwrap();
            asked += 1;
        }
        taken(&rates, &mut words);
        answered += 1;
    }
    println!("shared rates  {:.0} questions a second", many as f64 / begun.elapsed().as_secs_f64());
    redis.kill().unwrap();
    redis.wait().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

fn server(folder: &Path, socket: &Path) -> Child {
    // The server's program by the name under which its tools' package brings it.
    let mut redis = Command::new("redis-check-rdb");
    redis.arg0("redis-server").args(["--save", "", "--appendonly", "no", "--port", "0", "--dir"]).arg(folder);
    let child = redis.arg("--unixsocket").arg(socket).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while UnixStream::connect(socket).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

/// An order of which everything is counted and nothing is used up.
fn question(number: usize) -> Question {
    let bounds = [RateBound { limit: Limit::Set(u128::MAX), used: 0 }; RATE_COUNT];
    Question {
        id: format!("o-{number}"),
        user: Some("alice".to_owned()),
        cost: Cost { openings: 1, trades: 1, volume: 12_345, messages: 0, copies: 0 },
        bounds: RateBounds { system: bounds, user: Some(bounds) },
    }
}

fn taken(rates: &SharedRates, words: &mut Receiver<Word>) {
    let word = words.blocking_recv().unwrap();
    assert_eq!(word.by, By::Group);
    rates.keep(word);
}

struct Bare {
    stream: UnixStream,
    call: Vec<u8>,
}

impl Bare {
    fn connect(socket: &Path) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream
            .write_all(b"*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$36\r\nreturn redis.call('INCR', KEYS[1])  \r\n")
            .unwrap();
        let mut answer = [0; 64];
        let mut end = 0;
        while end < 47 {
            end += stream.read(&mut answer[end..]).unwrap();
        }
        let digest = std::str::from_utf8(&answer[5..45]).unwrap();
        let call = format!("*4\r\n$7\r\nEVALSHA\r\n$40\r\n{digest}\r\n$1\r\n1\r\n$4\r\nbare\r\n").into_bytes();
        Self { stream, call }
    }

    fn trip(&mut self) {
        let mut answer = [0; 64];
        self.stream.write_all(&self.call).unwrap();
        let read = self.stream.read(&mut answer).unwrap();
        assert!(read > 0 && answer[0] == b':', "{}", String::from_utf8_lossy(&answer));
    }
}

fn timed(trip: impl FnOnce()) -> f64 {
    let start = Instant::now();
    trip();
    start.elapsed().as_secs_f64() * 1e6
}

fn figures(mut trips: Vec<f64>) -> (f64, f64) {
    trips.sort_by(f64::total_cmp);
    (trips[trips.len() / 2], trips[trips.len() * 99 / 100])
}
