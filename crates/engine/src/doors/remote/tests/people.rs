//! People and programs with tokens at the control listener: every control by every role, and every way to be nobody.

use super::*;
use crate::access::{Control as Ordered, Role, Standing};
use crate::command::TurnedAway;
use crate::doors::control_cases::cases;
use failstop_client::token::Token;

/// Who there is, with a token each; the last is in no file.
const PEOPLE: [(&str, Option<Role>, u8); 4] = [
    ("vera", Some(Role::Viewer), 1),
    ("ada", Some(Role::Admin), 2),
    ("sue", Some(Role::SuperAdmin), 3),
    ("mallory", None, 4),
];

fn token(byte: u8) -> Token {
    Token::of([byte; 32])
}

fn bearer(byte: u8) -> String {
    format!("authorization: Bearer {}\r\n", token(byte).reveal())
}

fn line(name: &str, role: Role, byte: u8) -> String {
    format!("{name} {role} sha256:{}\n", token(byte).digest())
}

/// A listener with everybody's tokens, and one watchdog.
fn with_tokens() -> Open {
    let mut files = files();
    let lines: String = PEOPLE.iter().filter_map(|(name, role, byte)| Some(line(name, (*role)?, *byte))).collect();
    files.control.token_file = Some(private(&files.dir.path().join("tokens"), &lines));
    open_with(Does::Answers(Box::new(status())), files, Limits::REMOTE, Duration::from_millis(1))
}

impl Open {
    fn with(&self, method: &str, target: &str, body: &str, headers: &str) -> Reply {
        self.send(&asks(method, target, body).with(headers))
    }

    fn turned(&self) -> TurnedAway {
        self.fake.turned.recv_timeout(PATIENCE).unwrap()
    }
}

#[test]
fn every_control_is_taken_from_whom_the_table_says_and_from_nobody_else() {
    let open = with_tokens();
    for (control, path, body) in cases() {
        for (name, role, byte) in PEOPLE {
            let what = format!("{} by {name}", control.row().name);
            let reply = open.with("POST", &path, &body, &bearer(byte));
            let error = || reply.json()["error"].as_str().unwrap_or_default().to_owned();
            match role {
                Some(role) if control.allows(Standing::Role(role)) => {
                    assert_eq!(reply.code, 200, "{what}: {reply:?}");
                    let told = open.told().unwrap();
                    // A test of the channels is told without who asked for it.
                    assert!(
                        control == Ordered::TestAlerts || told.ends_with(&format!("token {name}")),
                        "{what}: {told}"
                    );
                }
                Some(role) => {
                    assert_eq!(reply.code, 403, "{what}: {reply:?}");
                    let needs = format!("needs the role {}, and this is {role}:", control.row().least);
                    assert!(error().contains(&needs), "{what}: {}", error());
                    assert_eq!(open.told(), None, "{what}");
                }
                None => {
                    assert_eq!(reply.code, 401, "{what}: {reply:?}");
                    assert!(error().contains("is not known here"), "{what}: {}", error());
                    assert_eq!(open.told(), None, "{what}");
                }
            }
        }
        assert_eq!(open.with("POST", &path, &body, "").code, 401, "{path} by nobody");
        assert_eq!(open.told(), None, "{path}");
    }
}

#[test]
fn whoever_may_look_is_answered_what_the_control_socket_answers() {
    let open = with_tokens();
    for target in ["/health", "/metrics", "/api/status", "/api/alerts", "/api/orders", "/api/processes"] {
        for (name, role, byte) in PEOPLE {
            let code = open.with("GET", target, "", &bearer(byte)).code;
            assert_eq!(code, if role.is_some() { 200 } else { 401 }, "{target} by {name}");
        }
    }
    assert_eq!(open.with("GET", "/api/beat", "", &bearer(1)).code, 404, "a stream would outlive a token");
    assert_eq!(open.with("GET", "/api/control/stop", "", &bearer(3)).code, 405);
    // A watchdog is what it was.
    assert_eq!(open.ask("GET", "/api/status", "").code, 200);
    assert_eq!(open.ask("POST", "/api/control/emergency-stop", "{\"reason\":\"r\"}").code, 404);
    // Whoever may act has the means on his page, and nobody else.
    let page = |byte| open.with("GET", "/", "", &bearer(byte)).body;
    assert!(!page(1).contains("data-action") && page(1).contains("<html"));
    assert!(page(2).contains("data-action=\"api/control/emergency-stop\""));
}

