//! Services that misbehave in every way that was thought of, with canaries for secrets. Whatever they do: no canary in the
//! status, the list, the outbox or any `Debug`; nothing goes where nobody sent it; and everything ends in time.

use super::certificates::Certificates;
use super::loopback::{Reply, Request, Server, Stream};
use super::world::{self, config, notice, until};
use failstop_notify::{
    Alertmanager, Change, Channel, Config, Discord, Handle, Kind, Ntfy, PagerdutyEvents, PagerdutyRest, Secret,
    Severity, SlackBot, SlackWebhook, Telegram, Twilio, Webhook,
};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const CANARY: &str = "CANARY";

/// Every channel that speaks HTTP, with a canary in each secret.
fn channels(base: &str) -> Vec<Channel> {
    let secret = |name: &str| Secret::new(format!("{CANARY}-{name}-0123456789abcdef"));
    let url = |path: &str| Secret::new(format!("{base}{path}/{CANARY}-url-0123456789abcdef"));
    let base = base.to_owned();
    let kinds = vec![
        Kind::Telegram(Telegram {
            bot_token: secret("telegram"),
            chat_id: "5".into(),
            message_thread_id: None,
            api_base: base.clone(),
        }),
        Kind::SlackWebhook(SlackWebhook { webhook_url: url("/services") }),
        Kind::SlackBot(SlackBot { bot_token: secret("slack"), channel: "C1".into(), api_base: base.clone() }),
        Kind::PagerdutyEvents(PagerdutyEvents { routing_key: secret("events"), api_base: base.clone() }),
        Kind::PagerdutyRest(PagerdutyRest {
            api_key: secret("rest"),
            service_id: "P1".into(),
            from: "ops@example.com".into(),
            urgency: "high".into(),
            api_base: base.clone(),
        }),
        // The signing key is never sent; its base64 is what would be seen of it.
        Kind::Webhook(Webhook {
            url: url("/hook"),
            secret: Secret::new(format!("whsec_{CANARY}BQIhrscChlQIMVb5sSYspob7oDaaaa")),
        }),
        Kind::Alertmanager(Alertmanager {
            members: vec![base.clone()],
            resolve_timeout: Alertmanager::RESOLVE_TIMEOUT,
            authorization: Some(secret("alertmanager")),
        }),
        Kind::Ntfy(Ntfy { server: base.clone(), topic: secret("topic"), token: Some(secret("ntfy")) }),
        Kind::Discord(Discord { webhook_url: url("/discord") }),
        Kind::Twilio(Twilio {
            account_sid: "AC1".into(),
            auth_token: secret("twilio"),
            from: "+15005550006".into(),
            to: vec!["+15005550009".into()],
            api_base: base,
        }),
    ];
    let named = kinds.into_iter().enumerate().map(|(at, kind)| {
        let timeout = Duration::from_millis(1_500);
        Channel { name: format!("{}-{at}", kind.word()), timeout, ..Channel::new(kind) }
    });
    named.collect()
}

/// Every way in which the canary could be seen: as it is, and in base64 at each place within a longer text.
fn forms() -> Vec<String> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encode = |bytes: &[u8]| -> String {
        let whole = bytes.chunks_exact(3).map(|c| (u32::from(c[0]) << 16) | (u32::from(c[1]) << 8) | u32::from(c[2]));
        whole.flat_map(|n| [18, 12, 6, 0].map(|s| char::from(alphabet[((n >> s) & 63) as usize]))).collect()
    };
    vec![CANARY.to_owned(), encode(b"CANARY"), encode(b"NARY-t"), encode(b"ANARY-")]
}

fn search(what: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{what} shows a secret: {text}");
    }
}

fn seen_nowhere(alerts: &Handle, config: &str, folder: &Path) {
    search("the status", &format!("{:?}", alerts.status()));
    search("the status", &serde_json::to_string(&alerts.status()).expect("JSON"));
    search("the list", &format!("{:?}", alerts.list()));
    search("the list", &serde_json::to_string(&alerts.list()[..]).expect("JSON"));
    search("a handle", &format!("{alerts:?}"));
    search("a driver", config);
    for entry in std::fs::read_dir(folder).expect("the outbox").map_while(Result::ok) {
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).expect("a file")).into_owned();
        search(&entry.path().display().to_string(), &text);
    }
}

