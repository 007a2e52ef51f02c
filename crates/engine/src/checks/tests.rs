//! Each check against a system made for it.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod render;

use super::*;
use crate::config::{ConfigErrors, Overrides};
use crate::process::controllers::{Controller, Outlook};
use crate::process::program::{ProgramEnd, ProgramRequest};
use failstop_client::status::Coverage;
use failstop_core::Exit;
use failstop_journal::{ledger, snapshot};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const HEAD: &str = "[system]\nname = \"demo\"\n";
const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n";

/// A folder with a configuration and a program.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        world.program("bot", 0o755);
        world
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self, name: &str, mode: u32) {
        fs::write(self.path(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self, text: &str) -> Result<Config, ConfigErrors> {
        let file = self.path("failstop.toml");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        Config::load(&file, &Overrides::default())
    }

    /// The lines of one check.
    fn lines(&self, check: &str, text: &str) -> Vec<CheckResult> {
        let config = self.load(text).unwrap();
        run(&config, &Options { only: vec![check.to_owned()], ..Options::default() }).unwrap().results
    }

    /// The only line of one check.
    fn line(&self, check: &str, text: &str) -> (Outcome, String) {
        let lines = self.lines(check, text);
        assert_eq!(lines.len(), 1, "{lines:?}");
        (lines[0].outcome, format!("{}: {}", lines[0].reason, lines[0].remedy))
    }
}

fn bot(command: &str) -> String {
    format!("{HEAD}[[component]]\nname = \"bot\"\ncommand = {command}\norders = \"asks\"\n")
}

#[test]
fn command_finds_what_will_be_run() {
    let world = World::new();
    let outcome = |command: &str| world.line("command", &bot(command));
    assert_eq!(outcome("[\"./bot\"]").0, Outcome::Passed);
    assert_eq!(outcome("[\"bot\"]").0, Outcome::Passed);
    assert_eq!(outcome("[\"sh\", \"-c\", \"true\"]").0, Outcome::Passed);
    let (failed, said) = outcome("[\"./absent\"]");
    assert!(failed == Outcome::Failed && said.contains("absent not found: correct `command`"), "{said}");
    let (failed, said) = outcome("[\"no-such-program-anywhere\"]");
    assert!(failed == Outcome::Failed && said.contains("neither in PATH"), "{said}");
    let (failed, said) = outcome("[\"./bot --fast\"]");
    assert!(failed == Outcome::Failed && said.contains("separate items"), "{said}");
    world.program("plain", 0o644);
    let (failed, said) = outcome("[\"./plain\"]");
    assert!(failed == Outcome::Failed && said.contains("chmod +x"), "{said}");
    let (failed, said) = outcome("[\"sh\", \"bot.sh\"]");
    assert!(failed == Outcome::Failed && said.contains("bot.sh not found in"), "{said}");
    world.program("bot.sh", 0o644);
    assert_eq!(outcome("[\"sh\", \"bot.sh\"]").0, Outcome::Passed);
    let elsewhere = format!("{}working_dir = \"absent\"\n", bot("[\"./bot\"]"));
    let (failed, said) = world.line("command", &elsewhere);
    assert!(failed == Outcome::Failed && said.contains("working directory"), "{said}");
    fs::create_dir(world.path("sub")).unwrap();
    let elsewhere = format!("{}working_dir = \"sub\"\n", bot("[\"sh\", \"bot.sh\"]"));
    let (failed, said) = world.line("command", &elsewhere);
    assert!(failed == Outcome::Failed && said.contains("beside the configuration"), "{said}");
    let user = format!("{}user = \"no-such-user-here\"\n", bot("[\"./bot\"]"));
    let (failed, said) = world.line("command", &user);
    assert!(failed == Outcome::Failed && said.contains("no user"), "{said}");
}

#[test]
fn secrets_must_be_there_and_nobody_elses() {
    let world = World::new();
    let text = format!("{HEAD}{BOT}env_file = \"bot.env\"\n");
    let (failed, said) = world.line("secrets", &text);
    assert!(failed == Outcome::Failed && said.contains("cannot be read"), "{said}");
    fs::write(world.path("bot.env"), "KEY=1\n").unwrap();
    for (mode, expected) in [(0o600, Outcome::Passed), (0o640, Outcome::Warning), (0o644, Outcome::Failed)] {
        fs::set_permissions(world.path("bot.env"), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(world.line("secrets", &text).0, expected, "{mode:o}");
    }
    let slack =
        format!("{HEAD}{BOT}[alerts]\nchannels = [\"slack\"]\n[alerts.slack]\nwebhook_url = {{ file = \"hook\" }}\n");
    assert_eq!(world.line("secrets", &slack).0, Outcome::Warning, "alert channels only ever warn");
    fs::write(world.path("hook"), "https://x\n").unwrap();
    fs::set_permissions(world.path("hook"), fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(world.line("secrets", &slack).0, Outcome::Failed);

    let config = world.load(&format!("{HEAD}{BOT}env = {{ API_KEY = \"x\" }}\n")).unwrap();
    fs::set_permissions(world.path("failstop.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    let report = run(&config, &Options { only: vec!["secrets".into()], ..Options::default() }).unwrap();
    assert_eq!(report.results[0].outcome, Outcome::Failed);
    assert!(report.results[0].reason.contains("API_KEY"));
    assert!(
        report.coverage.is_empty() && report.host_notes.is_empty(),
        "whoever asks for one check asks for nothing else"
    );
}

#[test]
fn who_is_told_of_nothing_hears_so_before_it_matters() {
    let world = World::new();
    let told = |head: &str, alerts: &str| world.line("alerts", &format!("{HEAD}{head}{BOT}{alerts}"));
    let (outcome, said) = told("", "");
    assert_eq!(outcome, Outcome::Passed, "a paper bot at a desk");
    assert!(said.starts_with("console: whoever does not look at this host is told of nothing"), "{said}");
    for head in ["mode = \"live\"\n", "profile = \"production\"\n"] {
        let (outcome, said) = told(head, "[alerts.log_file]\npath = \"alerts.jsonl\"\n");
        assert_eq!(outcome, Outcome::Warning, "{head}{said}");
        assert!(said.contains("failstop alerts test"), "{said}");
        let exec = "[alerts.exec]\ncommand = [\"/bin/true\"]\n";
        assert_eq!(told(head, exec), (Outcome::Passed, "console, exec: ".to_owned()), "a table is enough");
    }
}

#[test]
fn the_lock_is_asked_about_and_never_taken() {
    let world = World::new();
    let text = format!("{HEAD}{BOT}");
    assert_eq!(world.line("instance", &text).1, "no engine runs this system: ");
    fs::create_dir(world.path("state")).unwrap();
    let pipe = world.path("state/LOCK");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(holder_of(&world.path("state")), Holder::Unknown(_)), "and nobody is kept waiting for its writer");
    fs::remove_file(&pipe).unwrap();
    let lock = fs::File::create_new(world.path("state/LOCK")).unwrap();
    (&lock).write_all(b"4711 4710\n").unwrap();
    assert!(matches!(holder_of(&world.path("state")), Holder::Nobody));
    // SAFETY: plain data; all zeros covers the whole file.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = libc::F_WRLCK as libc::c_short;
    // SAFETY: an open descriptor and a valid description of a range.
    assert_eq!(unsafe { libc::fcntl(lock.as_raw_fd(), libc::F_OFD_SETLK, &raw const range) }, 0);
    assert!(matches!(holder_of(&world.path("state")), Holder::Engine(Some(4711))));
    assert_eq!(world.line("instance", &text).0, Outcome::Passed);
}

#[test]
fn latches_are_told_with_the_command_that_releases_them() {
    let world = World::new();
    let text = format!("{HEAD}{BOT}");
    assert_eq!(world.line("latches", &text).0, Outcome::Passed);
    fs::create_dir_all(world.path("state/latches")).unwrap();
    assert_eq!(world.line("latches", &text).0, Outcome::Passed);
    let latch = r#"{"by":"ana (1000)","reason":"fat finger","time":"2026-11-07T00:05:00Z"}"#;
    fs::write(world.path("state/kill-switch"), latch).unwrap();
    let (warned, said) = world.line("latches", &text);
    assert!(warned == Outcome::Warning && said.contains("by ana (1000)") && said.contains("--confirm demo"), "{said}");
    fs::write(world.path("state/kill-switch"), [0xff]).unwrap();
    assert_eq!(world.line("latches", &text).0, Outcome::Warning, "an unreadable latch is a latch");
    fs::remove_file(world.path("state/kill-switch")).unwrap();
    fs::write(world.path("state/latches/storage.json"), "{}").unwrap();
    assert!(world.line("latches", &text).1.contains("storage.json"));
}

#[test]
fn mode_says_what_will_not_run() {
    let world = World::new();
    assert_eq!(world.line("mode", &format!("{HEAD}{BOT}")).0, Outcome::Passed);
    let direct = format!("{HEAD}{BOT}").replace("asks", "direct");
    assert!(world.line("mode", &direct).1.contains("do not run: bot"));
    let live = format!("{HEAD}mode = \"live\"\n{BOT}");
    assert!(world.line("mode", &live).1.contains("new-journal"));
    fs::create_dir_all(world.path("state/journal")).unwrap();
    fs::write(world.path("state/journal/j"), "").unwrap();
    fs::set_permissions(world.path("state"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(world.line("mode", &live).1.contains("chmod 700"));
    fs::set_permissions(world.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(world.line("mode", &live).0, Outcome::Passed);
}

/// Answers one connection with these bytes, then closes; returns the port.
fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        if let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        }
    });
    port
}

/// A port that nothing listens on.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn dependency(probe: &str) -> String {
    format!("{HEAD}{BOT}[[dependency]]\nname = \"venue\"\ntimeout = \"500ms\"\n{probe}\n")
}

#[test]
fn endpoints_are_asked_and_nothing_more() {
    let world = World::new();
    let line = |probe: String| world.line("endpoints", &dependency(&probe));
    let ok = server(b"HTTP/1.1 204 No Content\r\n\r\n");
    let (passed, said) = line(format!("http = \"http://127.0.0.1:{ok}/ping\""));
    assert!(passed == Outcome::Passed && said.contains("venue answers with status 204"), "{said}");
    let bad = server(b"HTTP/1.1 503 No\r\n\r\n");
    let (failed, said) = line(format!("http = \"http://127.0.0.1:{bad}/\""));
    assert!(failed == Outcome::Failed && said.contains("status 503"), "{said}");
    let foreign = server(b"SSH-2.0-x\r\n");
    assert!(line(format!("http = \"http://127.0.0.1:{foreign}/\"")).1.contains("not HTTP"));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    assert!(line(format!("http = \"http://{address}/\"")).1.contains("no answer in time"));
    assert_eq!(line(format!("tcp = \"{address}\"")).0, Outcome::Passed);
    let closed = closed_port();
    assert!(line(format!("tcp = \"127.0.0.1:{closed}\"")).1.contains("refused"));
    assert!(line(format!("redis = \"127.0.0.1:{closed}\"")).1.contains("refused"));
    assert_eq!(line("exec = [\"true\"]".into()).0, Outcome::Passed);
    assert!(line("exec = [\"sh\", \"-c\", \"exit 3\"]".into()).1.contains("status 3"));
    assert!(line("exec = [\"sleep\", \"60\"]".into()).1.contains("no answer in time"));
    assert!(line("exec = [\"./absent\"]".into()).0 == Outcome::Failed);

    let config = world.load(&dependency("exec = [\"true\"]")).unwrap();
    let only = vec!["endpoints".to_owned()];
    let in_an_engine = |end: ProgramEnd| {
        let (programs, mut requests) = mpsc::channel::<ProgramRequest>(1);
        let engine = std::thread::spawn(move || {
            let request = requests.blocking_recv().unwrap();
            assert_eq!(request.argv, ["true"]);
            (request.answer)(end);
        });
        let as_engine = Options { caller: Caller::Engine(programs), only: only.clone(), ..Options::default() };
        let result = run(&config, &as_engine).unwrap().results.remove(0);
        engine.join().unwrap();
        (result.outcome, result.reason)
    };
    assert_eq!(in_an_engine(ProgramEnd::Ended(Exit::Status(0))).0, Outcome::Passed);
    let (failed, said) = in_an_engine(ProgramEnd::Ended(Exit::Signal(9)));
    assert!(failed == Outcome::Failed && said.contains("killed by signal 9"), "{said}");
    let (failed, said) =
        in_an_engine(ProgramEnd::NotStarted { kind: std::io::ErrorKind::OutOfMemory, why: "no memory".to_owned() });
    assert!(failed == Outcome::Failed && said.contains("no memory"), "{said}");
    assert!(in_an_engine(ProgramEnd::TimedOut).1.contains("no answer in time"));
    let offline = Options { offline: true, only, ..Options::default() };
    assert_eq!(run(&config, &offline).unwrap().results[0].reason, "--offline");
}

#[test]
fn a_taken_port_warns_only() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("{HEAD}{BOT}[observe]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    assert_eq!(world.line("ports", &text).0, Outcome::Warning);
    let free = format!("{HEAD}{BOT}[observe]\nlisten = \"127.0.0.1:0\"\n");
    assert_eq!(world.line("ports", &free).0, Outcome::Passed);
    let wide = format!("{HEAD}{BOT}[observe]\nlisten = \"0.0.0.0:0\"\n");
    let said = |text: &str| {
        let lines = world.lines("ports", text);
        let warnings = lines.into_iter().filter(|line| line.outcome == Outcome::Warning);
        warnings.map(|line| line.reason).collect::<Vec<_>>()
    };
    let wide_said = said(&wide);
    assert!(
        wide_said.len() == 2 && wide_said[0].contains("without TLS") && wide_said[1].contains("no token"),
        "{wide_said:?}"
    );
}

#[test]
fn a_socket_path_that_is_too_long_is_refused_with_its_length() {
    let world = World::new();
    let text = format!("[system]\nname = \"demo\"\nruntime_dir = \"/dev/shm/{}\"\n{BOT}", "x".repeat(100));
    let (failed, said) = world.line("runtime", &text);
    assert!(failed == Outcome::Failed && said.contains("bytes; at most 107"), "{said}");
}

#[test]
fn a_full_disk_is_no_place_for_a_journal() {
    let world = World::new();
    let text = format!("{HEAD}{BOT}");
    assert!(world.lines("disk", &text).iter().all(|line| line.outcome != Outcome::Skipped));
    assert!(!world.path("state").exists(), "a check makes nothing");
}

/// A journal with a posting, a snapshot of it, and one that a crash left unnamed.
fn with_books(world: &World, more: &[ledger::Entry]) -> String {
    let state = world.path("state");
    fs::create_dir_all(&state).unwrap();
    let settings = failstop_journal::Settings::new("demo", "boot", "test");
    let disk = || failstop_journal::Disk::new(&state);
    let mut journal = failstop_journal::recover(disk(), settings, None).unwrap().start(1, WALL).unwrap();
    let mut book = ledger::Book::new();
    let mut record = |entry: &ledger::Entry, journal: &mut failstop_journal::Journal<failstop_journal::Disk>| {
        let seq = journal.stage(WALL, entry.kind(), &entry.payload(), failstop_journal::Importance::Ordinary).unwrap();
        // What is refused here is what the check is to find.
        drop(book.apply(&ledger::At { seq, epoch: 1, time: WALL }, entry));
        (journal.commit().unwrap(), book.clone())
    };
    let config = world.load(&format!("{HEAD}{BOT}{MONEY}")).unwrap();
    let leg = |account: &str, pool: Option<&str>, amount: &str| ledger::Leg {
        asset: "USDT".into(),
        account: account.into(),
        pool: pool.map(str::to_owned),
        amount: amount.into(),
    };
    let legs = vec![leg("k", Some("main"), "10"), leg("venue", None, "-10")];
    let posted = ledger::Entry::Posted(ledger::Posted { id: "d-1".into(), legs, component: None, reason: None });
    for entry in config.books.entries().iter().chain([&posted]) {
        record(entry, &mut journal);
    }
    let (at, folded) = record(
        &ledger::Entry::Posted(ledger::Posted {
            id: "d-2".into(),
            legs: vec![leg("k", Some("main"), "1"), leg("venue", None, "-1")],
            component: None,
            reason: None,
        }),
        &mut journal,
    );
    let identity = snapshot::Identity { origin: "demo", jid: journal.jid() };
    let taken = snapshot::Snapshot::take(&folded, identity, at, Some("2026-11-06"), None).unwrap();
    snapshot::write(&disk(), &taken).unwrap();
    record(&ledger::Entry::SnapshotTaken(taken.taken()), &mut journal);
    for entry in more {
        record(entry, &mut journal);
    }
    journal.seal(WALL).unwrap();
    format!("state/snapshots/{}", taken.name())
}

const WALL: failstop_journal::Wall = failstop_journal::Wall(1_794_268_800_000_000_000);
const MONEY: &str = "[[asset]]\nname = \"USDT\"\nscale = 2\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"main\"\n\
    [[strategy]]\nname = \"grid\"\nstates = [\"idle\", \"holding\"]\ninitial = \"idle\"\ntransitions = [\"idle -> holding\"]\n";

#[test]
fn snapshots_are_there_whole_and_as_the_journal_says() {
    let world = World::new();
    let text = format!("{HEAD}{BOT}{MONEY}");
    assert_eq!(world.line("snapshots", &text), (Outcome::Passed, "none taken yet: ".into()));
    let file = with_books(&world, &[]);
    let (passed, said) = world.line("snapshots", &text);
    assert!(passed == Outcome::Passed && said.starts_with("1 as the journal says"), "{said}");
    fs::write(world.path("state/snapshots/s-0000000000000099.ndjson"), "torn").unwrap();
    assert_eq!(world.line("snapshots", &text).0, Outcome::Passed, "what the journal does not name proves nothing");
    let path = world.path(&file);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&path, flipped).unwrap();
    let (failed, said) = world.line("snapshots", &text);
    assert!(
        failed == Outcome::Failed && said.contains("is damaged") && said.contains("which record 8 names"),
        "{said}"
    );
    fs::remove_file(&path).unwrap();
    let (failed, said) = world.line("snapshots", &text);
    assert!(failed == Outcome::Failed && said.contains("is missing"), "{said}");
    fs::write(&path, whole).unwrap();
    assert_eq!(world.line("snapshots", &text).0, Outcome::Passed);
}

#[test]
fn capital_strategies_and_orders_are_judged_from_the_journal_alone() {
    let world = World::new();
    let text = format!("{HEAD}{BOT}{MONEY}");
    for name in ["capital", "strategies", "orders"] {
        assert_eq!(world.line(name, &text).0, Outcome::Passed, "{name}: nothing yet");
    }
    let intent = ledger::OrderIntent {
        id: "o-1".into(),
        component: None,
        account: None,
        instrument: None,
        side: None,
        quantity: None,
        price: None,
        parent: None,
        valid_ms: Some(1),
    };
    let wrong = ledger::Moved {
        strategy: "grid".into(),
        instance: None,
        from: None,
        to: "gone".into(),
        component: None,
        reason: None,
    };
    with_books(&world, &[ledger::Entry::OrderIntent(intent), ledger::Entry::Moved(wrong)]);
    let (passed, said) = world.line("capital", &text);
    assert!(passed == Outcome::Passed && said.starts_with("1 asset in 1 account"), "{said}");
    let (failed, said) = world.line("strategies", &text);
    assert!(
        failed == Outcome::Failed && said.contains("record 10") && said.contains("\"gone\" is not declared"),
        "{said}"
    );
    let (failed, said) = world.line("orders", &text);
    assert!(failed == Outcome::Failed && said.contains("o-1 (overdue)"), "{said}");
    let other = text.replace("scale = 2", "scale = 3");
    let (failed, said) = world.line("capital", &other);
    assert!(failed == Outcome::Failed && said.contains("its scale is 2 and never changes"), "{said}");
}

#[test]
fn a_posting_that_no_judge_saw_fails_the_check_of_capital() {
    let world = World::new();
    let leg = |account: &str, pool: Option<&str>, amount: &str| ledger::Leg {
        asset: "USDT".into(),
        account: account.into(),
        pool: pool.map(str::to_owned),
        amount: amount.into(),
    };
    let legs = vec![leg("k", Some("main"), "10.01"), leg("venue", None, "-10")];
    let posted = ledger::Posted { id: "x".into(), legs, component: None, reason: None };
    with_books(&world, &[ledger::Entry::Posted(posted)]);
    let (failed, said) = world.line("capital", &format!("{HEAD}{BOT}{MONEY}"));
    assert!(failed == Outcome::Failed && said.contains("record 9") && said.contains("the legs sum to 0.01"), "{said}");
}

#[test]
fn only_skip_and_unknown_names() {
    let world = World::new();
    let config = world.load(&format!("{HEAD}{BOT}")).unwrap();
    let options = Options { only: vec!["comand".into()], ..Options::default() };
    let error = run(&config, &options).unwrap_err().to_string();
    assert!(error.contains("comand") && error.contains("configuration, command, secrets"), "{error}");
    let options = Options { skip: vec!["clock".into()], offline: true, ..Options::default() };
    let report = run(&config, &options).unwrap();
    let clock = report.results.iter().find(|result| result.name == "clock").unwrap();
    assert_eq!((clock.outcome, clock.reason.as_str()), (Outcome::Skipped, "--skip"));
    let all: std::collections::BTreeSet<&str> = report.results.iter().map(|result| result.name).collect();
    assert_eq!(all.len(), names().count());
    for result in &report.results {
        assert!(
            !matches!(result.outcome, Outcome::Failed | Outcome::Warning) || !result.remedy.is_empty(),
            "{result:?} has no remedy"
        );
    }
}

#[test]
fn coverage_never_says_more_than_is_true() {
    let world = World::new();
    let text = format!("{HEAD}{BOT}liveness = {{ heartbeat = \"2m\" }}\n");
    let config = world.load(&text).unwrap();
    let host = HostFacts::gather();
    let line = &coverage(&config, &host)[0];
    assert!(line.enforced.contains(&"permit (lease 2 s)".to_owned()), "{line:?}");
    assert!(line.monitored.contains(&"heartbeat 2 min".to_owned()));
    assert!(line.not_covered.contains(&"open orders at the venue".to_owned()));
    let limited = format!("{HEAD}{BOT}limits = {{ memory_max = \"400MB\", files_max = 80, processes_max = 16 }}\n");
    let config = world.load(&limited).unwrap();
    let bare = HostFacts { kernel: Outlook::default(), ..host.clone() };
    let line = &coverage(&config, &bare)[0];
    assert!(line.enforced.contains(&"open files 80 (kernel, at 90)".to_owned()), "{line:?}");
    let measured = "memory 400 MB, processes 16, memory of all together 1.8 GB, CPU of all together 90 %";
    assert!(line.monitored.contains(&measured.to_owned()), "{line:?}");
    let held = HostFacts { kernel: Outlook { usable: Controller::ALL.into(), ..Outlook::default() }, ..host.clone() };
    let line = &coverage(&config, &held)[0];
    for item in [
        "memory 400 MB (kernel, at 450 MB)",
        "processes 16 (kernel, at 18)",
        "CPU of all together 90 % (kernel, at 95 %)",
    ] {
        assert!(line.enforced.contains(&item.to_owned()), "{line:?}");
    }
    let warned = limited.replace("files_max", "action = \"warn\", files_max");
    let line = &coverage(&world.load(&warned).unwrap(), &held)[0];
    let held = |item: &String| item.contains("kernel") && !item.contains("all together");
    assert!(!line.enforced.iter().any(held), "a limit that only warns: {line:?}");
    let text = format!("{HEAD}{BOT}liveness = {{ http = \"http://127.0.0.1:1/\" }}\n").replace("asks", "none");
    let line = &coverage(&world.load(&text).unwrap(), &host)[0];
    assert!(line.monitored.contains(&"http probe each 30 s".to_owned()), "{line:?}");
    assert!(!line.not_covered.iter().any(|item| item.starts_with("a hang")));
    let line = &coverage(&world.load(&format!("{HEAD}{BOT}").replace("asks", "none")).unwrap(), &host)[0];
    assert!(line.not_covered.iter().any(|item| item.starts_with("a hang")), "{line:?}");
    assert!(!line.enforced.iter().any(|item| item.starts_with("permit")));
    assert!(!line.not_covered.iter().any(|item| item.contains("venue")));
}

#[test]
fn an_absent_state_directory_is_a_first_start() {
    let world = World::new();
    let (passed, said) = world.line("journal", &format!("{HEAD}{BOT}"));
    assert!(passed == Outcome::Passed && said.contains("none yet"), "{said}");
    assert!(!Path::new(&world.path("state")).exists());
}

#[test]
fn the_journals_chain_is_verified() {
    let world = World::new();
    let text = format!("{HEAD}{BOT}");
    fs::create_dir_all(world.path("state/journal")).unwrap();
    for first in [1, 2] {
        let segment = world.path(&format!("state/journal/j-{first:016}.ndjson"));
        fs::write(segment, "{\"seq\":nonsense\n").unwrap();
    }
    let (failed, said) = world.line("journal", &text);
    assert!(failed == Outcome::Failed && said.contains("j-0000000000000001.ndjson"), "{said}");
    let config = world.load(&text).unwrap();
    let as_engine = Options { caller: Caller::Engine(mpsc::channel(1).0), ..Options::default() };
    let report = run(&config, &as_engine).unwrap();
    assert!(report.of_class(failstop_core::CheckClass::Integrity).is_err(), "a resume must not pass over it");
}