#[test]
fn an_admin_sees_which_tokens_are_used_and_a_viewer_its_own() {
    let open = with_tokens();
    let list = |byte| open.with("GET", "/api/access", "", &bearer(byte)).json();
    let used = |list: &serde_json::Value| -> Vec<(String, bool)> {
        let tokens = list["tokens"].as_array().unwrap().iter();
        tokens.map(|token| (token["name"].as_str().unwrap().to_owned(), token["last_used"].is_string())).collect()
    };
    let vera = list(1);
    assert_eq!((&vera["by"], &vera["role"]), (&"token vera".into(), &"viewer".into()));
    assert_eq!(used(&vera), [("vera".to_owned(), true)]);
    let all = [("vera", true), ("ada", true), ("sue", false)].map(|(name, used)| (name.to_owned(), used));
    assert_eq!(used(&list(2)), all);
    assert_eq!(open.ask("GET", "/api/access", "").code, 404, "a watchdog has nothing to see there");
}

#[test]
fn a_new_token_of_an_old_name_was_never_shown() {
    let open = with_tokens();
    let used = |byte| -> Vec<bool> {
        let list = open.with("GET", "/api/access", "", &bearer(byte)).json();
        list["tokens"].as_array().unwrap().iter().map(|token| token["last_used"].is_string()).collect()
    };
    assert_eq!(used(1), [true]);
    let lines = line("vera", Role::Viewer, 9) + &line("ada", Role::Admin, 2);
    private(&open.files.dir.path().join("tokens"), &lines);
    assert_eq!(used(2), [false, true]);
    assert_eq!(used(9), [true]);
}

