//! Small servers that stand between the programs under test and what they ask.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A door to another address. Shut, it lets in whoever comes and shows them out; held, it lets them wait.
pub struct Door {
    /// Where it is.
    pub address: SocketAddr,
    target: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    shut: bool,
    held: bool,
    waiting: Vec<TcpStream>,
    streams: Vec<TcpStream>,
}

impl Inside {
    fn lead(&mut self, client: TcpStream, target: SocketAddr) {
        let Ok(server) = TcpStream::connect(target) else { return };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || {
                // Either side may go at any time; then the other one is told.
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        self.streams.extend([client, server]);
    }
}

impl Door {
    /// An open door.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let door = Self { address: listener.local_addr().unwrap(), target, inside: Arc::default() };
        let inside = door.inside.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut inside = inside.lock().unwrap();
                if inside.shut {
                    continue;
                }
                if inside.held {
                    inside.waiting.push(client);
                } else {
                    inside.lead(client, target);
                }
            }
        });
        door
    }

    /// Shuts it, and ends whatever goes through it.
    pub fn shut(&self) {
        let mut inside = self.inside.lock().unwrap();
        inside.shut = true;
        for stream in inside.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// From now on whoever comes waits before it.
    pub fn hold(&self) {
        self.inside.lock().unwrap().held = true;
    }

    /// Opens it again, to those who wait too.
    pub fn open(&self) {
        let mut inside = self.inside.lock().unwrap();
        (inside.shut, inside.held) = (false, false);
        for client in std::mem::take(&mut inside.waiting) {
            inside.lead(client, self.target);
        }
    }
}

/// A server that gives every request the answer that `answer` makes for its path, over whatever `wrap` makes of a connection.
pub fn serve<S: std::io::Read + Write>(
    wrap: impl Fn(TcpStream) -> Option<S> + Send + 'static,
    answer: impl Fn(&str) -> String + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever breaks off is not answered.
            let _ = wrap(stream).map(|stream| one(stream, &answer));
        }
    });
    address
}

fn one<S: std::io::Read + Write>(stream: S, answer: &impl Fn(&str) -> String) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if path.is_empty() {
            line.split(' ').nth(1).unwrap_or_default().clone_into(&mut path);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = answer(&path);
    let stream = reader.get_mut();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}
