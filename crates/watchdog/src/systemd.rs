//! What the watchdog says to systemd: ready, its state in a line, and beats for `WatchdogSec=`. Datagrams that are lost or that
//! nobody wants cost nothing.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Systemd {
    socket: Option<(UnixDatagram, SocketAddr)>,
    beat_every: Option<Duration>,
    last_status: String,
}

impl Systemd {
    /// From `NOTIFY_SOCKET` and `WATCHDOG_USEC`. A `WATCHDOG_PID` of somebody else means that no beats are wanted of us.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let Some(path) = variable("NOTIFY_SOCKET") else { return Self::default() };
        let address = match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&path),
        };
        let socket = UnixDatagram::unbound().and_then(|socket| Ok((socket, address?)));
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let beat_every = variable("WATCHDOG_USEC")
            .filter(|_| ours)
            .and_then(|usec| usec.parse().ok())
            .map(|usec: u64| Duration::from_micros(usec / 2).max(Duration::from_millis(100)));
        Self { socket: socket.ok(), beat_every, last_status: String::new() }
    }

    /// How often [`Systemd::beat`] has to come.
    pub fn beat_every(&self) -> Option<Duration> {
        self.beat_every
    }

    /// It watches.
    pub fn ready(&mut self) {
        self.say("READY=1\n");
    }

    /// It lives.
    pub fn beat(&self) {
        self.say("WATCHDOG=1\n");
    }

    /// It stops.
    pub fn stopping(&self) {
        self.say("STOPPING=1\n");
    }

    /// Its state in a line, where that changed.
    pub fn status(&mut self, status: &str) {
        if status != self.last_status {
            status.clone_into(&mut self.last_status);
            self.say(&format!("STATUS={}\n", status.replace('\n', " ")));
        }
    }

    fn say(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that is gone or slow is not waited for.
            let _ = socket.set_nonblocking(true);
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}
