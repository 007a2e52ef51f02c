//! A bot that others wrote, on a host of its own where the names of its venue lead to a venue of the tests: so it runs as it is
//! published, and nothing that it sends leaves the machine.

use crate::certificates::{Authority, Certified};
use crate::hosts::Island;
use crate::system::{PATIENCE, System, alive, signal};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Whom the bots ask.
const NAMES: &[&str] =
    &["api.kraken.com", "ws.kraken.com", "ws-auth.kraken.com", "www.bitstamp.net", "ws.bitstamp.net"];

/// Interpreters of Python start and import for seconds where the machine has much to do.
const STARTS_WITHIN: Duration = Duration::from_secs(40);

/// Where `cargo xtask setup` has put the bots and their Python.
pub fn bots() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bots");
    assert!(path.join("installed").exists(), "{} is not complete: run `cargo xtask setup`", path.display());
    path
}

/// A bot.
pub struct Bot {
    /// Its arguments, after the interpreter.
    pub arguments: Vec<String>,
    /// Further lines of its configuration.
    pub keys: &'static str,
    /// The figures of the venue that a line of its output shows.
    pub figure: fn(&str) -> Option<u64>,
}

/// A bot that runs, its venue, and their host.
pub struct Scene {
    /// What runs the bot.
    pub system: System,
    island: Island,
    venue: Child,
    /// Of the venue.
    folder: tempfile::TempDir,
    certified: Certified,
    figure: fn(&str) -> Option<u64>,
    /// Open descriptors and threads of the engine once the bot ran for the first time.
    at_first: Option<(usize, usize)>,
}

/// What the venue does.
#[derive(Clone, Copy, Debug)]
pub enum Venue {
    /// It gives out figures.
    Well,
    /// It lets whoever asks for a figure wait.
    Hold,
    /// It answers with errors and ends what streams.
    Errors,
    /// It answers nothing.
    Hangs,
}

