//! The page with controls, on the control socket.

use super::{open, open_with, settings, uid};
use crate::access::Holders;
use crate::config::Control;
use crate::doors::control::{ControlListener, ControlSettings};
use crate::doors::fake_loop::{Does, FakeLoop, exchange, get};
use crate::doors::{HttpDoors, Limits, Listeners};
use crate::status::tests::status;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

#[test]
fn the_page_with_controls_is_here_and_only_for_who_may_act() {
    let open = open();
    let page = open.send(&get("/"));
    assert_eq!((page.code, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("data-action=\"api/control/emergency-stop\" data-confirm=\"demo\""), "{}", page.body);
    assert!(page.header("content-security-policy").is_some());
    assert_eq!(open.send(&get("/dashboard/live.js")).code, 200);
    // What its button sends, as a browser at the end of a tunnel sends it.
    let from = |host: &str, origin: &str| {
        let body = "{\"reason\":\"enough\"}";
        let request = format!(
            "POST /api/control/emergency-stop HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        open.send(request.as_bytes())
    };
    assert_eq!(from("127.0.0.1:8090", "http://evil.example").code, 403);
    assert_eq!(from("evil.example:8090", "http://evil.example:8090").code, 403);
    assert_eq!(open.told(), None);
    assert_eq!(from("127.0.0.1:8090", "http://127.0.0.1:8090").code, 200);
    assert!(open.told().unwrap().starts_with("KillSwitchEngage \"enough\""));

    let own = i32::try_from(std::process::id()).unwrap();
    let settings = ControlSettings { component_processes: Arc::new(move |pid| pid == own), ..settings() };
    let refusing = open_with(Does::Answers(Box::new(status())), settings);
    for path in ["/", "/dashboard/live.js", "/ws"] {
        let reply = refusing.send(&get(path));
        assert_eq!(reply.code, 403, "{path}");
        assert!(!reply.body.contains("<html"), "{path}");
    }
}

/// Asks as another user to watch, and says what is answered.
const WATCH_AS: &str = "\
import os,socket,sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(sys.argv[3].encode())
print(s.recv(4096).decode().split(' ')[1])
";

#[test]
fn the_places_of_those_who_watch_are_the_doors_whatever_page_they_are_shown() {
    if uid() != 0 {
        println!("skipped: only root can become somebody else");
        return;
    }
    let control = Control { viewers: vec!["50001".to_owned()], ..Control::off() };
    let limits = Limits { viewers: 1, ..Limits::CONTROL };
    let settings = ControlSettings { holders: Holders::find(&control).0, limits, ..settings() };
    let open = open_with(Does::Answers(Box::new(status())), settings);
    std::fs::set_permissions(open.directory.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let watch = "GET /ws HTTP/1.1\r\nhost: failstop\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut watching = open.connect();
    watching.write_all(watch.as_bytes()).unwrap();
    let mut begins = [0; 13];
    std::io::Read::read_exact(&mut watching, &mut begins).unwrap();
    assert_eq!(&begins, b"HTTP/1.1 101 ");
    let mut asked = std::process::Command::new("python3");
    let answered = asked.args(["-c", WATCH_AS]).arg(open.socket()).args(["50001", watch]).output().unwrap();
    assert_eq!(String::from_utf8(answered.stdout).unwrap(), "503\n");
    drop(watching);
}

#[test]
fn without_a_dashboard_the_control_socket_has_no_page() {
    let fake = FakeLoop::start(Does::Answers(Box::new(status())));
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let listener = ControlListener::bind(&socket, settings()).unwrap().showing(false);
    let _doors = HttpDoors::open(Listeners { control: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
    for path in ["/", "/ws"] {
        assert_eq!(exchange(UnixStream::connect(&socket).unwrap(), &get(path)).code, 404, "{path}");
    }
}
