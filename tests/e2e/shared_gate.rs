//! What the gate hears from outside: rates that two systems share over a Redis that dies, and prices from a page.

use crate::bookkeeper::Bookkeeper;
use crate::certificates::{Authority, private};
use crate::gate::{GATE, codes, live_by, order, price, result};
use crate::venue::{Does, Venue};
use serde_json::Value;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A server of the test's own.
struct Redis {
    child: Child,
    folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(&folder);
        Self { child, folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = spawn(&self.folder);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(folder: &tempfile::TempDir) -> Child {
    spawn_with(folder, &[])
}

fn spawn_with(folder: &tempfile::TempDir, more: &[&str]) -> Child {
    let socket = folder.path().join("redis.sock");
    // The server's program by the name under which its tools' package brings it.
    let mut redis = Command::new("redis-check-rdb");
    redis.arg0("redis-server").args(["--save", "", "--appendonly", "no", "--port", "0", "--dir"]).arg(folder.path());
    redis.arg("--unixsocket").arg(&socket).args(more).stdin(Stdio::null()).stdout(Stdio::null());
    let child = redis.spawn().unwrap();
    eventually(|| UnixStream::connect(&socket).is_ok());
    child
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "it never happened");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asks until the answer is another one, each time for a new order; the last answer and its id.
fn until(desk: &mut Bookkeeper, prefix: &str, mut holds: impl FnMut(&Value) -> bool) -> (Value, String) {
    let begun = Instant::now();
    for try_number in 0.. {
        let id = format!("{prefix}-{try_number}");
        let answer = desk.say(&order(&id, "buy", "0.01"));
        if holds(&answer) {
            return (answer, id);
        }
        assert!(begun.elapsed() < LONG, "{answer}");
        std::thread::sleep(Duration::from_millis(10));
    }
    unreachable!("numbers do not end")
}

#[test]
fn two_systems_of_one_group_have_one_rate_and_without_its_server_nothing_is_opened() {
    let mut redis = Redis::start();
    let group =
        format!("[shared_rates]\nsocket = \"{}\"\ngroup = \"desk\"\ntimeout = \"1s\"\n", redis.socket().display());
    let gate = GATE.replace("openings_per_minute = 100", "openings_per_minute = 3") + &group;
    let (mut one, mut two) = (live_by(&gate), live_by(&gate));
    let allowed = |answer: &Value| answer["allow"] == true;
    let (_, first) = until(&mut one, "first", allowed);
    until(&mut two, "second", allowed);
    let third = one.say(&order("third", "buy", "0.01"));
    assert!(allowed(&third), "{third}");
    for desk in [&mut one, &mut two] {
        assert_eq!(codes(&desk.say(&order("fourth", "buy", "0.01"))), ["RATE_OPENINGS"]);
    }
    // What came to nothing is there for the other one.
    one.booked(&result(&first, "not-sent"));
    let (_, _) = until(&mut two, "fifth", allowed);
    assert_eq!(codes(&one.say(&order("sixth", "buy", "0.01"))), ["RATE_OPENINGS"]);
    // How often it was found to have lost what it had counted.
    let forgotten = |desk: &Bookkeeper| {
        desk.system.status().and_then(|status| status["gate"]["shared_rates"]["forgotten"].as_u64()).unwrap()
    };
    let before = forgotten(&two);
    redis.kill();
    until(&mut two, "seventh", |answer| codes(answer) == ["RATE_SHARED"]);
    // Empty it knows nothing, and is known to know nothing.
    redis.start_again();
    let begun = Instant::now();
    for tries in 0.. {
        let answer = two.say(&order(&format!("eighth-{tries}"), "buy", "0.01"));
        assert_eq!(codes(&answer), ["RATE_SHARED"], "{answer}");
        if forgotten(&two) > before {
            break;
        }
        assert!(begun.elapsed() < LONG, "it was never asked again; log:\n{}", two.system.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((one.system.stop(), two.system.stop()), (0, 0));
}

#[test]
fn without_the_server_of_a_group_a_host_opens_its_share_and_no_more() {
    let mut redis = Redis::start();
    let group = format!(
        "[shared_rates]\nsocket = \"{}\"\ngroup = \"desk\"\ntimeout = \"1s\"\nfallback = \"local\"\nshare_percent = 50\n",
        redis.socket().display()
    );
    let mut desk = live_by(&(GATE.replace("openings_per_minute = 100", "openings_per_minute = 6") + &group));
    desk.system.wait_status("its server decides", |status| status["gate"]["shared_rates"]["state"] == "good");
    let first = desk.say(&order("first", "buy", "0.01"));
    assert_eq!(first["allow"], true, "{first}");
    redis.kill();
    // Half of six, with the one that the server counted.
    let mut allowed = 1;
    until(&mut desk, "apart", |answer| {
        allowed += u32::from(answer["allow"] == true);
        codes(answer) == ["RATE_OPENINGS"]
    });
    assert_eq!(allowed, 3);
    let status = desk.system.status().unwrap();
    let shared = &status["gate"]["shared_rates"];
    assert_eq!((&shared["state"], shared["fitted"].as_u64()), (&"apart".into(), Some(1)), "{shared}");
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn a_server_is_spoken_to_over_tls_with_a_password_and_only_where_its_certificate_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let good = Authority::make(folder.path(), "authority").sign("redis", "localhost");
    Authority::make(folder.path(), "stranger");
    let place = folder.path().to_owned();
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = spawn_with(
        &folder,
        &[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            good.certificate.to_str().unwrap(),
            "--tls-key-file",
            good.key.to_str().unwrap(),
            "--tls-ca-cert-file",
            &path("authority.pem"),
            "--tls-auth-clients",
            "no",
            "--requirepass",
            "s3cret",
        ],
    );
    let _redis = Redis { child, folder };
    private(Path::new(&path("password")), "s3cret\n");
    let gate = |authority: &str, password: &str| {
        format!(
            "{GATE}[shared_rates]\nserver = \"localhost:{port}\"\ntls = true\nca_file = \"{}\"\ngroup = \"desk\"\ntimeout = \"1s\"\n{password}",
            path(authority)
        )
    };
    let password = format!("password = {{ file = \"{}\" }}\n", path("password"));
    let mut desk = live_by(&gate("authority.pem", &password));
    until(&mut desk, "good", |answer| answer["allow"] == true);
    let asked = desk.system.status().unwrap();
    assert!(asked["gate"]["shared_rates"]["fitted"].as_u64() > Some(0), "{asked}");
    assert_eq!(desk.system.stop(), 0);
    for (authority, password, fault) in [
        ("stranger.pem", password.as_str(), "TLS: the server's certificate is of an authority that is not trusted"),
        ("authority.pem", "", "NOAUTH"),
    ] {
        let mut desk = live_by(&gate(authority, password));
        let status = desk.system.wait_status(fault, |status| !status["gate"]["shared_rates"]["fault"].is_null());
        let said = status["gate"]["shared_rates"]["fault"].as_str().unwrap();
        assert!(said.contains(fault), "{said}");
        assert_eq!(codes(&desk.say(&order("o-1", "buy", "0.01"))), ["RATE_SHARED"]);
        assert_eq!(desk.system.stop(), 0);
    }
}

#[test]
fn a_page_is_a_price_source_and_a_bot_alone_is_not_believed() {
    let page = Venue::new(Does::Http(200, r#"{"result":[{"p":"1000.50"}]}"#.to_owned()));
    let gate = GATE.replace("[prices]\n", "[prices]\nrequired = 2\n");
    let poll = format!(
        "[[prices.poll]]\nsource = \"b\"\ninstrument = \"BTC/USDT\"\nurl = \"{}/ticker\"\nlast = \"$.result[0].p\"\n\
         interval = \"200ms\"\n",
        page.url()
    );
    let mut alone = Bookkeeper::new(&gate);
    alone.system.start();
    alone.system.wait_active();
    assert_eq!(alone.say(&price("999", "1001"))["ok"], true);
    let refused = alone.say(&order("p-1", "buy", "0.1"));
    assert!(codes(&refused).iter().any(|code| code.contains("PRICE")), "{refused}");
    assert_eq!(alone.system.stop(), 0);
    let mut desk = Bookkeeper::new(&format!("{gate}{poll}"));
    desk.system.start();
    desk.system.wait_active();
    assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
    // Nor is it believed under another's name.
    let mut borrowed = price("999", "1001");
    borrowed["source"] = "b".into();
    let refused = desk.say(&borrowed);
    assert!(refused.to_string().contains("failstop asks source \\\"b\\\" of BTC/USDT itself"), "{refused}");
    let (bought, _) = until(&mut desk, "p", |answer| answer["allow"] == true);
    assert!(bought["paper_fill"]["price"].is_string(), "{bought}");
    // Both agree no more.
    page.now(Does::Http(200, r#"{"result":[{"p":2000}]}"#.to_owned()));
    until(&mut desk, "q", |answer| codes(answer).contains(&"PRICE_OUTLIER"));
    assert_eq!(desk.system.stop(), 0);
}
