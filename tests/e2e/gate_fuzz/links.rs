//! Connections to a bot socket that a component has made and the test holds: whose words count is told by who connected.

use crate::system::{PATIENCE, System};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::io::{BufRead as _, BufReader, IoSliceMut, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// The component: for each byte that it reads it hands over one more connection.
pub const HANDS_OUT: &str = r#"
hub = socket.socket(socket.AF_UNIX)
hub.connect(os.path.join(os.path.dirname(sys.argv[0]), "hub"))
notify("READY=1")
while hub.recv(1):
    one = socket.socket(socket.AF_UNIX)
    one.connect(os.environ["FAILSTOP_SOCKET"])
    socket.send_fds(hub, [b"1"], [one.fileno()])
    one.close()
sleep_for_ever()
"#;

/// What came over a connection.
pub enum Heard {
    /// A line, without its LF.
    Line(String),
    /// The engine closed it.
    Closed,
}

/// All connections, by number.
pub struct Links {
    hub: UnixStream,
    links: Vec<UnixStream>,
    out: Sender<(usize, Heard)>,
    heard: Receiver<(usize, Heard)>,
}

impl Links {
    /// Starts the system, whose component runs [`HANDS_OUT`].
    pub fn start(system: &mut System) -> Self {
        let listener = UnixListener::bind(system.path("hub")).unwrap();
        system.start();
        let (hub, _) = listener.accept().unwrap();
        hub.set_read_timeout(Some(PATIENCE)).unwrap();
        let (out, heard) = channel();
        Self { hub, links: Vec::new(), out, heard }
    }

    /// One more connection; its number.
    pub fn open(&mut self) -> usize {
        self.hub.write_all(b"1").unwrap();
        let mut byte = [0];
        let mut room = nix::cmsg_space!([RawFd; 1]);
        let mut parts = [IoSliceMut::new(&mut byte)];
        let received =
            recvmsg::<()>(self.hub.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC).unwrap();
        let Some(ControlMessageOwned::ScmRights(descriptors)) = received.cmsgs().unwrap().next() else {
            panic!("the component handed over no connection");
        };
        // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
        let link = UnixStream::from(unsafe { OwnedFd::from_raw_fd(descriptors[0]) });
        link.set_write_timeout(Some(PATIENCE)).unwrap();
        let (number, out, reader) = (self.links.len(), self.out.clone(), link.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            loop {
                let mut line = String::new();
                let heard = match reader.read_line(&mut line) {
                    Ok(1..) if line.ends_with('\n') => Heard::Line(line),
                    // What was cut off, and an error, are an end as well.
                    Ok(_) | Err(_) => Heard::Closed,
                };
                let over = matches!(heard, Heard::Closed);
                if out.send((number, heard)).is_err() || over {
                    return;
                }
            }
        });
        self.links.push(link);
        number
    }

    /// Writes some bytes; whether all of them went out.
    pub fn write(&mut self, link: usize, bytes: &[u8]) -> bool {
        self.links[link].write_all(bytes).is_ok()
    }

    /// What came, waiting for at most `wait`.
    pub fn next(&self, wait: Duration) -> Option<(usize, Heard)> {
        self.heard.recv_timeout(wait).ok()
    }

    /// Closes one from here.
    pub fn close(&self, link: usize) {
        // The engine may have closed it already.
        let _ = self.links[link].shutdown(std::net::Shutdown::Both);
    }
}
