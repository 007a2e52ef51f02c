//! The dashboard's door, as browsers and programs use it, over real connections.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::fleet::Fleet;
use super::{ObserveListener, Site};
use crate::config::FleetSystem;
use crate::doors::fake_loop::{Does, FakeLoop, Reply, exchange, get};
use crate::doors::{HttpDoors, Limits, Listeners};
use crate::status::tests::status;
use failstop_client::status::BreakerSummary;
use failstop_view::page::{ASSETS, POLICY};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

/// Long enough for anything here on a busy machine; never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

struct Open {
    address: SocketAddr,
    fake: FakeLoop,
    doors: HttpDoors,
}

fn open_with(does: Does, limits: Limits, site: Site) -> Open {
    let fake = FakeLoop::start(does);
    let listener = ObserveListener::bind_with((Ipv4Addr::LOCALHOST, 0).into(), limits).unwrap().showing(site);
    let address = listener.address();
    let doors = HttpDoors::open(Listeners { observe: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
    Open { address, fake, doors }
}

fn open() -> Open {
    open_with(Does::Answers(Box::new(status())), Limits::OBSERVE, Site::default())
}

impl Open {
    fn get(&self, path: &str) -> Reply {
        exchange(self.connect(), &get(path))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn watch(&self, path: &str, origin: Option<&str>) -> Result<WebSocket<TcpStream>, u16> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        match tungstenite::client(request, self.connect()) {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }
}

fn said(socket: &mut WebSocket<TcpStream>) -> Value {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[test]
fn the_page_is_whole_and_its_headers_allow_nothing_else() {
    let open = open();
    let page = open.get("/");
    assert_eq!((page.code, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("OBSERVE-ONLY") && page.body.contains("heartbeat-lost"), "first paint: {}", page.body);
    assert!(
        page.body.contains("aria-label=\"memory, all components over the last 10 minutes"),
        "with its charts: {}",
        page.body
    );
    let assets = ASSETS.map(|asset| open.get(asset.path));
    for reply in assets.iter().chain([&page]) {
        assert_eq!(reply.code, 200);
        assert_eq!(reply.header("content-security-policy"), Some(POLICY));
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name}");
        }
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    assert!(!page.body.contains("<form"), "here one only reads");
    assert_eq!(open.fake.asked(), 1, "how things stand is asked once for a page");
    assert_eq!(open.get("/api/metrics/history").code, 200);
    assert_eq!(open.fake.asked(), 1, "and not for figures over time");
}

#[test]
fn without_a_dashboard_the_list_is_where_it_was() {
    let site = Site { dashboard: false, ..Site::default() };
    let open = open_with(Does::Answers(Box::new(status())), Limits::OBSERVE, site);
    let list = open.get("/");
    assert_eq!((list.code, list.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert!(list.body.contains("\n/api/status\n") && list.body.contains("\n/ws\n"), "{}", list.body);
    assert_eq!(open.get("/paths").body, list.body);
    for path in ASSETS.iter().map(|asset| asset.path).chain(["/fleet"]) {
        assert_eq!(open.get(path).code, 404, "{path}");
    }
    let update = said(&mut open.watch("/ws?view=page", None).unwrap());
    assert_eq!((update["type"].as_str(), update.get("page")), (Some("metrics_update"), None));
}

#[test]
fn what_only_shows_gives_way_to_a_busy_host_and_nothing_else() {
    let mut busy = status();
    busy.breaker = BreakerSummary { state: "shed".to_owned(), ..BreakerSummary::default() };
    let fleet = crate::config::tests::fleet("[{ name = \"other\", url = \"http://127.0.0.1:1\" }]");
    let (_loop, shed) = tokio::sync::watch::channel(true);
    let site = Site { fleet: Some(Fleet::new(fleet, None)), shed, ..Site::default() };
    let open = open_with(Does::Answers(Box::new(busy)), Limits::OBSERVE, site);
    for path in ["/", "/fleet", "/api/metrics/history", "/api/metrics/history?range=1h"] {
        let reply = open.get(path);
        assert_eq!((reply.code, reply.header("retry-after")), (503, Some("60")), "{path}");
        assert!(reply.body.contains("`failstop breaker status`"), "{path}: {}", reply.body);
    }
    assert_eq!(open.fake.asked(), 1, "the loop is not asked for more of what is not shown");
    // A person is shown what the system may do, and why.
    for (path, says) in [
        ("/", ["OBSERVE-ONLY", "heartbeat-lost", "is too busy"]),
        ("/fleet", ["Systems", "this system", "is too busy"]),
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: text/html,*/*;q=0.8\r\nconnection: close\r\n\r\n");
        let page = exchange(open.connect(), request.as_bytes());
        assert_eq!((page.code, page.header("retry-after")), (503, Some("60")), "{path}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_eq!(page.header("content-security-policy"), Some(POLICY), "{path}");
        assert!(
            says.iter().all(|words| page.body.contains(words)) && !page.body.contains("<svg"),
            "{path}: {}",
            page.body
        );
        assert!(page.body.contains("id=\"live\""), "the page's script shows it: {}", page.body);
    }
    for route in super::ROUTES.iter().filter(|route| !["/", "/api/metrics/history"].contains(&route.path)) {
        // Some say by their code that this system is not well.
        assert!(!open.get(route.path).body.contains("too busy"), "{}", route.path);
    }
    let mut socket = open.watch("/ws", None).unwrap();
    let said = socket.read().unwrap();
    let Message::Close(Some(frame)) = said else { panic!("{said:?}") };
    assert_eq!(frame.code, CloseCode::Again);
}

#[test]
fn no_method_on_any_path_changes_anything() {
    let open = open();
    let paths = super::ROUTES.iter().map(|route| route.path).chain(ASSETS.iter().map(|asset| asset.path));
    for path in paths.chain(["/ws", "/api/beat", "/fleet", "/api/control/emergency-stop", "/api/control/alerts/ack"]) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{{\"reason\":\"x\"}}"
            );
            let code = exchange(open.connect(), request.as_bytes()).code;
            assert!([400, 404, 405].contains(&code), "{method} {path}: {code}");
        }
    }
    assert!(open.fake.orders.try_recv().is_err(), "the loop was given an order");
}

#[test]
fn a_loop_that_hangs_is_said_on_the_page_and_to_watchers() {
    let limits = Limits { answer: Duration::from_millis(50), ..Limits::OBSERVE };
    let open = open_with(Does::Hangs, limits, Site::default());
    let page = open.get("/");
    assert_eq!(page.code, 503);
    assert!(page.body.contains("NO ANSWER") && page.body.contains("engine-died.md"), "{}", page.body);
    let mut socket = open.watch("/ws", None).unwrap();
    assert_eq!(said(&mut socket)["type"], "ping");
    assert_eq!(said(&mut socket)["type"], "ping", "again, though nothing is known");
}

#[test]
fn watchers_get_what_changed_without_asking() {
    let open = open_with(Does::Counts, Limits::OBSERVE, Site::default());
    let mut program = open.watch("/ws", None).unwrap();
    let mut page = open.watch("/ws?view=page", Some(&format!("http://{}", open.address))).unwrap();
    let first = said(&mut program);
    assert_eq!(first["system_status"]["system"], "demo");
    assert_eq!(first["metrics"]["metrics"]["daily_pnl"], -12.5);
    assert_eq!(first["alerts"][0]["cause"], "hung");
    let whole = said(&mut page);
    assert!(whole["page"].as_str().unwrap().contains("<figure"), "the first has the charts");
    let second = said(&mut program);
    assert!(second["system_status"]["epoch"].as_u64() > first["system_status"]["epoch"].as_u64());
    let part = said(&mut page)["page"].as_str().unwrap().to_owned();
    assert!(part.contains("id=\"charts\" data-same") && part.contains("OBSERVE-ONLY"), "{part}");
}

#[test]
fn foreign_pages_and_plain_requests_are_turned_away() {
    let open = open();
    assert_eq!(open.watch("/ws", Some("http://evil.example")).unwrap_err(), 403);
    assert_eq!(open.get("/ws").code, 426);
}

#[test]
fn there_are_so_many_places_and_they_come_back() {
    let open = open_with(Does::Answers(Box::new(status())), Limits { viewers: 2, ..Limits::OBSERVE }, Site::default());
    let mut first = open.watch("/ws", None).unwrap();
    let _second = open.watch("/ws", None).unwrap();
    assert_eq!(open.watch("/ws", None).unwrap_err(), 503);
    first.close(None).unwrap();
    while first.read().is_ok() {}
    let end = std::time::Instant::now() + PATIENCE;
    while open.watch("/ws", None).is_err() {
        assert!(std::time::Instant::now() < end, "its place did not come back");
    }
}

#[test]
fn one_that_takes_nothing_loses_its_place() {
    let limits = Limits { viewers: 1, write: Duration::from_millis(200), ..Limits::OBSERVE };
    let mut large = status();
    large.host_notes = vec!["x".repeat(1 << 20); 8];
    let open = open_with(Does::Answers(Box::new(large)), limits, Site::default());
    let stuck = open.watch("/ws?view=page", None).unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    while open.watch("/ws", None).is_err() {
        assert!(std::time::Instant::now() < end, "it kept its place");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(stuck);
}

#[test]
fn one_that_speaks_is_sent_away_and_does_no_harm() {
    let open = open();
    let ends = |message: Message| {
        let mut socket = open.watch("/ws", None).unwrap();
        let _ = socket.send(message);
        loop {
            match socket.read() {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    };
    assert_eq!(ends(Message::text("{\"type\":\"emergency_stop\"}")), Some(CloseCode::Policy));
    // Too long to be read at all: the connection ends, with or without a word.
    let _ = ends(Message::binary(vec![0u8; 1 << 20]));
    let mut garbage = open.watch("/ws", None).unwrap();
    garbage.get_mut().write_all(&[0xff; 512]).unwrap();
    while garbage.read().is_ok() {}
    assert!(open.fake.orders.try_recv().is_err());
    assert_eq!(open.get("/livez").code, 200);
}

#[test]
fn closing_says_goodbye() {
    let open = open();
    let mut socket = open.watch("/ws", None).unwrap();
    said(&mut socket);
    let waiting = std::thread::spawn(move || {
        loop {
            match socket.read() {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    });
    open.doors.close();
    assert_eq!(waiting.join().unwrap(), Some(CloseCode::Away));
}

/// Answers every connection with this, and counts them.
fn stub(answer: String) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut bytes = [0u8; 4096];
            let _ = stream.read(&mut bytes);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, asked)
}

#[test]
fn whoever_breaks_off_begins_no_further_round() {
    let (system, asked) = slow_stub();
    let fleet: Vec<FleetSystem> = crate::config::tests::fleet(&format!("[{{ name = \"one\", url = \"{system}\" }}]"));
    let site = Site { fleet: Some(Fleet::new(fleet, None)), ..Site::default() };
    let open = open_with(Does::Answers(Box::new(status())), Limits::OBSERVE, site);
    let begun = std::time::Instant::now();
    for _ in 0..10 {
        let mut stream = open.connect();
        stream.write_all(&get("/fleet")).unwrap();
        // It has been read, and nobody waits for its answer, once the next one has been answered.
        drop(stream);
        assert_eq!(open.get("/livez").code, 200);
    }
    assert_eq!(open.get("/fleet").code, 200);
    // Every five seconds at most, however slow this machine is.
    let rounds = 1 + begun.elapsed().as_secs() / 5;
    assert!(asked.load(std::sync::atomic::Ordering::SeqCst) <= usize::try_from(rounds).unwrap());
}

/// Takes connections and never answers.
fn slow_stub() -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().take(64) {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            open.push(stream);
        }
    });
    (url, asked)
}

#[test]
fn a_fleet_is_asked_by_the_engine_and_each_fault_is_said() {
    let healthy = open();
    let health = exchange(healthy.connect(), &get("/health")).body;
    let (other, asked) = stub(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{health}", health.len()));
    let (stranger, _) = stub("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned());
    let (flood, _) = stub(format!("HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n{}", " ".repeat(900_000)));
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let here = format!("http://{}", healthy.address);
    let systems =
        [("one", here), ("two", other), ("three", stranger), ("four", flood), ("five", format!("http://{free}"))];
    let text: Vec<String> =
        systems.iter().map(|(name, url)| format!("{{ name = \"{name}\", url = \"{url}\" }}")).collect();
    let fleet: Vec<FleetSystem> = crate::config::tests::fleet(&format!("[{}]", text.join(", ")));
    let site = Site { fleet: Some(Fleet::new(fleet, None)), ..Site::default() };
    let open = open_with(Does::Answers(Box::new(status())), Limits::OBSERVE, site);
    assert!(open.get("/").body.contains("href=\"fleet\""), "the page leads there");
    let page = open.get("/fleet");
    assert_eq!((page.code, page.header("content-security-policy")), (200, Some(POLICY)));
    for says in [
        "5 systems, 5 to look at",
        "OBSERVE-ONLY",
        "no health of failstop's",
        "answers with more than 256 KiB",
        "no connection",
    ] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    open.get("/fleet");
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1, "once for who comes soon after");
}
