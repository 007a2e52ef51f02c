//! What a watchdog on another host sees and may do: signed ends, beats, and the journal's lines. Over the plain listener on
//! loopback; TLS itself is tested beside the listener.

use crate::system::{PATIENCE, System, signal};
use failstop_client::permit::{Intent, PermitPage};
use failstop_client::signed::{Key, Nonce, Request};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n";

/// Two seconds of grace that are always used up: long enough to look at an end that is under way.
const STUBBORN: &str =
    "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ignore-term\"]\norders = \"asks\"\nstop_grace = \"2s\"\n";

pub fn secret(id: &str, digits: &str) -> String {
    format!("{id}:{}", digits.repeat(32))
}

pub fn key() -> Key {
    Key::parse(&secret("wd1", "5a")).unwrap()
}

fn listening(configuration: &str) -> System {
    let control = "[control]\nlisten = \"127.0.0.1:0\"\nkeys = [\"wd1.key\"]\n";
    let system = System::new(&format!("{configuration}{control}"));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(system.path("wd1.key")).unwrap();
    file.write_all(secret("wd1", "5a").as_bytes()).unwrap();
    system
}

pub struct Answer {
    pub code: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    pub fn read(mut stream: impl std::io::Read) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Self { code, body: bytes.get(end + 4..).unwrap_or_default().to_vec(), head }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.head.lines().find(found).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.head))
    }
}

pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn nonce() -> Nonce {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    Nonce(bytes)
}

/// The text of a request with this authorization.
pub fn text(method: &str, target: &str, body: &str, authorization: Option<&str>) -> String {
    let authorization = authorization.map(|value| format!("authorization: {value}\r\n")).unwrap_or_default();
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nhost: failstop\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{authorization}\r\n{body}"
    )
}

impl System {
    /// Where a door listens, as `engine.json` says.
    fn address(&self, door: &str) -> String {
        let info: Value = serde_json::from_str(&fs::read_to_string(self.path("run/engine.json")).unwrap()).unwrap();
        info[door].as_str().unwrap().trim_start_matches("http://").to_owned()
    }