#[test]
fn what_is_no_proof_is_refused_counted_told_and_helped() {
    let open = with_tokens();
    let cases = [
        (String::new(), "this needs a token"),
        (bearer(4), "is not known here"),
        ("authorization: Bearer failstop_12\r\n".to_owned(), "a token is `failstop_`"),
        (bearer(3).replace("0303", "0304"), "the token's checksum is wrong"),
        (bearer(3) + &bearer(3), "is not `Failstop-HMAC-SHA256"),
        ("authorization: Basic c3VlOnN1ZQ==\r\n".to_owned(), "is not `Failstop-HMAC-SHA256"),
        ("authorization: Token failstop_12\r\n".to_owned(), "nor `Bearer failstop_…`, as a token is shown"),
    ];
    let count = cases.len() as u64;
    for (headers, says) in cases {
        let reply = open.with("GET", "/api/status", "", &headers);
        assert_eq!(reply.code, 401, "{headers}: {reply:?}");
        assert!(reply.json()["error"].as_str().unwrap().contains(says), "{headers}: {reply:?}");
        let schemes: Vec<&str> = reply.head.lines().filter(|line| line.starts_with("www-authenticate")).collect();
        assert_eq!(schemes.len(), 2, "{reply:?}");
        match open.turned() {
            TurnedAway::Unproved { peer, why, before: 0 } => {
                assert_eq!(peer, "127.0.0.1");
                assert!(why.contains(says) && !why.contains("0303"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open.refused.load(Ordering::Relaxed), count);
}

#[test]
fn a_token_that_is_taken_out_is_nobodys_with_the_next_request_and_a_broken_file_lets_nobody_in() {
    let open = with_tokens();
    let path = open.files.control.token_file.clone().unwrap();
    let code = |byte| open.with("GET", "/api/status", "", &bearer(byte)).code;
    assert_eq!((code(1), code(3)), (200, 200));
    private(&path, &line("vera", Role::Viewer, 1));
    assert_eq!((code(1), code(3)), (200, 401));
    private(&path, &line("sue", Role::Viewer, 3));
    assert_eq!(open.with("POST", "/api/control/stop", STOP, &bearer(3)).code, 403, "its role is that of now");
    for (text, mode) in [("sue", 0o600), ("", 0o604)] {
        private(&path, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let reply = open.with("GET", "/api/status", "", &bearer(3));
        assert_eq!(reply.code, 503, "{reply:?}");
        assert!(!reply.body.contains(path.to_str().unwrap()), "{reply:?}");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(code(3), 503);
    // A watchdog has a key of its own.
    assert_eq!(open.ask("GET", "/api/status", "").code, 200);
}

#[test]
fn without_tls_a_token_is_worth_nothing() {
    let mut files = files();
    files.control.token_file = Some(private(&files.dir.path().join("tokens"), &line("sue", Role::SuperAdmin, 3)));
    (files.control.tls_cert, files.control.tls_key) = (None, None);
    let open = open_with(Does::Answers(Box::new(status())), files, Limits::REMOTE, Duration::from_millis(1));
    let asked = asks("POST", "/api/control/stop", STOP).with(&bearer(3));
    assert_eq!(exchange(open.tcp(), asked.as_bytes()).code, 401);
    assert_eq!(
        exchange(open.tcp(), asks("GET", "/login", "").with("").as_bytes()).code,
        401,
        "and there is no form for one"
    );
    assert_eq!(open.told(), None);
}

#[test]
fn whoever_proves_it_is_answered_at_once_however_many_fail_beside_him() {
    let mut files = files();
    files.control.token_file = Some(private(&files.dir.path().join("tokens"), &line("ada", Role::Admin, 2)));
    let open = open_with(Does::Answers(Box::new(status())), files, Limits::REMOTE, Duration::from_secs(3600));
    let guessers: Vec<Stream> = (0..70)
        .map(|_| {
            let mut guesser = open.tls();
            guesser.write_all(asks("GET", "/health", "").with(&bearer(4)).as_bytes()).unwrap();
            guesser.flush().unwrap();
            guesser
        })
        .collect();
    let end = std::time::Instant::now() + PATIENCE;
    while open.refused.load(Ordering::Relaxed) < 70 {
        assert!(std::time::Instant::now() < end, "not counted");
        std::thread::sleep(Duration::from_millis(1));
    }
    let reply = open.with("POST", "/api/control/emergency-stop", "{\"reason\":\"r\"}", &bearer(2));
    assert_eq!(reply.code, 200, "{reply:?}");
    assert!(open.told().unwrap().starts_with("KillSwitchEngage"));
    // Those beyond the places for waiting hold no connection.
    let answered = guessers.into_iter().filter_map(|mut guesser| {
        guesser.sock.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
        guesser.read(&mut [0; 16]).ok()
    });
    assert_eq!(answered.count(), 70 - 64);
}

#[test]
fn an_order_is_known_by_the_name_of_its_request() {
    let open = with_tokens();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let given = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n{}", bearer(1));
    let reply = open.with("POST", "/api/control/stop", STOP, &given);
    assert_eq!((reply.code, reply.header("failstop-trace")), (403, Some(trace)));
    match open.turned() {
        TurnedAway::Forbidden { by, forbidden, before: 0 } => {
            assert_eq!((by.to_string().as_str(), by.trace.to_string().as_str()), ("token vera", trace));
            assert_eq!(forbidden.control, Ordered::StopEngine);
        }
        other => panic!("{other:?}"),
    }
    let made = open.with("POST", "/api/control/stop", STOP, &bearer(2));
    assert_eq!((made.code, made.header("failstop-trace").map(str::len)), (200, Some(32)));
}

/// What a browser sends: `x` is the host that it asked.
fn browser(cookie: Option<&str>, origin: Option<&str>) -> String {
    let cookie = cookie.map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
    let origin = origin.map(|origin| format!("origin: {origin}\r\n")).unwrap_or_default();
    format!("accept: text/html,*/*\r\n{cookie}{origin}")
}

const OURS: Option<&str> = Some("https://x");

/// Sends the form; the cookie that came of it.
fn log_in(open: &Open, text: &str) -> (Reply, Option<String>) {
    let form = format!("token={text}");
    let request = asks("POST", "/login", &form).with(&browser(None, OURS));
    let request = request.replace("application/json", "application/x-www-form-urlencoded");
    let reply = open.send(&request);
    let cookie = reply.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
    (reply, cookie)
}

#[test]
fn a_browser_logs_in_with_a_token_and_acts_by_its_cookie() {
    let open = with_tokens();
    let visit = open.with("GET", "/", "", &browser(None, None));
    assert_eq!((visit.code, visit.header("location")), (303, Some("/login")));
    let form = open.with("GET", "/login", "", &browser(None, None));
    assert!(form.code == 200 && form.body.contains("name=\"token\""), "{form:?}");
    assert!(form.body.contains("Log in to demo"), "which system it is: {}", form.body);
    assert!(form.header("content-security-policy").unwrap().contains("form-action 'self'"));
    assert_eq!(form.header("referrer-policy"), Some("same-origin"));
    assert_eq!(open.with("GET", "/dashboard/style.css", "", "").code, 200);
    assert_eq!(open.refused.load(Ordering::Relaxed), 0, "to visit is no try");

    let (wrong, cookie) = log_in(&open, token(4).reveal());
    assert!(wrong.code == 401 && wrong.body.contains("is not known here") && cookie.is_none(), "{wrong:?}");
    assert_eq!(open.refused.load(Ordering::Relaxed), 1);
    let (right, cookie) = log_in(&open, &format!("+{}%0A", token(2).reveal()));
    assert_eq!((right.code, right.header("location")), (303, Some("/")));
    let set = right.header("set-cookie").unwrap();
    for part in ["__Host-failstop=", "; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200;"] {
        assert!(set.contains(part), "{part}: {set}");
    }
    assert!(!set.contains(token(2).reveal()));
    let cookie = cookie.unwrap();
    assert!(open.with("GET", "/", "", &browser(Some(&cookie), None)).body.contains("id=\"stop\""));
    let stop = |origin| {
        open.with("POST", "/api/control/emergency-stop", "{\"reason\":\"r\"}", &browser(Some(&cookie), origin)).code
    };
    // A cookie goes along by itself, also with what a foreign page sends.
    for foreign in [None, Some("https://evil.example"), Some("http://x"), Some("null")] {
        assert_eq!(stop(foreign), 403, "{foreign:?}");
        assert_eq!(open.told(), None, "{foreign:?}");
    }
    assert_eq!(stop(OURS), 200);
    assert!(open.told().unwrap().ends_with("token ada"));
    let resume = "{\"reason\":\"r\",\"confirm\":\"demo\"}";
    assert_eq!(open.with("POST", "/api/control/resume", resume, &browser(Some(&cookie), OURS)).code, 403);

    assert!(open.with("GET", "/login", "", &browser(Some(&cookie), None)).body.contains("token ada"));
    assert_eq!(open.with("POST", "/logout", "", &browser(Some(&cookie), None)).code, 403, "nobody else logs one out");
    let out = open.with("POST", "/logout", "", &browser(Some(&cookie), OURS));
    assert_eq!(out.code, 303);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(stop(OURS), 401);
    assert_eq!(open.told(), None);
}

#[test]
fn a_page_of_ours_whose_cookie_ran_out_is_no_guess() {
    let open = with_tokens();
    for (method, target) in [("GET", "/ws"), ("POST", "/api/control/emergency-stop")] {
        let reply = open.with(method, target, "{\"reason\":\"r\"}", "origin: https://x\r\n");
        assert_eq!(reply.code, 401, "{target}");
        assert!(reply.json()["error"].as_str().unwrap().contains("session is over: log in again"), "{reply:?}");
    }
    assert_eq!((open.refused.load(Ordering::Relaxed), open.told()), (0, None));
    assert_eq!(open.with("GET", "/ws", "", "origin: https://evil.example\r\n").code, 401);
    assert_eq!(open.refused.load(Ordering::Relaxed), 1);
}

#[test]
fn a_session_is_worth_what_its_token_is_now() {
    let open = with_tokens();
    let (_, cookie) = log_in(&open, token(2).reveal());
    let cookie = cookie.unwrap();
    let path = open.files.control.token_file.clone().unwrap();
    let page = |headers: &str| open.with("GET", "/", "", headers);
    let scripted = format!("cookie: {cookie}\r\n");
    assert!(page(&scripted).body.contains("id=\"stop\""));
    private(&path, &line("ada", Role::Viewer, 2));
    let seen = page(&scripted);
    assert!(seen.code == 200 && !seen.body.contains("id=\"stop\""), "{seen:?}");
    private(&path, &line("vera", Role::Viewer, 1));
    assert_eq!(page(&scripted).code, 401);
    assert_eq!(page(&browser(Some(&cookie), None)).code, 303, "to the form");
    assert_eq!(open.refused.load(Ordering::Relaxed), 0, "and it was no guess");
    // A cookie that was never given out.
    assert_eq!(page(&format!("cookie: __Host-failstop={}\r\n", "ab".repeat(32))).code, 401);
    // A form that a foreign page sends would log its victim in as somebody else.
    private(&path, &line("ada", Role::Admin, 2));
    let form = format!("token={}", token(2).reveal());
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let request = asks("POST", "/login", &form).with(&browser(None, origin));
        let reply = open.send(&request.replace("application/json", "application/x-www-form-urlencoded"));
        assert!(reply.code == 403 && reply.header("set-cookie").is_none(), "{origin:?}: {reply:?}");
    }
    assert_eq!(open.with("POST", "/login", &form, &browser(None, OURS)).code, 415, "not as a form");
}

/// A client's certificate for this name, by an authority.
fn certificate(
    name: &str,
    authority: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>,
) -> (CertificateDer<'static>, Vec<u8>) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = rcgen::KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().der().clone(), key.serialize_der())
}

fn authority(name: &str) -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn a_certificate_of_our_authority_counts_as_the_name_that_it_is_for() {
    let (ours, another) = (authority("ours"), authority("another"));
    let mut files = files();
    let lines = format!("deployer admin certificate\n{}", line("ada", Role::Admin, 2));
    files.control.token_file = Some(private(&files.dir.path().join("tokens"), &lines));
    files.control.client_ca = Some(private(&files.dir.path().join("people.pem"), &ours.pem()));
    let open = open_with(Does::Answers(Box::new(status())), files, Limits::REMOTE, Duration::from_millis(1));
    let showing = |name: &str, by: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>, request: &str| {
        let (cert, key) = certificate(name, by);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(open.files.cert.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![cert], rustls::pki_types::PrivatePkcs8KeyDer::from(key).into())
            .unwrap();
        let host = ServerName::try_from("localhost").unwrap();
        let client = rustls::ClientConnection::new(Arc::new(config), host).unwrap();
        exchange(rustls::StreamOwned::new(client, open.tcp()), request.as_bytes())
    };
    let stop = asks("POST", "/api/control/stop", STOP).with("");
    assert_eq!(showing("deployer", &ours, &stop).code, 200);
    assert!(open.told().unwrap().ends_with("certificate deployer"));
    let resume = asks("POST", "/api/control/resume", "{\"reason\":\"r\",\"confirm\":\"demo\"}").with("");
    assert_eq!(showing("deployer", &ours, &resume).code, 403);
    // A page of somebody else's, in a browser that has the certificate.
    let foreign = asks("POST", "/api/control/stop", STOP).with("origin: https://evil.example\r\n");
    assert_eq!(showing("deployer", &ours, &foreign).code, 403);
    for nobody in ["mallory", "ada", ""] {
        let reply = showing(nobody, &ours, &stop);
        assert_eq!(reply.code, 401, "{nobody}: {reply:?}");
    }
    assert_eq!(showing("deployer", &another, &stop).code, 0, "TLS itself says no");
    // Whoever shows none shows something else, and that counts more.
    assert_eq!(open.with("GET", "/api/status", "", &bearer(2)).code, 200);
    let as_ada = asks("POST", "/api/control/stop", STOP).with(&bearer(2));
    assert_eq!(showing("deployer", &ours, &as_ada).code, 200);
    assert!(open.told().unwrap().ends_with("token ada"));
    assert_eq!(open.ask("GET", "/api/status", "").code, 200);
    assert_eq!(open.told(), None);
}

#[test]
fn without_a_dashboard_there_is_no_form() {
    let mut files = files();
    files.control.token_file = Some(private(&files.dir.path().join("tokens"), &line("ada", Role::Admin, 2)));
    let fake = FakeLoop::start(Does::Answers(Box::new(status())));
    let pace = Pace { first: Duration::from_millis(1), ..Pace::CONTROL };
    let listener = RemoteListener::open_with(&files.control, "demo", now(), Limits::REMOTE, pace).unwrap().unwrap();
    let (address, refused) = (listener.address, listener.refused());
    let remote = Some(listener.showing(false));
    let doors = HttpDoors::open(Listeners { remote, ..Listeners::default() }, fake.link()).unwrap();
    let open = Open { files, address, refused, fake, _doors: doors };
    for target in ["/", "/login", "/dashboard/style.css"] {
        assert_eq!(open.with("GET", target, "", &browser(None, None)).code, 401, "{target}");
    }
    assert_eq!(open.with("GET", "/api/status", "", &bearer(2)).code, 200);
    assert_eq!(open.with("GET", "/", "", &bearer(2)).code, 404);
}
