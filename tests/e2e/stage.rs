//! Both programs as they are run: an engine with its control listener, the responder beside it, and a watchdog that knows them by
//! address and key only. On one host, or on two of their own.

use crate::certificates::{Authority, private};
use crate::hosts::{Host, Net};
use crate::receiver::{Answers, Posted, Receiver};
use crate::system::{System, alive, failstop, signal};
use crate::wire::Door;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// The bound of every wait. A try of the ladder takes some twenty seconds where nothing answers.
const BOUND: Duration = Duration::from_secs(120);

/// The key of the webhook's signature.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The log of the watchdog in the test's folder.
pub const WATCHDOG: &str = "watchdog.log";

/// The log of the responder.
pub const RESPONDER: &str = "actuate.log";

/// A bot that notes each of its starts.
pub const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"append\", \"DIRstarts\"]\norders = \"asks\"\nstop_grace = \"1s\"\n";

/// Keys of a target that is polled each second.
pub const SECOND: &str = "interval = \"1s\"\ntimeout = \"2s\"\nsettle = \"1s\"\n";

/// Keys of a target whose next poll is minutes away: what is seen of it is seen by its stream.
pub const STREAMED: &str = "interval = \"5m\"\ntimeout = \"2s\"\nsettle = \"1s\"\n";

/// Keys of a target without a live stream, polled in quick succession.
pub const POLLED: &str = "interval = \"300ms\"\ntimeout = \"2s\"\nsettle = \"1s\"\nstream = \"off\"\nfailures = 2\n";

/// The watchdog's binary, built beside the command under test.
pub fn watchdog() -> PathBuf {
    let binary = Path::new(failstop()).with_file_name("failstop-watchdog");
    assert!(binary.exists(), "{} is not there: cargo build --workspace --bins", binary.display());
    binary
}

/// What a stage has.
pub struct Setup<'a> {
    /// Two hosts; `None`: this one.
    pub net: Option<Net>,
    /// The bot's sections.
    pub components: &'a str,
    /// Whether the control listener speaks TLS. On a host of its own it always does.
    pub tls: bool,
    /// Keys of `[[target]]`: intervals, and what else is to be otherwise.
    pub target: &'a str,
    /// Further keys of `[target.restart]`.
    pub restart: &'a str,
    /// Sections and keys that come before `[[target]]`, `[watchdog]` being open.
    pub watchdog: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { net: None, components: BOT, tls: false, target: SECOND, restart: "", watchdog: "" }
    }
}

/// An engine, a responder and a watchdog.
pub struct Watched {
    pub system: System,
    pub receiver: Receiver,
    pub net: Option<Net>,
    /// Where the watchdog runs.
    pub eye: Host,
    /// The watchdog's port, on its host's loopback address.
    pub port: u16,
    /// The engine's observe address.
    pub observe: SocketAddr,
    /// The engine's control listener.
    pub control: SocketAddr,
    /// The responder.
    pub responder: SocketAddr,
    /// Whether the control listener speaks TLS.
    tls: bool,
    /// By the names of their logs.
    started: BTreeMap<String, Child>,
}

impl Watched {
    /// All of them on this host, once the watchdog sees the engine's live stream.
    pub fn start(target: &str) -> Self {
        Self::prepare(Setup { target, ..Setup::default() }).run_all()
    }

    /// The files of all of them; nothing runs yet.
    pub fn prepare(setup: Setup<'_>) -> Self {
        let (bot, eye) = match &setup.net {
            Some(net) => (net.bot.clone(), net.eye.clone()),
            None => (Host::here(), Host::here()),
        };
        let at = |host: &Host| SocketAddr::from((host.address, host.free_port()));
        let (observe, control, responder, port) = (at(&bot), at(&bot), at(&bot), eye.free_port());
        let tls = setup.tls || setup.net.is_some();
        let certificate = if tls { "tls_cert = \"control-cert.pem\"\ntls_key = \"control-key.pem\"\n" } else { "" };
        let system = System::new(&format!(
            "{}[observe]\nlisten = \"{observe}\"\n[control]\nlisten = \"{control}\"\nkeys = [\"wd1.key\"]\n{certificate}",
            setup.components
        ))
        .run_on(&bot);
        let receiver = Receiver::start_on(&eye, Answers::Takes);
        if tls {
            Authority::make(&system.path(""), "authority").sign("control", &bot.address.to_string());
        }
        private(&system.path("wd1.key"), &format!("wd1:{}\n", "5a".repeat(32)));
        private(&system.path("hook-url"), &receiver.url());
        private(&system.path("hook-secret"), SECRET);
        let watched = Self {
            system,
            receiver,
            net: setup.net,
            eye,
            port,
            observe,
            control,
            responder,
            tls,
            started: BTreeMap::new(),
        };
        watched.write_responder(&format!("start = [\"{}\", \"run\", \"--config\", \"failstop.toml\"]\n", failstop()));
        let own = if tls { "ca_file = \"authority.pem\"\n" } else { "" };
        let text = watched.watchdog_text("wd1", port, &format!("{own}{}", setup.watchdog), setup.target, setup.restart);
        watched.write("watchdog.toml", &text);
        watched
    }

