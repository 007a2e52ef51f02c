//! What failstop says to systemd of itself, when systemd started it with `Type=notify`: ready, reloading, stopping, its
//! status in a line, and beats for `WatchdogSec=`.
//!
//! The guard is systemd's main process, so the engine's lines go through it; where there is no guard they are sent
//! directly. `WATCHDOG_PID` names the guard and is ignored: the beats must come from the engine, since it is the engine
//! that can hang.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The longest status line, in bytes.
const MAX_STATUS_BYTES: usize = 1024;

/// How the lines get to systemd.
pub enum Transport {
    /// Over the socket that `NOTIFY_SOCKET` names.
    Direct {
        /// An unbound socket that never blocks.
        socket: UnixDatagram,
        /// Where to.
        address: SocketAddr,
    },
    /// Through the guard: takes one datagram's text.
    Through(Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>),
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Direct { address, .. } => f.debug_tuple("Direct").field(address).finish(),
            Self::Through(_) => f.write_str("Through(..)"),
        }
    }
}

/// The engine's mouth towards systemd. Silent where nobody listens.
#[derive(Debug, Default)]
pub struct Systemd {
    transport: Option<Transport>,
    beat_every: Option<Duration>,
    last_status: String,
    failures: u64,
}

impl Systemd {
    /// From the environment: `NOTIFY_SOCKET` (a path or an abstract `@name`) and `WATCHDOG_USEC`.
    ///
    /// # Errors
    /// A socket cannot be made, or `NOTIFY_SOCKET` is no address. The caller warns and goes on with a silent one.
    pub fn from_env() -> io::Result<Self> {
        let socket = std::env::var_os("NOTIFY_SOCKET");
        let watchdog = std::env::var("WATCHDOG_USEC").ok();
        Self::new(socket.as_deref(), watchdog.as_deref())
    }

    fn new(notify_socket: Option<&OsStr>, watchdog_usec: Option<&str>) -> io::Result<Self> {
        let Some(name) = notify_socket.filter(|name| !name.is_empty()) else { return Ok(Self::default()) };
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            transport: Some(Transport::Direct { socket, address }),
            beat_every: beat_interval(watchdog_usec),
            ..Self::default()
        })
    }

    /// Sends through the guard from now on, provided that systemd listens at all.
    pub fn through(&mut self, send: Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>) {
        if self.transport.is_some() {
            self.transport = Some(Transport::Through(send));
        }
    }

    /// Whether anybody listens.
    pub fn listens(&self) -> bool {
        self.transport.is_some()
    }

    /// How often [`Systemd::beat`] has to come: half of what systemd waits for. `None`: no beats are wanted.
    pub fn beat_every(&self) -> Option<Duration> {
        self.beat_every
    }

    /// Lines that could not be sent: systemd is busy or gone. Nothing waits for it.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Start-up is over.
    pub fn ready(&mut self, status: &str) {
        let status = self.remember(status);
        self.send(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// Its status in a line. Sent only when it changed.
    pub fn status(&mut self, status: &str) {
        if one_line(status) != self.last_status {
            let status = self.remember(status);
            self.send(&format!("STATUS={status}\n"));
        }
    }

    /// The configuration is being read again; [`Systemd::ready`] ends it.
    pub fn reloading(&mut self) {
        // systemd (Type=notify-reload) wants the time of CLOCK_MONOTONIC, so that it can tell this from an earlier one.
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
            .map_or(0, |time| i128::from(time.tv_sec()) * 1_000_000 + i128::from(time.tv_nsec()) / 1_000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}\n"));
    }

    /// It ends, on purpose.
    pub fn stopping(&mut self, status: &str) {
        let status = self.remember(status);
        self.send(&format!("STOPPING=1\nSTATUS={status}\n"));
    }

    /// A healthy cycle is over.
    pub fn beat(&mut self) {
        if self.beat_every.is_some() {
            self.send("WATCHDOG=1\n");
        }
    }

    fn remember(&mut self, status: &str) -> String {
        self.last_status = one_line(status);
        self.last_status.clone()
    }

    fn send(&mut self, text: &str) {
        let sent = match &mut self.transport {
            None => return,
            Some(Transport::Direct { socket, address }) => socket.send_to_addr(text.as_bytes(), address).map(drop),
            Some(Transport::Through(send)) => send(text.as_bytes()),
        };
        if sent.is_err() {
            self.failures += 1;
        }
    }
}

/// A status must not smuggle in another field.
fn one_line(status: &str) -> String {
    let end = (0..=status.len().min(MAX_STATUS_BYTES)).rev().find(|end| status.is_char_boundary(*end)).unwrap_or(0);
    status[..end].replace(|character: char| character.is_control(), " ")
}

fn beat_interval(watchdog_usec: Option<&str>) -> Option<Duration> {
    let micros: u64 = watchdog_usec?.trim().parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros) / 2)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::sync::mpsc;

    fn said(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn what_systemd_hears() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut systemd = Systemd::new(Some(path.as_os_str()), Some("3000000")).unwrap();
        assert_eq!(systemd.beat_every(), Some(Duration::from_millis(1_500)));
        systemd.ready("active");
        assert_eq!(said(&listener), "READY=1\nSTATUS=active\n");
        systemd.status("active");
        systemd.status("observe-only\nMAINPID=1");
        assert_eq!(said(&listener), "STATUS=observe-only MAINPID=1\n", "nothing is smuggled in, nothing is said twice");
        systemd.beat();
        assert_eq!(said(&listener), "WATCHDOG=1\n");
        systemd.reloading();
        assert!(said(&listener).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        systemd.stopping("stopping");
        assert_eq!(said(&listener), "STOPPING=1\nSTATUS=stopping\n");
    }

    #[test]
    fn an_abstract_socket() {
        let name = format!("failstop-test-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut systemd = Systemd::new(Some(OsStr::new(&format!("@{name}"))), None).unwrap();
        systemd.ready("active");
        systemd.beat();
        assert_eq!(said(&listener), "READY=1\nSTATUS=active\n");
        assert_eq!(systemd.beat_every(), None);
    }

    #[test]
    fn through_the_guard() {
        let (sender, heard) = mpsc::channel();
        let mut systemd = Systemd::new(Some(OsStr::new("/nonexistent/notify")), Some("nonsense")).unwrap();
        systemd.ready("active");
        assert_eq!(systemd.failures(), 1, "nobody there: counted, and nothing waits");
        systemd.through(Box::new(move |text| sender.send(text.to_vec()).map_err(io::Error::other)));
        systemd.status("x");
        assert_eq!(heard.try_recv().unwrap(), b"STATUS=x\n");
    }

    #[test]
    fn silent_where_nobody_listens() {
        let mut systemd = Systemd::new(None, Some("3000000")).unwrap();
        systemd.through(Box::new(|_| Err(io::Error::other("nobody may be called"))));
        systemd.ready("active");
        assert!(!systemd.listens() && systemd.failures() == 0 && systemd.beat_every().is_none());
    }

    #[test]
    fn a_listener_that_never_reads_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _listener = UnixDatagram::bind(&path).unwrap();
        let mut systemd = Systemd::new(Some(path.as_os_str()), Some("2")).unwrap();
        while systemd.failures() == 0 {
            systemd.beat();
        }
    }
}
