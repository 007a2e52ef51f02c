//! Each kind of try against a small server of its own on loopback.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use crate::config::{Config, Overrides, Probe};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// Longer than anything here takes, so that only what never answers runs into it.
const LONG: Duration = Duration::from_secs(10);

/// What never answers is given up after this.
const SHORT: Duration = Duration::from_millis(300);

/// A server that takes each connection to `talk`, on threads that end with the test's process.
fn server(talk: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().take(16).for_each(talk));
    address
}

/// Reads one HTTP request, head and body.
fn request(stream: &mut impl std::io::Read) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    let mut wanted = usize::MAX;
    while read.len() < wanted && stream.read(&mut byte).is_ok_and(|n| n > 0) {
        read.push(byte[0]);
        if wanted == usize::MAX && read.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
            wanted = read.len() + length.unwrap_or(0);
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// A server that answers every HTTP request with this and hands the requests out.
fn http(answer: &'static str) -> (SocketAddr, mpsc::Receiver<String>) {
    let (seen, requests) = mpsc::channel();
    let address = server(move |mut stream| {
        drop(seen.send(request(&mut stream)));
        drop(stream.write_all(answer.as_bytes()));
    });
    (address, requests)
}

fn with_body(status: &str, body: &str) -> &'static str {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).leak()
}

/// The probe of a dependency written so.
fn probe(text: &str) -> Probe {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("failstop.toml");
    let whole = format!(
        "[system]\nname = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"bot\"]\norders = \"none\"\n\
         [[dependency]]\nname = \"it\"\n{text}\n"
    );
    fs::write(&file, whole).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Config::load(&file, &Overrides::default()).unwrap().dependencies.remove(0).probe
}

fn ask_within(text: &str, within: Duration) -> Result<Answer, String> {
    let asked = [(probe(text), within)];
    once(&asked, Runner::default(), std::env::temp_dir()).remove(0).map_err(|fault| fault.to_string())
}

fn ask(text: &str) -> Result<Answer, String> {
    ask_within(text, LONG)
}

fn words(text: &str) -> String {
    match ask(text) {
        Ok(answer) => answer.what,
        Err(fault) => format!("fault: {fault}"),
    }
}

#[test]
fn http_is_judged_by_its_status_and_no_redirect_is_followed() {
    let (elsewhere, never) = http(with_body("500 No", ""));
    for (status, good) in [("204 None", true), ("399 Odd", true), ("400 No", false), ("503 No", false)] {
        let (at, _) = http(with_body(status, ""));
        assert_eq!(ask(&format!("http = \"http://{at}/ping\"")).is_ok(), good, "{status}");
    }
    let moved = format!("HTTP/1.1 302 Moved\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n").leak();
    let (at, requests) = http(moved);
    assert_eq!(words(&format!("http = \"http://{at}/a?key=s3cret\"")), "answers with status 302");
    assert!(requests.recv().unwrap().starts_with("GET /a?key=s3cret HTTP/1.1\r\n"));
    assert!(never.try_recv().is_err(), "the redirect was followed");
}

