//! The bot socket as clients meet it, the rude ones too: real sockets, the engine's loop played by a few lines.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_client::wire::{HaltNote, Message, Mode, Permission, Push, Reply};
use failstop_engine::doors::bot::{BindError, BotDoor, BotEvent, Connection, EVENT_QUEUE, Options};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Long enough for any machine; a test that waits for it has failed.
const BOUND: Duration = Duration::from_secs(30);

/// What a test asks of the loop.
enum Ask {
    /// Push to every connection.
    Push(Push),
    /// Answer the withheld events.
    Release,
}

/// The engine's loop in small: answers at once, but for events, which it withholds until it is asked.
struct Host {
    path: PathBuf,
    asks: mpsc::UnboundedSender<Ask>,
    seen: std_mpsc::Receiver<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Host {
    fn start() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot.sock");
        let (asks, asked) = mpsc::unbounded_channel();
        let (tell, seen) = std_mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let at = path.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let door = BotDoor::bind(&at, &options).unwrap();
                tell.send("open".to_owned()).unwrap();
                let (events, incoming) = mpsc::channel(EVENT_QUEUE);
                tokio::spawn(door.serve(events));
                tokio::select! {
                    () = run(incoming, asked, tell) => {}
                    _ = stopped => {}
                }
            });
        });
        let host = Self { path, asks, seen, stop: Some(stop), thread: Some(thread), _folder: folder };
        host.wait_for("open");
        host
    }

    /// Waits until the loop has seen `what`.
    fn wait_for(&self, what: &str) {
        let end = Instant::now() + BOUND;
        loop {
            let seen = self.seen.recv_timeout(end.saturating_duration_since(Instant::now()));
            match seen {
                Ok(seen) if seen == what => return,
                Ok(_) => {}
                Err(error) => panic!("the loop never saw {what}: {error}"),
            }
        }
    }

    fn connect(&self) -> Client {
        Client::connect(&self.path)
    }

    fn ask(&self, ask: Ask) {
        assert!(self.asks.send(ask).is_ok());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        let result = self.thread.take().unwrap().join();
        assert!(result.is_ok() || std::thread::panicking(), "the loop panicked");
    }
}

async fn run(
    mut incoming: mpsc::Receiver<BotEvent>,
    mut asked: mpsc::UnboundedReceiver<Ask>,
    tell: std_mpsc::Sender<String>,
) {
    let mut connections = BTreeMap::<_, Connection>::new();
    let mut withheld = Vec::new();
    loop {
        tokio::select! {
            event = incoming.recv() => match event.unwrap() {
                BotEvent::Opened(connection) => {
                    // Of the clients in this process; others are other users'.
                    if connection.peer().uid == nix::unistd::geteuid().as_raw() {
                        assert_eq!(connection.peer().pid, i32::try_from(std::process::id()).unwrap());
                    }
                    connections.insert(connection.id(), connection);
                    let _ = tell.send("opened".to_owned());
                }
                BotEvent::Request(request) => {
                    assert!(connections.contains_key(&request.connection));
                    let _ = tell.send(request.message.kind().to_owned());
                    match request.message {
                        Message::Event(_) => {
                            withheld.push(request.answer);
                            // The bound, and what one read of 4096 bytes held.
                            assert!(withheld.len() <= 256 + 128, "{} requests are open", withheld.len());
                        }
                        // Forgotten by the loop: the door must still answer.
                        Message::Halt(_) => drop(request.answer),
                        _ => request.answer.done(),
                    }
                }
                BotEvent::Closed(id) => {
                    assert!(connections.remove(&id).is_some());
                    let _ = tell.send("closed".to_owned());
                }
            },
            ask = asked.recv() => match ask {
                Some(Ask::Push(push)) => connections.values().for_each(|connection| connection.push(&push)),
                Some(Ask::Release) => {
                    for (answer, seq) in withheld.drain(..).zip(1..) {
                        answer.give(&Reply::Recorded { seq });
                    }
                }
                None => return,
            },
        }
    }
}

struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.reader.read_line(&mut line).unwrap() > 0, "the connection was closed");
        serde_json::from_str(&line).unwrap()
    }

    fn code(&mut self) -> String {
        let answer = self.hear();
        assert_eq!(answer["ok"], false, "{answer}");
        answer["code"].as_str().unwrap().to_owned()
    }

    /// Still served, and nothing else was left to hear.
    fn is_served(&mut self) {
        self.say("{\"id\":\"probe\",\"type\":\"heartbeat\"}\n");
        assert_eq!(self.hear(), json!({"id": "probe", "ok": true}));
    }

    /// Reads whatever comes until the other end closes.
    fn is_closed(&mut self) {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection was not closed: {error}"),
        }
    }
}

fn permission(permission: Permission, halts: usize) -> Push {
    let halt = |id| HaltNote {
        id: format!("h-{id}"),
        cause: "unhealthy".to_owned(),
        cap: Permission::ObserveOnly,
        latched: false,
    };
    Push::Permission { permission, mode: Mode::Dry, halts: (0..halts).map(halt).collect() }
}

#[test]
fn one_answer_a_request_and_none_to_a_good_one_way_line() {
    let host = Host::start();
    let mut client = host.connect();
    client.say("{\"type\":\"heartbeat\"}\n\n  \r\n{\"type\":\"heartbeat\",\"id\":1}\n{\"id\":\"two\",\"type\":\"queue\",\"state\":\"idle\"}\n");
    assert_eq!(client.hear(), json!({"id": 1, "ok": true}));
    assert_eq!(client.hear(), json!({"id": "two", "ok": true}));
    client.is_served();
}

#[test]
fn garbage_is_answered_and_the_next_line_is_served() {
    let host = Host::start();
    let mut client = host.connect();
    for (line, code) in [
        (&b"garbage\n"[..], "BAD_JSON"),
        (b"[1,2]\n", "BAD_JSON"),
        (b"{\"type\":\"\xff\xfe\"}\n", "BAD_UTF8"),
        (b"\0\0\0\0\n", "BAD_JSON"),
        (b"{\"type\":\"orders\"}\n", "UNKNOWN_TYPE"),
        (b"{\"type\":\"tick\",\"feed\":5}\n", "BAD_FIELD"),
        (b"{\"type\":5}\n", "BAD_FIELD"),
    ] {
        client.say(line);
        assert_eq!(client.code(), code, "{}", String::from_utf8_lossy(line));
        client.is_served();
    }
    let deep = format!("{{\"id\":3,\"type\":\"event\",\"name\":\"x.a\",\"data\":{{\"a\":{}}}}}\n", "[".repeat(60_000));
    client.say(deep);
    assert_eq!(client.code(), "BAD_JSON");
    client.say(format!("{}\n", "[".repeat(60_000)));
    assert_eq!(client.code(), "BAD_JSON");
    client.is_served();
}

#[test]
fn half_lines_wait_for_their_other_half() {
    let host = Host::start();
    let (mut slow, mut other) = (host.connect(), host.connect());
    for byte in b"{\"id\":1,\"type\":\"heartbeat\"}" {
        slow.say([*byte]);
        other.is_served();
    }
    slow.say("\n{\"id\":2,\"ty");
    assert_eq!(slow.hear()["id"], 1);
    // The end in the middle of a line is a mistake, not a message.
    slow.reader.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(slow.code(), "BAD_JSON");
    slow.is_closed();
    other.is_served();
}

#[test]
fn a_client_that_says_all_and_stops_still_gets_its_answers() {
    let host = Host::start();
    let mut client = host.connect();
    client.say("{\"id\":1,\"type\":\"event\",\"name\":\"x.a\"}\n{\"id\":2,\"type\":\"heartbeat\"}");
    client.reader.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.hear()["id"], 2);
    host.wait_for("event");
    host.ask(Ask::Release);
    assert_eq!(client.hear(), json!({"id": 1, "ok": true, "seq": 1}));
    client.is_closed();
}

#[test]
fn a_ten_megabyte_line_is_refused_once_and_skipped() {
    let host = Host::start();
    let (mut client, mut other) = (host.connect(), host.connect());
    let chunk = vec![b'x'; 100_000];
    for _ in 0..100 {
        client.say(&chunk);
        other.is_served();
    }
    client.say("\n");
    assert_eq!(client.code(), "LINE_TOO_LONG");
    client.is_served();
}