/// Lets every channel meet `base`; gives what each says of it.
fn meet(base: &str, config: impl Fn(Vec<Channel>) -> Config) -> Vec<(String, Option<String>, bool)> {
    let folder = world::folder();
    let (alerts, driver) = world::open(config(channels(base)), folder.path());
    let shown = format!("{driver:?}");
    let running = driver.spawn().expect("a thread");
    alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    until("every channel has had its answer", || {
        alerts.status().channels.iter().all(|channel| channel.last_ok.is_some() || channel.last_error.is_some())
    });
    for outcome in alerts.test(None).expect("room").wait().expect("an answer") {
        search("a test", &format!("{outcome:?}"));
    }
    let status = alerts.status();
    running.stop();
    seen_nowhere(&alerts, &shown, folder.path());
    status.channels.into_iter().map(|c| (c.channel, c.last_error, c.last_ok.is_some())).collect()
}

fn met(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Vec<(String, Option<String>, bool)> {
    let server = Server::start(reply);
    meet(&server.url(), config)
}

#[test]
fn resets_and_ends() {
    for (name, failed, _) in met(|_| Reply::Reset).into_iter().chain(met(|_| Reply::Close)) {
        assert!(failed.is_some_and(|said| said.contains("connection")), "{name}");
    }
}

#[test]
fn silence_and_drips_end_with_the_time_out() {
    let drip = |_: &Request| {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
        Reply::Drip(answer, Duration::from_millis(200))
    };
    for (name, failed, ok) in met(|_| Reply::Silence).into_iter().chain(met(drip)) {
        assert!(!ok && failed.is_some_and(|said| said.contains("time-out")), "{name}");
    }
}

#[test]
fn echoes_of_the_request() {
    for status in [200, 400, 401, 403, 404, 500] {
        met(move |request| Reply::Http(status, Vec::new(), request.echo()));
        met(move |request| {
            let echo = request.echo();
            let body = serde_json::json!({
                "ok": false, "error_code": status, "description": echo, "error": echo, "message": echo,
                "errors": [echo], "code": 20_003,
            });
            Reply::json(status, &body)
        });
    }
}

#[test]
fn redirects_to_another_host() {
    let other = Server::start(|_| Reply::status(200));
    let location = other.url();
    let outcome =
        met(move |request| Reply::Http(307, vec![("location", format!("{location}{}", request.path))], String::new()));
    for (name, failed, _) in outcome {
        assert!(failed.is_some_and(|said| said.contains("redirects are not followed")), "{name}");
    }
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn answers_without_end_and_answers_that_are_none() {
    met(|request| Reply::Http(200, Vec::new(), request.echo().repeat(4_000)));
    met(|_| Reply::Raw(b"\x00\x01\x02 not HTTP \r\n\r\n".repeat(1_000)));
    met(|_| Reply::Raw(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(50_000)).into_bytes()));
    met(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nok".to_vec()));
}

#[test]
fn a_status_of_200_that_means_no() {
    let outcome = met(|_| {
        Reply::json(
            200,
            &serde_json::json!({ "ok": false, "error_code": 403, "description": "Forbidden: bot was blocked by the user", "error": "invalid_auth" }),
        )
    });
    for (name, failed, ok) in outcome {
        let takes_any_200 = name.starts_with("webhook") || name.starts_with("alertmanager");
        assert_eq!(ok, takes_any_200, "{name}: {failed:?}");
    }
}

#[test]
fn limits_with_and_without_a_time() {
    for (name, failed, _) in met(|_| Reply::Http(429, vec![("retry-after", "120".into())], String::new())) {
        assert!(failed.is_some_and(|said| said.contains("429")), "{name}");
    }
    met(|_| Reply::status(429));
    met(|_| Reply::Http(429, vec![("retry-after", "-1e999".into())], "{\"retry_after\":-5}".into()));
}

/// What is done with a connection once it is inside whatever is around it.
type Work<'a> = &'a dyn Fn(&mut dyn Stream);

fn inside_tls(certificates: &Certificates) -> impl for<'a> Fn(TcpStream, Work<'a>) + Send + Sync + 'static {
    let server = certificates.server();
    move |stream: TcpStream, work: Work<'_>| {
        if let Ok(connection) = rustls::ServerConnection::new(Arc::clone(&server)) {
            let mut stream = rustls::StreamOwned::new(connection, stream);
            work(&mut stream);
            stream.conn.send_close_notify();
            let _ = stream.conn.complete_io(&mut stream.sock);
        }
    }
}

