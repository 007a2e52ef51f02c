#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::{ObserveListener, ROUTES, health_answer};
use crate::command::Engagements;
use crate::doors::fake_loop::{Does, FakeLoop, Reply, exchange, get, reply};
use crate::doors::{HttpDoors, Limits, Link, Listeners};
use crate::status::tests::status;
use failstop_client::status::Status;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

struct Open {
    address: SocketAddr,
    fake: FakeLoop,
    doors: HttpDoors,
}

/// Long enough for anything here on a busy machine; never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn open_with(does: Does, limits: Limits) -> Open {
    let fake = FakeLoop::start(does);
    let listener = ObserveListener::bind_with((Ipv4Addr::LOCALHOST, 0).into(), limits).unwrap();
    let address = listener.address();
    let doors = HttpDoors::open(Listeners { observe: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
    Open { address, fake, doors }
}

fn open(status: Status) -> Open {
    open_with(Does::Answers(Box::new(status)), Limits::OBSERVE)
}

impl Open {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn send(&self, request: &[u8]) -> Reply {
        exchange(self.connect(), request)
    }

    fn get(&self, path: &str) -> Reply {
        self.send(&get(path))
    }
}

fn healthy() -> Status {
    let mut status = status();
    status.permission = "active".to_owned();
    status.health.status = "healthy".to_owned();
    status.dependencies.clear();
    status.components.truncate(1);
    status
}

fn critical() -> Status {
    let mut status = status();
    status.health.status = "critical".to_owned();
    status.health.overall_health = 0.0;
    status
}

#[test]
fn every_path_answers() {
    let open = open(healthy());
    for route in ROUTES {
        let reply = open.get(route.path);
        assert_eq!(reply.code, 200, "{}: {reply:?}", route.path);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{}", route.path);
        assert_eq!(reply.header("access-control-allow-origin"), None, "{}", route.path);
        assert!(!reply.body.is_empty(), "{}", route.path);
    }
    open.doors.close();
}

#[test]
fn a_critical_verdict_is_503_but_alive() {
    let open = open(critical());
    let codes: Vec<(&str, u16)> = ROUTES.iter().map(|route| (route.path, open.get(route.path).code)).collect();
    assert_eq!(
        codes,
        [
            ("/", 200),
            ("/paths", 200),
            ("/healthz", 503),
            ("/livez", 200),
            ("/readyz", 503),
            ("/health", 503),
            ("/metrics", 200),
            ("/api/health", 503),
            ("/api/health/status", 503),
            ("/api/health/uptime", 200),
            ("/api/health/last_snapshot", 200),
            ("/api/status", 200),
            ("/api/metrics", 200),
            ("/api/metrics/history", 200),
            ("/api/thresholds", 200),
            ("/api/alerts", 200),
            ("/api/risk", 200),
            ("/api/rates", 200),
            ("/api/feeds", 200),
        ]
    );
    assert_eq!(open.get("/health").json()["status"], "critical");
}

#[test]
fn degraded_is_200() {
    let open = open(status());
    let reply = open.get("/health");
    assert_eq!((reply.code, &reply.json()["status"]), (200, &"degraded".into()));
}

#[test]
fn health_says_what_happened_last() {
    let open = open(status());
    let health = open.get("/health").json();
    assert_eq!(health["last_market_data"], "2026-11-03T21:04:55.000Z");
    assert_eq!(health["last_journal_write"], "2026-11-03T21:04:59.000Z");
    assert_eq!(health["last_snapshot"], serde_json::Value::Null);
    assert_eq!(health["dependencies"]["kraken"], "down");
    assert_eq!(health["dependencies"]["redis"], "unknown");
    assert_eq!(health["queue"]["bot"]["depth"], 4);
    assert_eq!(health["components"]["bot"]["status"], "degraded");
    assert_eq!(health["components"]["bot/websocket"]["status"], "critical");
    assert_eq!(health["journal"]["seq"], 18_441);
    assert_eq!(health["memory_bytes"], 1007);
    assert_eq!(health["halts"][0]["id"], "h-31");
    assert_eq!(health, serde_json::to_value(health_answer(&status())).unwrap());
}

#[test]
fn health_has_the_circuit_breaker_among_the_components() {
    let mut busy = status();
    let breaker = |status: &Status| {
        let health = open(status.clone()).get("/health").json();
        health["components"]["circuit_breaker"].clone()
    };
    assert_eq!(
        breaker(&busy),
        serde_json::json!({ "status": "healthy", "tripped": false, "since": null, "tries": 0, "next_try": null })
    );
    busy.breaker.state = "stays-shed".to_owned();
    (busy.breaker.since, busy.breaker.failed_tries) = (Some("2026-11-03T21:00:00.000Z".to_owned()), 3);
    assert_eq!(
        breaker(&busy),
        serde_json::json!({
            "status": "degraded", "tripped": true, "since": "2026-11-03T21:00:00.000Z", "tries": 3, "next_try": null
        })
    );
    // It only shows less: the verdict is the same.
    let before = health_answer(&status());
    assert_eq!(health_answer(&busy).overall_health, before.overall_health);
}

#[test]
fn a_nonce_comes_back_with_epoch_and_head_and_only_a_harmless_one() {
    let open = open(healthy());
    for path in ["/health", "/api/health"] {
        let long = "a".repeat(64);
        for nonce in ["n", "A-z_0.9~", &long] {
            let reply = open.get(&format!("{path}?nonce={nonce}"));
            assert_eq!((reply.code, reply.header("cache-control")), (200, Some("no-store")));
            let health = reply.json();
            assert_eq!(
                (&health["nonce"], &health["epoch"], &health["journal"]["seq"]),
                (&nonce.into(), &7.into(), &18_441.into())
            );
        }
        let other = open.get(&format!("{path}?t=1&nonce=x&noncee=y"));
        assert_eq!((other.code, &other.json()["nonce"]), (200, &"x".into()));
        assert_eq!(open.get(&format!("{path}?t=1")).json().get("nonce"), None);
        let longer = "a".repeat(65);
        for bad in [
            "nonce=",
            "nonce",
            "nonce=a%20b",
            "nonce=a+b",
            "nonce=%C3%A9",
            "nonce=a&nonce=a",
            &format!("nonce={longer}"),
        ] {
            let reply = open.get(&format!("{path}?{bad}"));
            assert_eq!(reply.code, 400, "{bad}");
            assert!(reply.json()["error"].as_str().unwrap().contains("`nonce`"), "{bad}");
        }
    }
}

#[test]
fn readyz_names_each_condition() {
    let mut status = healthy();
    status.dependencies.insert("kraken".to_owned(), Some(false));
    let open = open(status);
    let reply = open.get("/readyz");
    assert_eq!(reply.code, 503);
    assert_eq!(reply.body, "+ permission active\n+ component bot ready\n- dependency kraken down\nnot ready\n");
}

#[test]
fn what_is_stopped_on_purpose_is_no_failure() {
    let mut status = healthy();
    status.components[0].ready = false;
    status.components[0].state = "stopped".to_owned();
    let reply = open(status.clone()).get("/readyz");
    assert!(status.halts.iter().any(|halt| halt.component.as_deref() == Some("bot")));
    assert_eq!(reply.code, 503, "a halt of its own keeps it stopped: {}", reply.body);
    status.halts.clear();
    for (state, code) in [("stopped", 200), ("failed", 503), ("backoff", 503), ("starting", 503)] {
        status.components[0].state = state.to_owned();
        let open = open(status.clone());
        assert_eq!(open.get("/readyz").code, code, "{state}");
    }
}

#[test]
fn only_get_and_only_what_there_is() {
    let open = open(healthy());
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request =
            format!("{method} /health HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        let reply = open.send(request.as_bytes());
        assert_eq!(reply.code, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("GET,HEAD"), "{method}");
        assert!(reply.json()["error"].as_str().unwrap().contains("only answers GET"));
    }
    for path in ["/nothing", "/api/control/stop", "/health/", "/../etc/passwd", "/api/status/x"] {
        let reply = open.get(path);
        assert_eq!(reply.code, 404, "{path}");
        assert!(reply.json()["error"].as_str().unwrap().contains(path));
    }
    assert!(open.fake.orders.try_recv().is_err());
}

#[test]
fn no_method_on_any_path_changes_anything() {
    let open = open(healthy());
    let own = ROUTES.iter().map(|route| (route.path.to_owned(), 405)).chain([("/ws".to_owned(), 405)]);
    // What is a control elsewhere is nothing here.
    let controls = crate::doors::control_cases::cases();
    let controls = controls.iter().map(|(_, path, _)| (path.clone(), 404));
    for (path, code) in own.chain([("/api/beat".to_owned(), 405)]).chain(controls) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "X"] {
            let body = "{\"reason\":\"r\",\"confirm\":\"demo\"}";
            let length = body.len();
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            assert_eq!(open.send(request.as_bytes()).code, code, "{method} {path}");
        }
    }
    assert_eq!(open.get("/livez").code, 200);
    assert!(open.fake.orders.try_recv().is_err() && open.fake.turned.try_recv().is_err());
}

