//! Hands components' lines to the journal daemon by its native protocol: a datagram a line, with the component's name, the
//! urgency, and the fields of lines that are JSON. What is too large for a datagram goes as a sealed file in memory.
//!
//! The thread waits for a daemon that is behind, for a bounded time, and never for one that is not there: what it does not take is
//! dropped and counted. Components wait for neither.

use super::json_line::{self, JsonLine};
use super::queue::Queue;
use super::{Chunk, Counters, Source};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long one line waits for a daemon that is behind.
const PATIENCE_MS: u16 = 2_000;
/// How long after a failed try to reach the daemon the next one is made.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// As the daemon's own library asks for, so that all but huge lines fit into a datagram.
const SEND_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// What is not said to be anything else is information, whichever stream it came by: many loggers write everything to
/// standard error.
const INFORMATION: u8 = 6;

/// Whether this descriptor leads to the journal daemon: systemd says in `JOURNAL_STREAM` which file that is.
pub fn is_the_journal(stream: &impl AsFd) -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|named| is_named(stream, &named))
}

/// Whether this descriptor's file is `DEVICE:INODE`.
fn is_named(stream: &impl AsFd, named: &str) -> bool {
    let Some((device, inode)) = named.split_once(':') else { return false };
    let Ok(file) = stream.as_fd().try_clone_to_owned().map(File::from) else { return false };
    file.metadata().is_ok_and(|is| device == is.st_dev().to_string() && inode == is.st_ino().to_string())
}

/// Hands lines to the journal daemon.
pub(super) struct Journal {
    system: String,
    components: Vec<String>,
    queue: Queue<Chunk>,
    counters: Arc<Counters>,
    daemon: Daemon,
}

impl Journal {
    pub(super) fn new(
        socket: PathBuf,
        system: String,
        components: Vec<String>,
        queue: Queue<Chunk>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { system, components, queue, counters, daemon: Daemon { path: socket, socket: None, tried: None } }
    }

    pub(super) fn run(mut self) {
        let mut entry = Vec::new();
        while let Some(chunks) = self.queue.take_all() {
            for chunk in chunks {
                let Source::Component(index) = chunk.source else { continue };
                let Some(component) = self.components.get(index) else { continue };
                for line in chunk.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    entry.clear();
                    write_entry(line, &self.system, component, &mut entry);
                    if self.daemon.send(&entry).is_err() {
                        let lost = u64::try_from(line.len()).unwrap_or(u64::MAX);
                        self.counters.not_in_journal.fetch_add(lost, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

/// A line as the daemon takes it.
fn write_entry(line: &[u8], system: &str, component: &str, entry: &mut Vec<u8>) {
    let (priority, line) = stated_priority(line);
    let json = json_line::read(line).unwrap_or(JsonLine { message: None, priority: None, fields: Vec::new() });
    let priority = json.priority.or(priority).unwrap_or(INFORMATION);
    field("MESSAGE", json.message.as_ref().map_or(line, String::as_bytes), entry);
    field("PRIORITY", priority.to_string().as_bytes(), entry);
    field("SYSLOG_IDENTIFIER", component.as_bytes(), entry);
    field("COMPONENT", component.as_bytes(), entry);
    field("FAILSTOP_SYSTEM", system.as_bytes(), entry);
    for (name, value) in &json.fields {
        field(name, value.as_bytes(), entry);
    }
}

/// `<3>text`, as programs write it that know of the journal (sd-daemon(3)).
fn stated_priority(line: &[u8]) -> (Option<u8>, &[u8]) {
    match line {
        [b'<', digit @ b'0'..=b'7', b'>', text @ ..] => (Some(digit - b'0'), text),
        _ => (None, line),
    }
}

/// `NAME=value`, or for a value with line feeds its name, its length and itself.
fn field(name: &str, value: &[u8], entry: &mut Vec<u8>) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

/// The daemon's socket, as it is found.
struct Daemon {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    /// When it was last not to be reached.
    tried: Option<Instant>,
}

impl Daemon {
    /// Hands an entry over.
    fn send(&mut self, entry: &[u8]) -> io::Result<()> {
        let had_one = self.socket.is_some();
        match self.send_once(entry) {
            // It was started anew, and so was its socket.
            Err(error) if had_one && is_gone(&error) => {
                self.socket = None;
                self.send_once(entry)
            }
            other => other,
        }
    }

    fn send_once(&mut self, entry: &[u8]) -> io::Result<()> {
        if self.socket.is_none() {
            if self.tried.is_some_and(|tried| tried.elapsed() < AGAIN_AFTER) {
                return Err(io::Error::from(io::ErrorKind::NotConnected));
            }
            match connect(&self.path) {
                Ok(socket) => (self.socket, self.tried) = (Some(socket), None),
                Err(error) => {
                    self.tried = Some(Instant::now());
                    return Err(error);
                }
            }
        }
        let Some(socket) = &self.socket else { return Err(io::Error::from(io::ErrorKind::NotConnected)) };
        match patiently(socket, || socket.send(entry).map(drop)) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::ENOBUFS)) => {
                let file = sealed(entry)?;
                patiently(socket, || {
                    let descriptor = [file.as_raw_fd()];
                    let with_it = [ControlMessage::ScmRights(&descriptor)];
                    sendmsg::<()>(socket.as_raw_fd(), &[], &with_it, MsgFlags::empty(), None)?;
                    Ok(())
                })
            }
            other => other,
        }
    }
}

/// Whether nobody is behind the socket any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECONNREFUSED | libc::ENOTCONN | libc::EPIPE | libc::ECONNRESET))
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    // A smaller one than asked for is good, too.
    let _ = nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::SndBuf, &SEND_BUFFER_BYTES);
    Ok(socket)
}

/// Tries, waits for room where there is none, and tries once more.
fn patiently(socket: &UnixDatagram, mut attempt: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let until = Instant::now() + Duration::from_millis(u64::from(PATIENCE_MS));
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = until.saturating_duration_since(Instant::now()).as_millis();
                let mut room = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
                let left = PollTimeout::from(u16::try_from(left).unwrap_or(PATIENCE_MS));
                if left == PollTimeout::ZERO || poll(&mut room, left) == Ok(0) {
                    return Err(error);
                }
            }
            other => return other,
        }
    }
}

