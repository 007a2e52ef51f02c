//! A running watchdog or responder in a folder of its own; ended by its process number, whatever becomes of the test.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The longest that anything is waited for. Generous: the machine may be busy.
pub const BOUND: Duration = Duration::from_secs(60);

/// A folder for one test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap_or_else(|error| panic!("a folder: {error}")))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{name}: {error}"));
        path
    }

    /// A key file that both sides hold.
    pub fn key(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.write("wd1.key", &format!("wd1:{}\n", "5a".repeat(32)));
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, mode).unwrap_or_else(|error| panic!("{error}"));
        path
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("a port: {error}"));
    listener.local_addr().map(|address| address.port()).unwrap_or_else(|error| panic!("{error}"))
}

/// Waits until something holds, and says what was waited for if it never does.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < BOUND, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn watchdog(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_failstop-watchdog"));
    command.args(arguments).current_dir(folder).env_remove("NOTIFY_SOCKET");
    command
}

/// A command that ends by itself.
pub fn ended(arguments: &[&str], folder: &Path) -> Output {
    watchdog(arguments, folder).output().unwrap_or_else(|error| panic!("{error}"))
}

/// A process that runs until the test ends.
pub struct Running {
    child: Child,
    pub port: u16,
    log: PathBuf,
}

impl Running {
    /// The watchdog: the text gets `[watchdog]` and a log file channel before it.
    pub fn watchdog(folder: &Folder, port: u16, rest: &str) -> Self {
        let config = format!(
            "[watchdog]\nname = \"wd1\"\nlisten = \"127.0.0.1:{port}\"\nstate_dir = \"state\"\n{rest}\n\
             [alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"alerts.log\"\n"
        );
        folder.write("watchdog.toml", &config);
        Self::start(folder, &["--config", "watchdog.toml"], port, "watchdog.err")
    }

    pub fn start(folder: &Folder, arguments: &[&str], port: u16, log: &str) -> Self {
        let log = folder.path().join(log);
        let file =
            std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap_or_else(|error| panic!("{error}"));
        let child = watchdog(arguments, folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{error}"));
        let mut running = Self { child, port, log };
        until("it listens", || {
            if let Ok(Some(status)) = running.child.try_wait() {
                panic!("it ended with {status}: {}", running.said());
            }
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        running
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        get(([127, 0, 0, 1], self.port).into(), path).unwrap_or_else(|error| panic!("{path}: {error}; {}", self.said()))
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").1).unwrap_or_default()
    }

    pub fn target(&self, name: &str) -> Value {
        let status = self.status();
        let targets = status["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().find(|target| target["name"] == name).unwrap_or_default()
    }

    pub fn until_state(&self, name: &str, state: &str) -> Value {
        until(&format!("{name} is {state}; now {}; {}", self.target(name), self.said()), || {
            Some(self.target(name)).filter(|target| target["state"] == state)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One GET.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, BOUND)?;
    stream.set_read_timeout(Some(BOUND))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}

/// What the log file channel was told: (`incident.triggered` and the like, key), in order.
pub fn told(folder: &Folder) -> Vec<(String, String)> {
    alerts(folder)
        .iter()
        .map(|line| {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (word(&line["type"]), word(&line["data"]["key"]))
        })
        .collect()
}

/// Its lines.
pub fn alerts(folder: &Folder) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join("alerts.log")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits for an alert about this key.
pub fn until_told(folder: &Folder, key: &str, running: &Running) -> Value {
    until(&format!("an alert {key}: {}", running.said()), || {
        alerts(folder).into_iter().find(|line| line["data"]["key"] == key)
    })
}
