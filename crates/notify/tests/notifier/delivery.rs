//! The notifier as its users hold it: reports in, requests at services out, through restarts and changes of configuration.

use super::loopback::{Reply, Server};
use super::world::{self, config, notice, until, webhook};
use failstop_notify::{
    Acknowledged, Alertmanager, Change, Channel, Config, Environments, Handle, Key, Kind, LogFile, Proof, Reported,
    Severity,
};
use std::time::Duration;

#[test]
fn what_is_reported_arrives_in_order_and_is_listed() {
    let server = Server::start(|_| Reply::status(200));
    let folder = world::folder();
    let (alerts, driver) = world::open(config(vec![webhook(&server, "webhook")]), folder.path());
    let running = driver.spawn().expect("a thread");
    let told = alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    assert_eq!(told.wait(), Ok(Reported::Opened));
    let again = alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    assert_eq!(again.wait(), Ok(Reported::Duplicate));
    let key = Key::parse("demo/hung/bot/1").expect("a key");
    let taken = alerts.acknowledge(key.clone(), "ana").expect("room");
    assert_eq!(taken.wait(), Ok(Acknowledged::Done));
    let over = alerts.report(notice("demo/hung/bot/1", Change::Resolve, Severity::Critical)).expect("room");
    assert_eq!(over.wait(), Ok(Reported::Resolved));
    let requests = server.wait_for(3);
    let types: Vec<_> =
        requests.iter().map(|request| request.json()["type"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(types, ["incident.trigger", "incident.acknowledge", "incident.resolve"]);
    until("everything is delivered", || alerts.status().channels[0].queued == 0);
    let listed = alerts.list();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].acknowledged.as_ref().map(|taken| taken.by.as_str()), Some("ana"));
    assert!(listed[0].resolved_at.is_some());
    assert_eq!(listed[0].delivered_to, ["webhook"]);
    let status = alerts.status();
    assert_eq!((status.counters.sent.critical, status.counters.suppressed.critical), (3, 1));
    assert!(status.channels[0].last_ok.is_some() && status.not_durable.is_none());
    running.stop();
}

#[test]
fn the_next_process_goes_on_where_the_last_one_was() {
    let folder = world::folder();
    let down = Server::start(|_| Reply::status(503));
    let address = down.address;
    {
        let (alerts, driver) = world::open(config(vec![webhook(&down, "webhook")]), folder.path());
        let running = driver.spawn().expect("a thread");
        let told = alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
        assert_eq!(told.wait(), Ok(Reported::Opened));
        down.wait_for(1);
        running.stop();
        let report = alerts.report(notice("demo/hung/bot/2", Change::Trigger, Severity::Critical));
        assert!(report.is_err(), "a notifier that has ended takes nothing");
    }
    let read = failstop_notify::read(folder.path()).expect("an outbox");
    assert_eq!(read.iter().map(|alert| alert.key.as_str()).collect::<Vec<_>>(), ["demo/hung/bot/1"]);
    let first_id = down.requests()[0].header("webhook-id").to_owned();
    drop(down);
    let up = Server::start(|_| Reply::status(200));
    assert_ne!(up.address, address);
    let (alerts, driver) = world::open(config(vec![webhook(&up, "webhook")]), folder.path());
    assert_eq!(alerts.list().len(), 1, "what was open is known before anything runs");
    assert_eq!(alerts.list()[0].waiting_for, ["webhook"]);
    let running = driver.spawn().expect("a thread");
    let requests = up.wait_for(1);
    assert_eq!(requests[0].header("webhook-id"), first_id, "another attempt, the same message");
    running.stop();
}

#[test]
fn two_notifiers_never_share_an_outbox() {
    let folder = world::folder();
    let first = failstop_notify::open(config(Vec::new()), folder.path());
    let second = failstop_notify::open(config(Vec::new()), folder.path());
    assert!(second.expect_err("a second one").to_string().contains("in use by another process"));
    drop(first);
}

