//! A fake engine: `/health`, `/api/beat`, and `/api/journal` behind signed requests, as it is told. In this process, on a port
//! of loopback.

use failstop_client::signed::{Key, Request, Verifier};
use failstop_journal::Head;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How it behaves.
pub struct Behaviour {
    pub healthy: bool,
    pub echo_nonce: bool,
    /// Whether it answers at all.
    pub answers: bool,
    pub stream: bool,
    /// Whether it gives the lines of its journal.
    pub lines: bool,
    pub epoch: u64,
    /// Each record's hash and line.
    pub journal: Vec<(Head, Vec<u8>)>,
    pub jid: String,
    pub requests: usize,
}

pub struct Fake {
    pub address: SocketAddr,
    pub behaviour: Arc<Mutex<Behaviour>>,
    stop: Arc<AtomicBool>,
}

impl Fake {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let behaviour = Arc::new(Mutex::new(Behaviour {
            healthy: true,
            echo_nonce: true,
            answers: true,
            stream: false,
            lines: true,
            epoch: 3,
            journal: journal(5, ""),
            jid: "0123456789abcdef0123456789abcdef".to_owned(),
            requests: 0,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let key = Key::parse(&format!("wd1:{}", "5a".repeat(32))).unwrap_or_else(|error| panic!("{error}"));
        let verifier = Verifier::new([key], now_ms()).unwrap_or_else(|error| panic!("{error}"));
        let verifier = Arc::new(Mutex::new(verifier));
        let (shared, ended) = (Arc::clone(&behaviour), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared, ended, verifier) =
                    (stream, Arc::clone(&shared), Arc::clone(&ended), Arc::clone(&verifier))
                else {
                    continue;
                };
                std::thread::spawn(move || drop(serve(stream, &shared, &ended, &verifier)));
            }
        });
        Self { address, behaviour, stop }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The listener waits for one more connection to see that.
        drop(TcpStream::connect(self.address));
    }
}

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn now_text() -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(now_ms()).unwrap_or(0));
    at.map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// A journal of so many records with a valid chain; another salt makes another one.
pub fn journal(records: u64, salt: &str) -> Vec<(Head, Vec<u8>)> {
    let mut head = Head::from_hex(&[b'0'; 64]).unwrap_or_else(|| panic!("64 digits"));
    (1..=records)
        .map(|seq| {
            let body = format!(
                r#"{{"seq":{seq},"d":0,"ep":1,"ts":"2026-11-07T00:05:00.123456789Z","t":"x.n","b":{{"s":"{salt}"}}"#
            );
            head = head.next(body.as_bytes());
            (head, format!("{body},\"h\":\"{head}\"}}\n").into_bytes())
        })
        .collect()
}

fn serve(
    stream: TcpStream,
    behaviour: &Mutex<Behaviour>,
    ended: &AtomicBool,
    verifier: &Mutex<Verifier>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut words = line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        let (mut length, mut authorization) = (0usize, None);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap_or(0),
                "authorization" => authorization = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let lock = || behaviour.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lock().requests += 1;
        while !lock().answers {
            if ended.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let path = target.split('?').next().unwrap_or_default();
        let query = |name: &str| {
            target.split_once('?').and_then(|(_, query)| {
                query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
            })
        };
        match path {
            "/health" => {
                let answer = {
                    let it = lock();
                    let last = it.journal.last().map(|(head, _)| head.to_string()).unwrap_or_default();
                    let nonce = if it.echo_nonce {
                        query("nonce").map(|nonce| format!(",\"nonce\":\"{nonce}\"")).unwrap_or_default()
                    } else {
                        String::new()
                    };
                    let status = if it.healthy { "healthy" } else { "critical" };
                    format!(
                        r#"{{"status":"{status}","timestamp":"{}","epoch":{},"kill_switch":false,"journal":{{"seq":{},"head":"{last}","jid":"{}"}}{nonce}}}"#,
                        now_text(),
                        it.epoch,
                        it.journal.len(),
                        it.jid
                    )
                };
                let code = if lock().healthy { 200 } else { 503 };
                respond(&mut stream, code, answer.as_bytes())?;
            }
            "/api/beat" if lock().stream => {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )?;
                while !ended.load(Ordering::Relaxed) && lock().stream {
                    if lock().answers {
                        let beat = {
                            let it = lock();
                            let last = it.journal.last().map(|(head, _)| head.to_string()).unwrap_or_default();
                            format!(
                                "data: {{\"system\":\"demo\",\"epoch\":{},\"seq\":{},\"head\":\"{last}\",\"permission\":\"active\",\"status\":\"healthy\",\"mode\":\"dry\",\"announced\":null,\"at\":\"{}\"}}\n\n",
                                it.epoch,
                                it.journal.len(),
                                now_text()
                            )
                        };
                        write!(stream, "{:x}\r\n{beat}\r\n", beat.len())?;
                    }
                    std::thread::sleep(Duration::from_millis(200));
                }
                return Ok(());
            }
            "/api/journal" if !lock().lines => respond(&mut stream, 503, b"{\"error\":\"it ends\"}")?,
            "/api/journal" => {
                let request = Request { audience: "demo", method: &method, target: &target, body: &body };
                let verified = verifier.lock().unwrap_or_else(std::sync::PoisonError::into_inner).verify(
                    &request,
                    authorization.as_deref(),
                    now_ms(),
                );
                match verified {
                    Err(refusal) => respond(&mut stream, 401, refusal.to_string().as_bytes())?,
                    Ok(_) => {
                        let from: usize = query("from_seq").and_then(|from| from.parse().ok()).unwrap_or(1);
                        // As the engine: a piece that could not hold the longest line is refused, and so is a start beyond the
                        // next record.
                        let limit = query("limit").and_then(|limit| limit.parse::<usize>().ok());
                        if !limit.is_none_or(|limit| (65_536..=1_048_576).contains(&limit)) {
                            respond(&mut stream, 400, b"{\"error\":\"`limit`\"}")?;
                            continue;
                        }
                        let ends_at = lock().journal.len();
                        if from > ends_at + 1 {
                            let head =
                                format!("HTTP/1.1 409 x\r\nfailstop-seq: {ends_at}\r\ncontent-length: 2\r\n\r\n{{}}");
                            stream.write_all(head.as_bytes())?;
                            continue;
                        }
                        let text: Vec<u8> = lock()
                            .journal
                            .iter()
                            .skip(from.saturating_sub(1))
                            .take(1000)
                            .flat_map(|(_, line)| line.clone())
                            .collect();
                        respond(&mut stream, 200, &text)?;
                    }
                }
            }
            _ => respond(&mut stream, 404, b"{}")?,
        }
    }
}

fn respond(stream: &mut TcpStream, status: u16, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)
}
