//! Both programs together, as they are run on two hosts: an engine with its control listener, the responder beside it, and a
//! watchdog that knows them by address and key only.

use crate::receiver::{Answers, Posted, Receiver};
use crate::system::{System, alive, failstop, signal};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The bound of every wait. A try of the ladder takes some twenty seconds where nothing answers.
const BOUND: Duration = Duration::from_secs(120);

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A bot that notes each of its starts.
const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"append\", \"DIRstarts\"]\norders = \"asks\"\nstop_grace = \"1s\"\n";

/// The watchdog's binary, built beside the command under test.
fn watchdog() -> std::path::PathBuf {
    let binary = Path::new(failstop()).with_file_name("failstop-watchdog");
    assert!(binary.exists(), "{} is not there: cargo build --workspace --bins", binary.display());
    binary
}

/// A port that was free a moment ago: an engine that is started anew must be found where it was.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// An engine, a responder and a watchdog.
struct Watched {
    system: System,
    receiver: Receiver,
    port: u16,
    started: Vec<Child>,
}

impl Watched {
    /// All of them, once the watchdog sees the engine's live stream. `interval` is between two polls.
    fn start(interval: &str) -> Self {
        let watched = Self::start_with(interval, "", None);
        watched.until("the live stream", || watched.target().is_some_and(|target| target["stream"] == true));
        watched
    }

    /// The same without a live stream, once the engine is seen up, with a step of the ladder's own. `seen_at`: where the watchdog
    /// looks for the engine's health, if not at its own port.
    fn polled(interval: &str, restart: &str, seen_at: impl FnOnce(u16) -> u16) -> Self {
        let observe = free_port();
        let keys = format!("step_timeout = \"30s\"\nbackoff = \"1s\"\n{restart}");
        let watched = Self::start_with(interval, &keys, Some((observe, seen_at(observe))));
        watched.until("it is up", || watched.target().is_some_and(|target| target["state"] == "up"));
        watched
    }