#[test]
fn a_disk_that_takes_nothing_keeps_nothing_from_people() {
    let server = Server::start(|_| Reply::status(200));
    let folder = world::folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("a file");
    let (alerts, driver) = world::open(config(vec![webhook(&server, "webhook")]), &file.join("outbox"));
    let running = driver.spawn().expect("a thread");
    let told = alerts.report(notice("demo/storage/1", Change::Trigger, Severity::Critical)).expect("room");
    assert_eq!(told.wait(), Ok(Reported::Opened));
    server.wait_for(1);
    until("it is said", || alerts.status().not_durable.is_some());
    running.stop();
}

#[test]
fn a_disk_that_comes_back_is_written_anew() {
    let server = Server::start(|_| Reply::status(503));
    let base = world::folder();
    let folder = base.path().join("outbox");
    let (alerts, driver) = world::open(config(vec![webhook(&server, "webhook")]), &folder);
    std::fs::rename(&folder, base.path().join("away")).expect("a rename");
    let running = driver.spawn().expect("a thread");
    let told = alerts.report(notice("demo/storage/1", Change::Trigger, Severity::Critical)).expect("room");
    assert_eq!(told.wait(), Ok(Reported::Opened));
    server.wait_for(1);
    until("it is said", || alerts.status().not_durable.is_some());
    std::fs::create_dir(&folder).expect("a folder");
    until("the disk is trusted again", || alerts.status().not_durable.is_none());
    running.stop();
    drop(alerts);
    let (alerts, _driver) = world::open(config(vec![webhook(&server, "webhook")]), &folder);
    assert_eq!(alerts.list().len(), 1, "what was decided without the disk is on it now");
}

#[test]
fn damage_is_kept_aside_and_told() {
    let (down, up) = (Server::start(|_| Reply::status(503)), Server::start(|_| Reply::status(200)));
    let folder = world::folder();
    {
        let (alerts, driver) = world::open(config(vec![webhook(&down, "webhook")]), folder.path());
        let running = driver.spawn().expect("a thread");
        for number in 1..=3 {
            let report = notice(&format!("demo/x/{number}"), Change::Trigger, Severity::Critical);
            assert_eq!(alerts.report(report).expect("room").wait(), Ok(Reported::Opened));
        }
        running.stop();
    }
    let path = folder.path().join("outbox");
    let mut bytes = std::fs::read(&path).expect("the outbox");
    let at = bytes.windows(8).position(|part| part == b"demo/x/2").expect("the second incident");
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let (alerts, driver) = world::open(config(vec![webhook(&up, "webhook")]), folder.path());
    let running = driver.spawn().expect("a thread");
    let told = up.wait_for(3);
    let mut keys: Vec<_> = told.iter().map(|r| r.json()["data"]["key"].as_str().unwrap_or("").to_owned()).collect();
    keys.sort();
    assert!(keys[0].starts_with("demo/alert-outbox/"), "{keys:?}");
    assert_eq!(keys[1..], ["demo/x/1", "demo/x/3"]);
    assert!(alerts.status().damage.is_some_and(|damage| damage.contains("outbox.damaged")));
    assert_eq!(std::fs::read(folder.path().join("outbox.damaged")).expect("kept"), bytes);
    running.stop();
}

#[test]
fn another_configuration_takes_over_what_waits() {
    let folder = world::folder();
    let (down, up) = (Server::start(|_| Reply::status(503)), Server::start(|_| Reply::status(200)));
    let (alerts, driver) = world::open(config(vec![webhook(&down, "old")]), folder.path());
    let running = driver.spawn().expect("a thread");
    alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    down.wait_for(1);
    let mut broken = config(vec![webhook(&up, "new")]);
    broken.ca_file = Some("/nonexistent/ca.pem".into());
    let refused = alerts.reconfigure(broken).expect("room").wait().expect("an answer");
    assert!(refused.expect_err("no such file").to_string().contains("/nonexistent/ca.pem"));
    let taken = alerts.reconfigure(config(vec![webhook(&up, "new")])).expect("room").wait().expect("an answer");
    assert!(taken.is_ok());
    let requests = up.wait_for(1);
    assert!(requests[0].json()["data"]["note"].as_str().is_some_and(|note| note.contains("no longer configured")));
    running.stop();
}

