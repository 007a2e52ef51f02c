//! What a round trip over the bot socket costs against a bare echo over the same kind of socket, both in one run.
//!
//! The bare echo is a thread that reads and writes back, the same bytes each way. Ours is the door in a current-thread
//! runtime with a loop that answers each heartbeat. Rounds alternate; medians of single round trips are printed, once with both
//! ends on one processor and once on two: left to itself the scheduler puts the two pairs differently, and waking another
//! processor costs more than everything else here, on a virtual machine many times more.
#![expect(clippy::unwrap_used, reason = "a failed setup ends the measurement")]

use failstop_engine::doors::bot::{BotDoor, BotEvent, EVENT_QUEUE, Options};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;
use tokio::sync::mpsc;

const ROUNDS: usize = 20;
const TRIPS: usize = 5_000;
const REQUEST: &[u8] = b"{\"id\":123,\"type\":\"heartbeat\",\"progress\":123456}\n";

fn main() {
    let path = std::env::temp_dir().join(format!("failstop-bench-{}.sock", std::process::id()));
    let (bound, when_bound) = std::sync::mpsc::channel();
    let echoing = bound.clone();
    let at = path.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let door = BotDoor::bind(&at, &Options::default()).unwrap();
            bound.send(gettid()).unwrap();
            let (events, mut incoming) = mpsc::channel(EVENT_QUEUE);
            tokio::spawn(door.serve(events));
            while let Some(event) = incoming.recv().await {
                match event {
                    BotEvent::Request(request) => request.answer.done(),
                    BotEvent::Opened(_) | BotEvent::Closed(_) => {}
                }
            }
        });
    });
    let door = when_bound.recv().unwrap();
    let mut ours = UnixStream::connect(&path).unwrap();

    let (mut bare, mut far_end) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        echoing.send(gettid()).unwrap();
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = far_end.read(&mut bytes) {
            far_end.write_all(&bytes[..read]).unwrap();
        }
    });

    let echo = when_bound.recv().unwrap();

    let processors = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut usable = (0..CpuSet::count()).filter(|processor| processors.is_set(*processor).unwrap());
    let (first, second) = (usable.next().unwrap(), usable.next());
    pin(gettid(), first);
    for (arrangement, processor) in [("one processor", Some(first)), ("two processors", second)] {
        let Some(processor) = processor else { continue };
        pin(door, processor);
        pin(echo, processor);
        let (mut bare_ns, mut ours_ns) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let (one, other) = (trips(&mut bare), trips(&mut ours));
            // The first round warms up.
            if round > 0 {
                bare_ns.extend(one);
                ours_ns.extend(other);
            }
        }
        let (bare, ours) = (figures(bare_ns), figures(ours_ns));
        println!("{arrangement}: bare echo   median {:5.1} us   p99 {:5.1} us", bare.0, bare.1);
        println!("{arrangement}: bot socket  median {:5.1} us   p99 {:5.1} us", ours.0, ours.1);
        println!("{arrangement}: ratio of medians {:.2} (reach: at most 2.5)", ours.0 / bare.0);
    }
    std::fs::remove_file(&path).unwrap();
}

fn pin(thread: Pid, processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor).unwrap();
    sched_setaffinity(thread, &set).unwrap();
}

fn trips(stream: &mut UnixStream) -> Vec<f64> {
    let mut bytes = [0; 4096];
    let mut trip = || {
        let start = Instant::now();
        stream.write_all(REQUEST).unwrap();
        let mut end = 0;
        while end == 0 || bytes[end - 1] != b'\n' {
            end += stream.read(&mut bytes[end..]).unwrap();
        }
        start.elapsed().as_secs_f64() * 1e6
    };
    (0..TRIPS).map(|_| trip()).collect()
}

fn figures(mut trips: Vec<f64>) -> (f64, f64) {
    trips.sort_by(f64::total_cmp);
    (trips[trips.len() / 2], trips[trips.len() * 99 / 100])
}