impl Scene {
    /// Starts the venue, then the bot; `None` where there are no network namespaces.
    pub fn start(bot: Bot) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let island = Island::make(folder.path(), NAMES)?;
        let certified = Authority::make(folder.path(), "authority").sign_for("venue", NAMES);
        let authority = folder.path().join("authority.pem").display().to_string();
        let python = bots().join("bin/python3").display().to_string();
        let words = [python, "-u".to_owned()].into_iter().chain(bot.arguments);
        let command: Vec<String> = words.map(|word| format!("'{word}'")).collect();
        let system = System::new(&format!(
            "[[component]]\nname = \"bot\"\norders = \"asks\"\ncommand = [{}]\nneeds = [\"venue\"]\n\
             env = {{ REQUESTS_CA_BUNDLE = \"{authority}\", SSL_CERT_FILE = \"{authority}\" }}\n\
             start_limit = {{ starts = 3, within = \"1h\" }}\nbackoff = {{ initial = \"100ms\", max = \"200ms\" }}\n{}\n\
             [[dependency]]\nname = \"venue\"\nhttp = \"http://api.kraken.com/0/public/Time\"\ninterval = \"1s\"\n\
             timeout = \"1s\"\n",
            command.join(", "),
            bot.keys,
        ));
        let system = system.run_on(&island.host);
        let venue = venue(&island, &folder, &certified);
        let mut scene = Self { system, island, venue, folder, certified, figure: bot.figure, at_first: None };
        scene.venue_answers();
        // Whatever proxy this machine uses does not lead to a venue on the island.
        scene.system.start_with(&[], &[("NO_PROXY", "*"), ("no_proxy", "*")]);
        scene.system.wait_answer();
        Some(scene)
    }

    /// Tells the venue what to do; the last figure that it gave out.
    pub fn venue(&self, does: Venue) -> u64 {
        let mode = match does {
            Venue::Well => "well",
            Venue::Hold => "hold",
            Venue::Errors => "errors",
            Venue::Hangs => "hangs",
        };
        let answer = self.island.host.enter(|| {
            let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, 80))).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            write!(stream, "GET /control/{mode} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let last = answer.rsplit("\r\n\r\n").next().unwrap().trim();
        last.parse().unwrap_or_else(|_| panic!("the venue says {answer:?}"))
    }

    /// The venue's process is gone: connections are refused.
    pub fn venue_dies(&mut self) {
        self.venue.kill().unwrap();
        self.venue.wait().unwrap();
    }

    /// And there again.
    pub fn venue_comes_back(&mut self) {
        fs::remove_file(self.folder.path().join("venue-answers")).unwrap();
        self.venue = venue(&self.island, &self.folder, &self.certified);
        self.venue_answers();
    }

    fn venue_answers(&self) {
        self.wait("the venue", || self.folder.path().join("venue-answers").exists());
    }

    /// Waits, as long as it may take a bot to start.
    #[track_caller]
    pub fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let end = Instant::now() + STARTS_WITHIN;
        while !done() {
            assert!(Instant::now() < end, "waited in vain for {what}; {}", self.seen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the status satisfies this.
    #[track_caller]
    pub fn wait_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        self.wait(what, || {
            found = self.system.status().filter(&wanted);
            found.is_some()
        });
        found.unwrap()
    }

    fn seen(&self) -> String {
        let venue = fs::read_to_string(self.folder.path().join("venue.log")).unwrap_or_default();
        format!("the bot:\n{}\nfailstop:\n{}\nthe venue:\n{venue}", self.output(), self.system.log())
    }

    /// What the bot has printed, as kept.
    pub fn output(&self) -> String {
        fs::read_to_string(self.system.path("state/logs/bot.log")).unwrap_or_default()
    }

    /// The figures in it, life by life.
    fn lives(&self) -> Vec<Vec<u64>> {
        let output = self.output();
        let mut lives = vec![Vec::new()];
        for line in output.lines() {
            if line.starts_with("-- failstop") && line.contains("started") {
                lives.push(Vec::new());
            }
            lives.last_mut().unwrap().extend((self.figure)(line));
        }
        lives
    }

    fn last_figure(&self) -> Option<u64> {
        self.lives().into_iter().flatten().next_back()
    }

    /// Waits until the bot runs, is ready and got figures above `above`.
    #[track_caller]
    pub fn wait_trading(&mut self, above: u64) {
        let process = |status: &Value| status["components"][0]["ready"] == true && status["permission"] == "active";
        self.wait_status("a bot that is ready", process);
        self.wait("figures", || self.last_figure().is_some_and(|last| last > above));
        if self.at_first.is_none() {
            self.at_first = Some(self.engines_own_at_rest());
        }
    }

    /// Stops the figures and waits until the last one stands in the log: everything until then was printed, and kept.
    #[track_caller]
    pub fn hold(&self) -> u64 {
        let given = self.venue(Venue::Hold);
        self.wait(&format!("figure {given}"), || self.last_figure() == Some(given));
        given
    }

    /// SIGKILL for the bot in the midst of its work, and the process number of the one before.
    pub fn kill(&self) -> i32 {
        let pid = self.system.pid_of("bot").unwrap();
        signal(pid, libc::SIGKILL);
        self.wait("its end", || !alive(pid));
        pid
    }

    /// Within each life of the bot every figure stands in the log once, in order.
    #[track_caller]
    pub fn log_is_whole(&self) {
        let lives = self.lives();
        let all: Vec<u64> = lives.iter().flatten().copied().collect();
        assert!(all.is_sorted_by(|one, next| one < next), "not in order, or twice: {lives:?}");
        for life in lives {
            let whole = life.windows(2).all(|pair| pair[1] == pair[0] + 1);
            assert!(whole, "a figure is missing: {life:?}\n{}", self.output());
        }
        assert!(!self.output().contains("output were"), "failstop says that it lost something:\n{}", self.output());
    }

    /// How many descriptors and threads the engine has, but for the file of alerts on their way, which is opened with the first of
    /// them, and for a thread of the runtime's pool, which ends when it has had nothing to do for a while.
    fn engines_own(&self) -> (usize, usize) {
        let own = format!("/proc/{}", self.system.engine_pid());
        let entries = |what: &str| fs::read_dir(format!("{own}/{what}")).unwrap().map(|entry| entry.unwrap().path());
        let of_alerts = |path: &PathBuf| fs::read_link(path).is_ok_and(|leads| leads.ends_with("outbox/outbox"));
        let pooled = |path: &PathBuf| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("tokio"));
        let descriptors = entries("fd").filter(|path| !of_alerts(path)).count();
        (descriptors, entries("task").filter(|path| !pooled(path)).count())
    }

    /// The same, once nobody is being answered: seen alike several times on end.
    fn engines_own_at_rest(&self) -> (usize, usize) {
        let mut seen = (self.engines_own(), 0);
        self.wait("an engine at rest", || {
            std::thread::sleep(Duration::from_millis(30));
            let now = self.engines_own();
            seen = if now == seen.0 { (now, seen.1 + 1) } else { (now, 0) };
            seen.1 >= 10
        });
        seen.0
    }

    /// Stops everything in good order, with the venue well, and looks at what is left.
    #[track_caller]
    pub fn ends_well(mut self) {
        // A connection that was just answered is closed a moment later.
        self.wait("the descriptors and threads that the engine had when the bot ran first", || {
            Some(self.engines_own()) == self.at_first
        });
        for pid in [self.system.guard_pid(), self.system.engine_pid()] {
            assert_eq!(zombies(pid), Vec::<String>::new());
        }
        let given = self.hold();
        let from = self.system.next_seq();
        assert_eq!(self.system.stop(), 0, "{}", self.seen());
        assert!(self.system.survivors().is_empty(), "{:?}", self.system.survivors());
        assert_eq!(self.last_figure(), Some(given));
        self.log_is_whole();
        let exited = self.system.wait_record(from, "component.exited", |_| true);
        assert_eq!((&exited["b"]["requested"], &exited["b"]["failure"]), (&true.into(), &false.into()), "{exited}");
        let raised = |record: &Value| record["seq"].as_u64() >= Some(from) && record["t"] == "halt.raised";
        assert!(!self.system.records().iter().any(raised), "a stop is nobody's failure");
        assert_eq!(self.system.run("verify-data", &["--quiet"]).status.code(), Some(0));
    }

    /// The causes of all halts that were ever raised.
    pub fn causes(&self) -> Vec<String> {
        let raised = self.system.records().into_iter().filter(|record| record["t"] == "halt.raised");
        raised.map(|record| record["b"]["cause"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.venue.kill();
        let _ = self.venue.wait();
    }
}

fn venue(island: &Island, folder: &tempfile::TempDir, certified: &Certified) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.path().join("venue.log")).unwrap();
    let mut command = island.host.command(bots().join("bin/python3"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/real_bots/venue.py")).arg(folder.path());
    command.args([&certified.certificate, &certified.key]);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// Children that have ended and that nobody has asked for.
fn zombies(pid: i32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let state = |child: &str| fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    let ended = |child: &&str| state(child).rsplit(')').next().unwrap_or("").trim_start().starts_with('Z');
    children.split_whitespace().filter(ended).map(str::to_owned).collect()
}
