//! What the observe address does for those who look: one page over and over, beside a bare hyper server that answers as many bytes; a
//! hundred viewers of the dashboard; and what failstop uses meanwhile.

use crate::footprint::{megabytes, processor_ns, pss_kib};
use crate::run::{Run, monotonic};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What this program is started with to be the reference; the bytes of its answer follow.
pub const BARE: &str = "--bare-http";

/// How long viewers watch, seconds; half a minute where it is not set.
const SECONDS: &str = "FAILSTOP_BENCH_WATCH_SECONDS";

/// How far requests of one connection are apart, and how many of them are in a batch. The engine's loop is asked at most once in 20 ms for
/// all who wait, so that whoever asks again at once waits for that.
const PACES: [(&str, Duration, usize); 2] =
    [("30 ms apart", Duration::from_millis(30), 30), ("one after the other", Duration::ZERO, 100)];

/// Batches of each, in turn, since the machine's speed changes while this runs.
const BATCHES: usize = 10;

/// Connections that ask as fast as they are answered, and for how long.
const ASKING: usize = 8;
const ASKED_FOR: Duration = Duration::from_secs(5);

/// Viewers of the page.
const VIEWERS: usize = 100;

const SYSTEM: &str = "[[component]]\nname = \"bot\"\ncommand = [\"STAMP\", \"DIR/stamps\"]\norders = \"none\"\n";

/// All of it.
pub fn doors() {
    one_page();
    for viewers in [0, 1, VIEWERS] {
        watched_by(viewers);
    }
}

/// The reference: hyper on one thread, which answers everything with so many bytes. Says where it listens and serves until it is
/// killed.
pub fn bare(bytes: usize) {
    let body = Bytes::from(vec![b'x'; bytes]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let body = body.clone();
            let answer = move |_: Request<Incoming>| {
                let body = body.clone();
                async move {
                    let answer = Response::builder().header("content-type", "application/json").body(Full::new(body));
                    Ok::<_, Infallible>(answer.unwrap())
                }
            };
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer));
            tokio::spawn(serving);
        }
    });
}

struct Reference(Child, SocketAddr);

impl Reference {
    fn start(bytes: usize) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program).args([BARE, &bytes.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().parse().unwrap())
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One connection that asks for `/health`, one request after the other.
struct Asking {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Asking {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n");
        Self { stream: BufReader::new(stream), request }
    }

    /// Asks once; how many bytes the body has.
    fn ask(&mut self) -> usize {
        self.stream.get_mut().write_all(self.request.as_bytes()).unwrap();
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "the connection ended");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        length
    }
}

fn address_of(run: &Run) -> SocketAddr {
    run.status().unwrap()["observe"].as_str().unwrap().trim_start_matches("http://").parse().unwrap()
}

/// The answer's times, and how many answers a second: ours and the reference's by turns.
fn one_page() {
    let run = Run::start(SYSTEM);
    let ours = address_of(&run);
    let bytes = Asking::to(ours).ask();
    let reference = Reference::start(bytes);
    let bare = reference.1;
    for (how, apart, asked) in PACES {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..BATCHES {
            for (address, times) in [ours, bare].into_iter().zip(&mut times) {
                // A connection lives for a minute: each batch has its own.
                let mut asking = Asking::to(address);
                for _ in 0..asked {
                    std::thread::sleep(apart);
                    let before = monotonic();
                    asking.ask();
                    times.push((monotonic() - before) as f64 / 1e3);
                }
            }
        }
        let [ours_at, bare_at] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            (times[times.len() / 2], times[times.len() * 99 / 100])
        });
        println!(
            "/health, {bytes} bytes, {how}  ours {:.0} µs, p99 {:.0} µs   bare hyper {:.0} µs, p99 {:.0} µs   ratio {:.2}",
            ours_at.0,
            ours_at.1,
            bare_at.0,
            bare_at.1,
            ours_at.0 / bare_at.0
        );
    }
    let (ours, bare) = (a_second(ours), a_second(bare));
    println!(
        "/health, {ASKING} connections              ours {ours:.0} answers a second   bare hyper {bare:.0}   ratio {:.2}",
        ours / bare
    );
}

fn a_second(address: SocketAddr) -> f64 {
    let (go_on, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let threads: Vec<_> = (0..ASKING)
        .map(|_| {
            let (go_on, answered) = (Arc::clone(&go_on), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut asking = Asking::to(address);
                while go_on.load(Ordering::Relaxed) {
                    asking.ask();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    std::thread::sleep(ASKED_FOR);
    go_on.store(false, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    answered.load(Ordering::Relaxed) as f64 / ASKED_FOR.as_secs_f64()
}

/// Somebody who has the dashboard's page open: every byte is read, nothing is said.
fn watch(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /ws?view=page HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the connection ended");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// What guard and engine use while so many look at the page, and whether the permit ever ran out.
fn watched_by(viewers: usize) {
    let seconds: u64 = std::env::var(SECONDS).map_or(30, |text| text.parse().unwrap()).max(1);
    let run = Run::start(SYSTEM);
    let address = address_of(&run);
    let own = run.own_pids();
    let read = Arc::new(AtomicU64::new(0));
    let mut ends = Vec::new();
    let threads: Vec<_> = (0..viewers)
        .map(|_| {
            let (mut stream, read) = (watch(address), Arc::clone(&read));
            ends.push(stream.try_clone().unwrap());
            std::thread::spawn(move || {
                let mut chunk = [0; 16 * 1024];
                while let Ok(bytes @ 1..) = stream.read(&mut chunk) {
                    read.fetch_add(bytes as u64, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // Past the first pages, which are whole.
    std::thread::sleep(Duration::from_secs(3));
    let (cpu, bytes) = (own.iter().map(|pid| processor_ns(*pid)).sum::<u64>(), read.load(Ordering::Relaxed));
    std::thread::sleep(Duration::from_secs(seconds));
    let cpu = own.iter().map(|pid| processor_ns(*pid)).sum::<u64>() - cpu;
    let bytes = read.load(Ordering::Relaxed) - bytes;
    let pss: u64 = own.iter().map(|pid| pss_kib(*pid)).sum();
    let lapses = run.status().unwrap()["permit_lapses"].as_u64().unwrap();
    for end in ends {
        drop(end.shutdown(std::net::Shutdown::Both));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    println!(
        "{viewers:>3} viewers of the dashboard   {:.1} MB PSS, {:.2} % of a processor, {:.1} kB a second sent, {lapses} permits lapsed",
        megabytes(pss),
        cpu as f64 / 1e7 / seconds as f64,
        bytes as f64 / 1e3 / seconds as f64
    );
}