#[test]
fn a_test_is_marked_and_read_back_where_that_can_be() {
    let hook = Server::start(|_| Reply::status(200));
    let am = Server::start(|request| match request.method.as_str() {
        "GET" => Reply::json(200, &serde_json::json!([{ "labels": {} }])),
        _ => Reply::status(200),
    });
    let bad = Server::start(|_| Reply::status(404));
    let folder = world::folder();
    let log = LogFile { path: folder.path().join("alerts.jsonl"), max_bytes: LogFile::MAX_BYTES };
    let alertmanager = Alertmanager {
        members: vec![am.url(), bad.url()],
        resolve_timeout: Alertmanager::RESOLVE_TIMEOUT,
        authorization: None,
    };
    let channels = || {
        config(vec![
            webhook(&hook, "webhook"),
            Channel::new(Kind::Alertmanager(alertmanager.clone())),
            Channel::new(Kind::LogFile(log.clone())),
        ])
    };
    let (alerts, driver) = world::open(channels(), &folder.path().join("outbox"));
    let running = driver.spawn().expect("a thread");
    let works = |alerts: &Handle| alerts.status().channels.iter().map(|one| one.last_ok.is_some()).collect::<Vec<_>>();
    assert_eq!(works(&alerts), [false; 4]);
    let outcomes = alerts.test(None).expect("room").wait().expect("an answer");
    assert_eq!(works(&alerts), [true, true, false, true], "a test proves a channel as well as an alert does");
    let proofs: Vec<_> = outcomes.iter().map(|tested| (tested.channel.as_str(), tested.outcome.clone().ok())).collect();
    assert_eq!(
        proofs,
        [
            ("webhook", Some(Proof::Accepted)),
            ("alertmanager", Some(Proof::ReadBack)),
            ("alertmanager", None),
            ("log_file", Some(Proof::ReadBack)),
        ]
    );
    assert!(outcomes[2].outcome.as_ref().is_err_and(|fault| fault.contains("404")));
    assert_eq!(hook.requests()[0].json()["data"]["drill"], true);
    let ended = am.requests().iter().filter(|request| request.body.windows(6).any(|part| part == b"endsAt")).count();
    assert_eq!(ended, 1, "a test leaves nothing open");
    assert_eq!(alerts.test(Some("pager")).expect("room").wait(), Ok(Vec::new()));
    assert_eq!(alerts.list().len(), 0, "a test is no incident");
    running.stop();
    // What is proved stays so over a restart, and over the compaction that a restart brings.
    for _ in 0..2 {
        let (alerts, driver) = world::open(channels(), &folder.path().join("outbox"));
        assert_eq!(works(&alerts), [true, true, false, true]);
        driver.spawn().expect("a thread").stop();
    }
}

#[test]
fn every_member_of_a_cluster_is_told_and_staging_reaches_staging_only() {
    let (a, b, staging) = (
        Server::start(|_| Reply::status(200)),
        Server::start(|_| Reply::status(500)),
        Server::start(|_| Reply::status(200)),
    );
    let alertmanager = Alertmanager {
        members: vec![a.url(), b.url()],
        resolve_timeout: Alertmanager::RESOLVE_TIMEOUT,
        authorization: None,
    };
    let mut hook = webhook(&staging, "staging.webhook");
    hook.environments = Environments::NotProduction;
    let folder = world::folder();
    let (alerts, driver) =
        world::open(config(vec![Channel::new(Kind::Alertmanager(alertmanager)), hook]), folder.path());
    let running = driver.spawn().expect("a thread");
    alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
    let mut other = notice("test/hung/bot/1", Change::Trigger, Severity::Critical);
    other.environment = "staging".into();
    alerts.report(other).expect("room");
    a.wait_for(1);
    b.wait_for(2);
    let told = staging.wait_for(1);
    assert_eq!(told[0].json()["data"]["key"], "test/hung/bot/1");
    until("one member is behind and says so", || {
        let status = alerts.status();
        status.channels[0].queued == 0 && status.channels[1].queued == 1 && status.channels[1].failures_in_a_row >= 2
    });
    assert_eq!((a.requests().len(), staging.requests().len()), (1, 1));
    running.stop();
}