    /// The responder's configuration, with these further keys of its unit.
    pub fn write_responder(&self, unit: &str) {
        let text = format!(
            "[actuate]\nname = \"bot-host\"\nlisten = \"{}\"\nkeys = [\"wd1.key\"]\n\
             [[unit]]\nname = \"{}\"\nengine = \"run\"\ngrace = \"5s\"\n{unit}",
            self.responder, self.system.name
        );
        self.write("actuate.toml", &text);
    }

    /// A watchdog's configuration: `more` as [`Setup::watchdog`], and keys of its target and of its restarts.
    pub fn watchdog_text(&self, name: &str, port: u16, more: &str, target: &str, restart: &str) -> String {
        let (scheme, system) = (if self.tls { "https" } else { "http" }, &self.system.name);
        let Self { observe, control, responder, .. } = self;
        format!(
            "[watchdog]\nname = \"{name}\"\nlisten = \"127.0.0.1:{port}\"\nstate_dir = \"{name}-state\"\n{more}\
             [[target]]\nname = \"{system}\"\nurl = \"http://{observe}/health\"\n{target}\
             control = \"{scheme}://{control}\"\nkey_file = \"wd1.key\"\n\
             [target.restart]\nunit = \"{system}\"\nactuate = \"http://{responder}\"\n\
             actuate_name = \"bot-host\"\nactuate_key_file = \"wd1.key\"\n\
             step_timeout = \"30s\"\nbackoff = \"1s\"\n{restart}\
             [alerts]\nchannels = [\"webhook\"]\nduplicate_window = \"0s\"\n\
             cooldown = {{ critical = \"0s\", warning = \"0s\", info = \"0s\" }}\n\
             [alerts.webhook]\nurl = {{ file = \"hook-url\" }}\nsecret = {{ file = \"hook-secret\" }}\n"
        )
    }

    /// Has the watchdog look for the engine's health behind a door.
    pub fn seen_through(self, door: &Door) -> Self {
        let own = format!("http://{}/health", self.observe);
        let text = self.said("watchdog.toml").replace(&own, &format!("http://{}/health", door.address));
        self.write("watchdog.toml", &text);
        self
    }

    /// Starts engine, responder and watchdog, in this order, and waits until each is well.
    pub fn run_all(mut self) -> Self {
        self.system.start();
        self.system.wait_active();
        self.run(&["actuate", "--config", "actuate.toml"], RESPONDER);
        self.run(&["--config", "watchdog.toml"], WATCHDOG);
        let streams = !self.said("watchdog.toml").contains("stream = \"off\"");
        self.until("what it watches to be up", || {
            self.target().is_some_and(|target| target["state"] == "up" && target["stream"] == streams)
        });
        self
    }

    /// Starts a command of the watchdog's program that runs on: the responder on the bot's host, anything else on the watchdog's.
    pub fn run(&mut self, arguments: &[&str], log: &str) {
        self.run_with(arguments, log, &[]);
    }

    /// The same with further environment variables.
    pub fn run_with(&mut self, arguments: &[&str], log: &str, environment: &[(&str, &str)]) {
        let host = match (&self.net, log == RESPONDER) {
            (Some(net), true) => &net.bot,
            (Some(_) | None, _) => &self.eye,
        };
        let file = fs::OpenOptions::new().create(true).append(true).open(self.system.path(log)).unwrap();
        let mut command = host.command(watchdog());
        command.args(arguments).current_dir(self.system.path("")).env("NO_PROXY", "127.0.0.1");
        command.env_remove("NOTIFY_SOCKET").envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        self.started.insert(log.to_owned(), command.spawn().unwrap());
    }

