//! The restart ladder with a responder and a bot that hangs, that ignores SIGTERM, that never gets healthy. Never two copies.

use crate::running::*;
use std::path::Path;

/// A bot: its own pid file, its epoch one more at each start, `/health` unless it is told to hang. It ignores SIGTERM.
const BOT: &str = r#"
import http.server, json, os, signal, sys, time
folder, port, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(os.path.join(folder, "bot.pid"), "w").write(str(os.getpid()))
path = os.path.join(folder, "epoch")
epoch = int(open(path).read()) + 1 if os.path.exists(path) else 1
open(path, "w").write(str(epoch))
if mode == "sick" and epoch > 1:
    time.sleep(600)
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_GET(self):
        if not self.path.startswith("/health"):
            self.send_response(404); self.send_header("content-length", "0"); self.end_headers(); return
        now = time.time()
        body = json.dumps({"status": "healthy", "epoch": epoch, "kill_switch": False,
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%03dZ" % (now % 1 * 1000)}).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", port), H).serve_forever()
"#;

/// The processes of the bot of this folder, dead ones not counted.
fn copies(folder: &Path) -> Vec<i32> {
    let marker = folder.join("bot.py").display().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&marker))
        })
        .filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
        })
        .collect()
}

/// Ends every bot of the folder, by number.
struct Ends<'a>(&'a Folder);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        for pid in copies(self.0.path()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// The interpreter itself: a shim in its place is several processes for a moment.
fn interpreter() -> String {
    let said = std::process::Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let said = said.unwrap_or_else(|error| panic!("python3: {error}"));
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

struct Stage {
    responder: Running,
    watchdog: Running,
}

fn stage(folder: &Folder, mode: &str) -> Stage {
    let (bot_port, responder_port, port) = (free_port(), free_port(), free_port());
    let path = folder.path().display();
    let script = folder.write("bot.py", BOT);
    let key = folder.key();
    folder.write(
        "actuate.toml",
        &format!(
            "[actuate]\nname = \"bot-host\"\nlisten = \"127.0.0.1:{responder_port}\"\nkeys = [\"{}\"]\nstate_dir = \"actuate\"\n\
             [[unit]]\nname = \"bot\"\npid_file = \"{path}/bot.pid\"\ngrace = \"300ms\"\n\
             start = [\"{}\", \"{}\", \"{path}\", \"{bot_port}\", \"{mode}\"]\n",
            key.display(),
            interpreter(),
            script.display()
        ),
    );
    let responder = Running::start(folder, &["actuate", "--config", "actuate.toml"], responder_port, "responder.err");
    let rest = format!(
        "[[target]]\nname = \"demo\"\nurl = \"http://127.0.0.1:{bot_port}/health\"\ninterval = \"200ms\"\ntimeout = \"1s\"\nsettle = \"300ms\"\nstream = \"off\"\n\
         restart = {{ unit = \"bot\", actuate = \"http://127.0.0.1:{responder_port}\", actuate_name = \"bot-host\", actuate_key_file = \"{}\", \
         lease = \"100ms\", step_timeout = \"20s\", verify_within = \"3s\", backoff = \"100ms\", backoff_max = \"200ms\" }}\n",
        key.display()
    );
    Stage { responder, watchdog: Running::watchdog(folder, port, &rest) }
}

#[test]
fn a_dead_bot_is_started_once_and_a_frozen_one_replaced() {
    let folder = Folder::new();
    let _ends = Ends(&folder);
    let stage = stage(&folder, "well");
    // Nothing runs yet: down, and started by the ladder.
    stage.watchdog.until_state("demo", "up");
    let over = |key: &str| told(&folder).into_iter().find(|(kind, of)| kind.contains("resolve") && of == key);
    until("the first incident's end", || over("demo/target-down/1"));
    let first = copies(folder.path());
    assert_eq!(first.len(), 1, "{first:?}; {}", stage.responder.said());
    for pid in &first {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGSTOP);
    }
    stage.watchdog.until_state("demo", "down");
    until(&format!("another process: {}; {}", stage.watchdog.said(), stage.responder.said()), || {
        let now = copies(folder.path());
        assert!(now.len() <= 1, "two copies: {now:?}");
        (now.len() == 1 && now != first && stage.watchdog.target("demo")["state"] == "up").then_some(())
    });
    // Down twice within minutes, it flaps: its second incident stands for a while, and its updates are cooling.
    until("a verified restart", || {
        stage.watchdog.said().contains("demo/target-down/2: demo was restarted").then_some(())
    });
    assert_eq!(over("demo/target-down/2"), None);
    assert!(stage.responder.said().contains("SIGKILL"), "it ignores SIGTERM: {}", stage.responder.said());
}

#[test]
fn a_bot_that_never_gets_healthy_is_tried_three_times_and_held() {
    let folder = Folder::new();
    let _ends = Ends(&folder);
    folder.write("epoch", "1");
    let stage = stage(&folder, "sick");
    let held = until(&format!("it is held: {}", stage.watchdog.said()), || {
        assert!(copies(folder.path()).len() <= 1, "two copies");
        let target = stage.watchdog.target("demo");
        Some(target.clone()).filter(|target| target["ladder"]["state"] == "held")
    });
    assert_eq!(held["ladder"]["tries"], 3, "{held}");
    let alert = until_told(&folder, "demo/held/1", &stage.watchdog);
    assert_eq!(alert["data"]["severity"], "critical");
    let starts = stage.responder.said().matches("started process").count();
    assert_eq!(starts, 3, "{}", stage.responder.said());
    assert_eq!(ended(&["release", "demo"], folder.path()).status.code(), Some(0));
    until("a fourth start", || (stage.responder.said().matches("started process").count() == 4).then_some(()));
}

#[test]
fn the_responder_does_nothing_for_strangers() {
    let folder = Folder::new();
    let _ends = Ends(&folder);
    let stage = stage(&folder, "well");
    stage.watchdog.until_state("demo", "up");
    assert_eq!(stage.responder.get("/v1/units/bot").0, 401);
    assert_eq!(copies(folder.path()).len(), 1);
    let ssh = |command: &str| {
        let output = watchdog(&["actuate", "--ssh", "--config", "actuate.toml"], folder.path())
            .env("SSH_ORIGINAL_COMMAND", command)
            .output()
            .unwrap_or_else(|error| panic!("{error}"));
        output.status.code()
    };
    assert_eq!(ssh("status bot"), Some(0));
    assert_eq!(ssh("start bot"), Some(4), "it lives");
    for other in ["", "start", "start bot; id", "stop bot x", "reboot", "stop other 1 2"] {
        assert_eq!(ssh(other), Some(2), "{other}");
    }
    assert_eq!(ssh("start other"), Some(3));
    assert_eq!(copies(folder.path()).len(), 1);
}
