//! What is asked while the engine runs: whether a component is ready, alive and well, and whether what it needs answers.

use crate::system::{System, alive, signal};
use crate::venue::{Does, Venue};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

fn script(system: &System, name: &str, text: &str) {
    fs::write(system.path(name), format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(system.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// A bot with these further lines.
fn bot(lines: &str) -> String {
    format!("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n{lines}\n")
}

fn halt<'a>(status: &'a Value, cause: &str) -> Option<&'a str> {
    let halts = status["halts"].as_array().unwrap();
    halts.iter().find(|halt| halt["cause"] == cause).map(|halt| halt["evidence"].as_str().unwrap())
}

fn is_starting(status: &Value) -> bool {
    status["components"][0]["state"] == "starting"
}

#[test]
fn a_component_is_ready_once_its_page_answers_well() {
    let page = Venue::new(Does::Http(503, String::new()));
    let readiness = format!("readiness = {{ http = \"{}/ready\", interval = \"50ms\" }}", page.url());
    let mut system = System::new(&bot(&readiness));
    system.start();
    system.wait_status("the bot, starting", is_starting);
    page.now(Does::Http(200, String::new()));
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_component_is_ready_once_it_takes_connections() {
    // A port that nobody has taken yet.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let readiness = format!("readiness = {{ tcp = \"{address}\", interval = \"50ms\" }}");
    let mut system = System::new(&bot(&readiness));
    system.start();
    system.wait_status("the bot, starting", is_starting);
    let _listener = std::net::TcpListener::bind(address).unwrap();
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_component_is_ready_once_a_program_says_so_which_knows_whom_it_is_about() {
    let mut system = System::new(&bot("readiness = { exec = [\"./ready.sh\"], interval = \"50ms\" }"));
    script(&system, "ready.sh", "echo \"$FAILSTOP_COMPONENT $MAINPID\" > asked; test -e is-ready");
    system.start();
    let status = system.wait_status("the bot, starting, and asked", |status| {
        is_starting(status) && fs::read_to_string(system.path("asked")).is_ok_and(|text| text.ends_with('\n'))
    });
    let asked = fs::read_to_string(system.path("asked")).unwrap();
    assert_eq!(asked.trim(), format!("bot {}", status["components"][0]["pid"]));
    fs::write(system.path("is-ready"), "").unwrap();
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn one_that_is_never_ready_is_killed_at_the_end_of_its_start_period() {
    let page = Venue::new(Does::Hangs);
    let readiness = format!(
        "start_period = \"1s\"\nreadiness = {{ http = \"{}\", interval = \"50ms\", timeout = \"200ms\" }}",
        page.url()
    );
    let mut system = System::new(&bot(&readiness));
    system.start();
    let killed = system.wait_record(0, "component.killed", |_| true);
    assert!(killed["b"]["reason"].as_str().unwrap().contains("not ready within 1 s"), "{killed}");
    page.now(Does::Http(200, String::new()));
    let status = system.wait_active();
    assert!(status["components"][0]["restarts"].as_u64().unwrap() >= 1);
    assert_eq!(system.stop(), 0);
}

/// A bot whose liveness page answers, then does what `ill` says, is replaced; the successor is well again.
#[track_caller]
fn replaced(way: &str, page: &Venue, ill: Does, seen: &str) {
    let liveness = format!("liveness = {{ {way}, interval = \"100ms\", timeout = \"300ms\", tries = 3 }}");
    let mut system = System::new(&bot(&liveness));
    script(&system, "alive.sh", "test ! -e dead");
    system.start();
    system.wait_active();
    let first = system.pid_of("bot").unwrap();
    page.now(ill);
    fs::write(system.path("dead"), "").unwrap();
    let status = system.wait_status("a halt", |status| halt(status, "hung").is_some());
    let evidence = halt(&status, "hung").unwrap();
    assert!(evidence.contains("3 times in a row") && evidence.contains(seen), "{evidence}");
    assert_eq!(status["permission"], "observe-only");
    page.now(Does::Http(200, String::new()));
    fs::remove_file(system.path("dead")).unwrap();
    system.wait_status("a successor that is ready", |status| {
        status["components"][0]["ready"] == true && system.pid_of("bot").is_some_and(|pid| pid != first)
    });
    assert!(!alive(first));
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_bot_whose_page_hangs_is_replaced() {
    let page = Venue::well();
    replaced(&format!("http = \"{}/ping\"", page.url()), &page, Does::Hangs, "no answer in time");
}

#[test]
fn a_bot_whose_page_says_that_it_is_ill_is_replaced() {
    let page = Venue::well();
    replaced(&format!("http = \"{}/ping\"", page.url()), &page, Does::Http(500, String::new()), "status 500");
}

#[test]
fn a_bot_that_a_program_finds_dead_is_replaced() {
    replaced("exec = [\"./alive.sh\"]", &Venue::well(), Does::Hangs, "ended with status 1");
}

#[test]
fn a_bot_that_takes_no_connections_any_more_is_replaced() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let liveness = format!("liveness = {{ tcp = \"{address}\", interval = \"100ms\", tries = 2 }}");
    let mut system = System::new(&bot(&liveness));
    system.start();
    system.wait_active();
    drop(listener);
    let status = system.wait_status("a halt", |status| halt(status, "hung").is_some());
    assert!(halt(&status, "hung").unwrap().contains("refused"), "{status}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_frozen_engine_holds_no_try_against_a_bot() {
    let page = Venue::well();
    let liveness =
        format!("liveness = {{ http = \"{}\", interval = \"100ms\", timeout = \"2s\", tries = 1 }}", page.url());
    let mut system = System::new(&bot(&liveness));
    system.start();
    system.wait_active();
    let (engine, bot) = (system.engine_pid(), system.pid_of("bot").unwrap());
    for _ in 0..2 {
        // Bot and engine stand still together, in the midst of a try, as they do with their machine.
        page.now(Does::Hangs);
        page.wait_taken();
        signal(engine, libc::SIGSTOP);
        // Longer than a try may take; how long exactly does not matter.
        std::thread::sleep(Duration::from_millis(2_500));
        page.now(Does::Http(200, String::new()));
        signal(engine, libc::SIGCONT);
        page.wait_taken();
        page.wait_taken();
    }
    let status = system.wait_active();
    assert_eq!((system.pid_of("bot"), halt(&status, "hung")), (Some(bot), None));
    assert_eq!(system.stop(), 0);
}

/// How many threads of the engine have this name.
fn threads(system: &System, name: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", system.engine_pid())).unwrap();
    let names = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.trim() == name).count()
}

#[test]
fn a_thread_that_probes_is_there_only_where_something_is_asked_over_the_network() {
    let page = Venue::well();
    let dependency = "[[dependency]]\nname = \"program\"\nexec = [\"true\"]\n";
    let liveness = format!("liveness = {{ http = \"{}\" }}", page.url());
    for (text, wanted) in [(bot(""), 0), (format!("{}{dependency}", bot("")), 0), (bot(&liveness), 1)] {
        let mut system = System::new(&text);
        system.start();
        system.wait_active();
        assert_eq!(threads(&system, "probes"), wanted, "{text}");
        assert_eq!(system.stop(), 0);
    }
}

const NEEDY: &str = "needs = [\"venue\"]\n[[dependency]]\nname = \"venue\"\ninterval = \"1s\"\ntimeout = \"500ms\"\n";

#[test]
fn a_bot_that_is_silent_while_its_venue_is_down_is_not_held_to_hang_and_judged_afresh() {
    let venue = Venue::well();
    let text = format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\"]\norders = \"asks\"\n\
         liveness = {{ heartbeat = \"1s\" }}\n{NEEDY}http = \"{}\"\n",
        venue.url()
    );
    let mut system = System::new(&text);
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    venue.now(Does::Hangs);
    signal(bot, libc::SIGSTOP);
    let status = system.wait_status("the environment's halt", |status| {
        halt(status, "environment").is_some_and(|evidence| evidence.contains("does not answer"))
    });
    assert!(halt(&status, "environment").unwrap().contains("no heartbeat"), "{status}");
    assert_eq!((status["permission"].as_str(), halt(&status, "hung")), (Some("observe-only"), None));
    signal(bot, libc::SIGCONT);
    venue.now(Does::Http(200, String::new()));
    system.wait_active();
    assert_eq!(system.pid_of("bot"), Some(bot), "the same process all along");
    // With a venue that answers it is its own fault.
    signal(bot, libc::SIGSTOP);
    system.wait_status("a halt", |status| halt(status, "heartbeat-lost").is_some());
    // The halt comes first.
    system.wait_status("its end", |_| !alive(bot));
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_bot_that_ends_at_once_while_its_venue_is_down_backs_off_and_never_fails() {
    let venue = Venue::new(Does::HangsUp);
    let text = format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"sh\", \"-c\", \"test -e up || exit 2; exec BOT\"]\norders = \"asks\"\n\
         backoff = {{ initial = \"50ms\", max = \"200ms\" }}\nstart_limit = {{ starts = 2, within = \"1h\" }}\n\
         {NEEDY}http = \"{}\"\n",
        venue.url()
    );
    let mut system = System::new(&text);
    system.start();
    system.wait_status("more restarts than its start limit", |status| {
        status["components"][0]["restarts"].as_u64().is_some_and(|restarts| restarts >= 5)
    });
    assert!(system.records().iter().all(|record| record["b"]["cause"] != "component-failed"));
    fs::write(system.path("up"), "").unwrap();
    venue.now(Does::Http(200, String::new()));
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_bot_that_ends_at_once_while_its_venue_is_well_fails() {
    let venue = Venue::well();
    let text = format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"sh\", \"-c\", \"exit 2\"]\norders = \"asks\"\n\
         backoff = {{ initial = \"50ms\", max = \"200ms\" }}\nstart_limit = {{ starts = 2, within = \"1h\" }}\n\
         {NEEDY}http = \"{}\"\n",
        venue.url()
    );
    let mut system = System::new(&text);
    system.start();
    system.wait_status("its failure", |status| halt(status, "component-failed").is_some());
    let asking = |record: &Value| record["t"] == "component.exited" && record["b"]["next"] == "asking";
    assert!(system.records().iter().any(asking), "its venue was asked first");
    assert_eq!(system.stop(), 5);
}

/// Longer than it takes to find a dependency down, which is a minute by its rule.
const DOWN_WITHIN: Duration = Duration::from_secs(110);

#[track_caller]
fn wait_for(system: &System, what: &str, bound: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + bound;
    while Instant::now() < end {
        if let Some(status) = system.status().filter(&wanted) {
            return status;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("waited in vain for {what}; log:\n{}", system.log());
}

const BLOCK: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x10"}"#;

#[test]
fn each_kind_of_dependency_is_found_down_within_about_a_minute_and_found_back() {
    let good = |body: &str| Does::Http(200, body.to_owned());
    let (venue, node, telegram) = (Venue::well(), Venue::new(good(BLOCK)), Venue::new(good(r#"{"ok":true}"#)));
    let redis = Venue::new(Does::Says(b"+PONG\r\n"));
    let postgres = Venue::new(Does::Says(b"R\0\0\0\x08\0\0\0\0"));
    let dependency = |name: &str, way: String| {
        format!("[[dependency]]\nname = \"{name}\"\ninterval = \"2s\"\ntimeout = \"1s\"\n{way}\n")
    };
    let text = [
        bot(""),
        dependency("venue", format!("http = \"{}\"", venue.url())),
        // Its block never moves on. That is seen from the second minute of it on.
        dependency("node", format!("json_rpc = \"{}/key\"\nstuck_after = \"1s\"", node.url())),
        dependency("telegram", format!("telegram = \"1:s3cret\"\napi_base = \"{}\"", telegram.url())),
        dependency("redis", format!("redis = \"{}\"", redis.address)),
        dependency("postgres", format!("postgres = \"{}\"", postgres.address)),
        dependency("program", "exec = [\"./probe.sh\"]".to_owned()),
    ]
    .concat();
    let mut system = System::new(&text);
    fs::set_permissions(system.path("failstop.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    script(&system, "probe.sh", "test ! -e down");
    system.start();
    let all = |status: &Value, up: bool| {
        let known = status["dependencies"].as_object().unwrap();
        known.len() == 6 && known.values().all(|value| *value == up)
    };
    system.wait_status("all of them known", |status| all(status, true));
    system.wait_active();
    assert_eq!(system.get("/readyz").0, 200);
    venue.now(Does::Http(502, String::new()));
    telegram.now(Does::Http(401, String::new()));
    redis.now(Does::Says(b"-LOADING wait\r\n"));
    postgres.now(Does::HangsUp);
    fs::write(system.path("down"), "").unwrap();
    let from = Instant::now();
    let status = wait_for(&system, "all of them down", DOWN_WITHIN, |status| all(status, false));
    assert!(from.elapsed() >= Duration::from_secs(55), "down in less than a minute");
    assert_eq!(status["permission"], "observe-only");
    assert!(halt(&status, "environment").is_some());
    let (code, ready) = system.get("/readyz");
    assert!(code == 503 && ready.contains("- dependency node down"), "{ready}");
    let (_, health) = system.get("/health");
    assert_eq!(serde_json::from_str::<Value>(&health).unwrap()["dependencies"]["redis"], "down");
    assert!(system.get("/metrics").1.contains("failstop_dependency_up{dependency=\"postgres\"} 0"));
    // It degrades readiness and restarts nothing.
    assert_eq!(status["components"][0]["restarts"], 0);
    let (_, live) = system.get("/livez");
    assert_eq!(live, "ok\n");
    for (venue, does) in [
        (&venue, Does::Http(200, String::new())),
        (&telegram, good(r#"{"ok":true}"#)),
        (&redis, Does::Says(b"+PONG\r\n")),
        (&postgres, Does::Says(b"R\0\0\0\x08\0\0\0\0")),
        (&node, good(&BLOCK.replace("0x10", "0x11"))),
    ] {
        venue.now(does);
    }
    fs::remove_file(system.path("down")).unwrap();
    // The node's block moves on once: that is enough to be back.
    wait_for(&system, "all of them back", DOWN_WITHIN, |status| status["permission"] == "active");
    let everything = [system.log(), format!("{:?}", system.records())].concat();
    assert!(!everything.contains("s3cret"), "a token was shown");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_bots_own_page_of_health_counts_and_restarts_nothing() {
    let page =
        Venue::new(Does::Http(200, r#"{"status":"ok","components":{"ws":{"status":"up"},"db":0.9}}"#.to_owned()));
    let health =
        format!("health = {{ url = \"{}/health\", interval = \"1s\", timeout = \"300ms\", tries = 2 }}", page.url());
    let mut system = System::new(&bot(&health));
    system.start();
    let part = |status: &Value, name: &str| {
        let parts = status["parts"].as_array().unwrap();
        parts.iter().find(|part| part["name"] == name).and_then(|part| part["health"].as_f64())
    };
    let status = system.wait_status("its parts", |status| part(status, "health").is_some());
    assert_eq!((part(&status, "ws"), part(&status, "db"), part(&status, "health")), (Some(1.0), Some(0.9), Some(1.0)));
    let (_, answer) = system.get("/health");
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["components"]["bot/db"]["health"], 0.9);
    page.now(Does::Http(503, r#"{"status":"critical","components":{"db":"down"}}"#.to_owned()));
    let status = system.wait_status("its own word", |status| part(status, "health") == Some(0.0));
    assert_eq!((part(&status, "ws"), part(&status, "db")), (None, Some(0.0)), "a part that is not named is gone");
    assert_eq!(status["health"]["overall_health"], 0.0);
    page.now(Does::Hangs);
    let status = system.wait_status("degraded", |status| part(status, "health") == Some(0.5));
    assert_eq!(part(&status, "db"), None);
    assert_eq!((status["health"]["status"].as_str(), halt(&status, "hung")), (Some("degraded"), None));
    assert_eq!(status["components"][0]["restarts"], 0);
    page.now(Does::Http(200, r#"{"status":"pong"}"#.to_owned()));
    system.wait_status("healthy", |status| status["health"]["status"] == "healthy");
    assert_eq!(system.stop(), 0);
}