#[test]
fn prometheus_gets_what_it_asks_for() {
    let open = open(healthy());
    let text = open.get("/metrics");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(text.body.contains("\nfailstop_permission 3\n"));
    let reply = open.send(
        b"GET /metrics HTTP/1.1\r\nhost: x\r\naccept: application/openmetrics-text;version=1.0.0\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(reply.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(reply.body.ends_with("# EOF\n"));
}

#[test]
fn a_loop_that_hangs_is_an_error_and_not_health() {
    let limits = Limits { answer: Duration::from_millis(50), ..Limits::OBSERVE };
    let open = open_with(Does::Hangs, limits);
    let reply = open.get("/health");
    assert_eq!(reply.code, 500);
    assert_eq!(reply.json()["status"], "error");
    assert!(reply.json()["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    for path in ["/livez", "/healthz", "/readyz", "/metrics", "/api/status", "/api/metrics"] {
        assert_eq!(open.get(path).code, 503, "{path}");
    }
    assert_eq!(open.get("/paths").code, 200);
}

#[test]
fn a_loop_that_is_gone_is_an_error_at_once() {
    let (commands, requests) = tokio::sync::mpsc::channel(1);
    drop(requests);
    let listener = ObserveListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.address();
    let (_beats, pulses) = tokio::sync::watch::channel(None);
    let link = Link { commands, beats: pulses, state_dir: "/nonexistent".into(), engagements: Engagements::default() };
    let doors = HttpDoors::open(Listeners { observe: Some(listener), ..Listeners::default() }, link).unwrap();
    let reply = exchange(TcpStream::connect(address).unwrap(), &get("/health"));
    assert_eq!((reply.code, &reply.json()["error"]), (500, &"the engine is stopping".into()));
    doors.close();
}

#[test]
fn garbage_is_answered_or_dropped_and_nothing_else_happens() {
    let open = open(healthy());
    let huge = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2000));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(1 << 20));
    let pieces: [&[u8]; 8] = [
        b"\r\n\r\n\r\n\r\nhello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\nzzzzz\r\n",
        &[0u8; 4096],
        huge.as_bytes(),
        many.as_bytes(),
        long.as_bytes(),
    ];
    for piece in pieces {
        let mut stream = open.connect();
        let _ = stream.write_all(piece);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let code = reply(stream).code;
        // 200: the request line was whole, and a body is nobody's business on a GET. 0: dropped.
        assert!([0, 200, 400, 414, 431, 505].contains(&code), "{code} to {:?}", &piece[..piece.len().min(40)]);
        assert_eq!(open.get("/livez").code, 200);
    }
}