    fn start_with(interval: &str, restart: &str, polled: Option<(u16, u16)>) -> Self {
        let (control, responder, port) = (free_port(), free_port(), free_port());
        let (observe, seen_at) = polled.unwrap_or_else(|| {
            let observe = free_port();
            (observe, observe)
        });
        let stream = if polled.is_some() { "stream = \"off\"\nfailures = 2\n" } else { "" };
        let restart = if polled.is_some() { restart } else { "step_timeout = \"30s\"\nbackoff = \"1s\"\n" };
        let system = System::new(&format!(
            "{BOT}[observe]\nlisten = \"127.0.0.1:{observe}\"\n\
             [control]\nlisten = \"127.0.0.1:{control}\"\nkeys = [\"wd1.key\"]\n"
        ));
        let receiver = Receiver::start(Answers::Takes);
        let name = &system.name;
        for (file, text) in [
            ("wd1.key", format!("wd1:{}\n", "5a".repeat(32))),
            ("hook-url", receiver.url()),
            ("hook-secret", SECRET.to_owned()),
            (
                "actuate.toml",
                format!(
                    "[actuate]\nname = \"bot-host\"\nlisten = \"127.0.0.1:{responder}\"\nkeys = [\"wd1.key\"]\n\
                     [[unit]]\nname = \"{name}\"\nengine = \"run\"\ngrace = \"5s\"\n\
                     start = [\"{}\", \"run\", \"--config\", \"failstop.toml\"]\n",
                    failstop()
                ),
            ),
            (
                "watchdog.toml",
                format!(
                    "[watchdog]\nname = \"wd1\"\nlisten = \"127.0.0.1:{port}\"\n\
                     [[target]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{seen_at}/health\"\n\
                     interval = \"{interval}\"\ntimeout = \"2s\"\nsettle = \"1s\"\n{stream}\
                     control = \"http://127.0.0.1:{control}\"\nkey_file = \"wd1.key\"\n\
                     [target.restart]\nunit = \"{name}\"\nactuate = \"http://127.0.0.1:{responder}\"\n\
                     actuate_name = \"bot-host\"\nactuate_key_file = \"wd1.key\"\n\
                     {restart}\
                     [alerts]\nchannels = [\"webhook\"]\nduplicate_window = \"0s\"\n\
                     cooldown = {{ critical = \"0s\", warning = \"0s\", info = \"0s\" }}\n\
                     [alerts.webhook]\nurl = {{ file = \"hook-url\" }}\nsecret = {{ file = \"hook-secret\" }}\n"
                ),
            ),
        ] {
            fs::write(system.path(file), text).unwrap();
            fs::set_permissions(system.path(file), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut watched = Self { system, receiver, port, started: Vec::new() };
        watched.system.start();
        watched.system.wait_active();
        watched.run(&["actuate", "--config", "actuate.toml"], "actuate.log");
        watched.run(&["--config", "watchdog.toml"], "watchdog.log");
        watched
    }

    fn run(&mut self, arguments: &[&str], log: &str) {
        let log = fs::File::create(self.system.path(log)).unwrap();
        let mut command = Command::new(watchdog());
        command.args(arguments).current_dir(self.system.path("")).env("NO_PROXY", "127.0.0.1");
        command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.started.push(command.spawn().unwrap());
    }

    fn said(&self, log: &str) -> String {
        fs::read_to_string(self.system.path(log)).unwrap_or_default()
    }

    #[track_caller]
    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + BOUND;
        while !holds() {
            assert!(
                Instant::now() < end,
                "waited in vain for {what}; watchdog:\n{}\nresponder:\n{}\nengine:\n{}\nposted:\n{:#?}",
                self.said("watchdog.log"),
                self.said("actuate.log"),
                self.system.log(),
                self.receiver.posted()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a message, and sees all the while that no second copy of the bot is there.
    #[track_caller]
    fn told(&self, what: &str, wanted: impl Fn(&Posted) -> bool) -> Posted {
        let mut found = None;
        self.until(what, || {
            let copies = self.system.survivors();
            assert!(copies.len() <= 1, "copies of the bot: {copies:?}");
            found = self.receiver.posted().into_iter().find(|posted| wanted(posted));
            found.is_some()
        });
        found.unwrap()
    }

    /// What the watchdog answers on a path of its address.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }

    fn target(&self) -> Option<Value> {
        Some(self.get("/status")?["targets"][0].clone())
    }

    /// The last record of the journal that the watchdog has proved.
    fn proved(&self) -> Option<u64> {
        let remembered = self.get(&format!("/witness/{}", self.system.name))?;
        remembered["seq"].as_u64()
    }

    fn starts(&self) -> usize {
        self.said("starts").lines().count()
    }

    fn epoch(&self) -> Option<u64> {
        self.engine_json()?["epoch"].as_u64()
    }

    fn engine_json(&self) -> Option<Value> {
        serde_json::from_str(&self.said("run/engine.json")).ok()
    }

    /// Freezes the engine, and its guard too where that is asked for.
    fn freeze(&self, guard: bool) -> i32 {
        let engine = self.system.engine_pid();
        if guard {
            signal(self.system.guard_pid(), libc::SIGSTOP);
        }
        signal(engine, libc::SIGSTOP);
        engine
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        for child in &mut self.started {
            let _ = child.kill();
            let _ = child.wait();
        }
        // An engine that the responder started is nobody's child here: it is found by what it wrote into this test's folder.
        let info = self.engine_json().unwrap_or_default();
        for process in ["guard", "engine"].map(|who| &info[who]["pid"]) {
            if let Some(pid) = process.as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| alive(*pid)) {
                signal(pid, libc::SIGKILL);
            }
        }
    }
}

fn is(posted: &Posted, cause: &str, change: &str) -> bool {
    posted.taken && posted.text("cause") == cause && posted.change() == change
}

/// A frozen engine: told by the stream (the next poll is minutes away), ended, started anew, verified, and over.
fn frozen(guard: bool, how: &str) {
    let watched = Watched::start("5m");
    let engine = watched.freeze(guard);
    let down = watched.told("the alert", |posted| is(posted, "target-down", "trigger"));
    assert_eq!(down.text("severity"), "critical");
    assert!(watched.said("watchdog.log").contains("its live stream has no beat"), "{}", watched.said("watchdog.log"));
    let restarted = watched.told("a verified restart", |posted| {
        is(posted, "target-down", "update") && posted.text("title").contains("was restarted")
    });
    let message = restarted.text("message");
    assert!(message.contains(&format!("signal: {how}: exit seen")), "{message}");
    assert!(message.contains("answers with epoch 2"), "{message}");
    watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert!(!alive(engine));
    assert_eq!((watched.epoch(), watched.starts(), watched.system.survivors().len()), (Some(2), 2, 1));
    assert_eq!(watched.target().unwrap()["ladder"]["tries"], 1, "{}", watched.said("watchdog.log"));
}

#[test]
fn a_frozen_engine_is_restarted_by_sigterm() {
    frozen(false, "SIGTERM");
}

#[test]
fn one_whose_guard_is_frozen_too_is_restarted_by_sigkill() {
    frozen(true, "SIGKILL");
}

#[test]
fn a_kill_switch_that_is_engaged_is_never_overruled() {
    let watched = Watched::start("1s");
    let engine = watched.freeze(false);
    // The frozen engine can tell nobody: only the latch on its host says so.
    let engaged = watched.system.run("kill-switch engage", &["--reason", "odd fills"]);
    assert!(watched.system.survivors().is_empty(), "{}", String::from_utf8_lossy(&engaged.stderr));
    watched.told("a refused try", |posted| {
        is(posted, "target-down", "update") && posted.text("message").contains("signal refused")
    });
    assert!(watched.said("actuate.log").contains("its kill switch is engaged"), "{}", watched.said("actuate.log"));

    // Awake, it tells the watchdog; and then a try is not even begun.
    signal(engine, libc::SIGCONT);
    watched.told("the engine's answers", |posted| is(posted, "target-down", "resolve"));
    signal(engine, libc::SIGSTOP);
    let refusal = "not restarted: its kill switch is engaged";
    watched.until("refusals", || watched.said("watchdog.log").matches(refusal).count() >= 3);
    let tries = watched.target().unwrap()["ladder"]["tries"].clone();
    signal(watched.system.guard_pid(), libc::SIGKILL);
    signal(engine, libc::SIGKILL);
    watched.until("refusals of a dead engine", || watched.said("watchdog.log").matches(refusal).count() >= 6);
    assert_eq!(watched.target().unwrap()["ladder"]["tries"], tries);
    assert!(!watched.said("actuate.log").contains("start "), "{}", watched.said("actuate.log"));
    assert_eq!((watched.epoch(), watched.starts(), watched.system.survivors().len()), (Some(1), 1, 0));
}

#[test]
fn a_stop_that_the_watchdog_could_not_see_is_not_undone() {
    let mut watched = Watched::polled("300ms", "", |observe| observe);
    let name = watched.system.name.clone();
    // It sees nothing of the stop: neither an announcement nor the engine's last answers.
    let watchdog = i32::try_from(watched.started[1].id()).unwrap();
    signal(watchdog, libc::SIGSTOP);
    assert_eq!(watched.system.stop(), 0);
    signal(watchdog, libc::SIGCONT);
    let stopped = watched.told("that it is stopped", |posted| is(posted, "target-stopped", "trigger"));
    assert_eq!(stopped.text("severity"), "warning");
    assert!(stopped.text("message").contains("by a signal: SIGTERM"), "{}", stopped.text("message"));
    watched.told("the end of the alarm", |posted| is(posted, "target-down", "resolve"));
    assert!(!watched.said("actuate.log").contains("started process"), "{}", watched.said("actuate.log"));
    assert_eq!((watched.starts(), watched.system.survivors().len()), (1, 0));

    // A person starts it again, and from then on it is watched as before: killed, it is restarted.
    watched.system.start();
    watched.system.wait_active();
    watched.told("that it runs again", |posted| is(posted, "target-stopped", "resolve"));
    assert!(!watched.system.path("run/ended.json").exists() && !watched.system.path("state/ended.json").exists());
    let guard = watched.system.guard_pid();
    signal(watched.system.engine_pid(), libc::SIGKILL);
    watched.until("a third life", || watched.epoch() == Some(3) && !alive(guard));
    watched.until("its bot", || watched.starts() == 3);
    assert_eq!(watched.target().unwrap()["name"], name);
}

/// A port that leads to another one until it is cut.
struct Cut {
    port: u16,
    open: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Cut {
    fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let cut = Self { port: listener.local_addr().unwrap().port(), open: std::sync::Arc::default() };
        let open = std::sync::Arc::clone(&cut.open);
        open.store(true, std::sync::atomic::Ordering::Relaxed);
        // Ends with the test's process, like every connection that it carries.
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let open = std::sync::Arc::clone(&open);
                let goes = move || open.load(std::sync::atomic::Ordering::Relaxed);
                if !goes() {
                    continue;
                }
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    let goes = goes.clone();
                    std::thread::spawn(move || {
                        let mut piece = [0; 4096];
                        while let Ok(count @ 1..) = from.read(&mut piece)
                            && goes()
                            && to.write_all(&piece[..count]).is_ok()
                        {}
                        let _ = to.shutdown(std::net::Shutdown::Both);
                        let _ = from.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        cut
    }

    fn set(&self, open: bool) {
        self.open.store(open, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn an_engine_that_was_asked_and_that_nobody_supervises_is_started_by_the_responder() {
    let mut cut = None;
    let watched = Watched::polled("300ms", "come_back = \"1s\"\n", |observe| {
        let before = Cut::before(observe);
        let port = before.port;
        cut = Some(before);
        port
    });
    let cut = cut.unwrap();
    let engine = watched.system.engine_pid();
    // Its health cannot be had, and its control listener answers.
    cut.set(false);
    watched.told("the alert", |posted| is(posted, "target-down", "trigger"));
    watched.until("the engine's end", || !alive(engine));
    watched.until("a second life", || watched.epoch() == Some(2));
    cut.set(true);
    let restarted = watched.told("a verified restart", |posted| {
        is(posted, "target-down", "update") && posted.text("title").contains("was restarted")
    });
    let message = restarted.text("message");
    assert!(message.contains("ask: the engine accepted it") && message.contains("start: process"), "{message}");
    watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert_eq!((watched.epoch(), watched.starts(), watched.system.survivors().len()), (Some(2), 2, 1));
    assert_eq!(watched.target().unwrap()["ladder"]["tries"], 1, "{}", watched.said("watchdog.log"));
}

#[test]
fn a_state_that_is_rolled_back_with_a_valid_chain_is_critical_and_names_the_last_agreed_record() {
    let mut watched = Watched::start("1s");
    let head = |watched: &Watched| watched.system.records().last().and_then(|record| record["seq"].as_u64());
    watched.until("the journal proved", || watched.proved().is_some() && watched.proved() == head(&watched));
    let (agreed, state, old) = (watched.proved().unwrap(), watched.system.path("state"), watched.system.path("old"));
    let copied = Command::new("cp").arg("-a").arg(&state).arg(&old).status().unwrap();
    assert!(copied.success());
    assert_eq!(head(&watched), Some(agreed));

    // Two more lives, so that an engine on the old copy has written fewer records than were seen.
    for _ in 0..2 {
        assert_eq!(watched.system.stop(), 0);
        watched.system.start();
        watched.system.wait_active();
    }
    watched.until("later records proved", || watched.proved().is_some_and(|seq| seq > agreed));
    assert!(watched.receiver.taken("witness").is_empty(), "{:?}", watched.receiver.posted());
    assert_eq!(watched.system.stop(), 0);
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&old, &state).unwrap();
    watched.system.start();
    let alarm = watched.told("the alarm", |posted| is(posted, "witness", "trigger"));
    assert_eq!(alarm.text("severity"), "critical");
    assert!(
        alarm.text("message").contains(&format!("The last agreed record is {agreed}.")),
        "{}",
        alarm.text("message")
    );
}
