//! `status`, `resume`, `mode` and `kill-switch release`, against a stand-in that speaks HTTP on the control socket.

use crate::folder::Folder;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};

/// One request as it came: method, path, body.
type Request = (String, String, Value);

/// Reads one request and writes one answer; `None` where the peer only looked whether somebody listens.
fn serve(stream: impl Read + Write, answer: &(u16, Value)) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (method, rest) = first.split_once(' ')?;
    let path = rest.split(' ').next()?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let text = answer.1.to_string();
    let head =
        format!("HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.0, text.len());
    let stream = reader.get_mut();
    stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
    Some((method.to_owned(), path, serde_json::from_slice(&body).unwrap_or_default()))
}

/// Answers on `run/control.sock` until the test ends: `status` to GET, `order` to POST. What is posted comes out.
pub fn engine(folder: &Folder, status: Value, order: (u16, Value)) -> Receiver<Request> {
    std::fs::create_dir_all(folder.path("run")).unwrap();
    let listener = UnixListener::bind(folder.path("run/control.sock")).unwrap();
    let (sender, posted) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Which of the two it is shows in the first byte.
            let mut peeked = [0; 1];
            let Ok(1) = stream.read(&mut peeked) else { continue };
            let answer = if peeked == *b"G" { (200, status.clone()) } else { order.clone() };
            let whole = Whole { first: Some(peeked[0]), stream };
            if let Some(request) = serve(whole, &answer)
                && (request.0 == "POST" && sender.send(request).is_err())
            {
                return;
            }
        }
    });
    posted
}

/// A stream with its first byte put back.
struct Whole<S> {
    first: Option<u8>,
    stream: S,
}

impl<S: Read> Read for Whole<S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match (self.first, buffer.first_mut()) {
            (Some(byte), Some(slot)) => {
                *slot = byte;
                self.first = None;
                Ok(1)
            }
            _ => self.stream.read(buffer),
        }
    }
}

impl<S: Write> Write for Whole<S> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

pub fn status(permission: &str, health: &str) -> Value {
    json!({
        "system": "demo", "epoch": 7, "permission": permission, "mode": "dry", "kill_switch": false,
        "health": {"status": health, "overall_health": 1.0, "reasons": []},
        "halts": [], "components": [{"name": "bot", "state": "ready", "pid": 7, "restarts": 0, "ready": true}],
        "journal": {"seq": 5, "head": "ab", "jid": "cd"}, "uptime_seconds": 60.0
    })
}

#[test]
fn the_status_is_printed_and_its_verdict_is_the_exit_status() {
    for (permission, health, exit) in [
        ("active", "healthy", 0),
        ("active", "degraded", 1),
        ("observe-only", "healthy", 1),
        ("active", "critical", 2),
        ("shutdown", "healthy", 2),
    ] {
        let folder = Folder::with_system();
        let _posted = engine(&folder, status(permission, health), (500, json!({})));
        let ran = folder.run(&["status"]).ends(exit).quiet();
        assert!(ran.out.contains(&format!("permission {permission}\n")), "{}", ran.out);
        let ran = folder.run(&["status", "--format", "json"]).ends(exit).quiet();
        assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["permission"], permission);
        let ran = folder.run(&["status", "--nagios"]).ends(exit).quiet();
        assert!(ran.out.starts_with("FAILSTOP ") && ran.out.contains(" | permission="), "{}", ran.out);
        folder.run(&["status", "--socket", "run/control.sock"]).ends(exit).quiet();
    }
}

#[test]
fn a_broken_configuration_hides_no_status() {
    let folder = Folder::new();
    folder.write("failstop.toml", &format!("[system]\nname = \"{}\"\nruntime_dir = \"run\"\n= broken\n", folder.name));
    let _posted = engine(&folder, status("active", "healthy"), (500, json!({})));
    folder.run(&["status"]).ends(0);
}

#[test]
fn the_observe_address_answers_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0, &(200, status("active", "healthy"))));
    let folder = Folder::new();
    folder.run(&["status", "--url", &url]).ends(0).quiet();
    let (method, path, _) = server.join().unwrap().unwrap();
    assert_eq!((method.as_str(), path.as_str()), ("GET", "/api/status"));
    folder.run(&["status", "--url", &url]).ends(3);
    // In TLS it is asked without a token too, and believed only where an authority stands for it.
    let plain = url.replace("http:", "https:");
    let ran = folder.run(&["status", "--url", &plain]).ends(3);
    assert!(ran.err.contains("no engine answers at https://"), "{}", ran.err);
}

