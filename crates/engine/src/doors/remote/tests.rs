#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod people;

use super::{RemoteListener, RemoteUnavailable};
use crate::access::Pace;
use crate::config::{Control, Listen};
use crate::doors::fake_loop::{Does, FakeLoop, Reply, exchange, reply};
use crate::doors::tls::{Tls, TlsError, not_after};
use crate::doors::{HttpDoors, Limits, Listeners};
use crate::status::tests::status;
use failstop_client::signed::{Key, Nonce, Request};
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Long enough for anything here on a busy machine; never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

struct Files {
    dir: tempfile::TempDir,
    cert: CertificateDer<'static>,
    control: Control,
}

fn private(path: &Path, text: &str) -> PathBuf {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

fn secret(id: &str, digits: &str) -> String {
    format!("{id}:{}\n", digits.repeat(32))
}

/// Two watchdogs' keys, and a certificate for `localhost`.
fn files() -> Files {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let control = Control {
        listen: Listen::At((Ipv4Addr::LOCALHOST, 0).into()),
        tls_cert: Some(private(&at("cert.pem"), &made.cert.pem())),
        tls_key: Some(private(&at("key.pem"), &made.signing_key.serialize_pem())),
        keys: vec![private(&at("wd1.key"), &secret("wd1", "5a")), private(&at("wd2.key"), &secret("wd2", "c3"))],
        ..Control::off()
    };
    let cert = made.cert.der().clone();
    Files { dir, cert, control }
}

struct Open {
    files: Files,
    address: SocketAddr,
    refused: Arc<AtomicU64>,
    fake: FakeLoop,
    _doors: HttpDoors,
}

fn open_with(does: Does, files: Files, limits: Limits, penalty: Duration) -> Open {
    let fake = FakeLoop::start(does);
    let pace = Pace { first: penalty, most: penalty, ..Pace::CONTROL };
    let listener = RemoteListener::open_with(&files.control, "demo", now(), limits, pace).unwrap().unwrap();
    let listener = listener.controlling(vec!["bot".to_owned()]);
    let (address, refused) = (listener.address, listener.refused());
    assert!(listener.url().starts_with(if files.control.tls_cert.is_some() { "https://" } else { "http://" }));
    let doors = HttpDoors::open(Listeners { remote: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
    Open { files, address, refused, fake, _doors: doors }
}

fn open() -> Open {
    open_with(Does::Answers(Box::new(status())), files(), Limits::REMOTE, Duration::from_millis(1))
}

fn now() -> u64 {
    crate::clock::wall_ms()
}

fn key(id: &str, digits: &str) -> Key {
    Key::parse(&secret(id, digits)).unwrap()
}

fn nonce() -> Nonce {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    Nonce(bytes)
}

type Stream = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// A request, and how it is signed.
struct Asks<'a> {
    method: &'a str,
    target: &'a str,
    body: &'a str,
    audience: &'a str,
    time: u64,
    nonce: Nonce,
}

fn asks<'a>(method: &'a str, target: &'a str, body: &'a str) -> Asks<'a> {
    Asks { method, target, body, audience: "demo", time: now(), nonce: nonce() }
}

impl Asks<'_> {
    fn signed(&self, key: &Key) -> String {
        let request =
            Request { audience: self.audience, method: self.method, target: self.target, body: self.body.as_bytes() };
        let header = key.sign(&request, self.time, self.nonce).unwrap();
        self.with(&format!("authorization: {header}\r\n"))
    }

    fn with(&self, headers: &str) -> String {
        let Self { method, target, body, .. } = self;
        let length = body.len();
        format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
    }
}

impl Open {
    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn tls(&self) -> Stream {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.files.cert.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        rustls::StreamOwned::new(client, self.tcp())
    }

    fn send(&self, request: &str) -> Reply {
        exchange(self.tls(), request.as_bytes())
    }

    /// A good request of the first watchdog.
    fn ask(&self, method: &str, target: &str, body: &str) -> Reply {
        self.send(&asks(method, target, body).signed(&key("wd1", "5a")))
    }

