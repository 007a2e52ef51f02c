//! Something outside the system that answers, or does not, as a test says: a venue, a bot's page, a database.

use crate::system::until;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with whoever connects.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers HTTP with this status and body.
    Http(u16, String),
    /// Takes the connection and says nothing.
    Hangs,
    /// Ends the connection at once.
    HangsUp,
    /// Answers whatever comes with these bytes.
    Says(&'static [u8]),
}

/// A server on loopback. It ends with the test's process.
pub struct Venue {
    /// Where it listens.
    pub address: SocketAddr,
    does: Arc<Mutex<Does>>,
    taken: Arc<AtomicUsize>,
}

impl Venue {
    /// On a port of its own.
    pub fn new(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let does = Arc::new(Mutex::new(does));
        let shared = Arc::clone(&does);
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let does = shared.lock().unwrap().clone();
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serve(stream, &does));
            }
        });
        Self { address, does, taken }
    }

    /// Well, over HTTP.
    pub fn well() -> Self {
        Self::new(Does::Http(200, String::new()))
    }

    /// From the next connection on.
    pub fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// Waits for one more connection.
    pub fn wait_taken(&self) {
        let before = self.taken.load(Ordering::SeqCst);
        until(|| "somebody who connects".to_owned(), || (self.taken.load(Ordering::SeqCst) != before).then_some(()));
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(mut stream: TcpStream, does: &Does) {
    // Nobody is waited for longer than a test lasts.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut chunk = [0; 4096];
    match does {
        Does::HangsUp => {}
        Does::Hangs => while stream.read(&mut chunk).is_ok_and(|n| n > 0) {},
        Does::Says(bytes) => {
            let _ = stream.read(&mut chunk);
            let _ = stream.write_all(bytes);
        }
        Does::Http(status, body) => {
            // Small requests come in one piece on loopback.
            let _ = stream.read(&mut chunk);
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body.as_bytes());
        }
    }
}