#[test]
fn slow_peers_lose_their_places_and_hold_up_nobody() {
    let limits = Limits { connections: 8, header: Duration::from_millis(300), ..Limits::OBSERVE };
    let open = open_with(Does::Answers(Box::new(healthy())), limits);
    // More than there are places, each a few bytes into its header and then silent.
    let slow: Vec<TcpStream> = (0..24)
        .map(|_| {
            let mut stream = open.connect();
            stream.write_all(b"GET / HTTP/1.1\r\nx: ").unwrap();
            stream
        })
        .collect();
    // Waits in the backlog until places are free, which nothing but the time limit frees.
    assert_eq!(open.get("/livez").code, 200);
    for stream in slow {
        // 408 or dropped; what matters is that it ends.
        let code = reply(stream).code;
        assert!([0, 408].contains(&code), "{code}");
    }
}

#[test]
fn a_peer_that_never_speaks_or_never_ends_is_dropped() {
    let limits =
        Limits { header: Duration::from_millis(300), connection: Duration::from_millis(600), ..Limits::OBSERVE };
    let open = open_with(Does::Answers(Box::new(healthy())), limits);
    let silent = open.connect();
    assert_eq!(reply(silent).code, 0);

    // Busy for as long as it is let: one request after the other on one connection.
    let mut busy = open.connect();
    let mut bytes = [0u8; 4096];
    let begun = std::time::Instant::now();
    while begun.elapsed() < PATIENCE {
        if busy.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").is_err() {
            return;
        }
        match std::io::Read::read(&mut busy, &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    panic!("still connected after {PATIENCE:?}");
}

#[test]
fn a_flood_asks_the_loop_seldom_and_every_answer_is_fresh() {
    let open = open_with(Does::Counts, Limits::OBSERVE);
    let address = open.address;
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(move || {
                let mut last = None;
                for _ in 0..25 {
                    let reply = exchange(TcpStream::connect(address).unwrap(), &get("/api/status"));
                    // The loop was asked anew after the last answer had come.
                    let question = reply.json()["epoch"].as_u64();
                    assert!(question > last, "{question:?} after {last:?}");
                    last = question;
                }
            });
        }
    });
    // At most one question in 20 ms, however fast the 400 requests came.
    let most = begun.elapsed().as_millis() / 20 + 2;
    let questions = open.fake.asked();
    assert!(questions as u128 <= most, "{questions} questions in {:?}", begun.elapsed());
}

#[test]
fn a_taken_port_is_an_error_with_its_address() {
    let first = ObserveListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let error = ObserveListener::bind(first.address()).unwrap_err();
    assert!(error.to_string().contains(&first.address().to_string()), "{error}");
}

#[test]
fn closing_frees_the_port_and_ends_idle_connections() {
    let open = open(healthy());
    let idle = open.connect();
    assert_eq!(open.get("/livez").code, 200);
    let address = open.address;
    open.doors.close();
    assert_eq!(reply(idle).code, 0);
    ObserveListener::bind(address).unwrap();
}