#[test]
fn one_that_keeps_talking_nonsense_is_closed() {
    let host = Host::start();
    let mut client = host.connect();
    let nonsense = "x\n".repeat(64);
    client.say(nonsense);
    client.is_closed();
    host.wait_for("closed");

    let mut client = host.connect();
    let long = format!("{}\n", "x".repeat(70_000));
    for _ in 0..4 {
        // The other end may close in between.
        if client.reader.get_mut().write_all(long.as_bytes()).is_err() {
            break;
        }
    }
    client.is_closed();
    host.connect().is_served();
}

#[test]
fn a_request_that_the_loop_drops_is_answered_too() {
    let host = Host::start();
    let mut client = host.connect();
    client.say("{\"id\":1,\"type\":\"halt\",\"cap\":\"shutdown\",\"reason\":\"r\"}\n");
    let answer = client.hear();
    assert_eq!((&answer["id"], &answer["code"]), (&json!(1), &json!("UNANSWERED")));
}

#[test]
fn a_client_that_never_reads_is_closed_and_holds_up_nobody() {
    let host = Host::with(Options { stall: Duration::from_millis(100), ..Options::default() });
    let (mut rude, mut other) = (host.connect(), host.connect());
    let mut stream = rude.reader.get_ref().try_clone().unwrap();
    stream.set_write_timeout(Some(BOUND)).unwrap();
    let flood = std::thread::spawn(move || {
        // Each is answered with some hundred bytes that nobody reads. It ends when the engine closes the connection.
        let lines = "{\"id\":1,\"type\":\"nonsense\"}\n{\"type\":\"heartbeat\"}\n".repeat(100);
        while stream.write_all(lines.as_bytes()).is_ok() {}
    });
    let end = Instant::now() + BOUND;
    while !flood.is_finished() {
        other.is_served();
        assert!(Instant::now() < end, "the rude client was never closed");
    }
    flood.join().unwrap();
    host.wait_for("closed");
    other.is_served();
    rude.is_closed();
}

#[test]
fn of_unread_permission_changes_only_the_latest_is_kept() {
    let host = Host::start();
    let (mut deaf, mut other) = (host.connect(), host.connect());
    deaf.is_served();
    other.is_served();
    for _ in 0..2_000 {
        host.ask(Ask::Push(permission(Permission::ObserveOnly, 50)));
        // In step with the loop, so that the other one is never behind.
        let pushed = other.hear();
        assert_eq!(pushed["permission"], "observe-only");
    }
    host.ask(Ask::Push(permission(Permission::Active, 0)));
    assert_eq!(other.hear()["permission"], "active");
    // It was not closed; it gets what fitted into its socket, one cut-off line's rest, and the latest.
    let mut heard = 0;
    loop {
        let pushed = deaf.hear();
        heard += 1;
        assert_eq!(pushed["event"], "permission");
        if pushed["permission"] == "active" {
            break;
        }
    }
    assert!(heard < 1_000, "{heard} lines were kept for a client that did not read");
    deaf.is_served();
}

#[test]
fn other_pushes_are_kept_to_a_bound_and_then_the_client_is_closed() {
    // No patience runs out here: what closes it is the bound.
    let host = Host::with(Options { stall: Duration::from_secs(3_600), ..Options::default() });
    let mut deaf = host.connect();
    deaf.is_served();
    let reason = "r".repeat(1_000);
    for _ in 0..10_000 {
        host.ask(Ask::Push(Push::Stop { reason: reason.clone(), grace_ms: 1 }));
    }
    host.wait_for("closed");
    deaf.is_closed();
}