#[test]
fn no_engine_is_unknown_for_every_reader() {
    let folder = Folder::with_system();
    let ran = folder.run(&["status"]).ends(3);
    assert!(ran.out.is_empty() && ran.err.starts_with("error: ") && ran.err.contains("next: "), "{}", ran.err);
    let ran = folder.run(&["status", "--nagios"]).ends(3).quiet();
    assert!(ran.out.starts_with("FAILSTOP UNKNOWN - "), "{}", ran.out);
    folder.run(&["status", "--socket", "nowhere.sock"]).ends(3);
    folder.run(&["mode", "dry"]).ends(3);
    folder.run(&["resume", "--reason", "x", "--confirm", "demo"]).ends(3);
    // A socket that nobody listens on any more: what a killed engine leaves.
    std::fs::create_dir(folder.path("run")).unwrap();
    drop(UnixListener::bind(folder.path("run/control.sock")).unwrap());
    folder.run(&["status"]).ends(3);
}

#[test]
fn a_stopped_engine_is_told_from_a_slow_one() {
    let folder = Folder::with_system();
    let _posted = engine(&folder, status("active", "healthy"), (500, json!({})));
    let mut process = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
    let pid = process.id();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into().unwrap()), nix::sys::signal::SIGSTOP).unwrap();
    // The 20th field after the name in parentheses is the start time. A stop is seen when the state letter says so.
    let start_time = loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        if fields.next() == Some("T") {
            break fields.nth(18).unwrap().parse::<u64>().unwrap();
        }
        std::thread::yield_now();
    };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let info = json!({
        "system": "demo", "jid": "00", "mark": "demo/00", "epoch": 1, "boot_id": boot.trim(),
        "engine": {"pid": pid, "start_time": start_time},
        "state_dir": folder.path("state"), "runtime_dir": folder.path("run"),
        "control_socket": folder.path("run/control.sock")
    });
    folder.write("run/engine.json", &info.to_string());
    let ran = folder.run(&["status"]).ends(3);
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(ran.err.contains(&format!("is stopped (process {pid})")), "{}", ran.err);
    assert!(ran.err.contains(&format!("kill -CONT {pid}")), "{}", ran.err);
}

#[test]
fn orders_carry_reason_and_confirmation() {
    let folder = Folder::with_system();
    let posted = engine(&folder, status("active", "healthy"), (200, json!({"done": true})));
    let cases: [(&[&str], &str, Value); 5] = [
        (
            &["resume", "--halt", "h-31", "--halt", "4", "--reason", "fixed", "--confirm", "demo"],
            "/api/control/resume",
            json!({"halts": ["h-31", "h-4"], "reason": "fixed", "confirm": "demo"}),
        ),
        (
            &["kill-switch", "release", "--reason", "venue is back", "--confirm", "demo"],
            "/api/control/kill-switch/release",
            json!({"reason": "venue is back", "confirm": "demo"}),
        ),
        (&["mode", "dry"], "/api/control/mode", json!({"mode": "dry", "reason": "", "confirm": ""})),
        (
            &["mode", "live", "--confirm", "demo", "--reason", "go"],
            "/api/control/mode",
            json!({"mode": "live", "reason": "go", "confirm": "demo"}),
        ),
        (
            &["mode", "live", "--confirm", "demo"],
            "/api/control/mode",
            json!({"mode": "live", "reason": "confirmed with the system's name, no reason given", "confirm": "demo"}),
        ),
    ];
    for (arguments, path, body) in cases {
        let ran = folder.run(arguments).ends(0).quiet();
        assert!(ran.out.contains("permission active, mode dry"), "{}", ran.out);
        let (_, posted_path, posted_body) = posted.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        assert_eq!((posted_path.as_str(), posted_body), (path, body));
    }
}

#[test]
fn a_refusal_gives_every_reason() {
    let folder = Folder::with_system();
    let refusals = json!({"error": "refused", "refusals": ["h-1 holds", "h-2 holds"]});
    let _posted = engine(&folder, status("active", "healthy"), (409, refusals));
    let ran = folder.run(&["resume", "--reason", "x", "--confirm", "demo"]).ends(1);
    assert_eq!(ran.err, "error: refused, for 2 reasons:\n  h-1 holds\n  h-2 holds\n");
}