#[test]
fn the_watchdog_runs_it_inside_its_own_loop() {
    let server = Server::start(|_| Reply::status(200));
    let folder = world::folder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (alerts, driver) = world::open(config(vec![webhook(&server, "webhook")]), folder.path());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let work = tokio::task::spawn_local(driver.run(async {
                    let _ = stopped.await;
                }));
                let told = alerts.report(notice("demo/hung/bot/1", Change::Trigger, Severity::Critical)).expect("room");
                assert_eq!(told.answer().await, Ok(Reported::Opened));
                stop.send(()).expect("it runs");
                work.await.expect("it ends");
            })
            .await;
    });
    // Told to stop at once, it still made the first attempt.
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_full_queue_refuses_and_keeps_room_for_what_is_urgent() {
    let folder = world::folder();
    // A driver that does not run takes nothing out of the queue.
    let (alerts, _driver) = world::open(config(Vec::new()), folder.path());
    let mut taken = 0;
    while alerts.report(notice("demo/x/1", Change::Trigger, Severity::Info)).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, failstop_notify::QUEUE_MAX - failstop_notify::QUEUE_RESERVED);
    let mut urgent = 0;
    while alerts.report(notice("demo/x/1", Change::Trigger, Severity::Critical)).is_ok() {
        urgent += 1;
    }
    assert_eq!(urgent, failstop_notify::QUEUE_RESERVED);
}

#[test]
fn a_stuck_service_holds_no_handle_up_and_the_end_is_bounded() {
    let server = Server::start(|_| Reply::Silence);
    let folder = world::folder();
    let mut channel = webhook(&server, "webhook");
    channel.timeout = Duration::from_secs(600);
    let (alerts, driver) = world::open(config(vec![channel]), folder.path());
    let running = driver.spawn().expect("a thread");
    for number in 1..=20 {
        let told =
            alerts.report(notice(&format!("demo/x/{number}"), Change::Trigger, Severity::Critical)).expect("room");
        assert_eq!(told.wait(), Ok(Reported::Opened));
    }
    server.wait_for(2);
    // Ends after DRAIN_MAX although the attempt would go on for ten minutes; the test's own time-out is the bound.
    running.stop();
    let (alerts, _driver) = world::open(config(vec![webhook(&server, "webhook")]), folder.path());
    assert_eq!(alerts.status().channels[0].queued, 20);
}

#[test]
fn faults_and_endpoints_are_known_without_sending() {
    let hook = |name: &str, secret: &str| {
        let hook = failstop_notify::Webhook {
            url: failstop_notify::Secret::new("https://hooks.example.com/CANARY"),
            secret: failstop_notify::Secret::new(secret),
        };
        Channel { name: name.into(), ..Channel::new(Kind::Webhook(hook)) }
    };
    let good = config(vec![hook("a", world::SIGNING), Channel::new(Kind::Console)]);
    assert_eq!(failstop_notify::faults(&good), []);
    assert_eq!(failstop_notify::endpoints(&good), [("a".into(), "hooks.example.com".into(), 443)]);
    let bad = config(vec![hook("a", "x"), hook("b", "y"), hook("c", world::SIGNING)]);
    let faults = failstop_notify::faults(&bad);
    assert_eq!(faults.iter().map(|fault| fault.channel.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let twice = config(vec![hook("a", world::SIGNING), hook("a", world::SIGNING)]);
    assert!(failstop_notify::faults(&twice)[0].fault.contains("twice"));
    let folder = world::folder();
    assert!(failstop_notify::open(bad, folder.path()).is_err());
    assert!(failstop_notify::open(good, folder.path()).is_ok(), "a refused configuration leaves nothing locked");
    assert_eq!(failstop_notify::read(&folder.path().join("none")).expect("none"), []);
}

#[test]
fn no_config_is_a_config() {
    let folder = world::folder();
    let (alerts, driver) = world::open(Config::new("demo"), folder.path());
    let running = driver.spawn().expect("a thread");
    let told = alerts.report(notice("demo/x/1", Change::Trigger, Severity::Critical)).expect("room");
    assert_eq!(told.wait(), Ok(Reported::Unrouted));
    assert_eq!(alerts.list().len(), 1);
    running.stop();
}