#[test]
fn no_fault_shows_a_query_or_what_a_peer_wrote() {
    let (at, _) = http(with_body("503 No", "s3cret"));
    let said = words(&format!("http = \"http://{at}/a?key=s3cret\""));
    assert_eq!(said, format!("fault: http://{at}/a answers with status 503"));
    let at = server(|mut stream| {
        request(&mut stream);
        drop(stream.write_all(b"SSH-2.0-s3cret\r\n"));
    });
    let said = words(&format!("http = \"http://{at}/?key=s3cret\""));
    assert_eq!(said, format!("fault: http://{at}/ answers with something that is not HTTP"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = words(&format!("http = \"http://{closed}/?key=s3cret\""));
    assert!(said.contains("refused") && !said.contains("s3cret"), "{said}");
    let said = words(&format!("json_rpc = \"http://{closed}/v3/s3cret\""));
    assert!(said.contains("refused") && !said.contains("s3cret"), "{said}");
}

#[test]
fn what_never_answers_is_given_up() {
    let at = server(|stream| std::thread::sleep(LONG + Duration::from_secs(u64::from(stream.peer_addr().is_err()))));
    for text in [
        format!("http = \"http://{at}/\""),
        format!("redis = \"{at}\""),
        format!("postgres = \"{at}\""),
        format!("json_rpc = \"http://{at}/\""),
    ] {
        let said = ask_within(&text, SHORT).unwrap_err();
        assert!(said.ends_with("no answer in time"), "{text}: {said}");
    }
}

#[test]
fn localhost_needs_no_name_server() {
    let (at, requests) = http(with_body("200 OK", ""));
    assert!(ask(&format!("http = \"http://localhost:{}/\"", at.port())).is_ok());
    assert!(requests.recv().unwrap().contains(&format!("host: localhost:{}\r\n", at.port())));
    assert_eq!(words(&format!("tcp = \"LOCALHOST:{}\"", at.port())), "connected");
}

/// An https server with a certificate of its own authority, and that authority's file.
fn https(dir: &std::path::Path, name: &str) -> SocketAddr {
    let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    fs::write(dir.join("ca.pem"), signed.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let config =
        rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
    let config = std::sync::Arc::new(config);
    server(move |stream| {
        let connection = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        if !request(&mut stream).is_empty() {
            drop(stream.write_all(with_body("200 OK", "").as_bytes()));
        }
    })
}

#[test]
fn https_trusts_the_configured_authority_and_the_right_name_only() {
    let dir = tempfile::tempdir().unwrap();
    let at = https(dir.path(), "localhost");
    let ca = dir.path().join("ca.pem");
    let url = format!("http = \"https://localhost:{}/\"", at.port());
    assert_eq!(words(&format!("{url}\nca_file = \"{}\"", ca.display())), "answers with status 200");
    let said = words(&url);
    assert!(said.contains("TLS") && said.contains("certificate"), "{said}");
    let said = words(&format!("http = \"https://127.0.0.1:{}/\"\nca_file = \"{}\"", at.port(), ca.display()));
    assert!(said.contains("TLS"), "another name: {said}");
    let said = words(&format!("{url}\nca_file = \"{}\"", dir.path().join("absent").display()));
    assert!(said.contains("cannot be asked") && said.contains("absent"), "{said}");
}

/// A Redis that wants this password, if any, and answers PING with `pong`.
fn redis_server(password: Option<&'static str>, pong: &'static str) -> SocketAddr {
    server(move |mut stream| {
        let mut open = password.is_none();
        let mut read = Vec::new();
        let mut chunk = [0; 256];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            read.extend_from_slice(&chunk[..n]);
            let text = String::from_utf8_lossy(&read).into_owned();
            let wanted = password.map(|password| format!("${}\r\n{password}\r\n", password.len()));
            let answer = if text.ends_with("$4\r\nPING\r\n") {
                if open { pong } else { "-NOAUTH Authentication required.\r\n" }
            } else if text.contains("AUTH") && text.ends_with("\r\n") && text.matches("\r\n").count() >= 5 {
                open = wanted.is_some_and(|wanted| text.ends_with(&wanted));
                if open { "+OK\r\n" } else { "-WRONGPASS invalid username-password pair\r\n" }
            } else {
                continue;
            };
            read.clear();
            // In two pieces: an answer is not whole because some of it is there.
            drop(stream.write_all(&answer.as_bytes()[..2]));
            drop(stream.flush());
            drop(stream.write_all(&answer.as_bytes()[2..]));
        }
    })
}

#[test]
fn redis_is_asked_for_pong_with_a_password_where_it_wants_one() {
    let at = redis_server(None, "+PONG\r\n");
    assert_eq!(words(&format!("redis = \"{at}\"")), "answers PONG");
    let at = redis_server(Some("s3cret word"), "+PONG\r\n");
    assert_eq!(words(&format!("redis = \"{at}\"\npassword = \"s3cret word\"")), "answers PONG");
    assert_eq!(words(&format!("redis = \"{at}\"\nuser = \"me\"\npassword = \"s3cret word\"")), "answers PONG");
    let said = words(&format!("redis = \"{at}\""));
    assert!(said.contains("set `password`"), "{said}");
    let said = words(&format!("redis = \"{at}\"\npassword = \"wr0ng\""));
    assert!(said.contains("does not take the password") && !said.contains("wr0ng"), "{said}");
    let at = redis_server(None, "-LOADING Redis is loading the dataset in memory\r\n");
    let said = words(&format!("redis = \"{at}\""));
    assert!(said.contains("LOADING"), "{said}");
    let (at, _) = http(with_body("400 Bad Request", ""));
    let said = words(&format!("redis = \"{at}\""));
    assert!(said.starts_with("fault"), "{said}");
    let said = words(&format!("redis = \"{at}\"\npassword = {{ env = \"NOT_SET_ANYWHERE_HERE\" }}"));
    assert!(said.contains("NOT_SET_ANYWHERE_HERE is not set"), "{said}");
}

/// A server that reads a start-up message of PostgreSQL and answers with this message.
fn postgres_server(kind: u8, body: &'static [u8]) -> SocketAddr {
    server(move |mut stream| {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        stream.read_exact(&mut rest).unwrap();
        assert_eq!(rest[..4], [0, 3, 0, 0]);
        assert!(rest.ends_with(b"\0\0") && rest[4..].starts_with(b"user\0"), "{rest:?}");
        let mut answer = vec![kind];
        answer.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        answer.extend_from_slice(body);
        drop(stream.write_all(&answer));
    })
}

#[test]
fn postgres_is_good_when_it_takes_connections_whoever_it_lets_in() {
    let ask = |kind, body| words(&format!("postgres = \"{}\"", postgres_server(kind, body)));
    assert_eq!(ask(b'R', b"\0\0\0\x0a"), "takes connections");
    let refused = ask(b'E', b"SFATAL\0C28000\0Mno pg_hba.conf entry\0\0");
    assert_eq!(refused, "takes connections (and refuses this one: 28000)");
    let starting = ask(b'E', b"SFATAL\0C57P03\0Mthe database system is starting up\0\0");
    assert!(starting.starts_with("fault") && starting.contains("starting up (57P03)"), "{starting}");
    let full = ask(b'E', b"SFATAL\0C53300\0Msorry, too many clients already\0\0");
    assert!(full.starts_with("fault") && full.contains("too many clients"), "{full}");
    assert!(ask(b'H', b"TTP").contains("does not speak PostgreSQL"));
    let long = server(|mut stream| drop(stream.write_all(b"E\xff\xff\xff\xff")));
    assert!(words(&format!("postgres = \"{long}\"")).contains("does not speak PostgreSQL"));
    let short = server(|mut stream| drop(stream.write_all(b"R\0\0\0\x03")));
    assert!(words(&format!("postgres = \"{short}\"")).contains("does not speak PostgreSQL"));
}

#[test]
fn a_json_rpc_node_is_asked_for_its_block() {
    let (at, requests) = http(with_body("200 OK", r#"{"jsonrpc":"2.0","id":1,"result":"0x1b4"}"#));
    let answer = ask(&format!("json_rpc = \"http://{at}/v3/key\"")).unwrap();
    assert_eq!((answer.block, answer.what.as_str()), (Some(436), "is at block 436"));
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /v3/key ") && request.contains("\"eth_blockNumber\""), "{request}");
    for (body, said) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit\nexceeded"}}"#,
            "error -32005: limit\\nexceeded",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, "without a block number"),
        ("hello", "not JSON-RPC"),
    ] {
        let (at, _) = http(with_body("200 OK", body));
        let fault = words(&format!("json_rpc = \"http://{at}/\""));
        assert!(fault.contains(said), "{fault}");
    }
    let (at, _) = http(with_body("429 Slow", "later"));
    assert!(words(&format!("json_rpc = \"http://{at}/\"")).contains("status 429"));
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(200_000)).leak();
    let (at, _) = http(endless);
    assert!(words(&format!("json_rpc = \"http://{at}/\"")).contains("more than 64 KiB"));
}