#[test]
fn certificates_are_checked_and_ones_own_authority_is_taken() {
    let folder = world::folder();
    let named = |name: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        Certificates::make(&folder, name)
    };
    let (good, misnamed) = (named("localhost"), named("elsewhere.example.com"));
    let trusting = |certificates: &Certificates| {
        let authority = certificates.authority.clone();
        move |channels| Config { ca_file: Some(authority.clone()), ..config(channels) }
    };
    let base = |server: &Server| format!("https://localhost:{}", server.address.port());

    let server = Server::start_in(inside_tls(&good), |_| Reply::status(200));
    for (name, failed, _) in meet(&base(&server), config) {
        assert!(failed.as_ref().is_some_and(|said| said.contains("not trusted")), "{name}: {failed:?}");
    }
    assert_eq!(server.requests().len(), 0, "something was sent to a stranger");
    let outcome = meet(&base(&server), trusting(&good));
    assert!(outcome.iter().any(|(name, _, ok)| name.starts_with("webhook") && *ok), "{outcome:?}");

    let server = Server::start_in(inside_tls(&misnamed), |_| Reply::status(200));
    for (name, failed, _) in meet(&base(&server), trusting(&misnamed)) {
        assert!(failed.as_ref().is_some_and(|said| said.contains("another name")), "{name}: {failed:?}");
    }
    assert_eq!(server.requests().len(), 0);

    let plain = Server::start(|_| Reply::status(200));
    for (name, failed, ok) in meet(&base(&plain), config) {
        assert!(!ok && failed.is_some(), "{name}");
    }
}

const PROXIED: &str = "FAILSTOP_NOTIFY_PROXIED";

/// In a process of its own, since the environment is a process's.
#[test]
fn proxied_child() {
    let Ok(base) = std::env::var(PROXIED) else { return };
    let folder = world::folder();
    let hook = Webhook { url: Secret::new(base), secret: Secret::new(world::SIGNING) };
    let (alerts, driver) = world::open(config(vec![Channel::new(Kind::Webhook(hook))]), folder.path());
    let running = driver.spawn().expect("a thread");
    alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    until("it has had its answer", || {
        let status = alerts.status();
        status.channels[0].last_ok.is_some() || status.channels[0].last_error.is_some()
    });
    running.stop();
}

#[test]
fn the_proxies_of_the_environment_are_used() {
    let proxy = Server::start(|_| Reply::status(200));
    let direct = Server::start(|_| Reply::status(200));
    let run = |url: &str, variables: &[(&str, String)]| {
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.args(["--exact", "hostile::proxied_child", "--test-threads=1"]).env(PROXIED, url);
        for name in
            ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        {
            child.env_remove(name);
        }
        child.envs(variables.iter().map(|(name, value)| (name, value)));
        assert!(child.output().expect("a child").status.success());
    };
    let through = ("HTTP_PROXY", proxy.url());
    run("http://alerts.example.invalid/hook", std::slice::from_ref(&through));
    assert_eq!(proxy.requests().last().map(|r| r.path.clone()).as_deref(), Some("http://alerts.example.invalid/hook"));
    run("https://alerts.example.invalid/hook", &[("HTTPS_PROXY", proxy.url())]);
    let last = proxy.requests().last().cloned().expect("a request");
    assert_eq!((last.method.as_str(), last.path.as_str()), ("CONNECT", "alerts.example.invalid:443"));
    let before = proxy.requests().len();
    run(&format!("{}/hook", direct.url()), &[through, ("NO_PROXY", "127.0.0.1".into())]);
    assert_eq!((proxy.requests().len(), direct.requests().len()), (before, 1));
}
