//! E-mail against a real mail server (aiosmtpd): implicit TLS, STARTTLS, login, refusals of both kinds, a dropped connection.

use super::certificates::Certificates;
use super::world::{self, config, notice, until};
use failstop_notify::{Change, Channel, Config, Email, Handle, Kind, Running, Secret, Severity, SmtpStart};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const PASSWORD: &str = "CANARY-smtp-password";

/// Where `cargo xtask test` puts a Python that has aiosmtpd.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/python/bin/python3");

struct MailServer {
    port: u16,
    child: Child,
    stdin: Option<ChildStdin>,
    mails: Receiver<serde_json::Value>,
}

impl MailServer {
    fn start(mode: &str, certificates: &Certificates) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/notifier/smtpd.py");
        let mut child = Command::new(PYTHON)
            .args([script, mode])
            .args([&certificates.certificate, &certificates.key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a Python with aiosmtpd: cargo xtask test installs it");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let first = lines.next().expect("it starts: cargo xtask test installs aiosmtpd").expect("text");
        let port = first.strip_prefix("port ").and_then(|port| port.parse().ok()).expect("a port");
        let (sender, mails) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mail = serde_json::from_str(&line).expect("JSON");
                if sender.send(mail).is_err() {
                    break;
                }
            }
        });
        let stdin = child.stdin.take();
        Self { port, child, stdin, mails }
    }

    fn mail(&self) -> serde_json::Value {
        self.mails.recv_timeout(Duration::from_secs(60)).expect("a mail")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

fn email(port: u16, start: SmtpStart, to: &[&str]) -> Email {
    Email {
        host: "localhost".into(),
        port,
        start,
        login: Some(("user".into(), Secret::new(PASSWORD))),
        from: "failstop@example.com".into(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
    }
}

fn with(email: Email, certificates: &Certificates) -> Config {
    let channel = Channel { timeout: Duration::from_secs(30), ..Channel::new(Kind::Email(email)) };
    Config { ca_file: Some(certificates.authority.clone()), ..config(vec![channel]) }
}

fn start(config: Config, folder: &Path) -> (Handle, Running) {
    let (alerts, driver) = world::open(config, folder);
    (alerts, driver.spawn().expect("a thread"))
}

fn header<'a>(mail: &'a serde_json::Value, name: &str) -> Vec<&'a str> {
    let data = mail["data"].as_str().unwrap_or_default();
    let head = data.split("\r\n\r\n").next().unwrap_or_default();
    let start = format!("{name}: ");
    head.split("\r\n").filter_map(|line| line.strip_prefix(start.as_str())).collect()
}

#[test]
fn mail_comes_inside_tls_after_a_login_and_keeps_an_incident_together() {
    for (mode, begins) in [("implicit", SmtpStart::Implicit), ("starttls", SmtpStart::StartTls)] {
        let folder = world::folder();
        let certificates = Certificates::make(folder.path(), "localhost");
        let server = MailServer::start(mode, &certificates);
        let to = ["ops@example.com", "boss@example.com"];
        let (alerts, running) =
            start(with(email(server.port, begins, &to), &certificates), &folder.path().join("outbox"));
        let mut report = notice("demo/hung/bot/1", Change::Trigger, Severity::Critical);
        report.title = "bot beats no more\r\nBcc: thief@example.com é".into();
        report.message = ".\n.leading dot\nGrüße".into();
        alerts.report(report).expect("room");
        let mut mails = [server.mail(), server.mail()];
        mails.sort_by_key(|mail| mail["to"].to_string());
        assert_eq!((&mails[0]["to"][0], &mails[1]["to"][0]), (&"boss@example.com".into(), &"ops@example.com".into()));
        for mail in &mails {
            assert_eq!((&mail["login"], &mail["tls"]), (&"user".into(), &true.into()), "{mode}");
            assert_eq!(header(mail, "Auto-Submitted"), ["auto-generated"]);
            assert_eq!(header(mail, "Importance"), ["high"]);
            assert!(header(mail, "Bcc").is_empty() && header(mail, "Subject").len() == 1);
            assert_eq!(header(mail, "Date").len(), 1);
        }
        let id = header(&mails[0], "Message-ID")[0].to_owned();
        assert!(id.ends_with("@example.com>"), "{id}");
        assert_eq!(header(&mails[1], "Message-ID"), [id.as_str()]);
        alerts.report(notice("demo/hung/bot/1", Change::Resolve, Severity::Critical)).expect("room");
        let end = server.mail();
        assert_ne!(header(&end, "Message-ID"), [id.as_str()]);
        assert_eq!(header(&end, "References"), header(&mails[0], "References"));
        server.mail();
        until("the outbox is empty", || alerts.status().channels.iter().all(|channel| channel.queued == 0));
        running.stop();
    }
}