#[test]
fn more_requests_than_may_be_open_wait_and_are_all_answered() {
    let host = Host::start();
    let (mut client, mut other) = (host.connect(), host.connect());
    let all: String = (0..1_000).map(|id| format!("{{\"id\":{id},\"type\":\"event\",\"name\":\"x.a\"}}\n")).collect();
    client.say(all);
    // Door and loop share one thread with the other client's round trips, so that by now all that may be taken is taken.
    for _ in 0..500 {
        other.is_served();
    }
    let reader = std::thread::spawn(move || {
        (0..1_000).map(|_| client.hear()["id"].as_i64().unwrap()).collect::<std::collections::BTreeSet<_>>()
    });
    // The loop itself checks that it is never handed more than the bound at a time.
    while !reader.is_finished() {
        other.is_served();
        host.ask(Ask::Release);
    }
    assert_eq!(reader.join().unwrap(), (0..1_000).collect());
}

#[test]
fn a_thousand_connections_are_served_and_one_too_many_is_told() {
    // Both ends of each are in this process.
    raise_descriptor_limit(2_400);
    let host = Host::with(Options { max_connections: 1_000, ..Options::default() });
    let mut clients: Vec<_> = (0..1_000).map(|_| host.connect()).collect();
    for client in &mut clients {
        client.is_served();
    }
    let mut late = host.connect();
    assert_eq!(late.code(), "TOO_MANY_CONNECTIONS");
    late.is_closed();
    for client in &mut clients {
        client.say("{\"id\":1,\"type\":\"heartbeat\"}\n");
    }
    for client in &mut clients {
        assert_eq!(client.hear()["id"], 1);
    }
    drop(clients.pop());
    host.wait_for("closed");
    // Its place is free again as soon as its task has ended.
    let end = Instant::now() + BOUND;
    loop {
        let mut next = host.connect();
        next.say("{\"id\":1,\"type\":\"heartbeat\"}\n");
        if next.hear()["ok"] == true {
            break;
        }
        assert!(Instant::now() < end, "a place never became free");
    }
}

#[test]
fn the_socket_replaces_a_left_over_one_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bot.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let door = BotDoor::bind(&path, &Options::default()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    drop(door);
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(BotDoor::bind(&path, &Options::default()), Err(BindError::Occupied(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let long = folder.path().join("n".repeat(120));
    assert!(
        matches!(BotDoor::bind(&long, &Options::default()), Err(BindError::PathTooLong { length, .. }) if length > 120)
    );
}

fn raise_descriptor_limit(wanted: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).unwrap();
    }
}

#[test]
fn users_of_no_component_take_no_place() {
    if nix::unistd::geteuid().as_raw() != 0 {
        // Only root has components of other users.
        return;
    }
    let options = Options { mode: 0o666, users: vec![1], max_connections: 2, ..Options::default() };
    let host = Host::with(options);
    std::fs::set_permissions(host.path.parent().unwrap(), std::fs::Permissions::from_mode(0o711)).unwrap();
    // Holds more connections than there are places, says what it was told, and waits.
    let script = format!(
        "import socket, sys\nheld = []\nfor _ in range(4):\n    s = socket.socket(socket.AF_UNIX)\n    \
         s.connect({:?})\n    s.settimeout(30)\n    held.append(s)\n\
         print(held[0].makefile().readline().strip(), flush=True)\nsys.stdin.read()\n",
        host.path
    );
    let connect_as = |uid: u32| {
        let mut child = std::process::Command::new("python3");
        child.args(["-I", "-S", "-c", &script]).uid(uid).gid(uid).current_dir("/");
        child.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (child, line)
    };
    let (mut stranger, told) = connect_as(65534);
    assert!(told.contains("NOT_A_COMPONENT"), "{told}");
    // Both places are free all the while.
    let mut clients = [host.connect(), host.connect()];
    clients.iter_mut().for_each(Client::is_served);
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}

#[test]
fn a_components_user_is_listened_to() {
    if nix::unistd::geteuid().as_raw() != 0 {
        return;
    }
    let host = Host::with(Options { mode: 0o666, users: vec![1], ..Options::default() });
    std::fs::set_permissions(host.path.parent().unwrap(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let script = format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect({:?})\n\
         s.sendall(b'{{\"id\":1,\"type\":\"heartbeat\"}}\\n')\nprint(s.makefile().readline().strip())\n",
        host.path
    );
    let output =
        std::process::Command::new("python3").args(["-I", "-S", "-c", &script]).uid(1).gid(1).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("\"ok\":true"), "{told}");
}