    fn told(&self) -> Option<String> {
        self.fake.orders.try_recv().ok()
    }
}

const STOP: &str = r#"{"expected_epoch":7,"reason":"no progress"}"#;

#[test]
fn a_signed_end_reaches_the_loop_and_its_receipt_is_signed() {
    let open = open();
    for (path, kind, state) in
        [("/api/control/stop", "Stop", "stopping"), ("/api/control/restart", "Restart", "restarting")]
    {
        let asked = asks("POST", path, STOP);
        let reply = open.send(&asked.signed(&key("wd2", "c3")));
        assert_eq!(reply.code, 200, "{reply:?}");
        let receipt = reply.json();
        assert_eq!((&receipt["epoch"], &receipt["seq"], &receipt["state"]), (&7.into(), &18_441.into(), &state.into()));
        assert_eq!(receipt["head"].as_str().unwrap().len(), 64);
        let signature = reply.header("failstop-signature").unwrap();
        assert!(key("wd2", "c3").is_answer(asked.nonce, 200, reply.body.as_bytes(), signature));
        assert!(!key("wd1", "5a").is_answer(asked.nonce, 200, reply.body.as_bytes(), signature));
        assert_eq!(open.told(), Some(format!("{kind} \"no progress\" watchdog wd2")));
    }
    assert_eq!(open.refused.load(Ordering::Relaxed), 0);
}

#[test]
fn another_epoch_is_told_which_runs() {
    let open = open();
    let body = r#"{"expected_epoch":6,"reason":"no progress"}"#;
    let asked = asks("POST", "/api/control/stop", body);
    let reply = open.send(&asked.signed(&key("wd1", "5a")));
    assert_eq!((reply.code, &reply.json()["epoch"]), (409, &7.into()), "{reply:?}");
    let signature = reply.header("failstop-signature").unwrap();
    assert!(key("wd1", "5a").is_answer(asked.nonce, 409, reply.body.as_bytes(), signature));
    assert_eq!(open.told(), None);
}

