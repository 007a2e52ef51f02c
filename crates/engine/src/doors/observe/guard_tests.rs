//! The observe address where something stands before it: a token, TLS, other pages. Over real connections.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::{ObserveListener, ObserveUnavailable, ROUTES, Site};
use crate::access::Role;
use crate::command::TurnedAway;
use crate::config::{Config, tests as config};
use crate::doors::control_cases;
use crate::doors::fake_loop::{Does, FakeLoop, Reply, exchange};
use crate::doors::{HttpDoors, Limits, Listeners};
use crate::status::tests::status;
use failstop_client::token::Token;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tungstenite::client::IntoClientRequest as _;

/// Long enough for anything here on a busy machine; never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who there is, with a token each; the last is in no file.
const PEOPLE: [(&str, Option<Role>, u8); 4] = [
    ("vera", Some(Role::Viewer), 1),
    ("ada", Some(Role::Admin), 2),
    ("sue", Some(Role::SuperAdmin), 3),
    ("mallory", None, 4),
];

fn bearer(byte: u8) -> String {
    format!("authorization: Bearer {}\r\n", Token::of([byte; 32]).reveal())
}

fn private(path: &Path, text: &str) -> PathBuf {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

/// A file of everybody's tokens, and a certificate for `localhost`.
struct Files {
    dir: tempfile::TempDir,
    cert: CertificateDer<'static>,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        private(&dir.path().join("cert.pem"), &made.cert.pem());
        private(&dir.path().join("key.pem"), &made.signing_key.serialize_pem());
        let files = Self { dir, cert: made.cert.der().clone() };
        files.known(&PEOPLE);
        files
    }

    fn at(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn known(&self, people: &[(&str, Option<Role>, u8)]) {
        let line = |(name, role, byte): &(&str, Option<Role>, u8)| {
            role.map(|role| format!("{name} {role} sha256:{}\n", Token::of([*byte; 32]).digest()))
        };
        private(&self.dir.path().join("tokens"), &people.iter().filter_map(line).collect::<String>());
    }

    fn config(&self, observe: &str) -> Config {
        let tokens = self.at("tokens");
        config::with(&format!("[observe]\nlisten = \"127.0.0.1:0\"\n{observe}\n[control]\ntoken_file = \"{tokens}\"\n"))
    }

    fn tls(&self) -> String {
        format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", self.at("cert.pem"), self.at("key.pem"))
    }
}

struct Open {
    files: Files,
    address: SocketAddr,
    refused: Option<Arc<AtomicU64>>,
    fake: FakeLoop,
    _doors: HttpDoors,
}

fn listener(files: &Files, observe: &str) -> ObserveListener {
    let config = files.config(observe);
    let site = Site::of(&config, watch::channel(super::Judging::default()).1, watch::channel(false).1);
    let mut listener = ObserveListener::open(&config, site).unwrap().unwrap();
    if config.observe.require_token {
        assert_eq!(listener.limits.watch, Limits::REMOTE.watch, "nobody watches for ever without showing it again");
        listener.look_again = Duration::ZERO;
    }
    listener
}

fn open(observe: &str) -> Open {
    let files = Files::new();
    let observe = observe.replace("TLS", &files.tls());
    let listener = listener(&files, &observe);
    let fake = FakeLoop::start(Does::Answers(Box::new(status())));
    let (address, refused) = (listener.address(), listener.refused());
    assert!(listener.url().starts_with(if observe.contains("tls_cert") { "https://127" } else { "http://127" }));
    let doors = HttpDoors::open(Listeners { observe: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
    Open { files, address, refused, fake, _doors: doors }
}

const TOKEN: &str = "require_token = true\n";

impl Open {
    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn tls(&self, name: &str) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.files.cert.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        rustls::StreamOwned::new(rustls::ClientConnection::new(Arc::new(config), name).unwrap(), self.tcp())
    }

    fn send(&self, method: &str, path: &str, headers: &str) -> Reply {
        exchange(self.tcp(), &request(method, path, headers))
    }

    fn get(&self, path: &str, headers: &str) -> Reply {
        self.send("GET", path, headers)
    }

    fn refused(&self) -> u64 {
        self.refused.as_ref().unwrap().load(Ordering::Relaxed)
    }

    fn nothing_was_asked_for(&self) {
        assert!(self.fake.orders.try_recv().is_err());
    }
}

fn request(method: &str, path: &str, headers: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: bot-host:8080\r\nconnection: close\r\ncontent-length: 0\r\n{headers}\r\n"
    )
    .into_bytes()
}

fn error(reply: &Reply) -> String {
    reply.json()["error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_path_is_answered_to_every_role_and_to_nobody_else() {
    let open = open(TOKEN);
    let mut refused = 0;
    let paths: Vec<&str> = ROUTES.iter().map(|route| route.path).chain(["/ws", "/nothing"]).collect();
    for path in paths {
        let code = match path {
            "/ws" => 426,
            "/nothing" => 404,
            // The status of these tests is degraded, and trades nothing.
            "/readyz" => 503,
            _ => 200,
        };
        for (name, role, byte) in PEOPLE {
            let reply = open.get(path, &bearer(byte));
            assert_eq!(reply.code, if role.is_some() { code } else { 401 }, "{path} by {name}: {reply:?}");
            refused += u64::from(role.is_none());
        }
        let nobody = open.get(path, "");
        assert_eq!(nobody.code, 401, "{path} by nobody");
        assert_eq!(nobody.header("www-authenticate"), Some("Bearer realm=\"failstop\""), "{path}");
        assert!(error(&nobody).contains("failstop token new NAME --role viewer"), "{path}: {nobody:?}");
        refused += 1;
    }
    assert_eq!(open.refused(), refused);
    open.nothing_was_asked_for();
}

#[test]
fn what_is_no_token_is_refused_counted_and_told_and_a_good_one_is_answered_at_once() {
    let open = open(TOKEN);
    let signature = "authorization: Failstop-HMAC-SHA256 wd1:1:00\r\n";
    let cookie = format!("cookie: __Host-failstop={}\r\n", "ab".repeat(32));
    for (shown, says) in [
        (String::new(), "wants a token of the role viewer or more"),
        (bearer(4), "not known here"),
        (bearer(1).replace("0101", "0102"), "checksum is wrong"),
        ("authorization: Basic dmVyYTp4\r\n".to_owned(), "a token is `failstop_`"),
        (signature.to_owned(), "a token is `failstop_`"),
        (format!("{}{}", bearer(1), bearer(1)), "a token is `failstop_`"),
        (cookie, "wants a token of the role viewer or more"),
    ] {
        let reply = open.get("/health", &shown);
        assert_eq!(reply.code, 401, "{shown}");
        assert!(error(&reply).contains(says), "{shown}: {reply:?}");
        assert!(!reply.body.contains(&"01".repeat(8)), "what was shown is shown to nobody");
        match open.fake.turned.recv_timeout(PATIENCE).unwrap() {
            TurnedAway::Unproved { peer, why, .. } => assert!(peer == "127.0.0.1" && why.contains(says), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((open.refused(), open.get("/health", &bearer(1)).code), (7, 200));
    // A person reads words.
    let visit = open.get("/", "accept: text/html,*/*\r\n");
    assert_eq!((visit.code, visit.header("content-type")), (401, Some("text/plain; charset=utf-8")));
    assert!(visit.body.contains("a browser logs in at the control listener"), "{visit:?}");
}

#[test]
fn a_line_that_is_taken_out_revokes_and_a_file_that_is_gone_is_nobodys_fault() {
    let open = open(TOKEN);
    assert_eq!(open.get("/health", &bearer(1)).code, 200);
    open.files.known(&PEOPLE[1..]);
    assert_eq!((open.get("/health", &bearer(1)).code, open.get("/health", &bearer(2)).code), (401, 200));
    std::fs::remove_file(open.files.at("tokens")).unwrap();
    let reply = open.get("/health", &bearer(2));
    assert!(reply.code == 403 && error(&reply).contains("no token can be checked just now"), "{reply:?}");
    assert_eq!(open.refused(), 1);
}

#[test]
fn a_stream_of_beats_ends_with_its_token() {
    let open = open(TOKEN);
    assert_eq!(open.get("/api/beat", "").code, 401);
    let mut stream = open.tcp();
    stream.write_all(&request("GET", "/api/beat", &bearer(1))).unwrap();
    let mut text = String::new();
    let mut piece = [0; 1024];
    while text.matches("data: ").count() < 2 {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "it goes on while the token is good: {text}");
        text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    open.files.known(&PEOPLE[1..]);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
}

#[test]
fn no_method_on_any_path_changes_anything_whoever_asks() {
    let open = open("require_token = true\ncors = [\"https://grafana.example\"]\n");
    let own = ROUTES.iter().map(|route| (route.path.to_owned(), 405)).chain([("/api/beat".to_owned(), 405)]);
    let controls = control_cases::cases();
    let controls = controls.iter().map(|(_, path, _)| (path.clone(), 404));
    for (path, code) in own.chain(controls) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"] {
            let from = format!("origin: https://grafana.example\r\n{}", bearer(3));
            assert_eq!(open.send(method, &path, &from).code, code, "{method} {path}");
        }
        assert_eq!(open.send("POST", &path, "").code, 401, "{path}");
    }
    open.nothing_was_asked_for();
}

#[test]
fn tls_is_spoken_and_nothing_else() {
    let open = open("TLS");
    let reply = exchange(open.tls("localhost"), &request("GET", "/health", ""));
    assert_eq!((reply.code, &reply.json()["status"]), (200, &"degraded".into()));
    assert_eq!(exchange(open.tls("localhost"), &request("POST", "/health", "")).code, 405);
    let mut stranger = open.tls("bot-host");
    assert!(stranger.write_all(&request("GET", "/health", "")).is_err(), "a host of another name is not believed");
    assert_eq!(open.get("/health", "").code, 0, "in clear nothing is answered");
    let url = format!("wss://localhost:{}/ws", open.address.port());
    let (mut socket, _) = tungstenite::client(url, open.tls("localhost")).unwrap();
    assert!(socket.read().unwrap().to_text().unwrap().contains("metrics_update"));
    assert!(open.refused.is_none(), "nobody has to prove anything");
}

#[test]
fn over_tls_a_token_opens_it_for_programs_and_watchers() {
    let open = open(&format!("TLS{TOKEN}"));
    let send = |headers: &str| exchange(open.tls("localhost"), &request("GET", "/metrics", headers)).code;
    assert_eq!((send(&bearer(1)), send(""), send(&bearer(4))), (200, 401, 401));
    let watch = |headers: &[(&'static str, String)]| {
        let mut request = format!("wss://localhost:{}/ws", open.address.port()).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        tungstenite::client(request, open.tls("localhost")).is_ok()
    };
    let token = || ("authorization", format!("Bearer {}", Token::of([1; 32]).reveal()));
    assert!(watch(&[token()]) && !watch(&[]));
    assert!(!watch(&[token(), ("origin", "https://evil.example".to_owned())]));
}

#[test]
fn what_is_no_certificate_is_no_listener_and_never_one_in_clear() {
    let files = Files::new();
    let site = Site::default;
    let refused = |why: &str| {
        let config = files.config(&files.tls());
        match ObserveListener::open(&config, site()) {
            Err(error @ ObserveUnavailable::Tls(_)) => {
                assert!(error.to_string().contains("the observe address is off"), "{error}");
                assert!(error.to_string().contains(why), "{error}");
            }
            other => panic!("{other:?}"),
        }
    };
    std::fs::set_permissions(files.at("key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    refused("mode 0644");
    private(Path::new(&files.at("key.pem")), "nothing\n");
    refused("holds no private key");
    std::fs::remove_file(files.at("cert.pem")).unwrap();
    refused("cannot be read");
}

#[test]
fn other_pages_read_only_where_they_are_named() {
    let named = open("cors = [\"https://grafana.example\", \"http://Desk.example:3000\"]\n");
    let asked = |open: &Open, origin: &str| {
        let reply = open.get("/api/status", &format!("origin: {origin}\r\n"));
        assert_eq!(reply.code, 200, "what is answered is the same, whoever may read it");
        let allowed = reply.header("access-control-allow-origin").map(str::to_owned);
        (allowed, reply.header("vary").map(str::to_owned), reply.header("access-control-allow-credentials").is_some())
    };
    let vary = || Some("origin".to_owned());
    for origin in ["https://grafana.example", "http://desk.example:3000"] {
        assert_eq!(asked(&named, origin), (Some(origin.to_owned()), vary(), false));
    }
    for origin in [
        "http://grafana.example",
        "https://grafana.example:8443",
        "https://grafana.example.evil",
        "https://evil.example",
        "null",
        "http://desk.example",
    ] {
        assert_eq!(asked(&named, origin), (None, vary(), false), "{origin}");
    }
    assert_eq!(named.get("/api/status", "").header("vary"), Some("origin"), "for caches");
    let twice = named.get("/health", "origin: https://grafana.example\r\norigin: https://evil.example\r\n");
    assert_eq!(twice.header("access-control-allow-origin"), None);
    let all = open("cors = [\"*\"]\n");
    assert_eq!(asked(&all, "https://evil.example"), (Some("*".to_owned()), None, false));
    let none = open("");
    assert_eq!(asked(&none, "https://grafana.example"), (None, None, false));
}

#[test]
fn a_browser_that_asks_first_is_told_without_a_token_and_told_nothing_else() {
    let preflight = |open: &Open, origin: &str, method: &str| {
        let headers = format!("origin: {origin}\r\naccess-control-request-method: {method}\r\n");
        open.send("OPTIONS", "/api/status", &headers)
    };
    let page = "https://grafana.example";
    for (observe, headers) in [("", None), (TOKEN, Some("authorization"))] {
        let open = open(&format!("{observe}cors = [\"{page}\"]\n"));
        let yes = preflight(&open, page, "GET");
        assert_eq!((yes.code, yes.body.as_str()), (204, ""), "{yes:?}");
        assert_eq!(yes.header("access-control-allow-origin"), Some(page));
        assert_eq!(yes.header("access-control-allow-methods"), Some("GET, HEAD"));
        assert_eq!(yes.header("access-control-allow-headers"), headers);
        assert_eq!((yes.header("vary"), yes.header("access-control-allow-credentials")), (Some("origin"), None));
        for (origin, method) in [("https://evil.example", "GET"), ("null", "GET"), (page, "POST"), (page, "DELETE")] {
            let no = preflight(&open, origin, method);
            assert_eq!((no.code, no.header("access-control-allow-origin")), (403, None), "{origin} {method}");
        }
        // It is no way around the token.
        let read = open.get("/api/status", &format!("origin: {page}\r\naccess-control-request-method: GET\r\n"));
        assert_eq!(read.code, if headers.is_some() { 401 } else { 200 });
        assert_eq!(read.header("access-control-allow-origin"), Some(page), "its script reads why");
        open.nothing_was_asked_for();
    }
    assert_eq!(preflight(&open(""), page, "GET").code, 405, "as ever, where no page is named");
    assert_eq!(preflight(&open(TOKEN), page, "GET").code, 401);
}

#[test]
fn a_page_that_is_named_may_watch() {
    let open = open("cors = [\"https://grafana.example\"]\n");
    let watch = |origin: &str| {
        let mut request = format!("ws://{}/ws", open.address).into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        tungstenite::client(request, open.tcp()).is_ok()
    };
    assert!(watch("https://grafana.example") && watch(&format!("http://{}", open.address)));
    assert!(!watch("https://evil.example") && !watch("http://grafana.example"));
}

#[test]
fn figures_for_programs_can_be_switched_off() {
    let open = open("metrics = false\n");
    for path in ["/metrics", "/api/metrics", "/api/metrics/history"] {
        let reply = open.get(path, "");
        assert!(reply.code == 404 && error(&reply).contains("`[observe] metrics = true`"), "{path}: {reply:?}");
    }
    for path in ["/", "/health", "/api/status", "/api/thresholds"] {
        assert_eq!(open.get(path, "").code, 200, "{path}");
    }
    let paths = open.get("/paths", "").body;
    assert!(!paths.contains("metrics") && paths.contains("/api/status"), "{paths}");
}

#[test]
fn a_fleet_is_asked_with_the_token_of_each() {
    let asked = open(TOKEN);
    let file = |name: &str, byte: u8| {
        private(&asked.files.dir.path().join(name), Token::of([byte; 32]).reveal()).display().to_string()
    };
    let url = format!("http://{}", asked.address);
    let system = |name: &str, token: &str| format!("{{ name = \"{name}\", url = \"{url}\"{token} }}");
    let with = |file: String| format!(", token = {{ file = \"{file}\" }}");
    let fleet = [
        system("good", &with(file("vera.token", 1))),
        system("wrong", &with(file("mallory.token", 4))),
        system("none", ""),
        system("lost", &with(asked.files.at("nowhere"))),
    ];
    let page = open(&format!("fleet = [{}]\n", fleet.join(", "))).get("/fleet", "").body;
    for says in ["4 systems", "OBSERVE-ONLY", "does not know the token", "it wants a token", "it was not asked"] {
        assert!(page.contains(says), "{says}: {page}");
    }
}

#[test]
fn those_who_prove_nothing_are_counted_with_those_of_another_door() {
    let files = Files::new();
    let others = Arc::new(AtomicU64::new(5));
    let asking = listener(&files, TOKEN).counting(Arc::clone(&others));
    assert!(asking.refused().is_some_and(|refused| Arc::ptr_eq(&refused, &others)));
    assert!(listener(&files, "").counting(others).refused().is_none());
}
