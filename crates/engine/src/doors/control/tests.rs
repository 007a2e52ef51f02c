#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod page;

use super::client::{ClientError, ControlClient};
use super::wire::{
    ComponentOrder, ComponentVerb, ControlOrder, EmergencyStop, End, Maintenance, ModeWord, ReleaseKillSwitch, Resume,
    SetMode,
};
use super::{ControlListener, ControlSettings, ControlUnavailable, ROUTES};
use crate::access::{Holders, Role, Standing};
use crate::config::Control;
use crate::doors::control_cases::cases;
use crate::doors::fake_loop::{Does, FakeLoop, Reply, exchange, get, post, reply};
use crate::doors::{HttpDoors, Limits, Listeners};
use crate::status::tests::status;
use failstop_client::status::EndKind;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for anything here on a busy machine; never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

struct Open {
    directory: tempfile::TempDir,
    fake: FakeLoop,
    doors: HttpDoors,
}

fn settings() -> ControlSettings {
    ControlSettings {
        system: "demo".to_owned(),
        components: vec!["bot".to_owned(), "scanner".to_owned()],
        component_processes: Arc::new(|_| false),
        holders: Holders::of_the_engine(),
        token_file: None,
        limits: Limits::CONTROL,
    }
}

fn open_with(does: Does, settings: ControlSettings) -> Open {
    let fake = FakeLoop::start(does);
    let directory = tempfile::tempdir().unwrap();
    let listener = ControlListener::bind(&directory.path().join("control.sock"), settings).unwrap();
    let doors = HttpDoors::open(Listeners { control: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
    Open { directory, fake, doors }
}

fn open() -> Open {
    open_with(Does::Answers(Box::new(status())), settings())
}

impl Open {
    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn send(&self, request: &[u8]) -> Reply {
        exchange(self.connect(), request)
    }

    fn post(&self, path: &str, body: &str) -> Reply {
        self.send(&post(path, body))
    }

    fn client(&self) -> ControlClient {
        ControlClient::connect(&self.socket()).unwrap()
    }

    /// What the loop was told, if anything.
    fn told(&self) -> Option<String> {
        self.fake.orders.try_recv().ok()
    }
}

fn uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[test]
fn every_order_reaches_the_loop_as_it_was_given() {
    let open = open();
    let client = open.client();
    let reason = || "because \"so\"".to_owned();
    let confirm = || "demo".to_owned();
    let component =
        |verb| ControlOrder::Component { name: "scanner".to_owned(), verb, order: ComponentOrder { reason: reason() } };
    let cases = [
        (
            ControlOrder::Resume(Resume {
                halts: vec!["h-31".into(), "h-2".into()],
                reason: reason(),
                confirm: confirm(),
            }),
            "Resume([HaltId(31), HaltId(2)])",
        ),
        (ControlOrder::Resume(Resume { halts: vec![], reason: reason(), confirm: confirm() }), "Resume([])"),
        (ControlOrder::Mode(SetMode { mode: ModeWord::Live, reason: reason(), confirm: confirm() }), "Mode(Live)"),
        (ControlOrder::Mode(SetMode { mode: ModeWord::Dry, reason: reason(), confirm: String::new() }), "Mode(Dry)"),
        (ControlOrder::EmergencyStop(EmergencyStop { reason: reason() }), "KillSwitchEngage"),
        (
            ControlOrder::ReleaseKillSwitch(ReleaseKillSwitch { reason: reason(), confirm: confirm() }),
            "KillSwitchRelease",
        ),
        (
            ControlOrder::Maintenance(Maintenance {
                on: true,
                for_seconds: Some(1800),
                reason: reason(),
                keep_trading: true,
            }),
            "MaintenanceOn { span: 1800s, keep_trading: true }",
        ),
        (
            ControlOrder::Maintenance(Maintenance {
                on: false,
                for_seconds: None,
                reason: reason(),
                keep_trading: false,
            }),
            "MaintenanceOff",
        ),
        (component(ComponentVerb::Start), "StartComponent(Slot(2))"),
        (component(ComponentVerb::Stop), "StopComponent(Slot(2))"),
        (component(ComponentVerb::Restart), "RestartComponent(Slot(2))"),
        (component(ComponentVerb::Reload), "ReloadComponent(Slot(2))"),
    ];
    for (order, told) in cases {
        client.order(&order).unwrap();
        assert_eq!(open.told(), Some(format!("{told} \"because \\\"so\\\"\" uid {}", uid())));
    }
    for kind in [EndKind::Stop, EndKind::Restart] {
        let end = End { expected_epoch: None, reason: String::new() };
        client.order(&ControlOrder::End { kind, end }).unwrap();
        assert_eq!(open.told(), Some(format!("{kind:?} \"\" uid {}", uid())));
    }
    open.doors.close();
}

#[test]
fn questions_are_answered_as_on_the_observe_address() {
    let open = open();
    assert_eq!(open.client().status().unwrap(), status());
    assert!(open.client().metrics().unwrap().contains("failstop_permission 1\n"));
    assert_eq!(open.client().health().unwrap()["status"], "degraded");
    assert_eq!(open.send(&get("/api/status")).code, 200);
}

#[test]
fn a_critical_verdict_is_an_answer() {
    let mut critical = status();
    critical.health.status = "critical".to_owned();
    let open = open_with(Does::Answers(Box::new(critical)), settings());
    assert_eq!(open.client().health().unwrap()["status"], "critical");
}

#[test]
fn a_refusal_carries_every_reason() {
    let reasons = vec!["the market data is still stale".to_owned(), "the journal is not intact".to_owned()];
    let open = open_with(Does::Refuses(reasons.clone()), settings());
    let body = r#"{"reason":"r","confirm":"demo"}"#;
    let reply = open.post("/api/control/resume", body);
    assert_eq!(reply.code, 409);
    assert_eq!(reply.json()["refusals"], serde_json::json!(reasons));
    let order = ControlOrder::Resume(Resume { halts: vec![], reason: "r".into(), confirm: "demo".into() });
    match open.client().order(&order).unwrap_err() {
        ClientError::Refused { refusals, .. } => assert_eq!(refusals, reasons),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_well_made_never_reaches_the_loop() {
    let open = open();
    let long = format!(r#"{{"reason":"{}"}}"#, "a".repeat(2001));
    let cases = [
        ("/api/control/resume", r#"{"reason":"r","confirm":"dem"}"#, 400, "its name is demo"),
        ("/api/control/resume", r#"{"reason":"r"}"#, 400, "missing field `confirm`"),
        ("/api/control/resume", r#"{"reason":" ","confirm":"demo"}"#, 400, "`reason` must not be empty"),
        ("/api/control/resume", r#"{"reason":5,"confirm":"demo"}"#, 400, "invalid type"),
        ("/api/control/resume", r#"{"halts":["31"],"reason":"r","confirm":"demo"}"#, 400, "`31` is no halt"),
        ("/api/control/resume", r#"{"halts":["h-+1"],"reason":"r","confirm":"demo"}"#, 400, "no halt"),
        ("/api/control/resume", r#"{"halts":["h-"],"reason":"r","confirm":"demo"}"#, 400, "no halt"),
        ("/api/control/resume", r#"["reason"]"#, 400, "not what this path takes"),
        ("/api/control/resume", r#"{"reason":"r","confirm":"demo","hatls":[]}"#, 400, "unknown field `hatls`"),
        ("/api/control/resume", "", 400, "not what this path takes"),
        ("/api/control/resume", "{", 400, "not what this path takes"),
        ("/api/control/mode", r#"{"mode":"live","reason":"r"}"#, 400, "its name is demo"),
        ("/api/control/mode", r#"{"mode":"lvie"}"#, 400, "unknown variant"),
        ("/api/control/emergency-stop", r#"{"raeson":"r"}"#, 400, "unknown field `raeson`"),
        ("/api/control/component/bot/start", &long, 400, "`reason` has 2001 bytes"),
        ("/api/control/kill-switch/release", r#"{"reason":"r","confirm":"Demo"}"#, 400, "its name is demo"),
        ("/api/control/maintenance", r#"{"on":true,"reason":"r"}"#, 400, "`for_seconds`"),
        ("/api/control/maintenance", r#"{"on":true,"reason":"r","for_seconds":0}"#, 400, "`for_seconds`"),
        ("/api/control/maintenance", r#"{"on":true,"reason":"r","for_seconds":604801}"#, 400, "`for_seconds`"),
        ("/api/control/maintenance", r#"{"on":true,"for_seconds":60}"#, 400, "`reason` must not be empty"),
        ("/api/control/component/bott/stop", "{}", 404, "there is: bot, scanner"),
        ("/api/control/component/bot/pause", "{}", 404, "there is nothing at"),
        ("/api/control/stop", r#"{"now":true}"#, 400, "unknown field"),
        ("/api/status", "{}", 405, "does not take that method"),
        ("/", "{}", 405, "does not take that method"),
        ("/nothing", "{}", 404, "there is nothing at /nothing; docs/reference/http.md lists"),
    ];
    for (path, body, code, says) in cases {
        let reply = open.post(path, body);
        assert_eq!(reply.code, code, "{path} {body}: {reply:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(says), "{path} {body}: {error}");
        assert_eq!(reply.json()["refusals"], serde_json::json!([]));
    }
    let reply = open.send(&get("/api/control/stop"));
    assert_eq!((reply.code, reply.header("allow")), (405, Some("POST")));
    assert_eq!(open.told(), None);
}

#[test]
fn what_tightens_is_never_refused_for_its_reason() {
    let open = open();
    for body in ["", "{}", r#"{"reason":""}"#, r#"{"reason":" \n"}"#, r#"{"reason":null}"#] {
        let reply = open.post("/api/control/emergency-stop", body);
        assert_eq!(reply.code, 200, "{body}: {reply:?}");
        let told = open.told().unwrap();
        assert!(told.contains("KillSwitchEngage \"no reason given\""), "{body}: {told}");
    }
    assert_eq!(open.post("/api/control/emergency-stop", r#"{"reason":["a",5]}"#).code, 200);
    assert!(open.told().unwrap().contains(r#"KillSwitchEngage "[\"a\",5]""#));
    // An odd number before letters of two bytes: one of them lies across the bound.
    let long = "x".to_owned() + &"\u{e9}".repeat(1_250);
    let with = |fields: &str| format!(r#"{{{fields}"reason":"{long}"}}"#);
    for (path, body) in [
        ("emergency-stop", with("")),
        ("mode", with(r#""mode":"dry","#)),
        ("component/bot/stop", with("")),
        ("stop", with("")),
    ] {
        let reply = open.post(&format!("/api/control/{path}"), &body);
        assert_eq!(reply.code, 200, "{path}: {reply:?}");
        let told = open.told().unwrap();
        assert!(told.contains("\"(cut, 2501 bytes were given) x\u{e9}"), "{path}: {told}");
        assert!(told.len() < super::wire::REASON_MAX_BYTES + 100, "{path}: {told}");
    }
}

#[test]
fn a_body_must_say_that_it_is_json() {
    let open = open();
    let request = "POST /api/control/emergency-stop HTTP/1.1\r\nhost: failstop\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 14\r\n\r\n{\"reason\":\"r\"}";
    let reply = open.send(request.as_bytes());
    assert_eq!(reply.code, 400);
    assert_eq!(open.told(), None);
}

#[test]
fn a_body_is_bounded_in_size_and_time() {
    let limits = Limits { body: Duration::from_millis(200), ..Limits::CONTROL };
    let open = open_with(Does::Answers(Box::new(status())), ControlSettings { limits, ..settings() });
    let head = "POST /api/control/emergency-stop HTTP/1.1\r\nhost: failstop\r\nconnection: close\r\ncontent-type: application/json\r\n";

    let declared = open.send(format!("{head}content-length: 65537\r\n\r\n{}", "a".repeat(65_537)).as_bytes());
    assert_eq!(declared.code, 413);
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    for _ in 0..20 {
        chunked.push_str(&format!("1000\r\n{}\r\n", "a".repeat(4096)));
    }
    assert_eq!(open.send(chunked.as_bytes()).code, 413);
    let mut slow = open.connect();
    slow.write_all(format!("{head}content-length: 14\r\n\r\n{{\"rea").as_bytes()).unwrap();
    assert_eq!(reply(slow).code, 408);
    assert_eq!(open.told(), None);
}

#[test]
fn a_process_of_a_component_is_refused_whatever_it_asks() {
    let own = i32::try_from(std::process::id()).unwrap();
    let settings = ControlSettings { component_processes: Arc::new(move |pid| pid == own), ..settings() };
    let open = open_with(Does::Answers(Box::new(status())), settings);
    for request in [get("/api/status"), get("/health"), post("/api/control/emergency-stop", r#"{"reason":"r"}"#)] {
        let reply = open.send(&request);
        assert_eq!(reply.code, 403);
        assert!(reply.json()["error"].as_str().unwrap().contains("belongs to a component"));
    }
    assert!(matches!(open.client().status(), Err(ClientError::Refused { .. })));
    assert_eq!(open.told(), None);
}

#[test]
fn a_peer_that_is_gone_is_refused_although_its_connection_is_not() {
    // A child connects, hands its end of the connection to us by inheritance, and is gone before it is judged.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let script = "import socket,sys,time\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\nsys.stdout.write('c')\nsys.stdout.flush()\nsys.stdin.read(1)\n";
    let mut child = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0u8]).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let nobody: super::ComponentProcesses = Arc::new(|_| false);
    let holders = Holders::of_the_engine();
    let judged = super::peer::judge(&stream, &nobody, &holders);
    let found = judged.as_ref().map(|(peer, role)| (peer.pid, *role));
    assert_eq!(found, Ok((i32::try_from(child.id()).unwrap(), Role::SuperAdmin)));
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(matches!(super::peer::judge(&stream, &nobody, &holders), Err(super::PeerRefused::Gone { .. })));
}

#[test]
fn another_user_is_refused_with_a_way_out() {
    if uid() != 0 {
        // Only root can become somebody else.
        return;
    }
    let open = open();
    // Opened wide: the kernel's word about the peer must be enough.
    std::fs::set_permissions(open.directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(open.socket(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let script = "import os,socket,sys\nos.setuid(65534)\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.sendall(b'GET /api/status HTTP/1.1\\r\\nhost: failstop\\r\\nconnection: close\\r\\n\\r\\n')\nd=b''\nwhile True:\n  p=s.recv(4096)\n  if not p: break\n  d+=p\nprint(d.decode())\n";
    let output = std::process::Command::new("python3").args(["-c", script]).arg(open.socket()).output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("user 65534 may not control this system"), "{answer}");
}

/// Asks as another user: lines of `METHOD PATH BODY` in, codes out.
const ASK_AS: &str = "\
import os,socket,sys
os.setgroups([int(g) for g in sys.argv[3].split(',') if g])
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
for line in sys.stdin:
    method,path,body=line.rstrip('\\n').split(' ',2)
    s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
    s.sendall(f'{method} {path} HTTP/1.1\\r\\nhost: failstop\\r\\nconnection: close\\r\\ncontent-type: application/json\\r\\ncontent-length: {len(body)}\\r\\n\\r\\n{body}'.encode())
    d=b''
    while True:
        p=s.recv(4096)
        if not p: break
        d+=p
    print(d.split(b' ')[1].decode())
";

/// Holds so many connections as another user, and lets go of them when its input ends.
const HOLD_AS_NOBODY: &str = "\
import os,socket,sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
held=[]
for _ in range(int(sys.argv[2])):
    s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); held.append(s)
print('held', flush=True)
sys.stdin.read()
";

#[test]
fn whoever_has_no_role_keeps_nobody_out_however_many_connections_it_holds() {
    if uid() != 0 {
        println!("skipped: only root can become somebody else");
        return;
    }
    let control = Control { viewers: vec!["50001".to_owned()], ..Control::off() };
    // Silence ends no connection while the test lasts.
    let limits = Limits { header: 20 * PATIENCE, ..Limits::CONTROL };
    let (holders, _) = Holders::find(&control);
    let open = open_with(Does::Answers(Box::new(status())), ControlSettings { holders, limits, ..settings() });
    std::fs::set_permissions(open.directory.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let mut child = std::process::Command::new("python3")
        .args(["-c", HOLD_AS_NOBODY])
        .arg(open.socket())
        .arg(Limits::CONTROL.connections.to_string())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0u8; 4]).unwrap();
    let answered = open.send(&get("/health"));
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(answered.code, 200);
}

#[test]
fn refused_peers_leave_a_trace_and_not_one_for_each_of_a_flood() {
    let own = i32::try_from(std::process::id()).unwrap();
    let settings = ControlSettings { component_processes: Arc::new(move |pid| pid == own), ..settings() };
    let open = open_with(Does::Answers(Box::new(status())), settings);
    for _ in 0..30 {
        assert_eq!(open.send(&post("/api/control/resume", "{}")).code, 403);
    }
    let told = open.fake.turned.recv_timeout(PATIENCE).unwrap();
    let said = format!("{told:?}");
    assert!(said.contains("belongs to a component") && said.contains(&format!("process {own}\"")), "{said}");
    let Open { fake: FakeLoop { turned, commands, .. }, doors, directory: _directory } = open;
    doors.close();
    drop(commands);
    let told = 1 + turned.iter().count();
    // Ten at once, and one for each minute that this takes.
    assert!((10..30).contains(&told), "{told}");
}

#[test]
fn every_control_is_taken_from_whom_the_table_says_and_from_nobody_else() {
    if uid() != 0 {
        println!("skipped: only root can become somebody else");
        return;
    }
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let control = Control {
        viewers: names(&["50001", "@50011"]),
        admins: names(&["50002", "@50012"]),
        super_admins: names(&["50003", "@50013"]),
        ..Control::off()
    };
    let (holders, faults) = Holders::find(&control);
    assert_eq!(faults, Vec::<String>::new());
    let open = open_with(Does::Answers(Box::new(status())), ControlSettings { holders, ..settings() });
    std::fs::set_permissions(open.directory.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    assert_eq!(open.socket().metadata().unwrap().permissions().mode() & 0o777, 0o666);
    let people = [
        ("0", "", Some(Role::SuperAdmin)),
        ("50001", "", Some(Role::Viewer)),
        ("50002", "", Some(Role::Admin)),
        ("50003", "", Some(Role::SuperAdmin)),
        ("50004", "7,50011", Some(Role::Viewer)),
        ("50004", "50011,50012", Some(Role::Admin)),
        // Its own group is one of its groups.
        ("50013", "", Some(Role::SuperAdmin)),
        ("50001", "50013", Some(Role::SuperAdmin)),
        ("50004", "50001,50002,50003", None),
        ("50005", "", None),
    ];
    for (user, groups, role) in people {
        let cases = cases();
        let mut lines: String = cases.iter().map(|(_, path, body)| format!("POST {path} {body}\n")).collect();
        lines.push_str("GET /api/status \nGET / \n");
        let mut child = std::process::Command::new("python3")
            .args(["-c", ASK_AS])
            .arg(open.socket())
            .args([user, groups])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let codes: Vec<u16> =
            String::from_utf8(output.stdout).unwrap().lines().map(|code| code.parse().unwrap()).collect();
        assert_eq!(codes.len(), cases.len() + 2, "{user} {groups}");
        let mut told = 0;
        for ((control, _, _), code) in cases.iter().zip(&codes) {
            let allowed = role.is_some_and(|role| control.allows(Standing::Role(role)));
            assert_eq!(*code, if allowed { 200 } else { 403 }, "{} by {user} {groups}", control.row().name);
            told += usize::from(allowed);
        }
        // And the loop heard of those and of no other.
        assert_eq!(std::iter::from_fn(|| open.told()).count(), told, "{user} {groups}");
        let reads = if role.is_some() { 200 } else { 403 };
        assert_eq!(codes[cases.len()..], [reads, reads], "{user} {groups}");
    }
}

#[test]
fn no_engine_is_told_from_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    assert!(matches!(ControlClient::connect(&socket), Err(ClientError::NoEngine { .. })));
    // What a killed engine leaves: a file that nobody listens on.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(matches!(ControlClient::connect(&socket), Err(ClientError::NoEngine { .. })));
    let long = PathBuf::from(format!("/tmp/{}", "a".repeat(120)));
    assert!(matches!(ControlClient::connect(&long), Err(ClientError::NoEngine { .. })));
}

#[test]
fn a_loop_that_hangs_leaves_an_order_unknown() {
    let limits = Limits { order: Duration::from_millis(50), answer: Duration::from_millis(50), ..Limits::CONTROL };
    let open = open_with(Does::Hangs, ControlSettings { limits, ..settings() });
    let order = ControlOrder::EmergencyStop(EmergencyStop { reason: "r".into() });
    match open.client().order(&order).unwrap_err() {
        ClientError::Unanswered { error, .. } => assert!(error.contains("is not known"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(open.client().status(), Err(ClientError::Unanswered { .. })));
    assert_eq!(open.send(&get("/health")).code, 500);
}

#[test]
fn a_strange_component_name_is_refused_by_the_client_or_the_door() {
    let open = open();
    for name in ["", "a b", "../stop", "bot/stop?x=", "é", "a\r\nhost: y"] {
        let order = ControlOrder::Component {
            name: name.to_owned(),
            verb: ComponentVerb::Stop,
            order: ComponentOrder::default(),
        };
        assert!(matches!(open.client().order(&order), Err(ClientError::Refused { .. })), "{name}");
    }
    assert_eq!(open.told(), None);
}

#[test]
fn the_socket_is_private_replaces_a_dead_one_and_goes_away() {
    let open = open();
    let socket = open.socket();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(open.client().status().unwrap().system, "demo");
    open.doors.close();
    assert!(!socket.exists());

    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    drop(ControlListener::bind(&socket, settings()).unwrap());
    assert!(!socket.exists());

    std::fs::write(&socket, "precious").unwrap();
    assert!(matches!(ControlListener::bind(&socket, settings()), Err(ControlUnavailable::InTheWay { .. })));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
    let long = socket.with_file_name("a".repeat(120));
    assert!(matches!(ControlListener::bind(&long, settings()), Err(ControlUnavailable::PathTooLong { .. })));
}

#[test]
fn garbage_holds_up_nobody() {
    let open = open();
    let silent: Vec<UnixStream> = (0..40).map(|_| open.connect()).collect();
    let huge = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
    assert!([0, 431].contains(&open.send(huge.as_bytes()).code));
    assert_eq!(open.send(&get("/health")).code, 200);
    drop(silent);
    assert_eq!(ROUTES.len(), 23);
}
