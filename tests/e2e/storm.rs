//! A storm of incidents, services that fail, limit rates, hang and lose answers, and SIGKILL at random points. Whatever
//! happens: every incident's beginning and end reach every channel, in order, and a message comes twice only where its answer was
//! lost, and then under the same id.

use crate::certificates::private;
use crate::receiver::{Answers, Receiver};
use crate::stage::watchdog;
use crate::system::{System, failstop, signal, until};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// What is left when the storm is over may take this long: the pause after many failures is five minutes at most.
const DRAINED_WITHIN: Duration = Duration::from_secs(600);

/// The storm pauses while so many messages wait: how many are kept is bounded, and the oldest that is over is given up beyond it.
const WAITING_MAX: u64 = 100;

fn lives(default: u64) -> u64 {
    std::env::var("FAILSTOP_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The channels; `{extra}` names further ones.
fn alerts(extra: &str, sections: &str) -> String {
    format!(
        "[alerts]\nchannels = [\"webhook\", \"ntfy\"{extra}]\n\
         [alerts.webhook]\nurl = {{ file = \"hook-url\" }}\nsecret = {{ file = \"hook-secret\" }}\ntimeout = \"5s\"\n\
         [alerts.ntfy]\ntopic = {{ file = \"topic\" }}\ntimeout = \"5s\"\n{sections}"
    )
}

/// Moments that are different each time and the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Lives for a while that nobody chose; now and then for longer than a channel waits for an answer.
    fn live(&mut self) {
        let long = if self.roll(25) == 0 { 6_000 } else { 0 };
        // Only the moment of the kill hangs on this; nothing is expected of it.
        std::thread::sleep(Duration::from_millis(20 + long + self.roll(1_200)));
    }
}

/// One message that a service took.
#[derive(Clone, Debug)]
struct Message {
    /// Whether it tells of the end.
    end: bool,
    /// The same in every attempt at it.
    id: String,
    /// Which life of the process sent it.
    life: u64,
    answer_lost: bool,
    #[expect(dead_code, reason = "for whoever reads a failure")]
    title: String,
}

/// Messages by channel and incident, in the order in which they came.
type Told = BTreeMap<(&'static str, String), Vec<Message>>;

/// Each life posts to paths of its own: what a killed process sent may be read after the next one began.
fn told(receiver: &Receiver) -> Told {
    let mut told = Told::new();
    for posted in receiver.posted().into_iter().filter(|posted| posted.taken) {
        let mut path = posted.path.split('/').skip(1);
        let life = path.next().unwrap().parse().unwrap();
        let (channel, key, kind, id) = if path.next() == Some("hook") {
            ("webhook", posted.text("key").to_owned(), posted.change().to_owned(), posted.id.clone())
        } else {
            let text = posted.body["message"].as_str().unwrap();
            let key = text.rsplit(' ').next().unwrap().to_owned();
            let end = posted.body["title"].as_str().unwrap().starts_with("RESOLVED");
            let kind = if end { "resolve" } else { "trigger" };
            ("ntfy", key, kind.to_owned(), kind.to_owned())
        };
        if kind == "trigger" || kind == "resolve" {
            let title = [&posted.body["title"], &posted.body["data"]["title"]]
                .map(|title| title.as_str())
                .into_iter()
                .flatten();
            let message =
                Message { end: kind == "resolve", id, life, answer_lost: posted.answer_lost, title: title.collect() };
            told.entry((channel, key)).or_default().push(message);
        }
    }
    told
}

/// What must hold of the messages about one incident that is over.
fn in_order(people: bool, messages: &[Message]) -> Result<(), &'static str> {
    let Some(end) = messages.iter().position(|message| message.end) else { return Err("no end") };
    // People are told of beginning and end in one message where the beginning is long past.
    if end == 0 && !people {
        return Err("an end without a beginning");
    }
    if messages[end..].iter().any(|message| !message.end) {
        return Err("news after the end");
    }
    for (at, message) in messages.iter().enumerate() {
        for earlier in messages[..at].iter().filter(|earlier| earlier.end == message.end) {
            if earlier.id != message.id {
                return Err("a repetition under another id");
            }
            if !earlier.answer_lost && earlier.life == message.life {
                return Err("repeated although the answer came");
            }
        }
    }
    Ok(())
}

fn all_told(told: &Told, keys: &BTreeSet<String>) -> Result<(), String> {
    for key in keys {
        for channel in ["webhook", "ntfy"] {
            let messages = told.get(&(channel, key.clone())).map_or(&[][..], Vec::as_slice);
            in_order(channel == "ntfy", messages)
                .map_err(|fault| format!("{channel}: {key}: {fault}: {messages:#?}"))?;
        }
    }
    Ok(())
}

/// Waits until everything was told, and fails with what is wrong otherwise.
fn wait_all_told(receiver: &Receiver, keys: &BTreeSet<String>, log: impl Fn() -> String) {
    let end = Instant::now() + DRAINED_WITHIN;
    loop {
        match all_told(&told(receiver), keys) {
            Ok(()) => return,
            Err(fault) => assert!(Instant::now() < end, "{fault}\n{}", log()),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks to be held back as long as the storm lasts.
const HALTING: &str = r#"
import os, socket, sys, time
one = socket.socket(socket.AF_UNIX)
one.connect(os.environ["FAILSTOP_SOCKET"])
one.setblocking(False)
while True:
    if os.path.exists(sys.argv[1]):
        try:
            one.sendall(b'{"type":"halt","cap":"observe-only","reason":"storm"}\n')
            one.recv(65536)
        except BlockingIOError:
            pass
    time.sleep(0.03)
"#;

/// Resumes whatever may be resumed, again and again, as long as what is told about it is not too much.
struct Resuming {
    goes_on: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Resuming {
    fn start(config: PathBuf, system: String) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&goes_on);
        let thread = std::thread::spawn(move || {
            while asked.load(Ordering::Relaxed) {
                let run = |subcommand: &str, arguments: &[&str]| {
                    let mut command = Command::new(failstop());
                    command.arg(subcommand).arg("--config").arg(&config).args(arguments);
                    command.stdin(Stdio::null()).output().unwrap().stdout
                };
                let status: serde_json::Value =
                    serde_json::from_slice(&run("status", &["--format", "json"])).unwrap_or_default();
                if status["alerts"]["queued"].as_u64().is_some_and(|queued| queued < WAITING_MAX) {
                    // Refused where nothing stands.
                    run("resume", &["--reason", "on", "--confirm", &system]);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { goes_on, thread: Some(thread) }
    }
}

impl Drop for Resuming {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The engine below this guard, once it was forked.
fn engine_below(guard: i32) -> Option<i32> {
    let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Writes what the channels need for this life.
fn prepare_life(folder: &Path, receiver: &Receiver, life: u64) -> String {
    private(&folder.join("hook-url"), &format!("{}/{life}/hook", receiver.base()));
    format!("{}/{life}", receiver.base())
}

#[test]
fn every_incident_of_an_engine_that_is_killed_at_random_is_told_whole() {
    let receiver = Receiver::start(Answers::Anything);
    let components: String = (0..3)
        .map(|number| {
            format!(
                "[[component]]\nname = \"bot{number}\"\ncommand = [\"python3\", \"halting.py\", \"DIRstorm\"]\norders = \"asks\"\n"
            )
        })
        .collect();
    let mut system = System::new(&format!("{components}{}", alerts("", "")));
    let folder = system.path("");
    std::fs::write(system.path("halting.py"), HALTING).unwrap();
    std::fs::write(system.path("storm"), "").unwrap();
    private(&system.path("hook-secret"), SECRET);
    private(&system.path("topic"), "topic");
    let resuming = Resuming::start(system.path("failstop.toml"), system.name.clone());
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let lives = lives(8);
    for life in 0..lives {
        let server = prepare_life(&folder, &receiver, life);
        system.start_with(&[], &[("FAILSTOP__ALERTS__NTFY__SERVER", &server)]);
        dice.live();
        signal(engine_below(system.guard_pid()).unwrap_or(system.guard_pid()), libc::SIGKILL);
        system.wait_end();
    }
    std::fs::remove_file(system.path("storm")).unwrap();
    receiver.answer(Answers::Takes);
    let server = prepare_life(&folder, &receiver, lives);
    system.start_with(&[], &[("FAILSTOP__ALERTS__NTFY__SERVER", &server)]);
    system.wait_status("nothing halted", |status| status["halts"].as_array().is_some_and(Vec::is_empty));
    drop(resuming);

    let raised: BTreeSet<String> = system
        .records()
        .iter()
        .filter(|record| record["t"] == "halt.raised" && record["b"]["cause"] == "bot-request")
        .map(|record| {
            let (component, id) = (record["b"]["component"].as_str().unwrap(), &record["b"]["id"]);
            format!("{}/bot-request/{component}/{}-{id}", system.name, record["ep"])
        })
        .collect();
    assert!(raised.len() as u64 > lives, "{} halts were too few for a storm:\n{}", raised.len(), system.log());
    wait_all_told(&receiver, &raised, || system.log());
    // What failstop itself had to say (that it died) too.
    let others: BTreeSet<String> = told(&receiver).into_keys().map(|(_, key)| key).collect();
    assert!(others.iter().filter(|key| key.contains("/engine-died/")).count() as u64 > lives / 2, "{others:?}");
    wait_all_told(&receiver, &others, || system.log());
    assert_eq!(system.stop(), 0);
}

/// A watchdog that is ended with the test.
struct Watching(Child);

impl Watching {
    fn start(folder: &Path, server: &str) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("watchdog.log")).unwrap();
        let mut command = Command::new(watchdog());
        command.args(["--config", "watchdog.toml"]).current_dir(folder).env_remove("NOTIFY_SOCKET");
        command.env("NO_PROXY", "127.0.0.1").env("FAILSTOP_WATCHDOG__ALERTS__NTFY__SERVER", server);
        Self(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn every_incident_of_a_watchdog_that_is_killed_at_random_is_told_whole() {
    let receiver = Receiver::start(Answers::Anything);
    let now = Arc::new(AtomicU64::new(0));
    let asked = Arc::clone(&now);
    // Each target goes down once, in the life that it is named after: what comes and goes would be one incident that flaps.
    let bot = crate::wire::serve(Some, move |path| {
        let born: u64 = path.split('/').nth(1).and_then(|life| life.parse().ok()).unwrap();
        let healthy = asked.load(Ordering::Relaxed) > born + 1;
        format!("{{\"status\":\"{}\"}}", if healthy { "healthy" } else { "critical" })
    });
    let folder = tempfile::tempdir().unwrap();
    let configure = |life: u64| {
        let targets: String = (life.saturating_sub(12)..=life)
            .flat_map(|born| ["a", "b"].map(|name| (born, name)))
            .map(|(born, name)| {
                format!(
                    "[[target]]\nname = \"t{born}{name}\"\nurl = \"http://{bot}/{born}/health\"\ninterval = \"200ms\"\n\
                     timeout = \"2s\"\nsettle = \"200ms\"\nfailures = 2\nwitness = false\nstream = \"off\"\n"
                )
            })
            .collect();
        let config = format!(
            "[watchdog]\nname = \"wd1\"\nlisten = \"127.0.0.1:0\"\nstate_dir = \"state\"\n{targets}{}",
            alerts(", \"log_file\"", "[alerts.log_file]\npath = \"alerts.log\"\n")
        );
        std::fs::write(folder.path().join("watchdog.toml"), config).unwrap();
        prepare_life(folder.path(), &receiver, life)
    };
    private(&folder.path().join("hook-secret"), SECRET);
    private(&folder.path().join("topic"), "topic");
    let log = || std::fs::read_to_string(folder.path().join("watchdog.log")).unwrap_or_default();
    let mut dice = Dice(0xdead_beef_cafe_f00d);
    let lives = lives(8);
    for life in 0..lives {
        now.store(life, Ordering::Relaxed);
        let running = Watching::start(folder.path(), &configure(life));
        dice.live();
        drop(running);
    }
    now.store(u64::MAX, Ordering::Relaxed);
    receiver.answer(Answers::Takes);
    let running = Watching::start(folder.path(), &configure(lives));
    // The file takes everything at once: what it knows of the others must hear.
    let noted = || -> BTreeMap<String, bool> {
        let text = std::fs::read_to_string(folder.path().join("alerts.log")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines
            .filter_map(|line| {
                let key = line["data"]["key"].as_str()?.to_owned();
                Some((key, line["type"] == "incident.resolve"))
            })
            .collect()
    };
    let missing = || format!("the end of each: {:#?}\n{}", noted(), log());
    until(missing, || noted().values().all(|over| *over).then_some(()));
    let keys: BTreeSet<String> = noted().into_keys().collect();
    assert!(keys.len() as u64 > lives / 2, "{} incidents were too few for a storm: {}", keys.len(), log());
    wait_all_told(&receiver, &keys, log);
    drop(running);
}

/// The checks themselves must be able to fail.
#[test]
fn the_checks_see_what_they_should() {
    let message =
        |end, id: &str, life, answer_lost| Message { end, id: id.into(), life, answer_lost, title: String::new() };
    let good = [message(false, "1", 0, true), message(false, "1", 0, false), message(true, "2", 0, false)];
    in_order(false, &good).unwrap();
    in_order(true, &good[2..]).unwrap();
    let bad = [
        vec![],
        vec![message(true, "2", 0, false)],
        vec![message(false, "1", 0, false)],
        vec![message(false, "1", 0, false), message(true, "2", 0, false), message(false, "1", 1, false)],
        vec![message(false, "1", 0, false), message(false, "1", 0, false), message(true, "2", 0, false)],
        vec![message(false, "1", 0, true), message(false, "3", 0, false), message(true, "2", 0, false)],
    ];
    for messages in bad {
        in_order(false, &messages).unwrap_err();
    }
    let keys = BTreeSet::from(["k".to_owned()]);
    all_told(&Told::from([(("webhook", "k".to_owned()), good.to_vec())]), &keys).unwrap_err();
}
