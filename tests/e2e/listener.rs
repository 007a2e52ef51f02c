//! The control listener over TLS, as a watchdog on another host meets it: the journal is proved and a restart asked for over it;
//! and whoever lacks the key, the authority or the right epoch is refused with words that say why.

use crate::certificates::{Authority, private};
use crate::remote::{Answer, key, now_ms, secret, text};
use crate::stage::{POLLED, Setup, WATCHDOG, Watched, is};
use crate::system::signal;
use crate::wire::Door;
use failstop_client::signed::Key;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

fn over_tls() -> Watched {
    Watched::prepare(Setup { tls: true, ..Setup::default() })
}

/// A request over TLS by whoever trusts this authority.
fn send(watched: &Watched, authority: &Path, request: &str) -> std::io::Result<Answer> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(watched.control.ip());
    let stream = TcpStream::connect(watched.control)?;
    stream.set_read_timeout(Some(crate::system::PATIENCE))?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
    stream.write_all(request.as_bytes())?;
    Ok(Answer::read(stream))
}

/// A bot that dies and is replaced: the journal has more to prove.
fn more_records(watched: &Watched) {
    let from = watched.system.next_seq();
    signal(watched.system.pid_of("bot").unwrap(), libc::SIGKILL);
    watched.system.wait_record(from, "component.started", |_| true);
    watched.system.wait_active();
}

/// What the watchdog remembers of the journal.
fn remembered(watched: &Watched) -> serde_json::Value {
    watched.get(&format!("/witness/{}", watched.system.name)).unwrap()
}

#[test]
fn a_restart_is_asked_for_over_tls_and_verified() {
    let watched = over_tls();
    let door = Door::to(watched.observe);
    let mut watched = watched.seen_through(&door).run_all();
    watched.until_proved();
    more_records(&watched);
    watched.until("lines recomputed", || remembered(&watched)["proved"] == true);

    // Its health cannot be had, its control listener can: it is asked to end, and ends by itself.
    door.shut();
    watched.told("the alert", |posted| is(posted, "target-down", "trigger"));
    assert_eq!(watched.system.wait_end(), 8);
    let announced = watched.system.wait_record(1, "x.failstop.end_announced", |_| true);
    assert_eq!((&announced["b"]["kind"], &announced["b"]["by"]), (&json!("restart"), &json!("watchdog wd1")));
    // As a service manager does.
    watched.system.start();
    door.open();
    let restarted = watched.told("a verified restart", |posted| {
        is(posted, "target-down", "update") && posted.text("title").contains("was restarted")
    });
    assert!(restarted.text("message").contains("ask: the engine accepted it"), "{restarted:#?}");
    watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert_eq!((watched.epoch(), watched.system.survivors().len()), (Some(2), 1));
    watched.until_proved();
    assert!(watched.receiver.taken("witness").is_empty());
}

#[test]
fn a_question_that_still_waits_is_not_asked_of_an_engine_that_is_well_again() {
    let restart = "ask_timeout = \"1m\"\n";
    let watched = Watched::prepare(Setup { tls: true, target: POLLED, restart, ..Setup::default() });
    let (health, control) = (Door::to(watched.observe), Door::to(watched.control));
    let watched = watched.seen_through(&health);
    let text = watched.said("watchdog.toml").replace(&watched.control.to_string(), &control.address.to_string());
    watched.write("watchdog.toml", &text);
    let watched = watched.run_all();
    watched.until_proved();

    control.hold();
    health.shut();
    watched.until_said(WATCHDOG, "rung 1: ask");
    health.open();
    watched.until_said(WATCHDOG, "it answers again: the ladder rests");
    control.open();
    // Whatever waited there has had its turn when a later question is answered.
    more_records(&watched);
    watched.until("lines recomputed", || remembered(&watched)["proved"] == true && watched.proved() == watched.head());
    assert!(watched.system.records().iter().all(|record| record["t"] != "x.failstop.end_announced"));
    assert_eq!((watched.epoch(), watched.processes().len()), (Some(1), 2), "{}", watched.said(WATCHDOG));
}

