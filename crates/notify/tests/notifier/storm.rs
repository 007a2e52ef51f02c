//! The process is killed at random points in a storm of incidents, while services fail, lose answers and limit rates. Whatever
//! happens: everything that was recorded arrives, in order, and a message comes twice only where its answer was lost, and then
//! under the same id.

use super::loopback::{Reply, Request, Server};
use super::world::{self, notice};
use failstop_notify::{Change, Channel, Handle, Kind, Ntfy, Reported, Secret, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CHILD: &str = "FAILSTOP_NOTIFY_STORM";

fn rounds() -> u32 {
    std::env::var("FAILSTOP_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

/// Numbers that a seed gives.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What a service took, in order.
#[derive(Clone, Debug)]
struct Taken {
    channel: String,
    key: String,
    kind: String,
    id: String,
    /// The life of the process in which it came.
    life: u64,
    /// Whether the service kept its answer to itself.
    answer_lost: bool,
}

struct Services {
    taken: Mutex<Vec<Taken>>,
    dice: Mutex<Dice>,
    healthy: AtomicBool,
}

impl Services {
    /// How a service of that name treats a request.
    fn answer(&self, request: &Request) -> Reply {
        // `/LIFE/CHANNEL`: what a killed process sent may be read after the next one began.
        let mut parts = request.path.split('/').skip(1);
        let life: u64 = parts.next().and_then(|life| life.parse().ok()).unwrap_or(u64::MAX);
        let channel = parts.next().filter(|name| !name.is_empty()).unwrap_or("ntfy");
        let people = channel == "ntfy";
        let roll = if self.healthy.load(Ordering::Relaxed) || channel == "steady" {
            100
        } else {
            self.dice.lock().expect("dice").roll(100)
        };
        let (accept, reply) = match roll {
            0..15 => (false, Reply::status(500)),
            15..20 => (false, Reply::Http(429, vec![("retry-after", "1".into())], String::new())),
            20..25 => (false, Reply::Close),
            25..35 => (true, Reply::Close),
            _ if people => (true, Reply::json(200, &serde_json::json!({ "id": "m1" }))),
            _ => (true, Reply::status(200)),
        };
        if accept {
            let body = request.json();
            let (key, kind, id) = if people {
                let text = body["message"].as_str().unwrap_or_default();
                let key = text.rsplit(' ').next().unwrap_or_default();
                let title = body["title"].as_str().unwrap_or_default();
                let kind = if title.starts_with("RESOLVED") { "incident.resolve" } else { "incident.trigger" };
                (key.to_owned(), kind.to_owned(), format!("{key}{kind}"))
            } else {
                let data = &body["data"]["key"];
                let kind = body["type"].as_str().unwrap_or_default();
                (data.as_str().unwrap_or_default().to_owned(), kind.to_owned(), request.header("webhook-id").to_owned())
            };
            let answer_lost = matches!(reply, Reply::Close);
            let taken = Taken { channel: channel.to_owned(), key, kind, id, life, answer_lost };
            self.taken.lock().expect("log").push(taken);
        }
        reply
    }
}

fn channels(base: &str) -> Vec<Channel> {
    let hook = |name: &str| {
        let hook = failstop_notify::Webhook {
            url: Secret::new(format!("{base}/{name}")),
            secret: Secret::new(world::SIGNING),
        };
        // Far longer than any life: what is lost here is lost by a kill or by the service.
        let timeout = Duration::from_secs(60);
        Channel { name: name.to_owned(), timeout, ..Channel::new(Kind::Webhook(hook)) }
    };
    // One that people read, in which late messages become one.
    let ntfy = Ntfy { server: base.to_owned(), topic: Secret::new("topic"), token: None };
    vec![hook("steady"), hook("flaky"), Channel { timeout: Duration::from_secs(60), ..Channel::new(Kind::Ntfy(ntfy)) }]
}

/// The process that is killed: reports, and says on its standard output what the notifier said was recorded.
#[test]
fn storm_child() {
    let Ok(orders) = std::env::var(CHILD) else { return };
    let mut words = orders.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (base, folder, life, drain) = (word(), word(), word().parse().unwrap_or(0_u64), word() == "drain");
    let (alerts, driver) = world::open(world::config(channels(&format!("{base}/{life}"))), folder.as_ref());
    let running = driver.spawn().expect("a thread");
    let say = |alerts: &Handle, key: &str, change| {
        let told = alerts.report(notice(key, change, Severity::Critical)).expect("room").wait();
        match told {
            Ok(Reported::Opened) => println!("opened {key}"),
            Ok(Reported::Resolved) => println!("resolved {key}"),
            other => panic!("{other:?}"),
        }
    };
    if drain {
        // After a long storm there is much to deliver.
        while alerts.status().channels.iter().any(|channel| channel.queued > 0) {
            let before = alerts.status().counters.sent.critical;
            world::until("anything is delivered", || {
                let status = alerts.status();
                status.counters.sent.critical > before || status.channels.iter().all(|channel| channel.queued == 0)
            });
        }
        running.stop();
        println!("drained");
        return;
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (life + 1));
    for number in 0..2_000 {
        // What may wait is bounded, and the oldest that is over is given up beyond it: a storm within the bounds.
        if alerts.status().channels.iter().any(|channel| channel.queued > 200) {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let open: Vec<String> = {
            let list = alerts.list();
            list.iter().filter(|alert| alert.resolved_at.is_none()).map(|alert| alert.key.to_string()).collect()
        };
        let most = 6;
        if !open.is_empty() && (open.len() > most || dice.roll(3) == 0) {
            let at = usize::try_from(dice.roll(open.len() as u64)).unwrap_or(0);
            say(&alerts, &open[at], Change::Resolve);
        } else {
            say(&alerts, &format!("demo/storm/{}", life * 10_000 + number), Change::Trigger);
        }
        std::thread::sleep(Duration::from_millis(dice.roll(12)));
    }
    running.stop();
}

/// Runs the child; kills it after so long, or waits for its end. Gives what it said.
fn child(base: &str, folder: &std::path::Path, life: u64, kill_after: Option<Duration>) -> Vec<String> {
    let mode = if kill_after.is_some() { "storm" } else { "drain" };
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "storm::storm_child", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{base} {} {life} {mode}", folder.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let out = child.stdout.take().expect("its output");
    let reader = std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).collect::<Vec<_>>());
    if let Some(after) = kill_after {
        std::thread::sleep(after);
        // SIGKILL, to a process that this test started and has not waited for.
        child.kill().expect("a signal");
    }
    let status = child.wait().expect("its end");
    assert!(kill_after.is_some() || status.success(), "the last life failed");
    reader.join().expect("its lines")
}

#[test]
fn everything_arrives_in_order_whatever_is_killed() {
    let services = Arc::new(Services {
        taken: Mutex::default(),
        dice: Mutex::new(Dice(0x2545_f491_4f6c_dd1d)),
        healthy: AtomicBool::new(false),
    });
    let played = Arc::clone(&services);
    let server = Server::start(move |request| played.answer(request));
    let folder = world::folder();
    let mut dice = Dice(0xdead_beef_cafe_f00d);
    let (mut opened, mut resolved) = (BTreeSet::new(), BTreeSet::new());
    let mut note = |lines: Vec<String>| {
        for line in lines {
            match line.split_once(' ') {
                Some(("opened", key)) => drop(opened.insert(key.to_owned())),
                Some(("resolved", key)) => drop(resolved.insert(key.to_owned())),
                _ => {}
            }
        }
    };
    let lives = u64::from(rounds());
    for life in 0..lives {
        // From before the outbox is open to long after.
        let after = Duration::from_millis(20 + dice.roll(400));
        note(child(&server.url(), folder.path(), life, Some(after)));
    }
    services.healthy.store(true, Ordering::Relaxed);
    note(child(&server.url(), folder.path(), lives, None));

    assert!(opened.len() as u64 > lives, "{} incidents were too few for a storm", opened.len());
    let taken = services.taken.lock().expect("log").clone();
    let mut by_line: BTreeMap<(String, String), Vec<Taken>> = BTreeMap::new();
    for one in taken {
        by_line.entry((one.channel.clone(), one.key.clone())).or_default().push(one);
    }
    for key in &opened {
        for channel in ["steady", "flaky", "ntfy"] {
            let line = by_line.get(&(channel.to_owned(), key.clone()));
            let line = line.unwrap_or_else(|| panic!("{channel} never heard of {key}"));
            in_order(line, resolved.contains(key));
        }
    }
}

fn in_order(line: &[Taken], resolved: bool) {
    let first_end = line.iter().position(|one| one.kind == "incident.resolve");
    let people = line[0].channel == "ntfy";
    // People are told of beginning and end in one message where the beginning is long past.
    assert!(line[0].kind == "incident.trigger" || people, "an end without a beginning: {line:#?}");
    // The child may have been killed after the end was recorded and before it said so.
    assert!(!resolved || first_end.is_some(), "no end: {line:#?}");
    if let Some(end) = first_end {
        assert!(line[end..].iter().all(|one| one.kind == "incident.resolve"), "news after the end: {line:#?}");
    }
    for (at, one) in line.iter().enumerate() {
        for earlier in &line[..at] {
            if earlier.kind != one.kind {
                assert_ne!(earlier.id, one.id, "one id for two messages: {line:#?}");
                continue;
            }
            assert_eq!(earlier.id, one.id, "a repetition under another id: {line:#?}");
            let lost = earlier.answer_lost || earlier.life < one.life;
            assert!(lost, "repeated although the answer came: {line:#?}");
        }
    }
}

/// The checks themselves must be able to fail.
#[test]
fn the_checks_see_what_they_should() {
    let taken = |kind: &str, id: &str, life, answer_lost| Taken {
        channel: "steady".into(),
        key: "k".into(),
        kind: format!("incident.{kind}"),
        id: id.into(),
        life,
        answer_lost,
    };
    let good = [taken("trigger", "1", 0, true), taken("trigger", "1", 0, false), taken("resolve", "2", 0, false)];
    in_order(&good, true);
    let bad = [
        vec![taken("resolve", "2", 0, false)],
        vec![taken("trigger", "1", 0, false)],
        vec![taken("trigger", "1", 0, false), taken("resolve", "2", 0, false), taken("trigger", "1", 1, false)],
        vec![taken("trigger", "1", 0, false), taken("trigger", "1", 0, false), taken("resolve", "2", 0, false)],
        vec![taken("trigger", "1", 0, true), taken("trigger", "3", 0, false), taken("resolve", "2", 0, false)],
    ];
    for line in bad {
        assert!(std::panic::catch_unwind(|| in_order(&line, true)).is_err(), "{line:?}");
    }
}