#[test]
fn telegrams_token_is_in_the_request_and_in_nothing_else() {
    let token = "123:s3cret-Token";
    let ask = |at: SocketAddr, base: &str| words(&format!("telegram = \"{token}\"\napi_base = \"http://{at}{base}\""));
    let (at, requests) = http(with_body("200 OK", r#"{"ok":true,"result":{"username":"my_bot"}}"#));
    assert_eq!(ask(at, ""), "answers as @my_bot");
    assert!(requests.recv().unwrap().starts_with(&format!("GET /bot{token}/getMe ")));
    assert_eq!(ask(at, "/proxy/"), "answers as @my_bot");
    assert!(requests.recv().unwrap().starts_with(&format!("GET /proxy/bot{token}/getMe ")));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (refusing, _) = http(with_body("401 No", r#"{"ok":false,"description":"Unauthorized 123:s3cret-Token"}"#));
    let (broken, _) = http(with_body("502 No", ""));
    let (foreign, _) = http(with_body("200 OK", "hello"));
    for (at, wanted) in
        [(closed, "refused"), (refusing, "does not take the token"), (broken, "502"), (foreign, "not Telegram's")]
    {
        let said = ask(at, "");
        assert!(said.contains(wanted) && !said.contains("s3cret"), "{said}");
    }
    let said = words(&format!("telegram = \"12 3/x\"\napi_base = \"http://{at}\""));
    assert!(said.contains("cannot be asked") && !said.contains("12 3"), "{said}");
}

#[test]
fn the_prober_gives_up_what_it_is_asked_anew() {
    let at = server(|mut stream| {
        let request = request(&mut stream);
        if request.contains("/slow") {
            std::thread::sleep(LONG);
        }
        drop(stream.write_all(with_body("200 OK", "").as_bytes()));
    });
    let (slow, fast) = (probe(&format!("http = \"http://{at}/slow\"")), probe(&format!("http = \"http://{at}/fast\"")));
    let (outcomes, mut tried) = tokio::sync::mpsc::channel(4);
    let asker = Asker::new([&slow, &fast].into_iter(), Runner::default(), std::env::temp_dir());
    let prober = Prober::start(asker, outcomes, 4, |(), tried| tried).unwrap();
    let ask = |serial, probe: &Probe| Ask {
        target: 0,
        serial,
        probe: std::sync::Arc::new(probe.clone()),
        purpose: Purpose::Answers,
        timeout: LONG,
        with: (),
    };
    // Nothing listens there: the server takes one connection at a time, so the slow one must not hold it.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = probe(&format!("http = \"http://{}/\"", deaf.local_addr().unwrap()));
    assert!(prober.ask(ask(1, &hanging)));
    assert!(prober.ask(ask(2, &fast)));
    let first = tried.blocking_recv().unwrap();
    assert_eq!((first.serial, first.outcome.is_ok(), first.stood_still), (2, true, false));
    drop(prober);
    assert!(tried.blocking_recv().is_none(), "what is under way ends with the prober");
}
