//! A server on loopback for the tests: says what it was asked, answers what it is told to, and misbehaves when that is wanted.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// No connection of a test stays longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// The request as it came, for a service that echoes.
    pub fn echo(&self) -> String {
        let mut text = format!("{} {}\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push_str(&String::from_utf8_lossy(&self.body));
        text
    }
}

/// What the server does with a request.
pub enum Reply {
    /// A status, headers and a body.
    Http(u16, Vec<(&'static str, String)>, String),
    /// Exactly these bytes, and the end.
    Raw(Vec<u8>),
    /// These bytes one by one, with a pause between them.
    Drip(Vec<u8>, Duration),
    /// A connection that ends without an answer.
    Close,
    /// A connection that is reset.
    Reset,
    /// Nothing, until the other side has had enough.
    Silence,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Http(status, Vec::new(), String::new())
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::Http(status, vec![("content-type", "application/json".into())], body.to_string())
    }
}

/// A running server; ends when dropped.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers what `answer` says to each request.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let plain = |stream: TcpStream, work: &dyn Fn(&mut dyn Stream)| {
            let mut stream = stream;
            work(&mut stream);
        };
        Self::start_in(plain, answer)
    }

    /// The same inside whatever `wrap` puts around a connection.
    pub fn start_in(
        wrap: impl Fn(TcpStream, &dyn Fn(&mut dyn Stream)) + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, ended) = (Arc::clone(&requests), Arc::clone(&stop));
        let (wrap, answer) = (Arc::new(wrap), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let _ = stream.set_read_timeout(Some(PATIENCE));
                let _ = stream.set_write_timeout(Some(PATIENCE));
                let (log, wrap, answer) = (Arc::clone(&log), Arc::clone(&wrap), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let raw = stream.try_clone();
                    wrap(stream, &|stream| {
                        let Some(request) = read(stream) else { return };
                        log.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                        let reset = |()| raw.as_ref().ok().map(reset);
                        play(stream, answer(&request), &reset);
                    });
                });
            }
        });
        Self { address, requests, stop, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many requests came, within a generous bound.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        for _ in 0..6_000 {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} requests of {count} came", self.requests().len());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread; it then sees that it should end.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Both directions of a connection.
pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A linger of nothing makes a reset of the end.
fn reset(stream: &TcpStream) {
    let nothing = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &nothing).unwrap_or_else(|e| panic!("{e}"));
}

fn read(stream: &mut dyn Stream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

fn play(stream: &mut dyn Stream, reply: Reply, reset: &dyn Fn(()) -> Option<()>) {
    match reply {
        Reply::Http(status, headers, body) => {
            let mut text = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n");
            // These must have no body, whatever the test says.
            let bare = status < 200 || status == 204 || status == 304;
            if !bare {
                text.push_str(&format!("content-length: {}\r\n", body.len()));
            }
            for (name, value) in headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str("\r\n");
            if !bare {
                text.push_str(&body);
            }
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.flush();
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
            let _ = stream.flush();
        }
        Reply::Drip(bytes, pause) => {
            for byte in bytes {
                if stream.write_all(&[byte]).and_then(|()| stream.flush()).is_err() {
                    break;
                }
                std::thread::sleep(pause);
            }
        }
        Reply::Close => {}
        Reply::Reset => drop(reset(())),
        Reply::Silence => {
            let mut byte = [0];
            // Until the client gives up.
            let _ = stream.read(&mut byte);
        }
    }
}
