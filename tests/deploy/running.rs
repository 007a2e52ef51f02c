//! Programs that run for a test on loopback, and what they answer over HTTP.

use crate::files::{failstop, prometheus_tool, root, watchdog};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The bound of every wait: far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that nobody uses.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Waits until this gives something.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < end, "waited in vain for {what}; last seen:\n{seen}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The body of an answer with status 200.
///
/// # Errors
/// What came instead.
pub fn get(port: u16, path: &str) -> Result<String, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = ask().map_err(|error| format!("{path}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{path}: {answer}"))?;
    if head.split(' ').nth(1) == Some("200") { Ok(body.to_owned()) } else { Err(format!("{path}: {answer}")) }
}

/// The same as JSON.
///
/// # Errors
/// What came instead.
pub fn get_json(port: u16, path: &str) -> Result<Value, String> {
    serde_json::from_str(&get(port, path)?).map_err(|error| format!("{path}: {error}"))
}

/// Text as it may stand in a query.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A program, ended with the test.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it in a folder; what it prints goes to NAME.log there.
    pub fn start(folder: &Path, name: &str, program: &Path, arguments: &[&str]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = fs::File::create(&log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env("NO_PROXY", "127.0.0.1").stdin(Stdio::null());
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    /// What it printed.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process number.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In good order first: an engine ends its components. A child that was not waited for keeps its number.
        let pid = nix::unistd::Pid::from_raw(self.pid());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Alertmanager with the shipped configuration. Debian's looks for its templates in `/usr/share`: it sees those that were
/// unpacked there, in a mount namespace of its own.
pub fn alertmanager(folder: &Path, port: u16) -> Running {
    let mut arguments = vec!["--mount"];
    if !nix::unistd::geteuid().is_root() {
        arguments.extend(["--user", "--map-root-user"]);
    }
    let see = "mount -t overlay -o \"lowerdir=$1:/usr/share\" overlay /usr/share && shift && exec \"$@\"";
    let share = root().join("target/prometheus/usr/share").display().to_string();
    let program = prometheus_tool("prometheus-alertmanager").display().to_string();
    let configuration = format!("--config.file={}", root().join("deploy/alertmanager/alertmanager.yml").display());
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    arguments.extend(["sh", "-c", see, "sh", &share, &program, &configuration, &listen]);
    arguments.extend(["--storage.path=alertmanager", "--cluster.listen-address="]);
    Running::start(folder, "alertmanager", Path::new("unshare"), &arguments)
}

/// `failstop run` with these sections, once it answers; the port of its observe address is `port`.
pub fn engine(folder: &Path, name: &str, port: u16, sections: &str) -> Running {
    let text = format!(
        "[system]\nname = \"{name}\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\nmode = \"dry\"\n\
         [observe]\nlisten = \"127.0.0.1:{port}\"\n{sections}"
    );
    fs::write(folder.join("failstop.toml"), text).unwrap();
    let running = Running::start(folder, "engine", Path::new(failstop()), &["run", "--config", "failstop.toml"]);
    until("the engine's first permission", || match get_json(port, "/api/status") {
        Ok(status) if status["permission"] == "active" => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(format!("{error}\n{}", running.said())),
    });
    running
}

/// A watchdog of one target and one check-in, once it answers.
pub fn watching(folder: &Path, port: u16, target: u16) -> Running {
    let text = format!(
        "[watchdog]\nname = \"wd1\"\nlisten = \"127.0.0.1:{port}\"\nstate_dir = \"watchdog-state\"\n\
         [[target]]\nname = \"demo\"\nurl = \"http://127.0.0.1:{target}/health\"\ninterval = \"1s\"\ntimeout = \"1s\"\n\
         [[checkin]]\nname = \"nightly-verify\"\nperiod = \"24h\"\n"
    );
    fs::write(folder.join("watchdog.toml"), text).unwrap();
    let running = Running::start(folder, "watchdog", &watchdog(), &["--config", "watchdog.toml"]);
    until("the watchdog's answer", || get(port, "/metrics").map_err(|error| format!("{error}\n{}", running.said())));
    running
}
