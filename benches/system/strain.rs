//! What else may be asked of a system while its bot trades: its pages, over and over, and alerts over a channel that takes the
//! message and never answers.

use crate::run::Run;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const PAGES: [&str; 6] = ["/", "/api/status", "/metrics", "/api/metrics/history", "/api/alerts", "/health"];

/// At once.
const VIEWERS: usize = 4;

/// A channel's far end that never answers.
pub struct Strain {
    hangs: TcpListener,
}

impl Strain {
    /// Listens.
    pub fn prepared() -> Self {
        Self { hangs: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// The channel, in the configuration.
    pub fn channel(&self) -> String {
        format!(
            "[alerts]\nchannels = [\"alertmanager\"]\n[alerts.alertmanager]\nmembers = [\"http://{}\"]\n",
            self.hangs.local_addr().unwrap()
        )
    }

    /// Until it is ended.
    pub fn on(self, run: &Run) -> Straining {
        let status = run.status().unwrap();
        let address = status["observe"].as_str().unwrap().trim_start_matches("http://").to_owned();
        let go_on = Arc::new(AtomicBool::new(true));
        let (answered, hung) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut threads = Vec::new();
        for viewer in 0..VIEWERS {
            let (go_on, answered, address) = (Arc::clone(&go_on), Arc::clone(&answered), address.clone());
            threads.push(std::thread::spawn(move || {
                for page in PAGES.iter().cycle().skip(viewer) {
                    if !go_on.load(Ordering::Relaxed) {
                        return;
                    }
                    answered.fetch_add(u64::from(ask(&address, page)), Ordering::Relaxed);
                }
            }));
        }
        self.hangs.set_nonblocking(true).unwrap();
        let (hangs, still, count) = (self.hangs, Arc::clone(&go_on), Arc::clone(&hung));
        threads.push(std::thread::spawn(move || {
            let mut taken = Vec::new();
            while still.load(Ordering::Relaxed) {
                if let Ok((stream, _)) = hangs.accept() {
                    taken.push(stream);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }));
        let mut tests = run.command("alerts test");
        let testing = Arc::clone(&go_on);
        threads.push(std::thread::spawn(move || {
            tests.stdout(Stdio::null()).stderr(Stdio::null());
            while testing.load(Ordering::Relaxed) {
                let mut test = tests.spawn().unwrap();
                while testing.load(Ordering::Relaxed) && test.try_wait().unwrap().is_none() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                drop(test.kill());
                test.wait().unwrap();
            }
        }));
        Straining { go_on, answered, hung, threads }
    }
}

/// While it goes on.
pub struct Straining {
    go_on: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    hung: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Straining {
    /// Ends it, and says what it was.
    pub fn ended(self) -> String {
        self.go_on.store(false, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        format!(
            "{} pages were answered and {} connections of the channel held",
            self.answered.load(Ordering::Relaxed),
            self.hung.load(Ordering::Relaxed)
        )
    }
}

/// Whether it was answered with 200.
fn ask(address: &str, page: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = format!("GET {page} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_end(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}