#[test]
fn each_recipient_is_served_by_itself_and_each_refusal_has_its_class() {
    let folder = world::folder();
    let certificates = Certificates::make(folder.path(), "localhost");
    let server = MailServer::start("implicit", &certificates);
    let to = ["ops@example.com", "busy@example.com", "gone@example.com", "full@example.com", "spam@example.com"];
    let email = email(server.port, SmtpStart::Implicit, &to);
    let (alerts, running) = start(with(email, &certificates), &folder.path().join("outbox"));
    alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    assert_eq!(server.mail()["to"][0], "ops@example.com");
    let told = |at: usize| alerts.status().channels[at].last_error.clone().unwrap_or_default();
    until("every refusal is known", || (1..5).all(|at| !told(at).is_empty()));
    let seen: Vec<String> = (1..5).map(told).collect();
    for (said, code) in seen.iter().zip(["450", "550", "452", "554"]) {
        assert!(said.contains(code), "{said} {code}");
    }
    let status = alerts.status();
    // What may pass is kept, what will not is given up; trouble with the two that refuse waits for nobody.
    let waits = |at: usize| status.channels[at].queued > 0;
    assert!(waits(1) && waits(3), "{status:?}");
    assert!(status.counters.given_up >= 2);
    let gone = alerts.list().iter().filter(|alert| alert.cause == "alert-channel").count();
    assert_eq!(gone, 2, "people are told of the two that refuse, and only of them");
    running.stop();
}

#[test]
fn a_lost_answer_brings_the_same_mail_again() {
    let folder = world::folder();
    let certificates = Certificates::make(folder.path(), "localhost");
    let server = MailServer::start("starttls", &certificates);
    let email = email(server.port, SmtpStart::StartTls, &["drop@example.com"]);
    let (alerts, running) = start(with(email, &certificates), &folder.path().join("outbox"));
    alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    let (first, again) = (server.mail(), server.mail());
    assert_eq!(header(&first, "Message-ID"), header(&again, "Message-ID"));
    until("the outbox is empty", || alerts.status().channels[0].queued == 0);
    assert_eq!(alerts.status().counters.failed_attempts, 1);
    running.stop();
}

#[test]
fn nothing_is_said_in_clear_text_and_to_nobody_unknown() {
    let folder = world::folder();
    let certificates = Certificates::make(folder.path(), "localhost");
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let stranger = Certificates::make(&other, "localhost");
    let misnamed = folder.path().join("misnamed");
    std::fs::create_dir(&misnamed).expect("a folder");
    let misnamed = Certificates::make(&misnamed, "elsewhere.example.com");

    let refused = |mode: &str, shown: &Certificates, trusted: &Certificates, begins, password: &str| {
        let server = MailServer::start(mode, shown);
        let mut email = email(server.port, begins, &["ops@example.com"]);
        email.login = Some(("user".into(), Secret::new(password)));
        let outbox = world::folder();
        let (alerts, running) = start(with(email, trusted), outbox.path());
        alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
        until("it is refused", || alerts.status().channels[0].last_error.is_some());
        let said = alerts.status().channels[0].last_error.clone().unwrap_or_default();
        running.stop();
        assert!(server.mails.try_recv().is_err(), "{mode}: something was sent");
        assert!(!said.contains("CANARY"), "{said}");
        said
    };
    let said = refused("plain", &certificates, &certificates, SmtpStart::StartTls, PASSWORD);
    assert!(said.contains("no STARTTLS"), "{said}");
    let said = refused("implicit", &stranger, &certificates, SmtpStart::Implicit, PASSWORD);
    assert!(said.contains("not trusted"), "{said}");
    let said = refused("starttls", &stranger, &certificates, SmtpStart::StartTls, PASSWORD);
    assert!(said.contains("not trusted"), "{said}");
    let said = refused("implicit", &misnamed, &misnamed, SmtpStart::Implicit, PASSWORD);
    assert!(said.contains("another name"), "{said}");
    let said = refused("starttls", &certificates, &certificates, SmtpStart::StartTls, "CANARY-wrong");
    assert!(said.contains("535"), "{said}");
}

#[test]
fn clear_text_slipped_in_before_tls_ends_the_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"220 mail\r\n").expect("written");
        let mut lines = BufReader::new(stream.try_clone().expect("a copy"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("EHLO");
        stream.write_all(b"250-mail\r\n250 STARTTLS\r\n").expect("written");
        lines.read_line(&mut line).expect("STARTTLS");
        stream.write_all(b"220 go on\r\n250-AUTH PLAIN\r\n250 OK\r\n").expect("written");
        let mut rest = Vec::new();
        // Until the other side ends it.
        let _ = lines.read_to_end(&mut rest);
        rest
    });
    let folder = world::folder();
    let certificates = Certificates::make(folder.path(), "localhost");
    let email = email(port, SmtpStart::StartTls, &["ops@example.com"]);
    let (alerts, running) = start(with(email, &certificates), &folder.path().join("outbox"));
    alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    until("it is refused", || alerts.status().channels[0].last_error.is_some());
    let said = alerts.status().channels[0].last_error.clone().unwrap_or_default();
    assert!(said.contains("somebody is in between"), "{said}");
    assert_eq!(heard.join().expect("its end"), Vec::<u8>::new(), "nothing follows");
    running.stop();
}