#[test]
fn what_is_not_proved_is_refused_counted_and_answered_nothing_else() {
    let open = open();
    let good = key("wd1", "5a");
    let stop = || asks("POST", "/api/control/stop", STOP);
    let taken = stop().signed(&good);
    assert_eq!(open.send(&taken).code, 200);
    assert!(open.told().is_some());
    let changed = stop().signed(&good).replace("no progress", "NO PROGRESS");
    let moved = stop().signed(&good).replace("/api/control/stop", "/api/control/restart");
    let twice = {
        let text = stop().signed(&good);
        let header = text.lines().find(|line| line.starts_with("authorization")).unwrap().to_owned();
        text.replace(&header, &format!("{header}\r\n{header}"))
    };
    let cases = [
        ("unsigned", stop().with(""), "is not signed"),
        ("another scheme", stop().with("authorization: Bearer abc\r\n"), "is not `Failstop-HMAC-SHA256"),
        ("signed twice", twice, "is not `Failstop-HMAC-SHA256"),
        ("unknown key", stop().signed(&key("wd3", "5a")), "no key `wd3`"),
        ("wrong key", stop().signed(&key("wd1", "00")), "is not that of this request"),
        ("another system", Asks { audience: "other", ..stop() }.signed(&good), "is not that of this request to `demo`"),
        ("changed", changed, "is not that of this request"),
        ("another path", moved, "is not that of this request"),
        ("late", Asks { time: now() - 40_000, ..stop() }.signed(&good), "behind the clock"),
        ("early", Asks { time: now() + 40_000, ..stop() }.signed(&good), "ahead of the clock"),
        ("before the start", Asks { time: now() - 25_000, ..stop() }.signed(&good), "before this side started"),
        ("replayed", taken, "taken before"),
    ];
    let count = cases.len() as u64;
    for (what, request, says) in cases {
        let reply = open.send(&request);
        assert_eq!(reply.code, 401, "{what}: {reply:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(says), "{what}: {error}");
        assert_eq!(reply.header("www-authenticate"), Some("Failstop-HMAC-SHA256"), "{what}");
        assert_eq!(reply.header("failstop-signature"), None, "{what}");
        assert_eq!(open.told(), None, "{what}");
    }
    assert_eq!(open.refused.load(Ordering::Relaxed), count);
    // Without a signature there is nothing at any path.
    for target in ["/health", "/api/status", "/metrics", "/api/beat", "/api/journal?from_seq=1", "/nothing"] {
        assert_eq!(open.send(&asks("GET", target, "").with("")).code, 401, "{target}");
    }
}

#[test]
fn a_refusal_keeps_the_guesser_waiting_and_nobody_else() {
    let open = open_with(Does::Answers(Box::new(status())), files(), Limits::REMOTE, Duration::from_secs(3600));
    let mut guesser = open.tls();
    guesser.write_all(asks("GET", "/health", "").with("").as_bytes()).unwrap();
    guesser.flush().unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    while open.refused.load(Ordering::Relaxed) == 0 {
        assert!(std::time::Instant::now() < end, "not counted");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(open.send(&asks("GET", "/health", "").signed(&key("wd1", "5a"))).code, 200);
    guesser.sock.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(guesser.read(&mut [0; 16]).is_err(), "answered at once");
}

#[test]
fn a_watchdog_is_answered_what_it_judges_by_and_nothing_that_an_operator_decides() {
    let open = open();
    let health = open.ask("GET", "/health?nonce=n-1", "");
    assert_eq!((health.code, &health.json()["nonce"]), (200, &"n-1".into()));
    assert_eq!(open.ask("GET", "/api/status", "").code, 200);
    for path in ["resume", "mode", "kill-switch/release", "maintenance", "component/bot/start", "emergency-stop"] {
        let reply = open.ask("POST", &format!("/api/control/{path}"), r#"{"reason":"r","confirm":"demo"}"#);
        assert_eq!(reply.code, 404, "{path}");
    }
    for (body, says) in [
        (r#"{"reason":"r"}"#, "`expected_epoch` is needed"),
        (r#"{"expected_epoch":7,"reason":"r","now":true}"#, "unknown field `now`"),
        (r#"{"expected_epoch":-7,"reason":"r"}"#, "not what this path takes"),
        ("", "not what this path takes"),
    ] {
        let reply = open.ask("POST", "/api/control/stop", body);
        assert_eq!(reply.code, 400, "{body}");
        assert!(reply.json()["error"].as_str().unwrap().contains(says), "{body}: {reply:?}");
    }
    for body in [r#"{"expected_epoch":7}"#, r#"{"expected_epoch":7,"reason":"  "}"#] {
        let reply = open.ask("POST", "/api/control/restart", body);
        assert_eq!(reply.code, 400, "{body}");
        assert!(reply.json()["error"].as_str().unwrap().contains("`reason` must not be empty"), "{body}: {reply:?}");
    }
    assert_eq!(open.ask("GET", "/api/control/stop", "").code, 405);
    assert_eq!(open.told(), None);
    // What only stops is not refused for want of one.
    assert_eq!(open.ask("POST", "/api/control/stop", r#"{"expected_epoch":7}"#).code, 200);
    assert!(open.told().unwrap().contains("no reason given"));
}

#[test]
fn beats_come_over_tls_too() {
    let open = open();
    let mut stream = open.tls();
    let request = asks("GET", "/api/beat", "").signed(&key("wd1", "5a"));
    stream.write_all(request.as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut text = String::new();
    let mut piece = [0; 4096];
    while text.matches("data: ").count() < 2 {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    assert!(text.contains("content-type: text/event-stream") && text.contains("\"system\":\"demo\""), "{text}");
}

#[test]
fn slow_and_strange_peers_lose_their_places_and_hold_up_nobody() {
    let limits = Limits { connections: 4, header: Duration::from_millis(300), ..Limits::REMOTE };
    let open = open_with(Does::Answers(Box::new(status())), files(), limits, Duration::from_millis(1));
    let silent: Vec<TcpStream> = (0..6).map(|_| open.tcp()).collect();
    let plain: Vec<TcpStream> = (0..6)
        .map(|_| {
            let mut stream = open.tcp();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    // Whole TLS, and then one byte of a header.
    let slow: Vec<Stream> = (0..3)
        .map(|_| {
            let mut stream = open.tls();
            stream.write_all(b"G").unwrap();
            stream.flush().unwrap();
            stream
        })
        .collect();
    assert_eq!(open.send(&asks("GET", "/health", "").signed(&key("wd1", "5a"))).code, 200);
    for stream in silent {
        assert_eq!(reply(stream).code, 0);
    }
    drop((plain, slow));
    let large = "x".repeat(Limits::REMOTE.body_bytes + 1);
    assert_eq!(open.send(&asks("POST", "/api/control/stop", &large).with("")).code, 413);
}

#[test]
fn on_loopback_it_may_be_plain_and_is_signed_all_the_same() {
    let mut files = files();
    (files.control.tls_cert, files.control.tls_key) = (None, None);
    let open = open_with(Does::Answers(Box::new(status())), files, Limits::REMOTE, Duration::from_millis(1));
    let asked = asks("GET", "/health", "");
    assert_eq!(exchange(open.tcp(), asked.with("").as_bytes()).code, 401);
    assert_eq!(exchange(open.tcp(), asked.signed(&key("wd1", "5a")).as_bytes()).code, 200);
}

#[test]
fn what_cannot_be_used_is_said_with_the_file() {
    let files = files();
    let open = |control: &Control| RemoteListener::open(control, "demo", now()).map(drop);
    assert!(matches!(
        RemoteListener::open(&Control { listen: Listen::Off, ..files.control.clone() }, "demo", 0),
        Ok(None)
    ));
    open(&files.control).unwrap();

    let chmod = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let (cert, tls_key) = (files.control.tls_cert.clone().unwrap(), files.control.tls_key.clone().unwrap());
    chmod(&tls_key, 0o644);
    let exposed = open(&files.control).unwrap_err();
    assert!(matches!(&exposed, RemoteUnavailable::Tls(TlsError::Exposed { mode: 0o644, .. })), "{exposed}");
    chmod(&tls_key, 0o600);
    chmod(&files.control.keys[1], 0o604);
    let exposed = open(&files.control).unwrap_err().to_string();
    assert!(exposed.contains("wd2.key") && exposed.contains("0604"), "{exposed}");
    chmod(&files.control.keys[1], 0o600);

    let twice = Control { keys: vec![files.control.keys[0].clone(); 2], ..files.control.clone() };
    assert!(open(&twice).unwrap_err().to_string().contains("two keys have the id `wd1`"));
    let gone = Control { tls_cert: Some(files.dir.path().join("none.pem")), ..files.control.clone() };
    assert!(open(&gone).unwrap_err().to_string().contains("none.pem"));
    let swapped = Control { tls_cert: Some(tls_key.clone()), ..files.control.clone() };
    assert!(open(&swapped).unwrap_err().to_string().contains("no certificate in PEM: there is none"));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = private(&files.dir.path().join("other.pem"), &other.signing_key.serialize_pem());
    let mismatched = Tls::read(&cert, &other, None).unwrap_err();
    assert!(matches!(mismatched, TlsError::Unusable { .. }), "{mismatched}");
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = Control { listen: Listen::At(taken.local_addr().unwrap()), ..files.control.clone() };
    assert!(matches!(open(&taken).unwrap_err(), RemoteUnavailable::Bind { .. }));
}

#[test]
fn the_end_of_a_certificate_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 5, 17);
    let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let path = private(&dir.path().join("cert.pem"), &made.pem());
    assert_eq!(not_after(&path).unwrap().to_string(), "2031-05-17T00:00:00Z");
    assert!(not_after(&private(&dir.path().join("none.pem"), "-----BEGIN")).is_err());
}