#[test]
fn what_is_not_proved_is_refused_with_the_reason() {
    let mut watched = over_tls();
    watched.system.start();
    watched.system.wait_active();
    let authority = watched.system.path("authority.pem");
    let epoch = watched.epoch().unwrap();
    let path = "/api/control/restart";
    let body = json!({ "expected_epoch": epoch, "reason": "hung" }).to_string();
    let signed = |method: &str, target: &str, body: &str, key: &Key, at: u64| {
        watched.system.signed(method, target, body, key, at)
    };
    let refused = |request: &str, code: u16, why: &str| {
        let answer = send(&watched, &authority, request).unwrap();
        let said = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(answer.code == code && said.contains(why), "{} {said}, not {code} {why}", answer.code);
    };
    let once = signed("GET", "/health", "", &key(), now_ms());
    assert_eq!(send(&watched, &authority, &once).unwrap().code, 200);
    refused(&once, 401, "the request was taken before");
    refused(&text("POST", path, &body, None), 401, "the request is not signed");
    let other = Key::parse(&secret("wd1", "00")).unwrap();
    refused(&signed("POST", path, &body, &other, now_ms()), 401, "do both sides hold the same key");
    let unknown = Key::parse(&secret("wd9", "5a")).unwrap();
    refused(&signed("POST", path, &body, &unknown, now_ms()), 401, "there is no key `wd9` here");
    refused(&signed("POST", path, &body, &key(), now_ms() - 40_000), 401, "are both clocks synchronised?");
    let later = json!({ "expected_epoch": epoch + 1, "reason": "hung" }).to_string();
    refused(&signed("POST", path, &later, &key(), now_ms()), 409, &format!("epoch {epoch}"));

    // Without TLS, and for those who trust somebody else, there is nothing.
    let other = Authority::make(&watched.system.path(""), "other");
    drop(other);
    let stranger = send(&watched, &watched.system.path("other.pem"), &once).err().unwrap().to_string();
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    let mut plain = TcpStream::connect(watched.control).unwrap();
    plain.set_read_timeout(Some(crate::system::PATIENCE)).unwrap();
    plain.write_all(signed("GET", "/health", "", &key(), now_ms()).as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A reset is an answer too.
    let _ = std::io::Read::read_to_end(&mut plain, &mut bytes);
    assert!(!String::from_utf8_lossy(&bytes).contains("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(watched.system.wait_active()["announced"], json!(null));
    assert_eq!(watched.epoch(), Some(epoch));
}

#[test]
fn a_watchdog_with_the_wrong_key_or_authority_says_so_and_alarms_nobody() {
    for (what, why) in [("key", "do both sides hold the same key"), ("authority", "UnknownIssuer")] {
        let mut watched = over_tls();
        watched.system.start();
        watched.system.wait_active();
        match what {
            "key" => private(&watched.system.path("wd1.key"), &secret("wd1", "00")),
            _ => {
                drop(Authority::make(&watched.system.path(""), "other"));
                fs::rename(watched.system.path("other.pem"), watched.system.path("authority.pem")).unwrap();
            }
        }
        watched.run(&["--config", "watchdog.toml"], WATCHDOG);
        watched.until_state("up");
        // The first head is remembered as it is shown; a later one cannot be proved.
        more_records(&watched);
        watched.until_said(WATCHDOG, "the lines of its journal cannot be had: ");
        assert!(watched.said(WATCHDOG).contains(why), "{}", watched.said(WATCHDOG));
        let drilled = watched.command(&["drill"]);
        let said = String::from_utf8_lossy(&drilled.stdout).into_owned();
        assert_eq!(drilled.status.code(), Some(1), "{said}");
        let line = said.lines().find(|line| line.contains("its engine")).unwrap();
        assert!(line.starts_with("failed") && line.contains(why), "{line}");
        assert!(watched.receiver.posted().iter().all(|posted| posted.body["data"]["drill"] == true));
        assert_eq!(remembered(&watched)["proved"], false);
    }
}
