#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::{Beats, PATH, Pulse, Streams, with_beat};
use crate::doors::fake_loop::{Does, FakeLoop, exchange, get};
use crate::doors::http::{Connections, Limits};
use crate::doors::observe::ObserveListener;
use crate::doors::{HttpDoors, Link, Listeners};
use crate::status::tests::status;
use axum::Router;
use failstop_client::status::Beat;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::timeout;

/// Long enough for anything here on a busy machine; never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(link: Link, limits: Limits) -> (SocketAddr, HttpDoors) {
    let listener = ObserveListener::bind_with((Ipv4Addr::LOCALHOST, 0).into(), limits).unwrap();
    let address = listener.address();
    (address, HttpDoors::open(Listeners { observe: Some(listener), ..Listeners::default() }, link).unwrap())
}

fn listen(address: SocketAddr) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {PATH} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    BufReader::new(stream)
}

/// The next event; `None` when the stream has ended.
fn event(stream: &mut BufReader<TcpStream>) -> Option<Beat> {
    let mut line = String::new();
    while stream.read_line(&mut line).unwrap() > 0 {
        if let Some(data) = line.strip_prefix("data: ") {
            return Some(serde_json::from_str(data).unwrap());
        }
        line.clear();
    }
    None
}

fn beat(seq: u64, ended: bool) -> Pulse {
    let status = status();
    Pulse::of(&Beat {
        system: status.system,
        epoch: status.epoch,
        seq,
        head: status.journal.head,
        jid: status.journal.jid,
        permission: status.permission,
        status: status.health.status,
        mode: status.mode,
        kill_switch: status.kill_switch,
        announced: status.announced,
        maintenance: status.maintenance,
        ended,
        at: status.timestamp,
    })
}

#[test]
fn one_comes_at_once_and_they_go_on_beyond_a_connection_s_age() {
    let fake = FakeLoop::start(Does::Answers(Box::new(status())));
    let limits = Limits { connection: Duration::from_millis(300), ..Limits::OBSERVE };
    let (address, _doors) = open(fake.link(), limits);
    let mut stream = listen(address);
    let first = event(&mut stream).unwrap();
    assert_eq!((first.system.as_str(), first.epoch, first.seq, first.ended), ("demo", 7, 1, false));
    assert_eq!(first.announced, status().announced);
    assert_eq!((event(&mut stream).unwrap().seq, event(&mut stream).unwrap().seq), (2, 3));
}

#[test]
fn a_loop_that_stands_still_makes_the_stream_stand_still() {
    let fake = FakeLoop::start(Does::Beats(2));
    let (address, _doors) = open(fake.link(), Limits::OBSERVE);
    let mut stream = listen(address);
    assert_eq!((event(&mut stream).unwrap().seq, event(&mut stream).unwrap().seq), (1, 2));
    // Two more would have come by then; the doors' thread is well, as another page shows.
    stream.get_ref().set_read_timeout(Some(Duration::from_millis(2_500))).unwrap();
    let mut line = String::new();
    while let Ok(read) = stream.read_line(&mut line) {
        assert!(read > 0 && !line.contains("data:"), "{line}");
        line.clear();
    }
    assert_eq!(exchange(TcpStream::connect(address).unwrap(), &get("/paths")).code, 200);
    // And nobody new is told that it beats.
    let limits = Limits { answer: Duration::from_millis(50), ..Limits::OBSERVE };
    let (address, _doors) = open(fake.link(), limits);
    assert_eq!(exchange(TcpStream::connect(address).unwrap(), &get(PATH)).code, 503);
}

#[test]
fn there_are_only_so_many_and_a_place_is_free_again_when_one_goes() {
    let fake = FakeLoop::start(Does::Answers(Box::new(status())));
    let (address, _doors) = open(fake.link(), Limits { streams: 2, ..Limits::OBSERVE });
    let mut first = listen(address);
    let mut second = listen(address);
    assert!(event(&mut first).is_some() && event(&mut second).is_some());
    let third = exchange(TcpStream::connect(address).unwrap(), &get(PATH));
    assert_eq!(third.code, 503);
    assert!(third.json()["error"].as_str().unwrap().contains("2 streams"), "{third:?}");
    drop(first);
    // It goes when the next beat finds it gone.
    let end = std::time::Instant::now() + PATIENCE;
    let mut line = String::new();
    while !line.contains(" 200 ") {
        assert!(std::time::Instant::now() < end, "{line}");
        line.clear();
        listen(address).read_line(&mut line).unwrap();
    }
    assert!(event(&mut second).is_some());
}

#[test]
fn the_last_word_is_heard_and_ends_the_stream() {
    let fake = FakeLoop::start(Does::Answers(Box::new(status())));
    let (pulses, beats) = watch::channel(None);
    // The loop's beats are ours to make here.
    let (address, doors) = open(Link { beats, ..fake.link() }, Limits::OBSERVE);
    pulses.send_replace(Some(beat(5, false)));
    let mut stream = listen(address);
    assert_eq!(event(&mut stream).unwrap().seq, 5);
    pulses.send_replace(Some(beat(9, true)));
    drop(pulses);
    let last = event(&mut stream).unwrap();
    assert_eq!((last.seq, last.ended), (9, true));
    assert_eq!(event(&mut stream), None);
    doors.close();
}

#[test]
fn nobody_asks_the_loop_when_nobody_listens() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (commands, mut requests) = tokio::sync::mpsc::channel(8);
        let (_pulses, beats) = watch::channel(None);
        let beats = Beats::new(commands, beats, Duration::from_secs(1));
        let ticking = beats.ticking();
        for _ in 0..3 {
            let request: crate::command::Request = requests.recv().await.unwrap();
            let (_, reply) = request.into_parts();
            let _ = reply.send(crate::command::Answer::Done);
        }
        drop(ticking);
        assert!(timeout(Duration::from_secs(3600), requests.recv()).await.is_err(), "asked with no listener");
    });
}

#[test]
fn a_peer_that_takes_nothing_loses_its_place() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fake = FakeLoop::start(Does::Answers(Box::new(status())));
        let beats = Arc::new(Beats::new(fake.commands.clone(), fake.beats.clone(), Duration::from_millis(2)));
        let streams = Streams::new(beats, 1, PATIENCE);
        let limits = Limits { write: Duration::from_millis(200), ..Limits::OBSERVE };
        let (_closing, closed) = watch::channel(false);
        let mut connections = Connections::new(limits, closed);
        let slot = connections.slot().await.unwrap();
        // A peer with room for less than two events.
        let (ours, mut theirs) = tokio::io::duplex(512);
        let served = tokio::spawn(connections.serve(ours, with_beat(Router::new(), &streams), slot));
        theirs.write_all(format!("GET {PATH} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut begins = [0; 12];
        theirs.read_exact(&mut begins).await.unwrap();
        assert_eq!(&begins, b"HTTP/1.1 200");
        // It ends although the peer is still there.
        timeout(PATIENCE, served).await.unwrap().unwrap();
        assert_eq!(streams.slots.available_permits(), 1);
    });
}
