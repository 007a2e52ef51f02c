//! Two hosts and a switch between them, as network namespaces: a host that dies, the watchdog's own cable cut and put back, a link
//! that flaps. Needs root and iproute2.

use crate::running::*;
use serde_json::Value;
use std::process::{Child, Command, Stdio};

const SERVER: &str = r#"
import http.server, json, sys, time
class H(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_GET(self):
        if not self.path.startswith("/health"):
            self.send_response(404); self.end_headers(); return
        now = time.time()
        body = json.dumps({"status": "healthy", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%03dZ" % (now % 1 * 1000)}).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
http.server.ThreadingHTTPServer((sys.argv[1], 8080), H).serve_forever()
"#;

/// Namespaces and processes in them; all of it goes with the test.
struct Net {
    tag: String,
    children: Vec<Child>,
}

fn ip(arguments: &str) -> bool {
    let words = arguments.split(' ');
    Command::new("ip").args(words).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

impl Net {
    fn make() -> Self {
        let tag = format!("fswd{}", std::process::id());
        let net = Self { tag, children: Vec::new() };
        let tag = &net.tag;
        for line in [
            format!("netns add {tag}w"),
            format!("netns add {tag}h"),
            format!("netns add {tag}b"),
            format!("-n {tag}h link add br0 type bridge"),
            format!("-n {tag}h link add wp type veth peer name eth0 netns {tag}w"),
            format!("-n {tag}h link add bp type veth peer name eth0 netns {tag}b"),
            format!("-n {tag}h link set wp master br0"),
            format!("-n {tag}h link set bp master br0"),
            format!("-n {tag}h addr add 10.77.0.1/24 dev br0"),
            format!("-n {tag}w addr add 10.77.0.2/24 dev eth0"),
            format!("-n {tag}b addr add 10.77.0.3/24 dev eth0"),
            format!("-n {tag}h link set wp up"),
            format!("-n {tag}h link set bp up"),
            format!("-n {tag}h link set br0 up"),
            format!("-n {tag}w link set eth0 up"),
            format!("-n {tag}b link set eth0 up"),
            format!("-n {tag}w link set lo up"),
        ] {
            assert!(ip(&line), "`ip {line}` failed: this test needs root and iproute2");
        }
        net
    }

    fn spawn(&mut self, namespace: char, command: &[&str], folder: &Folder, log: &str) {
        let name = format!("{}{namespace}", self.tag);
        let file = std::fs::File::create(folder.path().join(log)).unwrap_or_else(|error| panic!("{error}"));
        let child = Command::new("ip")
            .args(["netns", "exec", &name])
            .args(command)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{error}"));
        self.children.push(child);
    }

    fn link(&self, namespace: char, state: &str) {
        assert!(ip(&format!("-n {}{namespace} link set eth0 {state}", self.tag)));
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for namespace in ['w', 'h', 'b'] {
            ip(&format!("netns del {}{namespace}", self.tag));
        }
    }
}

fn status(folder: &Folder) -> Option<Value> {
    serde_json::from_slice(&ended(&["status", "--format", "json"], folder.path()).stdout).ok()
}

fn until_state(folder: &Folder, state: &str) {
    until(&format!("demo is {state}"), || status(folder).filter(|status| status["targets"][0]["state"] == state));
}

fn resolved(folder: &Folder, key: &str) -> bool {
    told(folder).iter().any(|(kind, of)| kind.contains("resolve") && of == key)
}

#[test]
fn a_dead_host_alarms_and_an_own_dead_link_does_not() {
    let folder = Folder::new();
    let script = folder.write("server.py", SERVER);
    let script = script.display().to_string();
    let mut net = Net::make();
    net.spawn('b', &["python3", &script, "10.77.0.3"], &folder, "bot.err");
    net.spawn('h', &["python3", &script, "10.77.0.1"], &folder, "hub.err");
    folder.write(
        "watchdog.toml",
        "[watchdog]\nname = \"wd1\"\nlisten = \"off\"\nstate_dir = \"state\"\n\
         [network]\nreferences = [\"10.77.0.1:8080\"]\ntimeout = \"500ms\"\n\
         [[target]]\nname = \"demo\"\nurl = \"http://10.77.0.3:8080/health\"\ninterval = \"300ms\"\ntimeout = \"500ms\"\nsettle = \"300ms\"\nstream = \"off\"\n\
         [alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"alerts.log\"\n",
    );
    let program = env!("CARGO_BIN_EXE_failstop-watchdog");
    net.spawn('w', &[program, "--config", "watchdog.toml"], &folder, "watchdog.err");
    until_state(&folder, "up");

    // The host dies.
    net.link('b', "down");
    until("an alert", || told(&folder).into_iter().find(|(_, key)| key == "demo/target-down/1"));
    net.link('b', "up");
    until_state(&folder, "up");
    until("its end", || resolved(&folder, "demo/target-down/1").then_some(()));

    // Its own cable, five times: no alarm, one summary each time that it was blind.
    for round in 1..=5 {
        net.link('w', "down");
        until("it is blind", || status(&folder).filter(|status| !status["blind_since"].is_null()));
        net.link('w', "up");
        let key = format!("wd1/own-network/{round}");
        until("a summary", || told(&folder).into_iter().find(|(kind, of)| *of == key && !kind.contains("resolve")));
        until_state(&folder, "up");
    }
    let alarms: Vec<_> = told(&folder).into_iter().filter(|(_, key)| key.starts_with("demo/target-down/")).collect();
    assert_eq!(alarms.len(), 2, "the one of the dead host and its end: {alarms:?}");
}
