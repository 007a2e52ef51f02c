//! The circuit breaker of what only shows, on a whole system.

use crate::browser::Browser;
use crate::system::System;
use std::net::TcpListener;
use std::process::Output;

/// Some memory is always in use; a try comes every second.
const TRIPS: &str = concat!(
    "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\nliveness = { heartbeat = \"5s\" }\n",
    "[limits]\nsample_every = \"1s\"\n[breaker]\nmemory_percent = 1\nretry_every = \"1s\"\ntries = 2\n",
);

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_only_shows_gives_way_until_it_is_reset_and_trading_goes_on() {
    let mut system = System::new(TRIPS);
    system.start();
    system.wait_active();
    let stays = system.wait_status("a breaker that stays", |status| status["breaker"]["state"] == "stays-shed");
    assert_eq!(stays["breaker"]["failed_tries"], 2, "{stays}");
    for (path, code) in
        [("/", 503), ("/api/metrics/history", 503), ("/api/status", 200), ("/health", 200), ("/metrics", 200)]
    {
        assert_eq!(system.get(path).0, code, "{path}");
    }
    let health: serde_json::Value = serde_json::from_str(&system.get("/health").1).unwrap();
    let breaker = &health["components"]["circuit_breaker"];
    assert_eq!((&breaker["tripped"], &breaker["tries"]), (&true.into(), &2.into()), "{health}");
    assert!(breaker["since"].is_string(), "{health}");
    assert!(system.get("/metrics").1.contains("\nfailstop_circuit_breaker_tripped 1\n"));
    // The bot beats on and may trade.
    assert_eq!((&stays["permission"], &stays["permit_lapses"]), (&"active".into(), &0.into()), "{stays}");
    let told = system.run("alerts list", &["--format", "json"]);
    assert!(text(&told).contains("\"monitoring-shed\""), "{}", text(&told));
    let says = system.run("breaker status", &[]);
    assert_eq!(says.status.code(), Some(1));
    assert!(text(&says).contains("memory") && text(&says).contains("failstop breaker reset"), "{}", text(&says));

    // A reset is taken at once, and ends the alert; the host is as busy as before, so that it trips again.
    assert_eq!(system.run("breaker reset", &[]).status.code(), Some(0));
    let reset = system.wait_record(1, "x.failstop.breaker_reset", |_| true)["seq"].as_u64().unwrap();
    system.wait_record(reset, "x.failstop.breaker_tripped", |_| true);
    let kinds: Vec<_> =
        system.records().into_iter().filter_map(|record| record["t"].as_str().map(str::to_owned)).collect();
    let of_it: Vec<_> = kinds.iter().filter_map(|kind| kind.strip_prefix("x.failstop.breaker_")).take(4).collect();
    assert_eq!(of_it, ["tripped", "stays", "reset", "tripped"]);
    assert_eq!(system.stop(), 0);
}

#[test]
fn where_nothing_tripped_there_is_nothing_to_reset() {
    let mut system = System::new(&TRIPS.replace("memory_percent = 1", "enabled = false\nmemory_percent = 1"));
    system.start();
    system.wait_active();
    system.wait_status("a sample", |status| !status["host"]["cpu_percent"].is_null());
    let says = system.run("breaker status", &[]);
    assert_eq!((says.status.code(), text(&says).as_str()), (Some(0), "everything is shown\n"));
    let reset = system.run("breaker reset", &[]);
    assert_eq!(reset.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&reset.stderr).contains("has not tripped"));
    assert_eq!(system.get("/").0, 200);
    assert_eq!(system.stop(), 0);
}

#[test]
fn an_open_page_says_that_the_host_is_too_busy_and_goes_on_afterwards() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let calm = TRIPS.replace("memory_percent = 1", "enabled = false\nmemory_percent = 1");
    let calm = calm.replace("[\"BOT\"]", "[\"BOT\", \"beat\", \"200\"]");
    let mut system = System::new(&format!("[observe]\nlisten = \"127.0.0.1:{port}\"\n{calm}"));
    system.start();
    system.wait_active();
    let origin = format!("http://127.0.0.1:{port}");
    let mut browser = Browser::open();
    browser.go(&format!("{origin}/"));
    let fresh =
        "document.getElementById('lost').hidden && document.querySelector('.word').innerText.includes('ACTIVE')";
    browser.wait("the page", fresh);
    let enabled =
        |value: &str| assert_eq!(system.run("config set", &["breaker.enabled", value]).status.code(), Some(0));
    enabled("true");
    system.wait_status("a breaker that stays", |status| status["breaker"]["state"] == "stays-shed");
    // Whoever looks because his host is in trouble reads what the system may do all the same, as of now.
    let busy = "document.getElementById('busy') !== null && document.getElementById('charts') === null \
                && document.querySelector('main').innerText.includes('this host is too busy')";
    browser.wait("the reason", busy);
    browser.wait("what it may do", fresh);
    let says = browser.eval("[...document.querySelectorAll('main code')].map((one) => one.innerText)");
    assert!(says.as_array().unwrap().contains(&"failstop breaker status".into()), "{says}");
    browser.picture("busy");
    enabled("false");
    browser.wait(
        "the page again",
        "document.getElementById('busy') === null && document.getElementById('charts') !== null",
    );
    browser.wait("fresh", fresh);
    enabled("true");
    browser.wait("the reason again", busy);
    browser.did_well(&origin, &["503"]);
    // What is wrong may become something else.
    assert_eq!(system.stop(), 0);
    browser.wait("another reason", "document.getElementById('lost').innerText.includes('cannot be reached')");
}
