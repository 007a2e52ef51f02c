//! The system that is watched: ten components and the observe address, as the bench of memory at rest has them.

use super::planted::Planted;
use crate::run::{TaskError, output, root};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running system, stopped on drop.
pub struct Started {
    guard: Child,
    program: PathBuf,
    folder: PathBuf,
    status: serde_json::Value,
}

impl Started {
    /// Starts it in a folder of its own and waits until it is known where it listens.
    pub fn start(program: &Path) -> Result<Self, TaskError> {
        let folder = root().join("target/order");
        let failed = |source| TaskError::File { path: folder.clone(), source };
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(failed)?;
        }
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut text = String::from(
            "[system]\nname = \"order\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\nmode = \"dry\"\n\
             [observe]\nlisten = \"127.0.0.1:0\"\n",
        );
        for number in 0..10 {
            text += &format!(
                "[[component]]\nname = \"c{number}\"\ncommand = [\"/bin/sleep\", \"1000\"]\norders = \"none\"\n"
            );
        }
        fs::write(folder.join("failstop.toml"), text).map_err(failed)?;
        let log = fs::File::create(folder.join("log")).map_err(failed)?;
        let mut run = Command::new(program);
        run.args(["run", "--config", "failstop.toml"]).current_dir(&folder).env_remove("FAILSTOP_CONFIG");
        run.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        let start = |source| TaskError::Start { command: format!("{} run", program.display()), source };
        let guard = run.spawn().map_err(start)?;
        let mut started = Self { guard, program: program.to_owned(), folder, status: serde_json::Value::Null };
        let until = Instant::now() + PATIENCE;
        loop {
            match started.ask() {
                Ok(status) => started.status = status,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
            if started.observed().is_some() {
                return Ok(started);
            }
        }
    }

    fn ask(&self) -> Result<serde_json::Value, TaskError> {
        let mut status = Command::new(&self.program);
        status.args(["status", "--format", "json", "--config", "failstop.toml"]).current_dir(&self.folder);
        let text = output(&mut status)?;
        serde_json::from_str(&text).map_err(|error| TaskError::Differs {
            what: format!("`failstop status --format json` printed no JSON: {error}"),
            next: "mend it".to_owned(),
        })
    }

    /// `127.0.0.1:PORT` of the observe address.
    fn observed(&self) -> Option<&str> {
        self.status["observe"].as_str()?.strip_prefix("http://")
    }

    /// The guard and the engine.
    pub fn processes(&self) -> Result<[i32; 2], TaskError> {
        let path = self.folder.join("run/engine.json");
        let failed = |source| TaskError::File { path: path.clone(), source };
        let card: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).map_err(failed)?).map_err(|error| failed(error.into()))?;
        let pid = |of: &str| card[of]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        match (pid("guard"), pid("engine")) {
            (Some(guard), Some(engine)) => Ok([guard, engine]),
            (_, None) | (None, _) => Err(failed(std::io::Error::other("it names no guard and no engine"))),
        }
    }

    /// Asks for its figures and reads its page again and again for so long, as a watchdog, Prometheus and a page without WebSocket do.
    pub fn look_for(&self, time: Duration, planted: &mut Planted<'_>) -> Result<(), TaskError> {
        let address = self.observed().unwrap_or_default().to_owned();
        let asking = std::thread::spawn(move || -> std::io::Result<()> {
            let until = Instant::now() + time;
            while Instant::now() < until {
                for path in ["/health", "/metrics", "/", "/api/dashboard", "/api/status"] {
                    let mut stream = TcpStream::connect(&address)?;
                    stream.set_read_timeout(Some(PATIENCE))?;
                    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
                    std::io::copy(&mut stream.take(1 << 24), &mut std::io::sink())?;
                }
                std::thread::sleep(Duration::from_secs(1));
            }
            Ok(())
        });
        planted.watch(time + Duration::from_secs(2))?;
        let asked = asking.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that asks panicked")));
        asked.map_err(|source| TaskError::Start { command: "GET from the observe address".to_owned(), source })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let guard = nix::unistd::Pid::from_raw(self.guard.id().cast_signed());
        // It may have ended by itself, and then there is nobody to tell and nothing to wait for.
        let _ = nix::sys::signal::kill(guard, nix::sys::signal::Signal::SIGTERM);
        let _ = self.guard.wait();
    }
}
