//! What the watchdog costs: size, resident memory, processor time a probe with 1, 100 and 1000 targets, beside a bare HTTP
//! exchange of the same kind and, where they are installed, monit and prometheus-blackbox-exporter. And how long from a fault to
//! the first attempt at a channel.
//!
//! `cargo bench --profile small -p failstop-watchdog --bench footprint`: the program as it is meant to be installed. `FAILSTOP_BENCH_SECONDS` sets the length of each window (default 20).
//! Loopback only; ends what it started.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const INTERVAL_SECONDS: u64 = 10;

fn main() {
    let seconds = std::env::var("FAILSTOP_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let window = Duration::from_secs(seconds);
    let program = env!("CARGO_BIN_EXE_failstop-watchdog");
    println!(
        "binary                 {:>8.2} MB (reach 6)",
        megabytes(std::fs::metadata(program).map_or(0, |meta| meta.len()))
    );
    let server = Server::start();
    println!(
        "bare exchange          {:>8.1} us of processor time, both sides on this machine, kept connection",
        bare(&server)
    );
    for targets in [1, 100, 1000] {
        let (usage, probes) = watchdog(&server, targets, window);
        println!(
            "watchdog {targets:>5} targets {:>8.2} MB resident {:>8.3} % of one processor, {:>6.1} us a probe, {probes} probes of {} due",
            megabytes(usage.resident),
            usage.percent,
            usage.micros / count(probes.max(1)),
            window.as_secs() / INTERVAL_SECONDS * targets
        );
    }
    monit(&server, window);
    blackbox(&server, window);
    attempts();
}

fn count(value: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure to print")]
    let value = value as f64;
    value
}

fn megabytes(bytes: u64) -> f64 {
    count(bytes) / 1e6
}

/// Answers every request on every connection with a healthy body; counts them.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    streams: Arc<AtomicBool>,
    dead: Arc<AtomicBool>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let (requests, streams, dead) =
            (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (counter, beats, ended) = (Arc::clone(&requests), Arc::clone(&streams), Arc::clone(&dead));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counter, beats, ended) = (Arc::clone(&counter), Arc::clone(&beats), Arc::clone(&ended));
                let _ = std::thread::Builder::new()
                    .stack_size(64 * 1024)
                    .spawn(move || drop(serve(stream, &counter, &beats, &ended)));
            }
        });
        Self { address, requests, streams, dead }
    }
}

fn serve(mut stream: TcpStream, counter: &AtomicU64, beats: &AtomicBool, dead: &AtomicBool) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(1024, stream.try_clone()?);
    let mut line = String::new();
    loop {
        let mut path = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 || dead.load(Ordering::Relaxed) {
                return Ok(());
            }
            if path.is_empty() {
                line.split(' ').nth(1).unwrap_or_default().clone_into(&mut path);
            }
            if line == "\r\n" {
                break;
            }
        }
        let now = jiff::Timestamp::now();
        if path == "/api/beat" && beats.load(Ordering::Relaxed) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")?;
            let mut seq = 0u64;
            while !dead.load(Ordering::Relaxed) {
                seq += 1;
                write!(
                    stream,
                    "data: {{\"system\":\"demo\",\"epoch\":1,\"seq\":{seq},\"head\":\"x\",\"status\":\"healthy\",\"announced\":null,\"at\":\"{now}\"}}\n\n"
                )?;
                std::thread::sleep(Duration::from_millis(100));
            }
            return Ok(());
        }
        let seq = counter.fetch_add(1, Ordering::Relaxed);
        let (status, body) = if path.starts_with("/health") {
            (200, health(now, seq, path.rsplit_once("nonce=").map_or("", |(_, nonce)| nonce)))
        } else {
            (404, "{}".to_owned())
        };
        write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    }
}

/// What an engine answers: fresh, to this nonce, with a head that goes on.
fn health(now: jiff::Timestamp, seq: u64, nonce: &str) -> String {
    format!(
        "{{\"status\":\"healthy\",\"timestamp\":\"{now:.3}\",\"nonce\":\"{nonce}\",\"epoch\":1,\"kill_switch\":false,\
         \"permission\":\"active\",\"journal\":{{\"jid\":\"{:032x}\",\"seq\":{seq},\"head\":\"{seq:064x}\"}}}}",
        1
    )
}

/// Processor time of an exchange on a kept connection, client and server together, microseconds.
fn bare(server: &Server) -> f64 {
    const EXCHANGES: u32 = 20_000;
    let mut stream = TcpStream::connect(server.address).unwrap_or_else(|error| panic!("{error}"));
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 4096];
    let before = micros_of("self").unwrap_or(0.0);
    for _ in 0..EXCHANGES {
        let sent = stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
        assert!(sent.is_ok() && stream.read(&mut buffer).is_ok_and(|read| read > 0), "the server answers");
    }
    (micros_of("self").unwrap_or(0.0) - before) / f64::from(EXCHANGES)
}

struct Usage {
    resident: u64,
    percent: f64,
    micros: f64,
}