    /// The process number of what writes this log.
    pub fn pid(&self, log: &str) -> i32 {
        i32::try_from(self.started[log].id()).unwrap()
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self, log: &str) {
        let mut child = self.started.remove(log).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A command of the watchdog's program that ends by itself, on the watchdog's host.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = self.eye.command(watchdog());
        command.args(arguments).current_dir(self.system.path("")).env("NO_PROXY", "127.0.0.1");
        command.stdin(Stdio::null()).output().unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.system.path(name), text).unwrap();
    }

    /// The text of a file in the test's folder; nothing where it is not there.
    pub fn said(&self, file: &str) -> String {
        fs::read_to_string(self.system.path(file)).unwrap_or_default()
    }

    #[track_caller]
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + BOUND;
        while !holds() {
            assert!(
                Instant::now() < end,
                "waited in vain for {what}; watchdog:\n{}\nresponder:\n{}\nengine:\n{}\nposted:\n{:#?}",
                self.said(WATCHDOG),
                self.said(RESPONDER),
                self.system.log(),
                self.receiver.posted()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a log says this.
    #[track_caller]
    pub fn until_said(&self, log: &str, what: &str) {
        self.until(&format!("\"{what}\" in {log}"), || self.said(log).contains(what));
    }

    /// Waits until the target stands so.
    #[track_caller]
    pub fn until_state(&self, state: &str) {
        self.until(state, || self.target().is_some_and(|target| target["state"] == state));
    }

    /// Waits for a message, and sees all the while that no second copy of the bot is there.
    #[track_caller]
    pub fn told(&self, what: &str, wanted: impl Fn(&Posted) -> bool) -> Posted {
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
    pub fn get(&self, path: &str) -> Option<Value> {
        self.get_at(self.port, path)
    }

    /// What a watchdog at this port answers.
    pub fn get_at(&self, port: u16, path: &str) -> Option<Value> {
        let mut stream = self.eye.enter(|| TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).ok())?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }

    pub fn target(&self) -> Option<Value> {
        Some(self.get("/status")?["targets"][0].clone())
    }

    /// The last record of the journal that the watchdog has proved.
    pub fn proved(&self) -> Option<u64> {
        let remembered = self.get(&format!("/witness/{}", self.system.name))?;
        remembered["seq"].as_u64()
    }

    /// The last record of the journal on the disk.
    pub fn head(&self) -> Option<u64> {
        self.system.records().last().and_then(|record| record["seq"].as_u64())
    }

    /// Waits until the watchdog has proved the journal to its end, and gives that record.
    #[track_caller]
    pub fn until_proved(&self) -> u64 {
        self.until("the journal proved", || self.proved().is_some() && self.proved() == self.head());
        self.proved().unwrap()
    }

    pub fn starts(&self) -> usize {
        self.said("starts").lines().count()
    }

    pub fn epoch(&self) -> Option<u64> {
        self.engine_json()?["epoch"].as_u64()
    }

    pub fn engine_json(&self) -> Option<Value> {
        serde_json::from_str(&self.said("run/engine.json")).ok()
    }

    /// Guard and engine, as far as they live.
    pub fn processes(&self) -> Vec<i32> {
        let info = self.engine_json().unwrap_or_default();
        let pids = ["guard", "engine"].map(|who| info[who]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()));
        pids.into_iter().flatten().filter(|pid| alive(*pid)).collect()
    }

    /// SIGKILL to guard and engine at once.
    pub fn kill_engine(&self) {
        self.processes().into_iter().for_each(|pid| signal(pid, libc::SIGKILL));
    }

    /// Freezes the engine, and its guard too where that is asked for.
    pub fn freeze(&self, guard: bool) -> i32 {
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
        for child in self.started.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // An engine that the responder started is nobody's child here: it is found by what it wrote into this test's folder.
        self.kill_engine();
    }
}

/// Whether this is a change of an incident of this cause, and was taken.
pub fn is(posted: &Posted, cause: &str, change: &str) -> bool {
    posted.taken && posted.text("cause") == cause && posted.change() == change
}