/// A file in memory that nobody can change any more, as the daemon wants it.
fn sealed(entry: &[u8]) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create("journal-entry", flags)?);
    file.write_all(entry)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use nix::sys::socket::{ControlMessageOwned, recvmsg};
    use std::io::{IoSliceMut, Read as _, Seek as _};
    use std::os::fd::{FromRawFd as _, OwnedFd};

    fn entry(line: &str) -> String {
        let mut entry = Vec::new();
        write_entry(line.as_bytes(), "demo", "bot", &mut entry);
        String::from_utf8(entry).unwrap()
    }

    #[test]
    fn a_line_has_the_components_name_and_its_urgency() {
        let common = "SYSLOG_IDENTIFIER=bot\nCOMPONENT=bot\nFAILSTOP_SYSTEM=demo\n";
        assert_eq!(entry("hello"), format!("MESSAGE=hello\nPRIORITY=6\n{common}"));
        assert_eq!(entry("<3>no funds"), format!("MESSAGE=no funds\nPRIORITY=3\n{common}"));
        assert_eq!(entry("<9>x"), format!("MESSAGE=<9>x\nPRIORITY=6\n{common}"));
        let json = r#"{"level":"error","msg":"refused","order":7,"COMPONENT":"other"}"#;
        assert_eq!(
            entry(json),
            format!("MESSAGE=refused\nPRIORITY=3\n{common}BOT_COMPONENT=other\nLEVEL=error\nORDER=7\n")
        );
        assert_eq!(entry(r#"{"order":7}"#), format!("MESSAGE={{\"order\":7}}\nPRIORITY=6\n{common}ORDER=7\n"));
    }

    #[test]
    fn line_feeds_in_a_value_smuggle_in_no_field() {
        let said = entry(r#"{"msg":"one\nPRIORITY=0"}"#);
        let mut wanted = b"MESSAGE\n".to_vec();
        wanted.extend_from_slice(&14_u64.to_le_bytes());
        wanted.extend_from_slice(b"one\nPRIORITY=0\nPRIORITY=6\n");
        assert!(said.as_bytes().starts_with(&wanted), "{said:?}");
    }

    #[test]
    fn what_is_too_large_comes_as_a_sealed_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let server = UnixDatagram::bind(&path).unwrap();
        let mut daemon = Daemon { path, socket: None, tried: None };
        daemon.send(b"MESSAGE=small\n").unwrap();
        let mut buffer = [0; 100];
        let length = server.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"MESSAGE=small\n");

        let small = 4_096_usize;
        nix::sys::socket::setsockopt(daemon.socket.as_ref().unwrap(), nix::sys::socket::sockopt::SndBuf, &small)
            .unwrap();
        let large = vec![b'x'; 300_000];
        daemon.send(&large).unwrap();
        let mut space = nix::cmsg_space!([i32; 1]);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg::<()>(server.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty()).unwrap();
        assert_eq!(received.bytes, 0);
        let Some(ControlMessageOwned::ScmRights(descriptors)) = received.cmsgs().unwrap().next() else {
            panic!("no file")
        };
        // SAFETY: just received, and known to nobody else.
        let mut file = File::from(unsafe { OwnedFd::from_raw_fd(descriptors[0]) });
        let seals = fcntl(&file, FcntlArg::F_GET_SEALS).unwrap();
        assert_eq!(seals & 0xf, 0xf, "nobody can change it");
        let mut content = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut content).unwrap();
        assert_eq!(content, large);
    }

    #[test]
    fn a_daemon_that_was_started_anew_is_found_and_one_that_is_away_costs_lines_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let mut daemon = Daemon { path: path.clone(), socket: None, tried: None };
        assert!(daemon.send(b"A=1\n").is_err());
        daemon.tried = None;
        let first = UnixDatagram::bind(&path).unwrap();
        daemon.send(b"A=2\n").unwrap();
        drop(first);
        std::fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        daemon.send(b"A=3\n").unwrap();
        let mut buffer = [0; 100];
        let length = second.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"A=3\n");
    }

    #[test]
    fn the_journals_stream_is_known_by_its_file() {
        let (file, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let is = file.metadata().unwrap();
        let named = format!("{}:{}", is.st_dev(), is.st_ino());
        assert!(is_named(&file, &named));
        assert!(!is_named(&other, &named) && !is_named(&file, "") && !is_named(&file, "1:2:3"));
    }
}