/// Processor time of every thread that lives, microseconds.
fn micros_of(pid: &str) -> Option<f64> {
    let mut nanos = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanos += text.split(' ').next()?.parse::<f64>().ok()?;
    }
    Some(nanos / 1000.0)
}

fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn measure(child: &Child, window: Duration) -> Usage {
    let pid = child.id().to_string();
    let (begin, before) = (Instant::now(), micros_of(&pid).unwrap_or(0.0));
    std::thread::sleep(window);
    let micros = micros_of(&pid).unwrap_or(0.0) - before;
    Usage { resident: resident(child.id()), percent: micros / begin.elapsed().as_secs_f64() / 10_000.0, micros }
}

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, targets: &str) -> Ends {
    let config = format!(
        "[watchdog]\nlisten = \"off\"\nstate_dir = \"state\"\n{targets}[alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"alerts.log\"\n"
    );
    std::fs::write(folder.join("watchdog.toml"), config).unwrap_or_else(|error| panic!("{error}"));
    let child = Command::new(env!("CARGO_BIN_EXE_failstop-watchdog"))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ends(child.unwrap_or_else(|error| panic!("{error}")))
}

fn watchdog(server: &Server, targets: u64, window: Duration) -> (Usage, u64) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let mut text = String::new();
    for n in 0..targets {
        let _ = write!(
            text,
            "[[target]]\nname = \"t{n}\"\nurl = \"http://{}/health\"\ninterval = \"{INTERVAL_SECONDS}s\"\nstream = \"off\"\n",
            server.address
        );
    }
    let running = start(folder.path(), &text);
    // The first round opens the connections and is not counted.
    std::thread::sleep(Duration::from_secs(INTERVAL_SECONDS + 1));
    let before = server.requests.load(Ordering::Relaxed);
    let usage = measure(&running.0, window);
    (usage, server.requests.load(Ordering::Relaxed) - before)
}

fn monit(server: &Server, window: Duration) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let rc = folder.path().join("monitrc");
    let mut text = format!(
        "set daemon {INTERVAL_SECONDS}\nset pidfile {0}/pid\nset idfile {0}/id\nset statefile {0}/state\n",
        folder.path().display()
    );
    for n in 0..100 {
        let _ = write!(
            text,
            "check host t{n} with address 127.0.0.1\n if failed port {} protocol http request \"/health\" then alert\n",
            server.address.port()
        );
    }
    let written = std::fs::write(&rc, text).and_then(|()| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&rc, std::fs::Permissions::from_mode(0o600))
    });
    assert!(written.is_ok());
    match Command::new("monit").args(["-I", "-c"]).arg(&rc).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Err(_) => println!("monit                  not installed (Debian: monit)"),
        Ok(child) => {
            let running = Ends(child);
            std::thread::sleep(Duration::from_secs(INTERVAL_SECONDS + 1));
            let usage = measure(&running.0, window);
            println!(
                "monit      100 targets {:>8.2} MB resident {:>8.3} % of one processor",
                megabytes(usage.resident),
                usage.percent
            );
        }
    }
}

fn blackbox(server: &Server, window: Duration) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let config = folder.path().join("blackbox.yml");
    assert!(std::fs::write(&config, "modules:\n  http_2xx:\n    prober: http\n").is_ok());
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_or(0, |address| address.port());
    let child = Command::new("prometheus-blackbox-exporter")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        println!("blackbox exporter      not installed (Debian: prometheus-blackbox-exporter)");
        return;
    };
    let running = Ends(child);
    let address = server.address;
    let stop = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&stop);
    // It probes only when it is asked to: 100 targets every interval.
    let asker = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                let _ = write!(
                    stream,
                    "GET /probe?module=http_2xx&target=http://{address}/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.read_to_end(&mut Vec::new());
            }
            std::thread::sleep(Duration::from_secs(INTERVAL_SECONDS) / 100);
        }
    });
    std::thread::sleep(Duration::from_secs(2));
    let usage = measure(&running.0, window);
    stop.store(true, Ordering::Relaxed);
    let _ = asker.join();
    println!(
        "blackbox   100 targets {:>8.2} MB resident {:>8.3} % of one processor",
        megabytes(usage.resident),
        usage.percent
    );
}

/// From the death of the target to the first alert in the log file, with the live stream open.
fn attempts() {
    let mut times = Vec::new();
    for _ in 0..5 {
        let server = Server::start();
        server.streams.store(true, Ordering::Relaxed);
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let text = format!(
            "[[target]]\nname = \"demo\"\nurl = \"http://{}/health\"\ninterval = \"60s\"\nwitness = false\n",
            server.address
        );
        let _running = start(folder.path(), &text);
        std::thread::sleep(Duration::from_secs(2));
        let begin = Instant::now();
        server.dead.store(true, Ordering::Relaxed);
        let log = folder.path().join("alerts.log");
        while std::fs::metadata(&log).map_or(0, |meta| meta.len()) == 0 && begin.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(2));
        }
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    println!(
        "fault to first attempt {:>8.0} ms, the worst of {} ({:.0} ms the middle one); reach 900",
        times[times.len() - 1].as_secs_f64() * 1e3,
        times.len(),
        times[times.len() / 2].as_secs_f64() * 1e3
    );
}
