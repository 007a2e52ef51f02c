//! A service at the other end of a webhook channel: takes what is posted to it and answers as a test wants.

use crate::hosts::Host;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// 200.
    Takes,
    /// 503.
    Fails,
    /// Nothing, for as long as the other side waits.
    Hangs,
    /// Anything: 503, 429, an end without an answer before or after it took what was posted, nothing at all, 200.
    Anything,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Where it was posted.
    pub path: String,
    /// `webhook-id`: the same in every attempt at one message.
    pub id: String,
    /// The body.
    pub body: Value,
    /// Whether it was taken: answered with 200, or meant to be.
    pub taken: bool,
    /// Whether it was taken and the answer withheld.
    pub answer_lost: bool,
    /// When it had come whole.
    pub at: Instant,
}

impl Posted {
    /// `trigger`, `resolve` and the like.
    pub fn change(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default().strip_prefix("incident.").unwrap_or_default()
    }

    /// A text of the incident.
    pub fn text(&self, name: &str) -> &str {
        self.body["data"][name].as_str().unwrap_or_default()
    }
}

/// A running receiver. Its thread ends with the test's process.
pub struct Receiver {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    posted: Arc<Mutex<Vec<Posted>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Receiver {
    /// Listens on a port of its own.
    pub fn start(answers: Answers) -> Self {
        Self::start_on(&Host::here(), answers)
    }

    /// Listens on the loopback address of a host.
    pub fn start_on(host: &Host, answers: Answers) -> Self {
        let listener = host.listener(Ipv4Addr::LOCALHOST, 0);
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::new(Mutex::new(answers)),
            posted: Arc::default(),
            connections: Arc::default(),
        };
        let (answers, posted, connections) =
            (receiver.answers.clone(), receiver.posted.clone(), receiver.connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, posted, connections) = (answers.clone(), posted.clone(), connections.clone());
                std::thread::spawn(move || serve(stream, &answers, &posted, &connections));
            }
        });
        receiver
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The URL without a path.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers like this from now on.
    pub fn answer(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    /// Everything that was posted, in order.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// What it took about a cause, in order.
    pub fn taken(&self, cause: &str) -> Vec<Posted> {
        self.posted().into_iter().filter(|posted| posted.taken && posted.text("cause") == cause).collect()
    }

    /// Waits for a request that satisfies `wanted`.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&Posted) -> bool) -> Posted {
        let missing = || format!("{what}; posted:\n{:#?}", self.posted());
        crate::system::until(missing, || self.posted().into_iter().find(|posted| wanted(posted)))
    }

    /// Waits until it took this change of an incident of this cause.
    #[track_caller]
    pub fn wait_taken(&self, cause: &str, change: &str) -> Posted {
        let what = format!("{change} of {cause}");
        self.wait(&what, |posted| posted.taken && posted.text("cause") == cause && posted.change() == change)
    }
}

fn serve(
    stream: TcpStream,
    answers: &Mutex<Answers>,
    posted: &Mutex<Vec<Posted>>,
    connections: &Mutex<Vec<TcpStream>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut path, mut id, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if path.is_empty() {
            line.split(' ').nth(1)?.clone_into(&mut path);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("webhook-id") => value.trim().clone_into(&mut id),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).ok()?;
    let at = Instant::now();
    let treatment = treatment(*answers.lock().unwrap());
    let taken = matches!(treatment, Treatment::Take | Treatment::TakeInSilence);
    let answer_lost = treatment == Treatment::TakeInSilence;
    posted.lock().unwrap().push(Posted { path, id, body, taken, answer_lost, at });
    let head = match treatment {
        Treatment::Take => "200 OK",
        Treatment::Fail => "503 Service Unavailable",
        Treatment::Limit => "429 Too Many Requests\r\nretry-after: 1",
        Treatment::Break | Treatment::TakeInSilence => return None,
        Treatment::Hang => {
            // Kept open: the other side sees neither an answer nor an end.
            connections.lock().unwrap().push(stream);
            return None;
        }
    };
    let mut stream = stream;
    let body = "{\"id\":\"m1\"}";
    let text = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).ok()
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    Take,
    TakeInSilence,
    Fail,
    Limit,
    Break,
    Hang,
}

fn treatment(answers: Answers) -> Treatment {
    /// Requests that got [`Answers::Anything`] so far.
    static TURN: AtomicUsize = AtomicUsize::new(0);
    match answers {
        Answers::Takes => Treatment::Take,
        Answers::Fails => Treatment::Fail,
        Answers::Hangs => Treatment::Hang,
        // In turn, and no two kinds always in the same order: 7 and 40 have no common divisor.
        Answers::Anything => match TURN.fetch_add(7, Ordering::Relaxed) % 40 {
            0..6 => Treatment::Fail,
            6..9 => Treatment::Limit,
            9..11 => Treatment::Break,
            11..15 => Treatment::TakeInSilence,
            15 => Treatment::Hang,
            _ => Treatment::Take,
        },
    }
}