    fn tcp(&self, door: &str) -> TcpStream {
        let stream = TcpStream::connect(self.address(door)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn sent(&self, request: &str) -> Answer {
        let mut stream = self.tcp("control");
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(stream)
    }

    pub fn signed(&self, method: &str, target: &str, body: &str, key: &Key, time_ms: u64) -> String {
        let request = Request { audience: &self.name, method, target, body: body.as_bytes() };
        text(method, target, body, Some(&key.sign(&request, time_ms, nonce()).unwrap()))
    }

    /// A good request over the control listener.
    fn ask(&self, method: &str, target: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.sent(&self.signed(method, target, &body, &key(), now_ms()))
    }

    fn epoch(&self) -> u64 {
        self.wait_answer()["epoch"].as_u64().unwrap()
    }

    fn beats(&self) -> Beats {
        let mut stream = self.tcp("observe");
        stream.write_all(text("GET", "/api/beat", "", None).as_bytes()).unwrap();
        Beats(BufReader::new(stream))
    }
}

struct Beats(BufReader<TcpStream>);

impl Beats {
    /// The next beat within this time, or before the stream ends.
    fn within(&mut self, wait: Duration) -> Option<Value> {
        self.0.get_ref().set_read_timeout(Some(wait)).unwrap();
        let mut line = String::new();
        while self.0.read_line(&mut line).ok()? > 0 {
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
            line.clear();
        }
        None
    }

    fn next(&mut self) -> Option<Value> {
        self.within(PATIENCE)
    }
}

#[test]
fn a_signed_stop_ends_the_epoch_that_was_meant_and_shows_in_the_head() {
    let mut system = listening(BOT);
    system.start();
    system.wait_active();
    let epoch = system.epoch();
    let mut beats = system.beats();
    assert_eq!(beats.next().unwrap()["announced"], Value::Null);

    let stop = |epoch: u64| json!({ "expected_epoch": epoch, "reason": "no progress for 3 min" });
    let path = "/api/control/stop";
    let body = stop(epoch).to_string();
    let other = Key::parse(&secret("wd1", "00")).unwrap();
    let once = system.signed("GET", "/health", "", &key(), now_ms());
    assert_eq!(system.sent(&once).code, 200);
    for (what, request) in [
        ("unsigned", text("POST", path, &body, None)),
        ("wrong key", system.signed("POST", path, &body, &other, now_ms())),
        ("stale", system.signed("POST", path, &body, &key(), now_ms() - 60_000)),
        ("replayed", once),
    ] {
        assert_eq!(system.sent(&request).code, 401, "{what}");
    }
    let wrong = system.ask("POST", path, &stop(epoch + 1));
    assert_eq!((wrong.code, wrong.json()["epoch"].as_u64()), (409, Some(epoch)));
    assert_eq!(system.wait_answer()["announced"], Value::Null);

    let receipt = system.ask("POST", path, &stop(epoch));
    assert_eq!(receipt.code, 200, "{}", receipt.head);
    let receipt = receipt.json();
    assert_eq!(
        (&receipt["epoch"], &receipt["state"], &receipt["recorded"]),
        (&json!(epoch), &json!("stopping"), &json!(true))
    );
    let mut last = Value::Null;
    while let Some(beat) = beats.next() {
        last = beat;
    }
    assert_eq!(system.wait_end(), 0);

    let records = system.records();
    let announced = records.iter().find(|record| record["t"] == "x.failstop.end_announced").unwrap();
    assert_eq!(announced["b"]["kind"], "stop");
    assert_eq!(announced["b"]["by"], "watchdog wd1");
    assert_eq!(announced["b"]["reason"], "no progress for 3 min");
    // The receipt is the journal's own head at that time, and the announcement is before it.
    let seq = receipt["seq"].as_u64().unwrap();
    assert!(announced["seq"].as_u64().unwrap() <= seq);
    assert_eq!(records[usize::try_from(seq).unwrap() - 1]["h"], receipt["head"]);
    // The last word is the sealed head, right behind the stop.
    let [.., stopped, sealed] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((&stopped["t"], &sealed["t"]), (&json!("engine.stopped"), &json!("seg.close")));
    assert_eq!((&last["ended"], &last["seq"], &last["head"]), (&json!(true), &sealed["seq"], &sealed["h"]), "{last}");
    assert_eq!(last["announced"]["kind"], "stop");
}

#[test]
fn a_restart_is_announced_and_asks_to_be_started_again() {
    let mut system = listening(STUBBORN);
    system.start();
    system.wait_active();
    let epoch = system.epoch();
    let body = json!({ "expected_epoch": epoch, "reason": "hung" });
    let receipt = system.ask("POST", "/api/control/restart", &body);
    assert_eq!((receipt.code, &receipt.json()["state"]), (200, &json!("restarting")));
    // Twice is once.
    assert_eq!(system.ask("POST", "/api/control/restart", &body).code, 200);
    let health = system.ask("GET", "/health?nonce=n-1", &Value::Null).json();
    assert_eq!((&health["announced"]["kind"], &health["nonce"]), (&json!("restart"), &json!("n-1")));
    assert_eq!((&health["epoch"], health["journal"]["head"].as_str().map(str::len)), (&json!(epoch), Some(64)));
    assert_eq!(system.status().unwrap()["announced"]["reason"], "hung");
    assert_eq!(system.wait_end(), 8);
    assert_eq!(system.records().iter().filter(|record| record["t"] == "x.failstop.end_announced").count(), 1);

    system.start();
    assert_eq!(system.wait_active()["announced"], Value::Null);
    assert_eq!(system.epoch(), epoch + 1);
    // A stop that comes after it takes a restart back.
    let body = json!({ "expected_epoch": epoch + 1, "reason": "hung" });
    assert_eq!(system.ask("POST", "/api/control/restart", &body).code, 200);
    assert_eq!(system.stop(), 0);
}

#[test]
fn whoever_stopped_it_by_the_kill_switch_is_not_overruled() {
    let mut system = listening(BOT);
    system.start();
    system.wait_active();
    let body = json!({ "expected_epoch": system.epoch(), "reason": "hung" });
    let engaged = system.run("kill-switch engage", &["--reason", "enough"]);
    assert_eq!(engaged.status.code(), Some(0));
    let refused = system.ask("POST", "/api/control/restart", &body);
    assert_eq!(refused.code, 409);
    assert!(refused.json()["error"].as_str().unwrap().contains("kill switch"), "{}", refused.json());
    assert_eq!(system.wait_answer()["announced"], Value::Null);
    assert_eq!(system.ask("POST", "/api/control/stop", &body).code, 200);
    assert_eq!(system.wait_end(), 5);
}

#[test]
fn a_kill_switch_during_a_restart_takes_it_back() {
    let mut system = listening(STUBBORN);
    system.start();
    system.wait_active();
    let body = json!({ "expected_epoch": system.epoch(), "reason": "hung" });
    assert_eq!(system.ask("POST", "/api/control/restart", &body).code, 200);
    let engaged = system.run("kill-switch engage", &["--reason", "enough"]);
    assert_eq!(engaged.status.code(), Some(0));
    assert_eq!(system.wait_end(), 5);
}

#[test]
fn a_signal_is_announced_as_a_stop() {
    let mut system = listening(STUBBORN);
    system.start();
    system.wait_active();
    let mut beats = system.beats();
    assert_eq!(beats.next().unwrap()["announced"], Value::Null);
    signal(system.guard_pid(), libc::SIGTERM);
    let beat = std::iter::from_fn(|| beats.next()).find(|beat| !beat["announced"].is_null()).unwrap();
    assert_eq!((&beat["announced"]["kind"], &beat["ended"]), (&json!("stop"), &json!(false)));
    assert_eq!(system.wait_end(), 0);
    let announced = system.wait_record(1, "x.failstop.end_announced", |_| true);
    assert_eq!((&announced["b"]["by"], &announced["b"]["reason"]), (&json!("a signal"), &json!("SIGTERM")));
}

/// Many events of different lengths, and then silence.
const WRITER: &str = r#"
import json, os, socket, time
stream = socket.socket(socket.AF_UNIX)
stream.connect(os.environ["FAILSTOP_SOCKET"])
lines = stream.makefile("rb")
for number in range(1, 1501):
    data = {"n": number, "pad": "y" * (number * 37 % 600 if number % 100 else 30000)}
    stream.sendall(json.dumps({"type": "event", "id": number, "name": "x.test", "data": data}).encode() + b"\n")
    while json.loads(lines.readline()).get("id") != number:
        pass
time.sleep(3600)
"#;

#[test]
fn the_journal_s_lines_are_the_files_byte_for_byte() {
    let mut system = listening(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"python3\", \"writer.py\"]\norders = \"asks\"\n",
        "[journal]\nsegment_max = \"128KiB\"\n",
    ));
    fs::write(system.path("writer.py"), WRITER).unwrap();
    system.start();
    system.wait_record(1, "x.test", |body| body["n"] == 1500);

    let (mut copy, mut from) = (Vec::new(), 1_u64);
    let head = loop {
        let answer = system.ask("GET", &format!("/api/journal?from_seq={from}&limit=65536"), &Value::Null);
        assert_eq!(answer.code, 200, "{}", answer.head);
        assert!(answer.body.len() <= 65_536);
        let number = |name: &str| answer.header(name).unwrap().parse::<u64>().unwrap();
        let next = number("failstop-next-seq");
        copy.extend_from_slice(&answer.body);
        if next == number("failstop-seq") + 1 {
            break answer.header("failstop-head").unwrap().to_owned();
        }
        assert!(next > from);
        from = next;
    };
    let last: Value = serde_json::from_slice(copy.split(|byte| *byte == b'\n').rev().nth(1).unwrap()).unwrap();
    assert_eq!(last["h"], head);
    let mut files: Vec<_> =
        fs::read_dir(system.path("state/journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    assert!(files.len() > 3, "{files:?}");
    let all: Vec<u8> = files.iter().flat_map(|file| fs::read(file).unwrap()).collect();
    assert!(all.starts_with(&copy), "{} bytes differ from the files' {}", copy.len(), all.len());

    // The same for a local user, and clear words where there is nothing.
    let local = |target: &str| {
        let mut stream = UnixStream::connect(system.path("run/control.sock")).unwrap();
        stream.write_all(text("GET", target, "", None).as_bytes()).unwrap();
        Answer::read(stream)
    };
    let answer = local("/api/journal?from_seq=1&limit=65536");
    assert!(answer.code == 200 && copy.starts_with(&answer.body) && !answer.body.is_empty());
    let above = local("/api/journal?from_seq=1000000");
    assert_eq!((above.code, above.header("failstop-journal").map(str::len)), (409, Some(32)));
    assert_eq!(local("/api/journal?from_seq=0").code, 400);
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_frozen_engine_does_not_beat_and_a_woken_one_does() {
    let mut system = listening(BOT);
    system.start();
    system.wait_active();
    let mut beats = system.beats();
    assert!(beats.next().is_some() && beats.next().is_some());
    let engine = system.engine_pid();
    signal(engine, libc::SIGSTOP);
    let frozen = Instant::now();
    // What was on its way may still arrive; behind two seconds there is nothing.
    while let Some(left) = Duration::from_secs(2).checked_sub(frozen.elapsed()).filter(|left| !left.is_zero()) {
        beats.within(left);
    }
    assert_eq!(beats.within(Duration::from_secs(3)), None);
    signal(engine, libc::SIGCONT);
    assert!(beats.next().is_some());
    assert_eq!(system.stop(), 0);
}

#[test]
fn slow_peers_at_the_listener_never_hold_up_the_renewal() {
    let mut system = listening(BOT);
    system.start();
    system.wait_active();
    let permit = PermitPage::open(&system.path("run/permit")).unwrap();
    let mut slow: Vec<TcpStream> = (0..400).map(|_| system.tcp("control")).collect();
    let drip = text("GET", "/health", "", Some("Failstop-HMAC-SHA256 key=wd1"));
    let end = Instant::now() + Duration::from_secs(8);
    let mut checks = 0_u32;
    for byte in drip.bytes().cycle() {
        for stream in &mut slow {
            // Those whose time is over are gone.
            let _ = stream.write_all(&[byte]);
        }
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until {
            assert!(permit.check(1, Intent::Open).allows(), "denied after {checks} checks; log:\n{}", system.log());
            checks += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        if Instant::now() > end {
            break;
        }
    }
    drop(slow);
    assert_eq!(system.ask("GET", "/health", &Value::Null).code, 200);
    assert_eq!(system.wait_answer()["permit_lapses"], 0);
    assert_eq!(system.stop(), 0);
}
